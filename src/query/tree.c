/* tree.c - a query with its prefetches, from the leaves up: leaves ask the segments, what lies above orders what was
 * found below anew. */
#include "query/tree.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/topk.h"
#include "os/os.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64 };

/* ---- points that are examples are not results ---------------------------------------------------------------- */

static int exclude(struct tree *t, const kith_id *id)
{
    if (t->excluded_count == t->excluded_capacity) {
        size_t capacity = MAX(t->excluded_capacity * 2, (size_t)16);
        const kith_id **more = arena_alloc(&t->c->arena, capacity * sizeof *more);
        if (!more)
            return err_nomem(t->c);
        if (t->excluded_count)
            memcpy(more, t->excluded, t->excluded_count * sizeof *more);
        t->excluded = more;
        t->excluded_capacity = capacity;
    }
    t->excluded[t->excluded_count++] = id;
    return 0;
}

static int exclude_example(struct tree *t, const kith_example *e)
{
    return e->like && !e->collection ? exclude(t, e->like) : 0;
}

static int exclude_examples(struct tree *t, const kith_query *q, uint32_t depth)
{
    if (depth > DEPTH_MAX)
        return err_set(t->c, KITH_INVALID, "prefetch: nested deeper than %d", DEPTH_MAX);
    if (q->like && !q->like_collection)
        TRY(exclude(t, q->like));
    for (size_t i = 0; i < q->positive_count; i++)
        TRY(exclude_example(t, &q->positive[i]));
    for (size_t i = 0; i < q->negative_count; i++)
        TRY(exclude_example(t, &q->negative[i]));
    for (size_t i = 0; i < q->pairs_count; i++) {
        TRY(exclude_example(t, &q->pairs[i].positive));
        TRY(exclude_example(t, &q->pairs[i].negative));
    }
    for (size_t i = 0; i < q->prefetch_count; i++)
        TRY(exclude_examples(t, &q->prefetch[i], depth + 1));
    return 0;
}

static bool is_excluded(const struct tree *t, const struct hit_ref *hit)
{
    const struct segment *s = t->r->snap->segments[hit->segment];
    kith_id id;

    if (!t->excluded_count)
        return false;
    id = s->ops->id(s, hit->row);
    for (size_t i = 0; i < t->excluded_count; i++) {
        if (id_cmp(&id, t->excluded[i]) == 0)
            return true;
    }
    return false;
}

static void drop_excluded(struct tree *t, struct hit_list *hits)
{
    size_t n = 0;

    for (size_t i = 0; i < hits->count; i++) {
        if (!is_excluded(t, &hits->at[i]))
            hits->at[n++] = hits->at[i];
    }
    hits->count = n;
}

int tree_settle(struct tree *t, struct hit_list *hits, size_t most)
{
    static const kith_query by_distance = {.kind = KITH_QUERY_NEAREST};

    drop_excluded(t, hits);
    TRY(hits_sort(t->c, t->r->snap, &by_distance, hits));
    hits->count = MIN(hits->count, most);
    return 0;
}

/* ---- vectors ---------------------------------------------------------------------------------------------------- */

static int stored_vector(struct tree *t, const kith_example *e, const struct schema_vector *v, const void **ret_data)
{
    const struct snapshot *snap = t->r->snap;
    size_t segment;
    row_id row;
    char text[64];

    kith_id_text(e->like, text, sizeof text);
    if (!query_find(snap, e->like, &segment, &row))
        return err_set(t->c, KITH_NOT_FOUND, "No point with id %s found", text);
    *ret_data = NULL;
    TRY(snap->segments[segment]->ops->vector(t->c, snap->segments[segment], row, snap->v, v->id, ret_data));
    if (!*ret_data)
        return err_set(t->c, KITH_NOT_FOUND, "Vector with name %s for point %s not found", v->name, text);
    return 0;
}

/* Of another vector of the same collection, made one of these. */
static int like_another(struct tree *t, const kith_example *e, kith_vector *ret)
{
    const struct schema_vector *from = schema_vector(t->r->snap->schema, e->name);
    const void *data;

    if (!from)
        return err_set(t->c, KITH_INVALID, "Not existing vector name error: %s", e->name);
    TRY(stored_vector(t, e, from, &data));
    *ret = vector_show(from, data);
    return 0;
}

