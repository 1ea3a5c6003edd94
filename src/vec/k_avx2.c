/* k_avx2.c - AVX2 and FMA; compiled with those flags and nothing else. */
#include "vec/four_avx2.h"
#include "vec/pairs.h"
#include "vec/part_bytes.h"

#include <immintrin.h>
#include <math.h>

static inline float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_shuffle_ps(s, s, 1));
    return _mm_cvtss_f32(s);
}

/* ---- pairs of floats: one body for each kind of sum, one instance for each element ------------------------ */

static ALWAYS_INLINE __m256 load_scaled(kith_element e, const uint8_t *v, size_t i)
{
    const uint8_t *block = v + i / SCALED * scaled_block(e);
    size_t at = i % SCALED;
    uint16_t half;
    __m128i codes;

    memcpy(&half, block, sizeof half);
    codes = _mm_loadl_epi64((const __m128i *)(const void *)(block + 2 + (e == KITH_SCALED8 ? at : at % 16)));
    if (e == KITH_SCALED4) {
        codes = _mm_and_si128(at >= 16 ? _mm_srli_epi16(codes, 4) : codes, _mm_set1_epi8(15));
        codes = _mm_sub_epi8(_mm_add_epi8(codes, codes), _mm_set1_epi8(SCALED4_ZERO));
    }
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)), _mm256_set1_ps(element_from_bf16(half)));
}

static ALWAYS_INLINE __m256 load(kith_element e, const uint8_t *v, size_t i)
{
    __m128i half;

    if (element_is_scaled(e))
        return load_scaled(e, v, i);
    if (e == KITH_F32)
        return _mm256_loadu_ps((const float *)(const void *)(v + 4 * i));
    half = _mm_loadu_si128((const __m128i *)(const void *)(v + 2 * i));
    if (e == KITH_F16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static ALWAYS_INLINE __m256 load_last(kith_element e, const uint8_t *v, size_t i, size_t n)
{
    float rest[8] = {0};

    e = copy_last(e, v, i, n, rest);
    return load(e, (uint8_t *)rest, 0);
}

static ALWAYS_INLINE __m256 add(enum sum kind, __m256 x, __m256 y, __m256 s)
{
    __m256 d = _mm256_sub_ps(x, y);

    if (kind == DOT)
        return _mm256_fmadd_ps(x, y, s);
    return kind == L2 ? _mm256_fmadd_ps(d, d, s)
                      : _mm256_add_ps(s, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), d));
}

static ALWAYS_INLINE float floats(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        for (size_t j = 0; j < 4; j++)
            s[j] = add(kind, load(e, a, i + 8 * j), load(e, b, i + 8 * j), s[j]);
    }
    for (; i + 8 <= n; i += 8)
        s[0] = add(kind, load(e, a, i), load(e, b, i), s[0]);
    if (i < n)
        s[0] = add(kind, load_last(e, a, i, n), load_last(e, b, i, n), s[0]);
    return sum8(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
}

#define FLOATS_OF_ROW __m256
#define NO_FLOATS _mm256_setzero_ps()

static ALWAYS_INLINE __m256 load_some(kith_element e, const uint8_t *v, size_t i, size_t n)
{
    return i + 8 <= n ? load(e, v, i) : load_last(e, v, i, n);
}

static ALWAYS_INLINE void reduce_four(__m256 a, __m256 b, __m256 c, __m256 d, float out[4])
{
    __m256 u = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));

    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(u), _mm256_extractf128_ps(u, 1)));
}

#include "vec/sixteen.h"

static ALWAYS_INLINE void sixteen(enum sum kind, kith_element e, const void *const a[4], const void *const b[4],
                                  size_t n, float out[4][4])
{
    some_with_four(kind, e, 2, 8, a, b, n, out); /* for four there are no registers */
    some_with_four(kind, e, 2, 8, a + 2, b, n, out + 2);
}

/* ---- pairs of bytes ---------------------------------------------------------------------------------------- */

static ALWAYS_INLINE __m256i widen(kith_element e, __m128i x)
{
    return e == KITH_I8 ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}

static ALWAYS_INLINE __m128i load16(const uint8_t *v)
{
    return _mm_loadu_si128((const __m128i *)(const void *)v);
}

/* The last ones, and zeros after them. */
static ALWAYS_INLINE __m128i load_last16(const uint8_t *v, size_t n)
{
    uint8_t last[16] = {0};

    memcpy(last, v, n);
    return load16(last);
}

