/* deads.c - marks, and the rows without them. */
#include "segment/deads.h"

#include "base/mem.h"

size_t deads_bytes(uint32_t rows)
{
    return sizeof(struct deads) + (size_t)rows * (sizeof(lsn) + sizeof(row_id)) + (size_t)bits_words(rows) * 8;
}

struct deads *deads_new(uint32_t rows)
{
    size_t marks = (size_t)rows * sizeof(lsn), bits = (size_t)bits_words(rows) * 8;
    struct deads *d = mem_zalloc(deads_bytes(rows));

    if (!d)
        return NULL;
    atomic_init(&d->refs, 1);
    d->rows = rows;
    d->gone = (atomic_ullong *)((uintptr_t)d->at + marks);
    d->list = (row_id *)((uintptr_t)d->gone + bits);
    return d;
}

void deads_unref(struct deads *d)
{
    if (d && atomic_fetch_sub(&d->refs, 1) == 1)
        mem_free(d);
}

bool deads_mark(struct deads *d, row_id row, lsn at)
{
    bool alive = atomic_load_explicit(&d->at[row], memory_order_relaxed) == 0;
    uint32_t n = atomic_load_explicit(&d->count, memory_order_relaxed);

    atomic_store_explicit(&d->at[row], at, memory_order_release);
    if (!alive)
        return false;
    d->list[n] = row;
    atomic_store_explicit(&d->count, n + 1, memory_order_release);
    atomic_fetch_or_explicit(&d->gone[row >> 6], 1ull << (row & 63), memory_order_release);
    return true;
}

bool deads_live(const struct deads *d, lsn v, struct bits *out)
{
    uint32_t count;

    for (uint32_t i = 0; i < bits_words(d->rows); i++)
        out->words[i] = ~atomic_load_explicit(&d->gone[i], memory_order_acquire);
    if (d->rows & 63)
        out->words[d->rows >> 6] &= (1ull << (d->rows & 63)) - 1;
    count = atomic_load_explicit(&d->count, memory_order_acquire);
    for (uint32_t i = count; i-- > 0 && atomic_load_explicit(&d->at[d->list[i]], memory_order_acquire) > v;)
        bits_set(out, d->list[i]);
    return count == 0;
}
