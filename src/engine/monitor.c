/* monitor.c - what searches really find: some of them are run again, exactly, in the background.
 *
 * One in ten is taken until a hundred are known, then one in a thousand; they wait in a short queue. The share found
 * stands in the metrics with its Wilson interval (Wilson 1927). Where it is more than a point below what was asked for,
 * surely or by a hundred samples, walks are widened; where it is surely more than two points above, they are narrowed:
 * by a factor for all widths that were not given, of that vector, which starts the count anew. Searches of sparse
 * vectors that need not be exact are given less slack, or more. A new index has a curve of its own: what narrowed the
 * walks of others is forgotten. */
#include "engine/engine.h"

#include "base/mem.h"

#include <math.h>

enum { FIRST = 100, RARELY = 1000, SOON = 10, WAITING_MAX = 128, DIM_BYTES_MAX = 1 << 18 };
#define EFFORT_MOST 16.0
#define EFFORT_LEAST 0.5

/* A query on its way to being checked. */
struct checked {
    struct checked *next;
    kith_query query;
    uint32_t count, vector_id, effort;
    float *found; /* distances of the hits */
    char *name;
    float vector[]; /* the query's, then what was found, then the name */
};

static struct gauge *gauge_of(struct monitor *m, uint32_t vector_id)
{
    return &m->gauges[vector_id % VECTORS_MAX];
}

static atomic_uint *effort_at(struct monitor *m, uint32_t vector_id)
{
    return &m->efforts[vector_id % VECTORS_MAX];
}

static double effort_of(struct monitor *m, uint32_t vector_id)
{
    return (double)atomic_load(effort_at(m, vector_id)) / 1000;
}

uint32_t monitor_effort(struct monitor *m, uint32_t vector_id)
{
    return atomic_load(effort_at(m, vector_id));
}

static bool is_due(struct gauge *g)
{
    uint64_t n = atomic_fetch_add(&g->queries, 1);

    return n % (atomic_load(&g->samples) < FIRST ? SOON : RARELY) == 0;
}

static bool is_telling(const struct schema_vector *v, const kith_query *q, const kith_result *r)
{
    bool whole = !q->prefetch_count && !q->mmr;
    bool plain = whole && !q->exact && !q->ef && !q->probes && !q->like && !q->filter && !q->has_threshold && !q->offset;

    return plain && r->count && r->count <= 100 && !v->multi &&
           (v->element != KITH_SPARSE || q->target_recall > 0);
}

void monitor_note(struct shard *s, const struct schema_vector *v, uint32_t effort, const kith_query *q,
                  const kith_result *r)
{
    struct monitor *m = &s->monitor;
    bool sparse = v->element == KITH_SPARSE;
    size_t given = sparse ? (size_t)q->vector.dim * 8 : element_size(q->vector.element, q->vector.dim);
    size_t bytes = align_up(given, sizeof(float)), found = r->count * sizeof(float), name = strlen(v->name) + 1;
    struct checked *x;

    if (!is_telling(v, q, r) || bytes > DIM_BYTES_MAX || !is_due(gauge_of(m, v->id)))
        return;
    if (atomic_load(&m->waiting) >= WAITING_MAX)
        return;
    x = mem_zalloc(sizeof *x + bytes + found + name);
    if (!x)
        return;
    x->effort = effort;
    x->query = (kith_query){.kind = KITH_QUERY_NEAREST, .limit = (uint32_t)r->count, .exact = true};
    x->query.target_recall = q->target_recall > 0 ? q->target_recall : (float)QUERY_TARGET_RECALL;
    memcpy(x->vector, q->vector.data, given);
    x->found = x->vector + bytes / sizeof(float);
    for (size_t i = 0; i < r->count; i++)
        x->found[i] = r->hits[i].distance;
    x->name = (char *)x->vector + bytes + found;
    memcpy(x->name, v->name, name);
    x->query.vector = q->vector;
    x->query.vector.data = x->vector;
    x->query.using_vector = x->name;
    x->count = (uint32_t)r->count;
    x->vector_id = v->id;
    atomic_fetch_add(&m->waiting, 1);
    x->next = atomic_load(&m->pending);
    while (!atomic_compare_exchange_weak(&m->pending, &x->next, x))
        ;
    sched_post(&s->db->sched, &m->job, false);
}

/* Bounds of the true share, at 95 %. One query's hits go together: its ten say less than ten of ten queries, by as
 * much as shares of queries vary more than those of independent hits would (Kish's design effect). */
static struct measured measured_of(double hits, double n, double squares, uint64_t samples, double effort)
{
    double p = n > 0 ? hits / n : 0, z = 1.96, of_shares = samples ? squares / (double)samples - p * p : 0;
    double together = p > 0 && p < 1 ? of_shares * (n / (double)MAX(samples, 1ull)) / (p * (1 - p)) : 1, middle, half;

    n /= fmax(together, 1);
    middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (struct measured){.samples = samples, .recall = p, .low = n > 0 ? middle - half : 0,
                             .high = n > 0 ? middle + half : 1, .effort = effort};
}

static struct measured read_one(struct monitor *m, uint32_t vector_id)
{
    struct gauge *g = gauge_of(m, vector_id);

    return measured_of((double)atomic_load(&g->hits), (double)atomic_load(&g->wanted),
                       (double)atomic_load(&g->squares) / 1e6, atomic_load(&g->samples),
                       effort_of(m, vector_id));
}

