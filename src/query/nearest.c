/* nearest.c - nearest neighbours in one segment: the choice of strategy, and the strategies.
 *
 *   exact      all rows, by f32 (asked for, or there is no graph)
 *   scan       the matching rows only, by f32: few matches
 *   walk       the graph without a mask
 *   filter     the graph, everything walked, matching rows kept: most rows match
 *   hop        the graph, only matching rows scored, reached over two links: some rows match
 *
 * The graph orders by 8-bit codes; the best are then ordered by the originals. */
#include "base/ctx.h"
#include "base/mem.h"
#include "base/id.h"
#include "base/topk.h"
#include "query/query.h"

#include <math.h>

enum { EF_DEFAULT = 128, SCAN_ALWAYS = 2000, RERANK_MORE = 32 };

void scratch_pool_release(struct scratch_pool *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *s = atomic_load(&p->free[i]);
        if (s)
            graph_scratch_release(s);
        mem_free(s);
    }
}

static struct graph_scratch *scratch_take(struct scratch_pool *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *s = atomic_exchange(&p->free[i], NULL);
        if (s)
            return s;
    }
    return mem_zalloc(sizeof(struct graph_scratch));
}

static void scratch_give(struct scratch_pool *p, struct graph_scratch *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *none = NULL;
        if (atomic_compare_exchange_strong(&p->free[i], &none, s))
            return;
    }
    graph_scratch_release(s);
    mem_free(s);
}

struct searching {
    struct ctx *c;
    const struct runner *r;
    const kith_query *q;
    const struct schema_vector *v;
    const float *query;
    const struct segment *s;
    struct topk best;
    uint32_t want;
    row_id leave_out;
};

static int score_row(struct searching *g, row_id row)
{
    const float *data;
    float d;

    if (row == g->leave_out)
        return 0;
    TRY(g->s->ops->vector(g->c, g->s, row, g->v->id, &data));
    if (!data)
        return 0;
    d = vec_distance(g->r->kernels, g->v->metric, g->query, data, g->v->dim);
    if (isnan(d)) /* the sum left the range of f32: as far away as can be */
        d = INFINITY;
    if (!g->q->has_threshold || d < g->q->threshold)
        topk_push(&g->best, d, row);
    return 0;
}

static int scan(struct searching *g, const struct bits *mask, struct plan_note *note)
{
    for (row_id row = bits_next(mask, 0); row != ROW_NONE; row = bits_next(mask, row + 1)) {
        TRY(score_row(g, row));
        note->distances++;
    }
    return 0;
}

/* The mask over slots; the same words if slots are rows. */
static int slot_mask(struct ctx *c, const struct segment_graph *x, const struct bits *rows, struct bits *ret)
{
    uint32_t count = x->graph.codes.count;

    if (count == rows->size) {
        *ret = *rows;
        return 0;
    }
    if (bits_new(&c->arena, count, ret) < 0)
        return err_nomem(c);
    for (uint32_t slot = 0; slot < count; slot++) {
        if (bits_get(rows, x->slots[slot]))
            bits_set(ret, slot);
    }
    return 0;
}

static int walk(struct searching *g, const struct segment_graph *x, struct graph_search *search,
                struct graph_scratch *scratch, struct plan_note *note)
{
    struct found *found = arena_alloc(&g->c->arena, (size_t)search->ef * sizeof *found);
    struct scorer scorer;
    int n;

    if (!found || scorer_init(&scorer, &g->c->arena, &x->graph.codes, g->r->kernels) < 0)
        return err_nomem(g->c);
    scorer_query(&scorer, g->query);
    n = graph_search(g->c, &x->graph, &scorer, scratch, search, found);
    if (n < 0)
        return n;
    note->distances += search->distances;
    note->hops += search->hops;
    note->ef = search->ef;
    n = MIN(n, (int)MIN(g->want * 2 + RERANK_MORE, (uint32_t)GRAPH_EF_MAX));
    for (int i = 0; i < n; i++) {
        const float *data;
        row_id row = x->slots[found[i].slot];
        if (g->s->ops->vector(g->c, g->s, row, g->v->id, &data) >= 0 && data) {
            for (uint32_t at = 0; at < g->v->dim && at < 512; at += 16)
                __builtin_prefetch(data + at);
        }
    }
    for (int i = 0; i < n; i++)
        TRY(score_row(g, x->slots[found[i].slot]));
    return n;
}

static int by_graph(struct searching *g, const struct segment_graph *x, const struct bits *mask, uint32_t matches,
                    bool all, struct plan_note *note)
{
    uint32_t ef = g->q->ef ? g->q->ef : MAX((uint32_t)EF_DEFAULT, g->want * 2);
    double share = (double)matches / (double)MAX(x->graph.codes.count, 1u);
    struct graph_search search = {0};
    struct graph_scratch *scratch;
    struct bits slots;
    int n;

    search.ef = MIN(MAX(ef, g->want + (g->leave_out != ROW_NONE)), (uint32_t)GRAPH_EF_MAX);
    note->strategy = "walk";
    if (!all) {
        TRY(slot_mask(g->c, x, mask, &slots));
        search.allow = &slots;
        search.hop_over = share < 0.4;
        note->strategy = search.hop_over ? "hop" : "filter";
        if (!search.hop_over)
            search.ef = MIN((uint32_t)((double)search.ef / share) + 1, (uint32_t)GRAPH_EF_MAX);
    }
    scratch = scratch_take(g->r->pool);
    if (!scratch)
        return err_nomem(g->c);
    n = walk(g, x, &search, scratch, note);
    scratch_give(g->r->pool, scratch);
    if (n < 0)
        return n;
    /* a walk over a thin mask may end in a pocket: then look at all that match */
    if ((uint32_t)n < MIN(g->want, matches)) {
        note->strategy = "hop, then scan";
        g->best.size = 0;
        return scan(g, mask, note);
    }
    return 0;
}

int nearest_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                    const float *query, size_t segment, const struct pred *p, const kith_id *leave_out,
                    struct hit_list *out, struct plan_note *note)
{
    const struct segment *s = r->snap->segments[segment];
    const struct segment_graph *x = q->exact ? NULL : s->ops->graph(s, v->id);
    struct searching g = {c, r, q, v, query, s, {0}, q->limit + q->offset, ROW_NONE};
    struct bits mask = {0};
    uint32_t matches;
    bool all;

    note->rows = s->ops->rows(s);
    if (!note->rows)
        return 0;
    if (leave_out)
        g.leave_out = s->ops->find(s, leave_out, r->snap->v);
    if (topk_init(&g.best, &c->arena, MIN(g.want, note->rows)) < 0)
        return err_nomem(c);
    TRY(query_mask(c, r->snap, segment, p, &mask, &all));
    matches = all ? note->rows : bits_count(&mask);
    note->matches = matches;
    note->strategy = "none";
    if (!matches)
        return 0;
    if (!x || g.want > GRAPH_EF_MAX / 2 || matches <= SCAN_ALWAYS ||
        (matches < note->rows / 4 && matches < MAX(q->ef, (uint32_t)EF_DEFAULT) * 40)) {
        note->strategy = !x ? "exact" : "scan";
        TRY(scan(&g, &mask, note));
    } else {
        TRY(by_graph(&g, x, &mask, matches, all, note));
    }
    for (uint32_t i = 0; i < g.best.size; i++) {
        struct hit_ref hit = {.distance = g.best.heap[i].distance, .segment = (uint32_t)segment,
                              .row = g.best.heap[i].row};
        TRY(hits_push(c, out, hit));
    }
    return 0;
}
