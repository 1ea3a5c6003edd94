/* k_avx512.c - AVX-512 F, BW, VL, DQ and VNNI; compiled with those flags and nothing else. */
#include "vec/four_avx512.h"
#include "vec/kernel.h"

#include <immintrin.h>
#include <math.h>

static ALWAYS_INLINE __mmask16 first(size_t left)
{
    return left < 16 ? (__mmask16)((1u << left) - 1) : (__mmask16)0xffff;
}

/* ---- pairs of floats: one body for each kind of sum, one instance for each element ------------------------ */

static ALWAYS_INLINE __m512 load(kith_element e, const void *v, size_t i, __mmask16 m)
{
    const uint8_t *bytes = v;

    if (e == KITH_F32)
        return _mm512_maskz_loadu_ps(m, bytes + 4 * i);
    if (e == KITH_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, bytes + 2 * i));
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, bytes + 2 * i)), 16));
}

enum sum { DOT, L2, L1 };

static ALWAYS_INLINE __m512 add(enum sum kind, kith_element e, const void *a, const void *b, size_t i, __mmask16 m,
                                __m512 s)
{
    __m512 x = load(e, a, i, m), y = load(e, b, i, m), d;

    if (kind == DOT)
        return _mm512_fmadd_ps(x, y, s);
    d = _mm512_sub_ps(x, y);
    return kind == L2 ? _mm512_fmadd_ps(d, d, s) : _mm512_add_ps(s, _mm512_abs_ps(d));
}

static ALWAYS_INLINE float floats(enum sum kind, kith_element e, const void *a, const void *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s0 = add(kind, e, a, b, i, 0xffff, s0);
        s1 = add(kind, e, a, b, i + 16, 0xffff, s1);
        s2 = add(kind, e, a, b, i + 32, 0xffff, s2);
        s3 = add(kind, e, a, b, i + 48, 0xffff, s3);
    }
    for (; i < n; i += 16)
        s0 = add(kind, e, a, b, i, first(n - i), s0);
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

/* ---- pairs of bytes ---------------------------------------------------------------------------------------- */

static ALWAYS_INLINE __m512i load64(const uint8_t *v, size_t i, size_t n)
{
    return _mm512_maskz_loadu_epi8(n - i < 64 ? (1ull << (n - i)) - 1 : ~0ull, v + i);
}

static ALWAYS_INLINE double lanes(__m512i s)
{
    __m512i odd = _mm512_srai_epi64(s, 32), even = _mm512_srai_epi64(_mm512_slli_epi64(s, 32), 32);

    return (double)_mm512_reduce_add_epi64(_mm512_add_epi64(odd, even));
}

/* The instruction takes unsigned times signed: one side is moved by 128, and what that adds is taken off. */
static ALWAYS_INLINE double bytes_dot(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    const __m512i bias = _mm512_set1_epi8(-128), ones = _mm512_set1_epi8(1);
    __m512i s = _mm512_setzero_si512(), extra = s;

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = load64(a, i, n), y = load64(b, i, n);
        if (e == KITH_I8) {
            s = _mm512_dpbusd_epi32(s, _mm512_xor_si512(x, bias), y);
            extra = _mm512_dpbusd_epi32(extra, ones, y);
        } else {
            s = _mm512_dpbusd_epi32(s, x, _mm512_xor_si512(y, bias));
            extra = _mm512_dpbusd_epi32(extra, x, ones);
        }
    }
    return lanes(s) + (e == KITH_I8 ? -128 : 128) * lanes(extra);
}

/* |a - b| as bytes: the same for signed ones, both moved by 128. */
static ALWAYS_INLINE __m512i differences(kith_element e, const uint8_t *a, const uint8_t *b, size_t i, size_t n)
{
    const __m512i bias = _mm512_set1_epi8(e == KITH_I8 ? -128 : 0);
    __m512i x = _mm512_xor_si512(load64(a, i, n), bias), y = _mm512_xor_si512(load64(b, i, n), bias);

    return _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
}

static ALWAYS_INLINE double bytes_l2(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i s = zero;

    for (size_t i = 0; i < n; i += 64) {
        __m512i d = differences(e, a, b, i, n);
        __m512i low = _mm512_unpacklo_epi8(d, zero), high = _mm512_unpackhi_epi8(d, zero);
        s = _mm512_dpwssd_epi32(s, low, low);
        s = _mm512_dpwssd_epi32(s, high, high);
    }
    return lanes(s);
}

static ALWAYS_INLINE double bytes_l1(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512i s = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += 64)
        s = _mm512_add_epi64(s, _mm512_sad_epu8(differences(e, a, b, i, n), _mm512_setzero_si512()));
    return (double)_mm512_reduce_add_epi64(s);
}

static ALWAYS_INLINE double bytes_cosine(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512i ab = _mm512_setzero_si512(), aa = ab, bb = ab;
    double square;

    for (size_t i = 0; i < n; i += 32) {
        __mmask32 m = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1) : ~(__mmask32)0;
        __m256i x8 = _mm256_maskz_loadu_epi8(m, a + i), y8 = _mm256_maskz_loadu_epi8(m, b + i);
        __m512i x = e == KITH_I8 ? _mm512_cvtepi8_epi16(x8) : _mm512_cvtepu8_epi16(x8);
        __m512i y = e == KITH_I8 ? _mm512_cvtepi8_epi16(y8) : _mm512_cvtepu8_epi16(y8);
        ab = _mm512_dpwssd_epi32(ab, x, y);
        aa = _mm512_dpwssd_epi32(aa, x, x);
        bb = _mm512_dpwssd_epi32(bb, y, y);
    }
    square = lanes(aa) * lanes(bb);
    return square > 0 ? lanes(ab) / sqrt(square) : 0;
}

