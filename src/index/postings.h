/* postings.h - sparse vectors by term: who has it, and how much of it (src/index/README.md).
 *
 * Like a graph, it sees data only: rows, weights, a mask. It nominates rows by upper bounds; whoever searches
 * scores them by the vectors themselves, so what is found is exact. With slack a part of the bound is not believed:
 * some rows are missed. */
#ifndef INDEX_POSTINGS_H
#define INDEX_POSTINGS_H

#include "base/bits.h"
#include "base/buf.h"
#include "index/slack.h"
#include "vec/kernel.h"
#include "vec/sparse.h"

/* One term. Entries are ascending by row; an impact is the value in 255ths of `max`, rounded up. */
struct posting_term {
    uint32_t dim, count;
    uint64_t start;
    float max, min;
    float tenth, hundredth; /* largest value but nine, but ninety-nine; 0: there are fewer */
};

struct postings_head {
    uint32_t terms, rows; /* rows: that have a vector, perhaps an empty one */
    uint64_t entries;
};

/* As it lies in a file: head, terms by dim, u32 rows, u8 impacts. */
struct postings {
    struct postings_head head;
    const struct posting_term *terms;
    const uint32_t *rows;
    const uint8_t *impacts;
    struct slack_curve slack; /* of this segment; given by who opens it */
};
size_t postings_size(const struct postings_head *head);
/* Over such bytes, 8-byte aligned. False: malformed. */
bool postings_open(struct bytes data, uint32_t rows, struct postings *ret_postings);
/* NULL: no row has it */
const struct posting_term *postings_term(const struct postings *p, uint32_t dim);

/* Given its count: the rest of a term whose values these are, and their impacts. */
void posting_term_finish(struct posting_term *t, const float *values, uint8_t *ret_impacts);

/* Writes them to memory: `vector` gives the kept form of a row's vector, or NULL. */
struct postings_source {
    uint32_t rows;
    int (*vector)(void *arg, uint32_t row, const void **ret_kept);
    void *arg;
};
int postings_build(struct ctx *c, const struct postings_source *from, struct buf *out);

/* A search takes every row that may be among the best: `take` scores it, and sets `bar` to the score that others
 * must reach. */
struct postings_search {
    const struct sparse *query;
    const struct bits *allow; /* NULL: every row is */
    uint32_t rows, k;
    float slack; /* 0: exact; to 1 */
    float excess; /* weights may be so many times too high; 0: they are not */
    int (*take)(void *arg, uint32_t row, float *bar);
    void *arg;
    /* out */
    uint32_t taken;
    uint64_t entries; /* looked at */
};
int postings_search(struct ctx *c, const struct postings *p, const struct kernels *k, struct postings_search *s);

#endif
