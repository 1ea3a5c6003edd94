/* backup.c - making backups: a database's facts at one moment, the blobs that they name and are not there yet, and the
 * log from where the last copy of it ended. By the log a backup can be restored as of any record after it (restore.c;
 * docs/format/backup.md). Writes go on meanwhile. */
#include "engine/backup.h"

#include "base/mem.h"
#include "codec/date.h"
#include "engine/engine.h"
#include "store/pack.h"

#include <errno.h>
#include <stdio.h>

struct backing_up {
    struct ctx *c;
    struct db *db;
    struct backup_dir dir;
    struct backup now;
    uint64_t from;       /* first record that the facts do not cover */
    struct strmap blobs; /* that they name, */
    bool held;           /* and that stay while they are copied */
    uint64_t copied;     /* bytes */
};

/* ---- the facts, and what they name ------------------------------------------------------------------------------- */

struct gathering {
    struct backing_up *x;
    size_t capacity;
    uint64_t collections, pointers; /* how many there are */
};

static bool is_prefix(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static int gather_pointer(struct gathering *g, struct bytes value)
{
    struct shard as = {0};
    struct manifest_pointer p;

    TRY(manifest_pointer_read(g->x->c, value, &p, &g->x->blobs));
    as.covers = p.covers;
    as.era = p.era;
    as.era_offset = p.era_offset;
    g->x->from = MIN(g->x->from, shard_replay_from(&as));
    g->pointers++;
    return 0;
}

/* All but other states with names, and who this database is. */
static int gather_fact(void *arg, const struct meta_item *item)
{
    struct gathering *g = arg;
    struct backup *b = &g->x->now;
    struct arena *a = &g->x->c->arena;
    struct meta_change *to;

    if (is_prefix(item->key, "snapshot/") || strcmp(item->key, LINEAGE_KEY) == 0)
        return 0;
    if (b->facts_count == g->capacity) {
        size_t capacity = MAX(g->capacity * 2, (size_t)32);
        struct meta_change *more = arena_alloc(a, capacity * sizeof *more);
        if (!more)
            return err_nomem(g->x->c);
        if (b->facts_count)
            memcpy(more, b->facts, b->facts_count * sizeof *more);
        b->facts = more;
        g->capacity = capacity;
    }
    to = &b->facts[b->facts_count++];
    *to = (struct meta_change){.key = arena_str(a, item->key, strlen(item->key)),
                               .value = {arena_copy(a, item->value.data, item->value.size), item->value.size}};
    g->collections += is_prefix(item->key, "collection/");
    return !to->key || (item->value.size && !to->value.data) ? err_nomem(g->x->c)
           : is_prefix(item->key, "shard/")                  ? gather_pointer(g, item->value)
                                                             : 0;
}

static int gather(struct backing_up *x)
{
    struct gathering g = {.x = x};

    x->now.facts = NULL;
    x->now.facts_count = 0;
    x->from = UINT64_MAX;
    TRY(x->db->meta->ops->scan(x->c, x->db->meta, "", gather_fact, &g));
    if (g.pointers < g.collections) /* of those the log has everything */
        x->from = 1;
    return 0;
}

static bool same_facts(const struct backup *a, const struct backup *b)
{
    bool same = a->facts_count == b->facts_count;

    for (size_t i = 0; same && i < a->facts_count; i++) {
        const struct meta_change *p = &a->facts[i], *q = &b->facts[i];
        same = strcmp(p->key, q->key) == 0 && p->value.size == q->value.size &&
               (!p->value.size || memcmp(p->value.data, q->value.data, p->value.size) == 0);
    }
    return same;
}

static void let_go(struct backing_up *x)
{
    if (x->held)
        blobs_let_go(x->db, &x->blobs);
    x->held = false;
    strmap_release(&x->blobs);
}

/* Whether the facts are still those that were gathered. */
static int look_again(const struct backing_up *x, bool *ret_same)
{
    struct backing_up again = *x;
    int rc;

    again.blobs = (struct strmap){0};
    rc = gather(&again);
    strmap_release(&again.blobs);
    *ret_same = rc >= 0 && same_facts(&x->now, &again.now);
    return rc;
}

/* Blobs are held a moment after they were read of; if the facts are still the same then, they were named all along. */
static int hold_facts(struct backing_up *x)
{
    for (int i = 0; i < 1000; i++) {
        bool same;
        int rc;
        TRY(gather(x));
        TRY(blobs_hold(x->c, x->db, &x->blobs));
        x->held = true;
        rc = look_again(x, &same);
        if (rc < 0 || same)
            return rc;
        let_go(x);
    }
    return err_set(x->c, KITH_BUSY, "the database changes too fast to be backed up");
}

/* ---- who it is --------------------------------------------------------------------------------------------------- */

/* A number that no other database has; made when it is first asked for. */
static int lineage_of(struct ctx *c, struct db *db, uint64_t *ret)
{
    struct meta_compare compare = {.key = LINEAGE_KEY};
    struct meta_change change = {.key = LINEAGE_KEY};
    struct meta_item item;
    uint64_t fresh;
    int rc;

    db->os->random(db->os, &fresh, sizeof fresh);
    change.value = (struct bytes){(const uint8_t *)&fresh, sizeof fresh};
    rc = db->meta->ops->swap(c, db->meta, &compare, 1, &change, 1);
    if (rc < 0 && rc != KITH_BUSY)
        return rc;
    TRY(db->meta->ops->get(c, db->meta, LINEAGE_KEY, &item));
    if (item.value.size != sizeof *ret)
        return err_set(c, KITH_CORRUPT, "metadata: the lineage is malformed");
    memcpy(ret, item.value.data, sizeof *ret);
    return 0;
}

static int check_whole(struct ctx *c, struct db *db)
{
    int rc = 0;

    os_mutex_lock(&db->catalog);
    for (size_t i = 0; i < db->shards_count && rc >= 0; i++) {
        struct shard *s = db->shards[i];
        os_mutex_lock(&s->lock);
        if (s->problem[0])
            rc = err_set(c, KITH_CORRUPT, "collection %.80s is damaged: %.120s", s->name, s->problem);
        os_mutex_unlock(&s->lock);
    }
    os_mutex_unlock(&db->catalog);
    return rc;
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

/* A new one, unless an earlier try left it: that goes on. */
static int begin_run(struct backing_up *x, uint64_t run)
{
    struct ctx *c = x->c;
    char *path = backup_run_path(c, &x->dir, run);
    int empty = path ? os_make_dir(c, path) : err_nomem(c);

    if (empty <= 0)
        return empty;
    TRY(wal_begin(c, path, run));
    return c->os->sync_dir(c->os, x->dir.log) < 0 ? err_set(c, KITH_IO, "sync %s failed", x->dir.log) : 0;
}

static int open_run(struct backing_up *x, uint64_t run, struct log **ret_log)
{
    uint64_t end, upto = x->now.upto;

    x->now.run = run;
    TRY(backup_run_open(x->c, &x->dir, run, ret_log));
    end = (*ret_log)->ops->end(*ret_log, 0);
    if (end <= upto)
        return 0;
    (*ret_log)->ops->close(x->c, *ret_log);
    return err_set(x->c, KITH_INVALID, "the database's log ends at record %llu, before what was backed up (%llu): begin "
                   "another directory", (unsigned long long)upto, (unsigned long long)end);
}

/* The run that goes on with the log as it is now: the newest one, if no record between them is gone; or a new one. */
static int continue_run(struct backing_up *x, struct log **ret_log)
{
    struct log *log = x->db->log;
    uint64_t first = log->ops->first(log, 0), begin = MIN(MAX(x->from, first), x->now.upto + 1);

    if (x->dir.count) {
        TRY(open_run(x, x->dir.list[x->dir.count - 1].run, ret_log));
        if ((*ret_log)->ops->end(*ret_log, 0) + 1 >= first)
            return 0;
        (*ret_log)->ops->close(x->c, *ret_log);
    }
    TRY(begin_run(x, begin));
    return open_run(x, begin, ret_log);
}

static int copy_log(struct backing_up *x)
{
    struct log *run;
    int rc;

    TRY(continue_run(x, &run));
    rc = log_copy(x->c, x->db->log, x->now.upto, run);
    run->ops->close(x->c, run);
    return rc;
}

/* ---- blobs ------------------------------------------------------------------------------------------------------- */

static int copy_blobs(struct backing_up *x)
{
    x->now.blobs = arena_alloc(&x->c->arena, MAX(x->blobs.count, (size_t)1) * sizeof *x->now.blobs);
    if (!x->now.blobs)
        return err_nomem(x->c);
    for (size_t i = 0; i < x->blobs.capacity; i++) {
        const char *key = x->blobs.entries[i].key;
        uint64_t copied;
        if (!key)
            continue;
        x->now.blobs[x->now.blobs_count++] = key; /* it stays with the map */
        TRY(pack_copy(x->c, x->db->blobs, key, x->dir.blobs, &copied));
        x->copied += copied;
    }
    return 0;
}

/* ---- older ones -------------------------------------------------------------------------------------------------- */

struct pruning {
    struct ctx *c;
    struct backup_dir *dir;
    struct strmap named;
};

static int drop_blob(void *arg, const char *key)
{
    struct pruning *p = arg;

    return strmap_get(&p->named, key) ? 0 : p->dir->blobs->ops->remove(p->c, p->dir->blobs, key);
}

static int drop_unnamed(struct pruning *p, size_t from)
{
    for (size_t i = from; i < p->dir->count; i++) {
        const struct backup *b = &p->dir->list[i];
        for (size_t k = 0; k < b->blobs_count; k++) {
            if (!strmap_put(&p->named, b->blobs[k]))
                return err_nomem(p->c);
        }
    }
    return p->dir->blobs->ops->list(p->c, p->dir->blobs, drop_blob, p);
}

struct emptying {
    struct ctx *c;
    const char *path;
};

static int drop_file(void *arg, const char *name)
{
    const struct emptying *e = arg;
    char *path = os_path(&e->c->arena, e->path, name);

    return path ? e->c->os->remove(e->c->os, path) : -ENOMEM;
}

static int drop_run(struct ctx *c, const struct backup_dir *d, uint64_t run)
{
    struct emptying e = {c, backup_run_path(c, d, run)};
    int rc = e.path ? c->os->list(c->os, e.path, drop_file, &e) : -ENOMEM;

    if (rc >= 0)
        rc = c->os->remove(c->os, e.path);
    return rc < 0 && rc != -ENOENT ? os_error(c, rc, "remove", e.path ? e.path : d->log) : 0;
}

/* Runs of the first `drop` that no other needs; of the oldest that stays what lies before it. */
static int drop_log(struct pruning *p, size_t drop)
{
    const struct backup *oldest = &p->dir->list[drop];
    struct log *run;

    for (size_t i = 0; i < drop; i++) {
        if (p->dir->list[i].run != oldest->run && (!i || p->dir->list[i].run != p->dir->list[i - 1].run))
            TRY(drop_run(p->c, p->dir, p->dir->list[i].run));
    }
    TRY(backup_run_open(p->c, p->dir, oldest->run, &run));
    (void)run->ops->trim(p->c, run, 0, oldest->from, 0);
    run->ops->close(p->c, run);
    return 0;
}

/* First the names, then what nobody names: in a crash between them something stays, and goes the next time. */
static int prune(struct ctx *c, struct backup_dir *dir, uint32_t keep)
{
    struct pruning p = {c, dir, {0}};
    size_t drop;
    int rc = backup_dir_list(c, dir); /* with the newest */

    drop = rc >= 0 && dir->count > keep ? dir->count - keep : 0;
    for (size_t i = 0; i < drop && rc >= 0; i++) {
        char *file = os_path(&c->arena, dir->backups, dir->list[i].name);
        rc = file ? c->os->remove(c->os, file) : -ENOMEM;
        rc = rc < 0 ? os_error(c, rc, "remove", dir->list[i].name) : 0;
    }
    if (rc >= 0 && c->os->sync_dir(c->os, dir->backups) < 0)
        rc = err_set(c, KITH_IO, "sync %s failed", dir->backups);
    if (rc >= 0)
        rc = drop_unnamed(&p, drop);
    if (rc >= 0 && dir->count > drop)
        rc = drop_log(&p, drop);
    strmap_release(&p.named);
    return rc;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int name_it(struct backing_up *x)
{
    struct backup *last = x->dir.count ? &x->dir.list[x->dir.count - 1] : NULL;

    x->now.created_ms = x->db->os->wall_ns(x->db->os) / 1000000;
    if (last && last->lineage != x->now.lineage)
        return err_set(x->c, KITH_INVALID, "%s holds backups of another database (what was restored is another one)",
                       x->dir.path);
    if (last) /* names are in order, whatever the clock says */
        x->now.created_ms = MAX(x->now.created_ms, last->created_ms + 1);
    date_name(x->now.created_ms, x->now.name);
    return 0;
}

static int make(struct backing_up *x)
{
    TRY(check_whole(x->c, x->db));
    TRY(lineage_of(x->c, x->db, &x->now.lineage));
    TRY(name_it(x));
    TRY(hold_facts(x));
    x->now.upto = x->db->log->ops->end(x->db->log, 0); /* all that the facts cover is before it */
    x->now.from = MIN(x->from, x->now.upto + 1);
    TRY(copy_blobs(x));
    TRY(copy_log(x));
    return backup_write(x->c, &x->dir, &x->now);
}

int backup_make(struct ctx *c, struct db *db, const char *dir, uint32_t keep, struct backup_info *ret_info)
{
    struct backing_up x = {.c = c, .db = db};
    int rc;

    TRY(backup_dir_open(c, dir, true, &x.dir));
    atomic_fetch_add(&db->log_held, 1);
    sched_drain(&db->sched, &db->trim);
    rc = make(&x);
    atomic_fetch_sub(&db->log_held, 1);
    sched_post(&db->sched, &db->trim, false);
    let_go(&x);
    if (rc >= 0) {
        *ret_info = (struct backup_info){.created_ms = x.now.created_ms, .lsn = x.now.upto, .copied = x.copied};
        snprintf(ret_info->name, sizeof ret_info->name, "%s", x.now.name);
    }
    if (rc >= 0 && keep)
        rc = prune(c, &x.dir, keep);
    backup_dir_close(&x.dir);
    return rc;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* How far the log of each goes: up to there it can be restored as of any record. */
int backup_each(struct ctx *c, const char *path, int (*each)(void *arg, const struct backup_info *info), void *arg)
{
    struct backup_dir dir;
    uint64_t run = 0, reach = 0;
    int rc = 0;

    TRY(backup_dir_open(c, path, false, &dir));
    for (size_t i = 0; i < dir.count && rc >= 0; i++) {
        const struct backup *b = &dir.list[i];
        struct backup_info info = {.created_ms = b->created_ms, .lsn = b->upto};
        if (b->run != run) {
            struct log *log;
            rc = backup_run_open(c, &dir, b->run, &log);
            if (rc < 0)
                break;
            run = b->run;
            reach = log->ops->end(log, 0);
            log->ops->close(c, log);
        }
        info.reach = reach;
        snprintf(info.name, sizeof info.name, "%s", b->name);
        rc = each(arg, &info);
    }
    backup_dir_close(&dir);
    return rc;
}
