/* db.c - a directory as a database: opening, closing, and the names in it. */
#include "engine/engine.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

enum { GROWING_ROWS = 50000, GRAPH_ROWS = 2000, REVISED_MANY = 1024, REVISED_MAX = 4096 };

/* ---- names ---------------------------------------------------------------------------------------- */

int db_not_found(struct ctx *c, const char *name)
{
    return err_set(c, KITH_NOT_FOUND, "Collection `%.180s` doesn't exist!", name);
}

int db_shard(struct ctx *c, struct db *db, const char *name, struct shard **ret_shard)
{
    struct shard *s;
    int rc = 0;

    os_mutex_lock(&db->catalog);
    s = catalog_find(db, name);
    if (s) {
        atomic_fetch_add(&s->refs, 1);
        s->used_ns = db->os->mono_ns(db->os);
    }
    os_mutex_unlock(&db->catalog);
    if (!s)
        return db_not_found(c, name);
    if (!atomic_load(&s->view)) {
        os_mutex_lock(&s->lock);
        rc = shard_load(c, s);
        os_mutex_unlock(&s->lock);
    }
    if (rc < 0) {
        shard_unref(s);
        return rc;
    }
    *ret_shard = s;
    return 0;
}

struct view *db_pin_loaded(struct db *db, const char *name, struct measured *ret_measured)
{
    struct view *view;
    struct shard *s;

    os_mutex_lock(&db->catalog);
    s = catalog_find(db, name);
    view = s ? shard_pin(s) : NULL;
    if (s)
        monitor_read(&s->monitor, ret_measured);
    os_mutex_unlock(&db->catalog);
    return view;
}

bool db_has_name(struct db *db, const char *name)
{
    bool found;

    os_mutex_lock(&db->catalog);
    found = catalog_find(db, name) != NULL;
    os_mutex_unlock(&db->catalog);
    return found;
}

/* The fact "collection/<name>". */
static void encode_collection(uint64_t id, uint64_t created_ms, const struct schema *schema, struct buf *out)
{
    buf_u64(out, id);
    buf_u64(out, created_ms);
    schema_encode(schema, out);
}

static int put_collection(struct ctx *c, struct db *db, const struct shard *s, const struct schema *schema, bool fresh)
{
    struct meta_change changes[2] = {{0}};
    struct buf out, next;
    char *key = os_path(&c->arena, "collection", s->name);
    struct meta_compare compare = {.key = key};
    int rc;

    if (!key)
        return err_nomem(c);
    buf_init(&out);
    buf_init(&next);
    encode_collection(s->id, s->created_ms, schema, &out);
    buf_u64(&next, s->id + 1);
    changes[0] = (struct meta_change){key, {out.data, out.size}, false};
    changes[1] = (struct meta_change){"next-shard", {next.data, next.size}, false};
    rc = out.failed || next.failed ? err_nomem(c)
                                   : db->meta->ops->swap(c, db->meta, &compare, fresh, changes, fresh ? 2 : 1);
    buf_release(&out);
    buf_release(&next);
    return rc;
}

int db_check_name(struct ctx *c, const char *name)
{
    size_t n = strlen(name);

    if (n < 1 || n > 255 || strpbrk(name, "<>:\"/\\|?*\x1f"))
        return err_set(c, KITH_INVALID,
                       "collection name \"%.64s\": expected 1 to 255 characters without < > : \" / \\ | ? *", name);
    return 0;
}

