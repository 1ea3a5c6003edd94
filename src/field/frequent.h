/* frequent.h - keys that many rows have, as sets of rows beside their lists: a set is tested for a row, or joined to
 * others 64 rows at a time, without its list. */
#ifndef FIELD_FREQUENT_H
#define FIELD_FREQUENT_H

#include "base/bits.h"
#include "base/buf.h"

/* The first place in list[low..high) that is not below `value`. */
static inline size_t lower_u32(const uint32_t *list, size_t low, size_t high, uint32_t value)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* As it lies in the section of an index (docs/format/field.md). */
struct frequent {
    uint32_t count, rows;
    const uint32_t *keys;  /* ascending */
    const uint64_t *sets;  /* bits_words(rows) words of each */
    const uint32_t *ranks; /* of each, at every 64th row: rows of the set before it */
};

/* Appends those of an index whose keys begin at `starts` in `row_list`. */
void frequent_put(const uint32_t *starts, uint32_t keys, const uint32_t *row_list, uint32_t rows, struct buf *out);
/* `begin` is where the section begins, to which it is aligned. False: malformed. */
bool frequent_open(struct reader *r, const uint8_t *begin, uint32_t rows, uint32_t keys, struct frequent *ret_sets);

/* The number of its set, or UINT32_MAX. */
uint32_t frequent_find(const struct frequent *f, uint32_t key);
static inline const uint64_t *frequent_set(const struct frequent *f, uint32_t number)
{
    return f->sets + (size_t)number * bits_words(f->rows);
}

static inline bool frequent_has(const struct frequent *f, uint32_t number, row_id row)
{
    return frequent_set(f, number)[row / 64] >> (row & 63) & 1;
}

/* How many rows of the set are before `row`. */
static inline uint32_t frequent_rank(const struct frequent *f, uint32_t number, row_id row)
{
    uint64_t before = frequent_set(f, number)[row / 64] & ((1ull << (row & 63)) - 1);

    return f->ranks[(size_t)number * bits_words(f->rows) + row / 64] + bits_of_word(before);
}

#endif
