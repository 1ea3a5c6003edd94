/* k_scalar.c - the reference that every other kernel is tested against. */
#include "vec/four_scalar.h"
#include "vec/kernel.h"

#include <math.h>

/* ---- pairs: one body for each kind of sum, one instance for each element -------------------------------- */

static ALWAYS_INLINE double at(kith_element e, const void *v, size_t i)
{
    const uint8_t *bytes = v;
    uint16_t half;
    float f;

    switch (e) {
    case KITH_F32:
        memcpy(&f, bytes + 4 * i, sizeof f);
        return (double)f;
    case KITH_F16:
        memcpy(&half, bytes + 2 * i, sizeof half);
        return (double)element_from_f16(half);
    case KITH_BF16:
        memcpy(&half, bytes + 2 * i, sizeof half);
        return (double)element_from_bf16(half);
    case KITH_I8:
        return (int8_t)bytes[i];
    case KITH_U8:
        return bytes[i];
    case KITH_BIT: case KITH_SPARSE:
        break;
    }
    return bytes[i >> 3] >> (i & 7) & 1;
}

static ALWAYS_INLINE double sum_dot(kith_element e, const void *a, const void *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += at(e, a, i) * at(e, b, i);
    return s;
}

static ALWAYS_INLINE double sum_l2(kith_element e, const void *a, const void *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++) {
        double d = at(e, a, i) - at(e, b, i);
        s += d * d;
    }
    return s;
}

static ALWAYS_INLINE double sum_l1(kith_element e, const void *a, const void *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += fabs(at(e, a, i) - at(e, b, i));
    return s;
}

static ALWAYS_INLINE double cosine(kith_element e, const void *a, const void *b, size_t n)
{
    double square = sum_dot(e, a, a, n) * sum_dot(e, b, b, n);

    return square > 0 ? sum_dot(e, a, b, n) / sqrt(square) : 0;
}

#define PAIR(name, sum, e)                                      \
    static float name(const void *a, const void *b, size_t n)   \
    {                                                           \
        return (float)sum(e, a, b, n);                          \
    }
#define PAIRS(prefix, e)               \
    PAIR(prefix##_dot, sum_dot, e)     \
    PAIR(prefix##_l2, sum_l2, e)       \
    PAIR(prefix##_l1, sum_l1, e)
PAIRS(f32, KITH_F32)
PAIRS(f16, KITH_F16)
PAIRS(bf16, KITH_BF16)
PAIRS(i8, KITH_I8)
PAIRS(u8, KITH_U8)
PAIR(i8_cosine, cosine, KITH_I8)
PAIR(u8_cosine, cosine, KITH_U8)
PAIR(bit_and, sum_dot, KITH_BIT)
PAIR(bit_differ, sum_l2, KITH_BIT)

static float bit_ratio(const void *a, const void *b, size_t n)
{
    float both = bit_and(a, b, n), either = both + bit_differ(a, b, n);

    return either > 0 ? both / either : 1;
}

/* ---- for the grid ---------------------------------------------------------------------------------------- */

static float most_product(const float *a, const float *b, size_t n)
{
    float most = 0;

    for (size_t i = 0; i < n; i++) {
        float w = fabsf(a[i] * b[i]);
        most = w > most ? w : most;
    }
    return most;
}

static float round_product(const float *a, const float *b, float scale, size_t n, int8_t *whole, int8_t *fine)
{
    int64_t sum = 0, sum_fine = 0;

    for (size_t i = 0; i < n; i++) {
        float x = a[i] * b[i] * scale;
        whole[i] = (int8_t)rintf(x);
        fine[i] = (int8_t)rintf((x - (float)whole[i]) * GRID_FINE);
        sum += whole[i];
        sum_fine += fine[i];
    }
    return (float)((double)sum + (double)sum_fine / GRID_FINE);
}

static uint32_t collect(const uint16_t *sums, size_t n, uint16_t bar, uint32_t *out)
{
    uint32_t count = 0;

    for (size_t i = 0; i < n; i++) {
        out[count] = (uint32_t)i;
        count += sums[i] >= bar;
    }
    return count;
}

const struct kernels kernels_scalar = {
    .name = "scalar",
    .of = {[KITH_F32] = {f32_dot, f32_l2, f32_l1, NULL},
           [KITH_F16] = {f16_dot, f16_l2, f16_l1, NULL},
           [KITH_BF16] = {bf16_dot, bf16_l2, bf16_l1, NULL},
           [KITH_I8] = {i8_dot, i8_l2, i8_l1, i8_cosine},
           [KITH_U8] = {u8_dot, u8_l2, u8_l1, u8_cosine},
           [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio}},
    .dot8x4 = four_dot8, .l1x4 = four_l1, .dot4x4 = four_dot4, .and4 = four_and,
    .most_product = most_product, .round_product = round_product, .collect = collect};