int db_create(struct ctx *c, struct db *db, const char *name, const kith_schema *given)
{
    struct schema *schema;
    struct shard *s = NULL;
    int rc;

    TRY(db_check_name(c, name));
    TRY(schema_new(c, given, &schema));
    os_mutex_lock(&db->catalog);
    rc = catalog_find(db, name) ? err_set(c, KITH_EXISTS, "Collection `%.180s` already exists!", name) : 0;
    if (rc >= 0) {
        s = shard_new(db, db->next_shard, name);
        rc = s ? 0 : err_nomem(c);
    }
    if (rc >= 0) {
        s->schema = schema_ref(schema);
        s->created_ms = db->os->wall_ns(db->os) / 1000000;
        s->loaded = true;
        s->covers = s->applied = db->log->ops->end(db->log, 0); /* older records of this id cannot be */
        rc = shard_publish(c, s);
    }
    if (rc >= 0) /* room first: what is on disk is then in the catalog too */
        rc = catalog_add(c, db, s);
    if (rc >= 0) {
        rc = put_collection(c, db, s, schema, true);
        if (rc < 0)
            catalog_remove(db, s);
        else
            db->next_shard++;
    }
    os_mutex_unlock(&db->catalog);
    if (rc < 0)
        shard_unref(s);
    schema_unref(schema);
    return rc;
}

static int remove_facts(struct ctx *c, struct db *db, const struct shard *s)
{
    size_t count = 2, capacity = 2 + db->aliases.count;
    struct meta_change *changes = arena_zalloc(&c->arena, capacity * sizeof *changes);
    char pointer[40];

    if (!changes)
        return err_nomem(c);
    shard_key(s, pointer);
    changes[0].key = os_path(&c->arena, "collection", s->name);
    changes[1].key = pointer;
    for (size_t i = 0; i < db->aliases.capacity; i++) {
        const struct strmap_entry *e = &db->aliases.entries[i];
        if (e->key && strcmp((const char *)(uintptr_t)e->value, s->name) == 0)
            changes[count++].key = os_path(&c->arena, "alias", e->key);
    }
    for (size_t i = 0; i < count; i++) {
        changes[i].remove = true;
        if (!changes[i].key)
            return err_nomem(c);
    }
    return db->meta->ops->swap(c, db->meta, NULL, 0, changes, count);
}

static void forget_aliases(struct db *db, const char *target)
{
    for (size_t i = 0; i < db->aliases.capacity;) {
        const struct strmap_entry *e = &db->aliases.entries[i];
        if (e->key && strcmp((const char *)(uintptr_t)e->value, target) == 0) {
            mem_free((void *)(uintptr_t)e->value);
            strmap_remove(&db->aliases, e->key);
            i = 0; /* entries have moved */
        } else {
            i++;
        }
    }
}

/* The collection of that name, referenced, its background work held off: a publication must not find the facts
 * half gone. NULL: there is none. */
static struct shard *take_for_drop(struct db *db, const char *name)
{
    for (;;) {
        struct shard *s;
        uint64_t *found;
        os_mutex_lock(&db->catalog);
        found = strmap_get(&db->names, name);
        s = found ? (struct shard *)(uintptr_t)*found : NULL;
        if (s)
            atomic_fetch_add(&s->refs, 1);
        os_mutex_unlock(&db->catalog);
        if (!s)
            return NULL;
        atomic_store(&s->leaving, true);
        sched_drain(&db->sched, &s->maintain);
        if (optimize_claim(s))
            return s;
        shard_unref(s); /* somebody was quicker: perhaps it is dropped by now */
        sched_pause(&db->sched, 1);
    }
}

/* 1: it left the catalogue; 0: another was quicker. */
static int leave_catalog(struct ctx *c, struct db *db, struct shard *s)
{
    uint64_t *found;
    int rc = 0;

    os_mutex_lock(&db->catalog);
    found = strmap_get(&db->names, s->name);
    if (found && *found == (uint64_t)(uintptr_t)s) {
        rc = remove_facts(c, db, s);
        if (rc >= 0) {
            catalog_remove(db, s);
            forget_aliases(db, s->name);
            rc = 1;
        }
    }
    os_mutex_unlock(&db->catalog);
    return rc;
}

/* `gone`: it left the catalogue, and nobody finds it any more. */
static void end_drop(struct db *db, struct shard *s, bool gone)
{
    if (!s)
        return;
    if (gone) {
        os_mutex_lock(&s->lock);
        s->dropped = true;
        os_mutex_unlock(&s->lock);
    }
    atomic_store(&s->leaving, gone);
    optimize_give_back(s);
    if (gone) {
        sched_drain(&db->sched, &s->link);
        sched_drain(&db->sched, &s->monitor.job);
        sched_drain(&db->sched, &s->maintain);
        blobs_let_go(db, &s->blobs);
        shard_unref(s); /* the catalogue's */
    }
    shard_unref(s);
}

