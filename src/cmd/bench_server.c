/* bench_server.c - kith bench server: what a running server takes to load and to answer, over REST or gRPC. It asks
 * for nothing that only Kith has, so that another server with Qdrant's interface can be measured beside it. */
#include "base/ctx.h"
#include "base/mem.h"
#include "cmd/bench.h"
#include "cmd/options.h"
#include "codec/json.h"
#include "net/client.h"
#include "net/load.h"
#include "os/os.h"
#include "qdrant/rpc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { K = 10, BATCH = 200, WAVE = 40, LOADERS = 4, FOUND_FIRST = 200, BUCKET_BELOW = 100 };

enum kind { PLAIN, PAYLOAD, FILTERED, HYBRID };
static const char *const kinds[] = {"plain", "payload", "filtered", "hybrid"};

struct bench_server {
    struct ctx c;
    const char *host, *rest_port, *grpc_port, *key, *collection, *base_path, *query_path, *docs_path, *texts_path;
    const char *asked_path, *metric, *clients, *ef, *kind_name, *total, *step;
    bool grpc, judging;
    enum kind kind;
    uint64_t port, rpc_port, connections, width, searches;
    struct matrix base, query;
    struct lines docs, texts, asked;
    char url[128], path[256];
    struct client *client;
    struct buf answer;
    struct pb_schema rpc;
    double *worst;          /* the K-th best score of each query, found exactly */
    bool *seen;
    size_t hits, judged;
    bool failed;            /* an answer was not understood */
};

