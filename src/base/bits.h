/* bits.h - a dense set of rows: one bit a row, 64 to a word. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/base.h"

struct bits {
    uint64_t *words;
    uint32_t size; /* rows */
};

static inline uint32_t bits_words(uint32_t rows)
{
    return (rows + 63) / 64;
}
static inline bool bits_get(const struct bits *b, row_id row)
{
    return b->words[row >> 6] >> (row & 63) & 1;
}
static inline void bits_set(struct bits *b, row_id row)
{
    b->words[row >> 6] |= 1ull << (row & 63);
}
static inline void bits_clear(struct bits *b, row_id row)
{
    b->words[row >> 6] &= ~(1ull << (row & 63));
}
/* How many are set; in plain code, for processors are not known when this is compiled. */
static inline uint32_t bits_of_word(uint64_t w)
{
    w -= w >> 1 & 0x5555555555555555ull;
    w = (w & 0x3333333333333333ull) + (w >> 2 & 0x3333333333333333ull);
    return (uint32_t)(((w + (w >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull >> 56);
}
/* All clear, in the arena. */
int bits_new(struct arena *a, uint32_t rows, struct bits *ret_bits);
void bits_fill(struct bits *b); /* exactly the `size` rows */
uint32_t bits_count(const struct bits *b);
void bits_and(struct bits *b, const struct bits *other);
void bits_or(struct bits *b, const struct bits *other);
void bits_minus(struct bits *b, const struct bits *other);
/* The first set row at or after `from`, or ROW_NONE. */
row_id bits_next(const struct bits *b, row_id from);

#endif
