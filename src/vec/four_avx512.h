/* four_avx512.h - one query against four codes at a time: AVX-512 with VNNI. For k_avx512.c, and for the
 * walks of index/, which want these inlined. */
#ifndef VEC_FOUR_AVX512_H
#define VEC_FOUR_AVX512_H

#include "base/base.h"

#include <immintrin.h>

/* Four sums by one transposed reduction. */
static inline void four_reduce(__m512i a, __m512i b, __m512i c, __m512i d, int32_t out[4])
{
    __m256i a2 = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    __m256i b2 = _mm256_add_epi32(_mm512_castsi512_si256(b), _mm512_extracti64x4_epi64(b, 1));
    __m256i c2 = _mm256_add_epi32(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
    __m256i d2 = _mm256_add_epi32(_mm512_castsi512_si256(d), _mm512_extracti64x4_epi64(d, 1));
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a2, b2), _mm256_hadd_epi32(c2, d2));
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));

    _mm_storeu_si128((__m128i *)(void *)out, t);
}

static inline void four_dot8(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = _mm512_loadu_si512(q + i);
        a = _mm512_dpbusd_epi32(a, x, _mm512_loadu_si512(v[0] + i));
        b = _mm512_dpbusd_epi32(b, x, _mm512_loadu_si512(v[1] + i));
        c = _mm512_dpbusd_epi32(c, x, _mm512_loadu_si512(v[2] + i));
        d = _mm512_dpbusd_epi32(d, x, _mm512_loadu_si512(v[3] + i));
    }
    four_reduce(a, b, c, d, out);
}

static inline void four_l1(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
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
    four_reduce(s[0], s[1], s[2], s[3], out);
}

static inline __m512i four_nibbles(__m512i sum, const uint8_t *v, __m512i low, __m512i high)
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i x = _mm512_loadu_si512(v);

    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(x, mask), low);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 4), mask), high);
}

/* Records of n bytes, two elements each (grid.h); the query has 2 n signed bytes. */
static inline void four_dot4(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i < n; i += 64) {
        __m512i low = _mm512_loadu_si512(q + 2 * i), high = _mm512_loadu_si512(q + 2 * i + 64);
        a = four_nibbles(a, v[0] + i, low, high);
        b = four_nibbles(b, v[1] + i, low, high);
        c = four_nibbles(c, v[2] + i, low, high);
        d = four_nibbles(d, v[3] + i, low, high);
    }
    four_reduce(a, b, c, d, out);
}

static inline __m512i four_where(__m512i sum, const uint8_t *v, __m512i q)
{
    uint64_t where;

    memcpy(&where, v, sizeof where);
    return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_maskz_mov_epi8(where, q));
}

/* Records of n bytes, eight elements each; the query has 8 n signed bytes. */
static inline void four_dot1(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i < n; i += 8) {
        __m512i x = _mm512_loadu_si512(q + 8 * i);
        a = four_where(a, v[0] + i, x);
        b = four_where(b, v[1] + i, x);
        c = four_where(c, v[2] + i, x);
        d = four_where(d, v[3] + i, x);
    }
    four_reduce(a, b, c, d, out);
}

/* Bits set, in each of eight words: by a table of nibbles. */
static inline __m512i four_count(__m512i x)
{
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(x, mask));
    __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(x, 4), mask));

    return _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512());
}

static inline void four_and(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

    for (size_t i = 0; i < n; i += 64) {
        __m512i x = _mm512_loadu_si512(q + i);
        for (int j = 0; j < 4; j++)
            s[j] = _mm512_add_epi64(s[j], four_count(_mm512_and_si512(x, _mm512_loadu_si512(v[j] + i))));
    }
    four_reduce(s[0], s[1], s[2], s[3], out);
}

#endif