/* ---- pairs of bits ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE float bits_sum(bool both, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512i s = _mm512_setzero_si512();

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = load64(a, i, n), y = load64(b, i, n);
        s = _mm512_add_epi64(s, four_count(both ? _mm512_and_si512(x, y) : _mm512_xor_si512(x, y)));
    }
    return (float)_mm512_reduce_add_epi64(s);
}

#define PAIR(name, call)                                       \
    static float name(const void *a, const void *b, size_t n)  \
    {                                                          \
        return (float)(call);                                  \
    }
PAIR(f32_dot, floats(DOT, KITH_F32, a, b, n))
PAIR(f32_l2, floats(L2, KITH_F32, a, b, n))
PAIR(f32_l1, floats(L1, KITH_F32, a, b, n))
PAIR(f16_dot, floats(DOT, KITH_F16, a, b, n))
PAIR(f16_l2, floats(L2, KITH_F16, a, b, n))
PAIR(f16_l1, floats(L1, KITH_F16, a, b, n))
PAIR(bf16_dot, floats(DOT, KITH_BF16, a, b, n))
PAIR(bf16_l2, floats(L2, KITH_BF16, a, b, n))
PAIR(bf16_l1, floats(L1, KITH_BF16, a, b, n))
PAIR(i8_dot, bytes_dot(KITH_I8, a, b, n))
PAIR(i8_l2, bytes_l2(KITH_I8, a, b, n))
PAIR(i8_l1, bytes_l1(KITH_I8, a, b, n))
PAIR(i8_cosine, bytes_cosine(KITH_I8, a, b, n))
PAIR(u8_dot, bytes_dot(KITH_U8, a, b, n))
PAIR(u8_l2, bytes_l2(KITH_U8, a, b, n))
PAIR(u8_l1, bytes_l1(KITH_U8, a, b, n))
PAIR(u8_cosine, bytes_cosine(KITH_U8, a, b, n))
PAIR(bit_and, bits_sum(true, a, b, n / 8))
PAIR(bit_differ, bits_sum(false, a, b, n / 8))

static float bit_ratio(const void *a, const void *b, size_t n)
{
    float both = bit_and(a, b, n), either = both + bit_differ(a, b, n);

    return either > 0 ? both / either : 1;
}

/* ---- for the grid -------------------------------------------------------------------------------------------- */

static float most_product(const float *a, const float *b, size_t n)
{
    __m512 most = _mm512_setzero_ps();

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first(n - i);
        most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(m, a + i),
                                                               _mm512_maskz_loadu_ps(m, b + i))));
    }
    return _mm512_reduce_max_ps(most);
}

static float round_product(const float *a, const float *b, float scale, size_t n, int8_t *whole, int8_t *fine)
{
    __m512i sum = _mm512_setzero_si512(), sum_fine = sum;

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first(n - i);
        __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i));
        __m512i r, f;
        x = _mm512_mul_ps(x, _mm512_set1_ps(scale));
        r = _mm512_cvtps_epi32(x);
        f = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(x, _mm512_cvtepi32_ps(r)), _mm512_set1_ps(GRID_FINE)));
        _mm512_mask_cvtepi32_storeu_epi8(whole + i, m, r);
        _mm512_mask_cvtepi32_storeu_epi8(fine + i, m, f);
        sum = _mm512_add_epi32(sum, r);
        sum_fine = _mm512_add_epi32(sum_fine, f);
    }
    return (float)((double)_mm512_reduce_add_epi32(sum) + (double)_mm512_reduce_add_epi32(sum_fine) / GRID_FINE);
}

static uint32_t collect(const uint16_t *sums, size_t n, uint16_t bar, uint32_t *out)
{
    const __m512i least = _mm512_set1_epi16((short)bar);
    uint32_t count = 0;

    for (size_t i = 0; i < n; i += 32) {
        __mmask32 in = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1) : ~(__mmask32)0;
        uint32_t reach = _mm512_mask_cmpge_epu16_mask(in, _mm512_maskz_loadu_epi16(in, sums + i), least);
        for (; reach; reach &= reach - 1)
            out[count++] = (uint32_t)i + (uint32_t)__builtin_ctz(reach);
    }
    return count;
}

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .of = {[KITH_F32] = {f32_dot, f32_l2, f32_l1, NULL},
           [KITH_F16] = {f16_dot, f16_l2, f16_l1, NULL},
           [KITH_BF16] = {bf16_dot, bf16_l2, bf16_l1, NULL},
           [KITH_I8] = {i8_dot, i8_l2, i8_l1, i8_cosine},
           [KITH_U8] = {u8_dot, u8_l2, u8_l1, u8_cosine},
           [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio}},
    .dot8x4 = four_dot8, .l1x4 = four_l1, .dot4x4 = four_dot4, .and4 = four_and,
    .most_product = most_product, .round_product = round_product, .collect = collect};
