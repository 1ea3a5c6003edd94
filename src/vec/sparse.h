/* sparse.h - sparse vectors as they are kept: u32 count, then as many u32 indices, ascending, then as many f32. */
#ifndef VEC_SPARSE_H
#define VEC_SPARSE_H

#include "base/base.h"

struct sparse {
    uint32_t count;
    const uint32_t *indices;
    const float *values;
};

static inline size_t sparse_size(uint32_t count)
{
    return 4 + 8 * (size_t)count;
}
/* 4-byte aligned */
static inline struct sparse sparse_of(const void *kept)
{
    const uint32_t *words = kept;

    return (struct sparse){words[0], words + 1, (const float *)(const void *)(words + 1 + words[0])};
}
/* The inner product; `ret_common`: how many indices both have. */
float sparse_dot(const struct sparse *a, const struct sparse *b, uint32_t *ret_common);

/* The weight of an index that `df` of so many points have: what is rare says more. */
float sparse_idf(uint64_t points, uint64_t df);

#endif
