/* wal.h - the log in files, as writing (wal.c) and reading (wal_read.c) share it. */
#ifndef STORE_WAL_H
#define STORE_WAL_H

#include "base/buf.h"
#include "os/sync.h"
#include "store/log.h"

#include <stdatomic.h>

struct os;
struct os_file;

enum {
    WAL_SECTOR = 512,
    WAL_HEADER = 4096,
    WAL_FRAME = 40,
    WAL_LAST = 1,  /* frame flag: the next frame starts on the next sector */
    WAL_CLOSE = 2, /* frame flag: a graceful end; no record */
    WAL_EXTENT_FIRST = 256 << 10,
    WAL_EXTENT = 4 << 20,
    WAL_BATCH_MAX = 16 << 20
};

#define WAL_MAGIC "KITHLOG1"

struct wal_file {
    uint64_t first; /* offset of its first record */
    uint64_t bytes;
};

struct wal {
    struct log base;
    const struct os *os;
    char *dir;
    bool no_sync;
    uint64_t file_bytes;

    struct os_mutex mutex;
    struct log_wait *head, **tail;
    bool committing, failed;

    struct wal_file *files; /* oldest first; the last is being written once `file` is open */
    size_t files_count, files_capacity;
    struct os_file *file;
    uint64_t salt, at, zeroed, extent;
    bool must_roll;
    _Atomic uint64_t last; /* last offset written and acknowledged */
    uint64_t synced; /* as claimed in the frames */
    size_t tail_end; /* of the last file's frames as found; 0: it was closed, or has none */
    struct log_damage damage;
    struct buf batch;
    atomic_ullong bytes; /* on disk, as of the last commit or trim */
};

static inline struct wal *wal_of(struct log *l)
{
    return container_of(l, struct wal, base);
}

struct frame {
    uint32_t size, flags;
    uint64_t offset, synced;
};

static inline size_t frame_next(size_t at, const struct frame *f)
{
    size_t end = at + WAL_FRAME + f->size;

    return (size_t)align_up(end, f->flags & WAL_LAST ? WAL_SECTOR : 8);
}

/* wal_read.c */
char *wal_path(struct ctx *c, const struct wal *w, uint64_t first);
/* Reads all files; with `each` NULL only finds the end and the damage. */
int wal_scan(struct ctx *c, struct wal *w, uint64_t from, int (*each)(void *, uint64_t, struct bytes), void *arg);
int wal_read(struct ctx *c, struct log *l, uint32_t lane, uint64_t from,
             int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg);
int wal_range(struct ctx *c, struct log *l, uint32_t lane, uint64_t from, uint64_t upto,
              int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg);

#endif
