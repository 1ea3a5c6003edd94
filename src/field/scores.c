/* scores.c - making and reading what scoring by words needs. */
#include "field/scores.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "field/words.h"

#include <math.h>

static struct scores_head head_of(const uint32_t *lengths, uint32_t rows, uint32_t keys, uint64_t entries)
{
    struct scores_head h = {.rows = rows, .keys = keys, .entries = entries};

    for (uint32_t i = 0; i < rows; i++) {
        h.total += lengths[i];
        h.docs += lengths[i] > 0;
        h.longest = MAX(h.longest, lengths[i]);
    }
    h.average = h.docs ? (float)h.total / (float)h.docs : 1;
    return h;
}

int field_scores_build(struct ctx *c, const uint32_t *starts, uint32_t keys, const uint32_t *rows, const uint8_t *times,
                       uint32_t rows_count, const uint32_t *lengths, struct buf *out)
{
    struct scores_head head = head_of(lengths, rows_count, keys, starts[keys]);
    struct bm25 m = {BM25_K, BM25_B, head.average};
    struct posting_term *terms = mem_zalloc(MAX(keys, 1u) * sizeof *terms);
    float *values = mem_alloc(MAX((size_t)starts[keys], (size_t)1) * sizeof *values);
    uint8_t *impacts = mem_alloc(MAX((size_t)starts[keys], (size_t)1));

    for (uint32_t k = 0; terms && values && impacts && k < keys; k++) {
        terms[k] = (struct posting_term){.dim = k, .count = starts[k + 1] - starts[k], .start = starts[k]};
        for (uint32_t i = starts[k]; i < starts[k + 1]; i++)
            values[i] = bm25_weight(&m, times[i], (float)lengths[rows[i]]);
        posting_term_finish(&terms[k], values + starts[k], impacts + starts[k]);
    }
    if (terms && values && impacts) {
        buf_put(out, &head, sizeof head);
        buf_put(out, terms, keys * sizeof *terms);
        buf_put(out, lengths, (size_t)rows_count * sizeof *lengths);
        buf_put(out, times, starts[keys]);
        buf_put(out, impacts, starts[keys]);
    } else {
        out->failed = true;
    }
    mem_free(terms);
    mem_free(values);
    mem_free(impacts);
    return out->failed ? err_nomem(c) : 0;
}

int field_scores_open(struct ctx *c, struct bytes data, const struct field_index *x, struct field_scores *ret_scores)
{
    struct reader r = reader_of(data.data, data.size);
    struct field_scores s = {0};
    const uint8_t *head = read_bytes(&r, sizeof s.head), *terms;

    if (head)
        memcpy(&s.head, head, sizeof s.head);
    if (!head || s.head.rows != x->rows || s.head.keys != x->keys_count || s.head.entries != x->entries)
        return err_set(c, KITH_CORRUPT, "scores of a field index: malformed");
    terms = read_bytes(&r, (uint64_t)s.head.keys * sizeof(struct posting_term));
    s.lengths = (const void *)read_bytes(&r, (uint64_t)s.head.rows * 4);
    s.times = read_bytes(&r, s.head.entries);
    s.postings = (struct postings){.head = {s.head.keys, s.head.docs, s.head.entries}, .terms = (const void *)terms,
                                   .rows = x->row_list, .impacts = read_bytes(&r, s.head.entries)};
    if (r.failed || r.at != r.end)
        return err_set(c, KITH_CORRUPT, "scores of a field index: malformed");
    for (uint32_t k = 0; k < s.head.keys; k++) {
        const struct posting_term *t = &s.postings.terms[k];
        if (t->dim != k || t->start != x->starts[k] || t->count != x->starts[k + 1] - x->starts[k])
            return err_set(c, KITH_CORRUPT, "scores of a field index: malformed");
    }
    *ret_scores = s;
    return 0;
}

uint32_t field_times(const struct field_index *x, const struct field_scores *s, uint32_t key, row_id row)
{
    uint32_t entry = field_entry(x, key, row);

    return entry == UINT32_MAX ? 0 : s->times[entry];
}

/* Of a word that stands `once` in a row: there the two differ most. Both are linear in the length, so their ratio is
 * between those at its ends. */
static float ratio_at(const struct bm25 *then, const struct bm25 *now, float length)
{
    return (1 + then->k * (1 - then->b + then->b * length / then->average)) /
           (1 + now->k * (1 - now->b + now->b * length / now->average));
}

void field_scores_bounds(const struct field_scores *s, const struct bm25 *m, float *ret_most, float *ret_least)
{
    struct bm25 then = {BM25_K, BM25_B, s->head.average};
    float all = (m->k + 1) / (then.k + 1), first = ratio_at(&then, m, 1);
    float last = ratio_at(&then, m, (float)MAX(s->head.longest, 1u));

    *ret_most = all * fmaxf(1, fmaxf(first, last));
    *ret_least = all * fminf(1, fminf(first, last));
}
