/* auth.h - who calls, and what they may do: the one authoriser. A route says what it needs; keys and tokens say what
 * they grant; nothing else is asked. */
#ifndef SERVE_AUTH_H
#define SERVE_AUTH_H

#include "base/ctx.h"

/* What a route needs. Of a collection: READ and WRITE of its points, or of more than them (its indexes, its snapshots,
 * how it is placed). Of all: to LIST what one may see, to WATCH, to MANAGE. */
enum privilege { FREE, LIST, READ, READ_MORE, WRITE, WRITE_MORE, WATCH, MANAGE };

struct grant {
    const char *collection;
    bool write, points_only;
};

/* A token is good only while such a point exists. */
struct proof {
    const char *collection; /* NULL: none is asked for */
    const kith_filter *filter;
};

struct caller {
    enum { NOBODY, ANYBODY, READER, MANAGER, GRANTED } scope; /* ANYBODY: no keys are set */
    const char *name; /* for the audit log */
    const struct grant *grants;
    size_t grants_count;
    struct proof proof;
};

struct keys { /* NULL: not set */
    const char *all, *alternate, *read_only;
    bool tokens;        /* JSON web tokens signed with one of the first two are taken */
    bool tokens_narrow; /* they must say what they grant */
};

/* 0; or 401 or 403, and `ret_why`. What is found is in the context's arena. `given` NULL: no credential. */
int auth_identify(struct ctx *c, const struct keys *keys, const char *given, int64_t now_s, struct caller *ret_caller,
                  const char **ret_why);
/* `collection`: the one it is about; NULL: none. */
bool auth_allows(const struct caller *who, enum privilege needed, const char *collection);

#endif
