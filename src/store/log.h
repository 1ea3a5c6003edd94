/* log.h - records in order, in lanes. Below `engine` a position is {lane, offset}; offsets of a
 * lane count records from 1 without gaps.
 *
 * Appending never waits: a record is queued, and whoever has time calls `commit`, which makes one
 * batch of all that is queued durable and then completes it in order. While one batch is being
 * synced the next one gathers; that is the whole of group commit, and no timer is part of it. */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include "base/base.h"

struct log;

/* One append. Caller-owned and untouched by the caller until `done` has run; the bytes too. */
struct log_wait {
    struct bytes record;
    /* code 0: durable at `offset`. Runs in `commit`, in offset order; must not block. */
    void (*done)(struct log_wait *w, int code, uint64_t offset);
    struct log_wait *next; /* the log's */
};

/* A range of offsets whose records are lost or unreadable. */
struct log_damage {
    uint64_t from, to; /* inclusive; from 0: none */
    char text[160];
};

struct log_ops {
    const char *name;
    /* 0, or KITH_LIMIT for a record above record_max, KITH_CLOSED after a fatal failure */
    int (*append)(struct ctx *c, struct log *l, uint32_t lane, struct log_wait *w);
    /* Makes one batch durable. Returns the records completed (0: nothing was queued). One caller at
     * a time does the work; others return 0 at once. */
    int (*commit)(struct ctx *c, struct log *l);
    /* 1 if records are queued and nobody is committing */
    int (*pending)(struct log *l);
    /* Calls `each` for the records from `from` on, in order. Used at start only. */
    int (*read)(struct ctx *c, struct log *l, uint32_t lane, uint64_t from,
                int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg);
    /* The same up to `upto`, which is durable, while others append. Nothing may be trimmed meanwhile. */
    int (*range)(struct ctx *c, struct log *l, uint32_t lane, uint64_t from, uint64_t upto,
                 int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg);
    uint64_t (*first)(struct log *l, uint32_t lane); /* the first that is there, or will be */
    uint64_t (*end)(struct log *l, uint32_t lane);   /* the last offset given out */
    uint64_t (*bytes)(struct log *l);              /* held on disk */
    /* Forgets records before `before`, in whole files, as long as `keep_bytes` stay. */
    int (*trim)(struct ctx *c, struct log *l, uint32_t lane, uint64_t before, uint64_t keep_bytes);
    const struct log_damage *(*damage)(struct log *l);
    void (*close)(struct ctx *c, struct log *l);
};

struct log {
    const struct log_ops *ops;
    uint64_t record_max; /* bytes */
};

struct wal_options {
    uint64_t file_bytes; /* of one log file */
    bool no_sync;        /* durability none */
};

/* The log as files in `dir` (docs/format/log.md). */
int wal_open(struct ctx *c, const char *dir, const struct wal_options *options, struct log **ret_log);
/* An empty log in `dir` whose first record will be at `first`. */
int wal_begin(struct ctx *c, const char *dir, uint64_t first);
/* Appends to `to` the records after its last one up to `upto`, which is durable in `from`. KITH_CORRUPT: they do not
 * follow. */
int log_copy(struct ctx *c, struct log *from, uint64_t upto, struct log *to);
/* A log in memory, for tests of what lies above. */
int memlog_open(struct ctx *c, struct log **ret_log);

#endif
