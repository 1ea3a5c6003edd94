/* load.c - the asking side, on one thread: as little work a request as can be, since it often shares its processors
 * with the server that it measures. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* libuv needs the full pthread types */
#endif
#include "net/load.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/mem.h"

#include <llhttp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <uv.h>

enum { CHUNK = 64 << 10, SILENCE_MS = 60000, WINDOW = 1 << 24, MESSAGE_PREFIX = 5 };

struct load;

struct asker { /* a connection */
    struct load *load;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool writing, done;
    size_t which, said; /* the body on its way, and how much of it went (gRPC) */
    uint64_t start_ns;
    int status;
    struct buf answer, out, kept; /* out: frames on their way; kept: those that wait for them */
    llhttp_t parser;
    nghttp2_session *session;
    char chunk[CHUNK];
};

struct load {
    const struct load_options *o;
    uv_loop_t loop;
    uv_timer_t watch;
    struct buf *requests; /* as they are sent */
    struct asker **askers;
    llhttp_settings_t settings;
    nghttp2_session_callbacks *callbacks;
    double *times;
    size_t asked, answered, failed, seen;
    char problem[200];
};

static void stop(struct load *x, const char *why, const char *detail)
{
    if (!x->problem[0])
        snprintf(x->problem, sizeof x->problem, "%s: %s", why, detail);
    uv_stop(&x->loop);
}

static void ask(struct asker *a);

static void on_written(uv_write_t *write, int status);

/* One write is on its way at a time. */
static void flush(struct asker *a)
{
    struct buf done;
    uv_buf_t part;
    int rc;

    if (a->writing || !a->kept.size)
        return;
    done = a->out;
    a->out = a->kept;
    a->kept = done;
    a->kept.size = 0;
    part = uv_buf_init((char *)a->out.data, (unsigned)a->out.size);
    a->writing = true;
    rc = uv_write(&a->write, (uv_stream_t *)&a->tcp, &part, 1, on_written);
    if (rc < 0)
        stop(a->load, "write", uv_strerror(rc));
}

static void on_written(uv_write_t *write, int status)
{
    struct asker *a = write->data;

    a->writing = false;
    if (status < 0 && status != UV_ECANCELED)
        stop(a->load, "write", uv_strerror(status));
    else if (a->load->o->grpc)
        flush(a);
}

static void finish(struct asker *a)
{
    struct load *x = a->load;

    x->times[x->answered++] = (double)(uv_hrtime() - a->start_ns) / 1e9;
    x->failed += a->status < 200 || a->status > 299;
    if (x->o->answered)
        x->o->answered(x->o->arg, a->which, a->status, (struct bytes){a->answer.data, a->answer.size});
    a->answer.size = 0;
    if (x->answered == x->o->total)
        uv_stop(&x->loop);
    else
        ask(a);
}

/* ---- HTTP/1.1 ------------------------------------------------------------------------------------------------- */

static int on_body(llhttp_t *parser, const char *data, size_t size)
{
    struct asker *a = parser->data;

    buf_put(&a->answer, data, size);
    return a->answer.failed ? -1 : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct asker *a = parser->data;

    a->status = parser->status_code;
    a->done = true;
    return HPE_PAUSED;
}

static void hear_http1(struct asker *a, const char *data, size_t size)
{
    llhttp_errno_t rc = llhttp_execute(&a->parser, data, size);

    if (rc != HPE_OK && rc != HPE_PAUSED) {
        stop(a->load, "the answer is no HTTP", llhttp_errno_name(rc));
    } else if (a->done) {
        llhttp_resume(&a->parser);
        a->done = false;
        finish(a);
    }
}

static void request_http1(const struct load_options *o, struct bytes body, struct buf *to)
{
    buf_printf(to, "%s %s HTTP/1.1\r\nhost: %s:%u\r\ncontent-type: application/json\r\n", o->method, o->path, o->host,
               (unsigned)o->port);
    if (o->api_key)
        buf_printf(to, "api-key: %s\r\n", o->api_key);
    buf_printf(to, "content-length: %zu\r\n\r\n", body.size);
    buf_put(to, body.data, body.size);
}

/* ---- gRPC ------------------------------------------------------------------------------------------------------ */

