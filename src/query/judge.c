/* judge.c - points by examples: recommend, discover, context, feedback.
 *
 * A score that is a weighted sum of similarities is one search: sums of inner products are the inner product with the
 * sum, and sums of squared distances order as the distance to the weighted middle. Else the nearest to some examples
 * are proposed, and their worst bounds what any other point can score: is the last one wanted above it, they are the
 * best; if not, more are proposed, and in the end all that match are judged. Similarities are the higher the better. */
#include "query/tree.h"

#include "base/ctx.h"
#include "base/topk.h"
#include "os/os.h"

#include <float.h>
#include <math.h>

enum { PROPOSED_FIRST = 64, PROPOSED_MORE = 8, PROPOSED_TURNS = 3 };

struct judge {
    struct tree *t;
    const kith_query *q;
    const struct schema_vector *v;
    struct target target; /* kept NULL: there is none */
    struct target *positive, *negative; /* of pairs: their two sides */
    size_t positive_count, negative_count;
    double *taught; /* feedback: of each positive, what its similarity counts */
};

/* ---- scores ---------------------------------------------------------------------------------------------------- */

static double similarity(const struct judge *j, const struct target *to, const void *kept)
{
    return -(double)vector_distance(j->t->r->kernels, j->v, to->kept, kept, NULL);
}

static double fast(double x)
{
    return x / (1 + fabs(x));
}

static double sigma(double x)
{
    return 0.5 * (fast(x) + 1);
}

static double most_similar(const struct judge *j, const struct target *to, size_t n, const void *kept)
{
    double most = -(double)INFINITY;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, similarity(j, &to[i], kept));
    return most;
}

static double best_score(const struct judge *j, const void *kept)
{
    double p = most_similar(j, j->positive, j->positive_count, kept);
    double n = most_similar(j, j->negative, j->negative_count, kept);

    return p > n ? sigma(p) : -sigma(n);
}

static double score(const struct judge *j, const void *kept)
{
    double sum = 0;

    switch (j->q->kind) {
    case KITH_QUERY_RECOMMEND:
        if (j->q->strategy == KITH_BEST_SCORE)
            return best_score(j, kept);
        for (size_t i = 0; i < j->positive_count; i++)
            sum += similarity(j, &j->positive[i], kept);
        for (size_t i = 0; i < j->negative_count; i++)
            sum -= similarity(j, &j->negative[i], kept);
        return sum;
    case KITH_QUERY_DISCOVER:
        for (size_t i = 0; i < j->positive_count; i++) {
            double d = similarity(j, &j->positive[i], kept) - similarity(j, &j->negative[i], kept);
            sum += d > 0 ? 1 : d < 0 ? -1 : 0;
        }
        return sum + sigma(similarity(j, &j->target, kept));
    case KITH_QUERY_CONTEXT:
        for (size_t i = 0; i < j->positive_count; i++) {
            double d = similarity(j, &j->positive[i], kept) - similarity(j, &j->negative[i], kept);
            sum += fast(fmin(d - (double)FLT_EPSILON, 0));
        }
        return sum;
    case KITH_QUERY_FEEDBACK:
        sum = (double)j->q->feedback.a * similarity(j, &j->target, kept);
        for (size_t i = 0; i < j->positive_count; i++)
            sum += j->taught[i] * similarity(j, &j->positive[i], kept);
        return sum;
    case KITH_QUERY_SCROLL: case KITH_QUERY_NEAREST: case KITH_QUERY_ORDER_BY: case KITH_QUERY_FUSION:
    case KITH_QUERY_SAMPLE: case KITH_QUERY_FORMULA: case KITH_QUERY_TEXT:
        break;
    }
    return 0;
}

/* ---- examples ---------------------------------------------------------------------------------------------------- */

static int targets(struct judge *j, const kith_example *from, size_t count, size_t step, struct target **ret)
{
    *ret = arena_alloc(&j->t->c->arena, MAX(count, (size_t)1) * sizeof **ret);
    if (!*ret)
        return err_nomem(j->t->c);
    for (size_t i = 0; i < count; i++) {
        const kith_example *e = (const void *)((const uint8_t *)from + i * step);
        TRY(tree_target(j->t, j->v, e, &(*ret)[i]));
    }
    return 0;
}

