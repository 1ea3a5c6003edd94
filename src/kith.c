/* kith.c - the public interface over the local engine: contexts made and errors handed out. */
#include "engine/engine.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"
#include "kith_calls.h"
#include "kith_lookup.h"
#include "segment/segment.h"

#include <stdio.h>
#include <stdlib.h>

struct kith_view {
    struct view *view;
    struct db *db;
    lsn v;
};

const char *kith_version(void)
{
    return KITH_VERSION;
}

const char *kith_code_name(int code)
{
    static const char *const names[] = {"ok", "invalid", "not found", "exists", "corrupt", "io", "out of memory",
                                        "disk full", "limit", "busy", "timeout", "closed", "unsupported"};

    return code <= 0 && code > -(int)ARRAY_SIZE(names) ? names[-code] : "unknown";
}

kith_db *kith_open(const char *dir, const kith_options *options, kith_err *err)
{
    struct db *db = NULL;
    struct ctx c;

    ctx_init(&c, os_linux());
    (void)finish(&c, db_open(&c, os_linux(), dir, options, &db), err);
    return (kith_db *)(void *)db;
}

void kith_close(kith_db *db)
{
    db_close(db_of(db));
}

/* ---- collections ----------------------------------------------------------------------------------- */

int kith_create(kith_db *db, const char *name, const kith_schema *schema, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, db_create(&c, db_of(db), name, schema), err);
}

int kith_drop(kith_db *db, const char *name, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, db_drop(&c, db_of(db), name), err);
}

int kith_exists(kith_db *db, const char *name, kith_err *err)
{
    if (err)
        err->code = 0;
    return db_has_name(db_of(db), name);
}

static int cmp_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void kith_names_free(kith_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->names[i]);
    mem_free(names->names);
    names->names = NULL;
    names->count = 0;
}

int kith_list(kith_db *handle, kith_names *ret_names, kith_err *err)
{
    struct db *db = db_of(handle);
    kith_names names = {0};
    struct ctx c;
    int rc = 0;

    ctx_init(&c, db->os);
    os_mutex_lock(&db->catalog);
    names.names = mem_zalloc(MAX(db->names.count, (size_t)1) * sizeof *names.names);
    for (size_t i = 0; names.names && i < db->names.capacity && rc >= 0; i++) {
        if (!db->names.entries[i].key)
            continue;
        names.names[names.count] = mem_strdup(db->names.entries[i].key);
        if (names.names[names.count])
            names.count++;
        else
            rc = err_nomem(&c);
    }
    os_mutex_unlock(&db->catalog);
    if (!names.names)
        rc = err_nomem(&c);
    if (rc < 0) {
        kith_names_free(&names);
        return finish(&c, rc, err);
    }
    qsort(names.names, names.count, sizeof *names.names, cmp_names);
    *ret_names = names;
    return finish(&c, 0, err);
}

int kith_alias(kith_db *db, const kith_alias_change *changes, size_t count, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, db_alias(&c, db_of(db), changes, count), err);
}

int kith_aliases(kith_db *handle, kith_names *ret_pairs, kith_err *err)
{
    struct db *db = db_of(handle);
    kith_names names = {0};
    struct ctx c;
    bool ok;

    ctx_init(&c, db->os);
    os_mutex_lock(&db->catalog);
    names.names = mem_zalloc(MAX(db->aliases.count, (size_t)1) * 2 * sizeof *names.names);
    ok = names.names != NULL;
    for (size_t i = 0; ok && i < db->aliases.capacity; i++) {
        const struct strmap_entry *e = &db->aliases.entries[i];
        if (!e->key)
            continue;
        names.names[names.count++] = mem_strdup(e->key);
        names.names[names.count++] = mem_strdup((const char *)(uintptr_t)e->value);
        ok = names.names[names.count - 1] && names.names[names.count - 2];
    }
    os_mutex_unlock(&db->catalog);
    if (!ok) {
        kith_names_free(&names);
        return finish(&c, err_nomem(&c), err);
    }
    qsort(names.names, names.count / 2, 2 * sizeof *names.names, cmp_names);
    *ret_pairs = names;
    return finish(&c, 0, err);
}

static int change(kith_db *db, const char *name, const struct schema_change *what, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, db_of(db)->os);
    return finish(&c, db_change_schema(&c, db_of(db), name, what), err);
}

int kith_configure(kith_db *db, const char *name, const char *config, kith_err *err)
{
    struct schema_change what = {.config = config};

    return change(db, name, &what, err);
}

