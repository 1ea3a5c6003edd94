/* hash.c - hashes and checksums. The CRC uses the processor's instruction where there is one. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t c = ~crc;

    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; size; size--, p++)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return ~(uint32_t)c;
}

#elif defined(__aarch64__)
#include <arm_acle.h>

__attribute__((target("+crc"))) uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;

    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __crc32cd(c, word);
    }
    for (; size; size--, p++)
        c = __crc32cb(c, *p);
    return ~c;
}

#else
#error "crc32c: x86-64 or 64-bit Arm expected"
#endif
