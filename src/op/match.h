/* match.h - filters made ready, and what they mean for one document. This is the meaning; every
 * index must agree with it. */
#ifndef OP_MATCH_H
#define OP_MATCH_H

#include "op/schema.h"

enum { PRED_WORDS_MAX = 512 };

struct pred {
    const kith_filter *f;
    struct path *path;               /* NULL where the condition has none */
    const struct schema_field *field; /* of the path, if the schema has one */
    struct pred *subs;
    struct pred *hint;               /* of a nested one: true wherever it is, by indexes (nested.h); NULL: none */
    bool as_uuid;                    /* the field has a uuid index: compare 128 bits */
    const kith_text *text;           /* of a text condition: how its words are made, */
    struct bytes *words;             /* and they */
    bool as_indexed;                 /* the index of the field makes them so too */
    uint32_t words_count, *fall_back; /* the latter of a phrase */
};

/* What a point is, to a filter. */
struct subject {
    const kith_id *id;
    struct val doc;
    bool (*has_vector)(void *arg, const char *name);
    void *arg;
    bool inside; /* below `nested`: ids and vectors are out of sight */
};

/* Checks and prepares, in the arena. `f` NULL: matches all. Borrowed for the life of the pred. */
int pred_compile(struct ctx *c, const struct schema *schema, const kith_filter *f, struct pred **ret_pred);
bool pred_match(const struct pred *p, const struct subject *s);
/* One value against a value list: what keyword, integer and boolean indexes must agree with. */
bool value_equals(const kith_value *v, struct val x, bool as_uuid);

#endif
