/* nearest.c - nearest neighbours in one segment: the choice of strategy, and the strategies.
 *
 *   exact      all rows, by f32 (asked for, or there is no graph)
 *   scan       the matching rows only, by f32: very few matches
 *   scan codes the matching rows by their codes, the best by f32: up to some thousands
 *   walk       the graph without a mask
 *   filter     the graph, everything walked, matching rows kept: most rows match
 *   hop        the graph, only matching rows scored, reached over two links: some rows match
 *   lists      the lists nearest to the query; with a mask more of them, and only matching rows scored
 *   lists of vectors  of a multi-vector: the lists nearest to each of its vectors
 *
 * Indexes order by codes; the best are then ordered by the originals. */
#include "base/ctx.h"
#include "base/mem.h"
#include "base/id.h"
#include "base/topk.h"
#include "os/os.h"
#include "query/cost.h"
#include "query/query.h"

#include <math.h>
#include <stdlib.h>

#define HOP_BELOW 0.55  /* share of the rows that match */
#define COARSE_ERRORS 2.5 /* deviations: 3 in 10,000 of the true ten are lost, and a third of the time */
#define HOP_SPARSE 2.0 /* wider than a walk over everything, where nothing matches near the query */
enum { SCAN_ALWAYS = 2000, SCAN_LISTS = 6500, SCAN_ORIGINALS = 150, AHEAD = 32, NEXT = 16 };

struct searching {
    struct ctx *c;
    const struct runner *r;
    const kith_query *q;
    const struct schema_vector *v;
    const struct target *target;
    const struct segment *s;
    struct topk best;
    uint32_t want;
    row_id leave_out;
    uint32_t rows; /* of all segments */
    row_id upto; /* rows from here on are not the graph's business: they are scanned */
    size_t prefetched; /* bytes of a row's vector that are fetched ahead */
};

static int score_row(struct searching *g, row_id row, float *ret_distance)
{
    const void *data;
    float d;

    *ret_distance = 0;
    if (row == g->leave_out)
        return 0;
    TRY(g->s->ops->vector(g->c, g->s, row, g->r->snap->v, g->v->id, &data));
    if (!data)
        return 0;
    d = vector_distance(g->r->kernels, g->v, g->target->kept, data, NULL);
    *ret_distance = d;
    if (isnan(d)) /* the sum left the range of f32: as far away as can be */
        d = INFINITY;
    if (!g->q->has_threshold || d < g->q->threshold)
        topk_push(&g->best, d, row);
    return 0;
}

/* Rows of a multi-vector are taken to be about as long as the query. */
static size_t bytes_ahead(const struct schema_vector *v, const struct target *target)
{
    return v->multi ? MIN(v->size * many_of(target->kept).count, (size_t)16384) : MIN(v->size, (size_t)2048);
}

static void prefetch_row(const struct searching *g, row_id row)
{
    const void *data;

    if (g->s->ops->vector(g->c, g->s, row, g->r->snap->v, g->v->id, &data) < 0 || !data)
        return;
    for (size_t at = 0; at < g->prefetched; at += 64)
        __builtin_prefetch((const uint8_t *)data + at);
}

static int scan_rows(struct searching *g, const struct row_set *rows, uint32_t at, struct plan_note *note)
{
    row_id ahead[NEXT]; /* a ring: they are on their way to the cache */
    uint32_t first = 0, n = 0;
    float d;

    while (n < NEXT && (ahead[n] = rows_next(rows, &at)) != ROW_NONE)
        prefetch_row(g, ahead[n++]);
    for (; n; first = (first + 1) % NEXT) {
        TRY(score_row(g, ahead[first], &d));
        ahead[first] = rows_next(rows, &at);
        if (ahead[first] != ROW_NONE)
            prefetch_row(g, ahead[first]);
        else
            n--;
        if (++note->distances % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(g->c));
    }
    return 0;
}

static int scan(struct searching *g, const struct bits *mask, row_id from, struct plan_note *note)
{
    struct row_set rows = {.mask = mask};

    return scan_rows(g, &rows, from, note);
}

