/* snapshot.c - states with names. A snapshot is what a manifest's pointer says, kept under another name: its blobs
 * are immutable, so nothing is copied, and they stay as long as somebody names them (docs/format/snapshot.md).
 *
 * A restored state becomes a new shard: records of the old one no longer concern it. LSNs to come must lie above all
 * that it holds, also if it comes from a database whose log was longer: they belong to a new era. */
#include "engine/snapshot.h"

#include "base/mem.h"
#include "codec/date.h"
#include "engine/tar.h"

#include <stdio.h>
#include <stdlib.h>

enum { SNAPSHOT_FORM = 1, ERA_MAX = UINT16_MAX };

/* ---- records ------------------------------------------------------------------------------- */

static int read_kept(struct ctx *c, struct reader *r, struct kept *to, struct strmap *blobs)
{
    struct manifest_pointer p;

    to->name = read_str(r, &c->arena);
    to->owner = read_varint(r);
    to->schema = read_blob(r);
    to->pointer = read_blob(r);
    if (r->failed || !to->name)
        return err_set(c, KITH_CORRUPT, "a snapshot's record is malformed");
    return to->pointer.size ? manifest_pointer_read(c, to->pointer, &p, blobs) : 0;
}

int kept_set_read(struct ctx *c, struct bytes value, struct kept_set *to)
{
    struct reader r = reader_of(value.data, value.size);
    uint8_t form = read_u8(&r);
    uint64_t count;

    memset(to, 0, sizeof *to);
    to->created_ms = read_u64(&r);
    to->size = read_u64(&r);
    count = read_varint(&r);
    if (form != SNAPSHOT_FORM || r.failed || count > value.size)
        return err_set(c, KITH_CORRUPT, "a snapshot's record is malformed");
    to->kept = arena_zalloc(&c->arena, MAX(count, (uint64_t)1) * sizeof *to->kept);
    if (!to->kept)
        return err_nomem(c);
    for (; to->count < count; to->count++)
        TRY(read_kept(c, &r, &to->kept[to->count], &to->blobs));
    count = read_varint(&r);
    to->aliases = count <= value.size ? arena_zalloc(&c->arena, MAX(count, (uint64_t)1) * 2 * sizeof(char *)) : NULL;
    for (; to->aliases && to->aliases_count < count && !r.failed; to->aliases_count++) {
        to->aliases[to->aliases_count * 2] = read_str(&r, &c->arena);
        to->aliases[to->aliases_count * 2 + 1] = read_str(&r, &c->arena);
    }
    return to->aliases && !r.failed && r.at == r.end ? 0 : err_set(c, KITH_CORRUPT, "a snapshot's record is malformed");
}

static char *fact_key(struct ctx *c, const char *collection, const char *name)
{
    size_t size = strlen(collection) + strlen(name) + 16;
    char *key = arena_alloc(&c->arena, size);

    if (key)
        snprintf(key, size, "snapshot/%s/%s", collection, name);
    return key;
}

/* The real name behind an alias; "" for all collections. */
static const char *collection_of(struct ctx *c, struct db *db, const char *name)
{
    uint64_t *alias;
    const char *real;

    if (!name)
        return "";
    os_mutex_lock(&db->catalog);
    alias = strmap_get(&db->aliases, name);
    real = alias ? (const char *)(uintptr_t)*alias : name;
    real = arena_str(&c->arena, real, strlen(real));
    os_mutex_unlock(&db->catalog);
    return real ? real : name;
}

int kept_set_get(struct ctx *c, struct db *db, const char *collection, const char *name, struct kept_set *to,
                   struct meta_item *item)
{
    char *key = fact_key(c, collection_of(c, db, collection), name);
    int rc = key ? db->meta->ops->get(c, db->meta, key, item) : err_nomem(c);

    if (rc == KITH_NOT_FOUND)
        return err_set(c, KITH_NOT_FOUND, "Snapshot `%.180s` not found", name);
    TRY(rc);
    return kept_set_read(c, item->value, to);
}

struct holding {
    struct ctx *c;
    struct db *db;
};

static int hold_one(void *arg, const struct meta_item *item)
{
    const struct holding *h = arg;
    struct kept_set set;
    int rc = kept_set_read(h->c, item->value, &set);

    if (rc >= 0)
        rc = blobs_hold(h->c, h->db, &set.blobs);
    strmap_release(&set.blobs);
    return rc;
}

int snapshot_hold_all(struct ctx *c, struct db *db)
{
    struct holding h = {c, db};

    return db->meta->ops->scan(c, db->meta, "snapshot/", hold_one, &h);
}

