/* calibrate_sparse.c - the slack curve of postings: some of the vectors are searched for, exactly and with slack.
 *
 * A probe is a vector of the segment that is taken as not there, cut to its heaviest terms: who searches names
 * fewer than a document has. */
#include "segment/calibrate.h"

#include "base/ctx.h"
#include "base/topk.h"

#include <math.h>
#include <stdlib.h>

enum { PROBES_MAX = 256, PROBES_MIN = 128, WORK = 1 << 30, MOST = 100, ROWS_LEAST = 10000, TERMS_MOST = 48 };

struct probing {
    const struct postings_source *from;
    const struct postings *p;
    const struct kernels *kernels;
    bool idf;
    struct sparse probe;
    uint32_t row; /* the probe's own */
    struct topk best;
    uint32_t hits[CURVE_KS][SLACKS], wanted[CURVE_KS];
};

static int take(void *arg, uint32_t row, float *bar)
{
    struct probing *x = arg;
    const void *kept;
    uint32_t common;
    struct sparse v;

    if (row == x->row)
        return 0;
    TRY(x->from->vector(x->from->arg, row, &kept));
    if (!kept)
        return 0;
    v = sparse_of(kept);
    topk_push(&x->best, -sparse_dot(&x->probe, &v, &common), row);
    if (x->best.size == x->best.capacity)
        *bar = fmaxf(*bar, -topk_worst(&x->best));
    return 0;
}

/* Leaves the best in `best`. */
static int search(struct ctx *c, struct probing *x, uint32_t k, float slack)
{
    struct postings_search s = {.query = &x->probe, .rows = x->from->rows, .k = k, .slack = slack,
                                .take = take, .arg = x};

    if (topk_init(&x->best, &c->arena, k) < 0)
        return err_nomem(c);
    TRY(postings_search(c, x->p, x->kernels, &s));
    topk_sort(&x->best);
    return 0;
}

static int by_falling(const void *a, const void *b)
{
    const float *x = a, *y = b;

    return *x > *y ? -1 : *x < *y;
}

/* What a query would weigh it with: its own part of what it adds. */
static float weight_of(const struct probing *x, const struct sparse *v, uint32_t i)
{
    const struct posting_term *t = x->idf ? postings_term(x->p, v->indices[i]) : NULL;

    return x->idf ? t ? sparse_idf(x->p->head.rows, t->count) : 0 : sqrtf(fmaxf(v->values[i], 0));
}

/* The heavier half of its terms. */
static int make_probe(struct ctx *c, struct probing *x, const struct sparse *v)
{
    uint32_t *indices = arena_alloc(&c->arena, v->count * sizeof *indices), n = 0;
    float *values = arena_alloc(&c->arena, v->count * sizeof *values);
    float *sorted = arena_alloc(&c->arena, v->count * sizeof *sorted), least;

    if (!indices || !values || !sorted)
        return err_nomem(c);
    for (uint32_t i = 0; i < v->count; i++)
        sorted[i] = weight_of(x, v, i);
    qsort(sorted, v->count, sizeof *sorted, by_falling);
    least = sorted[MIN(v->count - 1, (uint32_t)TERMS_MOST)];
    for (uint32_t i = 0; i < v->count; i++) {
        if (weight_of(x, v, i) < least)
            continue;
        indices[n] = v->indices[i];
        values[n++] = weight_of(x, v, i);
    }
    x->probe = (struct sparse){n, indices, values};
    return 0;
}

static uint32_t count_hits(const struct probing *x, float least)
{
    uint32_t hits = 0;

    for (uint32_t i = 0; i < x->best.size; i++)
        hits += -x->best.heap[i].distance >= least;
    return hits;
}

static int try_probe(struct ctx *c, struct probing *x, const struct sparse *v)
{
    float least[CURVE_KS];

    TRY(make_probe(c, x, v));
    TRY(search(c, x, MOST, 0));
    if (x->best.size < MOST)
        return 0; /* too rare to be missed */
    for (size_t k = 0; k < CURVE_KS; k++) {
        least[k] = -x->best.heap[curve_ks[k] - 1].distance;
        x->wanted[k] += curve_ks[k];
    }
    for (size_t k = 0; k < CURVE_KS; k++) {
        for (size_t i = 0; i < SLACKS; i++) {
            TRY(search(c, x, curve_ks[k], slack_levels[i]));
            x->hits[k][i] += count_hits(x, least[k]);
        }
    }
    return 0;
}

int calibrate_sparse(struct ctx *c, const struct postings_source *from, const struct postings *p,
                     const struct kernels *kernels, bool idf, struct slack_curve *ret_curve)
{
    struct probing x = {.from = from, .p = p, .kernels = kernels, .idf = idf};
    uint32_t probes = (uint32_t)MIN(MAX(WORK / MAX(p->head.entries, 1ull), (uint64_t)PROBES_MIN), (uint64_t)PROBES_MAX);

    *ret_curve = (struct slack_curve){0};
    if (p->head.rows < ROWS_LEAST)
        return 0; /* quick enough without */
    for (uint32_t i = 0; i < probes; i++) {
        const void *kept;
        struct sparse v;
        struct ctx one;
        int rc;
        x.row = (uint32_t)(((uint64_t)i * 2 + 1) * from->rows / (probes * 2));
        TRY(from->vector(from->arg, x.row, &kept));
        v = kept ? sparse_of(kept) : (struct sparse){0};
        if (!v.count)
            continue;
        ctx_init(&one, c->os);
        rc = try_probe(&one, &x, &v);
        ctx_release(&one);
        if (rc < 0)
            return err_set(c, rc, "calibration of postings: out of memory");
    }
    slack_finish(ret_curve, x.hits, x.wanted, x.wanted[0]);
    return 0;
}
