/* call.c - from bytes to a handler and back: routing, keys, bodies, answers, the access log. */
#include "serve/serve.h"

#include "base/mem.h"
#include "net/grpc.h"
#include "os/os.h"
#include "serve/audit.h"
#include "serve/reflect.h"
#include "serve/slow.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- routing ------------------------------------------------------------------------------------------ */

static int hex(char ch)
{
    return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static char *decode(struct arena *a, const char *s, size_t size)
{
    char *out = arena_alloc(a, size + 1);
    size_t n = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        if (s[i] == '%' && i + 2 < size + 0 && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            out[n++] = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
            i += 2;
        } else {
            out[n++] = s[i];
        }
    }
    out[n] = 0;
    return out;
}

enum { SEGMENTS_MAX = 8 };

struct split {
    char *segments[SEGMENTS_MAX];
    size_t count;
    bool bad;
};

static struct split split_path(struct arena *a, const char *path, size_t size)
{
    struct split s = {{0}, 0, false};
    size_t at = 0;

    while (at < size) {
        size_t end = at;
        while (end < size && path[end] != '/')
            end++;
        if (end > at) {
            if (s.count == SEGMENTS_MAX)
                s.bad = true;
            else if (!(s.segments[s.count++] = decode(a, path + at, end - at)))
                s.bad = true;
        }
        at = end + 1;
    }
    return s;
}

static bool path_matches(const char *pattern, const struct split *s, struct call *call)
{
    size_t i = 0;

    call->params_count = 0;
    while (*pattern == '/') {
        size_t n = strcspn(++pattern, "/");
        if (n == 0)
            break;
        if (i == s->count)
            return false;
        if (pattern[0] == '{') {
            call->params[call->params_count++] = s->segments[i];
        } else if (strlen(s->segments[i]) != n || memcmp(s->segments[i], pattern, n) != 0) {
            return false;
        }
        i++;
        pattern += n;
    }
    return i == s->count;
}

static void read_query(struct call *call, const char *q)
{
    while (q && *q && call->query_count < QUERY_MAX) {
        size_t n = strcspn(q, "&"), name = strcspn(q, "=&");
        struct query_param *p = &call->query[call->query_count];
        p->name = decode(&call->c.arena, q, name);
        p->value = name < n ? decode(&call->c.arena, q + name + 1, n - name - 1) : "";
        if (p->name && p->value)
            call->query_count++;
        q += n + (q[n] == '&');
    }
}

const char *call_query(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->query_count; i++) {
        if (strcmp(call->query[i].name, name) == 0)
            return call->query[i].value;
    }
    return NULL;
}

static bool find_rpc(struct call *call)
{
    for (size_t i = 0; i < call->server->routes_count; i++) {
        const struct route *r = &call->server->routes[i];
        if (route_is_rpc(r) && strcmp(r->path, call->x->target) == 0) {
            call->route = r;
            return true;
        }
    }
    return false;
}

/* 0 found; 404 no such path; 405 another method */
static int find_route(struct call *call)
{
    const char *target = call->x->target;
    size_t path = strcspn(target, "?");
    struct split s = split_path(&call->c.arena, target, path);
    int status = 404;

    for (size_t i = 0; i < call->server->routes_count && !s.bad; i++) {
        const struct route *r = &call->server->routes[i];
        if (route_is_rpc(r) || !path_matches(r->path, &s, call))
            continue;
        status = 405;
        if (strcmp(r->method, call->x->method) == 0 ||
            (strcmp(r->method, "GET") == 0 && strcmp(call->x->method, "HEAD") == 0)) {
            call->route = r;
            read_query(call, target[path] ? target + path + 1 : NULL);
            return 0;
        }
    }
    return status;
}

/* ---- who may do what ------------------------------------------------------------------------------------------ */

static const char *credential(const struct exchange *x)
{
    const char *key = http_header(x, "api-key"), *bearer = http_header(x, "authorization");

    if (!key && bearer && (strncmp(bearer, "Bearer ", 7) == 0 || strncmp(bearer, "bearer ", 7) == 0))
        key = bearer + 7;
    return key;
}

