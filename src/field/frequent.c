/* frequent.c - writing and opening sets of frequent keys. */
#include "field/frequent.h"

/* A key that one row in so many has: its set is then as large as its list. */
enum { SHARE = 32, ROWS_LEAST = 64 };

static bool is_frequent(const uint32_t *starts, uint32_t key, uint32_t rows)
{
    uint32_t n = starts[key + 1] - starts[key];

    return n >= ROWS_LEAST && n >= rows / SHARE;
}

static void put_ranks(const uint32_t *list, uint32_t count, uint32_t rows, struct buf *out)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < bits_words(rows); i++) {
        while (at < count && list[at] / 64 < i)
            at++;
        buf_u32(out, at);
    }
}

static void put_set(const uint32_t *list, uint32_t count, uint32_t rows, struct buf *out)
{
    struct bits set = {.size = rows};
    size_t from = out->size;

    buf_zero(out, (size_t)bits_words(rows) * 8);
    if (out->failed)
        return;
    set.words = (uint64_t *)(void *)(out->data + from);
    for (uint32_t i = 0; i < count; i++)
        bits_set(&set, list[i]);
}

void frequent_put(const uint32_t *starts, uint32_t keys, const uint32_t *row_list, uint32_t rows, struct buf *out)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < keys; k++)
        count += is_frequent(starts, k, rows);
    buf_align(out, 8);
    buf_u32(out, count);
    for (uint32_t k = 0; count && k < keys; k++) {
        if (is_frequent(starts, k, rows))
            buf_u32(out, k);
    }
    buf_align(out, 8);
    for (uint32_t k = 0; count && k < keys; k++) {
        if (is_frequent(starts, k, rows))
            put_set(row_list + starts[k], starts[k + 1] - starts[k], rows, out);
    }
    for (uint32_t k = 0; count && k < keys; k++) {
        if (is_frequent(starts, k, rows))
            put_ranks(row_list + starts[k], starts[k + 1] - starts[k], rows, out);
    }
}

static void skip_to_8(struct reader *r, const uint8_t *begin)
{
    size_t at = (size_t)(r->at - begin);

    (void)read_bytes(r, align_up(at, 8) - at);
}

bool frequent_open(struct reader *r, const uint8_t *begin, uint32_t rows, uint32_t keys, struct frequent *ret_sets)
{
    struct frequent f = {.rows = rows};

    skip_to_8(r, begin);
    f.count = read_u32(r);
    f.keys = (const void *)read_bytes(r, (uint64_t)f.count * sizeof *f.keys);
    skip_to_8(r, begin);
    f.sets = (const void *)read_bytes(r, (uint64_t)f.count * bits_words(rows) * sizeof *f.sets);
    f.ranks = (const void *)read_bytes(r, (uint64_t)f.count * bits_words(rows) * sizeof *f.ranks);
    if (r->failed)
        return false;
    for (uint32_t i = 0; i < f.count; i++) {
        if (f.keys[i] >= keys || (i && f.keys[i] <= f.keys[i - 1]))
            return false;
    }
    *ret_sets = f;
    return true;
}

uint32_t frequent_find(const struct frequent *f, uint32_t key)
{
    uint32_t at = (uint32_t)lower_u32(f->keys, 0, f->count, key);

    return at < f->count && f->keys[at] == key ? at : UINT32_MAX;
}
