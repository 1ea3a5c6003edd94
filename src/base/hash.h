/* hash.h - xxHash for tables and filters, CRC-32C for checksums, splitmix for seeds. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* SipHash-2-4 with a key of zeros (Aumasson and Bernstein 2012). */
uint64_t siphash(const void *data, size_t size);

/* One step of splitmix64 (Steele, Lea, Flood 2014): a good mixer and a tiny seeded generator. */
static inline uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
