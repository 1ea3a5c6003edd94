/* audit.c - the audit log: audit.log, and older ones audit.1.log and so on, the highest number being the oldest. */
#include "serve/audit.h"

#include "codec/date.h"
#include "codec/json.h"

#include <stdio.h>

static char *name_of(struct arena *a, const char *dir, uint32_t number)
{
    char name[32] = "audit.log";

    if (number)
        snprintf(name, sizeof name, "audit.%u.log", number);
    return os_path(a, dir, name);
}

static int open_file(struct audit *a, struct arena *arena)
{
    const struct os *os = os_linux();
    char *path = name_of(arena, a->dir, 0);
    int rc = path ? os->open(os, path, OS_READ | OS_WRITE | OS_CREATE, &a->file) : KITH_NOMEM;

    if (rc >= 0)
        rc = a->file->ops->size(a->file, &a->size);
    return rc;
}

static void close_file(struct audit *a)
{
    if (a->file)
        a->file->ops->close(a->file);
    a->file = NULL;
}

static void rotate(struct audit *a)
{
    const struct os *os = os_linux();
    struct arena arena;

    arena_init(&arena);
    close_file(a);
    for (uint32_t i = a->files_max - 1; i > 0; i--) {
        char *from = name_of(&arena, a->dir, i - 1), *to = name_of(&arena, a->dir, i);
        if (from && to && os->exists(os, from) == 1)
            (void)os->rename(os, from, to);
    }
    if (a->files_max == 1 && name_of(&arena, a->dir, 0))
        (void)os->remove(os, name_of(&arena, a->dir, 0));
    (void)open_file(a, &arena);
    arena_release(&arena);
}

int audit_open(struct ctx *c, const char *dir, uint64_t size_max, uint32_t files_max, bool reads,
               struct audit *ret_audit)
{
    const struct os *os = os_linux();
    int rc;

    *ret_audit = (struct audit){.dir = dir, .size_max = size_max, .files_max = MAX(files_max, 1u), .reads = reads};
    rc = os->mkdir(os, dir);
    if (rc >= 0)
        rc = open_file(ret_audit, &c->arena);
    if (rc < 0)
        return os_error(c, rc, "open", dir);
    os_mutex_init(&ret_audit->lock);
    return 0;
}

void audit_close(struct audit *a)
{
    close_file(a);
    os_mutex_release(&a->lock);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_put_str(out, text, strlen(text));
}

static void put_line(struct buf *out, const struct audit_entry *e)
{
    char stamp[DATE_TEXT];

    date_text((int64_t)(os_linux()->wall_ns(os_linux()) / 1000), stamp);
    buf_printf(out, "{\"time\":\"%s\"", stamp);
    put_text(out, "subject", e->subject);
    put_text(out, "peer", e->peer);
    put_text(out, "method", e->method);
    put_text(out, "path", e->path);
    put_text(out, "collection", e->collection);
    put_text(out, "request_id", e->request_id);
    buf_printf(out, ",\"result\":\"%s\",\"status\":%d}\n",
               e->status == 401 || e->status == 403 ? "denied" : e->status < 400 ? "ok" : "error", e->status);
}

bool audit_write(struct audit *a, const struct audit_entry *e)
{
    bool told, ok = false;
    struct buf line;

    buf_init(&line);
    put_line(&line, e);
    os_mutex_lock(&a->lock);
    if (!a->file || a->size + line.size > a->size_max)
        rotate(a);
    if (a->file && !line.failed)
        ok = a->file->ops->write(a->file, a->size, line.data, line.size) >= 0;
    if (ok)
        a->size += line.size;
    told = ok || a->failing;
    a->failing = !ok;
    os_mutex_unlock(&a->lock);
    buf_release(&line);
    return told;
}

int audit_read(struct ctx *c, struct audit *a, uint32_t number, struct bytes *ret_text)
{
    char *path = name_of(&c->arena, a->dir, number);
    int rc = 0;

    os_mutex_lock(&a->lock);
    if (path && number < a->files_max && os_linux()->exists(os_linux(), path) == 1)
        rc = os_read_file(c, path, (size_t)a->size_max * 2, ret_text) < 0 ? 0 : 1;
    os_mutex_unlock(&a->lock);
    return rc;
}
