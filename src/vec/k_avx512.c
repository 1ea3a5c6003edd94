/* k_avx512.c - AVX-512 F, BW, VL, DQ and VNNI; compiled with those flags and nothing else. */
#include "vec/four_avx512.h"
#include "vec/pairs.h"
#include "vec/part_bytes.h"

#include <immintrin.h>
#include <math.h>

static ALWAYS_INLINE __mmask16 first(size_t left)
{
    return left < 16 ? (__mmask16)((1u << left) - 1) : (__mmask16)0xffff;
}

/* ---- pairs of floats: one body for each kind of sum, one instance for each element ------------------------ */

static ALWAYS_INLINE __m512 load_scaled(kith_element e, const uint8_t *v, size_t i, __mmask16 m)
{
    const uint8_t *block = v + i / SCALED * scaled_block(e);
    uint16_t half;
    __m128i codes;

    memcpy(&half, block, sizeof half);
    if (e == KITH_SCALED8) {
        codes = _mm_loadu_si128((const __m128i *)(const void *)(block + 2 + i % SCALED));
    } else {
        codes = _mm_loadu_si128((const __m128i *)(const void *)(block + 2));
        codes = _mm_and_si128(i % SCALED ? _mm_srli_epi16(codes, 4) : codes, _mm_set1_epi8(15));
        codes = _mm_sub_epi8(_mm_add_epi8(codes, codes), _mm_set1_epi8(SCALED4_ZERO));
    }
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_maskz_cvtepi8_epi32(m, codes)),
                         _mm512_set1_ps(element_from_bf16(half)));
}

static ALWAYS_INLINE __m512 load(kith_element e, const void *v, size_t i, __mmask16 m)
{
    const uint8_t *bytes = v;

    if (element_is_scaled(e))
        return load_scaled(e, bytes, i, m);
    if (e == KITH_F32)
        return _mm512_maskz_loadu_ps(m, bytes + 4 * i);
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, bytes + 2 * i));
}

static ALWAYS_INLINE __m512 add(enum sum kind, __m512 x, __m512 y, __m512 s)
{
    __m512 d = _mm512_sub_ps(x, y);

    if (kind == DOT)
        return _mm512_fmadd_ps(x, y, s);
    return kind == L2 ? _mm512_fmadd_ps(d, d, s) : _mm512_add_ps(s, _mm512_abs_ps(d));
}

/* bf16, 32 at a time: in each 32 bits the upper half is one number, the lower half, moved up, another. */
static ALWAYS_INLINE void add_halves(enum sum kind, __m512i a, __m512i b, __m512 *even, __m512 *odd)
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    __m512 x0 = _mm512_castsi512_ps(_mm512_slli_epi32(a, 16)), x1 = _mm512_castsi512_ps(_mm512_and_si512(a, upper));
    __m512 y0 = _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)), y1 = _mm512_castsi512_ps(_mm512_and_si512(b, upper));

    if (kind != DOT) {
        x0 = y0 = _mm512_sub_ps(x0, y0);
        x1 = y1 = _mm512_sub_ps(x1, y1);
    }
    *even = kind == L1 ? _mm512_add_ps(*even, _mm512_abs_ps(x0)) : _mm512_fmadd_ps(x0, y0, *even);
    *odd = kind == L1 ? _mm512_add_ps(*odd, _mm512_abs_ps(x1)) : _mm512_fmadd_ps(x1, y1, *odd);
}

static ALWAYS_INLINE float halves(enum sum kind, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        add_halves(kind, _mm512_loadu_si512(a + 2 * i), _mm512_loadu_si512(b + 2 * i), &s0, &s1);
        add_halves(kind, _mm512_loadu_si512(a + 2 * i + 64), _mm512_loadu_si512(b + 2 * i + 64), &s2, &s3);
    }
    for (; i < n; i += 32) {
        __mmask32 m = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1) : ~(__mmask32)0;
        add_halves(kind, _mm512_maskz_loadu_epi16(m, a + 2 * i), _mm512_maskz_loadu_epi16(m, b + 2 * i), &s0, &s1);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

