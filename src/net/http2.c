/* http2.c - HTTP/2: streams to exchanges, answers to frames; nghttp2 knows the protocol.
 *
 * The loop reads and feeds the session; threads of the pool answer. All of them hold the connection's mutex while they
 * touch the session. Who answers also sends; what does not fit the socket is left to the loop. A connection lives
 * until the last of its streams is out of the handlers' hands. */
#include "net/conn.h"

#include "base/mem.h"
#include "os/os.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

enum {
    STREAMS_MAX = 256,      /* at once, of a connection */
    WINDOW = 1 << 20,       /* what a stream may send unasked */
    CONNECTION_WINDOW = 16 << 20,
    HELD_BODIES = 4,        /* times the largest body: what a connection may hold of them */
    SEND_PART = 256 << 10,
    EXTRA_MAX = 16,
    TALK_MAX = 64 << 10     /* of a conversation: what may wait to be understood */
};

struct stream {
    struct exchange x;
    struct job job;
    struct h2 *h2;
    struct stream *next, **link; /* of the connection */
    struct stream *next_ready;
    int32_t id;
    struct buf head, body; /* strings of the request, each with its 0; its body */
    size_t names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
    size_t headers, method_at, target_at;
    uint64_t body_seen;
    bool handed; /* a handler has it */
    bool gone;   /* the peer does not want an answer any more */
    bool talks;  /* it is a conversation: answers come while it speaks */
    bool ended;  /* of those: the peer has said all */
    struct buf out;
    uint64_t out_at;
    struct source source; /* the body instead; pull NULL: none */
    char *trailers;
};

struct h2 {
    struct conn *conn;
    struct os_mutex mutex;
    nghttp2_session *session;
    struct buf out;       /* frames on their way */
    size_t sent;
    bool writing;         /* the loop sends what is in `out` */
    bool failed;          /* the peer is gone, or speaks nonsense */
    bool waited;          /* the loop wants to know when nothing is in hand any more */
    uint64_t held;        /* bytes of bodies */
    uint32_t in_hand;
    struct stream *streams;
    struct stream *ready; /* whole requests, newest first */
};

static void answer(struct exchange *x, const struct answer *a);
static void work(struct job *job);

/* ---- streams --------------------------------------------------------------------------------------------- */

static void stream_free(struct stream *s)
{
    if (!s)
        return;
    s->h2->held -= s->talks ? 0 : s->body.size;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    buf_release(&s->head);
    buf_release(&s->body);
    buf_release(&s->out);
    if (s->source.pull)
        s->source.close(s->source.arg);
    mem_free(s->trailers);
    mem_free(s);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    struct stream *s;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->h2 = h2;
    s->next = h2->streams;
    s->link = &h2->streams;
    if (s->next)
        s->next->link = &s->next;
    h2->streams = s;
    s->id = frame->hd.stream_id;
    s->job.run = work;
    buf_u8(&s->head, 0); /* so that no place is 0 */
    return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static size_t keep(struct stream *s, const uint8_t *text, size_t size)
{
    size_t at = s->head.size;

    buf_put(&s->head, text, size);
    buf_u8(&s->head, 0);
    return at;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t size, uint8_t flags, void *arg)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct bytes host = {(const uint8_t *)"host", 4};

    UNUSED(flags);
    UNUSED(arg);
    if (!s || s->handed)
        return 0;
    if (s->head.size + name_size + size > HEAD_MAX || s->headers == HTTP_HEADERS_MAX || s->head.failed)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (name_size == 7 && memcmp(name, ":method", 7) == 0) {
        s->method_at = keep(s, value, size);
    } else if (name_size == 5 && memcmp(name, ":path", 5) == 0) {
        s->target_at = keep(s, value, size);
    } else if (name_size && (*name != ':' || name_size == 10)) { /* :authority */
        s->names[s->headers] = *name == ':' ? keep(s, host.data, host.size) : keep(s, name, name_size);
        s->values[s->headers++] = keep(s, value, size);
    }
    return 0;
}

/* ---- conversations ------------------------------------------------------------------------------------------ */

