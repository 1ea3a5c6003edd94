/* backup_dir.c - the directory of backups: its lock, its list, the files of single ones. */
#include "engine/backup.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/hash.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM = 1, FILE_MAX = 1 << 30 };

static const char magic[8] = "KITHBKP1";

/* ---- one file ---------------------------------------------------------------------------------------------------- */

int backup_write(struct ctx *c, const struct backup_dir *d, const struct backup *b)
{
    struct buf out;
    int rc;

    buf_init(&out);
    buf_put(&out, magic, sizeof magic);
    buf_u8(&out, FORM);
    buf_u64(&out, b->created_ms);
    buf_u64(&out, b->lineage);
    buf_u64(&out, b->upto);
    buf_u64(&out, b->from);
    buf_u64(&out, b->run);
    buf_varint(&out, b->facts_count);
    for (size_t i = 0; i < b->facts_count; i++) {
        buf_str(&out, b->facts[i].key);
        buf_blob(&out, b->facts[i].value.data, b->facts[i].value.size);
    }
    buf_varint(&out, b->blobs_count);
    for (size_t i = 0; i < b->blobs_count; i++)
        buf_str(&out, b->blobs[i]);
    buf_u32(&out, crc32c(0, out.data, out.size));
    rc = out.failed ? err_nomem(c) : os_write_file(c, d->backups, b->name, out.data, out.size);
    buf_release(&out);
    return rc;
}

static bool read_lists(struct ctx *c, struct reader *r, size_t size, struct backup *b)
{
    uint64_t count = read_varint(r);

    b->facts = count <= size ? arena_zalloc(&c->arena, MAX(count, (uint64_t)1) * sizeof *b->facts) : NULL;
    for (; b->facts && b->facts_count < count && !r->failed; b->facts_count++) {
        b->facts[b->facts_count].key = read_str(r, &c->arena);
        r->failed = r->failed || !b->facts[b->facts_count].key;
        b->facts[b->facts_count].value = read_blob(r);
    }
    count = read_varint(r);
    b->blobs = b->facts && count <= size ? arena_zalloc(&c->arena, MAX(count, (uint64_t)1) * sizeof *b->blobs) : NULL;
    for (; b->blobs && b->blobs_count < count && !r->failed; b->blobs_count++) {
        b->blobs[b->blobs_count] = read_str(r, &c->arena);
        r->failed = r->failed || !b->blobs[b->blobs_count];
    }
    return b->blobs && !r->failed && r->at == r->end;
}