static int by_distance(const void *x, const void *y)
{
    const struct found *a = x, *b = y;

    return a->distance < b->distance ? -1 : a->distance > b->distance;
}

static void sort_found(struct found *f, int n)
{
    if (n > 200) {
        qsort(f, (size_t)n, sizeof *f, by_distance);
        return;
    }
    for (int i = 1; i < n; i++) {
        struct found x = f[i];
        int j = i;
        for (; j > 0 && f[j - 1].distance > x.distance; j--)
            f[j] = f[j - 1];
        f[j] = x;
    }
}

/* The best of a walk, put in order by the lower plane of the grid: so few originals are read. */
static void refine(const struct scorer *s, struct found *found, int n)
{
    for (int i = 0; i < n; i++) {
        for (size_t at = 0; at < s->stride && at < 512; at += 64)
            __builtin_prefetch(s->rest + (size_t)found[i].slot * s->stride + at);
    }
    for (int i = 0; i < n; i += 4) {
        uint32_t slots[4];
        float d[4];
        for (int j = 0; j < 4; j++) {
            slots[j] = found[MIN(i + j, n - 1)].slot;
            d[j] = found[MIN(i + j, n - 1)].distance;
        }
        scorer_refine(s, slots, d);
        for (int j = 0; j < 4 && i + j < n; j++)
            found[i + j].distance = d[j];
    }
    sort_found(found, n);
}

/* How many are to be found before they are ordered. */
static uint32_t over(const struct searching *g)
{
    return (uint32_t)MIN((double)g->want * MAX((double)g->q->oversampling, 1.0), (double)GRAPH_EF_MAX);
}

/* By the codes alone. */
static int rank_codes(struct searching *g, const struct vector_index *x, const struct found *found, int n)
{
    for (int i = 0; i < n; i++) {
        row_id row = x->slots[found[i].slot];
        float d = g->v->metric == KITH_EUCLID ? fmaxf(found[i].distance, 0) : found[i].distance; /* a square */
        if (row < g->upto && row != g->leave_out && (!g->q->has_threshold || d < g->q->threshold))
            topk_push(&g->best, d, row);
    }
    return 0;
}

/* How far off the codes are, as seen on the way. */
struct errors {
    float most;
    double squares;
    uint32_t n;
};

static void note_error(struct errors *e, float error)
{
    e->most = MAX(e->most, error);
    e->squares += (double)error * (double)error;
    e->n++;
}

/* Beyond this nothing is expected. Fine codes: twice the largest error so far. Coarse ones err by chance in many
 * elements, as a normal distribution does. */
static float likely_error(const struct errors *e, enum code_form form)
{
    return form == CODE_NIBBLES ? 2 * e->most : (float)(COARSE_ERRORS * sqrt(e->squares / MAX(e->n, 1u)));
}

/* Ranks by the originals as many as are wanted, and then those that the codes' error may have put behind them. */
static int rank(struct searching *g, const struct vector_index *x, const struct found *found, int n)
{
    bool whole = x->form == CODE_BYTES || x->form == CODE_L1 || x->form == CODE_BITS;
    int sure = whole ? n : MIN(n, (int)MAX(g->want + 1, over(g)));
    int likely = x->form == CODE_NIBBLES ? MIN(n, sure + 2) : n; /* coarser codes: many more will be looked at */
    struct errors errors = {0, 0, 0};
    float d;

    if (!whole && g->q->by_codes)
        return rank_codes(g, x, found, n);
    for (int i = 0; i < MIN(likely, (int)NEXT); i++)
        prefetch_row(g, x->slots[found[i].slot]);
    for (int i = 0; i < n; i++) {
        if (i >= sure && found[i].distance - likely_error(&errors, x->form) > topk_worst(&g->best))
            break;
        if (i + NEXT < likely)
            prefetch_row(g, x->slots[found[i + NEXT].slot]);
        if (x->slots[found[i].slot] >= g->upto)
            continue;
        TRY(score_row(g, x->slots[found[i].slot], &d));
        note_error(&errors, fabsf(d - found[i].distance));
    }
    return 0;
}

