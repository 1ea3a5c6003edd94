/* bench.c - kith bench: the library's own figures on a given data set, as JSON. bench/run.py puts them
 * beside those of others. */
#include "base/mem.h"
#include "cmd/bench.h"
#include "os/os.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct bench {
    kith_db *db;
    kith_metric metric;
    struct matrix b, q;
    float *truth_worst; /* the 10th exact distance of each query */
};

double bench_now(void)
{
    return (double)os_linux()->mono_ns(os_linux()) / 1e9;
}

static int ascending(const void *x, const void *y)
{
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

void timing_keep(struct timing *best, double *times, size_t n)
{
    double total = 0;

    for (size_t i = 0; i < n; i++)
        total += times[i];
    if (best->total > 0 && total >= best->total)
        return;
    qsort(times, n, sizeof *times, ascending);
    *best = (struct timing){total, times[n / 2], times[n * 99 / 100]};
}

static kith_result *search(struct bench *x, size_t i, uint32_t ef, bool exact, kith_err *err)
{
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .ef = ef, .exact = exact};

    q.vector.dim = x->q.columns;
    q.vector.data = x->q.data + i * x->q.columns;
    return kith_query_run(x->db, "bench", &q, err);
}

static int put_batch(struct bench *x, uint64_t from, uint64_t count, kith_err *err)
{
    enum { BATCH_MAX = 1000 };
    static kith_point points[BATCH_MAX];
    static kith_vector vectors[BATCH_MAX];
    kith_op op = {.kind = KITH_UPSERT, .points = points, .points_count = (size_t)count};

    for (uint64_t i = 0; i < count; i++) {
        vectors[i] = (kith_vector){"", x->b.columns, x->b.data + (from + i) * x->b.columns, KITH_F32, 0};
        points[i] = (kith_point){kith_id_num(from + i), {KITH_DOC_NONE, 0, NULL}, &vectors[i], 1};
    }
    return kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
}

/* What follows "load=": words with + between them. */
static int read_index(const char *words, kith_vector_index *to)
{
    char word[24];
    int size = 0;

    for (; sscanf(words, "%23[^+]%n", word, &size) == 1; words += size + (words[size] == '+')) {
        if (strcmp(word, "lists") == 0)
            to->method = KITH_METHOD_LISTS;
        else if (strcmp(word, "spill") == 0)
            to->spill = true;
        else if (strcmp(word, "bit") == 0)
            to->codes = KITH_CODES_BIT;
        else if (strcmp(word, "two_bits") == 0)
            to->codes = KITH_CODES_TWO_BITS;
        else if (strncmp(word, "product", 7) == 0)
            *to = (kith_vector_index){to->method, .lists = to->lists, .spill = to->spill, .codes = KITH_CODES_PRODUCT,
                                      .code_bytes = word[7] ? (uint32_t)strtoul(word + 8, NULL, 10) : 0};
        else
            return -1;
    }
    return 0;
}

static int load(struct bench *x, const char *index, kith_err *err)
{
    enum { BATCH = 1000 };
    kith_vector_params params = {.name = "", .dim = x->b.columns, .metric = x->metric};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    double start = bench_now(), built;
    int rc;

    if (read_index(index, &params.index) < 0) {
        snprintf(err->text, sizeof err->text, "load=%s: expected lists, spill, bit, two_bits, product=BYTES", index);
        return -1;
    }
    rc = kith_create(x->db, "bench", &schema, err);
    for (uint64_t at = 0; at < x->b.rows && rc >= 0; at += BATCH)
        rc = put_batch(x, at, MIN((uint64_t)BATCH, x->b.rows - at), err);
    printf("{\"insert_per_s\": %.0f", (double)x->b.rows / (bench_now() - start));
    built = bench_now();
    if (rc >= 0)
        rc = kith_optimize(x->db, "bench", err);
    printf(", \"optimize_s\": %.2f, \"load_s\": %.2f}\n", bench_now() - built, bench_now() - start);
    return rc;
}

