/* build.c - collecting keys and rows, and writing them sorted; of texts build_texts.c does it. */
#include "base/ctx.h"
#include "base/mem.h"
#include "field/building.h"
#include "field/frequent.h"

#include <stdlib.h>

struct entry {
    union {
        int64_t i;
        double d;
        uint8_t uuid[16];
    } key;
    uint32_t row;
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
    buf_release(&b->flags);
    buf_release(&b->text);
    buf_release(&b->words);
    buf_release(&b->tokens);
    buf_release(&b->lengths);
    mem_free(b->slots);
    mem_free(b);
}

struct adding {
    struct field_builder *b;
    row_id row;
    uint32_t keys;
};

static void add_key(void *arg, const struct field_key *k)
{
    struct adding *a = arg;
    struct entry e;

    a->keys++;
    if (field_has_texts(a->b->kind)) {
        texts_add(a->b, a->row, k);
        return;
    }
    memset(&e, 0, sizeof e);
    e.row = a->row;
    if (a->b->kind == KITH_INDEX_UUID)
        memcpy(e.key.uuid, k->uuid, sizeof e.key.uuid);
    else if (a->b->kind == KITH_INDEX_FLOAT)
        e.key.d = k->as.d;
    else
        e.key.i = k->as.i;
    buf_put(&a->b->entries, &e, sizeof e);
}

int field_builder_add(struct ctx *c, struct field_builder *b, row_id row, struct val doc)
{
    struct adding a = {b, row, 0};

    kassert(row >= b->flags.size);
    buf_zero(&b->flags, row - b->flags.size);
    buf_u8(&b->flags, field_keys(b->f, doc, add_key, &a));
    if (field_has_texts(b->kind)) {
        buf_zero(&b->lengths, (size_t)row * 4 - b->lengths.size);
        buf_u32(&b->lengths, a.keys);
    }
    return b->failed || b->flags.failed || b->entries.failed || b->lengths.failed ? err_nomem(c) : 0;
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

static bool same_key(const struct field_builder *b, const struct entry *x, const struct entry *y)
{
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

static uint32_t flags_of(const struct field_builder *b)
{
    for (size_t i = 0; b->kind == KITH_INDEX_TEXT && i < b->flags.size; i++) {
        if (b->flags.data[i] & ROW_SEVERAL)
            return FIELD_FREQUENT;
    }
    return FIELD_FREQUENT | (b->kind == KITH_INDEX_TEXT ? FIELD_SINGLE : 0);
}

void field_put_head(const struct field_builder *b, uint32_t rows, uint32_t keys, uint64_t entries, struct buf *out)
{
    buf_u32(out, (uint32_t)b->kind);
    buf_u32(out, rows);
    buf_u32(out, keys);
    buf_u32(out, flags_of(b));
    buf_u64(out, entries);
}

void field_put_flags(const struct field_builder *b, uint32_t rows, struct buf *out)
{
    buf_align(out, 8);
    put_flag_bits(b, rows, ROW_INDEXED, false, out);
    put_flag_bits(b, rows, ROW_OTHER, false, out);
    put_flag_bits(b, rows, ROW_NOT_EMPTY, true, out);
    put_flag_bits(b, rows, ROW_NULL, false, out);
}

static int finish_numbers(struct ctx *c, struct field_builder *b, uint32_t rows, struct buf *out)
{
    struct entry *e = (struct entry *)(void *)b->entries.data;
    size_t n = b->entries.size / sizeof *e, keys = 0, kept = 0;
    struct buf starts, list;
    int rc;

    buf_init(&starts);
    buf_init(&list);
    if (n)
        qsort(e, n, sizeof *e, b->kind == KITH_INDEX_FLOAT ? cmp_double
                               : b->kind == KITH_INDEX_UUID ? cmp_uuid : cmp_int);
    field_put_head(b, rows, 0, 0, out);
    for (size_t i = 0; i < n; i++) {
        bool fresh = i == 0 || !same_key(b, &e[i - 1], &e[i]);
        if (!fresh && e[i].row == e[i - 1].row)
            continue;
        if (fresh) {
            keys++;
            buf_u32(&starts, (uint32_t)kept);
            buf_put(out, &e[i].key, b->kind == KITH_INDEX_UUID ? 16 : 8);
        }
        buf_u32(&list, e[i].row);
        kept++;
    }
    buf_u32(&starts, (uint32_t)kept);
    buf_put(out, starts.data, starts.size);
    buf_put(out, list.data, list.size);
    field_put_flags(b, rows, out);
    if (!starts.failed && !list.failed)
        frequent_put((const void *)starts.data, (uint32_t)keys, (const void *)list.data, rows, out);
    rc = out->failed || starts.failed || list.failed ? err_nomem(c) : 0;
    if (rc == 0) {
        uint32_t count = (uint32_t)keys;
        uint64_t entries = kept;
        memcpy(out->data + 8, &count, 4);
        memcpy(out->data + 16, &entries, 8);
    }
    buf_release(&starts);
    buf_release(&list);
    return rc;
}

int field_builder_finish(struct ctx *c, struct field_builder *b, uint32_t rows, struct field_sections *out)
{
    *out = (struct field_sections){0};
    return field_has_texts(b->kind) ? texts_finish(c, b, rows, out) : finish_numbers(c, b, rows, &out->index);
}

void field_sections_release(struct field_sections *s)
{
    buf_release(&s->index);
    buf_release(&s->scores);
    buf_release(&s->positions);
}
