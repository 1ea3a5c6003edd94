/* keys.h - what an index of a kind takes from a document: keys, and what else stands at the path. One meaning for
 * the indexes of sealed segments and the columns of growing ones. */
#ifndef FIELD_KEYS_H
#define FIELD_KEYS_H

#include "op/match.h"

/* A number, or a text; uuids are texts of 16 bytes. */
struct field_key {
    union {
        int64_t i; /* integer, bool, datetime; geo: the cell */
        double d;  /* float */
    } as;
    struct bytes text;
    uint8_t uuid[16]; /* what `text` of a uuid points to */
    bool next_text;   /* of words: the first one of a text, and not of the row */
};

enum { ROW_INDEXED = 1, ROW_OTHER = 2, ROW_NOT_EMPTY = 4, ROW_NULL = 8, ROW_SEVERAL = 16 }; /* texts, of words */

/* Calls `take` for every key at the path; `text` is good for the time of the call. Returns flags of what there is. */
uint8_t field_keys(const struct schema_field *f, struct val doc, void (*take)(void *arg, const struct field_key *key),
                   void *arg);

static inline bool field_is_text(kith_index_kind kind)
{
    return kind == KITH_INDEX_KEYWORD || kind == KITH_INDEX_UUID || kind == KITH_INDEX_TEXT;
}
/* Whose keys are texts of any length. */
static inline bool field_has_texts(kith_index_kind kind)
{
    return kind == KITH_INDEX_KEYWORD || kind == KITH_INDEX_TEXT;
}

#endif
