/* http.c - connections: read, parse, hand to the pool, write the answer, go on.
 *
 * A connection has one request under way at a time; while it has, the loop does not read it, and what
 * was read already waits. So a client that pipelines is served in order and cannot fill our memory.
 *
 * The thread that answers sends the bytes itself; the loop is woken only if they do not fit the socket,
 * or if it left word (ATTENTION) that it has something to do on this connection. And while others of
 * the pool are idle, the thread that handled a request waits a moment for the next one on the same
 * connection: a client that asks again and again costs one wake a request, not three. */
#define _GNU_SOURCE /* libuv needs the full pthread types */
#include "net/http.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"
#include "os/sync.h"

#include <llhttp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { BUSY = 1, ATTENTION = 2 };
enum stage { HANDLING, ANSWERED, LEFT };
enum {
    READ_SIZE = 64 << 10,
    SEND_MAX = 256 << 10,
    HEAD_MAX = 64 << 10,
    DISCARD_MAX = 256 << 20,
    IDLE_MS = 75000,
    BODY_KEPT = 4 << 20,
    STAY_MS = 1,
    POOL_MAX = 128
};

struct http_server {
    struct http_options options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    uv_timer_t sweep;
    struct os_mutex mutex;
    struct conn *answered; /* under the mutex */
    bool stop;             /* under the mutex */
    bool stopping;
    struct conn *conns;
    uint32_t conns_count;
    uint16_t port;
    llhttp_settings_t settings;
    struct os_mutex pool_mutex;
    struct os_cond pool_cond;
    struct conn *waiting, **waiting_tail; /* requests nobody has taken yet; under pool_mutex */
    bool pool_stop;
    atomic_uint idle;      /* threads of the pool that wait for work */
    struct os_thread *pool[POOL_MAX];
    uint32_t pool_count;
};

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct http_server *server;
    struct conn *next, *previous; /* all of them */
    struct conn *next_answered, *next_waiting;
    llhttp_t parser;
    struct buf input;   /* read, not yet parsed */
    size_t parsed;
    struct buf head;    /* strings of the request */
    struct buf body;
    uint64_t body_seen;
    size_t target_at, names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
    size_t headers;
    bool in_value, closing, keep_alive, reading;
    atomic_uint state;  /* BUSY: a request is under way, and all but `next`, `previous` and `reading` is its thread's */
    _Atomic enum stage stage; /* of the request: who comes second, the answer or the handler's end, goes on */
    bool complete, bad; /* a request was parsed to its end; what came is no request */
    uv_os_fd_t fd;
    struct exchange x;
    struct buf out;     /* head and body of the answer */
    size_t sent;
    uint64_t active_ms;
    char chunk[READ_SIZE];
};

static void conn_parse(struct conn *n);
static void pool_put(struct http_server *s, struct conn *n);

const char *http_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->headers_count; i++) {
        if (strcmp(x->headers[i].name, name) == 0)
            return x->headers[i].value;
    }
    return NULL;
}

/* ---- connections ------------------------------------------------------------------------------------- */

/* The loop ends when the last connection is gone. */
static void close_wake(struct http_server *s)
{
    if (s->stopping && !s->conns && !uv_is_closing((uv_handle_t *)&s->wake))
        uv_close((uv_handle_t *)&s->wake, NULL);
}

static void conn_free(uv_handle_t *handle)
{
    struct conn *n = handle->data;
    struct http_server *s = n->server;

    if (n->previous)
        n->previous->next = n->next;
    else
        n->server->conns = n->next;
    if (n->next)
        n->next->previous = n->previous;
    n->server->conns_count--;
    buf_release(&n->input);
    buf_release(&n->head);
    buf_release(&n->body);
    buf_release(&n->out);
    mem_free(n);
    close_wake(s);
}

/* If a request is under way, its end will wake the loop. */
static bool still_busy(struct conn *n)
{
    if (atomic_fetch_or(&n->state, ATTENTION) & BUSY)
        return true;
    atomic_store(&n->state, 0);
    return false;
}