/* ---- making them --------------------------------------------------------------------------- */

struct making {
    struct ctx *c;
    struct db *db;
    struct buf kept; /* records of collections */
    size_t count;
    struct strmap blobs; /* held */
};

/* Holds what is not held yet. */
static int hold_more(struct making *m, const struct strmap *blobs)
{
    struct strmap fresh = {0};
    int rc = 0;

    for (size_t i = 0; i < blobs->capacity && rc >= 0; i++) {
        const char *key = blobs->entries[i].key;
        if (key && !strmap_get(&m->blobs, key) && (!strmap_put(&fresh, key) || !strmap_put(&m->blobs, key)))
            rc = err_nomem(m->c);
    }
    if (rc >= 0 && !MUTANT(MUTANT_SNAPSHOT_HOLDS_NOTHING))
        rc = blobs_hold(m->c, m->db, &fresh);
    for (size_t i = 0; i < fresh.capacity && rc < 0; i++) { /* what is not held must not be let go */
        if (fresh.entries[i].key)
            strmap_remove(&m->blobs, fresh.entries[i].key);
    }
    strmap_release(&fresh);
    return rc;
}

/* While nothing is published: what the pointer names is there. */
static int keep_pointer(struct making *m, struct shard *s)
{
    struct meta_item item = {0};
    struct manifest_pointer p;
    struct strmap blobs = {0};
    struct buf schema;
    char key[40];
    int rc;

    shard_key(s, key);
    rc = m->db->meta->ops->get(m->c, m->db->meta, key, &item);
    if (rc == KITH_NOT_FOUND)
        rc = 0;
    if (rc >= 0 && item.value.size)
        rc = manifest_pointer_read(m->c, item.value, &p, &blobs);
    if (rc >= 0)
        rc = hold_more(m, &blobs);
    strmap_release(&blobs);
    TRY(rc);
    buf_init(&schema);
    os_mutex_lock(&s->lock);
    schema_encode(s->schema, &schema);
    buf_str(&m->kept, s->name);
    buf_varint(&m->kept, s->owner);
    os_mutex_unlock(&s->lock);
    buf_blob(&m->kept, schema.data, schema.size);
    buf_blob(&m->kept, item.value.data, item.value.size);
    rc = schema.failed || m->kept.failed ? err_nomem(m->c) : 0;
    buf_release(&schema);
    m->count += rc >= 0;
    return rc;
}

/* All that was acknowledged by now is in files then. */
static int keep_collection(struct making *m, const char *name)
{
    struct shard *s;
    int rc;

    TRY(db_shard(m->c, m->db, name, &s));
    sched_drain(&m->db->sched, &s->apply);
    rc = s->problem[0] ? err_set(m->c, KITH_CORRUPT, "collection %.80s is damaged: %.120s", s->name, s->problem)
                       : optimize_all(m->c, s, true);
    if (rc >= 0) {
        optimize_hold(s);
        rc = s->dropped ? err_set(m->c, KITH_NOT_FOUND, "Collection `%.180s` doesn't exist!", name) : keep_pointer(m, s);
        optimize_give_back(s);
    }
    shard_unref(s);
    return rc;
}

static int keep_all(struct making *m, struct buf *aliases)
{
    struct db *db = m->db;
    const char **names;
    size_t count = 0;
    int rc = 0;

    os_mutex_lock(&db->catalog);
    names = arena_zalloc(&m->c->arena, MAX(db->shards_count, (size_t)1) * sizeof *names);
    for (; names && count < db->shards_count; count++)
        names[count] = arena_str(&m->c->arena, db->shards[count]->name, strlen(db->shards[count]->name));
    buf_varint(aliases, db->aliases.count);
    for (size_t i = 0; i < db->aliases.capacity; i++) {
        if (!db->aliases.entries[i].key)
            continue;
        buf_str(aliases, db->aliases.entries[i].key);
        buf_str(aliases, (const char *)(uintptr_t)db->aliases.entries[i].value);
    }
    os_mutex_unlock(&db->catalog);
    if (!names)
        return err_nomem(m->c);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        rc = names[i] ? keep_collection(m, names[i]) : err_nomem(m->c);
        rc = rc == KITH_NOT_FOUND ? 0 : rc; /* dropped meanwhile */
    }
    return rc;
}

static int file_size(struct ctx *c, struct db *db, const struct strmap *blobs, size_t record, uint64_t *ret)
{
    uint64_t size = tar_size(record + sizeof(uint32_t)) + TAR_END;

    for (size_t i = 0; i < blobs->capacity; i++) {
        struct blob *b;
        if (!blobs->entries[i].key)
            continue;
        TRY(db->blobs->ops->open(c, db->blobs, blobs->entries[i].key, &b));
        size += tar_size(b->size);
        db->blobs->ops->close(b);
    }
    *ret = size;
    return 0;
}

