/* meta.h - small facts: compare-and-swap over several keys at once, prefix reads, watches. */
#ifndef STORE_META_H
#define STORE_META_H

#include "base/base.h"

struct meta;

/* A revision of 0 means "absent". Every change of a key gives it a new revision. */
struct meta_item {
    const char *key;
    struct bytes value;
    uint64_t revision;
};

struct meta_compare {
    const char *key;
    uint64_t revision; /* that the key must have now */
};

struct meta_change {
    const char *key;
    struct bytes value;
    bool remove;
};

typedef void (*meta_watch_fn)(void *arg, const struct meta_item *item, bool removed);

struct meta_ops {
    const char *name;
    /* Calls `each` for the keys that begin with `prefix`, in byte order. */
    int (*scan)(struct ctx *c, struct meta *m, const char *prefix,
                int (*each)(void *arg, const struct meta_item *item), void *arg);
    /* In the arena. KITH_NOT_FOUND if absent. */
    int (*get)(struct ctx *c, struct meta *m, const char *key, struct meta_item *ret_item);
    /* All changes if all compares hold, else none: KITH_BUSY. Durable when it returns 0. */
    int (*swap)(struct ctx *c, struct meta *m, const struct meta_compare *compares, size_t compares_count,
                const struct meta_change *changes, size_t changes_count);
    /* `fn` is called after each change to a key with the prefix, by whoever made it. */
    int (*watch)(struct ctx *c, struct meta *m, const char *prefix, meta_watch_fn fn, void *arg);
    /* Writes everything anew: what is read is durable then, also if an earlier process could not make it so. */
    int (*secure)(struct ctx *c, struct meta *m);
    int (*check)(struct ctx *c, struct meta *m); /* reads everything; KITH_CORRUPT says what is wrong */
    void (*close)(struct meta *m);
};

struct meta {
    const struct meta_ops *ops;
};

/* A SQLite file below `dir`, through the os seam. */
int meta_sqlite_open(struct ctx *c, const char *dir, struct meta **ret_meta);
int meta_mem_open(struct ctx *c, struct meta **ret_meta);

#endif