static void help(void)
{
    printf("usage: kith bench server load|search --query FILE.npy [<options>]\n\n"
           "    --host ADDRESS   127.0.0.1; --rest-port 6333, --grpc-port 6334, --key KEY\n"
           "    --collection C   bench\n"
           "    --base FILE.npy  load: the rows; --metric cosine (default), dot, euclid, manhattan\n"
           "    --docs FILE      load: a JSON object a line, .zst or plain, their payload\n"
           "    --texts FILE     load: a text a line, .zst or plain: their words become sparse vectors\n"
           "    --clients N      search: connections, each with one request at a time; 1\n"
           "    --kind KIND      plain (ids and scores; the default), payload (whole), filtered (payload, of those\n"
           "                     with a `bucket` below 100), hybrid (payload; words of --asked FILE as well, fused)\n"
           "    --ef N           64\n"
           "    --total N        how many searches; 10000\n"
           "    --grpc           over gRPC; else REST\n"
           "    --judge          recall too: what is found is held to exact searches of the same server; not hybrid\n\n"
           "Prints figures as JSON.\n");
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

static int call(struct bench_server *x, const char *method, const char *rest, const char *body)
{
    char path[512];

    snprintf(path, sizeof path, "/collections/%.200s%.200s", x->collection, rest);
    return client_call(&x->c, x->client, method, path, body, &x->answer);
}

static void put_vector(struct buf *out, const float *v, uint32_t dim)
{
    for (uint32_t i = 0; i < dim; i++) {
        buf_u8(out, i ? ',' : '[');
        json_put_f64(out, round((double)v[i] * 1e7) / 1e7);
    }
    buf_u8(out, ']');
}

static void put_words(struct buf *out, struct bytes text)
{
    buf_text(out, "{\"model\":\"qdrant/bm25\",\"text\":");
    json_put_str(out, (const char *)text.data, text.size);
    buf_u8(out, '}');
}

static void put_rows(const struct bench_server *x, uint64_t from, uint64_t n, struct buf *out)
{
    buf_text(out, "{\"points\":[");
    for (uint64_t i = from; i < from + n; i++) {
        buf_printf(out, "%s{\"id\":%llu,\"vector\":", i > from ? "," : "", (unsigned long long)i);
        if (x->texts_path)
            buf_text(out, "{\"\":");
        put_vector(out, x->base.data + i * x->base.columns, x->base.columns);
        if (x->texts_path) {
            buf_text(out, ",\"words\":");
            put_words(out, x->texts.at[i]);
            buf_u8(out, '}');
        }
        if (x->docs_path) {
            buf_text(out, ",\"payload\":");
            buf_put(out, x->docs.at[i].data, x->docs.at[i].size);
        }
        buf_u8(out, '}');
    }
    buf_text(out, "]}");
}

/* So many batches at once; sets `at` to the first row that was not sent. */
static int send_wave(struct bench_server *x, uint64_t *at)
{
    struct buf bufs[WAVE];
    struct bytes bodies[WAVE];
    double times[WAVE], seconds;
    struct load_options o = {.host = x->host, .port = (uint16_t)x->port, .method = "PUT", .path = x->path,
                             .api_key = x->key, .connections = LOADERS, .bodies = bodies};
    size_t failed = 0, n = 0;
    int rc = 0;

    for (; n < WAVE && *at < x->base.rows; n++) {
        uint64_t rows = MIN((uint64_t)BATCH, x->base.rows - *at);
        buf_init(&bufs[n]);
        put_rows(x, *at, rows, &bufs[n]);
        if (bufs[n].failed)
            rc = err_nomem(&x->c);
        bodies[n] = (struct bytes){bufs[n].data, bufs[n].size};
        *at += rows;
    }
    o.bodies_count = o.total = n;
    if (rc >= 0)
        rc = load_run(&x->c, &o, times, &seconds, &failed);
    for (size_t i = 0; i < n; i++)
        buf_release(&bufs[i]);
    return rc >= 0 && failed ? err_set(&x->c, KITH_INVALID, "%zu of %zu writes failed", failed, n) : rc;
}

/* Until nothing is left to do: what the server says three times in a row. */
static int wait_green(struct bench_server *x)
{
    for (int green = 0, tries = 0; green < 3; tries++) {
        yyjson_doc *doc;
        const char *status;
        if (tries == 72000)
            return err_set(&x->c, KITH_TIMEOUT, "%s is not green after two hours", x->collection);
        TRY(call(x, "GET", "", NULL));
        TRY(json_parse(&x->c, (const char *)x->answer.data, x->answer.size, &doc));
        status = yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/result/status"));
        green = status && strcmp(status, "green") == 0 ? green + 1 : 0;
        yyjson_doc_free(doc);
        os_pause(100000);
    }
    return 0;
}

static int load(struct bench_server *x)
{
    static const struct {
        const char *metric, *distance;
    } names[] = {{"cosine", "Cosine"}, {"dot", "Dot"}, {"euclid", "Euclid"}, {"manhattan", "Manhattan"}};
    double start, sent;
    char body[512];
    uint64_t at = 0;
    size_t m = 0;

    TRY(matrix_read(&x->c, x->base_path, &x->base));
    if (x->docs_path)
        TRY(lines_read(&x->c, x->docs_path, &x->docs));
    if (x->texts_path)
        TRY(lines_read(&x->c, x->texts_path, &x->texts));
    if ((x->docs_path && x->docs.count < x->base.rows) || (x->texts_path && x->texts.count < x->base.rows))
        return err_set(&x->c, KITH_INVALID, "fewer documents or texts than the %llu rows",
                       (unsigned long long)x->base.rows);
    while (m < ARRAY_SIZE(names) && strcmp(names[m].metric, x->metric) != 0)
        m++;
    if (m == ARRAY_SIZE(names))
        return err_set(&x->c, KITH_INVALID, "--metric %s: expected cosine, dot, euclid or manhattan", x->metric);
    snprintf(body, sizeof body, "{\"vectors\":{\"size\":%u,\"distance\":\"%s\"}%s}", x->base.columns, names[m].distance,
             x->texts_path ? ",\"sparse_vectors\":{\"words\":{\"modifier\":\"idf\"}}" : "");
    TRY(call(x, "PUT", "", body));
    if (x->docs_path)
        TRY(call(x, "PUT", "/index?wait=true", "{\"field_name\":\"bucket\",\"field_schema\":\"integer\"}"));
    snprintf(x->path, sizeof x->path, "/collections/%.200s/points?wait=true", x->collection);
    start = bench_now();
    while (at < x->base.rows)
        TRY(send_wave(x, &at));
    sent = bench_now();
    TRY(wait_green(x));
    printf("{\"rows\": %llu, \"sent_s\": %.2f, \"load_s\": %.2f}\n", (unsigned long long)x->base.rows, sent - start,
           bench_now() - start);
    return 0;
}

/* ---- searches, as REST and as gRPC have them ------------------------------------------------------------------- */

static void put_json(const struct bench_server *x, size_t i, bool exact, struct buf *out)
{
    const float *v = x->query.data + i * x->query.columns;

    buf_text(out, "{");
    if (x->kind == HYBRID) {
        buf_text(out, "\"prefetch\":[{\"query\":");
        put_vector(out, v, x->query.columns);
        buf_printf(out, ",\"limit\":%d,\"params\":{\"hnsw_ef\":%llu}},", 5 * K, (unsigned long long)x->width);
        buf_printf(out, "{\"using\":\"words\",\"limit\":%d,\"query\":", 5 * K);
        put_words(out, x->asked.at[i]);
        buf_text(out, "}],\"query\":{\"fusion\":\"rrf\"}");
    } else {
        buf_text(out, "\"query\":");
        put_vector(out, v, x->query.columns);
        if (exact)
            buf_text(out, ",\"params\":{\"exact\":true}");
        else
            buf_printf(out, ",\"params\":{\"hnsw_ef\":%llu}", (unsigned long long)x->width);
    }
    if (x->kind == FILTERED)
        buf_printf(out, ",\"filter\":{\"must\":[{\"key\":\"bucket\",\"range\":{\"lt\":%d}}]}", BUCKET_BELOW);
    buf_printf(out, ",\"with_payload\":%s,\"limit\":%d}", x->kind == PLAIN || exact ? "false" : "true", K);
}

static void pb_text(struct buf *out, uint32_t number, const char *text)
{
    pb_put_bytes(out, number, text, strlen(text));
}

/* Query { nearest: VectorInput { dense: DenseVector { data } } } */
static void pb_nearest(struct buf *out, uint32_t number, const float *v, uint32_t dim)
{
    size_t query = pb_begin(out, number), input = pb_begin(out, 1), dense = pb_begin(out, 2);

    pb_put_bytes(out, 1, v, dim * sizeof *v);
    pb_end(out, dense);
    pb_end(out, input);
    pb_end(out, query);
}

/* Query { nearest: VectorInput { document: Document { text, model } } } */
static void pb_words(struct buf *out, uint32_t number, struct bytes text)
{
    size_t query = pb_begin(out, number), input = pb_begin(out, 1), document = pb_begin(out, 5);

    pb_put_bytes(out, 1, text.data, text.size);
    pb_text(out, 3, "qdrant/bm25");
    pb_end(out, document);
    pb_end(out, input);
    pb_end(out, query);
}

static void pb_width(const struct bench_server *x, struct buf *out, uint32_t number)
{
    size_t params = pb_begin(out, number);

    pb_put_varint(out, 1, x->width);
    pb_end(out, params);
}

/* Filter { must: Condition { field: FieldCondition { key, range: Range { lt } } } } */
static void pb_below(struct buf *out, uint32_t number)
{
    size_t filter = pb_begin(out, number), condition = pb_begin(out, 2), field = pb_begin(out, 1), range;

    pb_text(out, 1, "bucket");
    range = pb_begin(out, 3);
    pb_put_double(out, 1, BUCKET_BELOW);
    pb_end(out, range);
    pb_end(out, field);
    pb_end(out, condition);
    pb_end(out, filter);
}

/* Two prefetches, and Query { fusion: 0 } */
static void pb_hybrid(const struct bench_server *x, size_t i, struct buf *out)
{
    size_t part = pb_begin(out, 2);

    pb_nearest(out, 2, x->query.data + i * x->query.columns, x->query.columns);
    pb_width(x, out, 5);
    pb_put_varint(out, 7, 5 * K);
    pb_end(out, part);
    part = pb_begin(out, 2);
    pb_words(out, 2, x->asked.at[i]);
    pb_text(out, 3, "words");
    pb_put_varint(out, 7, 5 * K);
    pb_end(out, part);
    part = pb_begin(out, 3);
    pb_put_varint(out, 6, 0);
    pb_end(out, part);
}

static void put_message(const struct bench_server *x, size_t i, struct buf *out)
{
    size_t payload;

    pb_text(out, 1, x->collection);
    if (x->kind == HYBRID) {
        pb_hybrid(x, i, out);
    } else {
        pb_nearest(out, 3, x->query.data + i * x->query.columns, x->query.columns);
        pb_width(x, out, 6);
    }
    if (x->kind == FILTERED)
        pb_below(out, 5);
    pb_put_varint(out, 8, K);
    payload = pb_begin(out, 11);
    pb_put_varint(out, 1, x->kind != PLAIN);
    pb_end(out, payload);
}

/* ---- what was found -------------------------------------------------------------------------------------------- */

/* Either transport's answer as a tree; NULL: it is none. */
static yyjson_doc *tree_of(struct bench_server *x, struct bytes body, bool grpc)
{
    const struct pb_method *method = grpc ? pb_method_at(&x->rpc, "/qdrant.Points/Query") : NULL;
    yyjson_doc *doc = NULL;
    int rc = grpc ? pb_to_tree(&x->c, method->out, body, &doc)
                  : json_parse(&x->c, (const char *)body.data, body.size, &doc);

    return rc >= 0 ? doc : NULL;
}

static yyjson_val *points_of(yyjson_doc *doc)
{
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(doc), "result");

    return yyjson_is_arr(result) ? result : yyjson_obj_get(result, "points");
}

