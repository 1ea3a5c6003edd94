/* blob_mem.c - blobs in memory: what the conformance suite measures the others by. */
#include "store/blob.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/mem.h"
#include "base/strmap.h"

struct mem_store {
    struct blob_store base;
    struct strmap blobs; /* key -> struct buf */
};

struct mem_writer {
    struct blob_writer base;
    struct mem_store *store;
    char *key;
    struct buf data;
};

static struct mem_store *mem_of(struct blob_store *s)
{
    return container_of(s, struct mem_store, base);
}

static void writer_free(struct mem_writer *w)
{
    buf_release(&w->data);
    mem_free(w->key);
    mem_free(w);
}

static int mem_create(struct ctx *c, struct blob_store *s, const char *key, struct blob_writer **ret_writer)
{
    struct mem_writer *w = mem_zalloc(sizeof *w);

    if (!w)
        return err_nomem(c);
    w->base.ops = s->ops;
    w->store = mem_of(s);
    w->key = mem_strdup(key);
    if (!w->key) {
        writer_free(w);
        return err_nomem(c);
    }
    *ret_writer = &w->base;
    return 0;
}

static int mem_append(struct ctx *c, struct blob_writer *base, const void *data, size_t size)
{
    struct mem_writer *w = container_of(base, struct mem_writer, base);

    base->written += size;
    buf_put(&w->data, data, size);
    return w->data.failed ? err_nomem(c) : 0;
}

static void mem_abort(struct blob_writer *base)
{
    if (base)
        writer_free(container_of(base, struct mem_writer, base));
}

static void drop(struct mem_store *m, const char *key)
{
    uint64_t *old = strmap_get(&m->blobs, key);
    struct buf *data = old ? (struct buf *)(uintptr_t)*old : NULL;

    if (!data)
        return;
    buf_release(data);
    mem_free(data);
    strmap_remove(&m->blobs, key);
}

static int mem_commit(struct ctx *c, struct blob_writer *base)
{
    struct mem_writer *w = container_of(base, struct mem_writer, base);
    struct buf *data = mem_alloc(sizeof *data);
    uint64_t *slot;

    drop(w->store, w->key);
    slot = data ? strmap_put(&w->store->blobs, w->key) : NULL;
    if (!slot) {
        mem_free(data);
        writer_free(w);
        return err_nomem(c);
    }
    *data = w->data;
    buf_init(&w->data);
    *slot = (uint64_t)(uintptr_t)data;
    writer_free(w);
    return 0;
}

static void mem_close(struct blob *b)
{
    if (!b)
        return;
    mem_free_aligned((void *)(uintptr_t)b->data);
    mem_free(b);
}

static int mem_open(struct ctx *c, struct blob_store *s, const char *key, struct blob **ret_blob)
{
    uint64_t *slot = strmap_get(&mem_of(s)->blobs, key);
    const struct buf *data = slot ? (const struct buf *)(uintptr_t)*slot : NULL;
    struct blob *b;
    uint8_t *copy;

    if (!data)
        return err_set(c, KITH_NOT_FOUND, "blob %s: not there", key);
    b = mem_zalloc(sizeof *b);
    copy = mem_aligned(data->size);
    if (!b || !copy) {
        mem_free(b);
        mem_free_aligned(copy);
        return err_nomem(c);
    }
    memcpy(copy, data->data, data->size);
    b->ops = s->ops;
    b->data = copy;
    b->size = data->size;
    *ret_blob = b;
    return 0;
}

static int mem_remove(struct ctx *c, struct blob_store *s, const char *key)
{
    UNUSED(c);
    drop(mem_of(s), key);
    return 0;
}

static int mem_list(struct ctx *c, struct blob_store *s, int (*each)(void *, const char *), void *arg)
{
    struct mem_store *m = mem_of(s);

    UNUSED(c);
    for (size_t i = 0; i < m->blobs.capacity; i++) {
        if (m->blobs.entries[i].key)
            TRY(each(arg, m->blobs.entries[i].key));
    }
    return 0;
}

static void mem_store_free(struct blob_store *s)
{
    struct mem_store *m = mem_of(s);

    for (size_t i = 0; i < m->blobs.capacity; i++) {
        struct buf *data = m->blobs.entries[i].key ? (struct buf *)(uintptr_t)m->blobs.entries[i].value : NULL;
        if (data)
            buf_release(data);
        mem_free(data);
    }
    strmap_release(&m->blobs);
    mem_free(m);
}

static const struct blob_ops mem_ops = {
    .name = "memory",
    .create = mem_create,
    .append = mem_append,
    .commit = mem_commit,
    .abort = mem_abort,
    .open = mem_open,
    .close = mem_close,
    .remove = mem_remove,
    .list = mem_list,
    .free = mem_store_free,
};

int blob_mem_open(struct ctx *c, struct blob_store **ret_store)
{
    struct mem_store *m = mem_zalloc(sizeof *m);

    if (!m)
        return err_nomem(c);
    m->base.ops = &mem_ops;
    *ret_store = &m->base;
    return 0;
}