int db_drop(struct ctx *c, struct db *db, const char *name)
{
    struct shard *s = take_for_drop(db, name);
    int rc = s ? leave_catalog(c, db, s) : 0;

    end_drop(db, s, rc > 0);
    return rc;
}

/* It takes no more writes: the next start might not know of them. */
static void shard_close(struct shard *s, const char *why)
{
    os_mutex_lock(&s->lock);
    snprintf(s->problem, sizeof s->problem, "%s", why);
    os_mutex_unlock(&s->lock);
}

/* The facts of `s` in the place of those of `old`, which may be NULL. */
static int replace_facts(struct ctx *c, struct db *db, const struct shard *s, const struct shard *old,
                         struct bytes pointer)
{
    struct meta_change changes[4] = {{0}};
    char *keys = arena_zalloc(&c->arena, 2 * 40);
    struct buf fact, next;
    size_t n = 0;
    int rc;

    if (!keys)
        return err_nomem(c);
    buf_init(&fact);
    buf_init(&next);
    encode_collection(s->id, s->created_ms, s->schema, &fact);
    buf_u64(&next, db->next_shard);
    shard_key(s, keys);
    changes[n++] = (struct meta_change){os_path(&c->arena, "collection", s->name), {fact.data, fact.size}, false};
    changes[n++] = (struct meta_change){"next-shard", {next.data, next.size}, false};
    if (pointer.size)
        changes[n++] = (struct meta_change){keys, pointer, false};
    if (old) {
        shard_key(old, keys + 40);
        changes[n++] = (struct meta_change){keys + 40, {NULL, 0}, true};
    }
    rc = fact.failed || next.failed || !changes[0].key ? err_nomem(c)
                                                       : db->meta->ops->swap(c, db->meta, NULL, 0, changes, n);
    buf_release(&fact);
    buf_release(&next);
    return rc;
}

int db_replace(struct ctx *c, struct db *db, struct shard *s, struct bytes pointer)
{
    struct shard *old = take_for_drop(db, s->name);
    bool added = false;
    uint64_t *found;
    int rc = 0;

    os_mutex_lock(&db->catalog);
    found = strmap_get(&db->names, s->name);
    if ((found ? (struct shard *)(uintptr_t)*found : NULL) != old)
        rc = err_set(c, KITH_BUSY, "collection %.180s is being changed; try again", s->name);
    else if (!old && strmap_get(&db->aliases, s->name))
        rc = err_set(c, KITH_EXISTS, "%.180s is an alias", s->name);
    if (rc >= 0 && !old) { /* room first: what is on disk is then in the catalog too */
        rc = catalog_add(c, db, s);
        added = rc >= 0;
    }
    if (rc >= 0) {
        rc = replace_facts(c, db, s, old, pointer);
        if (rc == KITH_IO && old)
            shard_close(old, "whether it was replaced is not known before the next start");
    }
    if (rc < 0 && added)
        catalog_remove(db, s);
    if (rc >= 0 && pointer.size && shard_learn_revision(c, s) < 0) /* it is done all the same */
        shard_close(s, "its revision could not be read; the next start mends that");
    if (rc >= 0 && old)
        catalog_swap(db, old, s);
    os_mutex_unlock(&db->catalog);
    end_drop(db, old, rc >= 0);
    return rc;
}

/* ---- schema changes ---------------------------------------------------------------------------------- */

static int keep_old(struct ctx *c, struct shard *s)
{
    struct schema **olds = mem_realloc(s->old_schemas, (s->old_schemas_count + 1) * sizeof *olds);

    if (!olds)
        return err_nomem(c);
    s->old_schemas = olds;
    olds[s->old_schemas_count++] = s->schema;
    return 0;
}

