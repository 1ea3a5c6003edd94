/* kith_snapshot.c - states with names, and their files. */
#include "base/mem.h"
#include "engine/engine.h"
#include "kith_calls.h"

struct adding {
    kith_snapshots *to;
    size_t room;
};

static int add(void *arg, const struct snapshot_info *info)
{
    struct adding *a = arg;
    kith_snapshots *to = a->to;
    kith_snapshot *more = more_room(to->snapshots, to->count, &a->room, sizeof *more);

    if (!more)
        return KITH_NOMEM;
    to->snapshots = more;
    to->snapshots[to->count] = (kith_snapshot){mem_strdup(info->name), info->created_ms, info->size};
    if (!to->snapshots[to->count].name)
        return KITH_NOMEM;
    to->count++;
    return 0;
}

void kith_snapshots_free(kith_snapshots *s)
{
    for (size_t i = 0; s && i < s->count; i++)
        mem_free(s->snapshots[i].name);
    if (s)
        mem_free(s->snapshots);
}

int kith_snapshot_create(kith_db *db, const char *collection, kith_snapshots *ret_made, kith_err *err)
{
    kith_snapshots made = {0};
    struct adding a = {&made, 0};
    struct snapshot_info info;
    struct ctx c;
    int rc;

    ctx_init(&c, db_of(db)->os);
    rc = snapshot_create(&c, db_of(db), collection, &info);
    if (rc >= 0 && add(&a, &info) < 0)
        rc = err_nomem(&c);
    if (rc >= 0)
        *ret_made = made;
    else
        kith_snapshots_free(&made);
    return finish(&c, rc, err);
}

int kith_snapshot_list(kith_db *db, const char *collection, kith_snapshots *ret_snapshots, kith_err *err)
{
    kith_snapshots list = {0};
    struct adding a = {&list, 0};
    struct ctx c;
    int rc;

    ctx_init(&c, db_of(db)->os);
    rc = snapshot_each(&c, db_of(db), collection, add, &a);
    if (rc >= 0)
        *ret_snapshots = list;
    else
        kith_snapshots_free(&list);
    return finish(&c, rc, err);
}

int kith_snapshot_drop(kith_db *db, const char *collection, const char *name, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, snapshot_drop(&c, db_of(db), collection, name), err);
}

int kith_snapshot_restore(kith_db *db, const char *collection, const char *name, const char *to, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, snapshot_restore(&c, db_of(db), collection, name, to), err);
}

kith_snapshot_file *kith_snapshot_open(kith_db *db, const char *collection, const char *name, kith_err *err)
{
    struct snapshot_file *file = NULL;
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    (void)finish(&c, snapshot_open(&c, db_of(db), collection, name, &file), err);
    return (kith_snapshot_file *)(void *)file;
}

uint64_t kith_snapshot_size(const kith_snapshot_file *file)
{
    return snapshot_size((const struct snapshot_file *)(const void *)file);
}

size_t kith_snapshot_read(kith_snapshot_file *file, uint64_t offset, void *to, size_t most)
{
    return snapshot_read((struct snapshot_file *)(void *)file, offset, to, most);
}

void kith_snapshot_close(kith_snapshot_file *file)
{
    snapshot_close((struct snapshot_file *)(void *)file);
}

struct naming {
    kith_names names;
    size_t room;
};

static int add_part(void *arg, const char *part)
{
    struct naming *n = arg;
    char **more = more_room(n->names.names, n->names.count, &n->room, sizeof *more);

    if (!more)
        return KITH_NOMEM;
    n->names.names = more;
    more[n->names.count] = mem_strdup(part);
    if (!more[n->names.count])
        return KITH_NOMEM;
    n->names.count++;
    return 0;
}

int kith_snapshot_parts(const kith_snapshot_file *file, kith_names *ret_parts, kith_err *err)
{
    const struct snapshot_file *f = (const struct snapshot_file *)(const void *)file;
    struct naming parts = {0};
    struct ctx c;
    int rc;

    ctx_init(&c, NULL);
    rc = snapshot_parts(f, add_part, &parts);
    if (rc >= 0)
        *ret_parts = parts.names;
    else
        kith_names_free(&parts.names);
    return finish(&c, rc < 0 ? err_nomem(&c) : 0, err);
}

int kith_snapshot_omit(kith_snapshot_file *file, const kith_names *parts, size_t *ret_left, kith_err *err)
{
    struct strmap named = {0};
    struct ctx c;
    int rc = 0;

    ctx_init(&c, NULL);
    for (size_t i = 0; i < parts->count && rc >= 0; i++)
        rc = strmap_put(&named, parts->names[i]) ? 0 : err_nomem(&c);
    if (rc >= 0)
        *ret_left = snapshot_omit((struct snapshot_file *)(void *)file, &named);
    strmap_release(&named);
    return finish(&c, rc, err);
}

int kith_snapshot_import(kith_db *db, const void *data, size_t size, const char *to, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, snapshot_import(&c, db_of(db), (struct bytes){data, size}, to), err);
}