int kith_vector_add(kith_db *db, const char *name, const kith_vector_params *params, kith_err *err)
{
    struct schema_change what = {.add_vector = params};

    return change(db, name, &what, err);
}

int kith_vector_drop(kith_db *db, const char *name, const char *vector, kith_err *err)
{
    struct schema_change what = {.drop_vector = vector};

    return change(db, name, &what, err);
}

int kith_configure_vector(kith_db *db, const char *name, const kith_vector_params *params, kith_err *err)
{
    struct schema_change what = {.vector = params};

    return change(db, name, &what, err);
}

int kith_field_put(kith_db *db, const char *name, const kith_field *field, kith_err *err)
{
    struct schema_change what = {.field = field};

    return change(db, name, &what, err);
}

int kith_field_drop(kith_db *db, const char *name, const char *path, kith_err *err)
{
    struct schema_change what = {.drop_path = path};
    struct shard *s;
    struct ctx c;
    int rc, found = 0;

    ctx_init(&c, db_of(db)->os);
    rc = db_shard(&c, db_of(db), name, &s);
    if (rc >= 0) {
        struct view *view = shard_pin(s);
        found = schema_field(view->schema, path) != NULL;
        view_unpin(view);
        shard_unref(s);
        if (found)
            rc = db_change_schema(&c, db_of(db), name, &what);
    }
    rc = finish(&c, rc, err);
    return rc < 0 ? rc : found;
}

/* ---- information -------------------------------------------------------------------------------------- */

static void count_indexed(const struct view *view, kith_collection_info *info)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct segment *s = view->segments[i];
        for (size_t j = 0; j < view->schema->vectors_count; j++) {
            const struct vector_index *g = s->ops->index(s, view->schema->vectors[j].id);
            const struct postings *p = s->ops->postings(s, view->schema->vectors[j].id);
            info->indexed_vectors += p ? p->head.rows : !g ? 0 : g->live ? atomic_load(g->live_count)
                                     : g->points ? g->points : g->graph.count;
        }
    }
}

static int stop_at_value(void *arg, struct val v)
{
    UNUSED(arg);
    return val_tag(v) != VAL_NULL;
}

static bool row_has_value(struct ctx *c, const struct segment *s, row_id row, lsn v, struct doc_room *room,
                          const struct schema_field *f)
{
    struct bytes doc;
    lsn at;

    return s->ops->doc(c, s, row, v, room, &doc, &at) >= 0 &&
           path_visit(&f->path, val_of(doc.data, doc.size), stop_at_value, NULL) != 0;
}

/* Rows with a value: from the index where there is one that is up to date, else by looking. */
static int count_field(struct ctx *c, const struct runner *r, const struct schema_field *f, uint64_t *ret)
{
    struct doc_room room = {0};
    uint64_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < r->snap->count && rc >= 0; i++) {
        const struct segment *s = r->snap->segments[i];
        const struct field_index *x = s->ops->field(s, f->id);
        struct bits live;
        bool all;
        rc = segment_live(c, s, r->snap->v, &live, &all);
        for (row_id row = rc < 0 ? ROW_NONE : bits_next(&live, 0); row != ROW_NONE; row = bits_next(&live, row + 1)) {
            if (x && !s->ops->overlaid(s, row, r->snap->v))
                n += bits_get(&x->indexed, row);
            else
                n += row_has_value(c, s, row, r->snap->v, &room, f);
        }
    }
    doc_room_release(&room);
    *ret = n;
    return rc;
}

static int fill_info(struct ctx *c, struct db *db, struct shard *s, kith_collection_info *info)
{
    struct view *view = shard_pin(s);
    struct snapshot snap = view_snapshot(view);
    struct runner r = {&snap, db->kernels, &db->scratch, NULL};
    int rc = query_count(c, &r, NULL, &info->points);

    info->id = s->id;
    info->lsn = snap.v;
    info->segments = MAX(snap.count, (size_t)1);
    info->backlog_rows = view_backlog(view, db->graph_rows_min);
    info->created_ms = s->created_ms;
    count_indexed(view, info);
    os_mutex_lock(&db->sched.mutex);
    info->optimizing = s->maintain.state != JOB_IDLE || s->link.state != JOB_IDLE;
    os_mutex_unlock(&db->sched.mutex);
    info->field_points = mem_zalloc(MAX(snap.schema->fields_count, (size_t)1) * sizeof *info->field_points);
    if (!info->field_points)
        rc = err_nomem(c);
    for (size_t i = 0; i < snap.schema->fields_count && rc >= 0; i++)
        rc = count_field(c, &r, &snap.schema->fields[i], &info->field_points[i]);
    if (rc >= 0)
        rc = schema_export(c, snap.schema, &info->schema);
    view_unpin(view);
    os_mutex_lock(&s->lock);
    if (s->problem[0])
        info->problem = mem_strdup(s->problem);
    else if (s->maintain_failed)
        info->problem = mem_strdup(s->maintain_error);
    os_mutex_unlock(&s->lock);
    info->name = mem_strdup(s->name);
    return rc;
}