/* What was made under an older schema. With s->lock held. */
static void configure_growing(struct ctx *c, struct shard *s)
{
    for (size_t i = 0; i < s->frozen_count; i++)
        growing_configure(c, s->frozen[i].segment, s->schema);
    if (s->growing.segment)
        growing_configure(c, s->growing.segment, s->schema);
    link_post(s);
}

/* Segments know the vectors that there were when they were made or opened: files are opened anew, and what grows makes
 * room for one that knows the new ones. With s->lock held, and no job at work on the shard. */
struct reopening {
    struct segment *opened[SEALED_MAX];
    size_t count;
};

static int reopen_all(struct ctx *c, struct shard *s, const struct schema *schema, struct reopening *r)
{
    for (r->count = 0; r->count < s->sealed_count; r->count++) {
        const struct segment *old = s->sealed[r->count];
        TRY(sealed_reopen(c, s->db->blobs, schema, old, sealed_files(old), &r->opened[r->count]));
    }
    return s->growing.segment ? optimize_freeze(c, s) : 0;
}

static void take_reopened(struct shard *s, struct reopening *r)
{
    for (size_t i = 0; i < r->count; i++) {
        segment_unref(s->sealed[i]);
        s->sealed[i] = r->opened[i];
    }
    r->count = 0;
}

/* With s->lock held, and the catalogue's. */
static int change_held(struct ctx *c, struct db *db, struct shard *s, const char *name,
                       const struct schema_change *change)
{
    struct reopening r = {.count = 0};
    struct schema *schema = NULL;
    int rc = s->dropped ? db_not_found(c, name) : schema_change(c, s->schema, change, &schema);

    if (rc >= 0 && (change->add_vector || change->drop_vector))
        rc = reopen_all(c, s, schema, &r);
    if (rc >= 0)
        rc = put_collection(c, db, s, schema, false);
    if (rc >= 0)
        rc = keep_old(c, s);
    if (rc >= 0) {
        s->schema = schema;
        take_reopened(s, &r);
        configure_growing(c, s);
        rc = shard_publish(c, s);
    } else {
        schema_unref(schema);
    }
    for (size_t i = 0; i < r.count; i++)
        segment_unref(r.opened[i]);
    return rc;
}

