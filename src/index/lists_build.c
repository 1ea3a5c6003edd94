/* lists_build.c - centres by k-means (Lloyd 1982) over a sample, then every vector to its nearest one; with spilling
 * also to the one of the next nearest that leaves a remainder most unlike its first (SOAR, Sun et al. 2023). */
#include "index/lists.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/crew.h"

#include <math.h>

enum { ROUNDS = 6, SAMPLES = 32, TURN = 512, NEAR = 8, COUNT_MAX = 65536 };

struct listing {
    struct ctx *c;
    const struct codes *from;
    const struct kernels *k;
    const struct lists_params *params;
    uint32_t lists, sampled;
    float *centres, *sums;
    uint32_t *sizes;
    struct codes near;   /* the centres as records, compared by squared distance */
    uint8_t *records;
    uint32_t *own, *other; /* the list of each sampled vector, or of each; the second, spilled */
    /* of the turn that is under way */
    uint32_t count; /* vector i of it is number i * all / count */
    bool spill;
    atomic_uint next;
    atomic_int rc;
};

kith_metric lists_metric(kith_metric metric)
{
    return metric == KITH_DOT || metric == KITH_MANHATTAN ? metric : KITH_EUCLID;
}

static uint32_t item_of(const struct listing *x, uint32_t i)
{
    return (uint32_t)((uint64_t)i * x->from->count / x->count);
}

static void encode_centres(struct listing *x)
{
    for (uint32_t i = 0; i < x->lists; i++)
        codes_encode(&x->near, x->k, x->centres + (size_t)i * x->from->dim, x->records + i * x->near.stride);
}

/* ---- one turn: every vector of it to its list, by several threads ---------------------------------------------- */

struct assigner {
    struct listing *x;
    struct ctx c;
    struct scorer s;
    struct topk best;
    float *v;
};

static int assigner_init(struct assigner *a, struct listing *x)
{
    a->x = x;
    ctx_init(&a->c, x->c->os);
    a->v = arena_alloc(&a->c.arena, x->from->dim * sizeof *a->v);
    return a->v && scorer_init(&a->s, &a->c.arena, &x->near, x->k) >= 0 && topk_init(&a->best, &a->c.arena, NEAR) >= 0
               ? 0 : KITH_NOMEM;
}

/* Nearest first. */
static void find_nearest(struct assigner *a)
{
    const struct listing *x = a->x;

    a->best.size = 0;
    a->best.capacity = x->spill ? NEAR : 1;
    scorer_query(&a->s, a->v);
    scorer_scan(&a->s, x->lists, &a->best);
    topk_sort(&a->best);
}

/* Squared length of what is left, and once more of the part of it that lies along what the first list leaves. */
static uint32_t second_of(const struct assigner *a, uint32_t first)
{
    const struct listing *x = a->x;
    const float *c1 = x->centres + (size_t)first * x->from->dim;
    uint32_t best = first;
    double least = (double)INFINITY;

    for (uint32_t i = 0; i < a->best.size; i++) {
        const float *c2 = x->centres + (size_t)a->best.heap[i].row * x->from->dim;
        double left = 0, along = 0, square = 0, cost;
        for (uint32_t d = 0; d < x->from->dim; d++) {
            double r1 = (double)(a->v[d] - c1[d]), r2 = (double)(a->v[d] - c2[d]);
            left += r2 * r2;
            along += r1 * r2;
            square += r1 * r1;
        }
        cost = left + (square > 0 ? along * along / square : 0);
        if (a->best.heap[i].row != first && cost < least) {
            least = cost;
            best = a->best.heap[i].row;
        }
    }
    return best;
}

static void assign_turns(void *arg, uint32_t who)
{
    struct listing *x = arg;
    struct assigner a;
    int rc = assigner_init(&a, x), none = 0;

    UNUSED(who);
    while (rc >= 0 && atomic_load(&x->rc) == 0) {
        uint32_t from = atomic_fetch_add(&x->next, TURN), to = MIN(from + TURN, x->count);
        if (from >= x->count)
            break;
        rc = x->params->stop && x->params->stop(x->params->arg) ? KITH_CLOSED : 0;
        for (uint32_t i = from; i < to && rc >= 0; i++) {
            codes_decode(x->from, item_of(x, i), a.v);
            find_nearest(&a);
            x->own[i] = a.best.heap[0].row;
            if (x->spill)
                x->other[i] = second_of(&a, x->own[i]);
        }
    }
    if (rc < 0)
        (void)atomic_compare_exchange_strong(&x->rc, &none, rc);
    ctx_release(&a.c);
}

static int assign(struct listing *x, uint32_t count, bool spill)
{
    int rc;

    x->count = count;
    x->spill = spill;
    atomic_store(&x->next, 0);
    atomic_store(&x->rc, 0);
    crew_run(x->c->os, x->params->threads, assign_turns, x);
    rc = atomic_load(&x->rc);
    return rc < 0 ? err_set(x->c, rc, rc == KITH_CLOSED ? "lists: stopped" : "lists: out of memory") : 0;
}

/* ---- centres ---------------------------------------------------------------------------------------------------- */

