/* groups.c - the best points by a value they hold.
 *
 * Hits come best first, so the first values met are the best groups. Groups that are not full then are searched by
 * themselves; where prefetches give the candidates, all of these are looked at instead. */
#include "query/tree.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>

enum { HITS_MAX = 1 << 20, GROW = 4 };

struct group {
    kith_value id;
    struct hit_ref *hits;
    size_t count;
};

struct grouping {
    struct ctx *c;
    const struct runner *r;
    const kith_query *q;
    struct path path;
    const char *by;
    struct group *groups;
    size_t count, most, size;
    struct doc_room room;
    struct hit_ref now; /* the hit whose values are visited */
};

static bool same_value(const kith_value *a, const kith_value *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == KITH_VALUE_INT ? a->num == b->num : a->size == b->size && memcmp(a->str, b->str, a->size) == 0;
}

static int add_to(struct grouping *g, const kith_value *id)
{
    struct group *x = NULL;

    for (size_t i = 0; i < g->count && !x; i++)
        x = same_value(&g->groups[i].id, id) ? &g->groups[i] : NULL;
    if (!x && g->count == g->most)
        return 0;
    if (!x) {
        x = &g->groups[g->count++];
        *x = (struct group){.id = *id, .hits = arena_alloc(&g->c->arena, g->size * sizeof *x->hits)};
        if (id->kind == KITH_VALUE_STR)
            x->id.str = arena_str(&g->c->arena, id->str, id->size);
        if (!x->hits || (id->kind == KITH_VALUE_STR && !x->id.str))
            return err_nomem(g->c);
    }
    if (x->count && hit_by_place(&x->hits[x->count - 1], &g->now) == 0)
        return 0; /* twice the same value in one array */
    if (x->count < g->size)
        x->hits[x->count++] = g->now;
    return 0;
}

static int take_value(void *arg, struct val v)
{
    struct grouping *g = arg;
    struct bytes s;

    if (val_tag(v) == VAL_INT)
        return add_to(g, &(kith_value){.kind = KITH_VALUE_INT, .num = val_int(v)});
    if (val_tag(v) != VAL_STR)
        return 0;
    s = val_str(v);
    return add_to(g, &(kith_value){.kind = KITH_VALUE_STR, .str = (const char *)s.data, .size = (uint32_t)s.size});
}

static int group_hits(struct grouping *g, const struct hit_list *hits)
{
    const struct snapshot *snap = g->r->snap;

    g->count = 0;
    for (size_t i = 0; i < hits->count; i++) {
        const struct segment *s = snap->segments[hits->at[i].segment];
        struct bytes doc;
        lsn at;
        if (i % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(g->c));
        g->now = hits->at[i];
        TRY(s->ops->doc(g->c, s, g->now.row, snap->v, &g->room, &doc, &at));
        TRY(path_visit_items(&g->path, val_of(doc.data, doc.size), take_value, g));
    }
    return 0;
}

static bool all_full(const struct grouping *g)
{
    bool full = g->count == g->most;

    for (size_t i = 0; i < g->count; i++)
        full = full && g->groups[i].count == g->size;
    return full;
}

static int fill_group(struct grouping *g, struct group *x)
{
    const kith_filter own = {.kind = KITH_COND_MATCH, .path = g->by, .values = &x->id, .values_count = 1};
    struct tree t = {.c = g->c, .r = g->r};
    struct hit_list hits = {0};
    kith_query q = *g->q;

    q.limit = (uint32_t)g->size;
    TRY(tree_run(&t, &q, &own, &hits));
    x->count = MIN(hits.count, g->size);
    if (x->count)
        memcpy(x->hits, hits.at, x->count * sizeof *x->hits);
    return 0;
}

