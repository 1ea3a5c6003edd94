/* k_avx512.c - AVX-512 F, BW, VL, DQ and VNNI; compiled with those flags and nothing else. */
#include "vec/kernel.h"

#include <immintrin.h>

static inline __mmask16 tail_mask(size_t left)
{
    return (__mmask16)((1u << left) - 1);
}

static float dot(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
    }
    for (; i + 16 <= n; i += 16)
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    if (i < n) {
        __mmask16 m = tail_mask(n - i);
        s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i), s1);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

static float l2(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0;
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
        __m512 d1 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
        s0 = _mm512_fmadd_ps(d0, d0, s0);
        s1 = _mm512_fmadd_ps(d1, d1, s1);
    }
    for (; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? tail_mask(n - i) : (__mmask16)0xffff;
        __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i));
        s0 = _mm512_fmadd_ps(d, d, s0);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(s0, s1));
}

static float l1(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps();

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? tail_mask(n - i) : (__mmask16)0xffff;
        __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i));
        s0 = _mm512_add_ps(s0, _mm512_abs_ps(d));
    }
    return _mm512_reduce_add_ps(s0);
}

/* Four sums by one transposed reduction. */
static inline void reduce4(__m512i a, __m512i b, __m512i c, __m512i d, int32_t out[4])
{
    __m256i a2 = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    __m256i b2 = _mm256_add_epi32(_mm512_castsi512_si256(b), _mm512_extracti64x4_epi64(b, 1));
    __m256i c2 = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    __m256i d2 = _mm256_add_epi32(_mm512_castsi512_si256(d), _mm512_extracti64x4_epi64(d, 1));
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a2, b2), _mm256_hadd_epi32(c2, d2));
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));

    _mm_storeu_si128((__m128i *)(void *)out, t);
}

static void dot8x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = _mm512_loadu_si512(q + i);
        a = _mm512_dpbusd_epi32(a, x, _mm512_loadu_si512(v[0] + i));
        b = _mm512_dpbusd_epi32(b, x, _mm512_loadu_si512(v[1] + i));
        c = _mm512_dpbusd_epi32(c, x, _mm512_loadu_si512(v[2] + i));
        d = _mm512_dpbusd_epi32(d, x, _mm512_loadu_si512(v[3] + i));
    }
    reduce4(a, b, c, d, out);
}

static void l1x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    const __m512i bias = _mm512_set1_epi8(-128);
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = _mm512_loadu_si512(q + i);
        for (int j = 0; j < 4; j++) {
            __m512i y = _mm512_xor_si512(_mm512_loadu_si512(v[j] + i), bias);
            s[j] = _mm512_add_epi64(s[j], _mm512_sad_epu8(x, y));
        }
    }
    reduce4(s[0], s[1], s[2], s[3], out);
}

const struct kernels kernels_avx512 = {
    .name = "avx512", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = dot8x4, .l1x4 = l1x4};