static bool is_similar(const struct bench_server *x)
{
    return strcmp(x->metric, "cosine") == 0 || strcmp(x->metric, "dot") == 0;
}

/* The first answer to each query is judged: how many are as good as the K-th of the exact search. */
static void judge(void *arg, size_t which, int status, struct bytes body)
{
    struct bench_server *x = arg;
    yyjson_doc *doc;
    yyjson_val *point;
    size_t i, n;

    if (x->seen[which] || status != 200)
        return;
    x->seen[which] = true;
    doc = tree_of(x, body, x->grpc);
    if (!points_of(doc))
        x->failed = true;
    x->judged++;
    yyjson_arr_foreach(points_of(doc), i, n, point) {
        double score = yyjson_get_num(yyjson_obj_get(point, "score")), worst = x->worst[which];
        x->hits += is_similar(x) ? score >= worst - 1e-5 : score <= worst + 1e-5 * (1 + fabs(worst));
    }
    yyjson_doc_free(doc);
}

static int find_worst(struct bench_server *x)
{
    struct buf body;
    int rc = 0;

    buf_init(&body);
    for (size_t i = 0; i < x->query.rows && rc >= 0; i++) {
        yyjson_doc *doc = NULL;
        body.size = 0;
        put_json(x, i, true, &body);
        buf_u8(&body, 0);
        rc = body.failed ? err_nomem(&x->c) : call(x, "POST", "/points/query", (char *)body.data);
        if (rc >= 0)
            doc = tree_of(x, (struct bytes){x->answer.data, x->answer.size}, false);
        if (rc >= 0 && yyjson_arr_size(points_of(doc)) < K)
            rc = err_set(&x->c, KITH_INVALID, "fewer than %d points match", K);
        if (rc >= 0)
            x->worst[i] = yyjson_get_num(yyjson_obj_get(yyjson_arr_get_last(points_of(doc)), "score"));
        yyjson_doc_free(doc);
    }
    buf_release(&body);
    return rc;
}