int tree_target(struct tree *t, const struct schema_vector *v, const kith_example *e, struct target *ret_target)
{
    float *room = arena_alloc(&t->c->arena, (size_t)v->dim * sizeof *room);
    bool stored_here = e->like && (!e->name || strcmp(e->name, v->name) == 0);
    kith_vector given = e->vector;
    const void *stored = NULL;
    void *kept;

    if (stored_here)
        TRY(stored_vector(t, e, v, &stored));
    else if (e->like)
        TRY(like_another(t, e, &given));
    if (!stored)
        TRY(vector_check(t->c, v, &given));
    kept = arena_alloc(&t->c->arena, stored ? vector_size(v, stored) : vector_size_of(v, &given));
    if (!room || !kept)
        return err_nomem(t->c);
    if (stored)
        memcpy(kept, stored, vector_size(v, stored));
    else
        TRY(vector_take(t->c, v, t->r->kernels, &given, room, kept));
    *ret_target = (struct target){kept, NULL};
    if (v->element == KITH_SPARSE)
        return v->idf && !t->as_given ? sparse_weigh(t->c, t->r, v, t->corpus, kept) : 0;
    if (!v->multi)
        ret_target->plain = vec_plain(t->r->kernels, v->metric, v->element, kept, v->dim, room);
    return 0;
}

int tree_vector(struct tree *t, const struct hit_ref *hit, const struct schema_vector *v, const void **ret_kept)
{
    const struct segment *s = t->r->snap->segments[hit->segment];

    return s->ops->vector(t->c, s, hit->row, t->r->snap->v, v->id, ret_kept);
}

static int vector_of(struct tree *t, const kith_query *q, const struct schema_vector **ret_v)
{
    const char *name = q->using_vector ? q->using_vector : "";

    *ret_v = schema_vector(t->r->snap->schema, name);
    return *ret_v ? 0 : err_set(t->c, KITH_INVALID, "Not existing vector name error: %s", name);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

void tree_note(struct buf *b, const struct segment *s, const struct plan_note *n)
{
    buf_printf(b, "%s{\"segment\":%llu,\"growing\":%s,\"strategy\":\"%s\",\"rows\":%u,\"matches\":%u,\"ef\":%u,"
                  "\"distances\":%u,\"hops\":%u,\"entries\":%llu,\"recall\":%.3f}",
               b->size > 1 ? "," : "", (unsigned long long)s->id, segment_is_growing(s) ? "true" : "false",
               n->strategy ? n->strategy : "none", n->rows, n->matches, n->ef, n->distances, n->hops,
               (unsigned long long)n->entries, n->recall > 0 ? (double)n->recall : 1.0);
}

int tree_nearest(struct tree *t, const kith_query *q, const struct schema_vector *v, const struct target *target,
                 const struct pred *p, struct hit_list *hits)
{
    const kith_id *leave_out = q->like_collection ? NULL : q->like;

    for (size_t i = 0; i < t->r->snap->count; i++) {
        struct plan_note note = {0};
        TRY(os_in_time(t->c));
        TRY(v->element == KITH_SPARSE ? sparse_segment(t->c, t->r, q, v, target, i, p, leave_out, hits, &note)
                                      : nearest_segment(t->c, t->r, q, v, target, i, p, leave_out, hits, &note));
        if (t->explain)
            tree_note(t->explain, t->r->snap->segments[i], &note);
    }
    return 0;
}

static int nearest(struct tree *t, const kith_query *given, const struct pred *p, size_t want, struct hit_list *hits)
{
    kith_example e = {given->vector, given->like, given->like_collection, given->like_name};
    size_t others = t->excluded_count - (given->like && !given->like_collection); /* that one is left out on the way */
    const struct schema_vector *v;
    struct target target;
    kith_query q = *given;

    TRY(vector_of(t, given, &v));
    TRY(tree_target(t, v, &e, &target));
    if (q.mmr) {
        q.limit = MAX(q.candidates, (uint32_t)want);
        q.offset = 0;
    }
    q.limit += (uint32_t)others;
    TRY(tree_nearest(t, &q, v, &target, p, hits));
    TRY(tree_settle(t, hits, q.mmr ? q.limit : want));
    return q.mmr ? mmr(t, &q, v, hits, want) : 0;
}

static void shuffle(struct hit_list *hits, uint64_t *seed)
{
    for (size_t i = hits->count; i > 1; i--) {
        size_t at = splitmix(seed) % i;
        struct hit_ref kept = hits->at[at];
        hits->at[at] = hits->at[i - 1];
        hits->at[i - 1] = kept;
    }
    for (size_t i = 0; i < hits->count; i++)
        hits->at[i].distance = -1;
}

/* Algorithm R (Vitter 1985). */
static int sample(struct tree *t, const struct pred *p, size_t want, struct hit_list *hits)
{
    uint64_t seed, seen = 0;

    t->c->os->random(t->c->os, &seed, sizeof seed);
    for (size_t i = 0; i < t->r->snap->count; i++) {
        struct bits mask;
        bool all;
        TRY(query_mask(t->c, t->r->snap, i, p, &mask, &all));
        for (row_id row = bits_next(&mask, 0); row != ROW_NONE; row = bits_next(&mask, row + 1)) {
            struct hit_ref hit = {.segment = (uint32_t)i, .row = row};
            uint64_t at;
            if (seen++ < want) {
                TRY(hits_push(t->c, hits, hit));
                continue;
            }
            at = splitmix(&seed) % seen;
            if (at < want)
                hits->at[at] = hit;
        }
    }
    shuffle(hits, &seed); /* the places are not random yet */
    return 0;
}

static int leaf(struct tree *t, const kith_query *q, const struct pred *p, size_t want, struct hit_list *hits)
{
    const struct schema_vector *v;

    switch (q->kind) {
    case KITH_QUERY_NEAREST:
        return nearest(t, q, p, want, hits);
    case KITH_QUERY_ORDER_BY:
        TRY(order_collect(t->c, t->r, q, p, want, hits));
        return hits_sort(t->c, t->r->snap, q, hits);
    case KITH_QUERY_SCROLL:
        TRY(scroll_collect(t->c, t->r, q, p, want, hits));
        for (size_t i = 0; i < hits->count; i++)
            hits->at[i].distance = -1;
        return 0;
    case KITH_QUERY_SAMPLE:
        return sample(t, p, want, hits);
    case KITH_QUERY_RECOMMEND: case KITH_QUERY_DISCOVER: case KITH_QUERY_CONTEXT: case KITH_QUERY_FEEDBACK:
        TRY(vector_of(t, q, &v));
        return judge_run(t, q, v, p, NULL, hits);
    case KITH_QUERY_TEXT:
        return text_run(t, q, p, NULL, want, hits);
    case KITH_QUERY_FUSION: case KITH_QUERY_FORMULA:
        break;
    }
    return err_set(t->c, KITH_INVALID, "a fusion or a formula needs prefetches");
}

/* ---- what lies above ---------------------------------------------------------------------------------------------- */

/* Every candidate once. */
static int unite(struct tree *t, const struct hit_list *lists, size_t count, struct hit_list *out)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < lists[i].count; j++)
            TRY(hits_push(t->c, out, lists[i].at[j]));
    }
    hits_once(out);
    return 0;
}

