/* http1.c - HTTP/1.1: parse, hand to the pool, write the answer, go on.
 *
 * A connection has one request under way at a time; while it has, the loop does not read it, and what
 * was read already waits. So a client that pipelines is served in order and cannot fill our memory.
 *
 * The thread that answers sends the bytes itself; the loop is woken only if they do not fit the socket,
 * or if it left word (ATTENTION) that it has something to do on this connection. And while others of
 * the pool are idle, the thread that handled a request waits a moment for the next one on the same
 * connection: a client that asks again and again costs one wake a request, not three. */
#include "net/conn.h"

#include "base/mem.h"
#include "net/spill.h"
#include "os/os.h"

#include <stdio.h>

enum { BUSY = 1, ATTENTION = 2 };
enum stage { HANDLING, ANSWERED, LEFT };
enum { SEND_MAX = 256 << 10, DISCARD_MAX = 256 << 20, BODY_KEPT = 4 << 20, STAY_MS = 1, PULL_SIZE = 256 << 10 };

struct h1 {
    struct conn *conn;
    struct job job;
    llhttp_t parser;
    struct buf input;   /* read, not yet parsed */
    size_t parsed;
    struct buf head;    /* strings of the request */
    struct buf body;
    uint64_t body_seen;
    struct spill *spill; /* the body, if it may be of any size */
    size_t target_at, names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
    size_t headers;
    bool in_value, keep_alive, head_done;
    atomic_uint state;  /* BUSY: a request is under way, and all but the connection's links is its thread's */
    _Atomic enum stage stage; /* of the request: who comes second, the answer or the handler's end, goes on */
    bool complete, bad; /* a request was parsed to its end; what came is no request */
    struct exchange x;
    struct buf out;     /* head and body of the answer */
    size_t sent;
    struct source source; /* of the rest of the body; pull NULL: there is none */
    uint64_t pulled;
};

static void parse_on(struct h1 *h);
static void answer(struct exchange *x, const struct answer *a);

/* ---- parsing ------------------------------------------------------------------------------- */

static int on_begin(llhttp_t *p)
{
    struct h1 *h = p->data;

    h->head.size = h->body.size = 0;
    spill_end(h->spill);
    h->spill = NULL;
    h->head_done = false;
    h->target_at = h->headers = 0;
    h->body_seen = 0;
    h->in_value = false;
    return 0;
}

static int keep_text(struct h1 *h, const char *at, size_t size)
{
    buf_put(&h->head, at, size);
    return h->head.failed || h->head.size > HEAD_MAX ? -1 : 0;
}

static int on_url(llhttp_t *p, const char *at, size_t size)
{
    return keep_text(p->data, at, size);
}

static int on_field(llhttp_t *p, const char *at, size_t size)
{
    struct h1 *h = p->data;

    if (h->head_done) /* trailers: nobody asks for them */
        return 0;
    if (h->headers == 0 || h->in_value) {
        if (h->headers == HTTP_HEADERS_MAX)
            return -1;
        buf_u8(&h->head, 0);
        h->names[h->headers++] = h->head.size;
        h->in_value = false;
    }
    for (size_t i = 0; i < size; i++)
        buf_u8(&h->head, (uint8_t)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]));
    return h->head.failed || h->head.size > HEAD_MAX ? -1 : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t size)
{
    struct h1 *h = p->data;

    if (h->head_done)
        return 0;
    if (!h->in_value) {
        buf_u8(&h->head, 0);
        h->values[h->headers - 1] = h->head.size;
        h->in_value = true;
    }
    return keep_text(h, at, size);
}

static void write_plain(struct h1 *h, const char *text)
{
    (void)conn_send(h->conn, text, strlen(text)); /* a hint: if it does not fit, so be it */
}

static void make_exchange(struct h1 *h, llhttp_t *p)
{
    char *head = (char *)h->head.data;

    memset(&h->x, 0, offsetof(struct exchange, peer));
    h->x.answer = answer;
    h->x.method = llhttp_method_name((llhttp_method_t)llhttp_get_method(p));
    h->x.target = head + h->target_at;
    h->x.headers_count = h->headers;
    for (size_t i = 0; i < h->headers; i++) {
        h->x.headers[i].name = head + h->names[i];
        h->x.headers[i].value = h->in_value || i + 1 < h->headers ? head + h->values[i] : "";
    }
}

