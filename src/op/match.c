/* match.c - evaluating filters on documents. */
#include "op/match.h"

#include "op/nested.h"

#include "base/ctx.h"
#include "base/id.h"
#include "base/hash.h"
#include "codec/date.h"
#include "doc/geo.h"
#include "doc/text.h"

#include <math.h>

enum { FILTER_DEPTH_MAX = 32, FILTER_CONDS_MAX = 100000 };

struct compiling {
    struct ctx *c;
    const struct schema *schema;
    uint32_t conds;
};

static int compile(struct compiling *k, const kith_filter *f, struct pred *p, int depth, bool nested);

static bool needs_path(kith_cond kind)
{
    switch (kind) {
    case KITH_COND_ALL: case KITH_COND_ANY: case KITH_COND_NONE: case KITH_COND_AT_LEAST:
    case KITH_COND_HAS_ID: case KITH_COND_HAS_VECTOR: case KITH_COND_SLICE:
        return false;
    case KITH_COND_MATCH: case KITH_COND_EXCEPT: case KITH_COND_PREFIX: case KITH_COND_SUBSTRING:
    case KITH_COND_RANGE: case KITH_COND_DATETIME: case KITH_COND_VALUES_COUNT: case KITH_COND_IS_EMPTY:
    case KITH_COND_IS_NULL: case KITH_COND_FIELD_EMPTY: case KITH_COND_FIELD_NULL: case KITH_COND_NESTED:
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY:
    case KITH_COND_PHRASE: case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        break;
    }
    return true;
}

static int compile_path(struct compiling *k, const kith_filter *f, struct pred *p, bool nested)
{
    if (!f->path)
        return err_set(k->c, KITH_INVALID, "filter: a condition without a key");
    p->path = arena_alloc(&k->c->arena, sizeof *p->path);
    if (!p->path)
        return err_nomem(k->c);
    TRY(path_parse(k->c, f->path, p->path));
    if (f->kind == KITH_COND_NESTED && p->path->steps[p->path->count - 1].kind == STEP_KEY) {
        if (p->path->count == PATH_STEPS_MAX)
            return err_set(k->c, KITH_INVALID, "path \"%.80s\": more than %d steps", f->path, PATH_STEPS_MAX);
        p->path->steps[p->path->count++].kind = STEP_EACH;
    }
    if (!nested)
        p->field = schema_field(k->schema, f->path);
    p->as_uuid = p->field && p->field->def.index == KITH_INDEX_UUID;
    return 0;
}

static bool is_geo(kith_cond kind)
{
    return kind == KITH_COND_GEO_BOX || kind == KITH_COND_GEO_RADIUS || kind == KITH_COND_GEO_POLYGON;
}

static int check(struct ctx *c, const kith_filter *f)
{
    bool one = f->kind == KITH_COND_PREFIX || f->kind == KITH_COND_SUBSTRING || f->kind == KITH_COND_TEXT ||
               f->kind == KITH_COND_TEXT_ANY || f->kind == KITH_COND_PHRASE;

    if (one && (f->values_count != 1 || f->values[0].kind != KITH_VALUE_STR))
        return err_set(c, KITH_INVALID, "filter on \"%s\": expected one string", f->path);
    if (is_geo(f->kind) && !(f->kind == KITH_COND_GEO_POLYGON ? f->rings_count > 0 : f->places != NULL))
        return err_set(c, KITH_INVALID, "filter on \"%s\": expected places", f->path);
    for (size_t i = 0; i < f->rings_count; i++) {
        if (f->rings[i].count < 4)
            return err_set(c, KITH_INVALID, "filter on \"%s\": a ring of less than 4 points", f->path);
    }
    if (f->kind == KITH_COND_SLICE && f->slice >= f->least)
        return err_set(c, KITH_INVALID, "filter: slice %llu of %llu", (unsigned long long)f->slice,
                       (unsigned long long)f->least);
    return 0;
}

