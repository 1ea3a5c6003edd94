/* calibrate.c - the curve of a graph: probe queries, their true neighbours, and what walks find of them.
 *
 * A probe is a point of the segment that is taken as not there: searched for, and left out of the walk and of
 * the truth. (Points near the data but not of it, such as the middle between two neighbours, are much easier
 * to search for than real queries.) Probes and truth are by 8-bit codes. */
#include "segment/calibrate.h"

#include "base/ctx.h"
#include "os/crew.h"

enum { PROBES_MAX = 128, PROBES_MIN = 24, WORK = 24000000, TRUTH = 100 };

struct calibrating {
    struct ctx *c;
    const struct calibrate_input *in;
    struct graph_scratch scratch;
    struct found *found;
    float *room;
    const void *probe;
    uint32_t item; /* the code of the probe */
    uint32_t truth[TRUTH]; /* rows */
    uint32_t truth_count, hits[CURVE_KS][CURVE_EFS];
    uint64_t distances[CURVE_EFS];
};

/* Probes by turns, by several threads. */
struct probing {
    struct ctx *c;
    const struct calibrate_input *in;
    uint32_t probes;
    struct calibrate_tally tally;
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
    scorer_scan(&s, codes->count, &best);
    topk_sort(&best);
    x->truth_count = 0;
    for (uint32_t i = 0; i < best.size && x->truth_count < TRUTH; i++) { /* without the probe itself */
        if (best.heap[i].row != x->item)
            x->truth[x->truth_count++] = x->in->rows[best.heap[i].row];
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

static int find(struct calibrating *x, struct ctx *c, struct scorer *s, uint32_t width, uint64_t *distances)
{
    const struct calibrate_input *in = x->in;
    struct graph_search search = {.ef = width, .absent = &x->item}; /* of a graph, codes and slots are the same */
    struct lists_search scan = {.probes = vector_index_probes(width), .absent = in->rows[x->item],
                                .keep = vector_index_ranked(in->shown, curve_ks[CURVE_KS - 1]),
                                .rows_count = in->rows[in->codes->count - 1] + 1};

    int n = in->shown->lists.count ? vector_index_lists(c, in->shown, in->v, x->probe, s, &x->scratch, &scan, x->found)
                                   : graph_search(x->c, &in->shown->graph, s, &x->scratch, &search, x->found);

    *distances += in->shown->lists.count ? scan.distances : search.distances;
    return n;
}

static int try_widths(struct calibrating *x)
{
    const struct calibrate_input *in = x->in;
    struct scorer s;
    struct ctx c;
    int rc;

    ctx_init(&c, x->c->os);
    rc = segment_scorer(&c.arena, in->shown, in->v, x->probe, in->kernels, &s);
    for (size_t e = 0; e < CURVE_EFS && rc >= 0; e++) {
        rc = find(x, &c, &s, curve_efs[e], &x->distances[e]);
        for (size_t k = 0; k < CURVE_KS && rc >= 0; k++)
            x->hits[k][e] += count_hits(x, curve_ks[k], (uint32_t)rc);
    }
    ctx_release(&c);
    return rc < 0 ? rc : 0;
}

static int try_probe(struct calibrating *x, uint32_t item)
{
    const struct codes *codes = x->in->codes;

    x->item = item;
    x->probe = codes->bits ? (const void *)codes_at(codes, item) : x->room;
    if (!codes->bits)
        codes_decode(codes, item, x->room);
    TRY(find_truth(x));
    return try_widths(x);
}

static int try_probes(struct probing *p, struct calibrating *x)
{
    uint32_t n = p->in->codes->count, i, most = vector_index_ranked(p->in->shown, curve_ks[CURVE_KS - 1]);

    most = MAX(most, graph_found_max(curve_efs[CURVE_EFS - 1]));
    x->room = arena_alloc(&x->c->arena, p->in->codes->dim * sizeof *x->room);
    x->found = arena_alloc(&x->c->arena, most * sizeof *x->found);
    if (!x->found || !x->room)
        return err_nomem(x->c);
    while ((i = atomic_fetch_add(&p->tally.next, 1)) < p->probes && atomic_load(&p->tally.rc) == 0) {
        if (p->in->stop && p->in->stop(p->in->stop_arg))
            return KITH_CLOSED;
        TRY(try_probe(x, (uint32_t)(((uint64_t)i * 2 + 1) * n / (p->probes * 2))));
    }
    return 0;
}

static void try_part(void *arg, uint32_t who)
{
    struct probing *p = arg;
    struct calibrating x = {.in = p->in};
    struct ctx c;

    UNUSED(who);
    ctx_init(&c, p->c->os);
    x.c = &c;
    calibrate_fail(&p->tally, try_probes(p, &x));
    for (size_t e = 0; e < CURVE_EFS; e++)
        atomic_fetch_add(&p->tally.distances[e], x.distances[e]);
    for (size_t k = 0; k < CURVE_KS; k++) {
        for (size_t e = 0; e < CURVE_EFS; e++)
            atomic_fetch_add(&p->tally.hits[k][e], x.hits[k][e]);
    }
    graph_scratch_release(&x.scratch);
    ctx_release(&c);
}

void calibrate_fail(struct calibrate_tally *t, int rc)
{
    int none = 0;

    if (rc < 0)
        (void)atomic_compare_exchange_strong(&t->rc, &none, rc);
}

int calibrate_finish(struct ctx *c, struct calibrate_tally *t, uint32_t probes, struct recall_curve *ret_curve)
{
    uint32_t hits[CURVE_KS][CURVE_EFS];
    uint64_t distances[CURVE_EFS];
    int rc = atomic_load(&t->rc);

    if (rc < 0)
        return err_set(c, rc, rc == KITH_CLOSED ? "calibration: stopped" : "calibration: out of memory");
    for (size_t e = 0; e < CURVE_EFS; e++) {
        for (size_t k = 0; k < CURVE_KS; k++)
            hits[k][e] = atomic_load(&t->hits[k][e]);
        distances[e] = atomic_load(&t->distances[e]);
    }
    curve_finish(ret_curve, hits, distances, probes);
    return 0;
}

int calibrate(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve)
{
    struct probing p = {.c = c, .in = in};
    uint32_t n = in->codes->count;

    memset(ret_curve, 0, sizeof *ret_curve);
    if (n < TRUTH * 4)
        return 0; /* nothing to learn: such an index is scanned */
    p.probes = MIN(MAX(WORK / n, (uint32_t)PROBES_MIN), (uint32_t)PROBES_MAX);
    crew_run(c->os, in->threads, try_part, &p);
    return calibrate_finish(c, &p.tally, p.probes, ret_curve);
}