static int on_headers(llhttp_t *p)
{
    struct h1 *h = p->data;
    const struct http_options *o = &h->conn->server->options;

    buf_u8(&h->head, 0);
    if (h->head.failed)
        return -1;
    h->head_done = true;
    make_exchange(h, p);
    if (o->spill_dir && o->may_spill(o->arg, &h->x) && !(h->spill = spill_new(o->spill_dir)))
        return -1;
    if (http_header(&h->x, "expect"))
        write_plain(h, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t size)
{
    struct h1 *h = p->data;

    if (h->spill)
        return spill_put(h->spill, at, size) ? 0 : -1;
    h->body_seen += size;
    if (h->body_seen > DISCARD_MAX)
        return -1;
    if (h->body_seen <= h->conn->server->options.body_max)
        buf_put(&h->body, at, size);
    else
        h->body.size = 0;
    return h->body.failed ? -1 : 0;
}

static int on_complete(llhttp_t *p)
{
    struct h1 *h = p->data;

    h->x.too_large = h->body_seen > h->conn->server->options.body_max;
    h->x.body.data = h->body.data;
    h->x.body.size = h->x.too_large ? 0 : h->body.size;
    if (h->spill && !spill_map(h->spill, &h->x.body))
        return -1;
    h->x.start_ns = os_linux()->mono_ns(os_linux());
    h->keep_alive = llhttp_should_keep_alive(p);
    h->sent = 0;
    h->complete = true;
    return HPE_PAUSED;
}

/* Takes what `input` holds up to the end of one request. 1: there it is; 0: more is needed; -1: nonsense. */
static int take_request(struct h1 *h)
{
    const char *start = (char *)h->input.data + h->parsed;
    enum llhttp_errno rc;

    h->complete = false;
    rc = llhttp_execute(&h->parser, start, h->input.size - h->parsed);
    if (rc == HPE_PAUSED && h->complete) {
        h->parsed += (size_t)(llhttp_get_error_pos(&h->parser) - start);
        llhttp_resume(&h->parser);
        return 1;
    }
    h->input.size = h->parsed = 0;
    return rc == HPE_OK ? 0 : -1;
}

static void write_error(struct h1 *h)
{
    write_plain(h, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    conn_close(h->conn);
}

static void parse_on(struct h1 *h)
{
    int rc;

    if (h->conn->closing)
        return;
    rc = h->parsed < h->input.size ? take_request(h) : 0;
    if (rc < 0) {
        write_error(h);
    } else if (rc == 0) {
        h->input.size = h->parsed = 0;
        conn_reading(h->conn, true);
    } else {
        conn_reading(h->conn, false);
        atomic_store(&h->state, BUSY);
        pool_put(h->conn->server, &h->job);
    }
}

static void feed(struct conn *n, const void *data, size_t size)
{
    struct h1 *h = n->state;

    buf_put(&h->input, data, size);
    if (h->input.failed)
        conn_close(n);
    else
        parse_on(h);
}

/* ---- answering ----------------------------------------------------------------------------- */

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Status";
    }
}

static void end_source(struct h1 *h)
{
    if (h->source.pull)
        h->source.close(h->source.arg);
    h->source = (struct source){0};
}

static void answer(struct exchange *x, const struct answer *a)
{
    struct h1 *h = container_of(x, struct h1, x);
    enum stage handling = HANDLING;
    unsigned long long size;
    int sent = 0;

    h->out.size = 0;
    h->source = a->source ? *a->source : (struct source){0};
    h->pulled = 0;
    size = a->source ? a->source->size : a->body->size;
    buf_printf(&h->out, "HTTP/1.1 %d %s\r\ncontent-length: %llu\r\n", a->status, reason(a->status), size);
    if (a->type)
        buf_printf(&h->out, "content-type: %s\r\n", a->type);
    if (a->extra)
        buf_text(&h->out, a->extra);
    buf_text(&h->out, h->keep_alive ? "\r\n" : "connection: close\r\n\r\n");
    if (strcmp(x->method, "HEAD") != 0)
        buf_put(&h->out, a->body->data, a->body->size);
    else
        end_source(h);
    buf_release(a->body);
    if (!h->out.failed && h->out.size <= SEND_MAX)
        sent = conn_send(h->conn, h->out.data, h->out.size);
    h->sent = sent > 0 ? (size_t)sent : 0;
    if (!atomic_compare_exchange_strong(&h->stage, &handling, ANSWERED))
        conn_give_back(h->conn);
}

static void written(struct conn *n, int status);

/* The next part of a body that is made on the way. True: it is being written. */
static bool write_more(struct h1 *h)
{
    uint64_t left = h->source.size - h->pulled;
    size_t size;

    if (!h->source.pull || !left)
        return false;
    h->out.size = 0;
    if (buf_reserve(&h->out, PULL_SIZE) < 0)
        return false;
    size = h->source.pull(h->source.arg, h->pulled, h->out.data, (size_t)MIN(left, (uint64_t)PULL_SIZE));
    h->pulled += size;
    return size > 0 && conn_write(h->conn, h->out.data, size, written) == 0;
}