/* Sums of up to 65,536 products of bytes fit 32 bits, unsigned where no side is signed. */
static ALWAYS_INLINE uint32_t lanes(__m256i s)
{
    return (uint32_t)four_sum(s);
}

static ALWAYS_INLINE __m256i step(enum sum kind, kith_element e, __m256i s, __m128i x8, __m128i y8)
{
    __m256i x = widen(e, x8), y = widen(e, y8), d = _mm256_sub_epi16(x, y);

    if (kind == DOT)
        return _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
    if (kind == L2)
        return _mm256_add_epi32(s, _mm256_madd_epi16(d, d));
    return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_abs_epi16(d), _mm256_set1_epi16(1)));
}

static ALWAYS_INLINE double bytes(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    uint32_t sum;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s0 = step(kind, e, s0, load16(a + i), load16(b + i));
        s1 = step(kind, e, s1, load16(a + i + 16), load16(b + i + 16));
        s2 = step(kind, e, s2, load16(a + i + 32), load16(b + i + 32));
        s3 = step(kind, e, s3, load16(a + i + 48), load16(b + i + 48));
    }
    for (; i + 16 <= n; i += 16)
        s0 = step(kind, e, s0, load16(a + i), load16(b + i));
    if (i < n)
        s1 = step(kind, e, s1, load_last16(a + i, n - i), load_last16(b + i, n - i));
    sum = lanes(_mm256_add_epi32(_mm256_add_epi32(s0, s1), _mm256_add_epi32(s2, s3)));
    return kind == DOT && e == KITH_I8 ? (double)(int32_t)sum : (double)sum;
}

struct squares {
    __m256i ab, aa, bb;
};

static ALWAYS_INLINE struct squares cosine_step(kith_element e, struct squares s, __m128i x8, __m128i y8)
{
    __m256i x = widen(e, x8), y = widen(e, y8);

    return (struct squares){_mm256_add_epi32(s.ab, _mm256_madd_epi16(x, y)),
                            _mm256_add_epi32(s.aa, _mm256_madd_epi16(x, x)),
                            _mm256_add_epi32(s.bb, _mm256_madd_epi16(y, y))};
}

static ALWAYS_INLINE double bytes_cosine(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256i zero = _mm256_setzero_si256();
    struct squares s = {zero, zero, zero}, t = s;
    double square;
    uint32_t product;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        s = cosine_step(e, s, load16(a + i), load16(b + i));
        t = cosine_step(e, t, load16(a + i + 16), load16(b + i + 16));
    }
    for (; i + 16 <= n; i += 16)
        s = cosine_step(e, s, load16(a + i), load16(b + i));
    if (i < n)
        t = cosine_step(e, t, load_last16(a + i, n - i), load_last16(b + i, n - i));
    square = (double)lanes(_mm256_add_epi32(s.aa, t.aa)) * (double)lanes(_mm256_add_epi32(s.bb, t.bb));
    product = lanes(_mm256_add_epi32(s.ab, t.ab));
    return square > 0 ? (e == KITH_I8 ? (double)(int32_t)product : (double)product) / sqrt(square) : 0;
}

/* ---- pairs of bits ------------------------------------------------------------------------------------------ */

enum bits { BOTH, DIFFER, RATIO };

struct bit_sums {
    __m256i a, b;
};

/* Of what both have, or what differs; with RATIO of what both have (a) and what either has (b). */
static ALWAYS_INLINE struct bit_sums bit_step(enum bits kind, struct bit_sums s, __m256i x, __m256i y)
{
    __m256i some = kind == DIFFER ? _mm256_xor_si256(x, y) : _mm256_and_si256(x, y);

    s.a = _mm256_add_epi64(s.a, four_count(some));
    if (kind == RATIO)
        s.b = _mm256_add_epi64(s.b, four_count(_mm256_or_si256(x, y)));
    return s;
}

static ALWAYS_INLINE struct bit_sums bit_sums(enum bits kind, const uint8_t *a, const uint8_t *b, size_t n)
{
    struct bit_sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()}, t = s;
    uint8_t last[2][32] = {{0}};
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s = bit_step(kind, s, four_load(a + i), four_load(b + i));
        t = bit_step(kind, t, four_load(a + i + 32), four_load(b + i + 32));
    }
    if (i + 32 <= n) {
        s = bit_step(kind, s, four_load(a + i), four_load(b + i));
        i += 32;
    }
    if (i < n) {
        memcpy(last[0], a + i, n - i);
        memcpy(last[1], b + i, n - i);
        t = bit_step(kind, t, four_load(last[0]), four_load(last[1]));
    }
    return (struct bit_sums){_mm256_add_epi64(s.a, t.a), _mm256_add_epi64(s.b, t.b)};
}