static ALWAYS_INLINE float floats(enum sum kind, kith_element e, const void *a, const void *b, size_t n)
{
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t i = 0;

    if (e == KITH_BF16)
        return halves(kind, a, b, n);
    for (; i + 64 <= n; i += 64) {
        for (size_t j = 0; j < 4; j++)
            s[j] = add(kind, load(e, a, i + 16 * j, 0xffff), load(e, b, i + 16 * j, 0xffff), s[j]);
    }
    for (; i < n; i += 16)
        s[0] = add(kind, load(e, a, i, first(n - i)), load(e, b, i, first(n - i)), s[0]);
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

#define FLOATS_OF_ROW __m512
#define NO_FLOATS _mm512_setzero_ps()

static ALWAYS_INLINE __m512 load_some(kith_element e, const void *v, size_t i, size_t n)
{
    return load(e, v, i, first(n - i));
}

static ALWAYS_INLINE __m256 halved(__m512 s)
{
    return _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
}

/* Four sums by one transposed reduction. */
static ALWAYS_INLINE void reduce_four(__m512 a, __m512 b, __m512 c, __m512 d, float out[4])
{
    __m256 u = _mm256_hadd_ps(_mm256_hadd_ps(halved(a), halved(b)), _mm256_hadd_ps(halved(c), halved(d)));

    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(u), _mm256_extractf128_ps(u, 1)));
}

#include "vec/sixteen.h"

static ALWAYS_INLINE void sixteen(enum sum kind, kith_element e, const void *const a[4], const void *const b[4],
                                  size_t n, float out[4][4])
{
    some_with_four(kind, e, 4, 16, a, b, n, out);
}

/* ---- pairs of bytes ---------------------------------------------------------------------------------------- */

/* Sums of up to 65,536 products of bytes fit 32 bits: signed where a side is signed, else unsigned. */

static ALWAYS_INLINE __m512i load64(const uint8_t *v, size_t i, __mmask64 m)
{
    return _mm512_maskz_loadu_epi8(m, v + i);
}

static ALWAYS_INLINE __mmask64 rest_of(size_t n)
{
    return n < 64 ? (1ull << n) - 1 : ~0ull;
}

/* What a loop over 64 bytes a turn adds to. */
struct sums {
    __m512i a, b;
};

/* The instruction takes unsigned times signed: one side is moved by 128, and what that adds is taken off. */
static ALWAYS_INLINE struct sums dot_step(kith_element e, struct sums s, __m512i x, __m512i y)
{
    const __m512i bias = _mm512_set1_epi8(-128), ones = _mm512_set1_epi8(1);

    if (e == KITH_I8)
        return (struct sums){_mm512_dpbusd_epi32(s.a, _mm512_xor_si512(x, bias), y), _mm512_dpbusd_epi32(s.b, ones, y)};
    return (struct sums){_mm512_dpbusd_epi32(s.a, x, _mm512_xor_si512(y, bias)), _mm512_dpbusd_epi32(s.b, x, ones)};
}

/* |a - b| as bytes: the same for signed ones, both moved by 128. */
static ALWAYS_INLINE __m512i differences(kith_element e, __m512i x, __m512i y)
{
    const __m512i bias = _mm512_set1_epi8(-128);

    if (e == KITH_I8) {
        x = _mm512_xor_si512(x, bias);
        y = _mm512_xor_si512(y, bias);
    }
    return _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
}

static ALWAYS_INLINE struct sums l2_step(kith_element e, struct sums s, __m512i x, __m512i y)
{
    __m512i d = differences(e, x, y), zero = _mm512_setzero_si512();
    __m512i low = _mm512_unpacklo_epi8(d, zero), high = _mm512_unpackhi_epi8(d, zero);

    return (struct sums){_mm512_dpwssd_epi32(s.a, low, low), _mm512_dpwssd_epi32(s.b, high, high)};
}