int kith_info(kith_db *handle, const char *name, kith_collection_info *ret_info, kith_err *err)
{
    struct db *db = db_of(handle);
    kith_collection_info info = {0};
    struct shard *s;
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    rc = db_shard(&c, db, name, &s);
    if (rc >= 0) {
        rc = fill_info(&c, db, s, &info);
        shard_unref(s);
    }
    if (rc < 0)
        kith_info_free(&info);
    else
        *ret_info = info;
    return finish(&c, rc, err);
}

void kith_info_free(kith_collection_info *info)
{
    mem_free(info->name);
    mem_free(info->problem);
    mem_free(info->field_points);
    kith_schema_free(&info->schema);
    memset(info, 0, sizeof *info);
}

int kith_schema_get(kith_db *handle, const char *name, kith_schema *ret_schema, kith_err *err)
{
    struct db *db = db_of(handle);
    struct shard *s;
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    rc = db_shard(&c, db, name, &s);
    if (rc >= 0) {
        struct view *view = shard_pin(s);
        rc = schema_export(&c, view->schema, ret_schema);
        view_unpin(view);
        shard_unref(s);
    }
    return finish(&c, rc, err);
}

void kith_schema_free(kith_schema *schema)
{
    mem_free((void *)(uintptr_t)schema->vectors);
    memset(schema, 0, sizeof *schema);
}

void kith_stats_get(kith_db *handle, kith_stats *ret_stats)
{
    struct db *db = db_of(handle);
    kith_stats s = {0};

    os_mutex_lock(&db->catalog);
    s.collections = db->shards_count;
    for (size_t i = 0; i < db->shards_count; i++)
        s.loaded += atomic_load(&db->shards[i]->view) != NULL;
    os_mutex_unlock(&db->catalog);
    s.log_lsn = atomic_load(&db->durable_end);
    s.log_bytes = db->log->ops->bytes(db->log);
    s.memory_bytes = os_resident_bytes();
    s.memory_budget_bytes = db->options.memory_bytes;
    s.commits = atomic_load(&db->commits);
    s.records = atomic_load(&db->records);
    s.seals = atomic_load(&db->seals);
    s.merges = atomic_load(&db->merges);
    s.graph_builds = atomic_load(&db->graph_builds);
    s.graph_links = atomic_load(&db->graph_links);
    s.durable = db->options.durability == KITH_DURABLE_GROUP;
    *ret_stats = s;
}

/* ---- writes --------------------------------------------------------------------------------------------- */

struct blocking {
    struct sched_done done;
    struct sched *sched;
    int code;
    kith_written written;
};

static void blocking_done(void *arg, int code, const kith_written *written)
{
    struct blocking *b = arg;

    b->code = code;
    b->written = *written;
    sched_finish(b->sched, &b->done);
}

int kith_write(kith_db *handle, const char *name, const kith_op *ops, size_t count, kith_wait wait,
               kith_written *ret_written, kith_err *err)
{
    struct db *db = db_of(handle);
    struct blocking b = {.sched = &db->sched};
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    os_cond_init(&b.done.cond);
    rc = write_submit(&c, db, name, ops, count, wait, true, 0, blocking_done, &b);
    if (rc >= 0) {
        sched_wait(&db->sched, &b.done);
        rc = b.code;
        if (rc == KITH_NOT_FOUND && b.written.failed_op < count) {
            char text[64];
            kith_id_text(&b.written.missing, text, sizeof text);
            err_set(&c, rc, "No point with id %s found", text);
        } else if (rc < 0) {
            err_set(&c, rc, "the write was not taken: %s", kith_code_name(rc));
        }
        if (ret_written)
            *ret_written = b.written;
    }
    os_cond_release(&b.done.cond);
    return finish(&c, rc, err);
}

