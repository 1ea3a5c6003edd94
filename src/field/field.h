/* field.h - the index of one document field in one sealed segment: sorted keys, and the rows of each.
 *
 * The index must agree with op/match.h. It answers in two parts: rows that surely match, and rows
 * that may (they hold values the index does not cover) and have to be looked at. */
#ifndef FIELD_FIELD_H
#define FIELD_FIELD_H

#include "base/bits.h"
#include "field/frequent.h"
#include "field/positions.h"
#include "op/match.h"

struct field_builder;
int field_builder_new(struct ctx *c, const struct schema_field *f, struct field_builder **ret_builder);
void field_builder_free(struct field_builder *b); /* NULL is fine */
/* Rows in ascending order, each once. */
int field_builder_add(struct ctx *c, struct field_builder *b, row_id row, struct val doc);
/* Bytes of sections (docs/format/field.md): the latter two of words that are scored (scores.h), and whose positions are
 * kept; else empty. To be released also if it failed. */
struct field_sections {
    struct buf index, scores, positions;
};
int field_builder_finish(struct ctx *c, struct field_builder *b, uint32_t rows, struct field_sections *out);
void field_sections_release(struct field_sections *s);

enum { FIELD_SINGLE = 1, FIELD_FREQUENT = 2 }; /* flags of a section: no row has several texts; sets are there */

struct field_index {
    kith_index_kind kind;
    uint32_t rows, keys_count;
    uint64_t entries;
    const uint8_t *keys;        /* 8 or 16 bytes each; keyword: its text lies in `text` */
    const uint32_t *offsets;    /* keyword: keys_count + 1, into text */
    const uint8_t *text;
    const uint32_t *starts;     /* keys_count + 1, into row_list */
    const uint32_t *row_list;
    uint64_t *steps;            /* NULL, or FIELD_STEPS sets: the rows of the first entries, a step more each */
    struct bits indexed, other, empty, null; /* rows: with a key, with a value left out, ... */
    bool one_key;               /* no row has several */
    bool whole;                 /* no value was left out */
    bool single;                /* words: no row has several texts, as far as the index knows */
    struct frequent frequent;   /* keys of many rows */
    struct positions positions; /* words; given by who opens them */
};

/* With a large index whose rows have one key each come sets that make a wide range two subtractions of words
 * instead of as many single bits as it has rows: FIELD_STEPS bits a row. */
enum { FIELD_STEPS = 32 };
int field_open(struct ctx *c, struct bytes data, struct field_index *ret_index);
void field_close(struct field_index *x);
/* Bytes of memory beside its section. */
uint64_t field_held(const struct field_index *x);

/* Adds the rows of a key. */
void field_set_rows(const struct field_index *x, uint32_t key, struct bits *out);
/* Answers `p`, or says that it cannot (false). `sure` and `maybe` are cleared bits of `rows`. */
bool field_match(const struct field_index *x, const struct pred *p, struct bits *sure, struct bits *maybe);

/* The rows that satisfy `p`, each once, in no order, where they lie side by side and nothing else may satisfy it. False:
 * ask field_match. */
bool field_rows(const struct field_index *x, const struct pred *p, const uint32_t **ret_rows, uint32_t *ret_count);

/* Keys in order, for order-by: the key as a number, and its rows. */
double field_key_number(const struct field_index *x, uint32_t key, int64_t *ret_int, bool *ret_is_int);
/* The first key at or above `v` (or above, if `after`). */
uint32_t field_key_from(const struct field_index *x, double v, bool after);

#endif