/* ---- searching ------------------------------------------------------------------------------------------------- */

static void report(const struct bench_server *x, double *times, double seconds)
{
    struct timing all = {0};

    timing_keep(&all, times, x->searches);
    printf("{\"kind\": \"%s\", \"transport\": \"%s\", \"clients\": %llu, \"ef\": %llu, \"qps\": %.0f, \"p50_us\": %.0f, "
           "\"p99_us\": %.0f, \"recall\": ", kinds[x->kind], x->grpc ? "grpc" : "rest",
           (unsigned long long)x->connections, (unsigned long long)x->width, (double)x->searches / seconds,
           all.p50 * 1e6, all.p99 * 1e6);
    if (x->judged)
        printf("%.4f}\n", (double)x->hits / (double)(K * x->judged));
    else
        printf("null}\n");
}

/* Once to warm it and to judge, once for the figures. */
static int run(struct bench_server *x, struct load_options *o, double *times)
{
    double seconds;
    size_t failed;

    o->total = MAX(x->query.rows, (uint64_t)FOUND_FIRST);
    o->answered = x->judging ? judge : NULL;
    o->arg = x;
    TRY(load_run(&x->c, o, times, &seconds, &failed));
    if (failed || x->failed)
        return err_set(&x->c, KITH_INVALID, "%zu of %zu searches failed, or were not understood", failed, o->total);
    o->total = x->searches;
    o->answered = NULL;
    TRY(load_run(&x->c, o, times, &seconds, &failed));
    if (failed)
        return err_set(&x->c, KITH_INVALID, "%zu of %zu searches failed", failed, o->total);
    report(x, times, seconds);
    return 0;
}