/* What the examples teach: of any two the better one attracts, the worse one repels, by how much better it is. */
static int teach(struct judge *j)
{
    const float *s = j->q->weights;

    j->taught = arena_zalloc(&j->t->c->arena, MAX(j->positive_count, (size_t)1) * sizeof *j->taught);
    if (!j->taught)
        return err_nomem(j->t->c);
    for (size_t a = 0; a < j->positive_count; a++) {
        for (size_t b = 0; b < j->positive_count; b++) {
            double weight = s[a] > s[b] ? pow((double)s[a] - (double)s[b], (double)j->q->feedback.b) : 0;
            j->taught[a] += weight * (double)j->q->feedback.c;
            j->taught[b] -= weight * (double)j->q->feedback.c;
        }
    }
    return 0;
}

static int take_examples(struct judge *j)
{
    const kith_query *q = j->q;
    kith_example e = {q->vector, q->like, q->like_collection, q->like_name};

    if (q->kind == KITH_QUERY_DISCOVER || q->kind == KITH_QUERY_FEEDBACK)
        TRY(tree_target(j->t, j->v, &e, &j->target));
    if (q->kind == KITH_QUERY_DISCOVER || q->kind == KITH_QUERY_CONTEXT) {
        j->positive_count = j->negative_count = q->pairs_count;
        if (!q->pairs_count)
            return targets(j, NULL, 0, 0, &j->positive);
        TRY(targets(j, &q->pairs[0].positive, q->pairs_count, sizeof *q->pairs, &j->positive));
        return targets(j, &q->pairs[0].negative, q->pairs_count, sizeof *q->pairs, &j->negative);
    }
    j->positive_count = q->positive_count;
    j->negative_count = q->negative_count;
    TRY(targets(j, q->positive, q->positive_count, sizeof *q->positive, &j->positive));
    TRY(targets(j, q->negative, q->negative_count, sizeof *q->negative, &j->negative));
    return q->kind == KITH_QUERY_FEEDBACK ? teach(j) : 0;
}

/* ---- one search where the score is a sum -------------------------------------------------------------------------- */

/* Adds w * e to a dense sum. */
static void add_dense(const struct judge *j, const struct target *e, double w, float *sum, float *room)
{
    element_widen(j->v->element, e->kept, room, j->v->dim);
    for (uint32_t i = 0; i < j->v->dim; i++)
        sum[i] += (float)w * room[i];
}

struct summed {
    kith_vector vector;
    double weight; /* of all */
};

static int add_weighted(struct judge *j, const struct target *e, double w, struct summed *to)
{
    float *room = arena_alloc(&j->t->c->arena, (size_t)j->v->dim * sizeof *room);
    struct sparse x, old;
    uint32_t *blob, n = 0;
    float *values;

    to->weight += w;
    if (j->v->element != KITH_SPARSE) {
        if (!room)
            return err_nomem(j->t->c);
        add_dense(j, e, w, (float *)(uintptr_t)to->vector.data, room);
        return 0;
    }
    x = sparse_of(e->kept);
    old = (struct sparse){to->vector.dim, to->vector.data, (const float *)to->vector.data + to->vector.dim};
    blob = arena_alloc(&j->t->c->arena, (size_t)(x.count + old.count + 1) * 8);
    values = arena_alloc(&j->t->c->arena, (size_t)(x.count + old.count + 1) * sizeof *values);
    if (!blob || !values)
        return err_nomem(j->t->c);
    for (uint32_t a = 0, b = 0; a < x.count || b < old.count; n++) {
        bool first = b == old.count || (a < x.count && x.indices[a] <= old.indices[b]);
        bool second = a == x.count || (b < old.count && old.indices[b] <= x.indices[a]);
        blob[n] = first ? x.indices[a] : old.indices[b];
        values[n] = (first ? (float)w * x.values[a] : 0) + (second ? old.values[b] : 0);
        a += first;
        b += second;
    }
    memcpy(blob + n, values, n * sizeof *values);
    to->vector = (kith_vector){"", n, blob, KITH_SPARSE, 0};
    return 0;
}