/* Of every beginning of the phrase the longest shorter beginning that it ends with. */
static int compile_phrase(struct ctx *c, struct pred *p)
{
    p->fall_back = arena_zalloc(&c->arena, (p->words_count + 1) * sizeof *p->fall_back);
    if (!p->fall_back)
        return err_nomem(c);
    for (uint32_t i = 1, at = 0; i < p->words_count; i++) {
        while (at && !bytes_same(p->words[at], p->words[i]))
            at = p->fall_back[at - 1];
        at += bytes_same(p->words[at], p->words[i]);
        p->fall_back[i] = at;
    }
    return 0;
}

/* Each once but for phrases. */
static int take_words(struct ctx *c, const kith_filter *f, struct pred *p, struct words *w)
{
    struct bytes word;

    while (words_next(w, &word)) {
        bool known = false;
        for (uint32_t i = 0; i < p->words_count && f->kind != KITH_COND_PHRASE; i++)
            known = known || bytes_same(p->words[i], word);
        if (known)
            continue;
        if (p->words_count == PRED_WORDS_MAX)
            return err_set(c, KITH_LIMIT, "filter on \"%s\": more than %d words", f->path, PRED_WORDS_MAX);
        p->words[p->words_count].data = arena_copy(&c->arena, word.data, word.size);
        if (!p->words[p->words_count].data)
            return err_nomem(c);
        p->words[p->words_count++].size = word.size;
    }
    p->words[p->words_count] = (struct bytes){0};
    return 0;
}

/* The words of a text condition. */
static int compile_words(struct ctx *c, const kith_filter *f, struct pred *p)
{
    static const kith_text usual;
    struct bytes text = {(const uint8_t *)f->values[0].str, f->values[0].size};
    bool indexed = p->field && p->field->def.index == KITH_INDEX_TEXT;
    struct words w;
    int rc;

    p->text = f->how ? f->how : indexed ? &p->field->def.text : &usual;
    p->as_indexed = indexed && text_same(p->text, &p->field->def.text);
    p->words = arena_alloc(&c->arena, (PRED_WORDS_MAX + 1) * sizeof *p->words);
    if (!p->words)
        return err_nomem(c);
    if (text_problem(p->text))
        return err_set(c, KITH_INVALID, "filter on \"%s\": %s", f->path, text_problem(p->text));
    words_of(&w, text, p->text, true);
    rc = take_words(c, f, p, &w);
    words_end(&w);
    return rc >= 0 && f->kind == KITH_COND_PHRASE ? compile_phrase(c, p) : rc;
}

static int compile(struct compiling *k, const kith_filter *f, struct pred *p, int depth, bool nested);

static int compile_hint(const struct compiling *k, const kith_filter *f, struct pred *p)
{
    struct compiling own = {k->c, k->schema, 0};
    const kith_filter *hint;

    TRY(nested_hint(k->c, k->schema, f, &hint));
    if (!hint)
        return 0;
    p->hint = arena_alloc(&k->c->arena, sizeof *p->hint);
    return p->hint ? compile(&own, hint, p->hint, 0, false) : err_nomem(k->c);
}

static int compile(struct compiling *k, const kith_filter *f, struct pred *p, int depth, bool nested)
{
    if (depth > FILTER_DEPTH_MAX)
        return err_set(k->c, KITH_INVALID, "filter: nested deeper than %d", FILTER_DEPTH_MAX);
    if (++k->conds > FILTER_CONDS_MAX)
        return err_set(k->c, KITH_INVALID, "filter: more than %d conditions", FILTER_CONDS_MAX);
    if (f->kind > KITH_COND_SLICE)
        return err_set(k->c, KITH_INVALID, "filter: unknown condition %d", (int)f->kind);
    memset(p, 0, sizeof *p);
    p->f = f;
    if (needs_path(f->kind))
        TRY(compile_path(k, f, p, nested));
    TRY(check(k->c, f));
    if (f->kind == KITH_COND_TEXT || f->kind == KITH_COND_TEXT_ANY || f->kind == KITH_COND_PHRASE)
        TRY(compile_words(k->c, f, p));
    if (f->kind == KITH_COND_NESTED && f->subs_count != 1)
        return err_set(k->c, KITH_INVALID, "filter: nested needs one filter");
    if (!f->subs_count)
        return 0;
    p->subs = arena_alloc(&k->c->arena, f->subs_count * sizeof *p->subs);
    if (!p->subs)
        return err_nomem(k->c);
    for (size_t i = 0; i < f->subs_count; i++)
        TRY(compile(k, &f->subs[i], &p->subs[i], depth + 1, nested || f->kind == KITH_COND_NESTED));
    return f->kind == KITH_COND_NESTED && !nested ? compile_hint(k, f, p) : 0;
}