int kith_write_async(kith_db *handle, const char *name, const kith_op *ops, size_t count, kith_wait wait,
                     uint32_t timeout_ms, kith_done done, void *arg, kith_err *err)
{
    struct db *db = db_of(handle);
    struct ctx c;

    ctx_init(&c, db->os);
    return finish(&c, write_submit(&c, db, name, ops, count, wait, false, timeout_ms, done, arg), err);
}

/* ---- reads ------------------------------------------------------------------------------------------------ */

static int view_of(struct ctx *c, struct db *db, struct shard *s, kith_view **ret_view)
{
    kith_view *view = mem_zalloc(sizeof *view);

    if (!view)
        return err_nomem(c);
    view->db = db;
    view->view = shard_pin(s);
    view->v = atomic_load(&view->view->v);
    if (s->problem[0] && !s->sealed_count && !s->growing.segment) {
        kith_view_unpin(view);
        return err_set(c, KITH_CORRUPT, "collection %s: %s", s->name, s->problem);
    }
    *ret_view = view;
    return 0;
}

kith_view *kith_view_pin(kith_db *handle, const char *name, kith_err *err)
{
    struct db *db = db_of(handle);
    kith_view *view = NULL;
    struct shard *s;
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    rc = db_shard(&c, db, name, &s);
    if (rc >= 0) {
        rc = view_of(&c, db, s, &view);
        shard_unref(s);
    }
    (void)finish(&c, rc, err);
    return view;
}

void kith_view_unpin(kith_view *view)
{
    if (!view)
        return;
    view_unpin(view->view);
    mem_free(view);
}

static struct snapshot snapshot_of(const kith_view *view)
{
    struct snapshot snap = view_snapshot(view->view);

    snap.v = view->v;
    return snap;
}

/* `snap` is the caller's, and what the runner reads. */
static struct runner runner_on(kith_view *view, struct snapshot *snap)
{
    *snap = snapshot_of(view);
    return (struct runner){snap, view->db->kernels, &view->db->scratch, NULL};
}

kith_result *kith_view_query(kith_view *view, const kith_query *query, kith_err *err)
{
    struct snapshot snap;
    struct runner r = runner_on(view, &snap);
    kith_result *result = NULL;
    struct ctx c;
    int rc;

    ctx_init(&c, view->db->os);
    os_deadline_in(&c, query->timeout_ms);
    rc = lookup_resolve(&c, view->db, query, &query);
    (void)finish(&c, rc < 0 ? rc : query_run(&c, &r, query, &result), err);
    return result;
}

/* As by a view, with what the monitor has learnt; and perhaps it will learn of this one. */
static int run_on(struct ctx *c, struct shard *s, kith_view *view, const kith_query *query, kith_result **ret_result)
{
    struct snapshot snap;
    struct runner r = runner_on(view, &snap);
    const char *name = query->using_vector ? query->using_vector : "";
    const struct schema_vector *v = query->kind == KITH_QUERY_NEAREST ? schema_vector(snap.schema, name) : NULL;
    uint32_t effort = v ? monitor_effort(&s->monitor, v->id) : 0;
    int rc;

    r.efforts = s->monitor.efforts;
    os_deadline_in(c, query->timeout_ms);
    TRY(lookup_resolve(c, s->db, query, &query));
    rc = query_run(c, &r, query, ret_result);
    if (rc >= 0 && v)
        monitor_note(s, v, effort, query, *ret_result);
    return rc;
}

kith_result *kith_query_run(kith_db *handle, const char *name, const kith_query *query, kith_err *err)
{
    struct db *db = db_of(handle);
    kith_result *result = NULL;
    kith_view *view = NULL;
    struct shard *s = NULL;
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    rc = db_shard(&c, db, name, &s);
    if (rc >= 0)
        rc = view_of(&c, db, s, &view);
    if (rc >= 0)
        rc = run_on(&c, s, view, query, &result);
    kith_view_unpin(view);
    shard_unref(s);
    (void)finish(&c, rc, err);
    return result;
}

kith_result *kith_get(kith_db *db, const char *name, const kith_id *ids, size_t count, const kith_select *select,
                      uint32_t timeout_ms, kith_err *err)
{
    kith_view *view = kith_view_pin(db, name, err);
    kith_result *result = NULL;
    struct snapshot snap;
    struct runner r;
    struct ctx c;

    if (!view)
        return NULL;
    r = runner_on(view, &snap);
    ctx_init(&c, view->db->os);
    os_deadline_in(&c, timeout_ms);
    (void)finish(&c, query_get(&c, &r, ids, count, select, &result), err);
    kith_view_unpin(view);
    return result;
}

