/* kith_backup.c - backups, and databases made of them. */
#include "base/mem.h"
#include "engine/engine.h"
#include "kith_calls.h"

struct adding {
    kith_backups *to;
    size_t room;
};

static int add(void *arg, const struct backup_info *info)
{
    struct adding *a = arg;
    kith_backups *to = a->to;
    kith_backup *more = more_room(to->backups, to->count, &a->room, sizeof *more);

    if (!more)
        return KITH_NOMEM;
    to->backups = more;
    to->backups[to->count] = (kith_backup){mem_strdup(info->name), info->created_ms, info->lsn, info->reach,
                                           info->copied};
    if (!to->backups[to->count].name)
        return KITH_NOMEM;
    to->count++;
    return 0;
}

void kith_backups_free(kith_backups *b)
{
    for (size_t i = 0; b && i < b->count; i++)
        mem_free(b->backups[i].name);
    if (b)
        mem_free(b->backups);
}

/* Hands the list over, or frees it. */
static int give(struct ctx *c, int rc, kith_backups *list, kith_backups *ret, kith_err *err)
{
    if (rc >= 0)
        *ret = *list;
    else
        kith_backups_free(list);
    return finish(c, rc, err);
}

int kith_backup_make(kith_db *db, const char *dir, uint32_t keep, kith_backups *ret_made, kith_err *err)
{
    kith_backups made = {0};
    struct adding a = {&made, 0};
    struct backup_info info;
    struct ctx c;
    int rc;

    ctx_init(&c, db_of(db)->os);
    rc = backup_make(&c, db_of(db), dir, keep, &info);
    if (rc >= 0 && add(&a, &info) < 0)
        rc = err_nomem(&c);
    return give(&c, rc, &made, ret_made, err);
}

int kith_backup_list(const char *dir, kith_backups *ret_backups, kith_err *err)
{
    kith_backups list = {0};
    struct adding a = {&list, 0};
    struct ctx c;

    ctx_init(&c, os_linux());
    return give(&c, backup_each(&c, dir, add, &a), &list, ret_backups, err);
}

int kith_backup_restore(const char *dir, const char *name, uint64_t as_of, uint64_t time_ms, const char *to,
                        uint64_t *ret_lsn, kith_err *err)
{
    const struct backup_point at = {name, as_of, time_ms};
    uint64_t last = 0;
    struct ctx c;
    int rc;

    ctx_init(&c, os_linux());
    rc = backup_restore(&c, dir, &at, to, &last);
    if (rc >= 0 && ret_lsn)
        *ret_lsn = last;
    return finish(&c, rc, err);
}