/* How many of what is found by codes are worth a second look. */
static uint32_t ranked(const struct searching *g, const struct vector_index *x)
{
    return MIN(MAX(vector_index_ranked(x, g->want), over(g)), (uint32_t)GRAPH_EF_MAX);
}

/* Found by codes, nearest first: ordered by all that is known of them. */
static int order(struct searching *g, const struct vector_index *x, const struct scorer *s, struct found *found, int n)
{
    n = MIN(n, (int)ranked(g, x));
    if (s->form == CODE_NIBBLES && s->rest)
        refine(s, found, n);
    return rank(g, x, found, n);
}

static int walk(struct searching *g, const struct vector_index *x, struct graph_search *search,
                struct graph_scratch *scratch, struct plan_note *note)
{
    uint32_t most = graph_found_max(MAX(search->ef, search->ef_sparse));
    struct found *found = arena_alloc(&g->c->arena, most * sizeof *found);
    struct scorer scorer;
    struct graph graph;
    int n;

    if (!found || segment_scorer(&g->c->arena, x, g->v, g->target->plain, g->r->kernels, &scorer) < 0)
        return err_nomem(g->c);
    graph = x->graph;
    if (x->live)
        graph_builder_view(x->live, &graph);
    n = graph_search(g->c, &graph, &scorer, scratch, search, found);
    if (n < 0)
        return n;
    note->distances += search->distances;
    note->hops += search->hops;
    note->ef = search->ef;
    if (!search->gave_up)
        TRY(order(g, x, &scorer, found, n));
    return n;
}

/* As asked; else the least that finds the wanted share, of as many as may lie in this segment. The monitor
 * widens it where its measurements say so. */
static uint32_t width(const struct searching *g, const struct vector_index *x, struct plan_note *note)
{
    float target = g->q->target_recall > 0 ? g->q->target_recall : QUERY_TARGET_RECALL;
    double expected = g->want * (double)note->rows / (double)MAX(g->rows, note->rows);
    double k = fmin(g->want, expected + 2 * sqrt(expected) + 1);
    uint32_t ef = g->q->ef;

    if (!ef)
        ef = (uint32_t)((double)curve_ef(&x->curve, k, target) * runner_effort(g->r, g->v->id));
    ef = MIN(MAX(ef, over(g) + (g->leave_out != ROW_NONE)), (uint32_t)GRAPH_EF_MAX);
    note->recall = curve_recall(&x->curve, k, ef);
    return ef;
}

static bool slots_are_rows(const struct searching *g, const struct vector_index *x)
{
    return !x->live && !x->lists.count && x->graph.count == g->s->ops->rows(g->s);
}

/* The next matching rows, their records on the way to the cache. */
static uint32_t next_rows(const struct scorer *s, const struct row_set *rows, uint32_t *at, uint32_t slots[AHEAD])
{
    uint32_t n = 0;

    for (; n < AHEAD && (slots[n] = rows_next(rows, at)) != ROW_NONE; n++) {
        const uint8_t *record = s->base + (size_t)slots[n] * s->stride;
        for (size_t line = 0; line < s->length && line < 512; line += 64)
            __builtin_prefetch(record + line);
    }
    return n;
}

/* The matching rows by their codes, the best of them by the originals: many times faster than by the
 * originals alone, and what the codes put wrong is within their error, which `rank` allows for. */
static int scan_codes(struct searching *g, const struct vector_index *x, const struct row_set *rows, uint32_t matches,
                      struct plan_note *note)
{
    uint32_t most = MIN(ranked(g, x), matches), slots[2][AHEAD + 3], n[2], at = 0;
    struct found *found = arena_alloc(&g->c->arena, most * sizeof *found);
    struct scorer s;
    struct shortlist best;
    float d[4];

