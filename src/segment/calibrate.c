/* calibrate.c - the curve of a graph: probe queries, their true neighbours, and what walks find of them.
 *
 * A probe is a point of the segment that is taken as not there: searched for, and left out of the walk and of
 * the truth. (Points near the data but not of it, such as the middle between two neighbours, are much easier
 * to search for than real queries.) The truth is by 8-bit codes over all slots. */
#include "segment/calibrate.h"

#include "base/ctx.h"
#include "base/topk.h"

enum { PROBES_MAX = 128, PROBES_MIN = 24, WORK = 24000000, TRUTH = 100 };

struct calibrating {
    struct ctx *c;
    const struct calibrate_input *in;
    struct graph_scratch scratch;
    struct found *found;
    const void *probe;
    uint32_t item; /* the code of the probe */
    uint32_t truth[TRUTH]; /* rows */
    uint32_t truth_count;
};

/* The true nearest, nearest first. */
static int find_truth(struct calibrating *x)
{
    const struct codes *codes = x->in->codes;
    struct scorer s;
    struct topk best;
    struct ctx c;

    ctx_init(&c, x->c->os);
    if (scorer_init(&s, &c.arena, codes, x->in->kernels) < 0 || topk_init(&best, &c.arena, TRUTH + 1) < 0) {
        ctx_release(&c);
        return err_nomem(x->c);
    }
    scorer_query(&s, x->probe);
    for (uint32_t i = 0; i < codes->count; i += 4) {
        uint32_t slots[4];
        float d[4];
        for (uint32_t j = 0; j < 4; j++)
            slots[j] = MIN(i + j, codes->count - 1);
        scorer_four(&s, slots, d);
        for (uint32_t j = 0; j < 4 && i + j < codes->count; j++)
            topk_push(&best, d[j], i + j);
    }
    x->truth_count = 0;
    for (uint32_t n = best.size; n > 0; n--) { /* nearest first, without the probe itself */
        uint32_t least = 0, item;
        for (uint32_t i = 1; i < n; i++)
            least = best.heap[i].distance < best.heap[least].distance ? i : least;
        item = best.heap[least].row;
        if (item != x->item && x->truth_count < TRUTH)
            x->truth[x->truth_count++] = x->in->rows[item];
        best.heap[least] = best.heap[n - 1];
    }
    ctx_release(&c);
    return 0;
}

static uint32_t count_hits(const struct calibrating *x, uint32_t k, uint32_t n)
{
    uint32_t hits = 0, kept = MIN(n, vector_index_ranked(x->in->shown, k));

    for (uint32_t i = 0; i < MIN(k, x->truth_count); i++) {
        for (uint32_t j = 0; j < kept; j++)
            hits += x->in->shown->slots[x->found[j].slot] == x->truth[i];
    }
    return hits;
}

static int find(struct calibrating *x, struct ctx *c, struct scorer *s, uint32_t width)
{
    const struct calibrate_input *in = x->in;
    struct graph_search search = {.ef = width, .absent = &x->item}; /* of a graph, codes and slots are the same */
    struct lists_search scan = {.probes = (width + LISTS_WIDTH - 1) / LISTS_WIDTH, .absent = in->rows[x->item],
                                .keep = vector_index_ranked(in->shown, curve_ks[CURVE_KS - 1]),
                                .rows_count = in->rows[in->codes->count - 1] + 1};

    if (in->shown->lists.count)
        return vector_index_lists(c, in->shown, in->v, x->probe, s, &x->scratch, &scan, x->found);
    return graph_search(x->c, &in->shown->graph, s, &x->scratch, &search, x->found);
}

static int try_widths(struct calibrating *x, uint32_t hits[CURVE_KS][CURVE_EFS])
{
    const struct calibrate_input *in = x->in;
    struct scorer s;
    struct ctx c;
    int rc;

    ctx_init(&c, x->c->os);
    rc = segment_scorer(&c.arena, in->shown, in->v, x->probe, in->kernels, &s);
    for (size_t e = 0; e < CURVE_EFS && rc >= 0; e++) {
        rc = find(x, &c, &s, curve_efs[e]);
        for (size_t k = 0; k < CURVE_KS && rc >= 0; k++)
            hits[k][e] += count_hits(x, curve_ks[k], (uint32_t)rc);
    }
    ctx_release(&c);
    return rc < 0 ? rc : 0;
}

int calibrate(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve)
{
    struct calibrating x = {.c = c, .in = in};
    uint32_t n = in->codes->count, hits[CURVE_KS][CURVE_EFS] = {{0}};
    uint32_t probes = MIN(MAX(WORK / MAX(n, 1u), (uint32_t)PROBES_MIN), (uint32_t)PROBES_MAX);
    int rc = 0;

    memset(ret_curve, 0, sizeof *ret_curve);
    if (n < TRUTH * 4)
        return 0; /* nothing to learn: such a graph is scanned */
    x.found = arena_alloc(&c->arena, MAX(graph_found_max(curve_efs[CURVE_EFS - 1]),
                                         vector_index_ranked(in->shown, curve_ks[CURVE_KS - 1])) * sizeof *x.found);
    if (!x.found)
        return err_nomem(c);
    for (uint32_t i = 0; i < probes && rc >= 0; i++) {
        x.item = (uint32_t)(((uint64_t)i * 2 + 1) * n / (probes * 2));
        x.probe = in->vector(in->arg, x.item);
        rc = x.probe ? find_truth(&x) : KITH_CORRUPT;
        if (rc >= 0)
            rc = try_widths(&x, hits);
        if (in->stop && in->stop(in->stop_arg))
            rc = KITH_CLOSED;
    }
    graph_scratch_release(&x.scratch);
    TRY(rc);
    curve_finish(ret_curve, hits, probes);
    return 0;
}
