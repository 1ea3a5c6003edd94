/* live_postings.h - postings of rows that come while others search: one writer, any readers, no lock.
 *
 * Rows are added before they are published; who reads says how many rows it sees, and meets all of their entries.
 * Sums are exact: a list has the values themselves. */
#ifndef INDEX_LIVE_POSTINGS_H
#define INDEX_LIVE_POSTINGS_H

#include "base/bits.h"
#include "vec/sparse.h"

struct live_postings;
int live_postings_new(struct ctx *c, struct live_postings **ret_postings);
void live_postings_free(struct live_postings *p); /* NULL is fine */
/* Rows in ascending order; the same one again, before it is published, adds to it what it lacks. */
int live_postings_add(struct ctx *c, struct live_postings *p, uint32_t row, const struct sparse *v);
uint64_t live_postings_bytes(const struct live_postings *p);

/* How many of the first `rows` rows have a vector, perhaps an empty one. */
uint32_t live_postings_rows(const struct live_postings *p, uint32_t rows);
/* How many of the first `rows` rows have the term. */
uint32_t live_postings_count(const struct live_postings *p, uint32_t dim, uint32_t rows);
/* The inner products of the query with the first `rows` rows: `sums` is zeros, `some` is clear and gets the rows that
 * have any of its terms. */
void live_postings_sum(const struct live_postings *p, const struct sparse *query, uint32_t rows, float *sums,
                       struct bits *some);

#endif
