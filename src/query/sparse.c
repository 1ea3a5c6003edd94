/* sparse.c - the best by inner product with a sparse query: by postings where they are sealed, by the
 * vectors themselves where they have changed since, or few match; growing ones by postings that grow with them.
 * Exactly, unless a target recall is named: then sealed postings are searched with as much slack as it allows. */
#include "base/ctx.h"
#include "base/topk.h"
#include "index/postings.h"
#include "os/os.h"
#include "query/query.h"

#include <math.h>

enum { SCAN_SHARE = 48 }; /* reading a row costs as much as so many entries */
enum { SCAN_ALL = 64 };   /* so few growing rows are read */

/* ---- weights ------------------------------------------------------------------------------------------------ */

/* What postings count, and the rows of which they are wrong. */
struct counting {
    struct ctx *c;
    const struct segment *s;
    const struct schema_vector *v;
    const struct sparse *q;
    uint64_t *points, *df;
};

/* Adds, or takes off, what the row has at V. */
static int count_row(const struct counting *n, row_id row, lsn v, bool take_off)
{
    const void *kept;
    struct sparse x;

    TRY(n->s->ops->vector(n->c, n->s, row, v, n->v->id, &kept));
    if (!kept)
        return 0;
    x = sparse_of(kept);
    *n->points += take_off ? -1ull : 1;
    for (uint32_t i = 0, j = 0; i < n->q->count && j < x.count;) {
        uint32_t a = n->q->indices[i], b = x.indices[j];
        n->df[i] += a != b ? 0 : take_off ? -1ull : 1;
        i += a <= b;
        j += b <= a;
    }
    return 0;
}

static int count_rows(const struct counting *n, const struct bits *rows, lsn v, bool take_off)
{
    uint32_t done = 0;

    for (row_id row = bits_next(rows, 0); row != ROW_NONE; row = bits_next(rows, row + 1)) {
        if (++done % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(n->c));
        TRY(count_row(n, row, v, take_off));
    }
    return 0;
}

/* Points of one segment that have the vector, and, of each index of the query, that have it: as the postings say,
 * without the dead, and changed ones as they are now. */
static int count_segment(struct ctx *c, const struct runner *r, const struct schema_vector *v, size_t segment,
                         const struct sparse *q, uint64_t *points, uint64_t *df)
{
    const struct segment *s = r->snap->segments[segment];
    const struct postings *sealed = s->ops->postings(s, v->id);
    const struct live_postings *growing = s->ops->live_postings(s, v->id);
    struct counting n = {c, s, v, q, points, df};
    struct bits live, off, late = {0};
    int late_count;
    bool all;

    TRY(segment_live(c, s, r->snap->v, &live, &all));
    if (!sealed && !growing)
        return count_rows(&n, &live, r->snap->v, false);
    for (uint32_t i = 0; i < q->count; i++) {
        const struct posting_term *t = sealed ? postings_term(sealed, q->indices[i]) : NULL;
        df[i] += t ? t->count : growing ? live_postings_count(growing, q->indices[i], live.size) : 0;
    }
    *points += sealed ? sealed->head.rows : live_postings_rows(growing, live.size);
    late_count = query_take_late(c, s, v->id, &live, &late);
    if (late_count < 0 || (all && !late_count))
        return late_count;
    if (bits_new(&c->arena, live.size, &off) < 0)
        return err_nomem(c);
    bits_fill(&off);
    bits_minus(&off, &live); /* dead, not yet there, or changed */
    TRY(count_rows(&n, &off, 0, true)); /* as they were sealed; growing ones do not change */
    return late_count ? count_rows(&n, &late, r->snap->v, false) : 0;
}

/* The same, of the points that match: their vectors are read. */
static int count_matches(struct ctx *c, const struct runner *r, const struct schema_vector *v, size_t segment,
                         const struct pred *p, const struct sparse *q, uint64_t *points, uint64_t *df)
{
    struct counting n = {c, r->snap->segments[segment], v, q, points, df};
    struct bits mask;
    bool all;

    TRY(query_mask(c, r->snap, segment, p, &mask, &all));
    return count_rows(&n, &mask, r->snap->v, false);
}

int sparse_weigh(struct ctx *c, const struct runner *r, const struct schema_vector *v, const kith_filter *corpus,
                 void *kept)
{
    struct sparse q = sparse_of(kept);
    uint64_t *df = arena_zalloc(&c->arena, MAX(q.count, 1u) * sizeof *df), points = 0;
    float *weights = (float *)kept + 1 + q.count;
    struct pred *p = NULL;

    if (!df)
        return err_nomem(c);
    if (corpus)
        TRY(pred_compile(c, r->snap->schema, corpus, &p));
    for (size_t i = 0; i < r->snap->count; i++)
        TRY(p ? count_matches(c, r, v, i, p, &q, &points, df) : count_segment(c, r, v, i, &q, &points, df));
    for (uint32_t i = 0; i < q.count; i++)
        weights[i] *= sparse_idf(points, df[i]);
    return 0;
}

/* ---- one segment -------------------------------------------------------------------------------------------- */

struct searching {
    struct ctx *c;
    const struct runner *r;
    const kith_query *q;
    const struct schema_vector *v;
    const struct segment *s;
    struct sparse query;
    struct topk best;
    row_id leave_out;
    struct plan_note *note;
};

