/* monitor.c - what searches really find: some of them are run again, exactly, in the background.
 *
 * One in ten is taken until a hundred are known, then one in a thousand. The share found stands in the metrics
 * with its Wilson interval (Wilson 1927). Where it is more than a point below what was asked for, surely or by
 * a hundred samples, walks are widened; where it is surely more than two points above, they are narrowed: by a
 * factor for all widths that were not given, which starts the count anew. A new index has a curve of its own: what
 * narrowed the walks of others is forgotten. */
#include "engine/engine.h"

#include "base/mem.h"

#include <math.h>

enum { FIRST = 100, RARELY = 1000, SOON = 10, DIM_BYTES_MAX = 1 << 18 };
#define EFFORT_MOST 8.0
#define EFFORT_LEAST 0.5

/* A query on its way to being checked. */
struct checked {
    kith_query query;
    uint32_t count;
    float *found; /* distances of the hits */
    char *name;
    float vector[]; /* the query's, then what was found, then the name */
};

static bool is_due(struct monitor *m)
{
    uint64_t n = atomic_fetch_add(&m->queries, 1);

    return n % (atomic_load(&m->samples) < FIRST ? SOON : RARELY) == 0;
}

void monitor_note(struct shard *s, const kith_query *q, const kith_result *r)
{
    struct monitor *m = &s->monitor;
    size_t given = element_size(q->vector.element, q->vector.dim), bytes = align_up(given, sizeof(float));
    size_t found = r->count * sizeof(float);
    size_t name = q->using_vector ? strlen(q->using_vector) + 1 : 1;
    struct checked *x, *none = NULL;

    if (q->kind != KITH_QUERY_NEAREST || q->exact || q->ef || q->like || q->filter || q->has_threshold || q->offset ||
        q->vector.element == KITH_SPARSE ||
        !r->count || r->count > 100 || bytes > DIM_BYTES_MAX || !is_due(m))
        return;
    x = atomic_load(&m->pending) ? NULL : mem_zalloc(sizeof *x + bytes + found + name);
    if (!x)
        return;
    x->query = (kith_query){.kind = KITH_QUERY_NEAREST, .limit = (uint32_t)r->count, .exact = true};
    x->query.target_recall = q->target_recall > 0 ? q->target_recall : (float)QUERY_TARGET_RECALL;
    memcpy(x->vector, q->vector.data, given);
    x->found = x->vector + bytes / sizeof(float);
    for (size_t i = 0; i < r->count; i++)
        x->found[i] = r->hits[i].distance;
    x->name = (char *)x->vector + bytes + found;
    memcpy(x->name, q->using_vector ? q->using_vector : "", name);
    x->query.vector = q->vector;
    x->query.vector.data = x->vector;
    x->query.using_vector = x->name;
    x->count = (uint32_t)r->count;
    if (!atomic_compare_exchange_strong(&m->pending, &none, x)) {
        mem_free(x);
        return;
    }
    sched_post(&s->db->sched, &m->job, false);
}

/* Bounds of the true share, at 95 %. */
void monitor_read(struct monitor *m, struct measured *ret)
{
    double n = (double)atomic_load(&m->wanted), p = n > 0 ? (double)atomic_load(&m->hits) / n : 0, z = 1.96;
    double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    *ret = (struct measured){.samples = atomic_load(&m->samples), .recall = p, .low = n > 0 ? middle - half : 0,
                             .high = n > 0 ? middle + half : 1, .effort = (double)atomic_load(&m->effort) / 1000};
}

static void set_effort(struct monitor *m, double effort)
{
    atomic_store(&m->effort, (uint32_t)(effort * 1000));
    atomic_store(&m->hits, 0); /* what was measured at another width says nothing of this one */
    atomic_store(&m->wanted, 0);
    atomic_store(&m->asked, 0);
    atomic_store(&m->samples, 0);
}

void monitor_renew(struct monitor *m)
{
    set_effort(m, fmax((double)atomic_load(&m->effort) / 1000, 1));
}

/* Samples may have asked for different shares: what counts is their mean. */
static void correct(struct monitor *m)
{
    struct measured now;
    double effort, target;

    monitor_read(m, &now);
    target = (double)atomic_load(&m->asked) / 1000 / (double)MAX(atomic_load(&m->wanted), 1ull);
    effort = now.effort;
    if (now.samples < 20)
        return;
    if (now.high < target - 0.01 || (now.samples >= FIRST && now.recall < target - 0.01))
        effort = fmin(effort * 1.3, EFFORT_MOST);
    else if (now.low > target + 0.02)
        effort = fmax(effort * 0.85, EFFORT_LEAST);
    else
        return;
    if (effort > now.effort || effort < now.effort)
        set_effort(m, effort);
}

static void check(struct shard *s, const struct checked *x)
{
    struct monitor *m = &s->monitor;
    struct view *view = shard_pin(s);
    kith_result *truth = NULL;
    struct snapshot snap;
    struct runner r = {&snap, s->db->kernels, &s->db->scratch, 1};
    uint32_t hits = 0;
    struct ctx c;

    if (!view)
        return;
    snap = view_snapshot(view);
    ctx_init(&c, s->db->os);
    if (query_run(&c, &r, &x->query, &truth) >= 0) {
        float worst = truth->count ? truth->hits[truth->count - 1].distance : 0;
        for (uint32_t i = 0; i < x->count; i++)
            hits += x->found[i] <= worst + fabsf(worst) * 1e-5f;
        atomic_fetch_add(&m->hits, hits);
        atomic_fetch_add(&m->wanted, x->count);
        atomic_fetch_add(&m->asked, (uint64_t)((double)x->count * (double)x->query.target_recall * 1000));
        atomic_fetch_add(&m->samples, 1);
        correct(m);
    }
    kith_result_free(truth);
    ctx_release(&c);
    view_unpin(view);
}

void monitor_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, monitor.job);
    struct checked *x = atomic_exchange(&s->monitor.pending, NULL);

    if (x && !s->dropped && !atomic_load(&s->db->closing))
        check(s, x);
    mem_free(x);
}

void monitor_init(struct monitor *m)
{
    atomic_store(&m->effort, 1000);
    job_init(&m->job, monitor_step, false);
}

void monitor_release(struct monitor *m)
{
    mem_free(atomic_exchange(&m->pending, NULL));
}
