/* many.h - multi-vectors as they are kept: u32 count, then so many vectors one right after the other, padded to 4
 * bytes with zeros. */
#ifndef VEC_MANY_H
#define VEC_MANY_H

#include "vec/kernel.h"

struct many {
    uint32_t count;
    const uint8_t *data;
};

/* `one`: bytes of each. */
static inline size_t many_size(size_t one, uint32_t count)
{
    return 4 + align_up(one * count, 4);
}
/* 4-byte aligned */
static inline struct many many_of(const void *kept)
{
    const uint32_t *words = kept;

    return (struct many){words[0], (const uint8_t *)(words + 1)};
}
/* What each of `query` is from the nearest of `to`, summed up: late interaction (Khattab and Zaharia 2020). */
float many_distance(const struct kernels *k, kith_metric metric, kith_element e, const struct many *query,
                    const struct many *to, uint32_t dim);

#endif