static int nearest_of(struct tree *t, const kith_query *q, const struct hit_list *candidates, size_t want,
                      struct hit_list *hits)
{
    kith_example e = {q->vector, q->like, q->like_collection, q->like_name};
    const struct schema_vector *v;
    struct target target;

    TRY(vector_of(t, q, &v));
    TRY(tree_target(t, v, &e, &target));
    for (size_t i = 0; i < candidates->count; i++) {
        struct hit_ref hit = candidates->at[i];
        const void *kept;
        bool common;
        TRY(tree_vector(t, &hit, v, &kept));
        if (!kept)
            continue;
        hit.distance = vector_distance(t->r->kernels, v, target.kept, kept, &common);
        if (common && !isnan(hit.distance) && (!q->has_threshold || hit.distance < q->threshold))
            TRY(hits_push(t->c, hits, hit));
    }
    TRY(tree_settle(t, hits, q->mmr ? MAX((size_t)q->candidates, want) : want));
    return q->mmr ? mmr(t, q, v, hits, want) : 0;
}

/* The candidates as a filter: what they have at a path is found as it is for everything. */
static int order_of(struct tree *t, const kith_query *q, const struct hit_list *candidates, size_t want,
                    struct hit_list *hits)
{
    kith_id *ids = arena_alloc(&t->c->arena, MAX(candidates->count, (size_t)1) * sizeof *ids);
    kith_filter f = {.kind = KITH_COND_HAS_ID, .ids = ids, .ids_count = candidates->count};
    struct pred *p;

