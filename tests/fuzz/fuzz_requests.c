/* fuzz_requests.c - any bytes as a request to any route, REST or gRPC, over a database in memory: the first byte picks the
 * route, the second the query string, the rest is the body. With FUZZ_TARGET filters or formula they are that part of a
 * body that is right otherwise. What comes back must be an answer. */
#include "engine/engine.h"
#include "net/grpc.h"
#include "os_sim.h"
#include "qdrant/dialect.h"
#include "qdrant/rpc.h"
#include "serve/quota.h"
#include "serve/rates.h"
#include "serve/slow.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS_A_WORLD = 500, POINTS = 40 };

static struct {
    struct ctx c;
    struct sim_world *world;
    struct db *db;
    struct server server;
    struct pb_schema schema;
    struct rates rates;
    struct slow_log slow;
    struct quota quota;
    struct logging log;
    unsigned runs;
    bool answered;
    int status;
} f;

static void answer(struct exchange *x, const struct answer *a)
{
    (void)x;
    f.answered = true;
    f.status = a->status;
    buf_release(a->body);
    if (a->source)
        a->source->close(a->source->arg);
}

static void settle(void)
{
    for (int i = 0; i < 2000 && (!f.answered || i < 20) && db_step(f.db, 0); i++)
        ;
}

static void request(const char *method, const char *target, bool rpc, const void *body, size_t size)
{
    const char *form = strstr(target, "upload") ? "multipart/form-data; boundary=x" : "application/json";
    struct exchange x = {.method = method, .target = target, .http2 = rpc, .body = {body, size}, .answer = answer};

    x.headers[x.headers_count++] = (struct http_header){"content-type", rpc ? "application/grpc" : form};
    x.start_ns = os_linux()->mono_ns(os_linux());
    f.answered = false;
    serve_handle(&f.server, &x);
    settle();
    if (!f.answered) {
        fprintf(stderr, "%s %s was not answered\n", method, target);
        abort();
    }
}

static void put(const char *method, const char *target, const char *body)
{
    request(method, target, false, body, strlen(body));
    if (f.status != 200)
        abort();
}

static void fill(void)
{
    char body[400];

    put("PUT", "/collections/c", "{\"vectors\":{\"\":{\"size\":2,\"distance\":\"Cosine\"},\"m\":{\"size\":2,\"distance\":\"Dot\","
                                 "\"multivector_config\":{\"comparator\":\"max_sim\"}}},\"sparse_vectors\":{\"s\":{}}}");
    put("PUT", "/collections/c/index", "{\"field_name\":\"k\",\"field_schema\":\"keyword\"}");
    put("PUT", "/collections/c/index", "{\"field_name\":\"n\",\"field_schema\":\"float\"}");
    put("PUT", "/collections/c/index", "{\"field_name\":\"t\",\"field_schema\":{\"type\":\"text\",\"scoring\":true,\"phrase_matching\":true}}");
    put("PUT", "/collections/c/index", "{\"field_name\":\"g\",\"field_schema\":\"geo\"}");
    for (int i = 0; i < POINTS; i++) {
        snprintf(body, sizeof body, "{\"points\":[{\"id\":%d,\"vector\":{\"\":[%d,1],\"m\":[[1,%d],[2,3]],\"s\":{\"indices\":[%d,90],"
                                    "\"values\":[1,0.5]}},\"payload\":{\"k\":\"a%d\",\"n\":%d.5,\"t\":\"ein brown fox\",\"g\":{\"lon\":%d,"
                                    "\"lat\":1},\"list\":[{\"x\":1},{\"x\":null}]}}]}", i, i, i, i % 7, i % 3, i, i);
        put("PUT", "/collections/c/points", body);
    }
}

static void open_world(void)
{
    kith_options o = {.growing_rows_max = 16};

    if (f.world) {
        kith_close((kith_db *)(void *)f.db);
        sim_world_free(f.world);
    } else {
        ctx_init(&f.c, os_linux());
        if (qdrant_rpc_schema(&f.c, &f.schema) < 0)
            abort();
        rates_init(&f.rates);
        slow_init(&f.slow, 1);
    }
    f.world = sim_world_new(1);
    f.quota.dir = ".";
    os_mutex_init(&f.quota.lock);
    ctx_release(&f.c);
    ctx_init(&f.c, sim_world_os(f.world));
    if (qdrant_rpc_schema(&f.c, &f.schema) < 0 || db_open(&f.c, sim_world_os(f.world), "db", &o, &f.db) < 0)
        abort();
    f.db->graph_rows_min = 8;
    f.server = (struct server){.db = (kith_db *)(void *)f.db, .routes = qdrant_routes, .routes_count = qdrant_routes_count,
                               .rpc = &qdrant_rpc_form, .rpc_schema = &f.schema, .spill_dir = ".", .version = "1.19.1",
                               .rates = &f.rates, .slow = &f.slow, .quota = &f.quota, .log = &f.log};
    fill();
}

/* Each {} is one of the things there are. */
static void make_target(const char *path, uint8_t pick, char *to, size_t size)
{
    static const char *const queries[] = {"", "?wait=true", "?wait=true&timeout=1", "?explain=true&consistency=quorum",
                                          "?ordering=strong&wait=false", "?limit=3", "?wait=x", "?timeout=0"};
    size_t n = 0;
    int hole = 0;

    for (; *path && n + 80 < size; path++) {
        if (strncmp(path, "{}", 2) != 0) {
            to[n++] = *path;
            continue;
        }
        n += (size_t)snprintf(to + n, size - n, "%s", hole++ == 0 ? pick & 128 ? "d" : "c" : pick & 64 ? "k" : "1");
        path++;
    }
    snprintf(to + n, size - n, "%s", queries[pick % 8]);
}

/* The bytes amid a body. */
static void request_around(const char *target, const char *before, const uint8_t *data, size_t size, const char *after)
{
    struct buf body;

    buf_init(&body);
    buf_text(&body, before);
    buf_put(&body, data, size);
    buf_text(&body, after);
    request("POST", target, false, body.data, body.size);
    buf_release(&body);
}

static bool request_part(const uint8_t *data, size_t size)
{
    const char *part = getenv("FUZZ_TARGET");

    if (part && strcmp(part, "filters") == 0) {
        request_around("/collections/c/points/scroll", "{\"limit\":3,\"filter\":", data, size, "}");
        request_around("/collections/c/points/query", "{\"query\":[1,1],\"using\":\"\",\"filter\":", data, size, "}");
    } else if (part && strcmp(part, "formula") == 0) {
        request_around("/collections/c/points/query", "{\"prefetch\":{\"query\":[1,1]},\"query\":{\"formula\":", data, size, "}}");
    } else if (part) {
        abort();
    }
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct route *r;
    char target[400];
    struct buf body;
    bool rpc;

    if (f.runs++ % RUNS_A_WORLD == 0)
        open_world();
    if (size < 2 || request_part(data, size))
        return 0;
    r = &qdrant_routes[data[0] % qdrant_routes_count];
    rpc = strcmp(r->method, "RPC") == 0;
    if (r->handle == quotas_set) /* it would be on the real disk */
        return 0;
    f.log.level = LOG_OFF; /* whatever was said before */
    make_target(r->path, data[1], target, sizeof target);
    buf_init(&body);
    if (rpc) {
        buf_u8(&body, 0);
        for (int i = 3; i >= 0; i--)
            buf_u8(&body, (uint8_t)((size - 2) >> (8 * i)));
    }
    buf_put(&body, data + 2, size - 2);
    request(r->method, rpc ? r->path : target, rpc, body.data, body.size);
    buf_release(&body);
    return 0;
}
