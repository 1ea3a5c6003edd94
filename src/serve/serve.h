/* serve.h - what the dialects share: one table of routes with privilege, body limit and handler;
 * keys; metrics; the log. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "base/ctx.h"
#include "codec/json.h"
#include "net/grpc.h"
#include "net/http.h"
#include "os/sync.h"
#include "serve/auth.h"

#include <stdatomic.h>

struct call;

struct route {
    const char *method; /* "RPC": a method of a gRPC service */
    const char *path;   /* /aliases/{name}: what is in braces is one decoded segment; /package.Service/Method */
    enum privilege privilege;
    uint32_t body_max; /* bytes; 0: a body is not read; BODY_ANY: not JSON, of any size, in a file */
    void (*handle)(struct call *call);
    /* For the description: names behind the question mark; what the body is (NULL: there is none; "form X": multipart);
     * what the answer's result is ("bare X": the whole answer; "text", "bytes": no JSON). */
    const char *asks, *takes, *gives;
};

#define BODY_ANY UINT32_MAX
enum { PARAMS_MAX = 4, QUERY_MAX = 16, ROUTES_MAX = 192 };

/* How a dialect's gRPC messages become what its handlers read, and what they wrote becomes messages. */
struct rpc_form {
    bool (*read)(struct call *call, struct bytes message); /* false: answered */
    void (*write)(struct call *call);                      /* call->out: from JSON to a message after its prefix */
};

enum { LATENCY_BUCKETS = 12, OUTCOMES = GRPC_UNAUTHENTICATED + 1 };
/* Answers of one route that ended alike: REST by status, gRPC by code. */
struct outcome_stats {
    atomic_ullong total_ns, min_ns, max_ns;
    atomic_ullong buckets[LATENCY_BUCKETS]; /* each answer is in one */
};
struct route_stats {
    struct outcome_stats by[OUTCOMES];
};

struct server {
    kith_db *db;
    const struct route *routes;
    size_t routes_count;
    const struct rpc_form *rpc; /* NULL: no gRPC here */
    const void *rpc_schema;     /* the dialect's */
    const char *dir;            /* of the database */
    const char *cluster_uri;    /* where it is found by others; NULL: it is in no cluster */
    const char *backup_dir;     /* NULL: backups are not made here */
    const char *spill_dir;      /* where large bodies go while they are here */
    bool url_recovery;          /* snapshots may be fetched from elsewhere */
    bool string_ids;            /* points may have any text as their id */
    struct route_stats stats[ROUTES_MAX];
    struct server *watched;     /* whose answers the metrics show; NULL: its own */
    const char *metrics_prefix; /* before every name */
    struct keys keys;
    struct audit *audit; /* NULL: none is kept */
    const char *version;
    uint64_t start_ns;
    int64_t start_us; /* since 1970 */
    char id[37];      /* a new one with each start */
    struct logging *log; /* there is always one */
    bool access_log; /* requests are of level info, not debug */
    struct rates *rates;
    struct slow_log *slow;
    struct quota *quota;
    struct os_mutex changing; /* held by what reads a configuration and writes it back */
};

struct query_param {
    const char *name, *value;
};

/* One request in the hands of a handler, which answers it exactly once. */
struct call {
    struct server *server;
    struct exchange *x;
    const struct route *route;
    struct ctx c;
    struct caller caller;
    const char *params[PARAMS_MAX];
    size_t params_count;
    struct query_param query[QUERY_MAX];
    size_t query_count;
    yyjson_doc *json;
    yyjson_val *body; /* NULL: none was sent */
    struct buf out;
    bool rpc;         /* it came by gRPC */
    bool encoded;     /* and `out` is a message already */
    uint32_t retry_after; /* seconds, with 429; 0: 1 */
    void *state;      /* the handler's, in the arena */
};

/* The http_options.handle of a server. */
void serve_handle(void *server, struct exchange *x);
/* The http_options.talks and hear of a server: reflection. */
enum talk serve_talks(void *server, const struct exchange *x);
size_t serve_hear(void *server, struct bytes come, struct buf *say);
/* The http_options.may_spill of a server: its route wants it, and its key allows it. */
bool serve_may_spill(void *server, const struct exchange *x);
/* Whether the caller may read a collection that the request names besides its own; and, if not, says so. */
bool call_sees(struct call *call, const char *collection);
bool call_reads(struct call *call, const char *collection); /* false: answered */
const char *call_query(const struct call *call, const char *name); /* NULL if absent */
/* Answers with what `call->out` holds and frees the call. */
void call_answer(struct call *call, int status, const char *type);
/* The same with a body that is made while it is sent. */
void call_answer_source(struct call *call, const char *type, const char *extra, const struct source *source);
/* How the dialect says what went wrong. */
void call_fail(struct call *call, int status, const char *format, ...) PRINTF_LIKE(3, 4);
double call_seconds(const struct call *call);
/* Once, before the first request. */
void server_begin(struct server *server);
void server_end(struct server *server); /* after the last one */
void metrics_write(struct server *server, struct buf *out);
/* {"endpoint": {"status": {"count", ...}}} of one transport. */
void stats_write(struct server *server, bool rpc, struct buf *out);
/* An answer to a route of this server, as HTTP says it, that took ns. */
void stats_note(struct server *server, const struct route *route, int status, uint64_t ns);
bool route_is_rpc(const struct route *route);
enum grpc_code grpc_code_of(int status);

/* ---- the log (log.c): lines to stderr ---- */
enum log_level { LOG_OFF, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };
struct logging {
    _Atomic uint8_t level; /* what is above is left out; may be changed at any time, as the form */
    _Atomic bool json;     /* else text */
};
void log_line(const struct logging *l, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
int log_level_of(const char *text); /* -1: none */
const char *log_level_name(unsigned level);

#endif