static void answered(struct h1 *h, int status)
{
    struct conn *n = h->conn;
    bool whole;

    if (status >= 0 && !n->closing && write_more(h))
        return;
    whole = h->pulled == h->source.size;
    end_source(h);
    spill_end(h->spill);
    h->spill = NULL;
    atomic_store(&h->state, 0);
    n->active_ms = uv_now(&n->server->loop);
    if (h->bad) {
        write_error(h);
        return;
    }
    if (status < 0 || !whole || !h->keep_alive || n->closing || n->server->stopping) {
        conn_close(n);
        return;
    }
    if (h->out.capacity > (1 << 20))
        buf_release(&h->out);
    if (h->body.capacity > BODY_KEPT)
        buf_release(&h->body);
    parse_on(h);
}

static void written(struct conn *n, int status)
{
    answered(n->state, status);
}

/* The request is at its end, and nobody else knows the connection. */
static void attend(struct conn *n)
{
    struct h1 *h = n->state;
    size_t left = h->out.size - h->sent;

    if (h->out.failed)
        answered(h, UV_ENOMEM);
    else if (!left && !conn_pending(n))
        answered(h, 0);
    else if (conn_write(n, h->out.data + h->sent, left, written) < 0)
        answered(h, UV_EIO);
}

/* ---- on the pool --------------------------------------------------------------------------- */

/* The next request of a connection whose last one was answered here; false: the loop's business. */
static bool stay(struct h1 *h)
{
    struct http_server *s = h->conn->server;
    bool plain = h->keep_alive && !h->out.failed && !h->source.pull && !h->spill && h->sent == h->out.size &&
                 h->out.capacity <= SEND_MAX && h->body.capacity <= BODY_KEPT && !conn_pending(h->conn);

    while (plain && !(atomic_load(&h->state) & ATTENTION)) {
        int rc = h->parsed < h->input.size ? take_request(h) : 0;
        if (rc > 0)
            return true;
        h->input.size = h->parsed = 0;
        h->bad = rc < 0;
        rc = h->bad || atomic_load(&s->idle) * 4 < s->pool_count ? -1
             : conn_receive(h->conn, &h->input, STAY_MS);
        if (rc <= 0 || conn_pending(h->conn))
            break;
    }
    return false;
}

static void work(struct job *job)
{
    struct h1 *h = container_of(job, struct h1, job);
    struct http_server *s = h->conn->server;
    enum stage handling;

    do {
        handling = HANDLING;
        atomic_store(&h->stage, HANDLING);
        s->options.handle(s->options.arg, &h->x);
        if (atomic_compare_exchange_strong(&h->stage, &handling, LEFT))
            return; /* answered later, elsewhere */
    } while (stay(h));
    conn_give_back(h->conn);
}

/* ---- the protocol -------------------------------------------------------------------------- */

/* If a request is under way, its end will wake the loop. */
static bool busy(struct conn *n)
{
    struct h1 *h = n->state;

    if (atomic_fetch_or(&h->state, ATTENTION) & BUSY)
        return true;
    atomic_store(&h->state, 0);
    return false;
}

static bool may_sweep(struct conn *n)
{
    struct h1 *h = n->state;

    return !(atomic_load(&h->state) & BUSY);
}

static void stopping(struct conn *n)
{
    if (!busy(n))
        conn_close(n);
}

static void free_state(struct conn *n)
{
    struct h1 *h = n->state;

    end_source(h);
    spill_end(h->spill);
    buf_release(&h->input);
    buf_release(&h->head);
    buf_release(&h->body);
    buf_release(&h->out);
    mem_free(h);
}

const struct protocol http1 = {feed, attend, busy, may_sweep, stopping, free_state};

void http1_settings(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_begin;
    settings->on_url = on_url;
    settings->on_header_field = on_field;
    settings->on_header_value = on_value;
    settings->on_headers_complete = on_headers;
    settings->on_body = on_body;
    settings->on_message_complete = on_complete;
}

bool http1_open(struct conn *n)
{
    struct h1 *h = mem_zalloc(sizeof *h);

    if (!h)
        return false;
    h->conn = n;
    h->job.run = work;
    llhttp_init(&h->parser, HTTP_REQUEST, &n->server->settings);
    h->parser.data = h;
    memcpy(h->x.peer, n->peer, sizeof h->x.peer);
    n->state = h;
    return true;
}