/* One pass over the queries; times[i] in seconds. The hits, or -1. */
static long pass(struct bench *x, uint32_t ef, double *times, kith_err *err)
{
    long hits = 0;

    for (size_t i = 0; i < x->q.rows; i++) {
        double start = bench_now();
        kith_result *r = search(x, i, ef, false, err);
        times[i] = bench_now() - start;
        if (!r)
            return -1;
        for (size_t j = 0; j < r->count; j++) /* ties are hits */
            hits += r->hits[j].distance <= x->truth_worst[i] + fabsf(x->truth_worst[i]) * 1e-5f + 1e-6f;
        kith_result_free(r);
    }
    return hits;
}

/* Best of three passes. */
static int measure(struct bench *x, uint32_t ef, bool first, double *ret_recall, kith_err *err)
{
    size_t n = (size_t)x->q.rows;
    double *times = calloc(n, sizeof *times);
    long hits = times ? 0 : -1;
    struct timing best = {0};

    for (int i = 0; i < 3 && hits >= 0; i++) {
        hits = pass(x, ef, times, err);
        timing_keep(&best, times, n);
    }
    *ret_recall = (double)hits / (double)(n * 10);
    if (hits >= 0)
        printf("%s{\"effort\": %u, \"recall\": %.4f, \"qps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}",
               first ? "" : ", ", ef, *ret_recall, (double)n / best.total, best.p50 * 1e6,
               best.p99 * 1e6);
    free(times);
    return hits < 0 ? -1 : 0;
}

