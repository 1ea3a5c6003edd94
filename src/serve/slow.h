/* slow.h - the last requests that took long. */
#ifndef SERVE_SLOW_H
#define SERVE_SLOW_H

#include "base/buf.h"
#include "os/sync.h"

enum { SLOW_KEPT = 64 };

struct slow_entry {
    char method[12], path[96], collection[96]; /* the route's path */
    double seconds;
    uint64_t at_ns; /* since 1970: when it was answered */
    int status;
};

struct slow_log {
    struct os_mutex lock;
    struct slow_entry entries[SLOW_KEPT];
    uint64_t count;   /* ever */
    double threshold; /* seconds; 0: none are kept */
};
void slow_init(struct slow_log *s, double threshold);
void slow_release(struct slow_log *s);
void slow_note(struct slow_log *s, const struct slow_entry *e);
/* The newest first: at most `most` of those whose method is `method` (NULL: any). How many. */
size_t slow_read(struct slow_log *s, const char *method, struct slow_entry *ret, size_t most);

#endif