int pred_compile(struct ctx *c, const struct schema *schema, const kith_filter *f, struct pred **ret_pred)
{
    static const kith_filter all = {.kind = KITH_COND_ALL};
    struct compiling k = {c, schema, 0};
    struct pred *p = arena_alloc(&c->arena, sizeof *p);

    if (!p)
        return err_nomem(c);
    TRY(compile(&k, f ? f : &all, p, 0, false));
    *ret_pred = p;
    return 0;
}

/* ---- values ----------------------------------------------------------------------------------- */

static bool str_is(struct val x, const kith_value *v)
{
    struct bytes s = val_str(x);

    return s.size == v->size && memcmp(s.data, v->str, v->size) == 0;
}

bool value_equals(const kith_value *v, struct val x, bool as_uuid)
{
    enum val_tag tag = val_tag(x);

    switch ((kith_value_kind)v->kind) {
    case KITH_VALUE_BOOL:
        return tag == (v->boolean ? VAL_TRUE : VAL_FALSE);
    case KITH_VALUE_INT: /* a whole float is the integer it equals, with and without an index */
        return (tag == VAL_INT && val_int(x) == v->num) ||
               (tag == VAL_DOUBLE && val_double(x) == (double)v->num && fabs(val_double(x)) < 9.2e18 &&
                (int64_t)val_double(x) == v->num);
    case KITH_VALUE_STR:
        break;
    }
    if (tag != VAL_STR)
        return false;
    if (as_uuid) {
        uint8_t a[16], b[16];
        struct bytes s = val_str(x);
        return uuid_parse(v->str, v->size, a) && uuid_parse((const char *)s.data, s.size, b) && memcmp(a, b, 16) == 0;
    }
    return str_is(x, v);
}

static bool in_range(const kith_filter *f, double x)
{
    return (!(f->bounds & KITH_GT) || x > f->range.gt) && (!(f->bounds & KITH_GTE) || x >= f->range.gte) &&
           (!(f->bounds & KITH_LT) || x < f->range.lt) && (!(f->bounds & KITH_LTE) || x <= f->range.lte);
}

static bool in_times(const kith_filter *f, struct val x)
{
    struct bytes s;
    int64_t t;

    if (val_tag(x) != VAL_STR)
        return false;
    s = val_str(x);
    if (!date_parse((const char *)s.data, s.size, &t))
        return false;
    return (!(f->bounds & KITH_GT) || t > f->times.gt) && (!(f->bounds & KITH_GTE) || t >= f->times.gte) &&
           (!(f->bounds & KITH_LT) || t < f->times.lt) && (!(f->bounds & KITH_LTE) || t <= f->times.lte);
}

static bool contains(struct bytes s, const kith_value *v)
{
    for (size_t i = 0; i + v->size <= s.size; i++) {
        if (memcmp(s.data + i, v->str, v->size) == 0)
            return true;
    }
    return false;
}

/* How far into the phrase the words so far have come (Knuth, Morris and Pratt 1977). */
static uint32_t phrase_step(const struct pred *p, uint32_t at, struct bytes word)
{
    while (at && !bytes_same(p->words[at], word))
        at = p->fall_back[at - 1];
    return bytes_same(p->words[at], word) ? at + 1 : 0;
}