static void snapshot_name(const char *collection, uint64_t ms, char *name, size_t size)
{
    char when[DATE_NAME];

    date_name(ms, when);
    snprintf(name, size, *collection ? "%.250s-1-%s.snapshot" : "%sfull-snapshot-%s.snapshot", collection, when);
}

static void encode_record(const struct making *m, const struct snapshot_info *info, const struct buf *aliases,
                          struct buf *out)
{
    out->size = 0;
    buf_u8(out, SNAPSHOT_FORM);
    buf_u64(out, info->created_ms);
    buf_u64(out, info->size);
    buf_varint(out, m->count);
    buf_put(out, m->kept.data, m->kept.size);
    buf_put(out, aliases->data, aliases->size);
    out->failed = out->failed || m->kept.failed || aliases->failed;
}

/* Under the first name that is free. */
static int put_fact(struct making *m, const char *collection, const struct buf *aliases, struct snapshot_info *info)
{
    const char *real = collection_of(m->c, m->db, collection);
    struct meta_change change = {0};
    struct meta_compare compare = {0};
    struct buf value;
    int rc = KITH_BUSY;

    buf_init(&value);
    encode_record(m, info, aliases, &value);
    if (file_size(m->c, m->db, &m->blobs, value.size, &info->size) < 0)
        rc = m->c->code;
    for (int i = 0; i < 1000 && rc == KITH_BUSY; i++, info->created_ms++) {
        snapshot_name(real, info->created_ms, info->name, sizeof info->name);
        encode_record(m, info, aliases, &value);
        compare.key = change.key = fact_key(m->c, real, info->name);
        change.value = (struct bytes){value.data, value.size};
        rc = value.failed || !change.key ? err_nomem(m->c)
                                         : m->db->meta->ops->swap(m->c, m->db->meta, &compare, 1, &change, 1);
    }
    info->created_ms -= rc >= 0;
    buf_release(&value);
    return rc;
}

int snapshot_create(struct ctx *c, struct db *db, const char *collection, struct snapshot_info *ret_info)
{
    struct snapshot_info info = {.created_ms = db->os->wall_ns(db->os) / 1000000};
    struct making m = {c, db, {0}, 0, {0}};
    struct buf aliases;
    bool named = false;
    int rc;

    buf_init(&aliases);
    if (collection)
        buf_varint(&aliases, 0);
    rc = collection ? keep_collection(&m, collection) : keep_all(&m, &aliases);
    if (rc >= 0) {
        named = true; /* perhaps even if it fails: what is named must stay */
        rc = put_fact(&m, collection, &aliases, &info);
    }
    if (rc < 0 && !named)
        blobs_let_go(db, &m.blobs);
    strmap_release(&m.blobs);
    buf_release(&m.kept);
    buf_release(&aliases);
    if (rc >= 0)
        *ret_info = info;
    return rc;
}

/* ---- listing and dropping ------------------------------------------------------------------ */

struct listing {
    int (*each)(void *arg, const struct snapshot_info *info);
    void *arg;
};

static int list_one(void *arg, const struct meta_item *item)
{
    const struct listing *l = arg;
    struct reader r = reader_of(item->value.data, item->value.size);
    struct snapshot_info info;

    (void)read_u8(&r);
    info.created_ms = read_u64(&r);
    info.size = read_u64(&r);
    snprintf(info.name, sizeof info.name, "%s", strrchr(item->key, '/') + 1);
    return l->each(l->arg, &info);
}

int snapshot_each(struct ctx *c, struct db *db, const char *collection,
                  int (*each)(void *arg, const struct snapshot_info *info), void *arg)
{
    struct listing l = {each, arg};
    char *prefix;

    if (collection && !db_has_name(db, collection))
        return err_set(c, KITH_NOT_FOUND, "Collection `%.180s` doesn't exist!", collection);
    prefix = fact_key(c, collection_of(c, db, collection), "");
    return prefix ? db->meta->ops->scan(c, db->meta, prefix, list_one, &l) : err_nomem(c);
}

