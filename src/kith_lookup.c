/* kith_lookup.c - examples that are points of another collection: their vectors take their place before a query runs. */
#include "kith_lookup.h"

#include "base/ctx.h"
#include "engine/engine.h"
#include "vec/sparse.h"

static bool any_lookup(const kith_query *q)
{
    bool found = q->like && q->like_collection;

    for (size_t i = 0; i < q->positive_count; i++)
        found = found || q->positive[i].collection;
    for (size_t i = 0; i < q->negative_count; i++)
        found = found || q->negative[i].collection;
    for (size_t i = 0; i < q->pairs_count; i++)
        found = found || q->pairs[i].positive.collection || q->pairs[i].negative.collection;
    for (size_t i = 0; i < q->prefetch_count; i++)
        found = found || any_lookup(&q->prefetch[i]);
    return found;
}

static int read_vector(struct ctx *c, const struct snapshot *snap, const kith_example *e, const char *name,
                       kith_vector *ret)
{
    const struct schema_vector *v = schema_vector(snap->schema, name);
    const void *kept = NULL;
    size_t segment;
    row_id row;
    char text[64];

    kith_id_text(e->like, text, sizeof text);
    if (!v)
        return err_set(c, KITH_INVALID, "Not existing vector name error: %s", name);
    if (!query_find(snap, e->like, &segment, &row))
        return err_set(c, KITH_NOT_FOUND, "No point with id %s found", text);
    TRY(snap->segments[segment]->ops->vector(c, snap->segments[segment], row, snap->v, v->id, &kept));
    if (!kept)
        return err_set(c, KITH_NOT_FOUND, "Vector with name %s for point %s not found", name, text);
    *ret = vector_show(v, kept);
    ret->data = arena_copy(&c->arena, ret->data, kith_vector_size(ret));
    return ret->data ? 0 : err_nomem(c);
}

static int resolve(struct ctx *c, struct db *db, const char *using_vector, kith_example *e)
{
    struct shard *s = NULL;
    struct view *view;
    struct snapshot snap;
    int rc;

    if (!e->like || !e->collection)
        return 0;
    TRY(db_shard(c, db, e->collection, &s));
    view = shard_pin(s);
    shard_unref(s);
    if (!view)
        return err_set(c, KITH_NOT_FOUND, "Collection `%s` doesn't exist!", e->collection);
    snap = view_snapshot(view);
    rc = read_vector(c, &snap, e, e->name ? e->name : using_vector, &e->vector);
    view_unpin(view);
    e->like = NULL;
    e->collection = e->name = NULL;
    return rc;
}

static int resolve_all(struct ctx *c, struct db *db, const char *using_vector, const kith_example **examples,
                       size_t count)
{
    kith_example *own = arena_copy(&c->arena, *examples, MAX(count, (size_t)1) * sizeof *own);

    if (!own)
        return err_nomem(c);
    for (size_t i = 0; i < count; i++)
        TRY(resolve(c, db, using_vector, &own[i]));
    *examples = own;
    return 0;
}

static int resolve_pairs(struct ctx *c, struct db *db, const char *using_vector, kith_query *q)
{
    kith_pair *own = arena_copy(&c->arena, q->pairs, q->pairs_count * sizeof *own);

    if (!own)
        return err_nomem(c);
    for (size_t i = 0; i < q->pairs_count; i++) {
        TRY(resolve(c, db, using_vector, &own[i].positive));
        TRY(resolve(c, db, using_vector, &own[i].negative));
    }
    q->pairs = own;
    return 0;
}

static int resolve_query(struct ctx *c, struct db *db, kith_query *q)
{
    const char *name = q->using_vector ? q->using_vector : "";
    kith_example target = {q->vector, q->like, q->like_collection, q->like_name};
    kith_query *below;

    TRY(resolve(c, db, name, &target));
    q->vector = target.vector;
    q->like = target.like;
    q->like_collection = target.collection;
    q->like_name = target.name;
    if (q->positive_count)
        TRY(resolve_all(c, db, name, &q->positive, q->positive_count));
    if (q->negative_count)
        TRY(resolve_all(c, db, name, &q->negative, q->negative_count));
    if (q->pairs_count)
        TRY(resolve_pairs(c, db, name, q));
    if (!q->prefetch_count)
        return 0;
    below = arena_copy(&c->arena, q->prefetch, q->prefetch_count * sizeof *below);
    if (!below)
        return err_nomem(c);
    for (size_t i = 0; i < q->prefetch_count; i++)
        TRY(resolve_query(c, db, &below[i]));
    q->prefetch = below;
    return 0;
}

int lookup_resolve(struct ctx *c, struct db *db, const kith_query *q, const kith_query **ret_query)
{
    kith_query *own;

    *ret_query = q;
    if (!any_lookup(q))
        return 0;
    own = arena_copy(&c->arena, q, sizeof *q);
    if (!own)
        return err_nomem(c);
    *ret_query = own;
    return resolve_query(c, db, own);
}
