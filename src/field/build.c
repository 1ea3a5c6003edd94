/* build.c - collecting (key, row) pairs and writing them sorted. Texts are numbered as they come, each once: only they
 * are sorted, their rows come in order. */
#include "base/ctx.h"
#include "base/hash.h"
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
    } key;
    uint32_t row;
};

/* A text, and how many rows it is in. */
struct word {
    uint64_t offset; /* into text */
    uint32_t size, rows, last; /* last: of its pairs */
};
struct pair {
    uint32_t word;
    row_id row;
};

struct field_builder {
    const struct schema_field *f;
    kith_index_kind kind;
    struct buf entries, flags; /* flags: a byte a row */
    struct buf text, words;           /* of texts: struct word */
    struct buf pairs, times, lengths; /* struct pair, and how often; words of a row */
    uint32_t *slots;           /* number of a word plus 1, by its hash; 0: free */
    size_t slots_count;
    bool failed;
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
    buf_release(&b->pairs);
    buf_release(&b->times);
    buf_release(&b->lengths);
    mem_free(b->slots);
    mem_free(b);
}

struct adding {
    struct field_builder *b;
    row_id row;
    uint32_t keys;
};

static struct word *words_of_builder(const struct field_builder *b)
{
    return (struct word *)(void *)b->words.data;
}

/* The slot of a text: its own, or a free one. */
static uint32_t *slot_of(const struct field_builder *b, struct bytes text)
{
    const struct word *words = words_of_builder(b);
    size_t mask = b->slots_count - 1;

    for (size_t i = hash_bytes(text.data, text.size, 0) & mask;; i = (i + 1) & mask) {
        const struct word *w = b->slots[i] ? &words[b->slots[i] - 1] : NULL;
        if (!w || (w->size == text.size && memcmp(b->text.data + w->offset, text.data, text.size) == 0))
            return &b->slots[i];
    }
}

static bool widen(struct field_builder *b)
{
    const struct word *words = words_of_builder(b);
    size_t count = b->words.size / sizeof *words;
    uint32_t *old = b->slots;

    b->slots_count = MAX(b->slots_count * 2, (size_t)1024);
    b->slots = mem_zalloc(b->slots_count * sizeof *b->slots);
    mem_free(old);
    if (!b->slots)
        return false;
    for (uint32_t i = 0; i < count; i++)
        *slot_of(b, (struct bytes){b->text.data + words[i].offset, words[i].size}) = i + 1;
    return true;
}

/* Its number, or UINT32_MAX. */
static uint32_t number_of(struct field_builder *b, struct bytes text)
{
    size_t count = b->words.size / sizeof(struct word);
    struct word w = {.offset = b->text.size, .size = (uint32_t)text.size};
    uint32_t *slot;

    if ((count * 2 >= b->slots_count && !widen(b)) || count >= UINT32_MAX - 1)
        return UINT32_MAX;
    slot = slot_of(b, text);
    if (*slot)
        return *slot - 1;
    buf_put(&b->text, text.data, text.size);
    buf_put(&b->words, &w, sizeof w);
    if (b->text.failed || b->words.failed)
        return UINT32_MAX;
    *slot = (uint32_t)count + 1;
    return (uint32_t)count;
}

static void add_text(struct field_builder *b, row_id row, struct bytes text)
{
    uint32_t number = b->failed ? UINT32_MAX : number_of(b, text);
    const struct pair p = {number, row};
    const struct pair *pairs;
    struct word *w;

    if (number == UINT32_MAX) {
        b->failed = true;
        return;
    }
    w = &words_of_builder(b)[number];
    pairs = (const struct pair *)(const void *)b->pairs.data;
    if (w->rows && pairs[w->last].row == row) {
        if (b->times.data[w->last] < TIMES_MAX)
            b->times.data[w->last]++;
        return;
    }
    w->last = (uint32_t)(b->pairs.size / sizeof p);
    w->rows++;
    buf_put(&b->pairs, &p, sizeof p);
    buf_u8(&b->times, 1);
    b->failed = b->pairs.failed || b->times.failed;
}

