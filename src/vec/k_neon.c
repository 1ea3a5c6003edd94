/* k_neon.c - NEON, as every 64-bit ARM has it. */
#include "vec/four_neon.h"
#include "vec/pairs.h"

#include <math.h>

/* ---- pairs of floats: one body for each kind of sum, one instance for each element ------------------------ */

static ALWAYS_INLINE float32x4_t load_scaled(kith_element e, const uint8_t *v, size_t i)
{
    const uint8_t *block = v + i / SCALED * scaled_block(e);
    size_t at = i % SCALED;
    uint8_t four[8] = {0};
    uint16_t half;
    int8x8_t codes;

    memcpy(&half, block, sizeof half);
    memcpy(four, block + 2 + (e == KITH_SCALED8 ? at : at % 16), 4);
    codes = vld1_s8((int8_t *)four);
    if (e == KITH_SCALED4) {
        uint8x8_t bits = vld1_u8(four);
        bits = at >= 16 ? vshr_n_u8(bits, 4) : vand_u8(bits, vdup_n_u8(15));
        codes = vsub_s8(vreinterpret_s8_u8(vadd_u8(bits, bits)), vdup_n_s8(SCALED4_ZERO));
    }
    return vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(codes)))), element_from_bf16(half));
}

static ALWAYS_INLINE float32x4_t load(kith_element e, const uint8_t *v, size_t i)
{
    float out[4];
    uint16x4_t half;

    if (element_is_scaled(e))
        return load_scaled(e, v, i);
    if (e == KITH_F32) {
        memcpy(out, v + 4 * i, sizeof out);
        return vld1q_f32(out);
    }
    memcpy(&half, v + 2 * i, sizeof half);
    if (e == KITH_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(half));
    return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

static ALWAYS_INLINE float32x4_t load_last(kith_element e, const uint8_t *v, size_t i, size_t n)
{
    float rest[4] = {0};

    e = copy_last(e, v, i, n, rest);
    return load(e, (uint8_t *)rest, 0);
}

static ALWAYS_INLINE float32x4_t add(enum sum kind, float32x4_t x, float32x4_t y, float32x4_t s)
{
    float32x4_t d = vsubq_f32(x, y);

    if (kind == DOT)
        return vfmaq_f32(s, x, y);
    return kind == L2 ? vfmaq_f32(s, d, d) : vaddq_f32(s, vabsq_f32(d));
}

static ALWAYS_INLINE float floats(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    float32x4_t s[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        for (size_t j = 0; j < 4; j++)
            s[j] = add(kind, load(e, a, i + 4 * j), load(e, b, i + 4 * j), s[j]);
    }
    for (; i + 4 <= n; i += 4)
        s[0] = add(kind, load(e, a, i), load(e, b, i), s[0]);
    if (i < n)
        s[0] = add(kind, load_last(e, a, i, n), load_last(e, b, i, n), s[0]);
    return vaddvq_f32(vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3])));
}

#define FLOATS_OF_ROW float32x4_t
#define NO_FLOATS vdupq_n_f32(0)

static ALWAYS_INLINE float32x4_t load_some(kith_element e, const uint8_t *v, size_t i, size_t n)
{
    return i + 4 <= n ? load(e, v, i) : load_last(e, v, i, n);
}