    if (!found || shortlist_init(&best, &g->c->arena, most) < 0 ||
        segment_scorer(&g->c->arena, x, g->v, g->target->plain, g->r->kernels, &s) < 0)
        return err_nomem(g->c);
    n[0] = next_rows(&s, rows, &at, slots[0]);
    for (int turn = 0; n[turn]; turn = !turn) { /* while one lot is scored, the next one comes */
        const uint32_t *now = slots[turn];
        n[!turn] = next_rows(&s, rows, &at, slots[!turn]);
        for (uint32_t i = n[turn]; i % 4; i++)
            slots[turn][i] = now[0];
        for (uint32_t i = 0; i < n[turn]; i += 4) {
            scorer_four(&s, now + i, d);
            for (uint32_t j = i; j < MIN(i + 4, n[turn]); j++)
                shortlist_push(&best, d[j - i], now[j]);
        }
        note->distances += n[turn];
    }
    if (s.form == CODE_NIBBLES && s.rest) /* they will be put in order by more than this */
        shortlist_cut(&best);
    else
        shortlist_finish(&best);
    for (uint32_t i = 0; i < best.size; i++)
        found[i] = (struct found){best.at[i].distance, best.at[i].row};
    return order(g, x, &s, found, (int)best.size);
}

/* With a mask as many rows are to be looked at as without: more lists. */
static int by_lists(struct searching *g, const struct vector_index *x, const struct bits *mask, uint32_t matches,
                    bool all, struct plan_note *note)
{
    struct lists_search search = {.absent = g->leave_out, .rows_count = note->rows, .keep = ranked(g, x)};
    struct found *found = arena_alloc(&g->c->arena, search.keep * sizeof *found);
    uint32_t probes = g->q->probes ? g->q->probes : vector_index_probes(width(g, x, note));
    struct graph_scratch *scratch;
    struct scorer s;
    int n;

    if (!found || segment_scorer(&g->c->arena, x, g->v, g->target->plain, g->r->kernels, &s) < 0)
        return err_nomem(g->c);
    search.probes = (uint32_t)fmin(x->lists.count, all ? probes : ceil((double)probes * note->rows / matches));
    search.allow = all ? NULL : mask;
    scratch = scratch_take(g->r->pool);
    if (!scratch)
        return err_nomem(g->c);
    n = vector_index_lists(g->c, x, g->v, g->target->plain, &s, scratch, &search, found);
    scratch_give(g->r->pool, scratch);
    if (n < 0)
        return n;
    note->strategy = "lists";
    note->distances += search.distances;
    note->hops += search.scanned;
    note->ef = search.probes;
    if ((uint32_t)n >= MIN(g->want, matches))
        return order(g, x, &s, found, n);
    note->strategy = "lists, then scan";
    return scan(g, mask, 0, note);
}

/* The same of a multi-vector: what is found are rows. */
static int by_many(struct searching *g, const struct vector_index *x, const struct bits *mask, uint32_t matches,
                   bool all, struct plan_note *note)
{
    struct lists_search search = {.absent = ROW_NONE, .rows_count = note->rows};
    uint32_t probes = g->q->probes ? g->q->probes : vector_index_probes(width(g, x, note));
    struct graph_scratch *scratch;
    struct found *found;
    float d;
    int n;

    search.keep = MIN(MAX(vector_index_many_ranked(g->want), over(g)), note->rows);
    search.probes = (uint32_t)fmin(x->lists.count, all ? probes : ceil((double)probes * note->rows / matches));
    search.allow = all ? NULL : mask;
    found = arena_alloc(&g->c->arena, search.keep * sizeof *found);
    scratch = scratch_take(g->r->pool);
    n = found && scratch ? vector_index_many(g->c, x, g->v, g->target->kept, g->r->kernels, scratch, &search, found)
                         : err_nomem(g->c);
    if (scratch)
        scratch_give(g->r->pool, scratch);
    if (n < 0)
        return n;
    note->strategy = "lists of vectors";
    note->distances += search.distances;
    note->hops += search.scanned;
    note->ef = search.probes;
    if ((uint32_t)n < MIN(g->want, matches)) {
        note->strategy = "lists of vectors, then scan";
        return scan(g, mask, 0, note);
    }
    for (int i = 0; i < n; i++)
        TRY(score_row(g, found[i].slot, &d));
    return os_in_time(g->c);
}

static uint32_t times(uint32_t ef, double factor)
{
    return (uint32_t)fmin((double)ef * factor + 1, GRAPH_EF_MAX);
}

