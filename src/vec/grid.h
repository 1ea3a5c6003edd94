/* grid.h - two planes of 4 bits: what a walk reads, and what is read besides to rank.
 *
 * Each dimension has a grid of its own, 256 steps between two bounds taken from a sample. The upper
 * nibbles of a vector lie together (192 bytes at 384 dimensions), the lower ones elsewhere: a walk
 * touches half the bytes of an 8-bit code, and both halves together are that code.
 *
 * A plane's record is laid out in lines of 64 bytes; byte j of line i holds dimension 128 i + j in its
 * low nibble and 128 i + 64 + j in its high one. Dimensions are padded to 128 with zeros. */
#ifndef VEC_GRID_H
#define VEC_GRID_H

#include "vec/kernel.h"

struct grid {
    uint32_t dim, padded; /* elements, and rounded up to 128 */
    size_t stride;        /* bytes of a record of one plane */
    const float *low, *step; /* element = low + step * (code + 1/2), code in 0 .. 255 */
};

void grid_layout(struct grid *g, uint32_t dim);
/* Bounds for each dimension from `count` sampled vectors, row by row: of some candidates those with the
 * least squared error at 4 bits. `low` and `step` have room for dim floats. */
void grid_train(const struct grid *g, const float *sample, size_t count, float *low, float *step);
/* Writes one record of each plane; `rest` may be NULL. */
void grid_encode(const struct grid *g, const float *v, uint8_t *top, uint8_t *rest);
/* What both planes say, or the upper one alone (`rest` NULL). */
void grid_decode(const struct grid *g, const uint8_t *top, const uint8_t *rest, float *v);

/* A query against the upper plane: dot(q, v) is about offset + factor * sum(query * code). */
struct grid_query {
    float offset, factor;
    float sum; /* of the query as written */
};
/* Writes twice `padded` signed bytes in the order of the records: the query, and what rounding left of it,
 * in units of 1 / GRID_FINE. */
struct grid_query grid_prepare(const struct grid *g, const struct kernels *k, const float *q, int8_t *query);

#endif