/* To the middle of their own; one that has none takes the place of a vector drawn at random. */
static void move_centres(struct listing *x, float *v, uint64_t *seed)
{
    uint32_t dim = x->from->dim;

    memset(x->sums, 0, (size_t)x->lists * dim * sizeof *x->sums);
    memset(x->sizes, 0, x->lists * sizeof *x->sizes);
    for (uint32_t i = 0; i < x->sampled; i++) {
        float *sum = x->sums + (size_t)x->own[i] * dim;
        codes_decode(x->from, item_of(x, i), v);
        x->sizes[x->own[i]]++;
        for (uint32_t d = 0; d < dim; d++)
            sum[d] += v[d];
    }
    for (uint32_t l = 0; l < x->lists; l++) {
        float *to = x->centres + (size_t)l * dim, *sum = x->sums + (size_t)l * dim;
        if (!x->sizes[l])
            codes_decode(x->from, (uint32_t)(splitmix(seed) % x->from->count), to);
        for (uint32_t d = 0; d < dim && x->sizes[l]; d++)
            to[d] = sum[d] / (float)x->sizes[l];
    }
}

static int find_centres(struct listing *x)
{
    float *v = arena_alloc(&x->c->arena, x->from->dim * sizeof *v);
    uint64_t seed = x->lists;

    if (!v)
        return err_nomem(x->c);
    for (uint32_t l = 0; l < x->lists; l++)
        codes_decode(x->from, (uint32_t)((uint64_t)l * x->from->count / x->lists),
                     x->centres + (size_t)l * x->from->dim);
    encode_centres(x);
    for (int round = 0; round < ROUNDS; round++) {
        TRY(assign(x, x->sampled, false));
        move_centres(x, v, &seed);
        encode_centres(x);
    }
    return 0;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static int give(struct listing *x, struct lists_built *b)
{
    uint32_t n = x->from->count, *at = x->sizes;

    b->starts = mem_zalloc(((size_t)x->lists + 1) * sizeof *b->starts);
    b->items = mem_alloc((size_t)n * (x->params->spill ? 2 : 1) * sizeof *b->items);
    if (!b->starts || !b->items)
        return err_nomem(x->c);
    for (uint32_t i = 0; i < n; i++) {
        b->starts[x->own[i] + 1]++;
        if (x->params->spill && x->other[i] != x->own[i])
            b->starts[x->other[i] + 1]++;
    }
    for (uint32_t l = 0; l < x->lists; l++) {
        b->starts[l + 1] += b->starts[l];
        at[l] = b->starts[l];
    }
    for (uint32_t i = 0; i < n; i++) {
        b->items[at[x->own[i]]++] = i;
        if (x->params->spill && x->other[i] != x->own[i])
            b->items[at[x->other[i]]++] = i;
    }
    b->count = x->lists;
    b->slots = b->starts[x->lists];
    b->centres = x->near;
    b->centres.metric = lists_metric(x->from->metric);
    b->records = x->records;
    x->records = NULL;
    return 0;
}

static int make_room(struct listing *x)
{
    size_t floats = (size_t)x->lists * x->from->dim;

    codes_layout(&x->near, KITH_EUCLID, KITH_F32, x->from->dim);
    x->near.count = x->lists;
    x->near.common_scale = x->from->common_scale;
    if (x->from->metric == KITH_MANHATTAN) /* encoded with the one scale, whichever way they are compared */
        x->near.metric = KITH_MANHATTAN;
    x->centres = mem_alloc(floats * sizeof *x->centres);
    x->sums = mem_alloc(floats * sizeof *x->sums);
    x->sizes = mem_alloc((size_t)x->lists * sizeof *x->sizes);
    x->own = mem_alloc((size_t)x->from->count * sizeof *x->own);
    x->other = x->params->spill ? mem_alloc((size_t)x->from->count * sizeof *x->other) : NULL;
    x->records = mem_aligned(x->lists * x->near.stride);
    x->near.base = x->records;
    return x->centres && x->sums && x->sizes && x->own && (x->other || !x->params->spill) && x->records
               ? 0 : err_nomem(x->c);
}

int lists_build(struct ctx *c, const struct codes *codes, const struct kernels *k, const struct lists_params *params,
                struct lists_built *ret_built)
{
    struct listing x = {.c = c, .from = codes, .k = k, .params = params};
    uint32_t n = codes->count;
    int rc;

    memset(ret_built, 0, sizeof *ret_built);
    x.lists = params->count ? params->count : (uint32_t)(4 * sqrt((double)n));
    x.lists = MAX(MIN(MIN(x.lists, n / 4), (uint32_t)COUNT_MAX), 1u);
    x.sampled = (uint32_t)MIN((uint64_t)n, (uint64_t)x.lists * SAMPLES);
    rc = make_room(&x);
    if (rc >= 0)
        rc = find_centres(&x);
    if (rc >= 0)
        rc = assign(&x, n, params->spill && x.lists > 1);
    if (rc >= 0 && params->spill && x.lists <= 1)
        memcpy(x.other, x.own, (size_t)n * sizeof *x.own);
    if (rc >= 0)
        rc = give(&x, ret_built);
    mem_free(x.centres);
    mem_free(x.sums);
    mem_free(x.sizes);
    mem_free(x.own);
    mem_free(x.other);
    mem_free_aligned(x.records);
    if (rc < 0)
        lists_built_release(ret_built);
    return rc;
}

void lists_built_release(struct lists_built *b)
{
    mem_free(b->starts);
    mem_free(b->items);
    mem_free_aligned(b->records);
    memset(b, 0, sizeof *b);
}
