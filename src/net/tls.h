/* tls.h - TLS 1.2 and 1.3 over bytes that others move, by OpenSSL: what came is put in, what is to go is taken out. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"

struct ctx;

struct tls_options {
    const char *cert, *key; /* PEM files: the chain, and the key of its first certificate */
    const char *ca;         /* of clients, who must show a certificate; NULL: they need none */
    uint32_t ttl_s;         /* after so long the files are read again; 0: never */
};

/* A server's certificates. */
struct tls;
int tls_new(struct ctx *c, const struct tls_options *options, struct tls **ret_tls);
void tls_free(struct tls *t); /* NULL is fine */

/* One connection; any thread may use it. */
struct tls_conn;
struct tls_conn *tls_accept(struct tls *t); /* NULL when memory is short */
void tls_end(struct tls_conn *x);           /* NULL is fine */
/* Puts in what came, and appends what it means. False: no more will; what is to go says why. */
bool tls_read(struct tls_conn *x, const void *data, size_t size, struct buf *plain);
/* Makes it ready to go. */
bool tls_write(struct tls_conn *x, const void *data, size_t size);
void tls_say_goodbye(struct tls_conn *x);
/* What is to go: calls `send` with it, which says how much went, and keeps the rest. */
void tls_send(struct tls_conn *x, int (*send)(int fd, const void *data, size_t size), int fd);
bool tls_pending(struct tls_conn *x);
/* Takes over what is to go. */
void tls_take(struct tls_conn *x, struct buf *ret);

#endif