static int sum_up(struct judge *j, struct summed *to)
{
    double each = 1;
    float *zeros = arena_zalloc(&j->t->c->arena, MAX(j->v->dim, 1u) * sizeof *zeros);

    if (!zeros)
        return err_nomem(j->t->c);
    *to = (struct summed){{"", j->v->element == KITH_SPARSE ? 0 : j->v->dim, zeros,
                           j->v->element == KITH_SPARSE ? KITH_SPARSE : KITH_F32, 0}, 0};
    if (j->q->kind == KITH_QUERY_FEEDBACK)
        TRY(add_weighted(j, &j->target, (double)j->q->feedback.a, to));
    for (size_t i = 0; i < j->positive_count; i++)
        TRY(add_weighted(j, &j->positive[i], j->taught ? j->taught[i] : each, to));
    for (size_t i = 0; i < j->negative_count; i++)
        TRY(add_weighted(j, &j->negative[i], -each, to));
    if (j->v->metric == KITH_EUCLID && to->weight > 0) { /* the middle */
        for (uint32_t i = 0; i < j->v->dim; i++)
            zeros[i] /= (float)to->weight;
    }
    return 0;
}

/* Whether the order by the score is that by nearness to one vector, which such elements can hold. */
static bool is_sum(const struct judge *j)
{
    bool floats = j->v->element == KITH_F32 || j->v->element == KITH_F16 || j->v->element == KITH_BF16;
    bool inner = j->v->metric == KITH_DOT || j->v->metric == KITH_COSINE;
    bool feedback = j->q->kind == KITH_QUERY_FEEDBACK;
    bool sums = feedback || (j->q->kind == KITH_QUERY_RECOMMEND && j->q->strategy == KITH_SUM_SCORES);
    double weight = feedback ? (double)j->q->feedback.a : (double)j->positive_count - (double)j->negative_count;

    if (!sums || j->v->idf || j->v->multi)
        return false;
    return (floats && (inner || (j->v->metric == KITH_EUCLID && weight > 0))) || j->v->element == KITH_SPARSE;
}

/* ---- judging ------------------------------------------------------------------------------------------------------ */

static int judge_one(struct judge *j, struct hit_ref hit, struct hit_list *out)
{
    const void *kept;
    double s;

    TRY(tree_vector(j->t, &hit, j->v, &kept));
    if (!kept)
        return 0;
    s = score(j, kept);
    hit.distance = isnan(s) ? INFINITY : (float)-s;
    return hits_push(j->t->c, out, hit);
}

static int judge_list(struct judge *j, const struct hit_list *given, size_t want, struct hit_list *out)
{
    out->count = 0;
    for (size_t i = 0; i < given->count; i++) {
        if (i % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(j->t->c));
        TRY(judge_one(j, given->at[i], out));
    }
    return tree_settle(j->t, out, want);
}

static int judge_segment(struct judge *j, size_t segment, const struct pred *p, size_t want, struct hit_list *out)
{
    const struct snapshot *snap = j->t->r->snap;
    const struct segment *s = snap->segments[segment];
    struct bits mask;
    struct topk best;
    uint32_t n = 0;
    bool all;

    TRY(query_mask(j->t->c, snap, segment, p, &mask, &all));
    if (topk_init(&best, &j->t->c->arena, (uint32_t)MIN(want, (size_t)MAX(mask.size, 1u))) < 0)
        return err_nomem(j->t->c);
    for (row_id row = bits_next(&mask, 0); row != ROW_NONE; row = bits_next(&mask, row + 1)) {
        const void *kept;
        if (++n % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(j->t->c));
        TRY(s->ops->vector(j->t->c, s, row, snap->v, j->v->id, &kept));
        if (kept)
            topk_push(&best, (float)-score(j, kept), row);
    }
    for (uint32_t i = 0; i < best.size; i++) {
        struct hit_ref hit = {.distance = best.heap[i].distance, .segment = (uint32_t)segment, .row = best.heap[i].row};
        TRY(hits_push(j->t->c, out, hit));
    }
    return 0;
}

static int judge_all(struct judge *j, const struct pred *p, size_t want, struct hit_list *out)
{
    out->count = 0;
    for (size_t i = 0; i < j->t->r->snap->count; i++)
        TRY(judge_segment(j, i, p, want + j->t->excluded_count, out));
    return tree_settle(j->t, out, want);
}