/* What a scan reads of a row. */
static size_t scanned_bytes(const struct searching *g, const struct vector_index *x)
{
    if (!slots_are_rows(g, x))
        return g->v->size;
    switch (x->form) {
    case CODE_NIBBLES:
        return (g->v->dim + 1) / 2;
    case CODE_PLANES:
        return (size_t)(g->v->dim + 7) / 8 * x->planes.bits;
    case CODE_PRODUCT:
        return x->product.parts;
    case CODE_BYTES: case CODE_L1: case CODE_BITS: case CODE_FORMS:
        break;
    }
    return x->codes.stride;
}

/* All that match, few as they are. */
static int by_scan(struct searching *g, const struct vector_index *x, const struct row_set *rows, uint32_t matches,
                   struct plan_note *note)
{
    if (!x || !slots_are_rows(g, x) || matches <= SCAN_ORIGINALS) {
        note->strategy = x ? "scan" : "exact";
        return scan_rows(g, rows, 0, note);
    }
    note->strategy = "scan codes";
    return scan_codes(g, x, rows, matches, note);
}

/* Below it a walk goes over the matches alone. */
static double share_to_hop(const struct searching *g)
{
    return MAX((double)g->q->hop_below, HOP_BELOW);
}

/* Over the matches alone, wide enough to find about as much as a walk over everything; where few are near the query,
 * wider still, unless a scan is worth as much then. */
static void hop(const struct searching *g, const struct vector_index *x, struct graph_search *search, uint32_t ef,
                uint32_t matches)
{
    size_t bytes = scanned_bytes(g, x);

    search->hop_over = true;
    search->ef = ef;
    search->ef_sparse = times(ef, HOP_SPARSE);
    search->dense_only = cost_prefers_scan(cost_scan(matches, bytes),
                                           cost_walk(&x->curve, search->ef_sparse, bytes, search->share, true));
}

static int by_graph(struct searching *g, const struct vector_index *x, const struct bits *mask, uint32_t matches,
                    bool all, struct plan_note *note)
{
    uint32_t ef = width(g, x, note);
    double share = (double)matches / (double)note->rows;
    struct graph_search search = {.ef = ef};
    struct graph_scratch *scratch;
    int n;

    note->strategy = "walk";
    if (!all) {
        search.allow = mask;
        search.rows = slots_are_rows(g, x) ? NULL : x->slots;
        if (share < share_to_hop(g))
            hop(g, x, &search, ef, matches);
        else
            search.ef = times(ef, 1 / share); /* it must meet the others too */
        search.share = share;
        note->strategy = search.hop_over ? "hop" : "filter";
    }
    scratch = scratch_take(g->r->pool);
    if (!scratch)
        return err_nomem(g->c);
    n = walk(g, x, &search, scratch, note);
    if (n >= 0 && !all && !search.hop_over && (search.gave_up || search.inside < ef - ef / 8)) {
        /* near here fewer match than elsewhere */
        note->strategy = "filter, then hop";
        hop(g, x, &search, ef, matches);
        g->best.size = 0;
        n = walk(g, x, &search, scratch, note);
    }
    scratch_give(g->r->pool, scratch);
    if (n < 0)
        return n;
    if (search.hop_over && search.gave_up) {
        struct row_set rows = {.mask = mask};
        TRY(by_scan(g, x, &rows, matches, note));
        note->strategy = "hop, then scan codes";
        return 0;
    }
    /* a walk over a thin mask may end in a pocket: then look at all that match */
    if ((uint32_t)n < MIN(g->want, matches)) {
        note->strategy = "hop, then scan";
        g->best.size = 0;
        return scan(g, mask, 0, note);
    }
    if (!x->live || (g->q->indexed_only && note->rows - MIN(g->upto, note->rows) > SCAN_ALWAYS))
        return 0;
    return scan(g, mask, g->upto, note);
}