static void request_grpc(struct bytes message, struct buf *to)
{
    uint8_t prefix[MESSAGE_PREFIX] = {0, (uint8_t)(message.size >> 24), (uint8_t)(message.size >> 16),
                                      (uint8_t)(message.size >> 8), (uint8_t)message.size};

    buf_put(to, prefix, sizeof prefix);
    buf_put(to, message.data, message.size);
}

static nghttp2_nv field(const char *name, const char *value)
{
    nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};

    return nv;
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                            nghttp2_data_source *source, void *arg)
{
    struct asker *a = arg;
    const struct buf *request = &a->load->requests[a->which];
    size_t size = MIN(most, request->size - a->said);

    UNUSED(session);
    UNUSED(id);
    UNUSED(source);
    memcpy(to, request->data + a->said, size);
    a->said += size;
    if (a->said == request->size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t size, uint8_t flags, void *arg)
{
    struct asker *a = arg;

    UNUSED(session);
    UNUSED(frame);
    UNUSED(flags);
    if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
        a->status = size == 1 && *value == '0' ? 200 : 500;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *arg)
{
    struct asker *a = arg;

    UNUSED(session);
    UNUSED(flags);
    UNUSED(id);
    buf_put(&a->answer, data, size);
    return a->answer.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct asker *a = arg;

    UNUSED(session);
    UNUSED(id);
    UNUSED(code);
    a->done = true;
    return 0;
}

static void send_frames(struct asker *a)
{
    const uint8_t *data;
    ssize_t size;

    while ((size = nghttp2_session_mem_send(a->session, &data)) > 0)
        buf_put(&a->kept, data, (size_t)size);
    if (size < 0 || a->kept.failed)
        stop(a->load, "HTTP/2", size < 0 ? nghttp2_strerror((int)size) : "out of memory");
    else
        flush(a);
}

static void hear_grpc(struct asker *a, const char *data, size_t size)
{
    ssize_t took = nghttp2_session_mem_recv(a->session, (const uint8_t *)data, size);

    if (took < 0) {
        stop(a->load, "HTTP/2", nghttp2_strerror((int)took));
        return;
    }
    if (a->done) {
        a->done = false;
        if (a->answer.size >= MESSAGE_PREFIX) {
            memmove(a->answer.data, a->answer.data + MESSAGE_PREFIX, a->answer.size - MESSAGE_PREFIX);
            a->answer.size -= MESSAGE_PREFIX;
        }
        finish(a);
    }
    send_frames(a);
}

static void ask_grpc(struct asker *a)
{
    const struct load_options *o = a->load->o;
    nghttp2_data_provider provider = {.read_callback = read_request};
    nghttp2_nv head[] = {field(":method", "POST"), field(":scheme", "http"), field(":path", o->path),
                         field(":authority", o->host), field("te", "trailers"),
                         field("content-type", "application/grpc"), field("api-key", o->api_key ? o->api_key : "")};
    size_t n = ARRAY_SIZE(head) - (o->api_key ? 0 : 1);
    int32_t id = nghttp2_submit_request(a->session, NULL, head, n, &provider, NULL);

    if (id < 0)
        stop(a->load, "HTTP/2", nghttp2_strerror(id));
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static void ask(struct asker *a)
{
    struct load *x = a->load;

    if (x->asked == x->o->total)
        return;
    a->which = x->asked++ % x->o->bodies_count;
    a->start_ns = uv_hrtime();
    a->said = 0;
    a->status = 500;
    if (x->o->grpc) {
        ask_grpc(a);
        return;
    }
    buf_put(&a->kept, x->requests[a->which].data, x->requests[a->which].size);
    if (a->kept.failed)
        stop(x, "write", "out of memory");
    else
        flush(a);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    struct asker *a = handle->data;

    UNUSED(size);
    *ret = uv_buf_init(a->chunk, CHUNK);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct asker *a = stream->data;

    if (size < 0)
        stop(a->load, "read", uv_strerror((int)size));
    else if (size > 0 && a->load->o->grpc)
        hear_grpc(a, from->base, (size_t)size);
    else if (size > 0)
        hear_http1(a, from->base, (size_t)size);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct asker *a = connect->data;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};

    if (status < 0) {
        stop(a->load, "connect", uv_strerror(status));
        return;
    }
    uv_tcp_nodelay(&a->tcp, 1);
    uv_read_start((uv_stream_t *)&a->tcp, on_alloc, on_read);
    if (a->load->o->grpc) {
        nghttp2_submit_settings(a->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
        nghttp2_session_set_local_window_size(a->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    }
    ask(a);
    if (a->load->o->grpc)
        send_frames(a);
}

static void on_watch(uv_timer_t *timer)
{
    struct load *x = timer->data;

    if (x->seen == x->answered)
        stop(x, "no answer", "for a minute");
    x->seen = x->answered;
}

static int begin(struct ctx *c, struct load *x, struct asker *a)
{
    struct sockaddr_in to;

    a->load = x;
    a->tcp.data = a->connect.data = a->write.data = a;
    if (uv_ip4_addr(x->o->host, x->o->port, &to) < 0)
        return err_set(c, KITH_INVALID, "%s: expected an address, such as 127.0.0.1", x->o->host);
    if (x->o->grpc && nghttp2_session_client_new(&a->session, x->callbacks, a) != 0)
        return err_nomem(c);
    llhttp_init(&a->parser, HTTP_RESPONSE, &x->settings);
    a->parser.data = a;
    uv_tcp_init(&x->loop, &a->tcp);
    if (uv_tcp_connect(&a->connect, &a->tcp, (struct sockaddr *)&to, on_connected) < 0)
        return err_set(c, KITH_IO, "connect: %s:%u", x->o->host, (unsigned)x->o->port);
    return 0;
}

static int prepare(struct ctx *c, struct load *x)
{
    const struct load_options *o = x->o;

    llhttp_settings_init(&x->settings);
    x->settings.on_body = on_body;
    x->settings.on_message_complete = on_complete;
    if (nghttp2_session_callbacks_new(&x->callbacks) != 0)
        return err_nomem(c);
    nghttp2_session_callbacks_set_on_header_callback(x->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(x->callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(x->callbacks, on_closed);
    x->requests = mem_zalloc(o->bodies_count * sizeof *x->requests);
    x->askers = mem_zalloc(o->connections * sizeof(struct asker *));
    if (!x->requests || !x->askers)
        return err_nomem(c);
    for (size_t i = 0; i < o->bodies_count; i++) {
        if (o->grpc)
            request_grpc(o->bodies[i], &x->requests[i]);
        else
            request_http1(o, o->bodies[i], &x->requests[i]);
        if (x->requests[i].failed)
            return err_nomem(c);
    }
    return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    UNUSED(arg);
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void release(struct load *x)
{
    uv_walk(&x->loop, close_handle, NULL);
    uv_run(&x->loop, UV_RUN_DEFAULT);
    uv_loop_close(&x->loop);
    for (uint32_t i = 0; x->askers && i < x->o->connections; i++) {
        struct asker *a = x->askers[i];
        if (!a)
            continue;
        nghttp2_session_del(a->session);
        buf_release(&a->answer);
        buf_release(&a->out);
        buf_release(&a->kept);
        mem_free(a);
    }
    for (size_t i = 0; x->requests && i < x->o->bodies_count; i++)
        buf_release(&x->requests[i]);
    nghttp2_session_callbacks_del(x->callbacks);
    mem_free(x->requests);
    mem_free(x->askers);
}

int load_run(struct ctx *c, const struct load_options *o, double *times, double *ret_seconds, size_t *ret_failed)
{
    struct load x = {.o = o, .times = times};
    uint64_t start;
    int rc;

    if (uv_loop_init(&x.loop) < 0)
        return err_nomem(c);
    uv_timer_init(&x.loop, &x.watch);
    x.watch.data = &x;
    rc = prepare(c, &x);
    start = uv_hrtime();
    for (uint32_t i = 0; i < o->connections && rc >= 0; i++) {
        x.askers[i] = mem_zalloc(sizeof *x.askers[i]);
        rc = x.askers[i] ? begin(c, &x, x.askers[i]) : err_nomem(c);
    }
    if (rc >= 0) {
        uv_timer_start(&x.watch, on_watch, SILENCE_MS, SILENCE_MS);
        uv_run(&x.loop, UV_RUN_DEFAULT);
        *ret_seconds = (double)(uv_hrtime() - start) / 1e9;
        *ret_failed = x.failed;
        if (x.problem[0])
            rc = err_set(c, KITH_IO, "%s:%u: %s", o->host, (unsigned)o->port, x.problem);
    }
    release(&x);
    return rc;
}