    if (!ids)
        return err_nomem(t->c);
    for (size_t i = 0; i < candidates->count; i++) {
        const struct segment *s = t->r->snap->segments[candidates->at[i].segment];
        ids[i] = s->ops->id(s, candidates->at[i].row);
    }
    TRY(pred_compile(t->c, t->r->snap->schema, &f, &p));
    TRY(order_collect(t->c, t->r, q, p, want, hits));
    return hits_sort(t->c, t->r->snap, q, hits);
}

static int sample_of(struct tree *t, const struct hit_list *candidates, struct hit_list *hits)
{
    uint64_t seed;

    t->c->os->random(t->c->os, &seed, sizeof seed);
    *hits = *candidates;
    shuffle(hits, &seed);
    return 0;
}

static int above(struct tree *t, const kith_query *q, const struct hit_list *lists, size_t want,
                 struct hit_list *hits)
{
    const struct schema_vector *v;
    struct hit_list candidates = {0};

    if (q->kind == KITH_QUERY_FUSION)
        return fuse(t, q, lists, hits);
    TRY(unite(t, lists, q->prefetch_count, &candidates));
    switch (q->kind) {
    case KITH_QUERY_NEAREST:
        return nearest_of(t, q, &candidates, want, hits);
    case KITH_QUERY_ORDER_BY:
        return order_of(t, q, &candidates, want, hits);
    case KITH_QUERY_SAMPLE:
        return sample_of(t, &candidates, hits);
    case KITH_QUERY_FORMULA:
        return formula_run(t, q, lists, &candidates, hits);
    case KITH_QUERY_RECOMMEND: case KITH_QUERY_DISCOVER: case KITH_QUERY_CONTEXT: case KITH_QUERY_FEEDBACK:
        TRY(vector_of(t, q, &v));
        return judge_run(t, q, v, NULL, &candidates, hits);
    case KITH_QUERY_TEXT:
        return text_run(t, q, NULL, &candidates, want, hits);
    case KITH_QUERY_SCROLL: case KITH_QUERY_FUSION:
        break;
    }
    return err_set(t->c, KITH_INVALID, "a query is needed to merge the prefetches");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Both must hold; either may be NULL. */
static int both(struct tree *t, const kith_filter *outer, const kith_filter *own, const kith_filter **ret)
{
    kith_filter *f, *subs;

    *ret = own ? own : outer;
    if (!own || !outer)
        return 0;
    f = arena_zalloc(&t->c->arena, sizeof *f);
    subs = arena_alloc(&t->c->arena, 2 * sizeof *subs);
    if (!f || !subs)
        return err_nomem(t->c);
    subs[0] = *outer;
    subs[1] = *own;
    *f = (kith_filter){.kind = KITH_COND_ALL, .subs = subs, .subs_count = 2};
    *ret = f;
    return 0;
}

static int run(struct tree *t, const kith_query *q, const kith_filter *outer, struct hit_list *hits)
{
    size_t want = (size_t)q->limit + q->offset;
    const kith_filter *filter;
    struct hit_list *lists;

    TRY(both(t, outer, q->filter, &filter));
    if (!q->prefetch_count) {
        struct pred *p = NULL;
        t->corpus = q->idf_corpus;
        if (filter)
            TRY(pred_compile(t->c, t->r->snap->schema, filter, &p));
        TRY(leaf(t, q, p, want, hits));
    } else {
        lists = arena_zalloc(&t->c->arena, q->prefetch_count * sizeof *lists);
        if (!lists)
            return err_nomem(t->c);
        for (size_t i = 0; i < q->prefetch_count; i++) {
            kith_query below = q->prefetch[i];
            below.limit = below.limit ? below.limit : 10;
            TRY(run(t, &below, filter, &lists[i]));
        }
        t->corpus = q->idf_corpus;
        TRY(above(t, q, lists, want, hits));
    }
    if (q->kind != KITH_QUERY_NEAREST && q->has_threshold) { /* a score, which is to be reached */
        size_t n = 0;
        for (size_t i = 0; i < hits->count; i++) {
            if (hits->at[i].distance <= q->threshold)
                hits->at[n++] = hits->at[i];
        }
        hits->count = n;
    }
    drop_excluded(t, hits);
    hits->count = MIN(hits->count, want);
    return 0;
}

int tree_run(struct tree *t, const kith_query *q, const kith_filter *outer, struct hit_list *hits)
{
    TRY(exclude_examples(t, q, 0));
    return run(t, q, outer, hits);
}
