/* build.c - collecting (key, row) pairs and writing them sorted. */
#include "base/ctx.h"
#include "base/mem.h"
#include "field/field.h"
#include "field/keys.h"
#include "field/scores.h"

#include <stdlib.h>

struct entry {
    union {
        int64_t i;
        double d;
        uint8_t uuid[16];
        struct {
            uint64_t offset; /* into text */
            uint32_t size;
        } s;
    } key;
    uint32_t row;
};

struct field_builder {
    const struct schema_field *f;
    kith_index_kind kind;
    struct buf entries, text, flags; /* flags: a byte a row */
};

int field_builder_new(struct ctx *c, const struct schema_field *f, struct field_builder **ret_builder)
{
    struct field_builder *b = mem_zalloc(sizeof *b);

    if (!b)
        return err_nomem(c);
    b->f = f;
    b->kind = f->def.index;
    *ret_builder = b;
    return 0;
}

void field_builder_free(struct field_builder *b)
{
    if (!b)
        return;
    buf_release(&b->entries);
    buf_release(&b->text);
    buf_release(&b->flags);
    mem_free(b);
}

struct adding {
    struct field_builder *b;
    row_id row;
};

static void add_key(void *arg, const struct field_key *k)
{
    struct adding *a = arg;
    struct entry e;

    memset(&e, 0, sizeof e);
    e.row = a->row;
    switch (a->b->kind) {
    case KITH_INDEX_KEYWORD: case KITH_INDEX_TEXT:
        e.key.s.offset = a->b->text.size;
        e.key.s.size = (uint32_t)k->text.size;
        buf_put(&a->b->text, k->text.data, k->text.size);
        break;
    case KITH_INDEX_UUID:
        memcpy(e.key.uuid, k->uuid, sizeof e.key.uuid);
        break;
    case KITH_INDEX_FLOAT:
        e.key.d = k->as.d;
        break;
    case KITH_INDEX_INTEGER: case KITH_INDEX_BOOL: case KITH_INDEX_DATETIME: case KITH_INDEX_GEO: case KITH_INDEX_NONE:
        e.key.i = k->as.i;
        break;
    }
    buf_put(&a->b->entries, &e, sizeof e);
}

int field_builder_add(struct ctx *c, struct field_builder *b, row_id row, struct val doc)
{
    struct adding a = {b, row};

    kassert(row >= b->flags.size);
    buf_zero(&b->flags, row - b->flags.size);
    buf_u8(&b->flags, field_keys(b->f, doc, add_key, &a));
    return b->flags.failed || b->entries.failed || b->text.failed ? err_nomem(c) : 0;
}

