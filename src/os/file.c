/* file.c - whole files on top of the seam. Nothing else creates files: write, sync, rename, sync
 * the directory, in that order, so that a name never stands for less than its content. */
#include "os/os.h"

#include "base/ctx.h"

#include <errno.h>
#include <stdio.h>

int os_error(struct ctx *c, int rc, const char *call, const char *path)
{
    int code = rc == -ENOSPC || rc == -EDQUOT ? KITH_FULL : rc == -ENOMEM ? KITH_NOMEM : KITH_IO;

    if (rc == -EAGAIN)
        code = KITH_BUSY;
    return err_set(c, code, "%s %s: %s", call, path, strerror(-rc));
}

void os_deadline_in(struct ctx *c, uint32_t ms)
{
    c->deadline_ns = ms ? c->os->mono_ns(c->os) + ms * 1000000ull : 0;
}

int os_in_time(struct ctx *c)
{
    if (!c->deadline_ns || c->os->mono_ns(c->os) < c->deadline_ns)
        return 0;
    return err_set(c, KITH_TIMEOUT, "the time given for this request is over");
}

char *os_path(struct arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir), m = strlen(name);
    char *path = arena_alloc(a, n + m + 2);

    if (path) {
        memcpy(path, dir, n);
        path[n] = '/';
        memcpy(path + n + 1, name, m + 1);
    }
    return path;
}

int os_write_file(struct ctx *c, const char *dir, const char *name, const void *data, size_t size)
{
    const struct os *os = c->os;
    char *path = os_path(&c->arena, dir, name);
    char *temp = arena_alloc(&c->arena, strlen(dir) + strlen(name) + 8);
    struct os_file *f;
    int rc;

    if (!path || !temp)
        return err_nomem(c);
    sprintf(temp, "%s/%s.tmp", dir, name);
    rc = os->open(os, temp, OS_WRITE | OS_CREATE | OS_TRUNCATE, &f);
    if (rc < 0)
        return os_error(c, rc, "create", temp);
    rc = f->ops->write(f, 0, data, size);
    if (rc >= 0)
        rc = f->ops->sync(f);
    f->ops->close(f);
    if (rc >= 0)
        rc = os->rename(os, temp, path);
    if (rc >= 0)
        rc = MUTANT(MUTANT_SKIP_DIRECTORY_SYNC) ? 0 : os->sync_dir(os, dir);
    return rc < 0 ? os_error(c, rc, "write", path) : 0;
}

int os_read_file(struct ctx *c, const char *path, size_t size_max, struct bytes *ret_bytes)
{
    struct os_file *f;
    uint64_t size = 0;
    size_t got = 0;
    uint8_t *data = NULL;
    int rc = c->os->open(c->os, path, OS_READ, &f);

    if (rc == -ENOENT)
        return err_set(c, KITH_NOT_FOUND, "%s: no such file", path);
    if (rc < 0)
        return os_error(c, rc, "open", path);
    rc = f->ops->size(f, &size);
    if (rc >= 0 && size > size_max)
        rc = -EFBIG;
    if (rc >= 0) {
        data = arena_alloc(&c->arena, (size_t)size + 1);
        rc = data ? f->ops->read(f, 0, data, (size_t)size, &got) : -ENOMEM;
    }
    f->ops->close(f);
    if (rc < 0 && !(MUTANT(MUTANT_READ_ERROR_IS_THE_END) && data))
        return os_error(c, rc, "read", path);
    data[got] = 0;
    ret_bytes->data = data;
    ret_bytes->size = got;
    return 0;
}

static int found_name(void *arg, const char *name)
{
    UNUSED(name);
    *(bool *)arg = true;
    return 0;
}

int os_make_dir(struct ctx *c, const char *path)
{
    bool found = false;
    int rc = c->os->mkdir(c->os, path);

    if (rc >= 0)
        rc = c->os->list(c->os, path, found_name, &found);
    return rc < 0 ? os_error(c, rc, "make", path) : !found;
}
