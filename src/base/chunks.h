/* chunks.h - an array that grows and whose elements never move: one writer, any readers. Chunk k holds 64 << k
 * elements, so that a tiny one costs little and a place is found by one count of leading zeros. */
#ifndef BASE_CHUNKS_H
#define BASE_CHUNKS_H

#include "base/base.h"

#include <stdatomic.h>

enum { CHUNKS = 20, CHUNK_FIRST = 64 };

struct chunks {
    uint8_t *_Atomic data[CHUNKS];
};

/* The chunk of element i, and its place there. */
static inline uint32_t chunk_of(uint32_t i, uint32_t *ret_at)
{
    uint32_t n = i / CHUNK_FIRST + 1, k = 31u - (uint32_t)__builtin_clz(n);

    *ret_at = i - ((1u << k) - 1) * CHUNK_FIRST;
    return k;
}

/* Of an element that a reserve was made for. */
static inline void *chunks_at(const struct chunks *c, size_t size, uint32_t i)
{
    uint32_t at, k = chunk_of(i, &at);

    return atomic_load_explicit(&((struct chunks *)(uintptr_t)c)->data[k], memory_order_acquire) + at * size;
}

/* Room for element i, given that there is some for all before it. New room is cleared. How many bytes came, or
 * KITH_NOMEM. */
int64_t chunks_reserve(struct chunks *c, size_t size, uint32_t i);
void chunks_release(struct chunks *c);

#endif
