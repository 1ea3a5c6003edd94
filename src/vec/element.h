/* element.h - what vectors are made of. */
#ifndef VEC_ELEMENT_H
#define VEC_ELEMENT_H

#include "base/base.h"

enum { ELEMENTS = KITH_SCALED4 + 1 };

static inline bool element_is_known(kith_element e)
{
    return (unsigned)e < ELEMENTS;
}
static inline bool element_is_int(kith_element e)
{
    return e == KITH_I8 || e == KITH_U8;
}
static inline bool element_is_scaled(kith_element e)
{
    return e == KITH_SCALED8 || e == KITH_SCALED4;
}
/* Of which f32 can be made, and which can be made of f32. */
static inline bool element_is_number(kith_element e)
{
    return e != KITH_BIT && e != KITH_SPARSE;
}

/* Scaled ones lie in blocks of 32, the last one filled up with zeros: the scale as bf16, then a byte each, which times
 * the scale is the element; or 16 bytes, of which the lower four bits are one of the first 16 elements and the upper
 * ones one of the last: twice the bits less 15, times the scale. */
enum { SCALED = 32, SCALED4_ZERO = 15 };
static inline size_t scaled_block(kith_element e)
{
    return 2 + (e == KITH_SCALED8 ? SCALED : SCALED / 2);
}

/* Bytes of a vector as callers give it. */
static inline size_t element_size(kith_element e, uint32_t dim)
{
    static const uint8_t bits[] = {32, 16, 16, 8, 8, 1, 64};

    if (element_is_scaled(e))
        return ((size_t)dim + SCALED - 1) / SCALED * scaled_block(e);
    return ((size_t)dim * bits[e] + 7) / 8;
}

/* f32, f16, bf16, i8, u8, bit, sparse, scaled8, scaled4 */
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
static inline float element_from_scaled(kith_element e, const void *v, size_t i)
{
    const uint8_t *block = (const uint8_t *)v + i / SCALED * scaled_block(e), *codes = block + 2;
    uint16_t half;
    int code;

    memcpy(&half, block, sizeof half);
    i %= SCALED;
    code = e == KITH_SCALED8 ? (int8_t)codes[i] : 2 * (codes[i % 16] >> (i / 16 * 4) & 15) - SCALED4_ZERO;
    return element_from_bf16(half) * (float)code;
}

/* To f32 (a bit is 0 or 1) and, not for bits, back: what is out of range becomes the nearest bound. Not for sparse
 * vectors. */
void element_widen(kith_element e, const void *from, float *to, uint32_t dim);
void element_widen_many(kith_element e, const void *from, float *to, uint32_t dim, uint32_t count); /* end to end */
void element_narrow(kith_element e, const float *from, void *to, uint32_t dim);

#endif