static nghttp2_nv field(const char *name, size_t name_size, const char *value, size_t size)
{
    nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_size, size, NGHTTP2_NV_FLAG_NONE};

    return nv;
}

/* "name: value" lines. */
static size_t fields_of(const char *lines, nghttp2_nv *to, size_t most)
{
    size_t n = 0;

    while (lines && *lines && n < most) {
        size_t line = strcspn(lines, "\r\n"), name = strcspn(lines, ":"), value = name + 1;
        while (value < line && lines[value] == ' ')
            value++;
        if (name < line)
            to[n++] = field(lines, name, lines + value, line - value);
        lines += line;
        lines += strspn(lines, "\r\n");
    }
    return n;
}

/* What there is to say; at the end the trailers. */
static ssize_t read_talk(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct stream *s = source->ptr;
    size_t size = (size_t)MIN(most, s->out.size - s->out_at);
    nghttp2_nv trailers[1];

    UNUSED(arg);
    if (!size && !s->ended)
        return NGHTTP2_ERR_DEFERRED;
    if (size)
        memcpy(to, s->out.data + s->out_at, size);
    s->out_at += size;
    if (s->out_at == s->out.size)
        s->out_at = s->out.size = 0;
    if (s->ended && !s->out.size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session, id, trailers, fields_of("grpc-status: 0\r\n", trailers, 1));
    }
    return (ssize_t)size;
}

static int hear(nghttp2_session *session, struct stream *s, const uint8_t *data, size_t size)
{
    const struct http_options *o = &s->h2->conn->server->options;
    size_t taken;

    buf_put(&s->body, data, size);
    if (s->body.failed || s->body.size > TALK_MAX)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
    taken = o->hear(o->arg, (struct bytes){s->body.data, s->body.size}, &s->out);
    if (s->out.failed)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memmove(s->body.data, s->body.data + taken, s->body.size - taken);
    s->body.size -= taken;
    (void)nghttp2_session_resume_data(session, s->id);
    return 0;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *arg)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    struct h2 *h2 = arg;
    uint64_t most = h2->conn->server->options.body_max;

    UNUSED(flags);
    if (!s || s->handed)
        return 0;
    if (s->talks)
        return hear(session, s, data, size);
    s->body_seen += size;
    if (s->body_seen > most) {
        h2->held -= s->body.size;
        buf_release(&s->body);
        return 0;
    }
    if (h2->held + size > HELD_BODIES * most)
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    buf_put(&s->body, data, size);
    if (s->body.failed)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2->held += size;
    return 0;
}

static void make_exchange(struct stream *s, const struct conn *n)
{
    const char *head = (const char *)s->head.data;
    struct exchange *x = &s->x;

    x->method = head + s->method_at;
    x->target = head + s->target_at;
    x->headers_count = s->headers;
    for (size_t i = 0; i < s->headers; i++)
        x->headers[i] = (struct http_header){head + s->names[i], head + s->values[i]};
    x->too_large = s->body_seen > n->server->options.body_max;
    x->body = (struct bytes){s->body.data, s->body.size};
    x->http2 = true;
    x->start_ns = os_linux()->mono_ns(os_linux());
    x->answer = answer;
    memcpy(x->peer, n->peer, sizeof x->peer);
}

/* Opens a conversation; false: it is a request. */
static bool converse(nghttp2_session *session, struct stream *s)
{
    const struct http_options *o = &s->h2->conn->server->options;
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_talk};
    nghttp2_nv head[] = {field(":status", 7, "200", 3), field("content-type", 12, "application/grpc", 16)};

    make_exchange(s, s->h2->conn);
    switch (o->talks ? o->talks(o->arg, &s->x) : TALK_NO) {
    case TALK_NO: return false;
    case TALK_REFUSED: s->ended = true; return false;
    case TALK_YES: break;
    }
    s->talks = true;
    return nghttp2_submit_response(session, s->id, head, ARRAY_SIZE(head), &provider) == 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2 *h2 = arg;
    struct stream *s;

    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s || s->handed)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !s->talks && !end && converse(session, s))
        return 0;
    if (s->talks && end) {
        s->ended = true;
        (void)nghttp2_session_resume_data(session, s->id);
    }
    if (s->talks || !(end || s->ended))
        return 0;
    make_exchange(s, h2->conn);
    s->handed = true;
    h2->in_hand++;
    s->next_ready = h2->ready;
    h2->ready = s;
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    UNUSED(code);
    UNUSED(arg);
    if (s && s->handed)
        s->gone = true;
    else
        stream_free(s);
    return 0;
}

