/* blob_dir.c - blobs as files: temporary name, sync, rename, sync the directory. */
#include "store/blob.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "os/os.h"
#include "os/sync.h"

#include <errno.h>
#include <stdio.h>

enum { WRITE_BUFFER = 256 << 10 };

struct dir_store {
    struct blob_store base;
    const struct os *os;
    char *dir;
    struct os_mutex mutex;
    struct strmap open; /* key -> struct dir_blob: a bundle is mapped once for all its shards */
};

struct dir_writer {
    struct blob_writer base;
    struct dir_store *store;
    struct os_file *file;
    char *key;
    uint64_t flushed;
    size_t held;
    uint8_t *buffer;
};

struct dir_blob {
    struct blob base;
    struct dir_store *store;
    struct os_file *file;
    uint32_t refs; /* under the store's mutex */
    char key[64];
};

static struct dir_store *dir_of(struct blob_store *s)
{
    return container_of(s, struct dir_store, base);
}

static void writer_free(struct dir_writer *w)
{
    if (w->file)
        w->file->ops->close(w->file);
    mem_free(w->buffer);
    mem_free(w->key);
    mem_free(w);
}

static char *temp_path(struct ctx *c, const struct dir_store *d, const char *key)
{
    size_t size = strlen(d->dir) + strlen(key) + 8;
    char *path = arena_alloc(&c->arena, size);

    if (path)
        snprintf(path, size, "%s/%s.tmp", d->dir, key);
    return path;
}

static int dir_create(struct ctx *c, struct blob_store *s, const char *key, struct blob_writer **ret_writer)
{
    struct dir_store *d = dir_of(s);
    struct dir_writer *w = mem_zalloc(sizeof *w);
    char *path = temp_path(c, d, key);
    int rc;

    if (!w || !path) {
        mem_free(w);
        return err_nomem(c);
    }
    w->base.ops = s->ops;
    w->store = d;
    w->key = mem_strdup(key);
    w->buffer = mem_alloc(WRITE_BUFFER);
    rc = w->key && w->buffer ? 0 : -ENOMEM;
    if (rc == 0)
        rc = d->os->open(d->os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &w->file);
    if (rc < 0) {
        w->file = NULL;
        writer_free(w);
        return os_error(c, rc, "create", path);
    }
    *ret_writer = &w->base;
    return 0;
}

static int flush(struct dir_writer *w)
{
    TRY(w->file->ops->write(w->file, w->flushed, w->buffer, w->held));
    w->flushed += w->held;
    w->held = 0;
    return 0;
}

static int dir_append(struct ctx *c, struct blob_writer *base, const void *data, size_t size)
{
    struct dir_writer *w = container_of(base, struct dir_writer, base);
    const uint8_t *p = data;

    base->written += size;
    while (size > 0) {
        size_t n = MIN(size, (size_t)WRITE_BUFFER - w->held);
        memcpy(w->buffer + w->held, p, n);
        w->held += n;
        p += n;
        size -= n;
        if (w->held == WRITE_BUFFER) {
            int rc = flush(w);
            if (rc < 0)
                return os_error(c, rc, "write", w->key);
        }
    }
    return 0;
}

static void dir_abort(struct blob_writer *base)
{
    struct dir_writer *w;
    struct ctx c;
    char *path;

    if (!base)
        return;
    w = container_of(base, struct dir_writer, base);
    ctx_init(&c, w->store->os);
    path = temp_path(&c, w->store, w->key);
    if (path)
        (void)w->store->os->remove(w->store->os, path); /* if it stays, the next open removes it */
    ctx_release(&c);
    writer_free(w);
}

static int dir_commit(struct ctx *c, struct blob_writer *base)
{
    struct dir_writer *w = container_of(base, struct dir_writer, base);
    const struct os *os = w->store->os;
    char *temp = temp_path(c, w->store, w->key), *path = os_path(&c->arena, w->store->dir, w->key);
    int rc = temp && path ? flush(w) : -ENOMEM;

    if (rc >= 0)
        rc = MUTANT(MUTANT_SWAP_BEFORE_SYNC) ? 0 : w->file->ops->sync(w->file);
    if (rc >= 0)
        rc = os->rename(os, temp, path);
    if (rc >= 0)
        rc = os->sync_dir(os, w->store->dir);
    if (rc < 0) {
        rc = os_error(c, rc, "store", w->key);
        dir_abort(base);
        return rc;
    }
    writer_free(w);
    return 0;
}

static void dir_close(struct blob *base)
{
    struct dir_store *d;
    struct dir_blob *b;
    uint64_t *now;
    bool last;

    if (!base)
        return;
    b = container_of(base, struct dir_blob, base);
    d = b->store;
    os_mutex_lock(&d->mutex);
    last = --b->refs == 0;
    now = last ? strmap_get(&d->open, b->key) : NULL;
    if (now && *now == (uint64_t)(uintptr_t)b)
        strmap_remove(&d->open, b->key);
    os_mutex_unlock(&d->mutex);
    if (!last)
        return;
    b->file->ops->unmap(b->file, base->data, base->size);
    b->file->ops->close(b->file);
    mem_free(b);
}