static void conn_close(struct conn *n)
{
    n->closing = true;
    if (!still_busy(n) && !uv_is_closing((uv_handle_t *)&n->tcp))
        uv_close((uv_handle_t *)&n->tcp, conn_free);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    struct conn *n = handle->data;

    UNUSED(size);
    ret->base = n->chunk;
    ret->len = sizeof n->chunk;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *data)
{
    struct conn *n = stream->data;

    if (size < 0) {
        conn_close(n);
        return;
    }
    n->active_ms = uv_now(&n->server->loop);
    buf_put(&n->input, data->base, (size_t)size);
    if (n->input.failed)
        conn_close(n);
    else
        conn_parse(n);
}

static void reading(struct conn *n, bool on)
{
    if (on == n->reading || n->closing)
        return;
    n->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&n->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&n->tcp);
}

/* ---- parsing ------------------------------------------------------------------------------------------- */

static int on_begin(llhttp_t *p)
{
    struct conn *n = p->data;

    n->head.size = n->body.size = 0;
    n->target_at = n->headers = 0;
    n->body_seen = 0;
    n->in_value = false;
    return 0;
}

static int keep_text(struct conn *n, const char *at, size_t size)
{
    buf_put(&n->head, at, size);
    return n->head.failed || n->head.size > HEAD_MAX ? -1 : 0;
}

static int on_url(llhttp_t *p, const char *at, size_t size)
{
    return keep_text(p->data, at, size);
}

static int on_field(llhttp_t *p, const char *at, size_t size)
{
    struct conn *n = p->data;

    if (n->headers == 0 || n->in_value) {
        if (n->headers == HTTP_HEADERS_MAX)
            return -1;
        buf_u8(&n->head, 0);
        n->names[n->headers++] = n->head.size;
        n->in_value = false;
    }
    for (size_t i = 0; i < size; i++)
        buf_u8(&n->head, (uint8_t)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]));
    return n->head.failed || n->head.size > HEAD_MAX ? -1 : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t size)
{
    struct conn *n = p->data;

    if (!n->in_value) {
        buf_u8(&n->head, 0);
        n->values[n->headers - 1] = n->head.size;
        n->in_value = true;
    }
    return keep_text(n, at, size);
}

static void write_plain(struct conn *n, const char *text);

