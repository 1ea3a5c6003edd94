/* http.h - an HTTP/1.1 server on libuv and llhttp. One loop thread moves bytes; requests run on the
 * pool and are answered from any thread. Nothing here knows what a request means. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/buf.h"

enum { HTTP_HEADERS_MAX = 32 };

struct http_header {
    const char *name; /* lower case */
    const char *value;
};

/* A request, whole. Valid until it is answered. */
struct exchange {
    const char *method;
    const char *target; /* as sent: path and query */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t headers_count;
    struct bytes body;
    bool too_large; /* the body was above the limit and is not here */
    uint64_t start_ns;
    char peer[64];
};

const char *http_header(const struct exchange *x, const char *name); /* NULL if absent */

struct http_server;

struct http_options {
    const char *address;
    uint16_t port;          /* 0: any; http_port tells */
    uint64_t body_max;      /* bytes */
    uint32_t connections_max;
    uint32_t threads;       /* of the pool */
    /* runs on the pool; must call http_answer once, now or later, from any thread */
    void (*handle)(void *arg, struct exchange *x);
    void *arg;
};

int http_start(struct ctx *c, const struct http_options *options, struct http_server **ret_server);
uint16_t http_port(const struct http_server *s);
/* Takes the bytes of `body` over (it is emptied). `extra` is whole header lines, or NULL. */
void http_answer(struct exchange *x, int status, const char *type, const char *extra, struct buf *body);
/* Runs until http_stop. */
void http_run(struct http_server *s);
/* From any thread, also a signal's: stops taking requests, lets those under way finish. */
void http_stop(struct http_server *s);
void http_free(struct http_server *s);

#endif
