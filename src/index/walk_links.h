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
        uint32_t unused = _mm512_cmpeq_epi32_mask(some, none);
        _mm512_storeu_si512(copy + i, some);
        if (unused)
            return i + (uint32_t)__builtin_ctz(unused);
    }
    return degree;
}
#else
static inline uint32_t links_read(const uint32_t *links, uint32_t degree, uint32_t *copy)
{
    uint32_t n = 0;

    while (n < degree && (copy[n] = __atomic_load_n(links + n, __ATOMIC_ACQUIRE)) != GRAPH_NONE)
        n++;
    return n;
}
#endif

#endif
