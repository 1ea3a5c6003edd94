/* walk_scalar.h - a beam without vector instructions: binary search, then a move of the rest. */
#ifndef INDEX_WALK_SCALAR_H
#define INDEX_WALK_SCALAR_H

#include "index/walk_links.h"

static inline void beam_insert(struct beam *b, float d, uint32_t id)
{
    uint32_t low = 0, high = b->size, rest;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (b->d[middle] <= d)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == b->size)
        return;
    rest = b->size - low - 1;
    memmove(b->d + low + 1, b->d + low, rest * sizeof *b->d);
    memmove(b->id + low + 1, b->id + low, rest * sizeof *b->id);
    b->d[low] = d;
    b->id[low] = id;
}

static inline int beam_next(const struct beam *b)
{
    for (uint32_t i = 0; i < b->size; i++) {
        if (!(b->id[i] & WALKED))
            return (int)i;
    }
    return -1;
}

#endif