/* Whether the point is there that the caller's token stands and falls with. */
static bool is_proven(struct call *call)
{
    const struct proof *p = &call->caller.proof;

    return !p->collection || kith_count(call->server->db, p->collection, p->filter, true, 0, NULL) > 0;
}

/* 0; else the status to answer with. */
static int identify(struct call *call, const char **ret_why)
{
    int64_t now_s = (int64_t)(os_linux()->wall_ns(os_linux()) / 1000000000);
    int status;

    if (call->route->privilege == FREE)
        return 0;
    status = auth_identify(&call->c, &call->server->keys, credential(call->x), now_s, &call->caller, ret_why);
    if (status || is_proven(call))
        return status;
    *ret_why = "Forbidden: the point that the token names is not there";
    return 403;
}

/* What an alias stands for, in the call's arena; NULL: it is none. */
static const char *target_of(struct call *call, const char *alias)
{
    const char *found = NULL;
    kith_names pairs;

    if (kith_aliases(call->server->db, &pairs, NULL) < 0)
        return NULL;
    for (size_t i = 0; i + 1 < pairs.count; i += 2) {
        if (strcmp(pairs.names[i], alias) == 0)
            found = arena_str(&call->c.arena, pairs.names[i + 1], strlen(pairs.names[i + 1]));
    }
    kith_names_free(&pairs);
    return found;
}

static bool allows(struct call *call, enum privilege needed, const char *collection)
{
    const char *target;

    if (auth_allows(&call->caller, needed, collection))
        return true;
    if (call->caller.scope != GRANTED || !collection)
        return false;
    target = target_of(call, collection);
    return target && auth_allows(&call->caller, needed, target);
}

/* The collection that a call is about; NULL: none. */
static const char *collection_of(const struct call *call)
{
    if (!call->params_count)
        return NULL;
    return route_is_rpc(call->route) || strncmp(call->route->path, "/collections/{", 14) == 0 ? call->params[0] : NULL;
}

static bool is_of_collection(enum privilege p)
{
    return p >= READ && p <= WRITE_MORE;
}

/* 0; else the status. Of a message the collection is known only when it has been read. */
static int permit(struct call *call, const char **ret_why)
{
    if (allows(call, call->route->privilege, collection_of(call)))
        return 0;
    *ret_why = call->caller.scope == READER ? "Forbidden: this key may only read"
                                            : "Forbidden: not allowed by this token";
    return 403;
}

bool call_sees(struct call *call, const char *collection)
{
    return allows(call, READ, collection);
}

bool call_reads(struct call *call, const char *collection)
{
    if (call_sees(call, collection))
        return true;
    call_fail(call, 403, "Forbidden: collection %.100s is not allowed by this token", collection);
    return false;
}

/* ---- answering ------------------------------------------------------------------------------------------------ */

double call_seconds(const struct call *call)
{
    return (double)(os_linux()->mono_ns(os_linux()) - call->x->start_ns) / 1e9;
}

static void note_audit(struct call *call, int status)
{
    struct audit *audit = call->server->audit;
    enum privilege p = call->route->privilege;
    bool read = p == LIST || p == READ || p == READ_MORE || p == WATCH, denied = status == 401 || status == 403;
    struct audit_entry e = {call->caller.name, call->x->peer, call->x->method, call->route->path, collection_of(call),
                            http_header(call->x, "x-request-id"), status};

    if (!audit || p == FREE || (read && !denied && !audit->reads))
        return;
    if (!audit_write(audit, &e))
        log_line(call->server->log, LOG_ERROR, "the audit log in %s cannot be written", audit->dir);
}