/* The nearest `k` to one example, added to the candidates. `ret_tail`: how similar others can be at most. */
static int propose(struct judge *j, const struct target *to, const struct pred *p, uint32_t k,
                   struct hit_list *candidates, double *ret_tail)
{
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = k, .ef = j->q->ef, .exact = j->q->exact,
                    .target_recall = j->q->target_recall, .hop_below = j->q->hop_below};
    struct hit_list found = {0};
    double none;

    TRY(tree_nearest(j->t, &q, j->v, to, p, &found));
    TRY(hits_sort(j->t->c, j->t->r->snap, &q, &found));
    found.count = MIN(found.count, (size_t)k);
    none = j->v->element == KITH_SPARSE ? 0 : -(double)INFINITY; /* what has no common term is not found, and scores 0 */
    *ret_tail = fmax(*ret_tail, found.count < k ? none : -(double)found.at[k - 1].distance);
    for (size_t i = 0; i < found.count; i++)
        TRY(hits_push(j->t->c, candidates, found.at[i]));
    return 0;
}

/* What a point that was not proposed scores at most. */
static double bound(const struct judge *j, double tail)
{
    if (j->q->kind == KITH_QUERY_DISCOVER)
        return (double)j->positive_count + sigma(tail);
    return j->q->kind == KITH_QUERY_CONTEXT ? 0 : sigma(tail);
}

/* 1: the best are found; 0: they may be others. */
static int by_proposals(struct judge *j, const struct pred *p, size_t want, struct hit_list *out)
{
    const struct target *seeds = j->q->kind == KITH_QUERY_DISCOVER ? &j->target : j->positive;
    size_t count = j->q->kind == KITH_QUERY_DISCOVER ? 1 : j->positive_count;
    size_t k = MAX(4 * want, (size_t)PROPOSED_FIRST);

    for (int turn = 0; turn < PROPOSED_TURNS && count && k <= GRAPH_EF_MAX / 2; turn++, k *= PROPOSED_MORE) {
        struct hit_list candidates = {0};
        double tail = -(double)INFINITY;
        for (size_t i = 0; i < count; i++)
            TRY(propose(j, &seeds[i], p, (uint32_t)k, &candidates, &tail));
        hits_once(&candidates);
        TRY(judge_list(j, &candidates, want, out));
        if (isinf(tail)) /* there are no others */
            return 1;
        if (out->count == want && -(double)out->at[want - 1].distance >= bound(j, tail) - 1e-6)
            return 1;
    }
    return 0;
}

/* Given vectors count as they are, whatever their length. */
static int add_example(struct judge *j, const kith_example *e, const struct target *t, double w, struct summed *to)
{
    const float *given = e->vector.data;

    if (e->like || e->vector.element != KITH_F32 || j->v->element == KITH_SPARSE)
        return add_weighted(j, t, w, to);
    for (uint32_t i = 0; i < j->v->dim; i++)
        ((float *)(uintptr_t)to->vector.data)[i] += (float)w * given[i];
    return 0;
}

/* The middle of the examples, off those that are not wanted. */
static int middle(struct judge *j, kith_vector *ret)
{
    double p_share = 1 / (double)MAX(j->positive_count, (size_t)1);
    double n_share = 1 / (double)MAX(j->negative_count, (size_t)1);
    const kith_query *from = j->q;
    struct summed sum;

    TRY(sum_up(&(struct judge){.t = j->t, .v = j->v, .q = &(kith_query){.kind = KITH_QUERY_RECOMMEND}}, &sum));
    for (size_t i = 0; i < j->positive_count; i++)
        TRY(add_example(j, &from->positive[i], &j->positive[i], j->negative_count ? 2 * p_share : p_share, &sum));
    for (size_t i = 0; i < j->negative_count; i++)
        TRY(add_example(j, &from->negative[i], &j->negative[i], -n_share, &sum));
    *ret = sum.vector;
    return 0;
}

