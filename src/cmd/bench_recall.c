/* bench_recall.c - kith bench, recall as asked for: by target and by how hard the queries are, and after every row was
 * replaced. */
#include "cmd/bench.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { DECILES = 10, BATCH = 1000 };

struct asked {
    kith_db *db;
    const struct matrix *query;
    float *worst;    /* the 10th exact distance of each query */
    uint32_t *order; /* queries, the easiest first: nearest to what they look for */
};

static kith_result *search(const struct asked *x, uint64_t i, float target, bool exact, kith_err *err)
{
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .target_recall = target, .exact = exact};

    q.vector = (kith_vector){"", x->query->columns, x->query->data + i * x->query->columns, KITH_F32, 0};
    return kith_query_run(x->db, "bench", &q, err);
}

struct hardness {
    float distance;
    uint32_t query;
};

static int harder(const void *a, const void *b)
{
    const struct hardness *x = a, *y = b;

    return x->distance < y->distance ? -1 : x->distance > y->distance;
}

static int find_truth(struct asked *x, kith_err *err)
{
    struct hardness *h = calloc(x->query->rows, sizeof *h);

    for (uint32_t i = 0; h && i < x->query->rows; i++) {
        kith_result *r = search(x, i, 0, true, err);
        if (!r || !r->count) {
            kith_result_free(r);
            free(h);
            return -1;
        }
        x->worst[i] = r->hits[r->count - 1].distance;
        h[i] = (struct hardness){x->worst[i], i};
        kith_result_free(r);
    }
    if (!h)
        return -1;
    qsort(h, x->query->rows, sizeof *h, harder);
    for (uint32_t i = 0; i < x->query->rows; i++)
        x->order[i] = h[i].query;
    free(h);
    return 0;
}

/* Deciles, if the queries are taken in order of how hard they are; else as they come. */
static int one_target(const struct asked *x, float target, bool in_order, kith_err *err)
{
    size_t n = (size_t)x->query->rows, hits[DECILES] = {0}, all = 0;
    double start = bench_now();

    for (size_t i = 0; i < n; i++) {
        uint32_t query = in_order ? x->order[i] : (uint32_t)i;
        kith_result *r = search(x, query, target, false, err);
        if (!r)
            return -1;
        for (size_t j = 0; j < r->count; j++)
            hits[i * DECILES / n] += r->hits[j].distance <= x->worst[query];
        kith_result_free(r);
    }
    printf("{\"target\": %.2f, \"us\": %.1f, \"deciles\": [", (double)target, (bench_now() - start) / (double)n * 1e6);
    for (size_t d = 0; d < DECILES; d++) {
        size_t from = (d * n + DECILES - 1) / DECILES, to = ((d + 1) * n + DECILES - 1) / DECILES;
        printf("%s%.3f", d ? ", " : "", (double)hits[d] / (double)(10 * (to - from)));
        all += hits[d];
    }
    printf("], \"recall\": %.4f}", (double)all / (double)(10 * n));
    return 0;
}

static int all_targets(struct asked *x, const char *name, kith_err *err)
{
    static const float targets[] = {0.90f, 0.95f, 0.99f};
    int rc = find_truth(x, err);

    printf("\"%s\": [", name);
    for (size_t i = 0; i < ARRAY_SIZE(targets) && rc >= 0; i++) {
        printf("%s", i ? ", " : "");
        rc = one_target(x, targets[i], true, err);
    }
    printf("]");
    return rc;
}

/* Every point gets the vector of another, far from its own; a batch at a time, while graphs are kept up. */
static int churn(kith_db *db, const struct matrix *base, kith_err *err)
{
    static kith_point points[BATCH];
    static kith_vector vectors[BATCH];

    for (uint64_t at = 0; at < base->rows; at += BATCH) {
        kith_op op = {.kind = KITH_UPSERT, .points = points};
        for (uint64_t i = at; i < base->rows && i < at + BATCH; i++) {
            size_t n = op.points_count++;
            const float *data = base->data + (base->rows - 1 - i) * base->columns;
            vectors[n] = (kith_vector){"", base->columns, data, KITH_F32, 0};
            points[n] = (kith_point){kith_id_num(i), {KITH_DOC_NONE, 0, NULL}, &vectors[n], 1};
        }
        if (kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err) < 0)
            return -1;
    }
    return 0;
}

/* Rounds of the same queries by the usual target, as a running server would meet them, and what the monitor makes of
 * them. */
int bench_drift(kith_db *db, const struct matrix *query, kith_err *err)
{
    enum { ROUNDS = 6 };
    struct asked x = {db, query, calloc(query->rows, sizeof *x.worst), calloc(query->rows, sizeof *x.order)};
    int rc = x.worst && x.order ? find_truth(&x, err) : -1;
    kith_watched w = {0};

    printf("{\"rounds\": [");
    for (int i = 0; i < ROUNDS && rc >= 0; i++) {
        printf("%s{\"found\": ", i ? ", " : "");
        rc = one_target(&x, 0.95f, false, err);
        os_pause(1500000); /* while the samples that wait are run again */
        if (kith_watch(db, "bench", &w))
            printf(", \"samples\": %llu, \"measured\": %.3f, \"low\": %.3f, \"high\": %.3f, \"effort\": %.2f}",
                   (unsigned long long)w.recall_samples, w.recall, w.recall_low, w.recall_high, w.effort);
    }
    printf("]}\n");
    free(x.worst);
    free(x.order);
    return rc;
}

int bench_recall(kith_db *db, const struct matrix *base, const struct matrix *query, kith_err *err)
{
    struct asked x = {db, query, calloc(query->rows, sizeof *x.worst), calloc(query->rows, sizeof *x.order)};
    int rc = x.worst && x.order ? 0 : -1;
    double start;

    printf("{");
    if (rc >= 0)
        rc = all_targets(&x, "loaded", err);
    start = bench_now();
    if (rc >= 0)
        rc = churn(db, base, err);
    printf(", \"replaced_per_s\": %.0f, ", (double)base->rows / (bench_now() - start));
    if (rc >= 0)
        rc = all_targets(&x, "all replaced", err);
    if (rc >= 0)
        rc = kith_optimize(db, "bench", err);
    printf(", ");
    if (rc >= 0)
        rc = all_targets(&x, "all replaced, merged", err);
    printf("}\n");
    free(x.worst);
    free(x.order);
    return rc;
}