static void note_slow(struct call *call, int status, uint64_t ns)
{
    struct slow_log *slow = call->server->slow;
    const char *collection = collection_of(call);
    struct slow_entry e = {.seconds = (double)ns / 1e9, .at_ns = os_linux()->wall_ns(os_linux()), .status = status};

    if (!slow || slow->threshold <= 0 || e.seconds < slow->threshold)
        return;
    snprintf(e.method, sizeof e.method, "%s", call->x->method);
    snprintf(e.path, sizeof e.path, "%s", call->route->path);
    snprintf(e.collection, sizeof e.collection, "%.95s", collection ? collection : "");
    slow_note(slow, &e);
}

static void account(struct call *call, int status)
{
    struct server *s = call->server;
    uint64_t ns = os_linux()->mono_ns(os_linux()) - call->x->start_ns;

    log_line(s->log, s->access_log ? LOG_INFO : LOG_DEBUG, "%s %s %s %d %.6f", call->x->peer, call->x->method,
             call->x->target, status, (double)ns / 1e9);
    if (!call->route)
        return;
    note_audit(call, status);
    note_slow(call, status, ns);
    stats_note(s, call->route, status, ns);
}

/* What every answer ends with; `body` is the caller's now. */
static struct exchange *end_call(struct call *call, int status, struct buf *ret_body)
{
    struct exchange *x = call->x;

    *ret_body = call->out;
    account(call, status);
    yyjson_doc_free(call->json);
    ctx_release(&call->c);
    mem_free(call);
    return x;
}

static void fail_rpc(struct call *call, int status, const char *text, size_t size)
{
    char copy[512], extra[48]; /* what the call holds goes with it */
    uint32_t wait = MAX(call->retry_after, 1u);
    struct exchange *x;
    struct buf body;

    snprintf(copy, sizeof copy, "%.*s", (int)MIN(size, sizeof copy - 1), text ? text : "");
    snprintf(extra, sizeof extra, "retry-after: %u\r\n", wait);
    x = end_call(call, status, &body);
    buf_release(&body);
    grpc_fail(x, grpc_code_of(status), copy, status == 429 ? extra : NULL);
}

static void answer_rpc(struct call *call, int status)
{
    struct exchange *x;
    struct buf body;

    if (status != 200) { /* with a text of its own */
        fail_rpc(call, status, (char *)call->out.data, call->out.size);
        return;
    }
    if (!call->encoded)
        call->server->rpc->write(call);
    x = end_call(call, status, &body);
    grpc_answer(x, &body);
}

static const char everyone[] = "access-control-allow-origin: *\r\n"; /* pages of all origins may read answers */

void call_answer(struct call *call, int status, const char *type)
{
    char extra[96];
    struct exchange *x;
    struct buf body;

    if (call->rpc) {
        answer_rpc(call, status);
        return;
    }
    snprintf(extra, sizeof extra, "retry-after: %u\r\n%s", MAX(call->retry_after, 1u), everyone);
    x = end_call(call, status, &body);
    http_answer(x, body.failed ? 500 : status, type, status == 429 ? extra : everyone, &body);
}

void call_answer_source(struct call *call, const char *type, const char *extra, const struct source *source)
{
    struct exchange *x;
    struct buf body;
    char headers[512];

    snprintf(headers, sizeof headers, "%s%s", everyone, extra);
    x = end_call(call, 200, &body);
    buf_release(&body);
    http_answer_source(x, type, headers, source);
}

void call_fail(struct call *call, int status, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (call->rpc) {
        fail_rpc(call, status, text, strlen(text));
        return;
    }
    call->out.size = 0;
    buf_text(&call->out, "{\"status\":{\"error\":");
    json_put_str(&call->out, text, strlen(text));
    buf_printf(&call->out, "},\"time\":%.9f}", call_seconds(call));
    call_answer(call, status, "application/json");
}