static void add_key(void *arg, const struct field_key *k)
{
    struct adding *a = arg;
    struct entry e;

    a->keys++;
    if (field_has_texts(a->b->kind)) {
        add_text(a->b, a->row, k->text);
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
    if (b->f->def.text.scored) {
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

static int cmp_words(const struct field_builder *b, uint32_t x, uint32_t y)
{
    const struct word *words = words_of_builder(b), *p = &words[x], *q = &words[y];
    int order = memcmp(b->text.data + p->offset, b->text.data + q->offset, MIN(p->size, q->size));

    return order ? order : p->size < q->size ? -1 : p->size > q->size;
}

/* Heap sort: in place, never quadratic, and with an argument, which C17's qsort lacks. */
static void sort_words(const struct field_builder *b, uint32_t *numbers, size_t n)
{
    for (size_t start = n / 2, end = n; end > 1;) {
        uint32_t moved;
        size_t root, child;
        if (start > 0) {
            moved = numbers[--start];
        } else {
            moved = numbers[--end];
            numbers[end] = numbers[0];
        }
        for (root = start; (child = root * 2 + 1) < end; root = child) {
            if (child + 1 < end && cmp_words(b, numbers[child], numbers[child + 1]) < 0)
                child++;
            if (cmp_words(b, moved, numbers[child]) >= 0)
                break;
            numbers[root] = numbers[child];
        }
        numbers[root] = moved;
    }
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

enum { SINGLE = 1 }; /* no row has several texts */

static uint32_t flags_of(const struct field_builder *b)
{
    for (size_t i = 0; i < b->flags.size; i++) {
        if (b->flags.data[i] & ROW_SEVERAL)
            return 0;
    }
    return SINGLE;
}

static void put_head(const struct field_builder *b, uint32_t rows, uint32_t keys, uint64_t entries, struct buf *out)
{
    buf_u32(out, (uint32_t)b->kind);
    buf_u32(out, rows);
    buf_u32(out, keys);
    buf_u32(out, b->kind == KITH_INDEX_TEXT ? flags_of(b) : 0);
    buf_u64(out, entries);
}

static void put_sets(const struct field_builder *b, uint32_t rows, struct buf *out)
{
    buf_align(out, 8);
    put_flag_bits(b, rows, ROW_INDEXED, false, out);
    put_flag_bits(b, rows, ROW_OTHER, false, out);
    put_flag_bits(b, rows, ROW_NOT_EMPTY, true, out);
    put_flag_bits(b, rows, ROW_NULL, false, out);
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

/* Sorted: numbers of words, where the rows of each begin, all rows, how often the word is there. */
struct sorted {
    uint32_t *numbers, *starts, *places, *rows;
    uint8_t *times;
};

static bool sorted_new(struct sorted *s, size_t words, size_t pairs)
{
    s->numbers = mem_alloc(MAX(words, (size_t)1) * 4);
    s->starts = mem_alloc((words + 1) * 4);
    s->places = mem_alloc(MAX(words, (size_t)1) * 4); /* by number */
    s->rows = mem_alloc(MAX(pairs, (size_t)1) * 4);
    s->times = mem_alloc(MAX(pairs, (size_t)1));
    return s->numbers && s->starts && s->places && s->rows && s->times;
}

static void sorted_free(struct sorted *s)
{
    mem_free(s->numbers);
    mem_free(s->starts);
    mem_free(s->places);
    mem_free(s->rows);
    mem_free(s->times);
}

/* Pairs come by rows: dealt out to their words they stay so. */
static void deal(const struct field_builder *b, struct sorted *s, uint32_t words, size_t pairs)
{
    const struct pair *p = (const struct pair *)(const void *)b->pairs.data;
    const struct word *w = words_of_builder(b);
    uint32_t at = 0;

    for (uint32_t i = 0; i < words; i++)
        s->numbers[i] = i;
    sort_words(b, s->numbers, words);
    for (uint32_t i = 0; i < words; i++) {
        s->starts[i] = s->places[s->numbers[i]] = at;
        at += w[s->numbers[i]].rows;
    }
    s->starts[words] = at;
    for (size_t i = 0; i < pairs; i++) {
        uint32_t place = s->places[p[i].word]++;
        s->rows[place] = p[i].row;
        s->times[place] = b->times.data[i];
    }
}

static int put_scores(struct ctx *c, const struct field_builder *b, uint32_t rows, const struct sorted *s,
                      uint32_t words, struct buf *out)
{
    uint32_t *lengths = mem_zalloc(MAX(rows, 1u) * sizeof *lengths);
    int rc;

    if (!lengths)
        return err_nomem(c);
    memcpy(lengths, b->lengths.data, MIN(b->lengths.size, (size_t)rows * 4));
    rc = field_scores_build(c, s->starts, words, s->rows, s->times, rows, lengths, out);
    mem_free(lengths);
    return rc;
}

static void put_texts(const struct field_builder *b, uint32_t rows, const struct sorted *s, uint32_t words, size_t pairs,
                      struct buf *out)
{
    const struct word *w = words_of_builder(b);
    uint32_t offset = 0;

    put_head(b, rows, words, pairs, out);
    for (uint32_t i = 0; i < words; i++) {
        buf_u32(out, offset);
        offset += w[s->numbers[i]].size;
    }
    buf_u32(out, offset);
    buf_put(out, s->starts, ((size_t)words + 1) * 4);
    buf_put(out, s->rows, pairs * 4);
    put_sets(b, rows, out);
    for (uint32_t i = 0; i < words; i++)
        buf_put(out, b->text.data + w[s->numbers[i]].offset, w[s->numbers[i]].size);
}

static int finish_texts(struct ctx *c, const struct field_builder *b, uint32_t rows, struct buf *out,
                        struct buf *scores)
{
    uint32_t words = (uint32_t)(b->words.size / sizeof(struct word));
    size_t pairs = b->pairs.size / sizeof(struct pair);
    struct sorted s;
    int rc = sorted_new(&s, words, pairs) ? 0 : err_nomem(c);

    if (rc == 0) {
        deal(b, &s, words, pairs);
        put_texts(b, rows, &s, words, pairs, out);
        rc = out->failed ? err_nomem(c) : 0;
    }
    if (rc == 0 && b->f->def.text.scored && b->kind == KITH_INDEX_TEXT)
        rc = put_scores(c, b, rows, &s, words, scores);
    sorted_free(&s);
    return rc;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

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
    put_head(b, rows, 0, 0, out);
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
    put_sets(b, rows, out);
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

int field_builder_finish(struct ctx *c, struct field_builder *b, uint32_t rows, struct buf *out, struct buf *scores)
{
    return field_has_texts(b->kind) ? finish_texts(c, b, rows, out, scores) : finish_numbers(c, b, rows, out);
}
