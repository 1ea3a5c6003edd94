/* fuse.c - several orders of points made one. */
#include "query/tree.h"

#include "base/ctx.h"

#include <math.h>
#include <stdlib.h>

enum { RRF_K = 2 };

static double rank_score(const kith_query *q, size_t list, size_t place)
{
    double weight = q->weights ? (double)q->weights[list] : 1, k = q->rrf_k ? q->rrf_k : RRF_K;

    return weight > 0 ? 1 / (((double)place + 1) / weight + k - 1) : 0;
}

/* Of distances the smaller is the better. */
static bool is_distance(const struct tree *t, const kith_query *below, kith_metric *ret_metric)
{
    const struct schema_vector *v = schema_vector(t->r->snap->schema, below->using_vector ? below->using_vector : "");
    bool averaged = below->kind == KITH_QUERY_RECOMMEND && below->strategy == KITH_AVERAGE;

    *ret_metric = v ? v->metric : (kith_metric)0;
    if (!averaged && below->kind != KITH_QUERY_NEAREST)
        return false;
    return *ret_metric == KITH_EUCLID || *ret_metric == KITH_MANHATTAN;
}

/* The larger the better. */
static double oriented(const struct tree *t, const kith_query *below, float distance, bool *ret_is_distance)
{
    kith_metric metric;

    *ret_is_distance = is_distance(t, below, &metric);
    return *ret_is_distance && metric == KITH_EUCLID ? -sqrt(fmax((double)distance, 0)) : -(double)distance;
}

double fuse_shown(const struct tree *t, const kith_query *below, float distance)
{
    bool by_distance;
    double score = oriented(t, below, distance, &by_distance);

    return by_distance ? -score : score;
}

/* The sources' scores less mean - 3 deviations, in 6 deviations; one alone, or all alike, are in the middle. */
static void normalise(double *scores, size_t n)
{
    double mean = 0, squares = 0, spread;

    for (size_t i = 0; i < n; i++)
        mean += scores[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (scores[i] - mean) * (scores[i] - mean);
    spread = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    for (size_t i = 0; i < n; i++)
        scores[i] = spread > 0 ? (scores[i] - (mean - 3 * spread)) / (6 * spread) : 0.5;
}

struct scored_hit {
    struct hit_ref hit;
    double score;
};

static int by_place(const void *x, const void *y)
{
    return hit_by_place(&((const struct scored_hit *)x)->hit, &((const struct scored_hit *)y)->hit);
}

int fuse(struct tree *t, const kith_query *q, const struct hit_list *lists, struct hit_list *hits)
{
    bool by_score = q->fusion == KITH_DBSF, unused;
    size_t all = 0, n = 0;
    struct scored_hit *s;

    for (size_t i = 0; i < q->prefetch_count; i++)
        all += lists[i].count;
    s = arena_alloc(&t->c->arena, MAX(all, (size_t)1) * sizeof *s);
    for (size_t i = 0; i < q->prefetch_count && s; i++) {
        double *scores = arena_alloc(&t->c->arena, MAX(lists[i].count, (size_t)1) * sizeof *scores);
        if (!scores)
            return err_nomem(t->c);
        for (size_t j = 0; j < lists[i].count; j++)
            scores[j] = by_score ? oriented(t, &q->prefetch[i], lists[i].at[j].distance, &unused) : rank_score(q, i, j);
        if (by_score)
            normalise(scores, lists[i].count);
        for (size_t j = 0; j < lists[i].count; j++)
            s[n++] = (struct scored_hit){lists[i].at[j], scores[j]};
    }
    if (!s)
        return err_nomem(t->c);
    qsort(s, n, sizeof *s, by_place);
    for (size_t i = 0; i < n;) {
        struct hit_ref hit = s[i].hit;
        double score = 0;
        size_t first = i;
        for (; i < n && by_place(&s[first], &s[i]) == 0; i++)
            score += s[i].score;
        hit.distance = (float)-score;
        TRY(hits_push(t->c, hits, hit));
    }
    return tree_settle(t, hits, hits->count);
}
