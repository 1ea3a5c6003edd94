/* conn.h - inside this room: the server, its connections and its pool, as the two protocols see them. */
#ifndef NET_CONN_H
#define NET_CONN_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* libuv needs the full pthread types */
#endif
#include "net/http.h"
#include "net/tls.h"
#include "os/sync.h"

#include <llhttp.h>
#include <stdatomic.h>
#include <uv.h>

enum { READ_SIZE = 64 << 10, HEAD_MAX = 64 << 10, POOL_MAX = 128 };

/* What a thread of the pool does next. */
struct job {
    struct job *next;
    void (*run)(struct job *job);
};

struct http_server {
    struct http_options options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    uv_timer_t sweep;
    struct os_mutex mutex;
    struct conn *given_back; /* under the mutex */
    bool stop;               /* under the mutex */
    bool stopping;
    struct conn *conns;
    uint32_t conns_count;
    uint16_t port;
    llhttp_settings_t settings;
    struct os_mutex pool_mutex;
    struct os_cond pool_cond;
    struct job *waiting, **waiting_tail; /* nobody has taken them yet; under pool_mutex */
    bool pool_stop;
    atomic_uint idle; /* threads of the pool that wait for work */
    struct os_thread *pool[POOL_MAX];
    uint32_t pool_count;
};

/* A protocol, once it is known. Functions run on the loop. */
struct protocol {
    void (*feed)(struct conn *n, const void *data, size_t size);
    void (*attend)(struct conn *n);    /* it was given back by another thread */
    bool (*busy)(struct conn *n);      /* not to be freed yet: it will be given back */
    bool (*may_sweep)(struct conn *n); /* nothing is under way */
    void (*stopping)(struct conn *n);
    void (*free)(struct conn *n);
};
extern const struct protocol http1, http2;

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    void (*written)(struct conn *n, int status);
    struct tls_conn *tls;   /* NULL: plain */
    atomic_uint queued;     /* writes of the loop on their way: what is sent meanwhile would overtake them (tls) */
    struct http_server *server;
    struct conn *next, *previous; /* all of them */
    struct conn *next_given;
    bool given;             /* under the server's mutex */
    bool closing, reading;  /* the loop's */
    const struct protocol *protocol; /* NULL: nothing came yet */
    void *state;            /* the protocol's */
    struct buf first;       /* what came before the protocol was known */
    struct buf plain;       /* tls: what came, read */
    uv_os_fd_t fd;
    uint64_t active_ms;
    char peer[64];
    char chunk[READ_SIZE];
};

/* On the loop. */
void conn_close(struct conn *n);
void conn_reading(struct conn *n, bool on);
/* `written` (NULL: nobody cares) is called when it is on its way; negative: it could not be begun. */
int conn_write(struct conn *n, const void *data, size_t size, void (*written)(struct conn *n, int status));
/* From the thread that has the connection in hand: how many bytes went, or a negative errno. What TLS has made of them
 * may still be pending, which conn_write sends on (also with nothing to add). */
int conn_send(struct conn *n, const void *data, size_t size);
bool conn_pending(struct conn *n);
/* The same: waits at most `ms`, and appends what came. How many bytes that was. */
int conn_receive(struct conn *n, struct buf *to, int ms);
/* From any thread: the loop is to attend to it. */
void conn_give_back(struct conn *n);
/* To the pool. */
void pool_put(struct http_server *s, struct job *job);

bool http1_open(struct conn *n);
void http1_settings(llhttp_settings_t *settings);
bool http2_open(struct conn *n);

#endif
