/* walk_links.h - reading a slot's links while others may write them: each is read once, whole, old or new. */
#ifndef INDEX_WALK_LINKS_H
#define INDEX_WALK_LINKS_H

#include "index/walk.h"

#if defined(__AVX512F__) && !defined(__SANITIZE_THREAD__)
/* On this processor every load is an acquire, and a line is read whole; the language has no word for it, nor
 * has the thread sanitizer, which gets the other form. */
#include <immintrin.h>

static ALWAYS_INLINE uint32_t links_read(const uint32_t *links, uint32_t degree, uint32_t *copy)
{
    const __m512i none = _mm512_set1_epi32(-1);

    for (uint32_t i = 0; i < degree; i += 16) {
        __m512i some = _mm512_loadu_si512(links + i);
        uint32_t unused;
        __asm__("" : "+v"(some)); /* or the compiler reads them once to compare and once more to copy */
        unused = _mm512_cmpeq_epi32_mask(some, none);
        _mm512_storeu_si512(copy + i, some);
        if (unused)
            return i + (uint32_t)__builtin_ctz(unused);
    }
    return degree;
}

/* Appends those of n slots that are open, and closes them: sixteen bits looked up at a time. `out` has room for
 * 16 more. */
static ALWAYS_INLINE uint32_t links_open(uint32_t *open, const uint32_t *links, uint32_t n, uint32_t *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 in = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xffff;
        __m512i slots = _mm512_maskz_loadu_epi32(in, links + i);
        __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), in, _mm512_srli_epi32(slots, 5), open, 4);
        __m512i bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(slots, _mm512_set1_epi32(31)));
        __mmask16 hit = _mm512_mask_test_epi32_mask(in, words, bits);
        uint32_t found = (uint32_t)__builtin_popcount(hit);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(hit, slots));
        for (uint32_t j = count; j < count + found; j++)
            open[out[j] >> 5] &= ~(1u << (out[j] & 31));
        count += found;
    }
    return count;
}
#else
static inline uint32_t links_read(const uint32_t *links, uint32_t degree, uint32_t *copy)
{
    uint32_t n = 0;

    while (n < degree && (copy[n] = __atomic_load_n(links + n, __ATOMIC_ACQUIRE)) != GRAPH_NONE)
        n++;
    return n;
}

/* Appends those of n slots that are open, and closes them. */
static inline uint32_t links_open(uint32_t *open, const uint32_t *links, uint32_t n, uint32_t *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t *word = &open[links[i] >> 5], bit = 1u << (links[i] & 31);
        out[count] = links[i];
        count += (*word & bit) != 0;
        *word &= ~bit;
    }
    return count;
}
#endif

#endif
