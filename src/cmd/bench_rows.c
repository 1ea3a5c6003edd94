/* bench_rows.c - loading rows and asking questions, whatever they are made of. */
#include "base/arena.h"
#include "base/ctx.h"
#include "cmd/bench.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000 };

/* The next rows; how many, or a negative code. */
static int put_batch(kith_db *db, const struct bench_rows *r, uint64_t from, kith_err *err)
{
    static kith_point points[BATCH];
    static kith_vector vectors[BATCH];
    kith_op op = {.kind = KITH_UPSERT, .points = points, .points_count = (size_t)MIN(r->rows - from, (uint64_t)BATCH)};
    struct arena a;
    int rc = 0;

    arena_init(&a);
    for (size_t i = 0; i < op.points_count && rc >= 0; i++) {
        points[i] = (kith_point){.id = kith_id_num(from + i), .vectors = &vectors[i]};
        rc = r->row(r->arg, &a, from + i, &points[i], &vectors[i]) ? 0 : KITH_NOMEM;
    }
    if (rc >= 0)
        rc = kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
    arena_release(&a);
    return rc < 0 ? rc : (int)op.points_count;
}

int bench_rows_load(kith_db *db, const kith_schema *schema, const struct bench_rows *r, kith_err *err)
{
    double start = bench_now(), put;

    if (kith_create(db, "bench", schema, err) < 0)
        return -1;
    for (uint64_t row = 0; row < r->rows;) {
        int n = put_batch(db, r, row, err);
        if (n < 0)
            return n;
        row += (uint64_t)n;
    }
    put = bench_now();
    if (kith_optimize(db, "bench", err) < 0)
        return -1;
    printf("{\"insert_per_s\": %.0f, \"load_s\": %.2f}\n", (double)r->rows / (put - start), bench_now() - start);
    return 0;
}

static void show(uint64_t question, const kith_result *r)
{
    printf("%s[", question ? ", " : "");
    for (size_t j = 0; j < r->count; j++)
        printf("%s[%llu, %.6g]", j ? ", " : "", (unsigned long long)r->hits[j].id.as.num, -(double)r->hits[j].distance);
    printf("]");
}

/* One pass over the questions; with `shown`, what was found is printed. */
static int pass(kith_db *db, const struct bench_rows *x, double *times, bool shown, kith_err *err)
{
    for (uint64_t i = 0; i < x->questions; i++) {
        kith_query q = {.limit = 10};
        kith_result *r = NULL;
        struct arena a;
        double start;
        arena_init(&a);
        if (x->question(x->arg, &a, i, &q)) {
            start = bench_now();
            r = kith_query_run(db, "bench", &q, err);
            times[i] = bench_now() - start;
        }
        arena_release(&a);
        if (!r)
            return -1;
        if (shown)
            show(i, r);
        kith_result_free(r);
    }
    return 0;
}

int bench_rows_search(kith_db *db, const struct bench_rows *x, kith_err *err)
{
    double *times = calloc((size_t)x->questions + 1, sizeof *times);
    struct timing best = {0};
    int rc = times ? pass(db, x, times, false, err) : -1; /* warms up */

    for (int turn = 0; turn < 3 && rc >= 0; turn++) {
        rc = pass(db, x, times, false, err);
        timing_keep(&best, times, (size_t)x->questions);
    }
    printf("{\"qps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"resident_mb\": %.0f, \"anonymous_mb\": %.0f, "
           "\"found\": [",
           (double)x->questions / best.total, best.p50 * 1e6, best.p99 * 1e6, (double)os_resident_bytes() / 1048576,
           (double)os_anonymous_bytes() / 1048576);
    if (rc >= 0)
        rc = pass(db, x, times, true, err);
    printf("]}\n");
    free(times);
    return rc;
}

int bench_step(struct ctx *c, int rc, const char *dir, const char *step, void *arg,
               int (*run)(kith_db *db, void *arg, const char *step, kith_err *err))
{
    kith_err err = {0};
    kith_db *db = NULL;

    if (rc >= 0 && strcmp(step, "load") == 0 && os_linux()->exists(os_linux(), dir) == 1)
        rc = err_set(c, KITH_EXISTS, "%s exists", dir);
    err_give(c, rc < 0 ? rc : 0, &err);
    ctx_release(c);
    if (rc >= 0)
        db = kith_open(dir, NULL, &err);
    rc = db ? run(db, arg, step, &err) : -1;
    kith_close(db);
    return rc < 0 ? cmd_fail("bench: %s", err.text) : 0;
}
