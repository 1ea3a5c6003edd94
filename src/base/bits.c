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

uint32_t bits_count(const struct bits *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < bits_words(b->size); i++)
        n += (uint32_t)__builtin_popcountll(b->words[i]);
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
