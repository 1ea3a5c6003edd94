/* planes.h - codes of one or two bits an element, for those who want memory most of all.
 *
 * A vector lies somewhere around a centre; of each element of what is left it is kept on which of 2 or 4 steps it
 * lies. What the steps say is shorter than the vector: a factor a record, as in RaBitQ (Gao and Long 2024), makes
 * inner products right on average. Where a rotation lowers the error on a sample, vectors are rotated first.
 *
 * A record is [a bit an element, padded to 64 elements; two bits: the upper ones, then the lower ones]
 * [ratio, norm2: f32], padded to 32 bytes. */
#ifndef VEC_PLANES_H
#define VEC_PLANES_H

#include "vec/kernel.h"

struct planes {
    uint32_t dim, padded; /* elements, and rounded up to 64 */
    uint32_t bits;        /* 1 or 2 */
    bool rotated;
    size_t plane, stride; /* bytes of one bit of all elements, and of a record */
    const float *centre, *low, *step; /* element = centre + low + step * code, after the rotation */
};

struct plane_tail {
    float ratio; /* of what is left of the vector to what its code says of it */
    float norm2; /* of the vector */
};

void planes_layout(struct planes *p, uint32_t dim, uint32_t bits);
/* From `count` sampled vectors, row by row, which it changes: whether to rotate, and centre, low and step, which
 * then are the first 3 * dim floats of `out`; it has room for 6 * dim. */
void planes_train(struct planes *p, float *sample, size_t count, float *out);
/* Writes a record. `room`: dim floats. `norm2` is kept as it is. */
void planes_encode(const struct planes *p, const float *v, float norm2, float *room, uint8_t *record);
/* As vectors are turned: dim floats to `room`. */
void planes_query(const struct planes *p, const float *q, float *room);

#endif
