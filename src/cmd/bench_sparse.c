/* bench_sparse.c - kith bench, sparse vectors. */
#include "cmd/bench.h"
#include "os/os.h"

#include "base/arena.h"
#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>

/* As BigANN's files have it. */
struct csr {
    int64_t head[3]; /* rows, columns, entries */
    int64_t *starts;
    uint32_t *indices;
    float *values;
};

static bool read_all(FILE *f, void **ret, size_t count, size_t size)
{
    *ret = calloc(count ? count : 1, size);
    return *ret && fread(*ret, size, count, f) == count;
}

static bool csr_read(const char *path, struct csr *m)
{
    FILE *f = fopen(path, "rb");
    bool ok = f && fread(m->head, sizeof m->head, 1, f) == 1 && m->head[0] >= 0 && m->head[2] >= 0 &&
              read_all(f, (void **)&m->starts, (size_t)m->head[0] + 1, 8) &&
              read_all(f, (void **)&m->indices, (size_t)m->head[2], 4) &&
              read_all(f, (void **)&m->values, (size_t)m->head[2], 4);

    if (f)
        fclose(f);
    return ok;
}

static void csr_release(struct csr *m)
{
    free(m->starts);
    free(m->indices);
    free(m->values);
}

/* Row i as the library takes it; good as long as the arena. */
static bool csr_vector(struct arena *a, const struct csr *m, int64_t i, kith_vector *ret)
{
    size_t n = (size_t)(m->starts[i + 1] - m->starts[i]), from = (size_t)m->starts[i];
    uint32_t *blob = arena_alloc(a, n * 8);

    if (!blob)
        return false;
    memcpy(blob, m->indices + from, n * 4);
    memcpy(blob + n, m->values + from, n * 4);
    *ret = (kith_vector){"", (uint32_t)n, blob, KITH_SPARSE, 0};
    return true;
}

static int load(kith_db *db, const struct csr *base, kith_err *err)
{
    enum { BATCH = 1000 };
    static kith_point points[BATCH];
    static kith_vector vectors[BATCH];
    kith_vector_params params = {.name = "", .metric = KITH_DOT, .element = KITH_SPARSE};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    double start = bench_now(), put;

    if (kith_create(db, "bench", &schema, err) < 0)
        return -1;
    for (int64_t row = 0; row < base->head[0];) {
        kith_op op = {.kind = KITH_UPSERT, .points = points};
        struct arena a;
        int rc = 0;
        arena_init(&a);
        for (; rc >= 0 && op.points_count < BATCH && row < base->head[0]; row++, op.points_count++) {
            size_t i = op.points_count;
            rc = csr_vector(&a, base, row, &vectors[i]) ? 0 : KITH_NOMEM;
            points[i] = (kith_point){kith_id_num((uint64_t)row), {KITH_DOC_NONE, 0, NULL}, &vectors[i], 1};
        }
        if (rc >= 0)
            rc = kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
        arena_release(&a);
        if (rc < 0)
            return rc;
    }
    put = bench_now();
    if (kith_optimize(db, "bench", err) < 0)
        return -1;
    printf("{\"insert_per_s\": %.0f, \"load_s\": %.2f}\n", (double)base->head[0] / (put - start), bench_now() - start);
    return 0;
}

/* One pass over the queries; with `scores`, what was found is printed. */
static int pass(kith_db *db, const struct csr *query, float target, double *times, bool scores, kith_err *err)
{
    for (int64_t i = 0; i < query->head[0]; i++) {
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .target_recall = target};
        struct arena a;
        kith_result *r = NULL;
        double start;
        arena_init(&a);
        if (csr_vector(&a, query, i, &q.vector)) {
            start = bench_now();
            r = kith_query_run(db, "bench", &q, err);
            times[i] = bench_now() - start;
        }
        arena_release(&a);
        if (!r)
            return -1;
        for (size_t j = 0; scores && j < r->count; j++)
            printf("%s%.6g", j ? ", " : i ? "], [" : "[", -(double)r->hits[j].distance);
        if (scores && !r->count)
            printf("%s", i ? "], [" : "[");
        kith_result_free(r);
    }
    return 0;
}

static int search(kith_db *db, const struct csr *query, float target, kith_err *err)
{
    size_t n = (size_t)query->head[0];
    double *times = calloc(n, sizeof *times);
    struct timing best = {0};
    int rc = times ? pass(db, query, target, times, false, err) : -1; /* warms up */

    for (int turn = 0; turn < 3 && rc >= 0; turn++) {
        rc = pass(db, query, target, times, false, err);
        timing_keep(&best, times, n);
    }
    printf("{\"qps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"resident_mb\": %.0f, \"anonymous_mb\": %.0f, "
           "\"scores\": [",
           (double)n / best.total, best.p50 * 1e6, best.p99 * 1e6, (double)os_resident_bytes() / 1048576,
           (double)os_anonymous_bytes() / 1048576);
    if (rc >= 0)
        rc = pass(db, query, target, times, true, err);
    printf("]]}\n");
    free(times);
    return rc;
}

int bench_sparse(const char *dir, const char *base, const char *query, const char *step)
{
    struct csr b = {0}, q = {0};
    bool loads = strcmp(step, "load") == 0, ok = csr_read(loads ? base : query, loads ? &b : &q);
    kith_err err = {0};
    kith_db *db;
    int rc = -1;

    if (!ok)
        return cmd_fail("bench: %s: not a .csr file", loads ? base : query);
    if (loads && os_linux()->exists(os_linux(), dir) == 1)
        return cmd_fail("bench: %s exists", dir);
    db = kith_open(dir, NULL, &err);
    if (db && loads)
        rc = load(db, &b, &err);
    else if (db && strncmp(step, "search", 6) == 0)
        rc = search(db, &q, step[6] == '=' ? strtof(step + 7, NULL) : 0, &err);
    else if (db)
        snprintf(err.text, sizeof err.text, "step \"%.20s\": expected load or search[=TARGET]", step);
    kith_close(db);
    csr_release(&b);
    csr_release(&q);
    return rc < 0 ? cmd_fail("bench: %s", err.text) : 0;
}
