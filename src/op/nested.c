/* nested.c - candidates of nested filters. If one element satisfies all of a filter, then each of its conditions holds
 * for some element: what indexes of the elements' fields say of each alone leaves few documents to be read. */
#include "op/nested.h"

#include "base/ctx.h"

#include <stdio.h>

struct deriving {
    struct ctx *c;
    const struct schema *schema;
    const char *array;
    size_t array_size; /* without its [] */
};

/* Those that mean the same of an element as of the whole document. Words are not among them: an index may cut them
 * otherwise. */
static bool is_positive(kith_cond kind)
{
    return kind == KITH_COND_MATCH || kind == KITH_COND_PREFIX || kind == KITH_COND_SUBSTRING ||
           kind == KITH_COND_RANGE || kind == KITH_COND_DATETIME || kind == KITH_COND_GEO_BOX ||
           kind == KITH_COND_GEO_RADIUS || kind == KITH_COND_GEO_POLYGON;
}

/* An index of uuids compares them as such, an element's condition as texts. */
static bool is_indexed(const struct schema *schema, const char *path)
{
    const struct schema_field *f = schema_field(schema, path);

    return f && f->def.index != KITH_INDEX_NONE && f->def.index != KITH_INDEX_UUID && f->def.index != KITH_INDEX_TEXT;
}

static int derive(struct deriving *d, const kith_filter *f, kith_filter *to, bool *ret_there);

static int derive_leaf(struct deriving *d, const kith_filter *f, kith_filter *to, bool *ret_there)
{
    size_t size = d->array_size + strlen(f->path) + 4;
    char *path = arena_alloc(&d->c->arena, size);

    if (!path)
        return err_nomem(d->c);
    snprintf(path, size, "%.*s[].%s", (int)d->array_size, d->array, f->path);
    *to = *f;
    to->path = path;
    *ret_there = is_indexed(d->schema, path);
    return 0;
}

/* Of all: those that can be derived; of any: only if all can. */
static int derive_several(struct deriving *d, const kith_filter *f, kith_filter *to, bool *ret_there)
{
    kith_filter *subs = arena_alloc(&d->c->arena, MAX(f->subs_count, (size_t)1) * sizeof *subs);
    size_t n = 0;

    if (!subs)
        return err_nomem(d->c);
    for (size_t i = 0; i < f->subs_count; i++) {
        bool there = false;
        TRY(derive(d, &f->subs[i], &subs[n], &there));
        n += there;
    }
    *to = (kith_filter){.kind = f->kind, .subs = subs, .subs_count = n};
    *ret_there = n > 0 && (f->kind == KITH_COND_ALL || n == f->subs_count);
    return 0;
}

static int derive(struct deriving *d, const kith_filter *f, kith_filter *to, bool *ret_there)
{
    *ret_there = false;
    if (f->kind == KITH_COND_ALL || f->kind == KITH_COND_ANY)
        return derive_several(d, f, to, ret_there);
    return is_positive(f->kind) ? derive_leaf(d, f, to, ret_there) : 0;
}

int nested_hint(struct ctx *c, const struct schema *schema, const kith_filter *f, const kith_filter **ret_hint)
{
    size_t size = strlen(f->path);
    struct deriving d = {c, schema, f->path, size > 2 && strcmp(f->path + size - 2, "[]") == 0 ? size - 2 : size};
    kith_filter *hint = arena_alloc(&c->arena, sizeof *hint);
    bool there;

    if (!hint)
        return err_nomem(c);
    TRY(derive(&d, &f->subs[0], hint, &there));
    *ret_hint = there ? hint : NULL;
    return 0;
}