/* True: the body is as the route wants it. */
static bool read_body(struct call *call)
{
    const struct exchange *x = call->x;
    const char *type = http_header(x, "content-type");
    int rc;

    if (x->too_large || x->body.size > call->route->body_max) {
        call_fail(call, 400, "Payload error: JSON payload is larger than allowed (limit: %u bytes).",
                  call->route->body_max);
        return false;
    }
    if (!x->body.size || call->route->body_max == BODY_ANY)
        return true;
    if (!type || strncmp(type, "application/json", 16) != 0) {
        call_fail(call, 400, "Content type error: expected application/json");
        return false;
    }
    rc = json_parse(&call->c, (const char *)x->body.data, x->body.size, &call->json);
    if (rc < 0) {
        call_fail(call, rc == KITH_NOMEM ? 500 : 400, "Format error in JSON body: %s", call->c.text);
        return false;
    }
    call->body = yyjson_doc_get_root(call->json);
    return true;
}

static void preflight(struct call *call)
{
    struct exchange *x = call->x;
    struct buf empty = {0};

    ctx_release(&call->c);
    mem_free(call);
    http_answer(x, 200, NULL,
                "access-control-allow-origin: *\r\naccess-control-allow-methods: *\r\n"
                "access-control-allow-headers: *\r\n",
                &empty);
}

static void deny(struct call *call, int status, const char *why)
{
    buf_text(&call->out, why);
    call_answer(call, status, "text/plain");
}

static void handle_rpc(struct call *call)
{
    struct bytes message;
    const char *why;
    int rc, status;

    call->rpc = true;
    if (!call->server->rpc || !find_rpc(call)) {
        call_fail(call, 501, "unknown method %.200s", call->x->target);
        return;
    }
    status = identify(call, &why);
    if (!status && !(call->caller.scope == GRANTED && is_of_collection(call->route->privilege)))
        status = permit(call, &why);
    if (status) {
        deny(call, status, why);
        return;
    }
    rc = grpc_message(&call->c, call->x, call->route->body_max, &message);
    if (rc < 0)
        call_fail(call, rc == KITH_LIMIT ? 429 : rc == KITH_UNSUPPORTED ? 501 : 400, "%s", call->c.text);
    else if (call->server->rpc->read(call, message)) {
        status = permit(call, &why);
        if (status)
            deny(call, status, why);
        else
            call->route->handle(call);
    }
}

/* Who may not is told so by the route, as if it were a request. */
enum talk serve_talks(void *server, const struct exchange *x)
{
    struct call call = {.server = server, .x = (struct exchange *)(uintptr_t)x};
    const char *why;
    bool may;

    if (!call.server->rpc || !grpc_is(x) || !reflect_is(x->target))
        return TALK_NO;
    ctx_init(&call.c, os_linux());
    may = find_rpc(&call) && identify(&call, &why) == 0 && permit(&call, &why) == 0;
    ctx_release(&call.c);
    return may ? TALK_YES : TALK_REFUSED;
}

size_t serve_hear(void *server, struct bytes come, struct buf *say)
{
    return reflect_hear(((struct server *)server)->rpc_schema, come, say);
}

bool serve_may_spill(void *server, const struct exchange *x)
{
    struct call call = {.server = server, .x = (struct exchange *)(uintptr_t)x};
    const char *why;
    bool may;

    ctx_init(&call.c, os_linux());
    may = find_route(&call) == 0 && call.route->body_max == BODY_ANY && identify(&call, &why) == 0 &&
          permit(&call, &why) == 0;
    ctx_release(&call.c);
    return may;
}

void serve_handle(void *server, struct exchange *x)
{
    struct call *call = mem_zalloc(sizeof *call);
    struct buf empty = {0};
    const char *why;
    int status;

    if (!call) {
        http_answer(x, 503, NULL, NULL, &empty);
        return;
    }
    call->server = server;
    call->x = x;
    ctx_init(&call->c, os_linux());
    if (grpc_is(x)) {
        handle_rpc(call);
        return;
    }
    status = find_route(call);
    if (status == 405 && strcmp(x->method, "OPTIONS") == 0) {
        preflight(call);
        return;
    }
    if (status) {
        call_answer(call, status, NULL);
        return;
    }
    status = identify(call, &why);
    if (!status)
        status = permit(call, &why);
    if (status)
        deny(call, status, why);
    else if (!call->route->body_max || read_body(call))
        call->route->handle(call);
}