void monitor_read(struct monitor *m, struct measured *ret)
{
    uint64_t hits = 0, wanted = 0, samples = 0, squares = 0;
    double effort = 0;

    for (uint32_t i = 0; i < VECTORS_MAX; i++) {
        hits += atomic_load(&m->gauges[i].hits);
        wanted += atomic_load(&m->gauges[i].wanted);
        samples += atomic_load(&m->gauges[i].samples);
        squares += atomic_load(&m->gauges[i].squares);
        if (atomic_load(&m->gauges[i].queries))
            effort = fmax(effort, effort_of(m, i));
    }
    *ret = measured_of((double)hits, (double)wanted, (double)squares / 1e6, samples, effort > 0 ? effort : 1);
}

static void set_effort(struct monitor *m, uint32_t vector_id, double effort)
{
    struct gauge *g = gauge_of(m, vector_id);

    atomic_store(effort_at(m, vector_id), (uint32_t)(effort * 1000));
    atomic_store(&g->hits, 0); /* what was measured at another width says nothing of this one */
    atomic_store(&g->wanted, 0);
    atomic_store(&g->asked, 0);
    atomic_store(&g->squares, 0);
    atomic_store(&g->samples, 0);
}

void monitor_renew(struct monitor *m)
{
    for (uint32_t i = 0; i < VECTORS_MAX; i++)
        set_effort(m, i, fmax(effort_of(m, i), 1));
}

/* Misses fall about as widths rise. (Of queries like the rows a little faster, of others slower.) */
static double wider_by(double misses)
{
    return fmin(fmax(misses, 1.2), 5);
}

/* Samples may have asked for different shares: what counts is their mean. */
static void correct(struct monitor *m, uint32_t vector_id)
{
    struct gauge *g = gauge_of(m, vector_id);
    struct measured now = read_one(m, vector_id);
    double effort = now.effort, target;

    target = (double)atomic_load(&g->asked) / 1000 / (double)MAX(atomic_load(&g->wanted), 1ull);
    if (now.samples < 20)
        return;
    if (now.high < target - 0.01 || (now.samples >= FIRST && now.recall < target - 0.01))
        effort = fmin(effort * wider_by((1 - now.recall) / (1 - target)), EFFORT_MOST);
    else if (now.low > target + 0.02)
        effort = fmax(effort * 0.85, EFFORT_LEAST);
    else
        return;
    if (effort > now.effort || effort < now.effort)
        set_effort(m, vector_id, effort);
}

static void check(struct shard *s, const struct checked *x)
{
    struct gauge *g = gauge_of(&s->monitor, x->vector_id);
    struct view *view = shard_pin(s);
    kith_result *truth = NULL;
    struct snapshot snap;
    struct runner r = {&snap, s->db->kernels, &s->db->scratch, NULL};
    uint32_t hits = 0;
    double share;
    struct ctx c;

    if (!view)
        return;
    snap = view_snapshot(view);
    ctx_init(&c, s->db->os);
    if (query_run(&c, &r, &x->query, &truth) >= 0) {
        float worst = truth->count ? truth->hits[truth->count - 1].distance : 0;
        for (uint32_t i = 0; i < x->count; i++)
            hits += x->found[i] <= worst + fabsf(worst) * 1e-5f;
        atomic_fetch_add(&g->hits, hits);
        atomic_fetch_add(&g->wanted, x->count);
        atomic_fetch_add(&g->asked, (uint64_t)((double)x->count * (double)x->query.target_recall * 1000));
        share = (double)hits / x->count;
        atomic_fetch_add(&g->squares, (uint64_t)(share * share * 1e6));
        atomic_fetch_add(&g->samples, 1);
        correct(&s->monitor, x->vector_id);
    }
    kith_result_free(truth);
    ctx_release(&c);
    view_unpin(view);
}

static struct checked *reversed(struct checked *x)
{
    struct checked *out = NULL;

    for (struct checked *next; x; x = next) {
        next = x->next;
        x->next = out;
        out = x;
    }
    return out;
}

void monitor_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, monitor.job);
    struct monitor *m = &s->monitor;
    struct checked *x;

    if (!m->taken)
        m->taken = reversed(atomic_exchange(&m->pending, NULL)); /* the oldest first */
    x = m->taken;
    if (!x)
        return;
    m->taken = x->next;
    atomic_fetch_sub(&m->waiting, 1);
    /* what was found with another effort says nothing of this one */
    if (!s->dropped && !atomic_load(&s->db->closing) && x->effort == atomic_load(effort_at(m, x->vector_id)))
        check(s, x);
    mem_free(x);
    if (m->taken || atomic_load(&m->pending))
        sched_post(&s->db->sched, &m->job, false);
}

void monitor_init(struct monitor *m)
{
    for (uint32_t i = 0; i < VECTORS_MAX; i++)
        atomic_store(&m->efforts[i], 1000);
    job_init(&m->job, monitor_step, false);
}

static void free_all(struct checked *x)
{
    for (struct checked *next; x; x = next) {
        next = x->next;
        mem_free(x);
    }
}

void monitor_release(struct monitor *m)
{
    free_all(m->taken);
    free_all(atomic_exchange(&m->pending, NULL));
}
