/* sparse.c - the best by inner product with a sparse query, exactly: by postings where they are sealed, by the
 * vectors themselves where they grow, have changed since, or few match. */
#include "base/ctx.h"
#include "base/topk.h"
#include "index/postings.h"
#include "os/os.h"
#include "query/query.h"

#include <math.h>

enum { SCAN_SHARE = 48 }; /* reading a row costs as much as so many entries */

/* ---- weights ------------------------------------------------------------------------------------------------ */

/* Points of one segment that have the vector, and, of each index of the query, that have it. */
static int count_segment(struct ctx *c, const struct runner *r, const struct schema_vector *v, size_t segment,
                         const struct sparse *q, uint64_t *points, uint64_t *df)
{
    const struct segment *s = r->snap->segments[segment];
    const struct postings *p = s->ops->postings(s, v->id);
    struct bits live;
    bool all;

    if (p && !atomic_load(&((struct segment *)(uintptr_t)s)->dead_count) && !s->ops->revised(s, v->id)) {
        for (uint32_t i = 0; i < q->count; i++) {
            const struct posting_term *t = postings_term(p, q->indices[i]);
            df[i] += t ? t->count : 0;
        }
        *points += p->head.rows;
        return 0;
    }
    TRY(segment_live(c, s, r->snap->v, &live, &all));
    for (row_id row = bits_next(&live, 0); row != ROW_NONE; row = bits_next(&live, row + 1)) {
        const void *kept;
        struct sparse x;
        if (row % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(c));
        TRY(s->ops->vector(c, s, row, r->snap->v, v->id, &kept));
        if (!kept)
            continue;
        x = sparse_of(kept);
        ++*points;
        for (uint32_t i = 0, j = 0; i < q->count && j < x.count;) {
            df[i] += q->indices[i] == x.indices[j];
            uint32_t a = q->indices[i], b = x.indices[j];
            i += a <= b;
            j += b <= a;
        }
    }
    return 0;
}

int sparse_weigh(struct ctx *c, const struct runner *r, const struct schema_vector *v, void *kept)
{
    struct sparse q = sparse_of(kept);
    uint64_t *df = arena_zalloc(&c->arena, MAX(q.count, 1u) * sizeof *df), points = 0;
    float *weights = (float *)kept + 1 + q.count;

    if (!df)
        return err_nomem(c);
    for (size_t i = 0; i < r->snap->count; i++)
        TRY(count_segment(c, r, v, i, &q, &points, df));
    for (uint32_t i = 0; i < q.count; i++)
        weights[i] *= (float)log(1 + ((double)points - (double)df[i] + 0.5) / ((double)df[i] + 0.5));
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

    if (late_count < 0)
        return late_count;
    search.allow = all && !late_count && g->leave_out == ROW_NONE ? NULL : mask;
    TRY(postings_search(g->c, p, g->r->kernels, &search));
    g->note->entries = search.entries;
    return late_count ? take_rows(g, &late) : 0;
}

int sparse_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                   const struct target *target, size_t segment, const struct pred *p, const kith_id *leave_out,
                   struct hit_list *out, struct plan_note *note)
{
    const struct segment *s = r->snap->segments[segment];
    const struct postings *postings = s->ops->postings(s, v->id);
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
    if (!postings || (uint64_t)note->matches * SCAN_SHARE < entries_of(&g, postings)) {
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
