/* k_avx2.c - AVX2 and FMA; compiled with those flags and nothing else. */
#include "vec/four_avx2.h"
#include "vec/kernel.h"

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

static ALWAYS_INLINE __m256 load(kith_element e, const uint8_t *v, size_t i)
{
    __m128i half;

    if (e == KITH_F32)
        return _mm256_loadu_ps((const float *)(const void *)(v + 4 * i));
    half = _mm_loadu_si128((const __m128i *)(const void *)(v + 2 * i));
    if (e == KITH_F16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

enum sum { DOT, L2, L1 };

static ALWAYS_INLINE __m256 add(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t i, __m256 s)
{
    __m256 x = load(e, a, i), y = load(e, b, i), d;

    if (kind == DOT)
        return _mm256_fmadd_ps(x, y, s);
    d = _mm256_sub_ps(x, y);
    return kind == L2 ? _mm256_fmadd_ps(d, d, s)
                      : _mm256_add_ps(s, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), d));
}

/* The last ones, and zeros after them. */
static ALWAYS_INLINE __m256 add_last(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t i,
                                     size_t n, __m256 s)
{
    size_t size = e == KITH_F32 ? 4 : 2;
    uint8_t x[32] = {0}, y[32] = {0};

    memcpy(x, a + i * size, (n - i) * size);
    memcpy(y, b + i * size, (n - i) * size);
    return add(kind, e, x, y, 0, s);
}

static ALWAYS_INLINE float floats(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        s0 = add(kind, e, a, b, i, s0);
        s1 = add(kind, e, a, b, i + 8, s1);
        s2 = add(kind, e, a, b, i + 16, s2);
        s3 = add(kind, e, a, b, i + 24, s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = add(kind, e, a, b, i, s0);
    if (i < n)
        s0 = add_last(kind, e, a, b, i, n, s0);
    return sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

/* ---- pairs of bytes ---------------------------------------------------------------------------------------- */

struct pair {
    __m256i a, b;
};

/* Sixteen of each as 16-bit numbers; behind the end zeros. */
static ALWAYS_INLINE struct pair load16(kith_element e, const uint8_t *a, const uint8_t *b, size_t i, size_t n)
{
    uint8_t last[2][16] = {{0}};
    __m128i x, y;

    if (n - i < 16) {
        memcpy(last[0], a + i, n - i);
        memcpy(last[1], b + i, n - i);
        a = last[0];
        b = last[1];
        i = 0;
    }
    x = _mm_loadu_si128((const __m128i *)(const void *)(a + i));
    y = _mm_loadu_si128((const __m128i *)(const void *)(b + i));
    if (e == KITH_I8)
        return (struct pair){_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y)};
    return (struct pair){_mm256_cvtepu8_epi16(x), _mm256_cvtepu8_epi16(y)};
}

static ALWAYS_INLINE double lanes(__m256i s)
{
    int32_t each[8];
    int64_t sum = 0;

    _mm256_storeu_si256((__m256i *)(void *)each, s);
    for (int i = 0; i < 8; i++)
        sum += each[i];
    return (double)sum;
}

static ALWAYS_INLINE double bytes(enum sum kind, kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256i s = _mm256_setzero_si256();

    for (size_t i = 0; i < n; i += 16) {
        struct pair p = load16(e, a, b, i, n);
        __m256i d = _mm256_sub_epi16(p.a, p.b);
        if (kind == DOT)
            s = _mm256_add_epi32(s, _mm256_madd_epi16(p.a, p.b));
        else if (kind == L2)
            s = _mm256_add_epi32(s, _mm256_madd_epi16(d, d));
        else
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_abs_epi16(d), _mm256_set1_epi16(1)));
    }
    return lanes(s);
}

static ALWAYS_INLINE double bytes_cosine(kith_element e, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256i ab = _mm256_setzero_si256(), aa = ab, bb = ab;
    double square;

    for (size_t i = 0; i < n; i += 16) {
        struct pair p = load16(e, a, b, i, n);
        ab = _mm256_add_epi32(ab, _mm256_madd_epi16(p.a, p.b));
        aa = _mm256_add_epi32(aa, _mm256_madd_epi16(p.a, p.a));
        bb = _mm256_add_epi32(bb, _mm256_madd_epi16(p.b, p.b));
    }
    square = lanes(aa) * lanes(bb);
    return square > 0 ? lanes(ab) / sqrt(square) : 0;
}

/* ---- pairs of bits ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE float bits_sum(bool both, const uint8_t *a, const uint8_t *b, size_t n)
{
    __m256i s = _mm256_setzero_si256();
    uint64_t rest = 0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        __m256i x = four_load(a + i), y = four_load(b + i);
        s = _mm256_add_epi64(s, four_count(both ? _mm256_and_si256(x, y) : _mm256_xor_si256(x, y)));
    }
    for (; i < n; i++)
        rest += (uint64_t)__builtin_popcount(both ? a[i] & b[i] : a[i] ^ b[i]);
    return (float)((uint64_t)four_sum(s) + rest);
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
PAIR(i8_dot, bytes(DOT, KITH_I8, a, b, n))
PAIR(i8_l2, bytes(L2, KITH_I8, a, b, n))
PAIR(i8_l1, bytes(L1, KITH_I8, a, b, n))
PAIR(i8_cosine, bytes_cosine(KITH_I8, a, b, n))
PAIR(u8_dot, bytes(DOT, KITH_U8, a, b, n))
PAIR(u8_l2, bytes(L2, KITH_U8, a, b, n))
PAIR(u8_l1, bytes(L1, KITH_U8, a, b, n))
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
    .of = {[KITH_F32] = {f32_dot, f32_l2, f32_l1, NULL},
           [KITH_F16] = {f16_dot, f16_l2, f16_l1, NULL},
           [KITH_BF16] = {bf16_dot, bf16_l2, bf16_l1, NULL},
           [KITH_I8] = {i8_dot, i8_l2, i8_l1, i8_cosine},
           [KITH_U8] = {u8_dot, u8_l2, u8_l1, u8_cosine},
           [KITH_BIT] = {bit_and, bit_differ, NULL, bit_ratio}},
    .dot8x4 = four_dot8, .l1x4 = four_l1, .dot4x4 = four_dot4, .and4 = four_and,
    .most_product = most_product, .round_product = round_product, .collect = collect};
