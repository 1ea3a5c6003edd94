/* k_scalar.c - the reference that every other kernel is tested against. */
#include "vec/four_scalar.h"
#include "vec/pairs.h"

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
    case KITH_SCALED8: case KITH_SCALED4:
        return (double)element_from_scaled(e, v, i);
    case KITH_BIT: case KITH_SPARSE:
        break;
    }
    return bytes[i >> 3] >> (i & 7) & 1;
}

static ALWAYS_INLINE double floats(enum sum kind, kith_element e, const void *a, const void *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++) {
        double x = at(e, a, i), y = at(e, b, i);
        s += kind == DOT ? x * y : kind == L2 ? (x - y) * (x - y) : fabs(x - y);
    }
    return s;
}
#define bytes floats

static ALWAYS_INLINE double bytes_cosine(kith_element e, const void *a, const void *b, size_t n)
{
    double square = bytes(DOT, e, a, a, n) * bytes(DOT, e, b, b, n);

    return square > 0 ? bytes(DOT, e, a, b, n) / sqrt(square) : 0;
}

static ALWAYS_INLINE void sixteen(enum sum kind, kith_element e, const void *const a[4], const void *const b[4],
                                  size_t n, float out[4][4])
{
    for (size_t i = 0; i < 16; i++)
        out[i / 4][i % 4] = (float)floats(kind, e, a[i / 4], b[i % 4], n);
}

PAIR_FUNCTIONS
PAIR(bit_and, floats(DOT, KITH_BIT, a, b, n))
PAIR(bit_differ, floats(L2, KITH_BIT, a, b, n))

static float bit_ratio(const void *a, const void *b, size_t n)
{
    return bit_ratio_of(bit_and(a, b, n), bit_differ(a, b, n));
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

static void look_up(const uint8_t *codes, const uint8_t *table, size_t groups, uint16_t out[32])
{
    memset(out, 0, 32 * sizeof *out);
    for (size_t g = 0; g < groups; g++, codes += 16, table += 16) {
        for (size_t j = 0; j < 16; j++) {
            out[j] = (uint16_t)(out[j] + table[codes[j] & 15]);
            out[j + 16] = (uint16_t)(out[j + 16] + table[codes[j] >> 4]);
        }
    }
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
    .of = {PAIR_ROWS, [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio, NULL, NULL}},
    CODE_ROWS, .look_up = look_up,
    .most_product = most_product, .round_product = round_product_plainly, .collect = collect};
