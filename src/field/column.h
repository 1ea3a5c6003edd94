/* column.h - one document field of a growing segment: for every row the numbers of its keys, and each key once. A
 * condition is put to every key, then the rows of those that satisfy it are found: no document is read.
 *
 * One writer, any readers, no lock: rows are read once they are published, keys that they name are there before. */
#ifndef FIELD_COLUMN_H
#define FIELD_COLUMN_H

#include "base/bits.h"
#include "base/chunks.h"
#include "field/keys.h"

struct column;
int column_new(struct ctx *c, const struct schema_field *f, struct column **ret_column);
void column_free(struct column *x); /* NULL is fine */
/* Rows in ascending order; the same one again replaces it, before it is published. */
int column_add(struct ctx *c, struct column *x, row_id row, struct val doc);
uint32_t column_field(const struct column *x); /* its id */
uint64_t column_bytes(const struct column *x);

/* As field_match, of the first sure->size rows. A negative code: no memory. 1: answered, 0: it cannot. */
int column_match(struct ctx *c, const struct column *x, const struct pred *p, struct bits *sure, struct bits *maybe);

/* Of words, for scores: the numbers of these keys, UINT32_MAX where there is none (yet). */
void column_words(const struct column *x, const struct bytes *words, uint32_t count, uint32_t *ret_keys);
/* How often each of the keys stands in a row; how many words it has. */
uint32_t column_times(const struct column *x, row_id row, const uint32_t *keys, uint32_t count, uint32_t *ret_times);

#endif