static ALWAYS_INLINE void reduce_four(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, float out[4])
{
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

#include "vec/sixteen.h"

static ALWAYS_INLINE void sixteen(enum sum kind, kith_element e, const void *const a[4], const void *const b[4],
                                  size_t n, float out[4][4])
{
    some_with_four(kind, e, 4, 4, a, b, n, out);
}

/* ---- pairs of bytes ---------------------------------------------------------------------------------------- */

struct pair {
    int16x8_t a, b;
};

/* Eight of each as 16-bit numbers; behind the end zeros. */
static ALWAYS_INLINE struct pair load8(kith_element e, const uint8_t *a, const uint8_t *b, size_t i, size_t n)
{
    uint8_t x[8] = {0}, y[8] = {0};
    uint8x8_t xs, ys;

    memcpy(x, a + i, n - i < 8 ? n - i : 8);
    memcpy(y, b + i, n - i < 8 ? n - i : 8);
    xs = vld1_u8(x);
    ys = vld1_u8(y);
    if (e == KITH_I8)
        return (struct pair){vmovl_s8(vreinterpret_s8_u8(xs)), vmovl_s8(vreinterpret_s8_u8(ys))};
    return (struct pair){vreinterpretq_s16_u16(vmovl_u8(xs)), vreinterpretq_s16_u16(vmovl_u8(ys))};
}

static ALWAYS_INLINE int32x4_t add_products(int32x4_t s, int16x8_t a, int16x8_t b)
{
    return vmlal_high_s16(vmlal_s16(s, vget_low_s16(a), vget_low_s16(b)), a, b);
}

static ALWAYS_INLINE double bytes(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    int32x4_t s = vdupq_n_s32(0);

    for (size_t i = 0; i < n; i += 8) {
        struct pair p = load8(e, a, b, i, n);
        int16x8_t d = vsubq_s16(p.a, p.b);
        s = kind == DOT ? add_products(s, p.a, p.b) : kind == L2 ? add_products(s, d, d)
                                                                 : vpadalq_s16(s, vabsq_s16(d));
    }
    return (double)vaddlvq_s32(s);
}

static ALWAYS_INLINE double bytes_cosine(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    int32x4_t ab = vdupq_n_s32(0), aa = ab, bb = ab;
    double square;

    for (size_t i = 0; i < n; i += 8) {
        struct pair p = load8(e, a, b, i, n);
        ab = add_products(ab, p.a, p.b);
        aa = add_products(aa, p.a, p.a);
        bb = add_products(bb, p.b, p.b);
    }
    square = (double)vaddlvq_s32(aa) * (double)vaddlvq_s32(bb);
    return square > 0 ? (double)vaddlvq_s32(ab) / sqrt(square) : 0;
}

/* ---- pairs of bits ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE float bits_sum(bool both, const uint8_t *a, const uint8_t *b, size_t n)
{
    uint32x4_t s = vdupq_n_u32(0);
    uint32_t rest = 0;
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16_t x = vld1q_u8(a + i), y = vld1q_u8(b + i);
        s = vpadalq_u16(s, vpaddlq_u8(vcntq_u8(both ? vandq_u8(x, y) : veorq_u8(x, y))));
    }
    for (; i < n; i++)
        rest += (uint32_t)__builtin_popcount(both ? a[i] & b[i] : a[i] ^ b[i]);
    return (float)(vaddvq_u32(s) + rest);
}

PAIR_FUNCTIONS
PAIR(bit_and, bits_sum(true, a, b, n / 8))
PAIR(bit_differ, bits_sum(false, a, b, n / 8))

static float bit_ratio(const void *a, const void *b, size_t n)
{
    return bit_ratio_of(bit_and(a, b, n), bit_differ(a, b, n));
}

/* ---- for the grid, and for postings -------------------------------------------------------------------------- */

static float most_product(const float *a, const float *b, size_t n)
{
    float32x4_t most = vdupq_n_f32(0);
    float rest = 0;
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        most = vmaxq_f32(most, vabsq_f32(vmulq_f32(vld1q_f32(a + i), vld1q_f32(b + i))));
    for (; i < n; i++)
        rest = fmaxf(rest, fabsf(a[i] * b[i]));
    return fmaxf(rest, vmaxvq_f32(most));
}

static void look_up(const uint8_t *codes, const uint8_t *table, size_t groups, uint16_t out[32])
{
    uint16x8_t s[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};

    for (size_t i = 0; i < groups * 16; i += 16) {
        uint8x16_t x = vld1q_u8(codes + i), t = vld1q_u8(table + i);
        uint8x16_t a = vqtbl1q_u8(t, vandq_u8(x, vdupq_n_u8(15))), b = vqtbl1q_u8(t, vshrq_n_u8(x, 4));
        s[0] = vaddw_u8(s[0], vget_low_u8(a));
        s[1] = vaddw_high_u8(s[1], a);
        s[2] = vaddw_u8(s[2], vget_low_u8(b));
        s[3] = vaddw_high_u8(s[3], b);
    }
    for (int j = 0; j < 4; j++)
        vst1q_u16(out + 8 * j, s[j]);
}

static uint32_t collect(const uint16_t *sums, size_t n, uint16_t bar, uint32_t *out)
{
    const uint16x8_t least = vdupq_n_u16(bar);
    uint32_t count = 0;

    for (size_t i = 0; i < n; i += 8) {
        if (i + 8 <= n && !vmaxvq_u16(vcgeq_u16(vld1q_u16(sums + i), least)))
            continue;
        for (size_t j = i; j < n && j < i + 8; j++) {
            out[count] = (uint32_t)j;
            count += sums[j] >= bar;
        }
    }
    return count;
}

const struct kernels kernels_neon = {
    .name = "neon",
    .of = {PAIR_ROWS, [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio, NULL, NULL}},
    CODE_ROWS, .look_up = look_up,
    .most_product = most_product, .round_product = round_product_plainly, .collect = collect};