/* With the mutex held. */
static int open_file(struct ctx *c, struct dir_store *d, const char *key, struct dir_blob **ret_blob)
{
    char *path = os_path(&c->arena, d->dir, key);
    struct dir_blob *b = mem_zalloc(sizeof *b);
    uint64_t size = 0;
    int rc = path && b ? 0 : -ENOMEM;

    if (rc == 0)
        rc = d->os->open(d->os, path, OS_READ, &b->file);
    if (rc < 0) {
        mem_free(b);
        if (rc == -ENOENT)
            return err_set(c, KITH_NOT_FOUND, "blob %s: no such file", key);
        return os_error(c, rc, "open", key);
    }
    rc = b->file->ops->size(b->file, &size);
    if (rc >= 0 && size == 0)
        rc = -ENODATA;
    if (rc >= 0)
        rc = b->file->ops->map(b->file, (size_t)size, &b->base.data);
    if (rc < 0) {
        b->file->ops->close(b->file);
        mem_free(b);
        if (rc == -ENODATA)
            return err_set(c, KITH_CORRUPT, "blob %s: empty", key);
        return os_error(c, rc, "map", key);
    }
    b->base.ops = d->base.ops;
    b->base.size = (size_t)size;
    b->store = d;
    snprintf(b->key, sizeof b->key, "%s", key);
    *ret_blob = b;
    return 0;
}

static int dir_open(struct ctx *c, struct blob_store *s, const char *key, struct blob **ret_blob)
{
    struct dir_store *d = dir_of(s);
    struct dir_blob *b;
    uint64_t *slot;
    int rc = 0;

    os_mutex_lock(&d->mutex);
    slot = strmap_get(&d->open, key);
    if (slot) {
        b = (struct dir_blob *)(uintptr_t)*slot;
    } else {
        rc = open_file(c, d, key, &b);
        slot = rc < 0 ? NULL : strmap_put(&d->open, key);
        if (slot) /* not remembered for want of memory: then it is mapped once more, no harm */
            *slot = (uint64_t)(uintptr_t)b;
    }
    if (rc >= 0) {
        b->refs++;
        *ret_blob = &b->base;
    }
    os_mutex_unlock(&d->mutex);
    return rc;
}

static int dir_remove(struct ctx *c, struct blob_store *s, const char *key)
{
    struct dir_store *d = dir_of(s);
    char *path = os_path(&c->arena, d->dir, key);
    int rc = path ? d->os->remove(d->os, path) : -ENOMEM;

    return rc < 0 && rc != -ENOENT ? os_error(c, rc, "remove", key) : 0;
}

struct lister {
    int (*each)(void *arg, const char *key);
    void *arg;
};

static bool is_temporary(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static int list_one(void *arg, const char *name)
{
    struct lister *l = arg;

    return is_temporary(name) ? 0 : l->each(l->arg, name);
}

static int dir_list(struct ctx *c, struct blob_store *s, int (*each)(void *, const char *), void *arg)
{
    struct dir_store *d = dir_of(s);
    struct lister l = {each, arg};
    int rc = d->os->list(d->os, d->dir, list_one, &l);

    return rc < 0 ? os_error(c, rc, "list", d->dir) : 0;
}

static void dir_free(struct blob_store *s)
{
    struct dir_store *d = dir_of(s);

    strmap_release(&d->open);
    os_mutex_release(&d->mutex);
    mem_free(d->dir);
    mem_free(d);
}

static const struct blob_ops dir_ops = {
    .name = "directory",
    .create = dir_create,
    .append = dir_append,
    .commit = dir_commit,
    .abort = dir_abort,
    .open = dir_open,
    .close = dir_close,
    .remove = dir_remove,
    .list = dir_list,
    .free = dir_free,
};

struct sweep {
    struct ctx *c;
    struct dir_store *d;
};

static int sweep_one(void *arg, const char *name)
{
    struct sweep *s = arg;

    return is_temporary(name) ? dir_remove(s->c, &s->d->base, name) : 0;
}

int blob_dir_open(struct ctx *c, const char *dir, struct blob_store **ret_store)
{
    struct dir_store *d = mem_zalloc(sizeof *d);
    struct sweep s = {c, d};
    int rc;

    if (!d)
        return err_nomem(c);
    d->base.ops = &dir_ops;
    d->os = c->os;
    os_mutex_init(&d->mutex);
    d->dir = mem_strdup(dir);
    rc = d->dir ? c->os->mkdir(c->os, dir) : -ENOMEM;
    if (rc >= 0)
        rc = c->os->list(c->os, dir, sweep_one, &s);
    if (rc < 0) {
        rc = os_error(c, rc < -1000 ? -EIO : rc, "open", dir);
        dir_free(&d->base);
        return rc;
    }
    *ret_store = &d->base;
    return 0;
}
