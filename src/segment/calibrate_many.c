/* calibrate_many.c - the curve of an index of multi-vectors: rows are taken as not there and searched for by some of
 * their vectors; the truth is by 8-bit codes, of every vector of the segment. */
#include "segment/calibrate.h"

#include "base/ctx.h"
#include "os/crew.h"
#include "vec/many.h"

#include <float.h>

enum { PROBES_MAX = 64, PROBES_MIN = 12, WORK = 400000000, PARTS = 16, TRUTH = 100 };

struct probing {
    struct ctx *c;
    const struct calibrate_input *in;
    uint32_t probes, rows;
    struct calibrate_tally tally;
};

/* A row as a query, in its kept form: f32. */
struct probe {
    uint32_t row, count;
    uint32_t items[PARTS];
    uint32_t *kept;
};

/* Some of the vectors of the row that the item is of. */
static void take_probe(const struct calibrate_input *in, uint32_t item, struct probe *to)
{
    uint32_t first = item, end = item, dim = in->codes->dim;

    while (first && in->rows[first - 1] == in->rows[item])
        first--;
    while (end < in->codes->count && in->rows[end] == in->rows[item])
        end++;
    to->row = in->rows[item];
    to->count = MIN(end - first, (uint32_t)PARTS);
    to->kept[0] = to->count;
    for (uint32_t i = 0; i < to->count; i++) {
        to->items[i] = first + (uint32_t)((uint64_t)i * (end - first) / to->count);
        codes_decode(in->codes, to->items[i], (float *)(void *)(to->kept + 1) + (size_t)i * dim);
    }
}

/* Adds what each row is from one vector. */
static void add_distances(const struct calibrate_input *in, const struct scorer *s, float *sums)
{
    const uint32_t *rows = in->rows;
    uint32_t n = in->codes->count, row = rows[0];
    float best = FLT_MAX;

    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t slots[4];
        float d[4];
        for (uint32_t j = 0; j < 4; j++)
            slots[j] = MIN(i + j, n - 1);
        scorer_four(s, slots, d);
        for (uint32_t j = 0; j < 4 && i + j < n; j++) {
            if (rows[i + j] != row) {
                sums[row] += best;
                row = rows[i + j];
                best = FLT_MAX;
            }
            best = d[j] < best ? d[j] : best;
        }
    }
    sums[row] += best;
}

/* The nearest rows, nearest first, without the probe. */
static int find_truth(struct ctx *c, const struct probing *p, const struct probe *probe, uint32_t *truth,
                      uint32_t *ret_n)
{
    const struct calibrate_input *in = p->in;
    float *sums = arena_zalloc(&c->arena, p->rows * sizeof *sums);
    struct scorer s;
    struct topk best;

    if (!sums || scorer_init(&s, &c->arena, in->codes, in->kernels) < 0 || topk_init(&best, &c->arena, TRUTH) < 0)
        return err_nomem(c);
    for (uint32_t i = 0; i < probe->count; i++) {
        scorer_query(&s, (const float *)(const void *)(probe->kept + 1) + (size_t)i * in->codes->dim);
        add_distances(in, &s, sums);
    }
    for (uint32_t i = 0; i < in->codes->count; i++) {
        uint32_t row = in->rows[i];
        if (row != probe->row && (!i || in->rows[i - 1] != row))
            topk_push(&best, sums[row], row);
    }
    topk_sort(&best);
    for (*ret_n = 0; *ret_n < best.size; ++*ret_n)
        truth[*ret_n] = best.heap[*ret_n].row;
    return 0;
}

static uint32_t count_hits(const struct found *found, uint32_t n, const uint32_t *truth, uint32_t k)
{
    uint32_t hits = 0;

    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < n; j++)
            hits += found[j].slot == truth[i];
    }
    return hits;
}

static int try_widths(struct ctx *c, struct probing *p, const struct probe *probe, const uint32_t *truth, uint32_t n)
{
    const struct calibrate_input *in = p->in;
    struct schema_vector as = *in->v; /* codes are decoded as floats */
    uint32_t most = vector_index_many_ranked(curve_ks[CURVE_KS - 1]);
    struct found *found = arena_alloc(&c->arena, most * sizeof *found);
    struct graph_scratch scratch = {0};
    int rc = found ? 0 : err_nomem(c);

    as.element = KITH_F32;
    as.size = (size_t)as.dim * sizeof(float);
    for (size_t e = 0; e < CURVE_EFS && rc >= 0; e++) {
        struct lists_search search = {.probes = MIN(vector_index_probes(curve_efs[e]), in->shown->lists.count),
                                      .absent = probe->row, .keep = most, .rows_count = p->rows};
        struct ctx own;
        ctx_init(&own, c->os);
        rc = vector_index_many(&own, in->shown, &as, probe->kept, in->kernels, &scratch, &search, found);
        ctx_release(&own);
        atomic_fetch_add(&p->tally.distances[e], search.distances);
        for (size_t k = 0; k < CURVE_KS && rc >= 0; k++)
            atomic_fetch_add(&p->tally.hits[k][e],
                             count_hits(found, MIN((uint32_t)rc, vector_index_many_ranked(curve_ks[k])), truth,
                                        MIN(curve_ks[k], n)));
    }
    graph_scratch_release(&scratch);
    return rc < 0 ? rc : 0;
}

static int try_probe(struct ctx *c, struct probing *p, uint32_t item)
{
    struct probe probe = {.kept = arena_alloc(&c->arena, (1 + (size_t)PARTS * p->in->codes->dim) * sizeof(uint32_t))};
    uint32_t truth[TRUTH], n;

    if (!probe.kept)
        return err_nomem(c);
    take_probe(p->in, item, &probe);
    TRY(find_truth(c, p, &probe, truth, &n));
    return try_widths(c, p, &probe, truth, n);
}

static void try_part(void *arg, uint32_t who)
{
    struct probing *p = arg;
    uint32_t n = p->in->codes->count, i;
    int rc = 0;

    UNUSED(who);
    while ((i = atomic_fetch_add(&p->tally.next, 1)) < p->probes && rc >= 0 && atomic_load(&p->tally.rc) == 0) {
        struct ctx c;
        ctx_init(&c, p->c->os);
        rc = p->in->stop && p->in->stop(p->in->stop_arg)
                 ? KITH_CLOSED : try_probe(&c, p, (uint32_t)(((uint64_t)i * 2 + 1) * n / (p->probes * 2)));
        ctx_release(&c);
    }
    calibrate_fail(&p->tally, rc);
}

static uint32_t rows_among(const struct calibrate_input *in)
{
    uint32_t rows = 0;

    for (uint32_t i = 0; i < in->codes->count; i++)
        rows += !i || in->rows[i - 1] != in->rows[i];
    return rows;
}

int calibrate_many(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve)
{
    struct probing p = {.c = c, .in = in, .rows = in->rows[in->codes->count - 1] + 1};

    memset(ret_curve, 0, sizeof *ret_curve);
    if (rows_among(in) < TRUTH * 4)
        return 0; /* nothing to learn: such an index is scanned */
    p.probes = (uint32_t)MIN(MAX(WORK / ((uint64_t)in->codes->count * PARTS), (uint64_t)PROBES_MIN),
                             (uint64_t)PROBES_MAX);
    crew_run(c->os, in->threads, try_part, &p);
    return calibrate_finish(c, &p.tally, p.probes, ret_curve);
}
