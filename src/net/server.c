/* server.c - the loop that accepts and reads, the pool that works, and the end of both. */
#include "net/conn.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MS = 75000 };

const char *http_header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->headers_count; i++) {
        if (strcmp(x->headers[i].name, name) == 0)
            return x->headers[i].value;
    }
    return NULL;
}

void http_answer(struct exchange *x, int status, const char *type, const char *extra, struct buf *body)
{
    struct answer a = {.status = status, .type = type, .extra = extra, .body = body};

    x->answer(x, &a);
}

void http_answer_source(struct exchange *x, const char *type, const char *extra, const struct source *source)
{
    struct buf none = {0};
    struct answer a = {.status = 200, .type = type, .extra = extra, .body = &none, .source = source};

    x->answer(x, &a);
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
        s->conns = n->next;
    if (n->next)
        n->next->previous = n->previous;
    s->conns_count--;
    if (n->protocol)
        n->protocol->free(n);
    buf_release(&n->first);
    buf_release(&n->plain);
    tls_end(n->tls);
    mem_free(n);
    close_wake(s);
}

void conn_close(struct conn *n)
{
    n->closing = true;
    if (n->protocol && n->protocol->busy(n)) /* it comes back */
        return;
    if (uv_is_closing((uv_handle_t *)&n->tcp))
        return;
    if (n->tls && !atomic_load(&n->queued)) { /* a courtesy: if it does not fit, so be it */
        tls_say_goodbye(n->tls);
        tls_send(n->tls, os_send, n->fd);
    }
    uv_close((uv_handle_t *)&n->tcp, conn_free);
}

void conn_give_back(struct conn *n)
{
    struct http_server *s = n->server;

    os_mutex_lock(&s->mutex);
    if (!n->given) {
        n->given = true;
        n->next_given = s->given_back;
        s->given_back = n;
    }
    os_mutex_unlock(&s->mutex);
    uv_async_send(&s->wake);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    struct conn *n = handle->data;

    UNUSED(size);
    ret->base = n->chunk;
    ret->len = sizeof n->chunk;
}

/* HTTP/2 begins with words that are no request of HTTP/1.1. */
static void find_protocol(struct conn *n)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t size = MIN(n->first.size, sizeof preface - 1);
    bool two = memcmp(n->first.data, preface, size) == 0;

    if (two && size < sizeof preface - 1)
        return; /* may become either */
    if (two ? !http2_open(n) : !http1_open(n)) {
        conn_close(n);
        return;
    }
    n->protocol = two ? &http2 : &http1;
    n->protocol->feed(n, n->first.data, n->first.size);
}

/* What a client said. After it the connection may be in other hands. */
static void hear(struct conn *n, const void *data, size_t size)
{
    if (n->protocol) {
        n->protocol->feed(n, data, size);
        return;
    }
    buf_put(&n->first, data, size);
    if (n->first.failed)
        conn_close(n);
    else if (n->first.size)
        find_protocol(n);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *data)
{
    struct conn *n = stream->data;
    bool ok;

    if (size < 0) {
        conn_close(n);
        return;
    }
    n->active_ms = uv_now(&n->server->loop);
    if (!n->tls) {
        hear(n, data->base, (size_t)size);
        return;
    }
    n->plain.size = 0;
    ok = tls_read(n->tls, data->base, (size_t)size, &n->plain);
    if (tls_pending(n->tls) && conn_write(n, NULL, 0, NULL) < 0)
        ok = false;
    if (n->plain.size)
        hear(n, n->plain.data, n->plain.size);
    if (!ok)
        conn_close(n);
    else if (n->plain.capacity > 4 * READ_SIZE)
        buf_release(&n->plain);
}

/* ---- sending and receiving -------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct conn *n = write->data;

    if (n->written)
        n->written(n, status);
}

/* A write of what TLS made. */
struct sending {
    uv_write_t write;
    struct conn *conn;
    void (*written)(struct conn *n, int status);
    struct buf data;
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *s = container_of(write, struct sending, write);
    struct conn *n = s->conn;

    atomic_fetch_sub(&n->queued, 1);
    if (s->written)
        s->written(n, status);
    buf_release(&s->data);
    mem_free(s);
}

static int write_tls(struct conn *n, const void *data, size_t size, void (*written)(struct conn *n, int status))
{
    struct sending *s = mem_zalloc(sizeof *s);
    uv_buf_t part;
    int rc;

    if (!s || (size && !tls_write(n->tls, data, size))) {
        mem_free(s);
        return UV_EIO;
    }
    s->conn = n;
    s->written = written;
    tls_take(n->tls, &s->data);
    part = uv_buf_init((char *)s->data.data, (unsigned)s->data.size);
    atomic_fetch_add(&n->queued, 1);
    rc = s->data.failed ? UV_ENOMEM : uv_write(&s->write, (uv_stream_t *)&n->tcp, &part, 1, on_sent);
    if (rc < 0) {
        atomic_fetch_sub(&n->queued, 1);
        buf_release(&s->data);
        mem_free(s);
    }
    return rc;
}

