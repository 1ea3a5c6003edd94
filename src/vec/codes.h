/* codes.h - 8-bit codes of vectors, and the scorer over them: all that a graph knows of vectors.
 *
 * A record is [dim bytes, padded with zeros to 64][norm2, scale, shift: f32], padded to 64 bytes. A
 * vector is about scale * code. Manhattan uses one scale for all, the others one for each. */
#ifndef VEC_CODES_H
#define VEC_CODES_H

#include "vec/kernel.h"

struct code_tail {
    float norm2; /* of the original */
    float scale;
    float shift; /* scale * 128 * sum of the code: what the query's bias adds */
    float unused;
};

struct codes {
    const uint8_t *base;
    size_t stride;
    uint32_t dim, padded; /* elements, and rounded up to 64 */
    uint32_t count;
    kith_metric metric;
    float common_scale; /* manhattan */
};

void codes_layout(struct codes *codes, kith_metric metric, uint32_t dim);
/* Writes one record of `stride` bytes. */
void codes_encode(const struct codes *codes, const struct kernels *k, const float *v, uint8_t *record);

/* A query against codes. Owns its biased copy in the arena. */
struct scorer {
    const struct codes *codes;
    const struct kernels *kernels;
    uint8_t *query; /* biased to unsigned */
    float norm_factor, dot_factor;
};

int scorer_init(struct scorer *s, struct arena *a, const struct codes *codes, const struct kernels *k);
void scorer_query(struct scorer *s, const float *query);
/* The query is the record of `slot`. */
void scorer_slot(struct scorer *s, uint32_t slot);
/* Distances (approximate, ordered like the true ones) of up to 4 slots; unused places repeat slot 0. */
void scorer_four(const struct scorer *s, const uint32_t slots[4], float out[4]);

static inline const uint8_t *codes_at(const struct codes *codes, uint32_t slot)
{
    return codes->base + (size_t)slot * codes->stride;
}

#endif
