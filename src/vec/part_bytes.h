/* part_bytes.h - how look-ups of k_avx2.c and k_avx512.c end. */
#ifndef VEC_PART_BYTES_H
#define VEC_PART_BYTES_H

#include "base/base.h"

#include <immintrin.h>

/* Bytes were summed as 16-bit numbers, two a number, and the odd ones also alone: both apart, in the order of the
 * bytes, the two halves of each added up. */
static inline void part_bytes(__m256i sums, __m256i odd, uint16_t out[16])
{
    __m256i even = _mm256_sub_epi16(sums, _mm256_slli_epi16(odd, 8));
    __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));

    _mm_storeu_si128((__m128i *)(void *)out, _mm_unpacklo_epi16(e, o));
    _mm_storeu_si128((__m128i *)(void *)(out + 8), _mm_unpackhi_epi16(e, o));
}

#endif