static int cmp_int(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    if (a->key.i != b->key.i)
        return a->key.i < b->key.i ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int cmp_double(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    if (a->key.d < b->key.d || a->key.d > b->key.d)
        return a->key.d < b->key.d ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int cmp_uuid(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int order = memcmp(a->key.uuid, b->key.uuid, 16);

    return order ? order : a->row < b->row ? -1 : a->row > b->row;
}

static int cmp_str(const void *x, const void *y, void *text)
{
    const struct entry *a = x, *b = y;
    const uint8_t *t = text;
    int order = memcmp(t + a->key.s.offset, t + b->key.s.offset, MIN(a->key.s.size, b->key.s.size));

    if (order)
        return order;
    if (a->key.s.size != b->key.s.size)
        return a->key.s.size < b->key.s.size ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Heap sort: in place, never quadratic, and with an argument, which C17's qsort lacks. */
static void sort_strings(struct entry *e, size_t n, void *text)
{
    for (size_t start = n / 2, end = n; end > 1;) {
        struct entry moved;
        size_t root, child;
        if (start > 0) {
            moved = e[--start];
        } else {
            moved = e[--end];
            e[end] = e[0];
        }
        for (root = start; (child = root * 2 + 1) < end; root = child) {
            if (child + 1 < end && cmp_str(&e[child], &e[child + 1], text) < 0)
                child++;
            if (cmp_str(&moved, &e[child], text) >= 0)
                break;
            e[root] = e[child];
        }
        e[root] = moved;
    }
}

static bool same_key(const struct field_builder *b, const struct entry *x, const struct entry *y)
{
    if (field_has_texts(b->kind))
        return x->key.s.size == y->key.s.size &&
               memcmp(b->text.data + x->key.s.offset, b->text.data + y->key.s.offset, x->key.s.size) == 0;
    return memcmp(&x->key, &y->key, b->kind == KITH_INDEX_UUID ? 16 : 8) == 0;
}

static void put_flag_bits(const struct field_builder *b, uint32_t rows, uint8_t flag, bool inverted, struct buf *out)
{
    for (uint32_t word = 0; word < bits_words(rows); word++) {
        uint64_t w = 0;
        for (uint32_t i = 0; i < 64 && word * 64 + i < rows; i++) {
            uint32_t row = word * 64 + i;
            bool set = row < b->flags.size && (b->flags.data[row] & flag) != 0;
            w |= (uint64_t)(set != inverted) << i;
        }
        buf_u64(out, w);
    }
}

/* Words of each row: all of them, the same ones too. */
static int put_scores(struct ctx *c, const struct field_builder *b, uint32_t rows, const struct buf *starts,
                      const struct buf *list, const struct buf *times, struct buf *out)
{
    const struct entry *e = (const struct entry *)(const void *)b->entries.data;
    uint32_t *lengths = mem_zalloc(MAX(rows, 1u) * sizeof *lengths);
    int rc;

    if (!lengths)
        return err_nomem(c);
    for (size_t i = 0; i < b->entries.size / sizeof *e; i++)
        lengths[e[i].row]++;
    rc = field_scores_build(c, (const uint32_t *)(const void *)starts->data, (uint32_t)(starts->size / 4 - 1),
                            (const uint32_t *)(const void *)list->data, times->data, rows, lengths, out);
    mem_free(lengths);
    return rc;
}

int field_builder_finish(struct ctx *c, struct field_builder *b, uint32_t rows, struct buf *out, struct buf *scores)
{
    struct entry *e = (struct entry *)(void *)b->entries.data;
    size_t n = b->entries.size / sizeof *e, keys = 0, kept = 0;
    struct buf starts, list, texts, times;
    uint32_t key_size = b->kind == KITH_INDEX_UUID ? 16 : 8;
    int rc;

    buf_init(&starts);
    buf_init(&list);
    buf_init(&texts);
    buf_init(&times);
    if (n && field_has_texts(b->kind))
        sort_strings(e, n, b->text.data);
    else if (n)
        qsort(e, n, sizeof *e, b->kind == KITH_INDEX_FLOAT ? cmp_double
                               : b->kind == KITH_INDEX_UUID ? cmp_uuid : cmp_int);
    buf_u32(out, (uint32_t)b->kind);
    buf_u32(out, rows);
    buf_zero(out, 16); /* keys, unused, entries */
    for (size_t i = 0; i < n; i++) {
        bool fresh = i == 0 || !same_key(b, &e[i - 1], &e[i]);
        if (!fresh && e[i].row == e[i - 1].row) {
            if (!times.failed && times.data[kept - 1] < TIMES_MAX)
                times.data[kept - 1]++;
            continue;
        }
        if (fresh) {
            keys++;
            buf_u32(&starts, (uint32_t)kept);
            if (field_has_texts(b->kind)) {
                buf_u32(out, (uint32_t)texts.size);
                buf_put(&texts, b->text.data + e[i].key.s.offset, e[i].key.s.size);
            } else {
                buf_put(out, &e[i].key, key_size);
            }
        }
        buf_u32(&list, e[i].row);
        buf_u8(&times, 1);
        kept++;
    }
    buf_u32(&starts, (uint32_t)kept);
    if (field_has_texts(b->kind))
        buf_u32(out, (uint32_t)texts.size);
    buf_put(out, starts.data, starts.size);
    buf_put(out, list.data, list.size);
    buf_align(out, 8);
    put_flag_bits(b, rows, ROW_INDEXED, false, out);
    put_flag_bits(b, rows, ROW_OTHER, false, out);
    put_flag_bits(b, rows, ROW_NOT_EMPTY, true, out);
    put_flag_bits(b, rows, ROW_NULL, false, out);
    buf_put(out, texts.data, texts.size);
    rc = out->failed || starts.failed || list.failed || texts.failed || times.failed ? err_nomem(c) : 0;
    if (rc == 0 && b->f->def.text.scored && b->kind == KITH_INDEX_TEXT)
        rc = put_scores(c, b, rows, &starts, &list, &times, scores);
    if (rc == 0) {
        uint32_t count = (uint32_t)keys;
        uint64_t entries = kept;
        memcpy(out->data + 8, &count, 4);
        memcpy(out->data + 16, &entries, 8);
    }
    buf_release(&starts);
    buf_release(&list);
    buf_release(&texts);
    buf_release(&times);
    return rc;
}
