/* bench_filtered.c - kith bench, filtered searches: rows get a number drawn at random, and one that goes with
 * where they lie, so that a range of it matches rows near the middle of the queries, or far from it. */
#include "cmd/bench.h"
#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, CHECKED = 200 };

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

static int load(kith_db *db, const struct matrix *base, const struct matrix *query, kith_metric metric, kith_err *err)
{
    static kith_point points[BATCH];
    static kith_vector vectors[BATCH];
    static char docs[BATCH][64];
    kith_vector_params params = {.name = "", .dim = base->columns, .metric = metric};
    kith_field fields[] = {{.path = "random", .index = KITH_INDEX_INTEGER},
                           {.path = "near", .index = KITH_INDEX_INTEGER}};
    kith_schema schema = {&params, 1, fields, 2, NULL};
    uint32_t *place = places(base, query);
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
            vectors[n] = (kith_vector){"", base->columns, base->data + i * base->columns, KITH_F32};
            points[n] = (kith_point){kith_id_num(i), {KITH_DOC_JSON, (uint32_t)size, docs[n]}, &vectors[n], 1};
        }
        rc = kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
    }
    free(place);
    return rc < 0 ? rc : kith_optimize(db, "bench", err);
}

/* Seconds a query, best of three passes; and the share of the true ten nearest among the first queries. */
static int measure(kith_db *db, const struct matrix *query, const kith_filter *f, double *ret_s, double *ret_recall,
                   kith_err *err)
{
    size_t hits = 0, wanted = 0;

    *ret_s = 1e30;
    for (int pass = 0; pass < 4; pass++) {
        double start = bench_now();
        for (uint64_t i = 0; i < (pass < 3 ? query->rows : MIN(query->rows, (uint64_t)CHECKED)); i++) {
            kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .filter = f};
            kith_result *got, *want = NULL;
            q.vector = (kith_vector){"", query->columns, query->data + i * query->columns, KITH_F32};
            got = kith_query_run(db, "bench", &q, err);
            q.exact = true;
            want = got && pass == 3 ? kith_query_run(db, "bench", &q, err) : NULL;
            for (size_t j = 0; want && j < got->count; j++)
                hits += got->hits[j].distance <= want->hits[want->count - 1].distance;
            wanted += want ? want->count : 0;
            kith_result_free(want);
            if (!got)
                return -1;
            kith_result_free(got);
        }
        if (pass < 3)
            *ret_s = fmin(*ret_s, (bench_now() - start) / (double)query->rows);
    }
    *ret_recall = wanted ? (double)hits / (double)wanted : 1;
    return 0;
}

int bench_filtered(kith_db *db, const struct matrix *base, const struct matrix *query, kith_metric metric, kith_err *err)
{
    static const double shares[] = {0.5, 0.3, 0.1, 0.05, 0.03, 0.01, 0.001, 0.0001};
    static const char *const kinds[] = {"random", "near", "far"};
    double plain, took, recall;

    if (load(db, base, query, metric, err) < 0 || measure(db, query, NULL, &plain, &recall, err) < 0)
        return -1;
    printf("{\"us\": %.1f, \"recall\": %.3f, \"filtered\": [", plain * 1e6, recall);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
            kith_filter f = {.kind = KITH_COND_RANGE, .path = k ? "near" : "random"};
            f.bounds = k == 2 ? KITH_GTE : KITH_LT;
            f.range.lt = shares[i] * 1e6;
            f.range.gte = (1 - shares[i]) * 1e6;
            if (measure(db, query, &f, &took, &recall, err) < 0)
                return -1;
            printf("%s{\"kind\": \"%s\", \"share\": %g, \"us\": %.1f, \"ratio\": %.2f, \"recall\": %.3f}",
                   k || i ? ", " : "", kinds[k], shares[i], took * 1e6, took / plain, recall);
        }
    }
    printf("]}\n");
    return 0;
}