/* ---- sending: all with the mutex held -------------------------------------------------------------------- */

/* True: the socket is full, and the loop is to send the rest. */
static bool pump(struct h2 *h2)
{
    while (!h2->writing && !h2->failed) {
        const uint8_t *data;
        ssize_t size;
        int sent;
        while (h2->out.size < SEND_PART && (size = nghttp2_session_mem_send(h2->session, &data)) > 0)
            buf_put(&h2->out, data, (size_t)size);
        if (!h2->out.size)
            return conn_pending(h2->conn);
        sent = h2->out.failed ? -1 : conn_send(h2->conn, h2->out.data + h2->sent, h2->out.size - h2->sent);
        h2->sent += sent > 0 ? (size_t)sent : 0;
        if (h2->sent < h2->out.size)
            return true;
        h2->out.size = h2->sent = 0;
        if (h2->out.capacity > 4 * SEND_PART)
            buf_release(&h2->out);
    }
    return false;
}

static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct stream *s = source->ptr;
    uint64_t whole = s->source.pull ? s->source.size : s->out.size;
    size_t size = (size_t)MIN(most, whole - s->out_at);
    nghttp2_nv trailers[EXTRA_MAX];

    UNUSED(arg);
    if (s->source.pull && s->source.pull(s->source.arg, s->out_at, to, size) < size)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!s->source.pull && size)
        memcpy(to, s->out.data + s->out_at, size);
    s->out_at += size;
    if (s->out_at < whole)
        return (ssize_t)size;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session, id, trailers, fields_of(s->trailers, trailers, EXTRA_MAX));
    }
    return (ssize_t)size;
}

static void submit(struct stream *s, const struct answer *a)
{
    nghttp2_nv head[EXTRA_MAX * 2 + 3];
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_out};
    char status[16], length[24];
    size_t n = 0;
    uint64_t size = a->source ? a->source->size : a->body->size;
    bool headless = strcmp(s->x.method, "HEAD") == 0, bare = (!size || headless);

    head[n++] = field(":status", 7, status, (size_t)snprintf(status, sizeof status, "%d", a->status));
    if (a->type)
        head[n++] = field("content-type", 12, a->type, strlen(a->type));
    if (!a->trailers)
        head[n++] = field("content-length", 14, length, (size_t)snprintf(length, sizeof length, "%llu",
                                                                            (unsigned long long)size));
    n += fields_of(a->extra, head + n, EXTRA_MAX);
    if (bare) /* what would follow the body comes at once */
        n += fields_of(a->trailers, head + n, EXTRA_MAX);
    else
        s->trailers = a->trailers ? mem_strdup(a->trailers) : NULL;
    s->out = *a->body;
    s->source = a->source ? *a->source : (struct source){0};
    buf_init(a->body);
    if (nghttp2_submit_response(s->h2->session, s->id, head, n, bare ? NULL : &provider) != 0)
        (void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
}

static void answer(struct exchange *x, const struct answer *a)
{
    struct stream *s = container_of(x, struct stream, x);
    struct h2 *h2 = s->h2;
    bool rest;

    os_mutex_lock(&h2->mutex);
    s->handed = false;
    if (s->gone || h2->failed) {
        buf_release(a->body);
        if (a->source)
            a->source->close(a->source->arg);
        if (s->gone)
            stream_free(s); /* else with its session */
        rest = false;
    } else {
        submit(s, a);
        rest = pump(h2);
    }
    h2->in_hand--;
    if (rest || (!h2->in_hand && (h2->waited || h2->failed)))
        conn_give_back(h2->conn);
    os_mutex_unlock(&h2->mutex);
}