static int on_headers(llhttp_t *p)
{
    struct conn *n = p->data;

    buf_u8(&n->head, 0);
    for (size_t i = 0; i < n->headers; i++) {
        if (strcmp((char *)n->head.data + n->names[i], "expect") == 0)
            write_plain(n, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return n->head.failed ? -1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t size)
{
    struct conn *n = p->data;

    n->body_seen += size;
    if (n->body_seen > DISCARD_MAX)
        return -1;
    if (n->body_seen <= n->server->options.body_max)
        buf_put(&n->body, at, size);
    else
        n->body.size = 0;
    return n->body.failed ? -1 : 0;
}

static int on_complete(llhttp_t *p)
{
    struct conn *n = p->data;
    char *head = (char *)n->head.data;

    memset(&n->x, 0, offsetof(struct exchange, peer));
    n->x.method = llhttp_method_name((llhttp_method_t)llhttp_get_method(p));
    n->x.target = head + n->target_at;
    n->x.headers_count = n->headers;
    for (size_t i = 0; i < n->headers; i++) {
        n->x.headers[i].name = head + n->names[i];
        n->x.headers[i].value = n->in_value || i + 1 < n->headers ? head + n->values[i] : "";
    }
    n->x.too_large = n->body_seen > n->server->options.body_max;
    n->x.body.data = n->body.data;
    n->x.body.size = n->x.too_large ? 0 : n->body.size;
    n->x.start_ns = os_linux()->mono_ns(os_linux());
    n->keep_alive = llhttp_should_keep_alive(p);
    n->sent = 0;
    n->complete = true;
    return HPE_PAUSED;
}

/* Takes what `input` holds up to the end of one request. 1: there it is; 0: more is needed; -1: nonsense. */
static int take_request(struct conn *n)
{
    const char *start = (char *)n->input.data + n->parsed;
    enum llhttp_errno rc;

    n->complete = false;
    rc = llhttp_execute(&n->parser, start, n->input.size - n->parsed);
    if (rc == HPE_PAUSED && n->complete) {
        n->parsed += (size_t)(llhttp_get_error_pos(&n->parser) - start);
        llhttp_resume(&n->parser);
        return 1;
    }
    n->input.size = n->parsed = 0;
    return rc == HPE_OK ? 0 : -1;
}

static void write_error(struct conn *n)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    write_plain(n, text);
    conn_close(n);
}

static void write_plain(struct conn *n, const char *text)
{
    (void)os_send(n->fd, text, strlen(text)); /* a hint: if it does not fit, so be it */
}

static void conn_parse(struct conn *n)
{
    int rc;

    if (n->closing)
        return;
    rc = n->parsed < n->input.size ? take_request(n) : 0;
    if (rc < 0) {
        write_error(n);
    } else if (rc == 0) {
        n->input.size = n->parsed = 0;
        reading(n, true);
    } else {
        reading(n, false);
        atomic_store(&n->state, BUSY);
        pool_put(n->server, n);
    }
}

/* ---- answering ------------------------------------------------------------------------------------------ */

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

/* The request is at its end, and nobody else knows the connection. */
static void give_back(struct conn *n)
{
    struct http_server *s = n->server;

    os_mutex_lock(&s->mutex);
    n->next_answered = s->answered;
    s->answered = n;
    os_mutex_unlock(&s->mutex);
    uv_async_send(&s->wake);
}

void http_answer(struct exchange *x, int status, const char *type, const char *extra, struct buf *body)
{
    struct conn *n = container_of(x, struct conn, x);
    enum stage handling = HANDLING;
    int sent = 0;

    n->out.size = 0;
    buf_printf(&n->out, "HTTP/1.1 %d %s\r\ncontent-length: %zu\r\n", status, reason(status), body->size);
    if (type)
        buf_printf(&n->out, "content-type: %s\r\n", type);
    if (extra)
        buf_text(&n->out, extra);
    buf_text(&n->out, n->keep_alive ? "\r\n" : "connection: close\r\n\r\n");
    if (strcmp(x->method, "HEAD") != 0)
        buf_put(&n->out, body->data, body->size);
    buf_release(body);
    if (!n->out.failed && n->out.size <= SEND_MAX)
        sent = os_send(n->fd, n->out.data, n->out.size);
    n->sent = sent > 0 ? (size_t)sent : 0;
    if (!atomic_compare_exchange_strong(&n->stage, &handling, ANSWERED))
        give_back(n);
}

static void answered(struct conn *n, int status)
{
    atomic_store(&n->state, 0);
    n->active_ms = uv_now(&n->server->loop);
    if (n->bad) {
        write_error(n);
        return;
    }
    if (status < 0 || !n->keep_alive || n->closing || n->server->stopping) {
        conn_close(n);
        return;
    }
    if (n->out.capacity > (1 << 20))
        buf_release(&n->out);
    if (n->body.capacity > BODY_KEPT)
        buf_release(&n->body);
    conn_parse(n);
}

static void written(uv_write_t *write, int status)
{
    answered(write->data, status);
}

static void finish_stop(struct http_server *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->listener)) {
        uv_close((uv_handle_t *)&s->listener, NULL);
        uv_close((uv_handle_t *)&s->sweep, NULL);
    }
    for (struct conn *n = s->conns, *next; n; n = next) {
        next = n->next;
        if (!still_busy(n))
            conn_close(n);
    }
    close_wake(s);
}