static int read_backup(struct ctx *c, const struct backup_dir *d, const char *name, struct backup *b)
{
    char *path = os_path(&c->arena, d->backups, name);
    struct bytes file;
    struct reader r;
    uint32_t crc;

    if (!path)
        return err_nomem(c);
    TRY(os_read_file(c, path, FILE_MAX, &file));
    *b = (struct backup){0};
    snprintf(b->name, sizeof b->name, "%s", name);
    if (file.size < sizeof magic + sizeof crc || memcmp(file.data, magic, sizeof magic) != 0)
        return err_set(c, KITH_CORRUPT, "%s is no backup", path);
    memcpy(&crc, file.data + file.size - sizeof crc, sizeof crc);
    if (crc != crc32c(0, file.data, file.size - sizeof crc))
        return err_set(c, KITH_CORRUPT, "backup %s fails its checksum", path);
    r = reader_of(file.data + sizeof magic, file.size - sizeof magic - sizeof crc);
    if (read_u8(&r) != FORM)
        return err_set(c, KITH_CORRUPT, "backup %s is of an unknown form", path);
    b->created_ms = read_u64(&r);
    b->lineage = read_u64(&r);
    b->upto = read_u64(&r);
    b->from = read_u64(&r);
    b->run = read_u64(&r);
    return read_lists(c, &r, file.size, b) ? 0 : err_set(c, KITH_CORRUPT, "backup %s is malformed", path);
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

struct naming {
    struct ctx *c;
    const char **names;
    size_t count, capacity;
};

static int note_name(void *arg, const char *name)
{
    struct naming *n = arg;

    if (strspn(name, "0123456789abcdef-") != strlen(name)) /* .tmp of one that was not finished */
        return 0;
    if (n->count == n->capacity) {
        size_t capacity = MAX(n->capacity * 2, (size_t)16);
        const char **more = arena_alloc(&n->c->arena, capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (n->count)
            memcpy(more, n->names, n->count * sizeof *more);
        n->names = more;
        n->capacity = capacity;
    }
    n->names[n->count] = arena_str(&n->c->arena, name, strlen(name));
    return n->names[n->count++] ? 0 : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int backup_dir_list(struct ctx *c, struct backup_dir *d)
{
    struct naming n = {.c = c};
    int rc = c->os->list(c->os, d->backups, note_name, &n);

    if (rc < 0)
        return os_error(c, rc, "list", d->backups);
    if (n.count)
        qsort(n.names, n.count, sizeof *n.names, by_name);
    d->list = arena_zalloc(&c->arena, MAX(n.count, (size_t)1) * sizeof *d->list);
    if (!d->list)
        return err_nomem(c);
    for (d->count = 0; d->count < n.count; d->count++)
        TRY(read_backup(c, d, n.names[d->count], &d->list[d->count]));
    return 0;
}

static int make_dirs(struct ctx *c, const struct backup_dir *d)
{
    const char *const paths[] = {d->path, d->backups, d->log};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        int rc = c->os->mkdir(c->os, paths[i]);
        if (rc < 0)
            return os_error(c, rc, "make", paths[i]);
    }
    return c->os->sync_dir(c->os, d->path) < 0 ? err_set(c, KITH_IO, "sync %s failed", d->path) : 0;
}

static int take_lock(struct ctx *c, bool make, struct backup_dir *d)
{
    char *path = os_path(&c->arena, d->path, "lock");
    int rc;

    if (!path)
        return err_nomem(c);
    if (!make && c->os->exists(c->os, path) != 1)
        return err_set(c, KITH_NOT_FOUND, "%s holds no backups", d->path);
    rc = c->os->open(c->os, path, OS_WRITE | OS_CREATE, &d->lock);
    if (rc < 0) {
        d->lock = NULL;
        return os_error(c, rc, "open", path);
    }
    rc = d->lock->ops->lock(d->lock);
    if (rc == -EAGAIN)
        return err_set(c, KITH_BUSY, "%s: another backup is at work there", d->path);
    return rc < 0 ? os_error(c, rc, "lock", path) : 0;
}

static int open_dir(struct ctx *c, bool make, struct backup_dir *d)
{
    char *blobs = os_path(&c->arena, d->path, "blobs");

    d->backups = os_path(&c->arena, d->path, "backups");
    d->log = os_path(&c->arena, d->path, "log");
    if (!blobs || !d->backups || !d->log)
        return err_nomem(c);
    if (make)
        TRY(make_dirs(c, d));
    TRY(take_lock(c, make, d));
    TRY(blob_dir_open(c, blobs, &d->blobs));
    return backup_dir_list(c, d);
}

int backup_dir_open(struct ctx *c, const char *path, bool make, struct backup_dir *ret_dir)
{
    int rc;

    *ret_dir = (struct backup_dir){.path = arena_str(&c->arena, path, strlen(path))};
    rc = ret_dir->path ? open_dir(c, make, ret_dir) : err_nomem(c);
    if (rc < 0)
        backup_dir_close(ret_dir);
    return rc;
}

void backup_dir_close(struct backup_dir *d)
{
    if (d->blobs)
        d->blobs->ops->free(d->blobs);
    if (d->lock)
        d->lock->ops->close(d->lock);
    *d = (struct backup_dir){0};
}

char *backup_run_path(struct ctx *c, const struct backup_dir *d, uint64_t run)
{
    char name[20];

    snprintf(name, sizeof name, "%016llx", (unsigned long long)run);
    return os_path(&c->arena, d->log, name);
}

int backup_run_open(struct ctx *c, const struct backup_dir *d, uint64_t run, struct log **ret_log)
{
    const struct wal_options o = {.file_bytes = BACKUP_LOG_FILE};
    char *path = backup_run_path(c, d, run);

    TRY(path ? 0 : err_nomem(c));
    TRY(wal_open(c, path, &o, ret_log));
    if ((*ret_log)->ops->damage(*ret_log)->from) {
        int rc = err_set(c, KITH_CORRUPT, "%s: %s", path, (*ret_log)->ops->damage(*ret_log)->text);
        (*ret_log)->ops->close(c, *ret_log);
        return rc;
    }
    return 0;
}
