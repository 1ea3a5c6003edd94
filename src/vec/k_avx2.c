/* k_avx2.c - AVX2 and FMA; compiled with those flags and nothing else. */
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

static float dot(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    float tail = 0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    for (; i < n; i++)
        tail += a[i] * b[i];
    return sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3))) + tail;
}

static float l2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    float tail = 0;
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
        __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
        s0 = _mm256_fmadd_ps(d0, d0, s0);
        s1 = _mm256_fmadd_ps(d1, d1, s1);
    }
    for (; i < n; i++)
        tail += (a[i] - b[i]) * (a[i] - b[i]);
    return sum8(_mm256_add_ps(s0, s1)) + tail;
}

static float l1(const float *a, const float *b, size_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    float tail = 0;
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
        __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
        s0 = _mm256_add_ps(s0, _mm256_andnot_ps(sign, d0));
        s1 = _mm256_add_ps(s1, _mm256_andnot_ps(sign, d1));
    }
    for (; i < n; i++)
        tail += fabsf(a[i] - b[i]);
    return sum8(_mm256_add_ps(s0, s1)) + tail;
}

static inline int32_t sum_i32(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

/* vpmaddubsw would saturate with 8-bit operands on both sides, so widen to 16 bits first. */
static void dot8x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 16) {
            __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(q + i)));
            __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(v[j] + i)));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
        }
        out[j] = sum_i32(s);
    }
}

static void l1x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    const __m256i bias = _mm256_set1_epi8(-128);

    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 32) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(q + i));
            __m256i y = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(v[j] + i)), bias);
            s = _mm256_add_epi64(s, _mm256_sad_epu8(x, y));
        }
        out[j] = sum_i32(s);
    }
}

const struct kernels kernels_avx2 = {
    .name = "avx2", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = dot8x4, .l1x4 = l1x4};
