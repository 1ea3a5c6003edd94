/* bench.c - kith bench: the library's own figures on a given data set, as JSON. bench/run.py puts them
 * beside those of others. */
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/data.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    const char *data, *base, *query;
    kith_db *db;
    struct matrix b, q;
    uint32_t *truth; /* 10 a query */
    float *truth_worst;
};

static double now(void)
{
    return (double)os_linux()->mono_ns(os_linux()) / 1e9;
}

static kith_result *search(struct bench *x, size_t i, uint32_t ef, bool exact, kith_err *err)
{
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .ef = ef, .exact = exact};

    q.vector.dim = x->q.columns;
    q.vector.data = x->q.data + i * x->q.columns;
    return kith_query_run(x->db, "bench", &q, err);
}

static int load(struct bench *x, kith_err *err)
{
    enum { BATCH = 1000 };
    kith_vector_params params = {"", x->b.columns, KITH_COSINE, NULL};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    kith_point *points = calloc(BATCH, sizeof *points);
    kith_vector *vectors = calloc(BATCH, sizeof *vectors);
    double start = now(), built;
    int rc = points && vectors ? kith_create(x->db, "bench", &schema, err) : -1;

    for (uint64_t at = 0; at < x->b.rows && rc >= 0; at += BATCH) {
        kith_op op = {.kind = KITH_UPSERT, .points = points};
        op.points_count = (size_t)MIN((uint64_t)BATCH, x->b.rows - at);
        for (size_t i = 0; i < op.points_count; i++) {
            vectors[i] = (kith_vector){"", x->b.columns, x->b.data + (at + i) * x->b.columns};
            points[i] = (kith_point){kith_id_num(at + i), {KITH_DOC_NONE, 0, NULL}, &vectors[i], 1};
        }
        rc = kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
    }
    printf("{\"insert_per_s\": %.0f", (double)x->b.rows / (now() - start));
    built = now();
    if (rc >= 0)
        rc = kith_optimize(x->db, "bench", err);
    printf(", \"optimize_s\": %.2f, \"load_s\": %.2f", now() - built, now() - start);
    free(points);
    free(vectors);
    return rc;
}

static int measure(struct bench *x, uint32_t ef, bool first, kith_err *err)
{
    size_t n = (size_t)x->q.rows, hits = 0;
    double *times = calloc(n, sizeof *times), start, total = 0;

    if (!times)
        return -1;
    for (size_t i = 0; i < n; i++) {
        kith_result *r;
        start = now();
        r = search(x, i, ef, false, err);
        times[i] = now() - start;
        total += times[i];
        if (!r) {
            free(times);
            return -1;
        }
        for (size_t j = 0; j < r->count; j++)
            hits += r->hits[j].distance <= x->truth_worst[i] + 1e-6f; /* ties are hits */
        kith_result_free(r);
    }
    for (size_t i = 1; i < n; i++) { /* insertion sort of the slow tail is enough for a percentile */
        double t = times[i];
        size_t j = i;
        for (; j > 0 && times[j - 1] > t; j--)
            times[j] = times[j - 1];
        times[j] = t;
    }
    printf("%s{\"ef\": %u, \"recall\": %.4f, \"qps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}", first ? "" : ", ", ef,
           (double)hits / (double)(n * 10), (double)n / total, times[n / 2] * 1e6, times[n * 99 / 100] * 1e6);
    free(times);
    return 0;
}