static int take(void *arg, uint32_t row, float *bar)
{
    struct searching *g = arg;
    uint32_t common;
    const void *kept;
    struct sparse x;
    float d;

    if (++g->note->distances % LOOK_AT_CLOCK == 0)
        TRY(os_in_time(g->c));
    if (row == g->leave_out)
        return 0;
    TRY(g->s->ops->vector(g->c, g->s, row, g->r->snap->v, g->v->id, &kept));
    if (!kept)
        return 0;
    x = sparse_of(kept);
    d = -sparse_dot(&g->query, &x, &common);
    if (common && (!g->q->has_threshold || d < g->q->threshold))
        topk_push(&g->best, d, row);
    if (g->best.size == g->best.capacity)
        *bar = fmaxf(*bar, -topk_worst(&g->best));
    return 0;
}

static int take_rows(struct searching *g, const struct bits *rows)
{
    float bar = -INFINITY;

    for (row_id row = bits_next(rows, 0); row != ROW_NONE; row = bits_next(rows, row + 1))
        TRY(take(g, row, &bar));
    return 0;
}

static uint64_t entries_of(const struct searching *g, const struct postings *p)
{
    uint64_t entries = 0;

    for (uint32_t i = 0; i < g->query.count; i++) {
        const struct posting_term *t = postings_term(p, g->query.indices[i]);
        entries += t ? t->count : 0;
    }
    return entries;
}

static int by_postings(struct searching *g, const struct postings *p, struct bits *mask, bool all)
{
    struct postings_search search = {.query = &g->query, .rows = g->note->rows, .k = g->best.capacity,
                                     .take = take, .arg = g};
    struct bits late;
    int late_count = query_take_late(g->c, g->s, g->v->id, mask, &late);
    float effort = (float)runner_effort(g->r, g->v->id);

    if (late_count < 0)
        return late_count;
    search.allow = all && !late_count && g->leave_out == ROW_NONE ? NULL : mask;
    if (g->q->target_recall > 0 && !g->q->exact)
        search.slack = slack_for(&p->slack, g->best.capacity, g->q->target_recall) / effort;
    g->note->recall = slack_recall(&p->slack, g->best.capacity, search.slack);
    TRY(postings_search(g->c, p, g->r->kernels, &search));
    g->note->entries = search.entries;
    return late_count ? take_rows(g, &late) : 0;
}

/* Sums of all rows first; then the vectors of those that may be among the best, for sums differ in their rounding. */
static int by_live_postings(struct searching *g, const struct live_postings *p, const struct bits *mask)
{
    float *sums = arena_zalloc(&g->c->arena, mask->size * sizeof *sums), bar = -INFINITY;
    struct topk best;
    struct bits some;

    if (!sums || bits_new(&g->c->arena, mask->size, &some) < 0 ||
        topk_init(&best, &g->c->arena, g->best.capacity + 1) < 0) /* one may be left out */
        return err_nomem(g->c);
    live_postings_sum(p, &g->query, mask->size, sums, &some);
    bits_and(&some, mask);
    for (row_id row = bits_next(&some, 0); row != ROW_NONE; row = bits_next(&some, row + 1))
        topk_push(&best, -sums[row], row);
    if (best.size == best.capacity)
        bar = -topk_worst(&best) - fabsf(topk_worst(&best)) * 1e-4f - 1e-6f;
    for (row_id row = bits_next(&some, 0); row != ROW_NONE; row = bits_next(&some, row + 1)) {
        float unused = bar;
        if (!(sums[row] < bar)) /* also where either left the range of f32 */
            TRY(take(g, row, &unused));
    }
    return 0;
}

int sparse_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                   const struct target *target, size_t segment, const struct pred *p, const kith_id *leave_out,
                   struct hit_list *out, struct plan_note *note)
{
    const struct segment *s = r->snap->segments[segment];
    const struct postings *postings = s->ops->postings(s, v->id);
    const struct live_postings *growing = s->ops->live_postings(s, v->id);
    struct searching g = {.c = c, .r = r, .q = q, .v = v, .s = s, .query = sparse_of(target->kept), .note = note};
    struct bits mask;
    bool all;

    note->rows = s->ops->rows(s);
    note->strategy = "none";
    if (!note->rows)
        return 0;
    g.leave_out = leave_out ? s->ops->find(s, leave_out, r->snap->v) : ROW_NONE;
    if (topk_init(&g.best, &c->arena, MIN(q->limit + q->offset, note->rows)) < 0)
        return err_nomem(c);
    TRY(query_mask(c, r->snap, segment, p, &mask, &all));
    note->matches = all ? note->rows : bits_count(&mask);
    if (!note->matches)
        return 0;
    if (growing && note->matches > SCAN_ALL) {
        note->strategy = "growing postings";
        TRY(by_live_postings(&g, growing, &mask));
    } else if (!postings || (uint64_t)note->matches * SCAN_SHARE < entries_of(&g, postings)) {
        note->strategy = "scan";
        TRY(take_rows(&g, &mask));
    } else {
        note->strategy = "postings";
        TRY(by_postings(&g, postings, &mask, all));
    }
    for (uint32_t i = 0; i < g.best.size; i++) {
        struct hit_ref hit = {.distance = g.best.heap[i].distance, .segment = (uint32_t)segment,
                              .row = g.best.heap[i].row};
        TRY(hits_push(c, out, hit));
    }
    return 0;
}
