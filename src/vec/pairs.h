/* pairs.h - the pair kernels of one instruction set, made of bodies that its file has:
 *   floats(sum, element, a, b, n)        f32, f16, bf16, scaled8, scaled4
 *   bytes(sum, element, a, b, n)         i8, u8
 *   bytes_cosine(element, a, b, n)
 *   sixteen(sum, element, a, b, n, out)  f32, f16, scaled8, scaled4; dot and l2
 * PAIR_FUNCTIONS inlines them once for each element, PAIR_ROWS are their rows of the table. */
#ifndef VEC_PAIRS_H
#define VEC_PAIRS_H

#include "vec/kernel.h"

#include <math.h>

enum sum { DOT, L2, L1 };

#define PAIR(name, call)                                       \
    static float name(const void *a, const void *b, size_t n)  \
    {                                                          \
        return (float)(call);                                  \
    }
#define PAIRS(name, body, e)                   \
    PAIR(name##_dot, body(DOT, e, a, b, n))    \
    PAIR(name##_l2, body(L2, e, a, b, n))      \
    PAIR(name##_l1, body(L1, e, a, b, n))

#define SIXTEEN(name, e)                                                                                   \
    static void name##_dots(const void *const a[4], const void *const b[4], size_t n, float out[4][4])     \
    {                                                                                                      \
        sixteen(DOT, e, a, b, n, out);                                                                     \
    }                                                                                                      \
    static void name##_l2s(const void *const a[4], const void *const b[4], size_t n, float out[4][4])      \
    {                                                                                                      \
        sixteen(L2, e, a, b, n, out);                                                                      \
    }

#define PAIR_FUNCTIONS                                   \
    PAIRS(f32, floats, KITH_F32)                         \
    PAIRS(f16, floats, KITH_F16)                         \
    PAIRS(bf16, floats, KITH_BF16)                       \
    PAIRS(i8, bytes, KITH_I8)                            \
    PAIRS(u8, bytes, KITH_U8)                            \
    PAIR(i8_cosine, bytes_cosine(KITH_I8, a, b, n))      \
    PAIR(u8_cosine, bytes_cosine(KITH_U8, a, b, n))      \
    PAIRS(scaled8, floats, KITH_SCALED8)                 \
    PAIRS(scaled4, floats, KITH_SCALED4)                 \
    PAIR(scaled8_cosine, cosine_of(scaled8_dot, a, b, n)) \
    PAIR(scaled4_cosine, cosine_of(scaled4_dot, a, b, n)) \
    SIXTEEN(f32, KITH_F32)                               \
    SIXTEEN(f16, KITH_F16)                               \
    SIXTEEN(scaled8, KITH_SCALED8)                       \
    SIXTEEN(scaled4, KITH_SCALED4)

/* of what has lengths near 1, and not just that */
static inline float cosine_of(kernel_pair dot, const void *a, const void *b, size_t n)
{
    double square = (double)dot(a, a, n) * (double)dot(b, b, n);

    return square > 0 ? (float)((double)dot(a, b, n) / sqrt(square)) : 0;
}

#define PAIR_ROWS                                                                                          \
    [KITH_F32] = {f32_dot, f32_l2, f32_l1, NULL, f32_dots, f32_l2s},                                       \
    [KITH_F16] = {f16_dot, f16_l2, f16_l1, NULL, f16_dots, f16_l2s},                                       \
    [KITH_BF16] = {bf16_dot, bf16_l2, bf16_l1, NULL, NULL, NULL},                                          \
    [KITH_I8] = {i8_dot, i8_l2, i8_l1, i8_cosine, NULL, NULL},                                             \
    [KITH_U8] = {u8_dot, u8_l2, u8_l1, u8_cosine, NULL, NULL},                                             \
    [KITH_SCALED8] = {scaled8_dot, scaled8_l2, scaled8_l1, scaled8_cosine, scaled8_dots, scaled8_l2s},     \
    [KITH_SCALED4] = {scaled4_dot, scaled4_l2, scaled4_l1, scaled4_cosine, scaled4_dots, scaled4_l2s}

/* What four_*.h has for codes. */
#define CODE_ROWS                                                                     \
    .dot8x4 = four_dot8, .l1x4 = four_l1, .dot4x4 = four_dot4, .dot1x4 = four_dot1,   \
    .and4 = four_and

/* What is left of a vector from i on, with zeros behind it in `rest`, and of which element it then is. */
static ALWAYS_INLINE kith_element copy_last(kith_element e, const uint8_t *v, size_t i, size_t n, float *rest)
{
    size_t size = e == KITH_F32 ? 4 : 2;

    if (!element_is_scaled(e)) {
        memcpy(rest, v + i * size, (n - i) * size);
        return e;
    }
    for (size_t j = i; j < n; j++)
        rest[j - i] = element_from_scaled(e, v, j);
    return KITH_F32;
}

/* Where a processor has nothing of its own for them. */
static inline float bit_ratio_of(float both, float differ)
{
    return both + differ > 0 ? both / (both + differ) : 1;
}

static inline float round_product_plainly(const float *a, const float *b, float scale, size_t n, int8_t *whole,
                                          int8_t *fine)
{
    int64_t sum = 0, sum_fine = 0;

    for (size_t i = 0; i < n; i++) {
        float x = a[i] * b[i] * scale;
        whole[i] = (int8_t)__builtin_rintf(x);
        fine[i] = (int8_t)__builtin_rintf((x - (float)whole[i]) * GRID_FINE);
        sum += whole[i];
        sum_fine += fine[i];
    }
    return (float)((double)sum + (double)sum_fine / GRID_FINE);
}

#endif
