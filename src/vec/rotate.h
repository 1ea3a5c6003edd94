/* rotate.h - a fixed rotation that spreads what single elements carry over all of them, so that one or two bits
 * an element lose about the same everywhere: random signs and Hadamard transforms (Ailon and Chazelle 2009), over
 * the first and the last elements by turns where their number is no power of two. */
#ifndef VEC_ROTATE_H
#define VEC_ROTATE_H

#include "base/base.h"

/* In place; lengths and inner products stay. The same for the same `dim`, always. */
void rotate(float *v, uint32_t dim);

#endif
