/* sqlite_vfs.c - a SQLite file system on the os seam. Exclusive locking and a rollback journal: no
 * shared memory and no lock calls are needed. A failed sync poisons its file: every later call on it
 * fails, so that SQLite can never be told "done" by a repeated sync. */
#include "store/sqlite_vfs.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

struct sqlite_vfs {
    sqlite3_vfs base;
    const struct os *os;
    char name[40];
    char *dir;
};

struct vfs_file {
    sqlite3_file base;
    struct os_file *file;
    struct sqlite_vfs *vfs;
    bool poisoned, remove_on_close;
    char *path;
};

static int to_sqlite(int rc, int otherwise)
{
    return rc >= 0 ? SQLITE_OK : rc == -ENOSPC || rc == -EDQUOT ? SQLITE_FULL : rc == -ENOMEM ? SQLITE_NOMEM : otherwise;
}

static int file_close(sqlite3_file *base)
{
    struct vfs_file *f = (struct vfs_file *)base;

    if (f->file)
        f->file->ops->close(f->file);
    if (f->remove_on_close && f->path)
        (void)f->vfs->os->remove(f->vfs->os, f->path);
    mem_free(f->path);
    f->file = NULL;
    f->path = NULL;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
    struct vfs_file *f = (struct vfs_file *)base;
    size_t got = 0;
    int rc = f->poisoned ? -EIO : f->file->ops->read(f->file, (uint64_t)offset, data, (size_t)size, &got);

    if (rc < 0)
        return to_sqlite(rc, SQLITE_IOERR_READ);
    if (got < (size_t)size) {
        memset((char *)data + got, 0, (size_t)size - got);
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int rc = f->poisoned ? -EIO : f->file->ops->write(f->file, (uint64_t)offset, data, (size_t)size);

    return to_sqlite(rc, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int rc = f->poisoned ? -EIO : f->file->ops->truncate(f->file, (uint64_t)size);

    return to_sqlite(rc, SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int rc = f->poisoned ? -EIO : f->file->ops->sync(f->file);

    UNUSED(flags);
    if (rc < 0)
        f->poisoned = true;
    return to_sqlite(rc, SQLITE_IOERR_FSYNC);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct vfs_file *f = (struct vfs_file *)base;
    uint64_t size = 0;
    int rc = f->file->ops->size(f->file, &size);

    *ret_size = (sqlite3_int64)size;
    return to_sqlite(rc, SQLITE_IOERR_FSTAT);
}

static int file_lock(sqlite3_file *base, int level)
{
    UNUSED(base);
    UNUSED(level);
    return SQLITE_OK; /* the data directory is locked as a whole */
}

static int file_check_lock(sqlite3_file *base, int *ret_locked)
{
    UNUSED(base);
    *ret_locked = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    UNUSED(base);
    UNUSED(op);
    UNUSED(arg);
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    UNUSED(base);
    return 4096;
}

static int file_traits(sqlite3_file *base)
{
    UNUSED(base);
    return 0; /* promise nothing */
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_traits,
};

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *base_file, int flags, int *ret_flags)
{
    struct sqlite_vfs *v = (struct sqlite_vfs *)base;
    struct vfs_file *f = (struct vfs_file *)base_file;
    unsigned mode = OS_READ;
    int rc;

    memset(f, 0, sizeof *f);
    if (!path)
        return SQLITE_CANTOPEN; /* temporary files live in memory: temp_store */
    mode |= flags & SQLITE_OPEN_READWRITE ? OS_WRITE : 0;
    mode |= flags & SQLITE_OPEN_CREATE ? OS_CREATE : 0;
    f->vfs = v;
    f->path = mem_strdup(path);
    if (!f->path)
        return SQLITE_NOMEM;
    f->remove_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    rc = v->os->open(v->os, path, mode, &f->file);
    if (rc >= 0 && flags & SQLITE_OPEN_CREATE) {
        rc = v->os->sync_dir(v->os, v->dir); /* the journal's name must be there before it is relied on */
        if (rc < 0)
            f->file->ops->close(f->file);
    }
    if (rc < 0) {
        mem_free(f->path);
        memset(f, 0, sizeof *f);
        return to_sqlite(rc, SQLITE_CANTOPEN);
    }
    f->base.pMethods = &file_methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync)
{
    struct sqlite_vfs *v = (struct sqlite_vfs *)base;
    int rc = v->os->remove(v->os, path);

    if (rc == -ENOENT)
        return SQLITE_IOERR_DELETE_NOENT;
    if (rc >= 0 && sync)
        rc = v->os->sync_dir(v->os, v->dir);
    return to_sqlite(rc, SQLITE_IOERR_DELETE);
}

static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *ret_found)
{
    struct sqlite_vfs *v = (struct sqlite_vfs *)base;
    int rc = v->os->exists(v->os, path);

    UNUSED(flags);
    *ret_found = rc == 1;
    return to_sqlite(rc, SQLITE_IOERR_ACCESS);
}

static int vfs_full_path(sqlite3_vfs *base, const char *path, int size, char *ret_path)
{
    UNUSED(base);
    return snprintf(ret_path, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *base, int size, char *data)
{
    struct sqlite_vfs *v = (struct sqlite_vfs *)base;

    v->os->random(v->os, data, (size_t)size);
    return size;
}

static int vfs_sleep(sqlite3_vfs *base, int us)
{
    UNUSED(base);
    return us;
}

static int vfs_time_ms(sqlite3_vfs *base, sqlite3_int64 *ret_ms)
{
    struct sqlite_vfs *v = (struct sqlite_vfs *)base;

    *ret_ms = 210866760000000ll + (sqlite3_int64)(v->os->wall_ns(v->os) / 1000000); /* Julian days */
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *base, double *ret_days)
{
    sqlite3_int64 ms;

    (void)vfs_time_ms(base, &ms);
    *ret_days = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *base, int size, char *text)
{
    UNUSED(base);
    UNUSED(size);
    UNUSED(text);
    return 0;
}

int sqlite_vfs_new(struct ctx *c, const char *dir, struct sqlite_vfs **ret_vfs)
{
    struct sqlite_vfs *v = mem_zalloc(sizeof *v);

    if (!v)
        return err_nomem(c);
    v->os = c->os;
    v->dir = mem_strdup(dir);
    if (!v->dir) {
        mem_free(v);
        return err_nomem(c);
    }
    snprintf(v->name, sizeof v->name, "kith-%p", (void *)v);
    v->base.iVersion = 2;
    v->base.szOsFile = sizeof(struct vfs_file);
    v->base.mxPathname = 4096;
    v->base.zName = v->name;
    v->base.xOpen = vfs_open;
    v->base.xDelete = vfs_delete;
    v->base.xAccess = vfs_access;
    v->base.xFullPathname = vfs_full_path;
    v->base.xRandomness = vfs_random;
    v->base.xSleep = vfs_sleep;
    v->base.xCurrentTime = vfs_time;
    v->base.xCurrentTimeInt64 = vfs_time_ms;
    v->base.xGetLastError = vfs_last_error;
    if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK) {
        mem_free(v->dir);
        mem_free(v);
        return err_nomem(c);
    }
    *ret_vfs = v;
    return 0;
}

const char *sqlite_vfs_name(const struct sqlite_vfs *v)
{
    return v->name;
}

void sqlite_vfs_free(struct sqlite_vfs *v)
{
    if (!v)
        return;
    sqlite3_vfs_unregister(&v->base);
    mem_free(v->dir);
    mem_free(v);
}