static int raise_limits(struct grouping *g, kith_query *q)
{
    kith_query *below;

    if (!q->prefetch_count)
        return 0;
    below = arena_copy(&g->c->arena, q->prefetch, q->prefetch_count * sizeof *below);
    if (!below)
        return err_nomem(g->c);
    for (size_t i = 0; i < q->prefetch_count; i++) {
        below[i].limit = MAX(below[i].limit, (uint32_t)MIN(g->most * g->size, (size_t)HITS_MAX));
        TRY(raise_limits(g, &below[i]));
    }
    q->prefetch = below;
    return 0;
}

static int find_groups(struct grouping *g)
{
    kith_query q = *g->q;

    TRY(raise_limits(g, &q));
    for (size_t want = MAX(2 * g->most * g->size, (size_t)32);; want *= GROW) {
        struct tree t = {.c = g->c, .r = g->r};
        struct hit_list hits = {0};
        q.limit = (uint32_t)MIN(want, (size_t)HITS_MAX);
        TRY(tree_run(&t, &q, NULL, &hits));
        TRY(group_hits(g, &hits));
        if (all_full(g) || hits.count < q.limit || want >= HITS_MAX)
            return 0;
        if (g->count == g->most && !q.prefetch_count)
            break;
    }
    for (size_t i = 0; i < g->count; i++) {
        if (g->groups[i].count < g->size)
            TRY(fill_group(g, &g->groups[i]));
    }
    return 0;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

struct groups_box {
    kith_groups groups;
    kith_result *result;
    struct arena arena;
};

void kith_groups_free(kith_groups *groups)
{
    struct groups_box *box = groups ? container_of(groups, struct groups_box, groups) : NULL;

    if (!box)
        return;
    kith_result_free(box->result);
    arena_release(&box->arena);
    mem_free(box);
}

static int give(struct grouping *g, struct groups_box *box)
{
    struct hit_ref *refs;
    size_t n = 0;

    for (size_t i = 0; i < g->count; i++)
        n += g->groups[i].count;
    refs = arena_alloc(&g->c->arena, MAX(n, (size_t)1) * sizeof *refs);
    box->groups.groups = arena_zalloc(&box->arena, MAX(g->count, (size_t)1) * sizeof *box->groups.groups);
    if (!refs || !box->groups.groups)
        return err_nomem(g->c);
    n = 0;
    for (size_t i = 0; i < g->count; n += g->groups[i++].count)
        memcpy(refs + n, g->groups[i].hits, g->groups[i].count * sizeof *refs);
    TRY(hits_fetch(g->c, g->r->snap, refs, n, &g->q->select, &box->result));
    box->groups.count = g->count;
    n = 0;
    for (size_t i = 0; i < g->count; n += g->groups[i++].count) {
        kith_group *to = &box->groups.groups[i];
        *to = (kith_group){g->groups[i].id, box->result->hits + n, g->groups[i].count};
        if (to->id.kind == KITH_VALUE_STR && !(to->id.str = arena_str(&box->arena, to->id.str, to->id.size)))
            return err_nomem(g->c);
    }
    return 0;
}

int query_groups(struct ctx *c, const struct runner *r, const kith_query *given, const char *group_by,
                 uint32_t group_size, kith_groups **ret_groups)
{
    kith_query q = *given;
    struct grouping g = {.c = c, .r = r, .q = &q, .by = group_by, .size = group_size ? group_size : 3};
    struct groups_box *box;
    int rc;

    TRY(query_check(c, &q));
    TRY(path_parse(c, group_by, &g.path));
    q.offset = 0;
    g.most = q.limit;
    if (g.most * g.size > HITS_MAX)
        return err_set(c, KITH_INVALID, "groups: %zu of %zu points, at most %d together", g.most, g.size, HITS_MAX);
    g.groups = arena_alloc(&c->arena, g.most * sizeof *g.groups);
    box = mem_zalloc(sizeof *box);
    if (!g.groups || !box) {
        mem_free(box);
        return err_nomem(c);
    }
    arena_init(&box->arena);
    rc = find_groups(&g);
    if (rc >= 0)
        rc = give(&g, box);
    doc_room_release(&g.room);
    if (rc < 0)
        kith_groups_free(&box->groups);
    else
        *ret_groups = &box->groups;
    return rc;
}