static void on_wake(uv_async_t *wake)
{
    struct http_server *s = wake->data;
    struct conn *n;

    os_mutex_lock(&s->mutex);
    n = s->answered;
    s->answered = NULL;
    s->stopping = s->stopping || s->stop;
    os_mutex_unlock(&s->mutex);
    while (n) {
        struct conn *next = n->next_answered;
        uv_buf_t data = uv_buf_init((char *)n->out.data + n->sent, (unsigned)(n->out.size - n->sent));
        n->write.data = n;
        if (n->out.failed)
            answered(n, UV_ENOMEM);
        else if (!data.len)
            answered(n, 0);
        else if (uv_write(&n->write, (uv_stream_t *)&n->tcp, &data, 1, written) < 0)
            answered(n, UV_EIO);
        n = next;
    }
    if (s->stopping)
        finish_stop(s);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uint64_t now = uv_now(&s->loop);

    for (struct conn *n = s->conns, *next; n; n = next) {
        next = n->next;
        if (!(atomic_load(&n->state) & BUSY) && now - n->active_ms > IDLE_MS)
            conn_close(n);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = listener->data;
    struct conn *n = status < 0 ? NULL : mem_zalloc(sizeof *n);
    struct sockaddr_storage peer;
    int size = sizeof peer;

    if (!n)
        return;
    n->server = s;
    uv_tcp_init(&s->loop, &n->tcp);
    n->tcp.data = n;
    n->next = s->conns;
    if (s->conns)
        s->conns->previous = n;
    s->conns = n;
    s->conns_count++;
    n->active_ms = uv_now(&s->loop);
    llhttp_init(&n->parser, HTTP_REQUEST, &s->settings);
    n->parser.data = n;
    if (uv_accept(listener, (uv_stream_t *)&n->tcp) < 0 || s->conns_count > s->options.connections_max) {
        conn_close(n);
        return;
    }
    uv_fileno((uv_handle_t *)&n->tcp, &n->fd);
    uv_tcp_nodelay(&n->tcp, 1);
    if (uv_tcp_getpeername(&n->tcp, (struct sockaddr *)&peer, &size) == 0)
        uv_ip_name((struct sockaddr *)&peer, n->x.peer, sizeof n->x.peer);
    reading(n, true);
}

/* ---- the pool ------------------------------------------------------------------------------------------------ */

/* The pool is our own: libuv's would wake the loop a second time for every request. */
static void pool_put(struct http_server *s, struct conn *n)
{
    n->next_waiting = NULL;
    os_mutex_lock(&s->pool_mutex);
    *s->waiting_tail = n;
    s->waiting_tail = &n->next_waiting;
    os_cond_signal(&s->pool_cond);
    os_mutex_unlock(&s->pool_mutex);
}

/* The next request of a connection whose last one was answered here; false: the loop's business. */
static bool stay(struct http_server *s, struct conn *n)
{
    bool plain = n->keep_alive && !n->out.failed && n->sent == n->out.size && n->out.capacity <= SEND_MAX &&
                 n->body.capacity <= BODY_KEPT;

    while (plain && !(atomic_load(&n->state) & ATTENTION)) {
        int rc = n->parsed < n->input.size ? take_request(n) : 0;
        if (rc > 0)
            return true;
        n->input.size = n->parsed = 0;
        n->bad = rc < 0;
        rc = n->bad || atomic_load(&s->idle) * 4 < s->pool_count ? -1
             : os_receive(n->fd, n->chunk, sizeof n->chunk, STAY_MS);
        if (rc <= 0)
            break;
        buf_put(&n->input, n->chunk, (size_t)rc);
        if (n->input.failed)
            break;
    }
    return false;
}

static void pool_work(struct http_server *s, struct conn *n)
{
    enum stage handling;

    do {
        handling = HANDLING;
        atomic_store(&n->stage, HANDLING);
        s->options.handle(s->options.arg, &n->x);
        if (atomic_compare_exchange_strong(&n->stage, &handling, LEFT))
            return; /* answered later, elsewhere */
    } while (stay(s, n));
    give_back(n);
}

static void pool_main(void *arg)
{
    struct http_server *s = arg;

    os_mutex_lock(&s->pool_mutex);
    for (;;) {
        struct conn *n = s->waiting;
        if (!n && s->pool_stop)
            break;
        if (!n) {
            atomic_fetch_add(&s->idle, 1);
            os_cond_wait(&s->pool_cond, &s->pool_mutex);
            atomic_fetch_sub(&s->idle, 1);
            continue;
        }
        s->waiting = n->next_waiting;
        if (!s->waiting)
            s->waiting_tail = &s->waiting;
        os_mutex_unlock(&s->pool_mutex);
        pool_work(s, n);
        os_mutex_lock(&s->pool_mutex);
    }
    os_mutex_unlock(&s->pool_mutex);
}

static int pool_start(struct ctx *c, struct http_server *s)
{
    s->waiting_tail = &s->waiting;
    for (uint32_t i = 0; i < s->options.threads && i < POOL_MAX; i++) {
        int rc = os_linux()->thread(os_linux(), "kith-http", false, pool_main, s, &s->pool[i]);
        if (rc < 0)
            return os_error(c, rc, "start", "thread");
        s->pool_count++;
    }
    return 0;
}

static void pool_end(struct http_server *s)
{
    os_mutex_lock(&s->pool_mutex);
    s->pool_stop = true;
    os_cond_broadcast(&s->pool_cond);
    os_mutex_unlock(&s->pool_mutex);
    for (uint32_t i = 0; i < s->pool_count; i++)
        os_linux()->join(os_linux(), s->pool[i]);
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

static int listen_on(struct ctx *c, struct http_server *s)
{
    struct sockaddr_storage address;
    int size = sizeof address, rc;

    if (uv_ip4_addr(s->options.address, s->options.port, (struct sockaddr_in *)&address) < 0 &&
        uv_ip6_addr(s->options.address, s->options.port, (struct sockaddr_in6 *)&address) < 0)
        return err_set(c, KITH_INVALID, "address \"%s\": expected an IP address", s->options.address);
    rc = uv_tcp_bind(&s->listener, (struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->listener, 512, on_connection);
    if (rc < 0)
        return err_set(c, KITH_IO, "listen on %s:%u: %s", s->options.address, s->options.port, uv_strerror(rc));
    uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &size);
    s->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                  : ((struct sockaddr_in *)&address)->sin_port);
    return 0;
}

int http_start(struct ctx *c, const struct http_options *options, struct http_server **ret_server)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    int rc;

    if (!s)
        return err_nomem(c);
    s->options = *options;
    os_mutex_init(&s->mutex);
    os_mutex_init(&s->pool_mutex);
    os_cond_init(&s->pool_cond);
    llhttp_settings_init(&s->settings);
    s->settings.on_message_begin = on_begin;
    s->settings.on_url = on_url;
    s->settings.on_header_field = on_field;
    s->settings.on_header_value = on_value;
    s->settings.on_headers_complete = on_headers;
    s->settings.on_body = on_body;
    s->settings.on_message_complete = on_complete;
    uv_loop_init(&s->loop);
    uv_tcp_init(&s->loop, &s->listener);
    uv_async_init(&s->loop, &s->wake, on_wake);
    uv_timer_init(&s->loop, &s->sweep);
    s->listener.data = s->wake.data = s->sweep.data = s;
    uv_timer_start(&s->sweep, on_sweep, 5000, 5000);
    rc = listen_on(c, s);
    if (rc >= 0)
        rc = pool_start(c, s);
    if (rc < 0) {
        s->stopping = true;
        finish_stop(s);
        http_free(s);
        return rc;
    }
    *ret_server = s;
    return 0;
}

uint16_t http_port(const struct http_server *s)
{
    return s->port;
}

void http_run(struct http_server *s)
{
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

void http_stop(struct http_server *s)
{
    os_mutex_lock(&s->mutex);
    s->stop = true;
    os_mutex_unlock(&s->mutex);
    uv_async_send(&s->wake);
}

void http_free(struct http_server *s)
{
    if (!s)
        return;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    pool_end(s);
    uv_loop_close(&s->loop);
    os_mutex_release(&s->mutex);
    os_mutex_release(&s->pool_mutex);
    os_cond_release(&s->pool_cond);
    mem_free(s);
}