int snapshot_drop(struct ctx *c, struct db *db, const char *collection, const char *name)
{
    struct meta_item item;
    struct kept_set set = {0};
    struct meta_compare compare;
    struct meta_change change = {.remove = true};
    int rc = kept_set_get(c, db, collection, name, &set, &item);

    if (rc >= 0) {
        compare = (struct meta_compare){fact_key(c, collection_of(c, db, collection), name), item.revision};
        change.key = compare.key;
        rc = change.key ? db->meta->ops->swap(c, db->meta, &compare, 1, &change, 1) : err_nomem(c);
        if (rc >= 0)
            blobs_let_go(db, &set.blobs);
    }
    strmap_release(&set.blobs);
    return rc == KITH_NOT_FOUND || rc == KITH_BUSY ? 0 : rc < 0 ? rc : 1;
}

/* ---- restoring ----------------------------------------------------------------------------- */

/* The state of the shard, and what its pointer in meta is to be. */
static int take_state(struct ctx *c, struct shard *s, const struct kept *from, struct buf *pointer)
{
    uint64_t end = s->db->log->ops->end(s->db->log, 0);
    struct manifest_pointer p;
    int rc;

    if (!from->pointer.size) {
        s->covers = s->applied = end;
        s->loaded = true;
        return shard_publish(c, s);
    }
    TRY(manifest_pointer_read(c, from->pointer, &p, &s->blobs));
    p.owner = from->owner;
    p.era = (p.covers >> LSN_OFFSET_BITS) + !MUTANT(MUTANT_RESTORE_KEEPS_THE_ERA);
    p.era_offset = end;
    if (p.era > ERA_MAX)
        return err_set(c, KITH_LIMIT, "the collection was restored from a restored one %d times", ERA_MAX);
    TRY(manifest_pointer_restored(c, &p, &s->blobs, pointer));
    TRY(blobs_hold(c, s->db, &s->blobs));
    shard_take_pointer(s, &p);
    os_mutex_lock(&s->lock);
    rc = shard_load(c, s);
    os_mutex_unlock(&s->lock);
    if (rc >= 0 && s->problem[0])
        rc = err_set(c, KITH_CORRUPT, "the snapshot does not open: %.180s", s->problem);
    if (rc < 0)
        blobs_let_go(s->db, &s->blobs);
    return rc;
}

static int restore_one(struct ctx *c, struct db *db, const struct kept *from, const char *name)
{
    struct schema *schema = NULL;
    struct buf pointer;
    struct shard *s;
    uint64_t id;
    int rc;

    TRY(db_check_name(c, name));
    TRY(schema_decode(c, from->schema, &schema));
    os_mutex_lock(&db->catalog);
    id = db->next_shard++;
    os_mutex_unlock(&db->catalog);
    s = shard_new(db, id, name);
    if (!s) {
        schema_unref(schema);
        return err_nomem(c);
    }
    s->schema = schema;
    s->created_ms = db->os->wall_ns(db->os) / 1000000;
    buf_init(&pointer);
    rc = take_state(c, s, from, &pointer);
    if (rc >= 0) {
        rc = db_replace(c, db, s, (struct bytes){pointer.data, pointer.size});
        if (rc >= 0)
            sched_post(&db->sched, &s->maintain, false);
    }
    buf_release(&pointer);
    if (rc < 0)
        shard_unref(s); /* its blobs stay held, in case the facts are there: at the next start this is told */
    return rc;
}

int kept_set_restore(struct ctx *c, struct db *db, const struct kept_set *set, const char *to)
{
    kith_alias_change *changes = arena_zalloc(&c->arena, MAX(set->aliases_count, (size_t)1) * sizeof *changes);

    if (to && set->count != 1)
        return err_set(c, KITH_INVALID, "a snapshot of %zu collections cannot become collection %.80s", set->count, to);
    for (size_t i = 0; i < set->count; i++)
        TRY(restore_one(c, db, &set->kept[i], to ? collection_of(c, db, to) : set->kept[i].name));
    for (size_t i = 0; changes && i < set->aliases_count; i++)
        changes[i] = (kith_alias_change){.alias = set->aliases[2 * i], .target = set->aliases[2 * i + 1]};
    return !changes ? err_nomem(c) : to || !set->aliases_count ? 0 : db_alias(c, db, changes, set->aliases_count);
}

int snapshot_restore(struct ctx *c, struct db *db, const char *collection, const char *name, const char *to)
{
    struct kept_set set = {0};
    struct meta_item item;
    int rc = kept_set_get(c, db, collection, name, &set, &item);

    if (rc >= 0)
        rc = blobs_hold(c, db, &set.blobs); /* it may be dropped meanwhile */
    if (rc >= 0) {
        rc = kept_set_restore(c, db, &set, to);
        blobs_let_go(db, &set.blobs);
    }
    strmap_release(&set.blobs);
    return rc;
}
