/* words.c - crossing the rows of words. */
#include "field/words.h"

uint32_t field_entry(const struct field_index *x, uint32_t key, row_id row)
{
    uint32_t set = frequent_find(&x->frequent, key), end = x->starts[key + 1], at;

    if (set != UINT32_MAX) {
        return frequent_has(&x->frequent, set, row) ? x->starts[key] + frequent_rank(&x->frequent, set, row)
                                                    : UINT32_MAX;
    }
    at = (uint32_t)lower_u32(x->row_list, x->starts[key], end, row);
    return at < end && x->row_list[at] == row ? at : UINT32_MAX;
}

void words_walk_begin(struct words_walk *w, const struct field_index *x, const struct pred *p)
{
    w->x = x;
    w->count = 0;
    w->rarest = 0;
    w->block = 0;
    w->block_next = 0;
    for (uint32_t i = 0; i < p->words_count; i++) {
        uint32_t key = field_word(x, p->words[i]);
        if (key == UINT32_MAX) {
            w->count = 0;
            return;
        }
        w->words[i] = (struct word_rows){x->row_list + x->starts[key], x->row_list + x->starts[key + 1],
                                         frequent_find(&x->frequent, key)};
        if (w->words[i].end - w->words[i].at < w->words[w->rarest].end - w->words[w->rarest].at)
            w->rarest = i;
        w->count++;
    }
    if (w->count)
        w->row = w->words[w->rarest].at;
}

uint32_t words_walk_most(const struct words_walk *w)
{
    return w->count ? (uint32_t)(w->words[w->rarest].end - w->words[w->rarest].at) : 0;
}

/* ---- all words have sets ---------------------------------------------------------------------------------------- */

static row_id next_of_sets(struct words_walk *w)
{
    const struct frequent *f = &w->x->frequent;
    row_id row;

    while (!w->block) {
        if (w->block_next == bits_words(f->rows))
            return ROW_NONE;
        w->block = ~0ull;
        for (uint32_t i = 0; i < w->count; i++)
            w->block &= frequent_set(f, w->words[i].set)[w->block_next];
        w->block_next++;
    }
    row = (w->block_next - 1) * 64 + (uint32_t)__builtin_ctzll(w->block);
    w->block &= w->block - 1;
    return row;
}

/* ---- some have lists -------------------------------------------------------------------------------------------- */

/* Whether `row` is among them; those before it are passed: by steps that double, then by halves. */
static bool has_row(struct word_rows *w, row_id row)
{
    size_t step = 1, left = (size_t)(w->end - w->at);

    while (step < left && w->at[step] < row)
        step *= 2;
    w->at += lower_u32(w->at, step / 2, MIN(step + 1, left), row);
    return w->at < w->end && *w->at == row;
}

static bool is_in_sets(const struct words_walk *w, row_id row)
{
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t set = w->words[i].set;
        if (set != UINT32_MAX && !frequent_has(&w->x->frequent, set, row))
            return false;
    }
    return true;
}

static bool is_in_lists(struct words_walk *w, row_id row)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (i != w->rarest && w->words[i].set == UINT32_MAX && !has_row(&w->words[i], row))
            return false;
    }
    return true;
}

static row_id next_of_lists(struct words_walk *w)
{
    const uint32_t *end = w->words[w->rarest].end;

    while (w->row < end) {
        row_id row = *w->row++;
        if (is_in_sets(w, row) && is_in_lists(w, row))
            return row;
    }
    return ROW_NONE;
}

row_id words_walk_next(struct words_walk *w)
{
    if (!w->count)
        return ROW_NONE;
    return w->words[w->rarest].set == UINT32_MAX ? next_of_lists(w) : next_of_sets(w); /* more frequent ones have sets */
}

int words_walk_phrase(const struct words_walk *w, row_id row)
{
    uint32_t entries[PRED_WORDS_MAX];

    if (!w->x->positions.width)
        return -1;
    for (uint32_t i = 0; i < w->count; i++)
        entries[i] = words_walk_entry(w, i, row);
    return positions_phrase(&w->x->positions, entries, w->count);
}

/* ---- as a filter ------------------------------------------------------------------------------------------------ */

/* Rows with all the words. Of rows with several texts only the document says whether one of them has all. */
static void match_all(const struct field_index *x, const struct pred *p, struct bits *sure, struct bits *maybe)
{
    bool told = p->words_count == 1 || (x->single && p->f->kind == KITH_COND_TEXT);
    bool phrase = !told && p->f->kind == KITH_COND_PHRASE && x->positions.width;
    struct words_walk w;

    words_walk_begin(&w, x, p);
    for (row_id row = words_walk_next(&w); row != ROW_NONE; row = words_walk_next(&w)) {
        int verdict = told ? 1 : phrase ? words_walk_phrase(&w, row) : -1;
        if (verdict)
            bits_set(verdict > 0 ? sure : maybe, row);
    }
}

bool field_match_words(const struct field_index *x, const struct pred *p, struct bits *sure, struct bits *maybe)
{
    if (x->kind != KITH_INDEX_TEXT || !p->as_indexed)
        return false;
    if (!p->words_count)
        return true; /* nobody */
    if (p->f->kind != KITH_COND_TEXT_ANY) {
        match_all(x, p, sure, maybe);
        return true;
    }
    for (uint32_t i = 0; i < p->words_count; i++) {
        uint32_t key = field_word(x, p->words[i]);
        if (key != UINT32_MAX)
            field_set_rows(x, key, sure);
    }
    return true;
}
