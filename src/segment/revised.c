/* revised.c - the two lists of versions. */
#include "segment/revised.h"

#include "base/mem.h"

struct vecver *vecver_new(lsn at, uint32_t vector_id, const void *data, size_t size)
{
    struct vecver *d = mem_alloc(sizeof *d + size);

    if (!d)
        return NULL;
    *d = (struct vecver){.lsn = at, .vector_id = vector_id, .size = (uint32_t)size};
    if (size)
        memcpy(d->data, data, size);
    return d;
}

static struct vecver *_Atomic *table(struct vecver *_Atomic *_Atomic *at, uint32_t count)
{
    struct vecver *_Atomic *t = atomic_load_explicit(at, memory_order_relaxed);

    if (!t) {
        t = mem_zalloc((size_t)MAX(count, 1u) * sizeof *t);
        atomic_store_explicit(at, t, memory_order_release);
    }
    return t;
}

int revisions_put(struct revisions *r, row_id row, uint32_t vector, struct vecver *d)
{
    struct vecver *_Atomic *rows = table(&r->rows, r->rows_count);
    struct vecver *_Atomic *heads = table(&r->heads, r->vectors_count);
    struct vecver *newer;

    if (!rows || !heads)
        return KITH_NOMEM;
    d->row = row;
    d->next = atomic_load_explicit(&heads[vector], memory_order_relaxed);
    newer = atomic_load_explicit(&rows[row], memory_order_relaxed);
    d->older = newer;
    if (!newer || newer->lsn <= d->lsn) {
        atomic_store_explicit(&rows[row], d, memory_order_release);
    } else { /* manifests have them newest first; nobody reads yet */
        while (newer->older && newer->older->lsn > d->lsn)
            newer = newer->older;
        d->older = newer->older;
        newer->older = d;
    }
    atomic_store_explicit(&heads[vector], d, memory_order_release);
    return 0;
}

const struct vecver *revisions_row(const struct revisions *r, row_id row)
{
    struct vecver *_Atomic *rows = atomic_load_explicit(&((struct revisions *)(uintptr_t)r)->rows,
                                                        memory_order_acquire);

    return rows ? atomic_load_explicit(&rows[row], memory_order_acquire) : NULL;
}

const struct vecver *revisions_at(const struct revisions *r, row_id row, uint32_t vector_id, lsn v)
{
    const struct vecver *d = revisions_row(r, row);

    while (d && (d->lsn > v || (vector_id && d->vector_id != vector_id)))
        d = d->older;
    return d;
}

const struct vecver *revisions_of(const struct revisions *r, uint32_t vector)
{
    struct vecver *_Atomic *heads = atomic_load_explicit(&((struct revisions *)(uintptr_t)r)->heads,
                                                         memory_order_acquire);

    return heads ? atomic_load_explicit(&heads[vector], memory_order_acquire) : NULL;
}

void revisions_release(struct revisions *r)
{
    struct vecver *_Atomic *heads = atomic_load(&r->heads);

    for (uint32_t i = 0; heads && i < r->vectors_count; i++) {
        struct vecver *d = atomic_load(&heads[i]);
        while (d) {
            struct vecver *next = d->next;
            mem_free(d);
            d = next;
        }
    }
    mem_free((void *)(uintptr_t)heads);
    mem_free((void *)(uintptr_t)atomic_load(&r->rows));
}