static ALWAYS_INLINE struct sums l1_step(kith_element e, struct sums s, __m512i x, __m512i y)
{
    return (struct sums){_mm512_add_epi64(s.a, _mm512_sad_epu8(differences(e, x, y), _mm512_setzero_si512())), s.b};
}

static ALWAYS_INLINE struct sums step(enum sum kind, kith_element e, struct sums s, __m512i x, __m512i y)
{
    return kind == DOT ? dot_step(e, s, x, y) : kind == L2 ? l2_step(e, s, x, y) : l1_step(e, s, x, y);
}

static ALWAYS_INLINE double bytes(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512i zero = _mm512_setzero_si512();
    struct sums s = {zero, zero}, t = s;
    size_t i = 0;

    for (; i + 128 <= n; i += 128) {
        s = step(kind, e, s, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
        t = step(kind, e, t, _mm512_loadu_si512(a + i + 64), _mm512_loadu_si512(b + i + 64));
    }
    if (i + 64 <= n) {
        s = step(kind, e, s, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
        i += 64;
    }
    if (i < n)
        t = step(kind, e, t, load64(a, i, rest_of(n - i)), load64(b, i, rest_of(n - i)));
    s = (struct sums){_mm512_add_epi32(s.a, t.a), _mm512_add_epi32(s.b, t.b)};
    if (kind == DOT)
        return (double)_mm512_reduce_add_epi32(s.a) +
               (e == KITH_I8 ? -128.0 : 128.0) * (double)_mm512_reduce_add_epi32(s.b);
    return (double)(uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(s.a, s.b)); /* l1: upper halves are zero */
}

struct squares {
    __m512i ab, aa, bb;
};

static ALWAYS_INLINE struct squares cosine_step(kith_element e, struct squares s, __m256i x8, __m256i y8)
{
    __m512i x = e == KITH_I8 ? _mm512_cvtepi8_epi16(x8) : _mm512_cvtepu8_epi16(x8);
    __m512i y = e == KITH_I8 ? _mm512_cvtepi8_epi16(y8) : _mm512_cvtepu8_epi16(y8);

    return (struct squares){_mm512_dpwssd_epi32(s.ab, x, y), _mm512_dpwssd_epi32(s.aa, x, x),
                            _mm512_dpwssd_epi32(s.bb, y, y)};
}

static ALWAYS_INLINE __m256i load32(const uint8_t *v)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)v);
}

static ALWAYS_INLINE double bytes_cosine(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m512i zero = _mm512_setzero_si512();
    struct squares s = {zero, zero, zero}, t = s;
    double square, product;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s = cosine_step(e, s, load32(a + i), load32(b + i));
        t = cosine_step(e, t, load32(a + i + 32), load32(b + i + 32));
    }
    for (; i < n; i += 32) {
        __mmask32 m = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1) : ~(__mmask32)0;
        s = cosine_step(e, s, _mm256_maskz_loadu_epi8(m, a + i), _mm256_maskz_loadu_epi8(m, b + i));
    }
    square = (double)(uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(s.aa, t.aa)) *
             (double)(uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(s.bb, t.bb));
    s.ab = _mm512_add_epi32(s.ab, t.ab);
    product = e == KITH_I8 ? (double)_mm512_reduce_add_epi32(s.ab) : (double)(uint32_t)_mm512_reduce_add_epi32(s.ab);
    return square > 0 ? product / sqrt(square) : 0;
}

/* ---- pairs of bits: by a table of nibbles, or, where there is one, by the instruction ------------------------ */

#define POPCOUNT __attribute__((target("avx512vpopcntdq")))

static inline POPCOUNT __m512i count_at_once(__m512i x)
{
    return _mm512_popcnt_epi64(x);
}