int64_t kith_count(kith_db *db, const char *name, const kith_filter *filter, bool exact, uint32_t timeout_ms,
                   kith_err *err)
{
    kith_view *view = kith_view_pin(db, name, err);
    struct snapshot snap;
    struct runner r;
    uint64_t count = 0;
    struct ctx c;
    int rc;

    UNUSED(exact); /* counting is exact and cheap enough either way */
    if (!view)
        return err ? err->code : KITH_NOT_FOUND;
    r = runner_on(view, &snap);
    ctx_init(&c, view->db->os);
    os_deadline_in(&c, timeout_ms);
    rc = finish(&c, query_count(&c, &r, filter, &count), err);
    kith_view_unpin(view);
    return rc < 0 ? rc : (int64_t)count;
}

/* ---- upkeep -------------------------------------------------------------------------------------------------- */

static int upkeep(kith_db *handle, const char *name, bool only_checkpoint, kith_err *err)
{
    struct db *db = db_of(handle);
    struct shard *s;
    struct ctx c;
    int rc;

    ctx_init(&c, db->os);
    rc = db_shard(&c, db, name, &s);
    if (rc >= 0) {
        rc = optimize_all(&c, s, only_checkpoint);
        shard_unref(s);
    }
    return finish(&c, rc, err);
}

int kith_optimize(kith_db *db, const char *name, kith_err *err)
{
    return upkeep(db, name, false, err);
}

int kith_checkpoint(kith_db *db, const char *name, kith_err *err)
{
    return upkeep(db, name, true, err);
}

/* Sum over live points of a hash of id, LSN, document and vectors (reliability: the state digest). */
static int digest_row(struct ctx *c, const struct snapshot *snap, const struct segment *s, row_id row,
                      struct doc_room *room, uint64_t sum[2])
{
    struct buf b;
    struct bytes doc;
    kith_id id = s->ops->id(s, row);
    lsn at;
    int rc = s->ops->doc(c, s, row, snap->v, room, &doc, &at);

    buf_init(&b);
    id_put(&b, &id);
    buf_u64(&b, segment_changed(s, row, snap->v));
    if (rc >= 0)
        buf_blob(&b, doc.data, doc.size);
    for (size_t i = 0; i < snap->schema->vectors_count && rc >= 0; i++) {
        const struct schema_vector *v = &snap->schema->vectors[i];
        const void *data;
        rc = s->ops->vector(c, s, row, snap->v, v->id, &data);
        if (rc >= 0 && data) {
            buf_u32(&b, v->id);
            buf_put(&b, data, vector_size(v, data));
        }
    }
    if (rc >= 0 && b.failed)
        rc = err_nomem(c);
    if (rc >= 0) {
        sum[0] += hash_bytes(b.data, b.size, 0x6b697468);
        sum[1] += hash_bytes(b.data, b.size, 0x6b697469);
    }
    buf_release(&b);
    return rc;
}

int kith_digest(kith_db *db, const char *name, uint64_t ret_digest[2], kith_err *err)
{
    kith_view *view = kith_view_pin(db, name, err);
    uint64_t sum[2] = {0, 0};
    struct doc_room room = {0};
    struct snapshot snap;
    struct ctx c;
    int rc = 0;

    if (!view)
        return err ? err->code : KITH_NOT_FOUND;
    snap = snapshot_of(view);
    for (size_t i = 0; i < snap.count && rc >= 0; i++) {
        const struct segment *s = snap.segments[i];
        for (row_id row = 0; row < s->ops->rows(s) && rc >= 0; row++) {
            if (!segment_visible(s, row, snap.v))
                continue;
            ctx_init(&c, view->db->os);
            rc = finish(&c, digest_row(&c, &snap, s, row, &room, sum), err);
        }
    }
    doc_room_release(&room);
    kith_view_unpin(view);
    if (rc >= 0)
        memcpy(ret_digest, sum, sizeof sum);
    return rc;
}

int kith_check(const char *dir, kith_report report, void *arg, kith_err *err)
{
    struct ctx c;

    ctx_init(&c, os_linux());
    return finish(&c, db_check(&c, os_linux(), dir, report, arg), err);
}