static bool finds_words(const struct pred *p, struct words *w)
{
    uint8_t seen[PRED_WORDS_MAX / 8] = {0};
    uint32_t found = 0, at = 0;
    struct bytes word;

    while (p->words_count && words_next(w, &word)) {
        if (p->f->kind == KITH_COND_PHRASE && p->text->tokens != KITH_TOKENS_PREFIXES) {
            at = phrase_step(p, at, word);
            if (at == p->words_count)
                return true;
            continue;
        }
        for (uint32_t i = 0; i < p->words_count; i++) {
            if (!bytes_same(p->words[i], word))
                continue;
            if (p->f->kind == KITH_COND_TEXT_ANY)
                return true;
            if (!(seen[i / 8] >> (i % 8) & 1)) {
                seen[i / 8] |= (uint8_t)(1u << (i % 8));
                found++;
            }
        }
        if (found == p->words_count)
            return true;
    }
    return false;
}

static bool has_words(const struct pred *p, struct bytes text)
{
    struct words w;
    bool found;

    words_of(&w, text, p->text, false);
    found = finds_words(p, &w);
    words_end(&w);
    return found;
}

static bool geo_matches(const kith_filter *f, struct val x)
{
    kith_geo_point p;

    if (!geo_of(x, &p))
        return false;
    if (f->kind == KITH_COND_GEO_BOX)
        return geo_in_box(f->places[0], f->places[1], p);
    if (f->kind == KITH_COND_GEO_RADIUS)
        return geo_metres(f->places[0], p) < f->radius;
    return geo_in_polygon(f->rings, f->rings_count, p);
}

static bool one_matches(const struct pred *p, struct val x)
{
    const kith_filter *f = p->f;
    struct bytes s;

    switch (f->kind) {
    case KITH_COND_MATCH: case KITH_COND_EXCEPT:
        if (f->kind == KITH_COND_EXCEPT && val_tag(x) == VAL_NULL)
            return false;
        for (size_t i = 0; i < f->values_count; i++) {
            if (value_equals(&f->values[i], x, p->as_uuid))
                return f->kind == KITH_COND_MATCH;
        }
        return f->kind == KITH_COND_EXCEPT;
    case KITH_COND_PREFIX:
        s = val_str(x);
        return val_tag(x) == VAL_STR && s.size >= f->values[0].size &&
               memcmp(s.data, f->values[0].str, f->values[0].size) == 0;
    case KITH_COND_SUBSTRING:
        return val_tag(x) == VAL_STR && contains(val_str(x), &f->values[0]);
    case KITH_COND_RANGE:
        return val_is_num(x) && in_range(f, val_double(x));
    case KITH_COND_DATETIME:
        return in_times(f, x);
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY: case KITH_COND_PHRASE:
        return val_tag(x) == VAL_STR && has_words(p, val_str(x));
    case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        return geo_matches(f, x);
    case KITH_COND_SLICE: case KITH_COND_ALL: case KITH_COND_ANY: case KITH_COND_NONE: case KITH_COND_AT_LEAST:
    case KITH_COND_VALUES_COUNT: case KITH_COND_IS_EMPTY: case KITH_COND_IS_NULL: case KITH_COND_FIELD_EMPTY:
    case KITH_COND_FIELD_NULL: case KITH_COND_HAS_ID: case KITH_COND_HAS_VECTOR: case KITH_COND_NESTED:
        break;
    }
    return false;
}

static bool empty_value(struct val x)
{
    return val_tag(x) == VAL_NULL || (val_tag(x) == VAL_ARRAY && val_count(x) == 0);
}

static bool null_value(struct val x)
{
    struct val_iter it;
    struct bytes key;
    struct val item;

    if (val_tag(x) == VAL_NULL)
        return true;
    if (val_tag(x) == VAL_ARRAY) {
        for (it = val_iter(x); val_next(&it, &key, &item);) {
            if (val_tag(item) == VAL_NULL)
                return true;
        }
    }
    return false;
}

/* ---- walking ---------------------------------------------------------------------------------- */

struct looking {
    const struct pred *p;
    const struct subject *s;
    bool any; /* something stands at the path */
};

