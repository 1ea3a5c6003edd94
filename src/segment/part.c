/* part.c - containers in use, and copies of what is read at random. */
#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"
#include "segment/sealed.h"

/* Copies lie on huge pages if they can be had. */
struct copied {
    struct copied *next;
    const uint8_t *of;
    uint8_t *data;
    size_t size;
};

void part_unref(struct part *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (struct copied *x = p->copies, *next; x; x = next) {
        next = x->next;
        atomic_fetch_sub(&p->store->copied, x->size);
        pages_free(x->data, x->size);
        mem_free(x);
    }
    pack_close(p->pack);
    mem_free(p);
}

const void *part_copy(struct part *p, const void *data, size_t size)
{
    struct copied *x = p->copies;

    while (x && x->of != data)
        x = x->next;
    if (x)
        return x->data;
    if (atomic_fetch_add(&p->store->copied, size) + size > p->store->copied_max || !(x = mem_alloc(sizeof *x))) {
        atomic_fetch_sub(&p->store->copied, size);
        return data;
    }
    *x = (struct copied){p->copies, data, pages_alloc(size), size};
    if (!x->data) {
        atomic_fetch_sub(&p->store->copied, size);
        mem_free(x);
        return data;
    }
    memcpy(x->data, data, size);
    p->copies = x;
    return x->data;
}

struct part *part_ref(struct part *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

static int part_open(struct ctx *c, struct blob_store *blobs, const char *key, struct part **ret_part)
{
    struct part *p = mem_zalloc(sizeof *p);
    int rc;

    if (!p)
        return err_nomem(c);
    atomic_init(&p->refs, 1);
    p->store = blobs;
    rc = pack_open(c, blobs, key, &p->pack);
    if (rc < 0) {
        mem_free(p);
        return rc == KITH_NOT_FOUND ? err_set(c, KITH_CORRUPT, "blob %s is missing", key) : rc;
    }
    *ret_part = p;
    return 0;
}

int part_take(struct ctx *c, struct blob_store *blobs, const char *key, struct part *const *known, size_t count,
              struct part **ret_part)
{
    for (size_t i = 0; i < count; i++) {
        if (known[i] && strcmp(known[i]->pack->key, key) == 0) {
            *ret_part = part_ref(known[i]);
            return 0;
        }
    }
    return part_open(c, blobs, key, ret_part);
}