int query_take_late(struct ctx *c, const struct segment *s, uint32_t vector_id, struct bits *mask, struct bits *late)
{
    const struct vecver *d = s->ops->revised(s, vector_id);
    int n = 0;

    if (!d || MUTANT(MUTANT_GRAPH_IGNORES_VECTORS))
        return 0;
    if (bits_new(&c->arena, mask->size, late) < 0)
        return err_nomem(c);
    for (; d; d = d->next) {
        if (!bits_get(mask, d->row))
            continue;
        bits_clear(mask, d->row);
        bits_set(late, d->row);
        n++;
    }
    return n;
}

/* Whether so many matches are sooner looked at than searched for. */
static bool is_scanned(struct searching *g, const struct vector_index *x, uint32_t matches, struct plan_note *note)
{
    double share = (double)matches / note->rows;
    size_t bytes;

    if (!x || g->want > GRAPH_EF_MAX / 2 || matches <= SCAN_ALWAYS)
        return true;
    if (matches == note->rows)
        return false;
    if (x->lists.count)
        return matches < note->rows / 4 && matches <= SCAN_LISTS && !g->v->multi;
    bytes = scanned_bytes(g, x);
    return cost_prefers_scan(cost_scan(matches, bytes),
                             cost_walk(&x->curve, width(g, x, note), bytes, share, share < share_to_hop(g)));
}

static int give(struct searching *g, size_t segment, struct hit_list *out)
{
    for (uint32_t i = 0; i < g->best.size; i++) {
        struct hit_ref hit = {.distance = g->best.heap[i].distance, .segment = (uint32_t)segment,
                              .row = g->best.heap[i].row};
        TRY(hits_push(g->c, out, hit));
    }
    return 0;
}

int nearest_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                    const struct target *target, size_t segment, const struct pred *p, const kith_id *leave_out,
                    struct hit_list *out, struct plan_note *note)
{
    const struct segment *s = r->snap->segments[segment];
    const struct vector_index *x = q->exact || v->index.method == KITH_METHOD_FLAT ? NULL : s->ops->index(s, v->id);
    struct searching g = {c, r, q, v, target, s, {0}, q->limit + q->offset, ROW_NONE, 0, ROW_NONE,
                          bytes_ahead(v, target)};
    struct bits mask = {0}, late = {0};
    struct row_set rows = {.mask = &mask};
    uint32_t matches;
    int late_count = 0, few = 0;
    bool all;

    if (x && x->live) /* before the rows are counted: what is linked is there */
        g.upto = atomic_load(x->live_rows);
    note->rows = s->ops->rows(s);
    if (!note->rows)
        return 0;
    for (size_t i = 0; i < r->snap->count; i++)
        g.rows += r->snap->segments[i]->ops->rows(r->snap->segments[i]);
    if (leave_out)
        g.leave_out = s->ops->find(s, leave_out, r->snap->v);
    if (topk_init(&g.best, &c->arena, MIN(g.want, note->rows)) < 0)
        return err_nomem(c);
    if (x ? !s->ops->revised(s, v->id) : !q->indexed_only)
        few = query_few(c, r->snap, segment, p, note->rows / 4, &rows);
    TRY(few);
    if (few && is_scanned(&g, x, rows.count, note)) {
        note->matches = rows.count;
        note->strategy = "none";
        TRY(rows.count ? by_scan(&g, x, &rows, rows.count, note) : 0);
        return give(&g, segment, out);
    }
    TRY(query_mask(c, r->snap, segment, p, &mask, &all));
    matches = all ? note->rows : bits_count(&mask);
    note->matches = matches;
    note->strategy = "none";
    if (!matches)
        return 0;
    if (!x && q->indexed_only && note->rows > SCAN_ALWAYS) {
        note->strategy = "left out";
        return 0;
    }
    if (x)
        late_count = query_take_late(c, s, v->id, &mask, &late);
    if (late_count < 0)
        return late_count;
    matches -= (uint32_t)late_count;
    all = all && !late_count;
    if (is_scanned(&g, x, matches, note)) {
        TRY(by_scan(&g, x, &rows, matches, note));
    } else {
        TRY((v->multi ? by_many : x->lists.count ? by_lists : by_graph)(&g, x, &mask, matches, all, note));
    }
    if (late_count)
        TRY(scan(&g, &late, 0, note));
    return give(&g, segment, out);
}
