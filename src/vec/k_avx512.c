/* k_avx512.c - AVX-512 F, BW, VL, DQ and VNNI; compiled with those flags and nothing else. */
#include "vec/four_avx512.h"
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

static float most_product(const float *a, const float *b, size_t n)
{
    __m512 most = _mm512_setzero_ps();

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? tail_mask(n - i) : (__mmask16)0xffff;
        most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(m, a + i),
                                                               _mm512_maskz_loadu_ps(m, b + i))));
    }
    return _mm512_reduce_max_ps(most);
}

static float round_product(const float *a, const float *b, float scale, size_t n, int8_t *whole, int8_t *fine)
{
    __m512i sum = _mm512_setzero_si512(), sum_fine = sum;

    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = n - i < 16 ? tail_mask(n - i) : (__mmask16)0xffff;
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

const struct kernels kernels_avx512 = {
    .name = "avx512", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = four_dot8, .l1x4 = four_l1,
    .dot4x4 = four_dot4, .most_product = most_product, .round_product = round_product};
