/* building.h - the builder of a field index, as its files share it. */
#ifndef FIELD_BUILDING_H
#define FIELD_BUILDING_H

#include "field/field.h"
#include "field/keys.h"

struct field_builder {
    const struct schema_field *f;
    kith_index_kind kind;
    struct buf flags;   /* a byte a row */
    struct buf entries; /* numbers: key and row */
    struct buf text, words;     /* texts, each once: struct word */
    struct buf tokens, lengths; /* u32 numbers of them, as they come; u32 how many a row has */
    uint32_t *slots;    /* number of a text plus 1, by its hash; 0: free */
    size_t slots_count;
    bool failed;
};

/* build_texts.c */
void texts_add(struct field_builder *b, row_id row, const struct field_key *k);
int texts_finish(struct ctx *c, const struct field_builder *b, uint32_t rows, struct field_sections *out);

/* build.c */
void field_put_head(const struct field_builder *b, uint32_t rows, uint32_t keys, uint64_t entries, struct buf *out);
/* Which rows have which flags. */
void field_put_flags(const struct field_builder *b, uint32_t rows, struct buf *out);

#endif