int conn_write(struct conn *n, const void *data, size_t size, void (*written)(struct conn *n, int status))
{
    uv_buf_t part = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);

    if (n->tls)
        return write_tls(n, data, size, written);
    n->write.data = n;
    n->written = written;
    return uv_write(&n->write, (uv_stream_t *)&n->tcp, &part, 1, on_written);
}

int conn_send(struct conn *n, const void *data, size_t size)
{
    if (!n->tls)
        return os_send(n->fd, data, size);
    if (atomic_load(&n->queued) || tls_pending(n->tls))
        return 0;
    if (!tls_write(n->tls, data, size))
        return -1;
    tls_send(n->tls, os_send, n->fd);
    return (int)size;
}

bool conn_pending(struct conn *n)
{
    return n->tls && tls_pending(n->tls);
}

int conn_receive(struct conn *n, struct buf *to, int ms)
{
    size_t before = to->size;
    int rc = os_receive(n->fd, n->chunk, sizeof n->chunk, ms);

    if (rc <= 0)
        return rc;
    if (!n->tls)
        buf_put(to, n->chunk, (size_t)rc);
    else if (!tls_read(n->tls, n->chunk, (size_t)rc, to))
        return -1;
    return to->failed ? -1 : (int)(to->size - before);
}

void conn_reading(struct conn *n, bool on)
{
    if (on == n->reading || n->closing)
        return;
    n->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&n->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&n->tcp);
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
    if (uv_accept(listener, (uv_stream_t *)&n->tcp) < 0 || s->conns_count > s->options.connections_max ||
        (s->options.tls && !(n->tls = tls_accept(s->options.tls)))) {
        conn_close(n);
        return;
    }
    uv_fileno((uv_handle_t *)&n->tcp, &n->fd);
    uv_tcp_nodelay(&n->tcp, 1);
    if (uv_tcp_getpeername(&n->tcp, (struct sockaddr *)&peer, &size) == 0)
        uv_ip_name((struct sockaddr *)&peer, n->peer, sizeof n->peer);
    conn_reading(n, true);
}

/* ---- the loop's other business --------------------------------------------------------------------------- */

static void finish_stop(struct http_server *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->listener)) {
        uv_close((uv_handle_t *)&s->listener, NULL);
        uv_close((uv_handle_t *)&s->sweep, NULL);
    }
    for (struct conn *n = s->conns, *next; n; n = next) {
        next = n->next;
        if (n->protocol)
            n->protocol->stopping(n);
        else
            conn_close(n);
    }
    close_wake(s);
}

static void on_wake(uv_async_t *wake)
{
    struct http_server *s = wake->data;
    struct conn *n;

    os_mutex_lock(&s->mutex);
    n = s->given_back;
    s->given_back = NULL;
    s->stopping = s->stopping || s->stop;
    while (n) {
        struct conn *next = n->next_given;
        n->given = false;
        os_mutex_unlock(&s->mutex);
        n->protocol->attend(n);
        os_mutex_lock(&s->mutex);
        n = next;
    }
    os_mutex_unlock(&s->mutex);
    if (s->stopping)
        finish_stop(s);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uint64_t now = uv_now(&s->loop);

    for (struct conn *n = s->conns, *next; n; n = next) {
        next = n->next;
        if (now - n->active_ms > IDLE_MS && (!n->protocol || n->protocol->may_sweep(n)))
            conn_close(n);
    }
}

/* ---- the pool ------------------------------------------------------------------------------------------------ */

/* The pool is our own: libuv's would wake the loop a second time for every request. */
void pool_put(struct http_server *s, struct job *job)
{
    job->next = NULL;
    os_mutex_lock(&s->pool_mutex);
    *s->waiting_tail = job;
    s->waiting_tail = &job->next;
    os_cond_signal(&s->pool_cond);
    os_mutex_unlock(&s->pool_mutex);
}

static void pool_main(void *arg)
{
    struct http_server *s = arg;

    os_mutex_lock(&s->pool_mutex);
    for (;;) {
        struct job *job = s->waiting;
        if (!job && s->pool_stop)
            break;
        if (!job) {
            atomic_fetch_add(&s->idle, 1);
            os_cond_wait(&s->pool_cond, &s->pool_mutex);
            atomic_fetch_sub(&s->idle, 1);
            continue;
        }
        s->waiting = job->next;
        if (!s->waiting)
            s->waiting_tail = &s->waiting;
        os_mutex_unlock(&s->pool_mutex);
        job->run(job);
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
    http1_settings(&s->settings);
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
