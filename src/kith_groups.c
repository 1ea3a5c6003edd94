/* kith_groups.c - the public interface to groups, facets and aggregates. */
#include "base/ctx.h"
#include "engine/engine.h"
#include "kith_lookup.h"
#include "os/os.h"

/* A collection as it is now. */
struct looking {
    struct ctx c;
    struct db *db;
    struct view *view;
    struct snapshot snap;
    struct runner r;
};

static int look(struct looking *x, kith_db *db, const char *name, uint32_t timeout_ms)
{
    struct shard *s = NULL;

    *x = (struct looking){.db = (struct db *)(void *)db};
    ctx_init(&x->c, x->db->os);
    TRY(db_shard(&x->c, x->db, name, &s));
    x->view = shard_pin(s);
    shard_unref(s);
    if (!x->view)
        return err_set(&x->c, KITH_NOT_FOUND, "Collection `%s` doesn't exist!", name);
    x->snap = view_snapshot(x->view);
    x->r = (struct runner){&x->snap, x->db->kernels, &x->db->scratch, NULL};
    os_deadline_in(&x->c, timeout_ms);
    return 0;
}

static void look_away(struct looking *x, int rc, kith_err *err)
{
    if (x->view)
        view_unpin(x->view);
    err_give(&x->c, rc < 0 ? rc : 0, err);
    ctx_release(&x->c);
}

kith_groups *kith_query_groups(kith_db *db, const char *name, const kith_query *query, const char *group_by,
                               uint32_t group_size, kith_err *err)
{
    kith_groups *groups = NULL;
    struct looking x;
    int rc = look(&x, db, name, query->timeout_ms);

    if (rc >= 0)
        rc = lookup_resolve(&x.c, x.db, query, &query);
    if (rc >= 0)
        rc = query_groups(&x.c, &x.r, query, group_by, group_size, &groups);
    look_away(&x, rc, err);
    return rc < 0 ? NULL : groups;
}

kith_facets *kith_facet_count(kith_db *db, const char *name, const char *path, const kith_filter *filter, uint32_t limit,
                              uint32_t timeout_ms, kith_err *err)
{
    kith_facets *facets = NULL;
    struct looking x;
    int rc = look(&x, db, name, timeout_ms);

    if (rc >= 0)
        rc = query_facets(&x.c, &x.r, path, filter, limit, &facets);
    look_away(&x, rc, err);
    return rc < 0 ? NULL : facets;
}

kith_aggregates *kith_aggregate(kith_db *db, const char *name, const kith_measure *measures, size_t count,
                                const char *group_by, const kith_filter *filter, uint32_t limit, uint32_t timeout_ms,
                                kith_err *err)
{
    kith_aggregates *aggregates = NULL;
    struct looking x;
    int rc = look(&x, db, name, timeout_ms);

    if (rc >= 0)
        rc = query_aggregate(&x.c, &x.r, measures, count, group_by, filter, limit, &aggregates);
    look_away(&x, rc, err);
    return rc < 0 ? NULL : aggregates;
}
