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
    uint32_t vector_id;
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

uint64_t part_copied(const struct part *p, uint32_t vector_id)
{
    uint64_t bytes = 0;

    for (const struct copied *x = p->copies; x; x = x->next)
        bytes += x->vector_id == vector_id ? x->size : 0;
    return bytes;
}

const void *part_copy(struct part *p, uint32_t vector_id, const void *data, size_t size)
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
    *x = (struct copied){p->copies, data, pages_alloc(size), size, vector_id};
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

/* ---- what they take ----------------------------------------------------------------------------------------- */

static const enum use_kind use_of[] = {
    [PACK_IDS] = USE_IDS, [PACK_LSNS] = USE_IDS, [PACK_FILTER] = USE_IDS, [PACK_SEGMENT] = USE_IDS,
    [PACK_VECTORS] = USE_VECTORS, [PACK_PRESENT] = USE_VECTORS,
    [PACK_DOCS] = USE_DOCUMENTS, [PACK_DOC_MAP] = USE_DOCUMENTS, [PACK_DOC_LSNS] = USE_DOCUMENTS,
    [PACK_FIELD] = USE_FIELD, [PACK_SCORES] = USE_FIELD, [PACK_POSITIONS] = USE_FIELD,
    [PACK_POSTINGS] = USE_POSTINGS,
    [PACK_GRAPH] = USE_INDEX, [PACK_CODES] = USE_INDEX, [PACK_CODE_META] = USE_INDEX, [PACK_SLOTS] = USE_INDEX,
    [PACK_LINKS] = USE_INDEX, [PACK_GRID] = USE_INDEX, [PACK_TOP] = USE_INDEX, [PACK_REST] = USE_INDEX,
    [PACK_NORMS] = USE_INDEX, [PACK_CURVE] = USE_INDEX, [PACK_PLANES] = USE_INDEX, [PACK_PRODUCT] = USE_INDEX,
    [PACK_LISTS] = USE_INDEX, [PACK_CENTRES] = USE_INDEX,
};

void part_uses(const struct part *p, uint64_t owner, bool docs, use_report report, void *arg)
{
    for (uint32_t i = 0; i < p->pack->sections_count; i++) {
        const struct pack_section *x = &p->pack->sections[i];
        enum use_kind kind = x->kind < ARRAY_SIZE(use_of) ? use_of[x->kind] : USE_IDS;
        bool of_docs = kind == USE_DOCUMENTS || kind == USE_FIELD;
        if (x->owner == owner && (!of_docs || docs))
            report(arg, kind, x->tag, x->size, 0);
    }
}
