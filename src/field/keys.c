/* keys.c - from values to keys. */
#include "field/keys.h"

#include "base/id.h"
#include "codec/date.h"
#include "doc/geo.h"
#include "doc/text.h"

#include <math.h>

struct finding {
    const struct schema_field *f;
    void (*take)(void *arg, const struct field_key *key);
    void *arg;
    uint8_t flags;
};

static bool whole_number(struct val v, int64_t *ret)
{
    double d;

    if (val_tag(v) == VAL_INT) {
        *ret = val_int(v);
        return true;
    }
    if (val_tag(v) != VAL_DOUBLE)
        return false;
    d = val_double(v);
    if (d != floor(d) || fabs(d) >= 9.2e18)
        return false;
    *ret = (int64_t)d;
    return true;
}

static bool key_of(kith_index_kind kind, struct val v, struct field_key *k)
{
    bool is_text = val_tag(v) == VAL_STR;
    struct bytes s = {0};
    kith_geo_point p;

    if (is_text)
        s = val_str(v);
    switch (kind) {
    case KITH_INDEX_KEYWORD:
        k->text = s;
        return is_text;
    case KITH_INDEX_INTEGER:
        return whole_number(v, &k->as.i);
    case KITH_INDEX_FLOAT:
        if (!val_is_num(v))
            return false;
        k->as.d = val_double(v) + 0.0; /* -0 becomes 0 */
        return true;
    case KITH_INDEX_BOOL:
        k->as.i = val_tag(v) == VAL_TRUE;
        return val_is_bool(v);
    case KITH_INDEX_DATETIME:
        return is_text && date_parse((const char *)s.data, s.size, &k->as.i);
    case KITH_INDEX_UUID:
        k->text = (struct bytes){k->uuid, sizeof k->uuid};
        return is_text && uuid_parse((const char *)s.data, s.size, k->uuid);
    case KITH_INDEX_GEO:
        if (!geo_of(v, &p))
            return false;
        k->as.i = geo_cell(p);
        return true;
    case KITH_INDEX_NONE: case KITH_INDEX_TEXT:
        break;
    }
    return false;
}

/* Every word is a key. */
static void add_words(struct finding *a, struct val v)
{
    struct field_key key = {0};
    struct words w;

    key.next_text = a->flags & ROW_INDEXED;
    a->flags |= a->flags & ROW_INDEXED ? ROW_SEVERAL : ROW_INDEXED;
    for (words_of(&w, val_str(v), &a->f->def.text, false); words_next(&w, &key.text); key.next_text = false)
        a->take(a->arg, &key);
    words_end(&w);
}

static void add_one(struct finding *a, struct val v)
{
    struct field_key key = {0};

    if (a->f->def.index == KITH_INDEX_TEXT && val_tag(v) == VAL_STR) {
        add_words(a, v);
        return;
    }
    if (key_of(a->f->def.index, v, &key)) {
        a->flags |= ROW_INDEXED;
        a->take(a->arg, &key);
    } else if (val_tag(v) != VAL_NULL) {
        a->flags |= ROW_OTHER;
    }
}

static int add_value(void *arg, struct val v)
{
    struct finding *a = arg;
    struct val_iter it;
    struct bytes key;
    struct val item;

    if (val_tag(v) == VAL_NULL)
        a->flags |= ROW_NULL;
    else if (val_tag(v) != VAL_ARRAY || val_count(v))
        a->flags |= ROW_NOT_EMPTY;
    if (val_tag(v) != VAL_ARRAY) {
        add_one(a, v);
        return 0;
    }
    for (it = val_iter(v); val_next(&it, &key, &item);)
        add_one(a, item);
    return 0;
}

uint8_t field_keys(const struct schema_field *f, struct val doc, void (*take)(void *arg, const struct field_key *key),
                   void *arg)
{
    struct finding a = {f, take, arg, 0};

    (void)path_visit(&f->path, doc, add_value, &a);
    return a.flags;
}
