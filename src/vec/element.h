/* element.h - what vectors are made of. */
#ifndef VEC_ELEMENT_H
#define VEC_ELEMENT_H

#include "base/base.h"

enum { ELEMENTS = KITH_BIT + 1 }; /* dense ones */

/* Bytes of a vector as callers give it. */
static inline size_t element_size(kith_element e, uint32_t dim)
{
    static const uint8_t bits[] = {32, 16, 16, 8, 8, 1, 64};

    return ((size_t)dim * bits[e] + 7) / 8;
}
static inline bool element_is_int(kith_element e)
{
    return e == KITH_I8 || e == KITH_U8;
}

/* f32, f16, bf16, i8, u8, bit, sparse */
const char *element_name(kith_element e);

/* IEEE 754 binary16, subnormals, infinities and NaN included; rounding to nearest, ties to even. */
float element_from_f16(uint16_t h);
uint16_t element_to_f16(float f);
static inline float element_from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}
uint16_t element_to_bf16(float f);

/* To f32 (a bit is 0 or 1) and, not for bits, back: what is out of range becomes the nearest bound. Not for sparse
 * vectors. */
void element_widen(kith_element e, const void *from, float *to, uint32_t dim);
void element_narrow(kith_element e, const float *from, void *to, uint32_t dim);

#endif
