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

const struct kernels kernels_avx2 = {
    .name = "avx2", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = four_dot8, .l1x4 = four_l1,
    .dot4x4 = four_dot4, .most_product = most_product, .round_product = round_product};