/* Sums over what both have (s.a) and either has (s.b); what differs is the rest. */
#define BITS(name, attribute, count)                                                                          \
    static attribute ALWAYS_INLINE struct sums name##_step(bool ratio, bool both, struct sums s, __m512i x, __m512i y) \
    {                                                                                                         \
        __m512i first_of = both ? _mm512_and_si512(x, y) : _mm512_xor_si512(x, y);                            \
        s.a = _mm512_add_epi64(s.a, count(first_of));                                                         \
        if (ratio)                                                                                            \
            s.b = _mm512_add_epi64(s.b, count(_mm512_or_si512(x, y)));                                        \
        return s;                                                                                             \
    }                                                                                                         \
    static attribute ALWAYS_INLINE struct sums name##_sums(bool ratio, bool both, const uint8_t *a,           \
                                                           const uint8_t *b, size_t n)                        \
    {                                                                                                         \
        struct sums s = {_mm512_setzero_si512(), _mm512_setzero_si512()}, t = s;                              \
        size_t i = 0;                                                                                         \
        for (; i + 128 <= n; i += 128) {                                                                      \
            s = name##_step(ratio, both, s, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));            \
            t = name##_step(ratio, both, t, _mm512_loadu_si512(a + i + 64), _mm512_loadu_si512(b + i + 64));  \
        }                                                                                                     \
        for (; i < n; i += 64)                                                                                \
            s = name##_step(ratio, both, s, load64(a, i, rest_of(n - i)), load64(b, i, rest_of(n - i)));      \
        return (struct sums){_mm512_add_epi64(s.a, t.a), _mm512_add_epi64(s.b, t.b)};                         \
    }                                                                                                         \
    static attribute float name##_and(const void *a, const void *b, size_t n)                                 \
    {                                                                                                         \
        return (float)_mm512_reduce_add_epi64(name##_sums(false, true, a, b, n / 8).a);                       \
    }                                                                                                         \
    static attribute float name##_differ(const void *a, const void *b, size_t n)                              \
    {                                                                                                         \
        return (float)_mm512_reduce_add_epi64(name##_sums(false, false, a, b, n / 8).a);                      \
    }                                                                                                         \
    static attribute float name##_ratio(const void *a, const void *b, size_t n)                               \
    {                                                                                                         \
        struct sums s = name##_sums(true, true, a, b, n / 8);                                                 \
        float either = (float)_mm512_reduce_add_epi64(s.b);                                                   \
        return either > 0 ? (float)_mm512_reduce_add_epi64(s.a) / either : 1;                                 \
    }
BITS(bit, , four_count)
BITS(bit_at_once, POPCOUNT, count_at_once)

PAIR_FUNCTIONS

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

static ALWAYS_INLINE __m256i halves_added(__m512i x)
{
    return _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
}

static void look_up(const uint8_t *codes, const uint8_t *table, size_t groups, uint16_t out[32])
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), low_odd = low, high = low, high_odd = low;

    for (size_t i = 0; i < groups * 16; i += 64) {
        __m512i x = _mm512_loadu_si512(codes + i), t = _mm512_loadu_si512(table + i);
        __m512i a = _mm512_shuffle_epi8(t, _mm512_and_si512(x, mask));
        __m512i b = _mm512_shuffle_epi8(t, _mm512_and_si512(_mm512_srli_epi16(x, 4), mask));
        low = _mm512_add_epi16(low, a);
        low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(a, 8));
        high = _mm512_add_epi16(high, b);
        high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(b, 8));
    }
    part_bytes(halves_added(low), halves_added(low_odd), out);
    part_bytes(halves_added(high), halves_added(high_odd), out + 16);
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

#define REST                                                                          \
    CODE_ROWS, .look_up = look_up,                                                   \
    .most_product = most_product, .round_product = round_product, .collect = collect

const struct kernels kernels_avx512 = {
    .name = "avx512", REST, .of = {PAIR_ROWS, [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio, NULL, NULL}}};
const struct kernels kernels_avx512_popcount = {
    .name = "avx512 popcount", REST,
    .of = {PAIR_ROWS, [KITH_BIT] = {bit_at_once_and, bit_at_once_differ, NULL, bit_at_once_ratio, NULL, NULL}}};