/* Of multi-vectors: all vectors of the examples, those of the negative ones turned round. */
static int all_of_them(struct judge *j, kith_vector *ret)
{
    size_t count = 0, n = 0;
    float *all;

    for (size_t i = 0; i < j->positive_count + j->negative_count; i++)
        count += many_of((i < j->positive_count ? j->positive[i] : j->negative[i - j->positive_count]).kept).count;
    if (count * j->v->dim >= MANY_ELEMENTS)
        return err_set(j->t->c, KITH_INVALID, "recommend: examples of %zu vectors of %u elements, expected less than %d "
                                              "elements", count, j->v->dim, MANY_ELEMENTS);
    all = arena_alloc(&j->t->c->arena, count * j->v->dim * sizeof *all);
    if (!all)
        return err_nomem(j->t->c);
    for (size_t i = 0; i < j->positive_count + j->negative_count; i++) {
        bool negative = i >= j->positive_count;
        struct many x = many_of((negative ? j->negative[i - j->positive_count] : j->positive[i]).kept);
        float *to = all + n * j->v->dim;
        element_widen_many(j->v->element, x.data, to, j->v->dim, x.count);
        for (size_t e = 0; negative && e < (size_t)x.count * j->v->dim; e++)
            to[e] = -to[e];
        n += x.count;
    }
    *ret = (kith_vector){"", j->v->dim, all, KITH_F32, (uint32_t)count};
    return 0;
}

static int average(struct judge *j, const struct pred *p, const struct hit_list *given, struct hit_list *hits)
{
    const kith_query *from = j->q;
    size_t want = (size_t)from->limit + from->offset;
    struct target target;
    kith_example e = {0};
    kith_query q = *from;

    if (!from->positive_count)
        return err_set(j->t->c, KITH_INVALID, "At least one positive vector ID is required with this strategy");
    TRY((j->v->multi ? all_of_them : middle)(j, &e.vector));
    TRY(tree_target(j->t, j->v, &e, &target));
    q.kind = KITH_QUERY_NEAREST;
    q.like = NULL;
    q.limit += (uint32_t)j->t->excluded_count;
    if (!given) {
        TRY(tree_nearest(j->t, &q, j->v, &target, p, hits));
        return tree_settle(j->t, hits, want);
    }
    for (size_t i = 0; i < given->count; i++) {
        struct hit_ref hit = given->at[i];
        const void *kept;
        bool common;
        TRY(tree_vector(j->t, &hit, j->v, &kept));
        if (!kept)
            continue;
        hit.distance = vector_distance(j->t->r->kernels, j->v, target.kept, kept, &common);
        if (common)
            TRY(hits_push(j->t->c, hits, hit));
    }
    return tree_settle(j->t, hits, want);
}

int judge_run(struct tree *t, const kith_query *q, const struct schema_vector *v, const struct pred *p,
              const struct hit_list *given, struct hit_list *hits)
{
    struct judge j = {.t = t, .q = q, .v = v};
    size_t want = (size_t)q->limit + q->offset;
    struct hit_list candidates = {0};
    int done;

    t->as_given = q->kind == KITH_QUERY_RECOMMEND && q->strategy == KITH_AVERAGE;
    done = take_examples(&j);
    t->as_given = false;
    TRY(done);
    if (q->kind == KITH_QUERY_RECOMMEND && q->strategy == KITH_AVERAGE)
        return average(&j, p, given, hits);
    if (given)
        return judge_list(&j, given, want, hits);
    if (is_sum(&j)) {
        double unused = -(double)INFINITY;
        struct target target;
        struct summed sum;
        kith_example e = {0};
        TRY(sum_up(&j, &sum));
        e.vector = sum.vector;
        TRY(tree_target(t, v, &e, &target));
        TRY(propose(&j, &target, p, (uint32_t)MIN(want + t->excluded_count, (size_t)UINT32_MAX), &candidates, &unused));
        TRY(judge_list(&j, &candidates, want, hits));
        /* what has no term of the sum was not proposed, and scores 0 */
        if (v->element != KITH_SPARSE || (hits->count == want && hits->at[want - 1].distance <= 0))
            return 0;
        return judge_all(&j, p, want, hits);
    }
    done = q->kind == KITH_QUERY_RECOMMEND && q->strategy == KITH_SUM_SCORES ? 0 : by_proposals(&j, p, want, hits);
    if (done < 0)
        return done;
    return done ? 0 : judge_all(&j, p, want, hits);
}
