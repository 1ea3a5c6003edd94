/* bits.c - dense row sets. */
#include "base/bits.h"

#include "base/arena.h"

int bits_new(struct arena *a, uint32_t rows, struct bits *ret_bits)
{
    uint64_t *words = arena_zalloc(a, (size_t)bits_words(rows) * 8);

    if (!words)
        return KITH_NOMEM;
    ret_bits->words = words;
    ret_bits->size = rows;
    return 0;
}

static void trim_tail(struct bits *b)
{
    if (b->size & 63)
        b->words[b->size >> 6] &= (1ull << (b->size & 63)) - 1;
}

void bits_fill(struct bits *b)
{
    memset(b->words, 0xff, (size_t)bits_words(b->size) * 8);
    trim_tail(b);
}

/* How many bits each byte of a word has: the usual sums of neighbours, which the compiler makes vectors of. */
static inline uint64_t count_bytes(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    return (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
}

uint32_t bits_count(const struct bits *b)
{
    uint32_t words = bits_words(b->size), n = 0;

    for (uint32_t i = 0; i < words; i += 16) { /* 16 * 8 fits a byte */
        uint64_t sum = 0;
        for (uint32_t j = i; j < MIN(i + 16, words); j++)
            sum += count_bytes(b->words[j]);
        sum = (sum & 0x00ff00ff00ff00ffull) + (sum >> 8 & 0x00ff00ff00ff00ffull);
        n += (uint32_t)(sum * 0x0001000100010001ull >> 48);
    }
    return n;
}

void bits_and(struct bits *b, const struct bits *other)
{
    for (uint32_t i = 0; i < bits_words(b->size); i++)
        b->words[i] &= other->words[i];
}

void bits_or(struct bits *b, const struct bits *other)
{
    for (uint32_t i = 0; i < bits_words(b->size); i++)
        b->words[i] |= other->words[i];
}

void bits_minus(struct bits *b, const struct bits *other)
{
    for (uint32_t i = 0; i < bits_words(b->size); i++)
        b->words[i] &= ~other->words[i];
}

row_id bits_next(const struct bits *b, row_id from)
{
    uint32_t i = from >> 6, n = bits_words(b->size);
    uint64_t word;

    if (from >= b->size)
        return ROW_NONE;
    word = b->words[i] & (~0ull << (from & 63));
    while (!word) {
        if (++i >= n)
            return ROW_NONE;
        word = b->words[i];
    }
    return i * 64 + (uint32_t)__builtin_ctzll(word);
}