int db_change_schema(struct ctx *c, struct db *db, const char *name, const struct schema_change *change)
{
    bool vectors = change->add_vector || change->drop_vector;
    struct shard *s;
    int rc;

    TRY(db_shard(c, db, name, &s));
    if (vectors)
        optimize_hold(s);
    os_mutex_lock(&db->catalog);
    os_mutex_lock(&s->lock);
    rc = change_held(c, db, s, name, change);
    os_mutex_unlock(&s->lock);
    os_mutex_unlock(&db->catalog);
    if (vectors)
        optimize_give_back(s);
    if (rc >= 0)
        sched_post(&db->sched, &s->maintain, false);
    shard_unref(s);
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

struct opening {
    struct ctx *c;
    struct db *db;
    bool secured;
};

static int load_collection(void *arg, const struct meta_item *item)
{
    struct opening *o = arg;
    struct reader r = reader_of(item->value.data, item->value.size);
    uint64_t id = read_u64(&r), created = read_u64(&r);
    struct bytes rest = {r.at, (size_t)(r.end - r.at)};
    struct shard *s = shard_new(o->db, id, strchr(item->key, '/') + 1);
    struct schema *schema = NULL;
    int rc;

    if (!s)
        return err_nomem(o->c);
    s->created_ms = created;
    rc = schema_decode(o->c, rest, &schema);
    s->schema = schema;
    if (rc >= 0)
        rc = catalog_add(o->c, o->db, s);
    if (rc < 0) {
        shard_unref(s);
        return rc;
    }
    o->db->next_shard = MAX(o->db->next_shard, id + 1);
    return 0;
}

static int load_alias(void *arg, const struct meta_item *item)
{
    struct opening *o = arg;
    uint64_t *slot = strmap_put(&o->db->aliases, strchr(item->key, '/') + 1);
    char *target = mem_alloc(item->value.size + 1);

    if (!slot || !target) {
        mem_free(target);
        return err_nomem(o->c);
    }
    memcpy(target, item->value.data, item->value.size);
    target[item->value.size] = 0;
    *slot = (uint64_t)(uintptr_t)target;
    return 0;
}

static int load_pointer(void *arg, const struct meta_item *item)
{
    struct opening *o = arg;
    struct manifest_pointer p;
    unsigned long long id = 0;

    if (sscanf(item->key, "shard/%16llx", &id) != 1)
        return 0;
    for (size_t i = 0; i < o->db->shards_count; i++) {
        struct shard *s = o->db->shards[i];
        if (s->id != id)
            continue;
        s->meta_revision = item->revision;
        TRY(manifest_pointer_read(o->c, item->value, &p, &s->blobs));
        shard_take_pointer(s, &p);
        return blobs_hold(o->c, o->db, &s->blobs);
    }
    return 0;
}

static int load_next(void *arg, const struct meta_item *item)
{
    struct opening *o = arg;
    struct reader r = reader_of(item->value.data, item->value.size);
    uint64_t next = read_u64(&r);

    o->db->next_shard = MAX(o->db->next_shard, MUTANT(MUTANT_REUSE_SHARD_IDS) ? 1 : next);
    return 0;
}

static int load_catalog(struct ctx *c, struct db *db)
{
    struct opening o = {c, db, false};
    const struct meta_ops *m = db->meta->ops;

    TRY(m->scan(c, db->meta, "next-shard", load_next, &o));
    TRY(m->scan(c, db->meta, "collection/", load_collection, &o));
    TRY(m->scan(c, db->meta, "alias/", load_alias, &o));
    TRY(m->scan(c, db->meta, "shard/", load_pointer, &o));
    return snapshot_hold_all(c, db);
}

/* Files that no manifest names: left by a crash between writing and publishing. */
static int sweep_blob(void *arg, const char *key)
{
    struct opening *o = arg;

    if (strmap_get(&o->db->blob_refs, key) && !MUTANT(MUTANT_SWEEP_NAMED_BLOBS))
        return 0;
    if (!o->secured) /* the names that count may not be durable yet: a power failure would bring back older ones */
        TRY(o->db->meta->ops->secure(o->c, o->db->meta));
    o->secured = true;
    return o->db->blobs->ops->remove(o->c, o->db->blobs, key);
}

static int lock_directory(struct ctx *c, struct db *db)
{
    char *path = os_path(&c->arena, db->dir, "lock");
    int rc = db->os->mkdir(db->os, db->dir);

    if (!path)
        return err_nomem(c);
    if (rc >= 0)
        rc = db->os->open(db->os, path, OS_WRITE | OS_CREATE, &db->lock_file);
    if (rc < 0) {
        db->lock_file = NULL;
        return os_error(c, rc, "open", db->dir);
    }
    rc = db->lock_file->ops->lock(db->lock_file);
    if (rc == -EAGAIN)
        return err_set(c, KITH_BUSY, "%s is held by another process", db->dir);
    return rc < 0 ? os_error(c, rc, "lock", path) : 0;
}

static int open_stores(struct ctx *c, struct db *db)
{
    struct wal_options wal = {db->options.log_file_bytes, db->options.durability == KITH_DURABLE_NONE};
    struct opening o = {c, db, false};
    char *log_dir = os_path(&c->arena, db->dir, "log"), *blob_dir = os_path(&c->arena, db->dir, "blobs");

    if (!log_dir || !blob_dir)
        return err_nomem(c);
    TRY(lock_directory(c, db));
    TRY(meta_sqlite_open(c, db->dir, &db->meta));
    TRY(blob_dir_open(c, blob_dir, &db->blobs));
    db->blobs->copied_max = db->options.memory_bytes / 2;
    TRY(load_catalog(c, db));
    TRY(db->blobs->ops->list(c, db->blobs, sweep_blob, &o));
    TRY(wal_open(c, log_dir, &wal, &db->log));
    if (db->os->sync_dir(db->os, db->dir) < 0)
        return err_set(c, KITH_IO, "sync %s failed", db->dir);
    return write_replay(c, db);
}

/* What the log lost may have been for any shard: none of them takes writes any more. */
static void note_log_damage(struct db *db)
{
    const struct log_damage *d = db->log->ops->damage(db->log);

    for (size_t i = 0; i < db->shards_count && d->from; i++) {
        struct shard *s = db->shards[i];
        if (!s->problem[0])
            snprintf(s->problem, sizeof s->problem, "%s", d->text);
        if (!s->held_offset)
            s->held_offset = d->from;
    }
}

static void set_options(struct db *db, const kith_options *given)
{
    kith_options *o = &db->options;

    if (given)
        *o = *given;
    if (!o->threads)
        o->threads = os_cores();
    if (!o->memory_bytes)
        o->memory_bytes = os_memory_bytes() / 2;
    if (!o->growing_rows_max)
        o->growing_rows_max = GROWING_ROWS;
    if (!o->log_file_bytes)
        o->log_file_bytes = 64 << 20;
    db->log_soft_bytes = o->log_file_bytes * 4;
    db->graph_rows_min = GRAPH_ROWS;
    db->revised_many = REVISED_MANY;
    db->revised_max = REVISED_MAX;
}

static void db_free(struct db *db)
{
    struct ctx c;

    ctx_init(&c, db->os);
    for (size_t i = 0; i < db->shards_count; i++)
        shard_unref(db->shards[i]);
    shard_reap_step(&db->reap);
    epoch_release(&db->epoch);
    if (db->log)
        db->log->ops->close(&c, db->log);
    if (db->blobs)
        db->blobs->ops->free(db->blobs);
    if (db->meta)
        db->meta->ops->close(db->meta);
    if (db->lock_file)
        db->lock_file->ops->close(db->lock_file);
    alias_release_all(&db->aliases);
    strmap_release(&db->names);
    strmap_release(&db->blob_refs);
    scratch_pool_release(&db->scratch);
    sched_release(&db->sched);
    os_mutex_release(&db->catalog);
    os_mutex_release(&db->blobs_lock);
    os_mutex_release(&db->timed_lock);
    mem_free(db->shards);
    mem_free(db->dir);
    mem_free_aligned(db);
    ctx_release(&c);
}

int db_open(struct ctx *c, const struct os *os, const char *dir, const kith_options *options, struct db **ret_db)
{
    struct db *db = mem_aligned(sizeof *db);
    int rc;

    if (!db)
        return err_nomem(c);
    db->os = os;
    db->dir = mem_strdup(dir);
    db->kernels = kernels_best(NULL);
    db->next_shard = 1;
    set_options(db, options);
    epoch_init(&db->epoch);
    sched_init(&db->sched, os);
    job_init(&db->commit, write_commit_step, true);
    job_init(&db->trim, write_trim_step, false);
    job_init(&db->idle, idle_step, false);
    job_init(&db->reap, shard_reap_step, false);
    job_init(&db->late, write_late_step, false);
    os_mutex_init(&db->timed_lock);
    sched_every(&db->sched, &db->idle, 60);
    os_mutex_init(&db->catalog);
    os_mutex_init(&db->blobs_lock);
    rc = db->dir ? open_stores(c, db) : err_nomem(c);
    if (rc >= 0) {
        note_log_damage(db);
        rc = sched_start(c, &db->sched, db->options.threads);
    }
    if (rc < 0) {
        db_free(db);
        return rc;
    }
    *ret_db = db;
    return 0;
}

/* Jobs that are queued when the threads have ended: what was asked is still made durable. */
static void run_left_over(struct db *db)
{
    while (sched_run(&db->sched, false, 0))
        ;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    atomic_store(&db->closing, true);
    sched_stop(&db->sched);
    run_left_over(db);
    db_free(db);
}

bool db_step(struct db *db, uint32_t pick)
{
    return sched_run(&db->sched, false, pick);
}
