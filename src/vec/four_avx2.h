/* four_avx2.h - one query against four codes at a time: AVX2. */
#ifndef VEC_FOUR_AVX2_H
#define VEC_FOUR_AVX2_H

#include "base/base.h"

#include <immintrin.h>

static inline int32_t four_sum(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

static inline __m256i four_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* vpmaddubsw would saturate with 8-bit operands on both sides, so widen to 16 bits first. */
static inline void four_dot8(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 16) {
            __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(q + i)));
            __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(v[j] + i)));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
        }
        out[j] = four_sum(s);
    }
}

static inline void four_l1(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const __m256i bias = _mm256_set1_epi8(-128);

    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 32) {
            __m256i y = _mm256_xor_si256(four_load(v[j] + i), bias);
            s = _mm256_add_epi64(s, _mm256_sad_epu8(four_load(q + i), y));
        }
        out[j] = four_sum(s);
    }
}

/* 15 * 127 * 2 fits 16 bits, eight such sums too: nothing saturates within a line. */
static inline void four_dot4(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);

    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 64) {
            __m256i x = four_load(v[j] + i), y = four_load(v[j] + i + 32);
            __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(x, mask), four_load(q + 2 * i));
            __m256i b = _mm256_maddubs_epi16(_mm256_and_si256(y, mask), four_load(q + 2 * i + 32));
            __m256i d = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), mask),
                                             four_load(q + 2 * i + 64));
            __m256i e = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(y, 4), mask),
                                             four_load(q + 2 * i + 96));
            a = _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(d, e));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(a, ones));
        }
        out[j] = four_sum(s);
    }
}

/* -1 in the byte of each of 32 bits that is set. */
static inline __m256i four_spread(const uint8_t *v)
{
    const __m256i from = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    int32_t bits;
    __m256i x;

    memcpy(&bits, v, sizeof bits);
    x = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), from), bit);
    return _mm256_cmpeq_epi8(x, bit);
}

/* Records of n bytes, eight elements each; the query has 8 n signed bytes. */
static inline void four_dot1(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);

    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 4) {
            __m256i x = _mm256_and_si256(four_spread(v[j] + i), four_load(q + 8 * i));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, x), ones16));
        }
        out[j] = four_sum(s);
    }
}

/* Bits set, in each of four words: by a table of nibbles. */
static inline __m256i four_count(__m256i x)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, mask));
    __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), mask));

    return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}

static inline void four_and(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        __m256i s = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 32)
            s = _mm256_add_epi64(s, four_count(_mm256_and_si256(four_load(q + i), four_load(v[j] + i))));
        out[j] = four_sum(s);
    }
}

#endif
