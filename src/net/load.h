/* load.h - measures a server: many connections, each with its next request as soon as the last one is answered. */
#ifndef NET_LOAD_H
#define NET_LOAD_H

#include "base/base.h"

struct ctx;

struct load_options {
    const char *host; /* an address */
    uint16_t port;
    const char *method, *path; /* gRPC: POST, /package.Service/Method */
    const char *api_key;       /* NULL: none */
    bool grpc;
    uint32_t connections;
    const struct bytes *bodies; /* JSON texts, or messages; taken in turn */
    size_t bodies_count;
    size_t total; /* how many are asked in all */
    /* An answer's body, and its status as HTTP has it (gRPC: 200, or 500 for any that is not OK); NULL: nobody cares. */
    void (*answered)(void *arg, size_t which, int status, struct bytes body);
    void *arg;
};

/* Seconds that all took, and each in the order of its end (`times`, room for `total`). KITH_IO where a connection
 * fails or is silent for a minute; how many answers were none of 200 to 299 is in `ret_failed`. */
int load_run(struct ctx *c, const struct load_options *o, double *times, double *ret_seconds, size_t *ret_failed);

#endif
