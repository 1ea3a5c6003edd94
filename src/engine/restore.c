/* restore.c - a database out of a backup: its blobs, its facts, and the log from there on, up to the record that is
 * asked for. What then opens it is what opens any database: manifests, and replay of the log after them. */
#include "engine/backup.h"

#include "base/ctx.h"
#include "engine/engine.h"
#include "store/pack.h"


/* ---- how far ----------------------------------------------------------------------------------------------------- */

static const struct backup *newest_of(const struct backup_dir *d, const struct backup_point *at)
{
    const struct backup *found = NULL;

    for (size_t i = 0; i < d->count; i++) {
        const struct backup *b = &d->list[i];
        if ((!at->name || strcmp(at->name, b->name) == 0) && (!at->lsn || b->upto <= at->lsn) &&
            (!at->time_ms || b->created_ms <= at->time_ms))
            found = b;
    }
    return found;
}

struct timing {
    struct ctx *c;
    uint64_t until_ms, last;
};

static int look_at_time(void *arg, uint64_t offset, struct bytes data)
{
    struct timing *t = arg;
    uint64_t ms;

    TRY(record_time(t->c, data, &ms));
    if (ms > t->until_ms)
        return KITH_NOT_FOUND; /* no error: the end */
    t->last = offset;
    return 0;
}

/* The last record that is wanted. */
static int find_end(struct ctx *c, const struct backup *b, const struct backup_point *at, struct log *run,
                    uint64_t *ret)
{
    uint64_t end = run->ops->end(run, 0);
    struct timing t = {c, at->time_ms, b->upto};
    int rc;

    *ret = b->upto;
    if (at->lsn > end)
        return err_set(c, KITH_INVALID, "LSN %llu: the log of backup %s ends at %llu", (unsigned long long)at->lsn,
                       b->name, (unsigned long long)end);
    if (at->lsn)
        *ret = at->lsn;
    if (!at->time_ms)
        return 0;
    rc = run->ops->range(c, run, 0, b->upto + 1, end, look_at_time, &t);
    *ret = at->lsn ? MIN(at->lsn, t.last) : t.last;
    return rc == KITH_NOT_FOUND ? 0 : rc;
}

/* ---- the database ------------------------------------------------------------------------------------------------ */

static int make_empty(struct ctx *c, const char *dir)
{
    int rc = os_make_dir(c, dir);

    if (rc == 0)
        return err_set(c, KITH_EXISTS, "%s is not empty: what is restored needs a directory of its own", dir);
    return rc;
}

static int put_blobs(struct ctx *c, const struct backup_dir *d, const struct backup *b, const char *dir)
{
    char *path = os_path(&c->arena, dir, "blobs");
    struct blob_store *to;
    uint64_t copied;
    int rc = 0;

    TRY(path ? 0 : err_nomem(c));
    TRY(blob_dir_open(c, path, &to));
    for (size_t i = 0; i < b->blobs_count && rc >= 0; i++)
        rc = pack_copy(c, d->blobs, b->blobs[i], to, &copied);
    to->ops->free(to);
    return rc;
}

/* It goes on at the same offsets, which manifests name. */
static int put_log(struct ctx *c, struct log *run, uint64_t upto, const char *dir)
{
    const struct wal_options o = {.file_bytes = BACKUP_LOG_FILE};
    char *path = os_path(&c->arena, dir, "log");
    uint64_t first = MIN(run->ops->first(run, 0), upto + 1);
    struct log *to;
    int rc;

    TRY(path ? 0 : err_nomem(c));
    TRY(wal_begin(c, path, first));
    TRY(wal_open(c, path, &o, &to));
    rc = log_copy(c, run, upto, to);
    to->ops->close(c, to);
    return rc;
}

static int put_facts(struct ctx *c, const struct backup *b, const char *dir)
{
    struct meta *meta;
    int rc;

    TRY(meta_sqlite_open(c, dir, &meta));
    rc = b->facts_count ? meta->ops->swap(c, meta, NULL, 0, b->facts, b->facts_count) : 0;
    meta->ops->close(meta);
    return rc;
}

static int restore(struct ctx *c, const struct backup_dir *d, const struct backup_point *at, const char *dir,
                   uint64_t *ret_lsn)
{
    const struct backup *b = newest_of(d, at);
    struct log *run;
    int rc;

    if (!b)
        return err_set(c, KITH_NOT_FOUND, "%s has no such backup, or none so old", d->path);
    TRY(backup_run_open(c, d, b->run, &run));
    rc = find_end(c, b, at, run, ret_lsn);
    if (rc >= 0)
        rc = make_empty(c, dir);
    if (rc >= 0)
        rc = put_blobs(c, d, b, dir);
    if (rc >= 0)
        rc = put_log(c, run, *ret_lsn, dir);
    run->ops->close(c, run);
    TRY(rc);
    TRY(put_facts(c, b, dir)); /* the last: without them nothing is there */
    return c->os->sync_dir(c->os, dir) < 0 ? err_set(c, KITH_IO, "sync %s failed", dir) : 0;
}

int backup_restore(struct ctx *c, const char *path, const struct backup_point *at, const char *dir, uint64_t *ret_lsn)
{
    struct backup_dir d;
    int rc;

    TRY(backup_dir_open(c, path, false, &d));
    rc = restore(c, &d, at, dir, ret_lsn);
    backup_dir_close(&d);
    return rc;
}
