/* element.c - conversions. */
#include "vec/element.h"

#include <math.h>

const char *element_name(kith_element e)
{
    static const char *const names[] = {"f32", "f16", "bf16", "i8", "u8", "bit", "sparse", "scaled8", "scaled4"};

    return element_is_known(e) ? names[e] : "of an unknown kind";
}

float element_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023, bits;
    float f;

    if (exponent == 0) { /* subnormal: fraction * 2^-24 */
        f = (float)fraction * 0x1p-24f;
        return sign ? -f : f;
    }
    bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t element_to_f16(float f)
{
    uint32_t bits, fraction, half, rest;
    uint16_t sign;
    int exponent;

    memcpy(&bits, &f, sizeof bits);
    sign = (uint16_t)(bits >> 16 & 0x8000);
    exponent = (int)(bits >> 23 & 255) - 112;
    fraction = bits & 0x7fffff;
    if (exponent >= 31 + 112) /* infinity, NaN */
        return (uint16_t)(sign | 0x7c00 | (fraction ? 0x200 : 0));
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7c00);
    if (exponent <= 0) { /* a subnormal: in units of 2^-24 */
        int shift = 14 - exponent;
        if (shift > 24)
            return sign;
        fraction |= 0x800000;
        half = fraction >> shift;
        rest = fraction & ((1u << shift) - 1);
        half += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1));
        return (uint16_t)(sign | half);
    }
    half = (uint32_t)exponent << 10 | fraction >> 13;
    rest = fraction & 0x1fff;
    half += rest > 0x1000 || (rest == 0x1000 && (half & 1)); /* may carry into the exponent, up to infinity */
    return (uint16_t)(sign | half);
}

uint16_t element_to_bf16(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) /* a NaN stays one */
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void element_widen(kith_element e, const void *from, float *to, uint32_t dim)
{
    const int8_t *i8 = from;
    const uint8_t *u8 = from;

    if (e == KITH_F32) {
        memcpy(to, from, (size_t)dim * sizeof *to);
        return;
    }
    for (uint32_t i = 0; i < dim && e == KITH_BIT; i++)
        to[i] = (float)(u8[i >> 3] >> (i & 7) & 1);
    for (uint32_t i = 0; i < dim && element_is_scaled(e); i++)
        to[i] = element_from_scaled(e, from, i);
    for (uint32_t i = 0; i < dim && e != KITH_BIT && !element_is_scaled(e); i++) {
        uint16_t h = 0;
        if (e == KITH_F16 || e == KITH_BF16)
            memcpy(&h, u8 + 2 * (size_t)i, sizeof h);
        to[i] = e == KITH_F16 ? element_from_f16(h) : e == KITH_BF16 ? element_from_bf16(h)
                : e == KITH_I8 ? (float)i8[i] : (float)u8[i];
    }
}

void element_widen_many(kith_element e, const void *from, float *to, uint32_t dim, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        element_widen(e, (const uint8_t *)from + i * element_size(e, dim), to + (size_t)i * dim, dim);
}

/* The largest finite half is the bound. */
static float bounded_half(float x)
{
    return x < -65504 ? -65504 : x > 65504 ? 65504 : x;
}

static float bounded(float x, float least, float most)
{
    return x < least ? least : x > most ? most : truncf(x);
}

/* The scale is what the largest needs, as bf16 has it: decoded and encoded again, a block stays as it is. */
static void narrow_block(kith_element e, const float *from, uint32_t count, uint8_t *to)
{
    float most = 0, scale, inverse;
    uint16_t half;

    for (uint32_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(from[i]));
    half = element_to_bf16(most / (e == KITH_SCALED8 ? 127 : SCALED4_ZERO));
    scale = element_from_bf16(half);
    inverse = scale > 0 ? 1 / scale : 0;
    memset(to, 0, scaled_block(e));
    memcpy(to, &half, sizeof half);
    for (uint32_t i = 0; i < count; i++) {
        float x = from[i] * inverse;
        if (e == KITH_SCALED8)
            to[2 + i] = (uint8_t)(int8_t)rintf(fminf(fmaxf(x, -127), 127));
        else
            to[2 + i % 16] |= (uint8_t)((unsigned)rintf(fminf(fmaxf((x + SCALED4_ZERO) / 2, 0), 15)) << (i / 16 * 4));
    }
}

void element_narrow(kith_element e, const float *from, void *to, uint32_t dim)
{
    int8_t *i8 = to;
    uint8_t *u8 = to;

    if (element_is_scaled(e)) {
        for (uint32_t i = 0; i < dim; i += SCALED)
            narrow_block(e, from + i, MIN(dim - i, (uint32_t)SCALED), u8 + i / SCALED * scaled_block(e));
        return;
    }
    if (e == KITH_F32) {
        memcpy(to, from, (size_t)dim * sizeof *from);
        return;
    }
    for (uint32_t i = 0; i < dim; i++) {
        uint16_t h;
        if (e == KITH_I8) {
            i8[i] = (int8_t)bounded(from[i], -128, 127);
        } else if (e == KITH_U8) {
            u8[i] = (uint8_t)bounded(from[i], 0, 255);
        } else {
            h = e == KITH_F16 ? element_to_f16(bounded_half(from[i])) : element_to_bf16(from[i]);
            memcpy(u8 + 2 * (size_t)i, &h, sizeof h);
        }
    }
}
