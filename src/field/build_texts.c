/* build_texts.c - indexes whose keys are texts: keywords and words. Texts are numbered as they come, each once, and
 * every row is kept as the numbers it has: only the texts themselves are sorted, rows and places come in order. */
#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "field/building.h"
#include "field/frequent.h"
#include "field/positions.h"
#include "field/scores.h"

/* A text, and how many rows it is in. */
struct word {
    uint64_t offset; /* into text */
    uint32_t size, rows;
    row_id last; /* row, plus 1 */
};

#define NEXT_TEXT 0x80000000u /* of a token: it begins a text, and another one of its row stands before */

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

    if ((count * 2 >= b->slots_count && !widen(b)) || count >= NEXT_TEXT - 1)
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

void texts_add(struct field_builder *b, row_id row, const struct field_key *k)
{
    uint32_t number = b->failed ? UINT32_MAX : number_of(b, k->text);
    struct word *w;

    if (number == UINT32_MAX) {
        b->failed = true;
        return;
    }
    w = &words_of_builder(b)[number];
    w->rows += w->last != row + 1;
    w->last = row + 1;
    buf_u32(&b->tokens, number | (k->next_text ? NEXT_TEXT : 0));
    b->failed = b->tokens.failed;
}

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

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

/* Sorted: numbers of words, where the rows of each begin, all rows, how often the word is there. */
struct sorted {
    uint32_t *numbers, *starts, *rows;
    uint32_t *next; /* by number: where its next row goes, */
    row_id *last;   /* and its last row, plus 1 */
    uint8_t *times;
    uint32_t words;
    uint64_t entries;
};

static bool sorted_new(struct sorted *s, const struct field_builder *b)
{
    const struct word *w = words_of_builder(b);

    *s = (struct sorted){.words = (uint32_t)(b->words.size / sizeof *w)};
    for (uint32_t i = 0; i < s->words; i++)
        s->entries += w[i].rows;
    s->numbers = mem_alloc(MAX(s->words, 1u) * sizeof *s->numbers);
    s->starts = mem_alloc(((size_t)s->words + 1) * sizeof *s->starts);
    s->next = mem_alloc(MAX(s->words, 1u) * sizeof *s->next);
    s->last = mem_alloc(MAX(s->words, 1u) * sizeof *s->last);
    s->rows = mem_alloc(MAX(s->entries, (uint64_t)1) * sizeof *s->rows);
    s->times = mem_alloc(MAX(s->entries, (uint64_t)1));
    return s->numbers && s->starts && s->next && s->last && s->rows && s->times;
}

static void sorted_free(struct sorted *s)
{
    mem_free(s->numbers);
    mem_free(s->starts);
    mem_free(s->next);
    mem_free(s->last);
    mem_free(s->rows);
    mem_free(s->times);
}

/* Back to the first token. */
static void rewind_rows(struct sorted *s)
{
    for (uint32_t i = 0; i < s->words; i++)
        s->next[s->numbers[i]] = s->starts[i];
    memset(s->last, 0, s->words * sizeof *s->last);
}

/* The entry that a token of a row belongs to; tokens come in order. */
static uint32_t entry_of(struct sorted *s, uint32_t number, row_id row, bool *ret_fresh)
{
    *ret_fresh = s->last[number] != row + 1;
    s->last[number] = row + 1;
    s->next[number] += *ret_fresh;
    return s->next[number] - 1;
}

/* Tokens come by rows: dealt out to their words they stay so. */
static void deal(const struct field_builder *b, struct sorted *s)
{
    const uint32_t *token = (const void *)b->tokens.data, *lengths = (const void *)b->lengths.data;
    const struct word *w = words_of_builder(b);
    uint32_t at = 0;

    for (uint32_t i = 0; i < s->words; i++)
        s->numbers[i] = i;
    sort_words(b, s->numbers, s->words);
    for (uint32_t i = 0; i < s->words; i++) {
        s->starts[i] = at;
        at += w[s->numbers[i]].rows;
    }
    s->starts[s->words] = at;
    rewind_rows(s);
    for (row_id row = 0; row < b->lengths.size / sizeof *lengths; row++) {
        for (uint32_t i = 0; i < lengths[row]; i++) {
            bool fresh;
            uint32_t entry = entry_of(s, *token++ & ~NEXT_TEXT, row, &fresh);
            s->rows[entry] = row;
            s->times[entry] = fresh ? 1 : (uint8_t)MIN(s->times[entry] + 1, TIMES_MAX);
        }
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int put_scores(struct ctx *c, const struct field_builder *b, uint32_t rows, const struct sorted *s,
                      struct buf *out)
{
    uint32_t *lengths = mem_zalloc(MAX(rows, 1u) * sizeof *lengths);
    int rc;

    if (!lengths)
        return err_nomem(c);
    memcpy(lengths, b->lengths.data, MIN(b->lengths.size, (size_t)rows * 4));
    rc = field_scores_build(c, s->starts, s->words, s->rows, s->times, rows, lengths, out);
    mem_free(lengths);
    return rc;
}

/* Where each word stands: its number in the row. Between two texts of a row one number is left out, so that no phrase
 * goes from one into the other. */
static int put_positions(struct ctx *c, const struct field_builder *b, struct sorted *s, struct buf *out)
{
    const uint32_t *token = (const void *)b->tokens.data, *lengths = (const void *)b->lengths.data;
    struct positions_writer w;

    TRY(positions_begin(c, s->times, s->entries, &w));
    rewind_rows(s);
    for (row_id row = 0; row < b->lengths.size / sizeof *lengths; row++) {
        for (uint32_t i = 0, at = 0; i < lengths[row]; i++, at++, token++) {
            bool fresh;
            uint32_t entry = entry_of(s, *token & ~NEXT_TEXT, row, &fresh);
            at += *token >= NEXT_TEXT;
            positions_put(&w, entry, at);
        }
    }
    return positions_end(c, &w, !b->f->def.text.scored, out);
}

static void put_index(const struct field_builder *b, uint32_t rows, const struct sorted *s, struct buf *out)
{
    const struct word *w = words_of_builder(b);
    uint32_t offset = 0;

    field_put_head(b, rows, s->words, s->entries, out);
    for (uint32_t i = 0; i < s->words; i++) {
        buf_u32(out, offset);
        offset += w[s->numbers[i]].size;
    }
    buf_u32(out, offset);
    buf_put(out, s->starts, ((size_t)s->words + 1) * 4);
    buf_put(out, s->rows, s->entries * 4);
    field_put_flags(b, rows, out);
    for (uint32_t i = 0; i < s->words; i++)
        buf_put(out, b->text.data + w[s->numbers[i]].offset, w[s->numbers[i]].size);
    frequent_put(s->starts, s->words, s->rows, rows, out);
}

int texts_finish(struct ctx *c, const struct field_builder *b, uint32_t rows, struct field_sections *out)
{
    const kith_text *how = &b->f->def.text;
    bool words = b->kind == KITH_INDEX_TEXT;
    struct sorted s;
    int rc = sorted_new(&s, b) ? 0 : err_nomem(c);

    if (rc == 0) {
        deal(b, &s);
        put_index(b, rows, &s, &out->index);
        rc = out->index.failed ? err_nomem(c) : 0;
    }
    if (rc == 0 && words && how->scored)
        rc = put_scores(c, b, rows, &s, &out->scores);
    if (rc == 0 && words && how->phrases && how->tokens != KITH_TOKENS_PREFIXES)
        rc = put_positions(c, b, &s, &out->positions);
    sorted_free(&s);
    return rc;
}
