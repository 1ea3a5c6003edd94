/* bench_filtered.c - kith bench, filtered searches: rows get a number drawn at random, and one that goes with
 * where they lie, so that a range of it matches rows near the middle of the queries, or far from it. */
#include "cmd/bench.h"
#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000 };

struct ranked {
    double nearness;
    uint64_t row;
};

static int descending(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->nearness > y->nearness ? -1 : x->nearness < y->nearness;
}

/* Of each row its place, nearest to the mean query first. */
static uint32_t *places(const struct matrix *base, const struct matrix *query)
{
    struct ranked *r = calloc(base->rows, sizeof *r);
    uint32_t *place = calloc(base->rows, sizeof *place);
    double *mean = calloc(base->columns, sizeof *mean);

    for (uint64_t i = 0; i < query->rows && mean; i++) {
        for (uint32_t j = 0; j < base->columns; j++)
            mean[j] += (double)query->data[i * base->columns + j];
    }
    for (uint64_t i = 0; i < base->rows && r && mean; i++) {
        r[i].row = i;
        for (uint32_t j = 0; j < base->columns; j++)
            r[i].nearness += mean[j] * (double)base->data[i * base->columns + j];
    }
    if (r && place) {
        qsort(r, base->rows, sizeof *r, descending);
        for (uint64_t i = 0; i < base->rows; i++)
            place[r[i].row] = (uint32_t)i;
    }
    free(r);
    free(mean);
    return place;
}

int bench_load_documents(kith_db *db, const struct matrix *base, const struct matrix *query, kith_metric metric,
                         bool indexed, kith_err *err)
{
    static kith_point points[BATCH];
    static kith_vector vectors[BATCH];
    static char docs[BATCH][64];
    kith_vector_params params = {.name = "", .dim = base->columns, .metric = metric};
    kith_field fields[] = {{.path = "random", .index = KITH_INDEX_INTEGER},
                           {.path = "near", .index = KITH_INDEX_INTEGER}};
    kith_schema schema = {&params, 1, fields, indexed ? 2 : 0, NULL};
    uint32_t *place = places(base, query);
    double start = bench_now();
    uint64_t seed = 1;
    int rc = place ? kith_create(db, "bench", &schema, err) : -1;

    for (uint64_t at = 0; at < base->rows && rc >= 0; at += BATCH) {
        kith_op op = {.kind = KITH_UPSERT, .points = points};
        for (uint64_t i = at; i < base->rows && i < at + BATCH; i++) {
            size_t n = op.points_count++;
            int size;
            size = snprintf(docs[n], sizeof docs[n], "{\"random\":%llu,\"near\":%llu}",
                            (unsigned long long)splitmix(&seed) % 1000000,
                            (unsigned long long)(place[i] * 1000000ull / base->rows));
            vectors[n] = (kith_vector){"", base->columns, base->data + i * base->columns, KITH_F32, 0};
            points[n] = (kith_point){kith_id_num(i), {KITH_DOC_JSON, (uint32_t)size, docs[n]}, &vectors[n], 1};
        }
        rc = kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
    }
    free(place);
    if (rc >= 0)
        rc = kith_optimize(db, "bench", err);
    printf("{\"load_s\": %.2f}\n", bench_now() - start);
    return rc;
}

struct filtered {
    kith_db *db;
    const struct matrix *query;
    const kith_filter *filter;
    float *worst; /* what a hit may be at most, of each query */
    size_t wanted;
};

static kith_result *search(const struct filtered *x, uint64_t i, uint32_t ef, bool exact, kith_err *err)
{
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .filter = x->filter, .ef = ef, .exact = exact};

    q.vector = (kith_vector){"", x->query->columns, x->query->data + i * x->query->columns, KITH_F32, 0};
    return kith_query_run(x->db, "bench", &q, err);
}

static int find_truth(struct filtered *x, kith_err *err)
{
    x->wanted = 0;
    for (uint64_t i = 0; i < x->query->rows; i++) {
        kith_result *r = search(x, i, 0, true, err);
        if (!r)
            return -1;
        x->worst[i] = r->count ? r->hits[r->count - 1].distance : -INFINITY;
        x->wanted += r->count;
        kith_result_free(r);
    }
    return 0;
}

/* Best of three passes, of such a width; 0: as the target says. The recall. */
static int measure(const struct filtered *x, uint32_t ef, const char *before, double *ret_recall, kith_err *err)
{
    double best = 1e30;
    size_t hits = 0;

    for (int pass = 0; pass < 3; pass++) {
        double start = bench_now();
        hits = 0;
        for (uint64_t i = 0; i < x->query->rows; i++) {
            kith_result *r = search(x, i, ef, false, err);
            if (!r)
                return -1;
            for (size_t j = 0; j < r->count; j++) /* ties are hits */
                hits += r->hits[j].distance <= x->worst[i] + fabsf(x->worst[i]) * 1e-5f + 1e-6f;
            kith_result_free(r);
        }
        best = fmin(best, (bench_now() - start) / (double)x->query->rows);
    }
    *ret_recall = x->wanted ? (double)hits / (double)x->wanted : 1;
    printf("%s{\"effort\": %u, \"recall\": %.4f, \"qps\": %.0f}", before, ef, *ret_recall, 1 / best);
    return 0;
}

/* By the target first, then by width, until nearly all is found. */
static int sweep(struct filtered *x, const char *kind, double share, bool first, kith_err *err)
{
    static const uint32_t efs[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256};
    double recall = 0;

    printf("%s{\"kind\": \"%s\", \"share\": %g, \"sweep\": [", first ? "" : ", ", kind, share);
    if (find_truth(x, err) < 0 || measure(x, 0, "", &recall, err) < 0)
        return -1;
    recall = 0;
    for (size_t i = 0; i < ARRAY_SIZE(efs) && recall < 0.97; i++) {
        if (measure(x, efs[i], ", ", &recall, err) < 0)
            return -1;
    }
    printf("]}");
    return 0;
}

static int sweep_all(struct filtered *x, kith_err *err)
{
    static const double shares[] = {0.5, 0.3, 0.1, 0.05, 0.03, 0.01, 0.001, 0.0001};
    static const char *const kinds[] = {"random", "near", "far"};

    printf("{\"filtered\": [");
    if (sweep(x, "none", 1, true, err) < 0)
        return -1;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
            kith_filter f = {.kind = KITH_COND_RANGE, .path = k ? "near" : "random"};
            f.bounds = k == 2 ? KITH_GTE : KITH_LT;
            f.range.lt = shares[i] * 1e6;
            f.range.gte = (1 - shares[i]) * 1e6;
            x->filter = &f;
            if (sweep(x, kinds[k], shares[i], false, err) < 0)
                return -1;
        }
    }
    printf("]}\n");
    return 0;
}

int bench_filtered(kith_db *db, const struct matrix *query, kith_err *err)
{
    struct filtered x = {.db = db, .query = query, .worst = calloc(query->rows, sizeof *x.worst)};
    int rc = x.worst ? sweep_all(&x, err) : -1;

    free(x.worst);
    return rc;
}
