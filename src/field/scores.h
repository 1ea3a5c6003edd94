/* scores.h - what scoring by words needs beside an index of words: how often each word stands in a row, how many words a
 * row has, and how much each counts at most, for the postings engine (docs/format/field.md). */
#ifndef FIELD_SCORES_H
#define FIELD_SCORES_H

#include "field/field.h"
#include "index/postings.h"

/* BM25 (Robertson and Zaragoza 2009): a word counts its idf, times (k + 1) * times / (times + k * (1 - b + b * length /
 * average)); `times` at most TIMES_MAX. */
struct bm25 {
    float k, b, average;
};
#define BM25_K 1.2f
#define BM25_B 0.75f

static inline float bm25_weight(const struct bm25 *m, float times, float length)
{
    return (m->k + 1) * times / (times + m->k * (1 - m->b + m->b * length / m->average));
}

struct scores_head {
    uint64_t total;            /* words of all rows */
    uint32_t docs, longest;    /* rows with a word; most words of one */
    uint32_t rows, keys;
    uint64_t entries;
    float average;             /* that the impacts were made with, by BM25_K and BM25_B */
    uint32_t unused;
};

struct field_scores {
    struct scores_head head;
    const uint32_t *lengths;   /* of rows */
    const uint8_t *times;      /* of the entries of the index's row list */
    struct postings postings;  /* terms are the index's keys, rows its row list */
};

/* While an index is built: its keys' starts, row list and times; the section's bytes. */
int field_scores_build(struct ctx *c, const uint32_t *starts, uint32_t keys, const uint32_t *rows, const uint8_t *times,
                       uint32_t rows_count, const uint32_t *lengths, struct buf *out);
int field_scores_open(struct ctx *c, struct bytes data, const struct field_index *x, struct field_scores *ret_scores);

/* How often the key stands in the row. */
uint32_t field_times(const struct field_index *x, const struct field_scores *s, uint32_t key, row_id row);
/* Weights under `m` are at most `ret_most` and at least `ret_least` times those that the impacts were made of. */
void field_scores_bounds(const struct field_scores *s, const struct bm25 *m, float *ret_most, float *ret_least);

#endif