static int search(struct bench_server *x)
{
    size_t n = x->query.rows;
    struct buf *bufs = mem_zalloc(n * sizeof *bufs);
    struct bytes *bodies = mem_zalloc(n * sizeof *bodies);
    double *times = mem_zalloc(MAX(x->searches, (uint64_t)MAX(n, (size_t)FOUND_FIRST)) * sizeof *times);
    struct load_options o = {.host = x->host, .port = (uint16_t)(x->grpc ? x->rpc_port : x->port), .method = "POST",
                             .path = x->grpc ? "/qdrant.Points/Query" : x->path, .api_key = x->key, .grpc = x->grpc,
                             .connections = (uint32_t)x->connections, .bodies = bodies, .bodies_count = n};
    int rc = 0;

    x->worst = mem_zalloc(n * sizeof *x->worst);
    x->seen = mem_zalloc(n);
    if (!bufs || !bodies || !times || !x->worst || !x->seen)
        rc = err_nomem(&x->c);
    snprintf(x->path, sizeof x->path, "/collections/%.200s/points/query", x->collection);
    if (rc >= 0 && x->judging)
        rc = find_worst(x);
    if (rc >= 0 && x->grpc)
        rc = qdrant_rpc_schema(&x->c, &x->rpc);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        if (x->grpc)
            put_message(x, i, &bufs[i]);
        else
            put_json(x, i, false, &bufs[i]);
        bodies[i] = (struct bytes){bufs[i].data, bufs[i].size};
        rc = bufs[i].failed ? err_nomem(&x->c) : 0;
    }
    if (rc >= 0)
        rc = run(x, &o, times);
    for (size_t i = 0; bufs && i < n; i++)
        buf_release(&bufs[i]);
    mem_free(bufs);
    mem_free(bodies);
    mem_free(times);
    mem_free(x->worst);
    mem_free(x->seen);
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

static int read_numbers(struct bench_server *x)
{
    const struct {
        const char *name, *text;
        uint64_t otherwise, most, *to;
    } numbers[] = {
        {"--rest-port", x->rest_port, 6333, 65535, &x->port},
        {"--grpc-port", x->grpc_port, 6334, 65535, &x->rpc_port},
        {"--clients", x->clients, 1, 1024, &x->connections},
        {"--ef", x->ef, 64, 10000, &x->width},
        {"--total", x->total, 10000, 100000000, &x->searches},
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        *numbers[i].to = numbers[i].otherwise;
        if (numbers[i].text && (!option_number(numbers[i].text, numbers[i].most, numbers[i].to) || !*numbers[i].to))
            return cmd_fail("bench server: %s %s: expected a number from 1 to %llu", numbers[i].name, numbers[i].text,
                            (unsigned long long)numbers[i].most);
    }
    return 0;
}