/* One writer, one point a call, each durable. */
static int single_inserts(struct bench *x, size_t count, kith_err *err)
{
    double start = now();

    for (size_t i = 0; i < count; i++) {
        kith_vector v = {"", x->b.columns, x->b.data + (i % x->b.rows) * x->b.columns};
        kith_point p = {kith_id_num(10000000 + i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        if (kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err) < 0)
            return -1;
    }
    printf(", \"single_inserts_per_s\": %.0f", (double)count / (now() - start));
    return 0;
}

struct inserter {
    struct bench *x;
    size_t from, count;
    int rc;
};

static void insert_some(void *arg)
{
    struct inserter *w = arg;

    for (size_t i = 0; i < w->count && w->rc >= 0; i++) {
        kith_vector v = {"", w->x->b.columns, w->x->b.data + ((w->from + i) % w->x->b.rows) * w->x->b.columns};
        kith_point p = {kith_id_num(20000000 + w->from + i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        w->rc = kith_write(w->x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
    }
}

static int threaded_inserts(struct bench *x, size_t count)
{
    enum { THREADS = 32 };
    struct os_thread *threads[THREADS];
    struct inserter work[THREADS];
    double start = now();
    int rc = 0;

    for (size_t i = 0; i < THREADS; i++) {
        work[i] = (struct inserter){x, i * count / THREADS, count / THREADS, 0};
        if (os_linux()->thread(os_linux(), "bench", false, insert_some, &work[i], &threads[i]) < 0)
            return -1;
    }
    for (size_t i = 0; i < THREADS; i++) {
        os_linux()->join(os_linux(), threads[i]);
        rc = MIN(rc, work[i].rc);
    }
    printf(", \"threads32_inserts_per_s\": %.0f", (double)count / (now() - start));
    return rc;
}

static int set_documents(struct bench *x, kith_err *err)
{
    kith_filter all = {.kind = KITH_COND_ALL};
    kith_op op = {.kind = KITH_SET_DOC, .filter = &all, .doc = {KITH_DOC_JSON, 7, "{\"a\":1}"}};
    kith_stats before, after;
    double start = now();

    kith_stats_get(x->db, &before);
    if (kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err) < 0)
        return -1;
    kith_stats_get(x->db, &after);
    printf(", \"set_payload_all_s\": %.3f, \"set_payload_links\": %llu", now() - start,
           (unsigned long long)(after.graph_links - before.graph_links));
    return 0;
}

static int run(struct bench *x, kith_err *err)
{
    static const uint32_t efs[] = {10, 16, 24, 32, 48, 64, 80, 96, 128, 160, 200, 256, 320, 400, 512};
    kith_stats stats;
    int rc = load(x, err);

    x->truth_worst = calloc((size_t)x->q.rows, sizeof *x->truth_worst);
    for (size_t i = 0; i < x->q.rows && rc >= 0; i++) {
        kith_result *r = search(x, i, 0, true, err);
        if (r)
            x->truth_worst[i] = r->hits[r->count - 1].distance;
        rc = r ? 0 : -1;
        kith_result_free(r);
    }
    kith_stats_get(x->db, &stats);
    printf(", \"resident_mb\": %.0f, \"sweep\": [", (double)stats.memory_bytes / 1048576);
    for (size_t i = 0; i < ARRAY_SIZE(efs) && rc >= 0; i++) {
        if (i == 0)
            rc = measure(x, efs[i], true, err); /* warm */
        if (rc >= 0)
            rc = measure(x, efs[i], false, err);
    }
    printf("]");
    if (rc >= 0)
        rc = set_documents(x, err);
    if (rc >= 0)
        rc = single_inserts(x, 5000, err);
    if (rc >= 0)
        rc = threaded_inserts(x, 32000);
    printf("}\n");
    free(x->truth_worst);
    return rc;
}

int cmd_bench(int argc, char **argv)
{
    struct bench x = {0};
    kith_err err = {0};
    struct ctx c;
    int rc;

    if (argc != 3) {
        printf("usage: kith bench NEWDIR BASE.npy QUERY.npy\n\nLoads BASE into a new database and prints figures as "
               "JSON: load rate, recall and\nspeed over ef, durable single inserts by 1 and 32 threads.\n");
        return argc != 1 || strcmp(argv[0], "--help") != 0;
    }
    ctx_init(&c, os_linux());
    rc = matrix_read(&c, argv[1], &x.b);
    if (rc >= 0)
        rc = matrix_read(&c, argv[2], &x.q);
    err_give(&c, rc < 0 ? rc : 0, &err);
    ctx_release(&c);
    if (rc >= 0 && os_linux()->exists(os_linux(), argv[0]) == 1)
        return cmd_fail("bench: %s exists", argv[0]);
    if (rc >= 0) {
        x.db = kith_open(argv[0], NULL, &err);
        rc = x.db ? run(&x, &err) : -1;
    }
    kith_close(x.db);
    matrix_release(&x.b);
    matrix_release(&x.q);
    return rc < 0 ? cmd_fail("bench: %s", err.text) : 0;
}