static void work(struct job *job)
{
    struct stream *s = container_of(job, struct stream, job);
    struct http_server *server = s->h2->conn->server;

    server->options.handle(server->options.arg, &s->x);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static void written(struct conn *n, int status)
{
    struct h2 *h2 = n->state;

    os_mutex_lock(&h2->mutex);
    h2->writing = false;
    h2->out.size = h2->sent = 0;
    h2->failed = h2->failed || status < 0;
    os_mutex_unlock(&h2->mutex);
    http2.attend(n);
}

/* Sends what threads could not, and closes what is at its end. */
static void attend(struct conn *n)
{
    struct h2 *h2 = n->state;
    bool end;

    os_mutex_lock(&h2->mutex);
    n->active_ms = uv_now(&n->server->loop);
    if (pump(h2)) {
        h2->writing = !h2->out.failed &&
                      conn_write(n, h2->out.data + h2->sent, h2->out.size - h2->sent, written) == 0;
        h2->failed = !h2->writing;
    }
    end = n->closing || h2->failed ||
          (!h2->writing && !h2->in_hand && (n->server->stopping || !(nghttp2_session_want_read(h2->session) ||
                                                                     nghttp2_session_want_write(h2->session))));
    os_mutex_unlock(&h2->mutex);
    if (end && !h2->writing)
        conn_close(n);
}

static void feed(struct conn *n, const void *data, size_t size)
{
    struct h2 *h2 = n->state;
    struct stream *ready, *first = NULL;

    if (n->closing)
        return;
    os_mutex_lock(&h2->mutex);
    if (nghttp2_session_mem_recv(h2->session, data, size) < 0)
        h2->failed = true;
    ready = h2->ready;
    h2->ready = NULL;
    os_mutex_unlock(&h2->mutex);
    while (ready) { /* oldest first */
        struct stream *next = ready->next_ready;
        ready->next_ready = first;
        first = ready;
        ready = next;
    }
    while (first) {
        struct stream *next = first->next_ready;
        pool_put(n->server, &first->job);
        first = next;
    }
    attend(n);
}

static bool busy(struct conn *n)
{
    struct h2 *h2 = n->state;
    bool yes;

    os_mutex_lock(&h2->mutex);
    yes = h2->in_hand || h2->writing;
    h2->waited = true;
    os_mutex_unlock(&h2->mutex);
    os_mutex_lock(&n->server->mutex);
    yes = yes || n->given;
    os_mutex_unlock(&n->server->mutex);
    return yes;
}

/* Quiet ones stay: their clients keep them for later, and the system asks whether they are still there. */
static bool may_sweep(struct conn *n)
{
    UNUSED(n);
    return false;
}

static void stopping(struct conn *n)
{
    struct h2 *h2 = n->state;

    os_mutex_lock(&h2->mutex);
    h2->waited = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    os_mutex_unlock(&h2->mutex);
    attend(n);
}

static void free_state(struct conn *n)
{
    struct h2 *h2 = n->state;

    nghttp2_session_del(h2->session);
    while (h2->streams)
        stream_free(h2->streams);
    buf_release(&h2->out);
    os_mutex_release(&h2->mutex);
    mem_free(h2);
}

const struct protocol http2 = {feed, attend, busy, may_sweep, stopping, free_state};

static int make_session(struct h2 *h2)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_session_callbacks *callbacks;
    int rc;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return -1;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    rc = nghttp2_session_server_new(&h2->session, callbacks, h2);
    nghttp2_session_callbacks_del(callbacks);
    if (rc == 0)
        rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    return rc;
}

bool http2_open(struct conn *n)
{
    struct h2 *h2 = mem_zalloc(sizeof *h2);

    if (!h2)
        return false;
    h2->conn = n;
    os_mutex_init(&h2->mutex);
    if (make_session(h2) != 0) {
        nghttp2_session_del(h2->session);
        os_mutex_release(&h2->mutex);
        mem_free(h2);
        return false;
    }
    uv_tcp_keepalive(&n->tcp, 1, 60);
    n->state = h2;
    return true;
}