/* One writer, one point a call, each durable. */
static int single_inserts(struct bench *x, size_t count, kith_err *err)
{
    double start = bench_now();

    for (size_t i = 0; i < count; i++) {
        kith_vector v = {"", x->b.columns, x->b.data + (i % x->b.rows) * x->b.columns, KITH_F32, 0};
        kith_point p = {kith_id_num(10000000 + i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        if (kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err) < 0)
            return -1;
    }
    printf(", \"single_inserts_per_s\": %.0f", (double)count / (bench_now() - start));
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
        const float *data = w->x->b.data + ((w->from + i) % w->x->b.rows) * w->x->b.columns;
        kith_vector v = {"", w->x->b.columns, data, KITH_F32, 0};
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
    double start = bench_now();
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
    printf(", \"threads32_inserts_per_s\": %.0f", (double)count / (bench_now() - start));
    return rc;
}

static int set_documents(struct bench *x, kith_err *err)
{
    kith_filter all = {.kind = KITH_COND_ALL};
    kith_op op = {.kind = KITH_SET_DOC, .filter = &all, .doc = {KITH_DOC_JSON, 7, "{\"a\":1}"}};
    kith_stats before, after;
    double start = bench_now();

    kith_stats_get(x->db, &before);
    if (kith_write(x->db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err) < 0)
        return -1;
    kith_stats_get(x->db, &after);
    printf(", \"set_payload_all_s\": %.3f, \"set_payload_links\": %llu", bench_now() - start,
           (unsigned long long)(after.graph_links - before.graph_links));
    return 0;
}

/* The exact answers: what a hit may be at most. */
static int find_truth(struct bench *x, kith_err *err)
{
    x->truth_worst = calloc((size_t)x->q.rows, sizeof *x->truth_worst);
    for (size_t i = 0; x->truth_worst && i < x->q.rows; i++) {
        kith_result *r = search(x, i, 0, true, err);
        if (!r)
            return -1;
        x->truth_worst[i] = r->count ? r->hits[r->count - 1].distance : 0;
        kith_result_free(r);
    }
    return x->truth_worst ? 0 : -1;
}

static int searches(struct bench *x, kith_err *err)
{
    static const uint32_t efs[] = {10, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192,
                                   224, 256, 320, 400, 512, 768, 1024, 1536, 2048, 3072, 4096};
    uint64_t before = os_anonymous_bytes();
    kith_result *warm = search(x, 0, 10, false, err);
    int rc = warm ? 0 : -1;
    double recall = 0;

    kith_result_free(warm);
    printf("{\"added_mb\": %.0f", (double)(os_anonymous_bytes() - before) / 1048576);
    if (rc >= 0)
        rc = find_truth(x, err);
    printf(", \"sweep\": [");
    for (size_t i = 0; i < ARRAY_SIZE(efs) && rc >= 0 && recall < 0.9975; i++)
        rc = measure(x, efs[i], i == 0, &recall, err);
    printf("]}\n");
    free(x->truth_worst);
    return rc;
}

static int writes(struct bench *x, kith_err *err)
{
    int rc;

    printf("{\"bench\": \"write\"");
    rc = set_documents(x, err);
    if (rc >= 0)
        rc = kith_optimize(x->db, "bench", err); /* folding those documents in is not what comes next */
    if (rc >= 0)
        rc = single_inserts(x, 5000, err);
    if (rc >= 0)
        rc = threaded_inserts(x, 64000);
    printf("}\n");
    return rc;
}

/* Loads without a pause while one thread searches; `rate` 0: as fast as it goes. */
struct live {
    struct bench *x;
    atomic_bool done;
    size_t searches;
    double took;
};

static void search_on(void *arg)
{
    struct live *l = arg;
    double start = bench_now();

    while (!atomic_load(&l->done)) {
        kith_result_free(search(l->x, l->searches % (size_t)l->x->q.rows, 0, false, NULL));
        l->searches++;
    }
    l->took = bench_now() - start;
}

/* The same searches with nothing else going on. */
static double idle_rate(struct bench *x)
{
    size_t n = 0;
    double start = bench_now();

    for (; bench_now() - start < 3; n++)
        kith_result_free(search(x, n % (size_t)x->q.rows, 0, false, NULL));
    return (double)n / (bench_now() - start);
}

static int live(struct bench *x, double rate, kith_err *err)
{
    enum { BATCH = 100 };
    struct live l = {.x = x};
    struct os_thread *thread;
    kith_vector_params params = {.name = "", .dim = x->b.columns, .metric = x->metric};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    kith_watched w = {0};
    uint64_t most = 0;
    double start, loaded, waited;
    int rc = kith_create(x->db, "bench", &schema, err);

    if (rc < 0 || os_linux()->thread(os_linux(), "bench", false, search_on, &l, &thread) < 0)
        return -1;
    start = bench_now();
    for (uint64_t at = 0; at < x->b.rows && rc >= 0; at += BATCH) {
        rc = put_batch(x, at, MIN((uint64_t)BATCH, x->b.rows - at), err);
        if (at % 1000 == 0 && kith_watch(x->db, "bench", &w))
            most = MAX(most, w.backlog);
        while (rate > 0 && (double)at / rate > bench_now() - start)
            os_pause(500);
    }
    loaded = bench_now() - start;
    for (w.backlog = 1; rc >= 0 && w.backlog && bench_now() - start - loaded < 60;) {
        (void)kith_watch(x->db, "bench", &w);
        os_pause(1000);
    }
    waited = bench_now() - start - loaded;
    atomic_store(&l.done, true);
    os_linux()->join(os_linux(), thread);
    printf("{\"inserts_per_s\": %.0f, \"most_unlinked\": %llu, \"linked_after_s\": %.2f, "
           "\"searches_per_s\": %.0f",
           (double)x->b.rows / loaded, (unsigned long long)most, waited, (double)l.searches / l.took);
    if (rc >= 0)
        rc = kith_optimize(x->db, "bench", err);
    printf(", \"idle_searches_per_s\": %.0f}\n", idle_rate(x));
    return rc;
}

static int run(struct bench *x, const char *step, kith_err *err)
{
    if (strcmp(step, "load") == 0 || strncmp(step, "load=", 5) == 0)
        return load(x, step[4] ? step + 5 : "", err);
    if (strcmp(step, "recall") == 0)
        return bench_recall(x->db, &x->b, &x->q, err);
    if (strcmp(step, "drift") == 0)
        return bench_drift(x->db, &x->q, err);
    if (strcmp(step, "search") == 0)
        return searches(x, err);
    if (strcmp(step, "write") == 0)
        return writes(x, err);
    if (strncmp(step, "live", 4) == 0)
        return live(x, step[4] == '=' ? atof(step + 5) : 0, err);
    if (strcmp(step, "filtered") == 0)
        return bench_filtered(x->db, &x->q, err);
    if (strncmp(step, "documents", 9) == 0)
        return bench_load_documents(x->db, &x->b, &x->q, x->metric, strcmp(step + 9, "=indexed") == 0, err);
    snprintf(err->text, sizeof err->text, "step \"%.20s\": expected one of those that --help names", step);
    return -1;
}

static int usage(int argc, char **argv)
{
    printf("usage: kith bench DIR BASE.npy QUERY.npy cosine|dot|euclid|manhattan|sparse|many|text STEP\n\n"
           "STEP is load[=INDEX], documents[=indexed], search, recall, drift, write, live[=RATE] or filtered.\n"
           "INDEX is of lists, spill, bit, two_bits, product[=BYTES], with + between them.\n"
           "Prints figures as JSON: of loading BASE into a new database DIR, plain or with documents of two numbers,\n"
           "indexed or not; of searching it, recall and speed over ef; of recall by target, by decile of the queries,\n"
           "before and after every row is replaced; of what the monitor makes of queries that are unlike the rows\n"
           "(drift); of durable single inserts by 1 and 32 threads; of loading at RATE rows a second while one thread\n"
           "searches; of searching rows with documents under ranges of their numbers. With sparse for a metric, BASE\n"
           "and QUERY are .csr files (i64 rows, columns, entries; i64 starts; i32 indices; f32 values), and STEP is\n"
           "load or search[=TARGET], a share of the best to find. With text they are files of a text a line, perhaps\n"
           ".zst, and STEP is load, union, intersection or phrase. With many they are multi-vectors, all their vectors\n"
           "side by side, beside X.npy.rows.npy of how many each row has, and STEP is load, exact, search[=TARGET] or\n"
           "ef=N. bench/ puts the figures beside others'.\n\n"
           "kith bench server measures a running server: kith bench server --help says how.\n");
    return argc != 1 || strcmp(argv[0], "--help") != 0;
}

int cmd_bench(int argc, char **argv)
{
    struct bench x = {0};
    kith_err err = {0};
    struct ctx c;
    static const char *const loading[] = {"load", "documents", "live"};
    bool loads = false;
    int rc;

    if (argc && strcmp(argv[0], "server") == 0)
        return bench_server(argc - 1, argv + 1);
    if (argc == 5 && strcmp(argv[3], "sparse") == 0)
        return bench_sparse(argv[0], argv[1], argv[2], argv[4]);
    if (argc == 5 && strcmp(argv[3], "many") == 0)
        return bench_many(argv[0], argv[1], argv[2], argv[4]);
    if (argc == 5 && strcmp(argv[3], "text") == 0)
        return bench_text(argv[0], argv[1], argv[2], argv[4]);
    if (argc == 5)
        x.metric = metric_named(argv[3]);
    if (!x.metric)
        return usage(argc, argv);
    ctx_init(&c, os_linux());
    rc = matrix_read(&c, argv[1], &x.b);
    if (rc >= 0)
        rc = matrix_read(&c, argv[2], &x.q);
    err_give(&c, rc < 0 ? rc : 0, &err);
    ctx_release(&c);
    for (size_t i = 0; i < ARRAY_SIZE(loading); i++)
        loads = loads || strncmp(argv[4], loading[i], strlen(loading[i])) == 0;
    if (rc >= 0 && loads && os_linux()->exists(os_linux(), argv[0]) == 1)
        return cmd_fail("bench: %s exists", argv[0]);
    if (rc >= 0) {
        x.db = kith_open(argv[0], NULL, &err);
        rc = x.db ? run(&x, argv[4], &err) : -1;
    }
    kith_close(x.db);
    matrix_release(&x.b);
    matrix_release(&x.q);
    return rc < 0 ? cmd_fail("bench: %s", err.text) : 0;
}
