/* words.h - rows that have all words of a text condition, by an index of words. */
#ifndef FIELD_WORDS_H
#define FIELD_WORDS_H

#include "field/field.h"

/* The key of a word, or UINT32_MAX. */
uint32_t field_word(const struct field_index *x, struct bytes word);
/* Where the row list has the row under the key, or UINT32_MAX. */
uint32_t field_entry(const struct field_index *x, uint32_t key, row_id row);

/* One of the words. */
struct word_rows {
    const uint32_t *at, *end; /* of its list: what is not passed yet; with a set: all */
    uint32_t set;             /* number of its set; UINT32_MAX: it has none */
};

/* Finds them as it is asked: of all words with sets 64 rows at a time; else those of the rarest that the others have. */
struct words_walk {
    const struct field_index *x;
    struct word_rows words[PRED_WORDS_MAX]; /* in the order of the condition */
    uint32_t count, rarest;
    const uint32_t *row; /* of the rarest's list: the next one to look at */
    uint64_t block;      /* of all sets: rows of 64 that were not given yet, */
    uint32_t block_next; /* and the number of the next 64 */
};
/* The walk of a condition that the index answers (as_indexed). */
void words_walk_begin(struct words_walk *w, const struct field_index *x, const struct pred *p);
/* How many rows it may give. */
uint32_t words_walk_most(const struct words_walk *w);
/* The next row, ascending, or ROW_NONE. */
row_id words_walk_next(struct words_walk *w);
/* Of the row that was given: the entry of a word in row_list. */
static inline uint32_t words_walk_entry(const struct words_walk *w, uint32_t word, row_id row)
{
    const struct word_rows *rows = &w->words[word];

    if (rows->set != UINT32_MAX)
        return (uint32_t)(rows->at - w->x->row_list) + frequent_rank(&w->x->frequent, rows->set, row);
    return (uint32_t)((word == w->rarest ? w->row - 1 : rows->at) - w->x->row_list);
}
/* Whether the words stand one after the other in it: 1, 0; -1: only the document says. */
int words_walk_phrase(const struct words_walk *w, row_id row);

/* Answers a text condition, as field_match. */
bool field_match_words(const struct field_index *x, const struct pred *p, struct bits *sure, struct bits *maybe);

#endif