PAIR_FUNCTIONS
PAIR(bit_and, four_sum(bit_sums(BOTH, a, b, n / 8).a))
PAIR(bit_differ, four_sum(bit_sums(DIFFER, a, b, n / 8).a))

static float bit_ratio(const void *a, const void *b, size_t n)
{
    struct bit_sums s = bit_sums(RATIO, a, b, n / 8);
    float either = (float)four_sum(s.b);

    return either > 0 ? (float)four_sum(s.a) / either : 1;
}

/* ---- for the grid -------------------------------------------------------------------------------------------- */

static float most_product(const float *a, const float *b, size_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 most = _mm256_setzero_ps();
    float lanes[8], m = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        most = _mm256_max_ps(
            most, _mm256_andnot_ps(sign, _mm256_mul_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i))));
    _mm256_storeu_ps(lanes, most);
    for (int j = 0; j < 8; j++)
        m = lanes[j] > m ? lanes[j] : m;
    for (; i < n; i++)
        m = fabsf(a[i] * b[i]) > m ? fabsf(a[i] * b[i]) : m;
    return m;
}

static float round_product(const float *a, const float *b, float scale, size_t n, int8_t *whole, int8_t *fine)
{
    double sum = 0, sum_fine = 0;

    for (size_t i = 0; i < n; i += 8) {
        float x[8] = {0};
        int32_t r[8], f[8];
        size_t count = n - i < 8 ? n - i : 8;
        __m256 v;
        __m256i w;
        for (size_t j = 0; j < count; j++)
            x[j] = a[i + j] * b[i + j] * scale;
        v = _mm256_loadu_ps(x);
        w = _mm256_cvtps_epi32(v);
        _mm256_storeu_si256((__m256i *)(void *)r, w);
        v = _mm256_mul_ps(_mm256_sub_ps(v, _mm256_cvtepi32_ps(w)), _mm256_set1_ps(GRID_FINE));
        _mm256_storeu_si256((__m256i *)(void *)f, _mm256_cvtps_epi32(v));
        for (size_t j = 0; j < count; j++) {
            whole[i + j] = (int8_t)r[j];
            fine[i + j] = (int8_t)f[j];
            sum += r[j];
            sum_fine += f[j];
        }
    }
    return (float)(sum + sum_fine / GRID_FINE);
}

static void look_up(const uint8_t *codes, const uint8_t *table, size_t groups, uint16_t out[32])
{
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i low = _mm256_setzero_si256(), low_odd = low, high = low, high_odd = low;

    for (size_t i = 0; i < groups * 16; i += 32) {
        __m256i x = four_load(codes + i), t = four_load(table + i);
        __m256i a = _mm256_shuffle_epi8(t, _mm256_and_si256(x, mask));
        __m256i b = _mm256_shuffle_epi8(t, _mm256_and_si256(_mm256_srli_epi16(x, 4), mask));
        low = _mm256_add_epi16(low, a);
        low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(a, 8));
        high = _mm256_add_epi16(high, b);
        high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(b, 8));
    }
    part_bytes(low, low_odd, out);
    part_bytes(high, high_odd, out + 16);
}

static uint32_t collect(const uint16_t *sums, size_t n, uint16_t bar, uint32_t *out)
{
    const __m256i least = _mm256_set1_epi16((short)bar);
    uint32_t count = 0;
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m256i x = four_load(sums + i);
        uint32_t reach = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(_mm256_max_epu16(x, least), x)) & 0x55555555u;
        for (; reach; reach &= reach - 1)
            out[count++] = (uint32_t)i + (uint32_t)__builtin_ctz(reach) / 2;
    }
    for (; i < n; i++) {
        out[count] = (uint32_t)i;
        count += sums[i] >= bar;
    }
    return count;
}

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .of = {PAIR_ROWS, [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio, NULL, NULL}},
    CODE_ROWS, .look_up = look_up,
    .most_product = most_product, .round_product = round_product, .collect = collect};
