/* http.h - a server of HTTP/1.1 and HTTP/2 on one port, on libuv, llhttp and nghttp2. One loop thread moves bytes;
 * requests run on the pool and are answered from any thread. Nothing here knows what a request means. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/buf.h"

enum { HTTP_HEADERS_MAX = 32 };

struct http_header {
    const char *name; /* lower case */
    const char *value;
};

struct exchange;

/* How a request is answered: by the protocol it came in. */
struct answer {
    int status;
    const char *type;     /* NULL: none */
    const char *extra;    /* whole header lines, or NULL */
    const char *trailers; /* whole lines that follow the body, or NULL; HTTP/2 only */
    struct buf *body;     /* its bytes are taken over, and it is emptied */
    const struct source *source; /* not NULL: the body instead, part by part */
};

/* A body that is made while it is sent, on whichever thread sends. */
struct source {
    uint64_t size;
    size_t (*pull)(void *arg, uint64_t offset, void *to, size_t most); /* fewer than asked for: it breaks off */
    void (*close)(void *arg);
    void *arg;
};

/* A request, whole. Valid until it is answered. */
struct exchange {
    const char *method;
    const char *target; /* as sent: path and query */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t headers_count;
    struct bytes body;
    bool too_large; /* the body was above the limit and is not here */
    bool http2;
    uint64_t start_ns;
    void (*answer)(struct exchange *x, const struct answer *a);
    char peer[64];
};

const char *http_header(const struct exchange *x, const char *name); /* NULL if absent */

struct http_server;
struct tls;

struct http_options {
    const char *address;
    uint16_t port;          /* 0: any; http_port tells */
    uint64_t body_max;      /* bytes */
    uint32_t connections_max;
    uint32_t threads;       /* of the pool */
    /* runs on the pool; must call http_answer once, now or later, from any thread */
    void (*handle)(void *arg, struct exchange *x);
    void *arg;
    /* HTTP/2, on the loop, when the head has come: whether it begins a conversation. If so, `hear` is given what came
     * and was not taken yet, says how many bytes of it it took, and appends what is to be said; trailers follow when
     * the other side has ended. */
    enum talk { TALK_NO, TALK_YES, TALK_REFUSED } (*talks)(void *arg, const struct exchange *x); /* NULL: none does */
    size_t (*hear)(void *arg, struct bytes come, struct buf *say);
    struct tls *tls;        /* NULL: plain; not taken over */
    const char *spill_dir;  /* where bodies go that may be of any size; NULL: nowhere */
    bool (*may_spill)(void *arg, const struct exchange *x); /* on the loop, when the head has come; HTTP/1.1 only */
};

int http_start(struct ctx *c, const struct http_options *options, struct http_server **ret_server);
uint16_t http_port(const struct http_server *s);
/* Takes the bytes of `body` over (it is emptied). `extra` is whole header lines, or NULL. */
void http_answer(struct exchange *x, int status, const char *type, const char *extra, struct buf *body);
/* The same with a body that is made on the way. */
void http_answer_source(struct exchange *x, const char *type, const char *extra, const struct source *source);
/* Runs until http_stop. */
void http_run(struct http_server *s);
/* From any thread, also a signal's: stops taking requests, lets those under way finish. */
void http_stop(struct http_server *s);
void http_free(struct http_server *s);

#endif