static int read_args(struct bench_server *x, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"--host", &x->host, NULL, 0, NULL}, {"--rest-port", &x->rest_port, NULL, 0, NULL},
        {"--grpc-port", &x->grpc_port, NULL, 0, NULL}, {"--key", &x->key, NULL, 0, NULL},
        {"--collection", &x->collection, NULL, 0, NULL}, {"--base", &x->base_path, NULL, 0, NULL},
        {"--query", &x->query_path, NULL, 0, NULL}, {"--docs", &x->docs_path, NULL, 0, NULL},
        {"--texts", &x->texts_path, NULL, 0, NULL}, {"--asked", &x->asked_path, NULL, 0, NULL},
        {"--metric", &x->metric, NULL, 0, NULL}, {"--clients", &x->clients, NULL, 0, NULL},
        {"--ef", &x->ef, NULL, 0, NULL}, {"--kind", &x->kind_name, NULL, 0, NULL},
        {"--total", &x->total, NULL, 0, NULL}, {"--grpc", NULL, NULL, 0, &x->grpc},
        {"--judge", NULL, NULL, 0, &x->judging},
    };
    size_t kind = 0;

    x->host = "127.0.0.1";
    x->collection = "bench";
    x->metric = "cosine";
    x->kind_name = "plain";
    if (argc < 1 || (strcmp(argv[0], "load") != 0 && strcmp(argv[0], "search") != 0))
        return cmd_fail("bench server: expected load or search");
    x->step = argv[0];
    if (options_read("bench server", rows, ARRAY_SIZE(rows), argc - 1, argv + 1) || read_numbers(x))
        return 1;
    while (kind < ARRAY_SIZE(kinds) && strcmp(kinds[kind], x->kind_name) != 0)
        kind++;
    if (kind == ARRAY_SIZE(kinds))
        return cmd_fail("bench server: --kind %s: expected plain, payload, filtered or hybrid", x->kind_name);
    x->kind = (enum kind)kind;
    x->judging = x->judging && x->kind != HYBRID;
    if (strcmp(x->step, "load") == 0 ? !x->base_path : !x->query_path || (x->kind == HYBRID && !x->asked_path))
        return cmd_fail("bench server: load needs --base, search --query, hybrid --asked too");
    return 0;
}

static int perform(struct bench_server *x)
{
    snprintf(x->url, sizeof x->url, "http://%.60s:%llu", x->host, (unsigned long long)x->port);
    TRY(client_new(&x->c, x->url, x->key, &x->client));
    if (strcmp(x->step, "load") == 0)
        return load(x);
    TRY(matrix_read(&x->c, x->query_path, &x->query));
    if (x->kind == HYBRID)
        TRY(lines_read(&x->c, x->asked_path, &x->asked));
    if (x->kind == HYBRID && x->asked.count < x->query.rows)
        return err_set(&x->c, KITH_INVALID, "fewer texts than the %llu queries", (unsigned long long)x->query.rows);
    return search(x);
}

int bench_server(int argc, char **argv)
{
    struct bench_server x = {0};
    int rc;

    if (options_have(argc, argv, "--help"))
        return help(), 0;
    if (read_args(&x, argc, argv))
        return 1;
    ctx_init(&x.c, os_linux());
    buf_init(&x.answer);
    rc = perform(&x);
    if (rc < 0)
        (void)cmd_fail("bench server: %s", x.c.text);
    client_free(x.client);
    buf_release(&x.answer);
    matrix_release(&x.base);
    matrix_release(&x.query);
    lines_release(&x.docs);
    lines_release(&x.texts);
    lines_release(&x.asked);
    ctx_release(&x.c);
    return rc < 0;
}