/* 1: satisfied, stop; 0: go on */
static int look(void *arg, struct val x)
{
    struct looking *l = arg;
    const kith_filter *f = l->p->f;
    struct val_iter it;
    struct bytes key;
    struct val item;

    l->any = true;
    switch (f->kind) {
    case KITH_COND_VALUES_COUNT:
        return in_range(f, val_tag(x) == VAL_ARRAY ? (double)val_count(x) : val_tag(x) == VAL_NULL ? 0 : 1);
    case KITH_COND_IS_EMPTY:
        return !empty_value(x); /* looked for: a value that is something */
    case KITH_COND_IS_NULL:
        return val_tag(x) == VAL_NULL;
    case KITH_COND_FIELD_EMPTY:
        return empty_value(x) == f->flag;
    case KITH_COND_FIELD_NULL:
        return null_value(x) == f->flag;
    case KITH_COND_NESTED: {
        struct subject inner = {.doc = x, .inside = true};
        return val_tag(x) == VAL_OBJECT && pred_match(&l->p->subs[0], &inner);
    }
    case KITH_COND_ALL: case KITH_COND_ANY: case KITH_COND_NONE: case KITH_COND_AT_LEAST: case KITH_COND_MATCH:
    case KITH_COND_EXCEPT: case KITH_COND_PREFIX: case KITH_COND_SUBSTRING: case KITH_COND_RANGE:
    case KITH_COND_DATETIME: case KITH_COND_HAS_ID: case KITH_COND_HAS_VECTOR: case KITH_COND_SLICE:
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY:
    case KITH_COND_PHRASE: case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        break;
    }
    if (val_tag(x) != VAL_ARRAY)
        return one_matches(l->p, x);
    for (it = val_iter(x); val_next(&it, &key, &item);) {
        if (one_matches(l->p, item))
            return 1;
    }
    return 0;
}

static bool at_path(const struct pred *p, const struct subject *s)
{
    struct looking l = {p, s, false};
    bool hit = path_visit(p->path, s->doc, look, &l) != 0;

    if (p->f->kind == KITH_COND_IS_EMPTY)
        return !hit;
    if (!l.any) {
        if (p->f->kind == KITH_COND_VALUES_COUNT)
            return in_range(p->f, 0);
        if (p->f->kind == KITH_COND_FIELD_EMPTY)
            return p->f->flag;
        if (p->f->kind == KITH_COND_FIELD_NULL)
            return !p->f->flag;
    }
    return hit;
}

bool pred_match(const struct pred *p, const struct subject *s)
{
    const kith_filter *f = p->f;
    uint64_t hits = 0;

    switch (f->kind) {
    case KITH_COND_ALL:
        for (size_t i = 0; i < f->subs_count; i++) {
            if (!pred_match(&p->subs[i], s))
                return false;
        }
        return true;
    case KITH_COND_ANY: case KITH_COND_NONE:
        for (size_t i = 0; i < f->subs_count; i++) {
            if (pred_match(&p->subs[i], s))
                return f->kind == KITH_COND_ANY;
        }
        return f->kind == KITH_COND_NONE;
    case KITH_COND_AT_LEAST:
        for (size_t i = 0; i < f->subs_count && hits < f->least; i++)
            hits += pred_match(&p->subs[i], s);
        return hits >= f->least;
    case KITH_COND_HAS_ID:
        for (size_t i = 0; i < f->ids_count && !s->inside; i++) {
            if (id_eq(&f->ids[i], s->id))
                return true;
        }
        return false;
    case KITH_COND_SLICE:
        return !s->inside && id_siphash(s->id) % f->least == f->slice;
    case KITH_COND_HAS_VECTOR:
        return !s->inside && s->has_vector && s->has_vector(s->arg, f->path ? f->path : "");
    case KITH_COND_MATCH: case KITH_COND_EXCEPT: case KITH_COND_PREFIX: case KITH_COND_SUBSTRING:
    case KITH_COND_RANGE: case KITH_COND_DATETIME: case KITH_COND_VALUES_COUNT: case KITH_COND_IS_EMPTY:
    case KITH_COND_IS_NULL: case KITH_COND_FIELD_EMPTY: case KITH_COND_FIELD_NULL: case KITH_COND_NESTED:
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY:
    case KITH_COND_PHRASE: case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        break;
    }
    return at_path(p, s);
}
