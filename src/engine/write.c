/* write.c - the way in: encode once, append, make durable, apply in log order, answer. Replay at
 * start enters at the same apply. */
#include "engine/engine.h"

#include "base/mem.h"

#include <stdio.h>

enum { BACKLOG_HARD = 1000000, CHOKE_WAITS = 1000, LATE_MS = 250 };

/* ---- requests ---------------------------------------------------------------------------------- */

static void set_timer(struct db *db, struct request *r, uint32_t ms)
{
    r->due_ns = db->os->mono_ns(db->os) + ms * 1000000ull;
    os_mutex_lock(&db->timed_lock);
    r->next_timed = db->timed;
    r->timed_at = &db->timed;
    if (db->timed)
        db->timed->timed_at = &r->next_timed;
    db->timed = r;
    os_mutex_unlock(&db->timed_lock);
    sched_post_later(&db->sched, &db->late, LATE_MS);
}

static void drop_timer(struct db *db, struct request *r)
{
    if (!r->due_ns)
        return;
    os_mutex_lock(&db->timed_lock);
    *r->timed_at = r->next_timed;
    if (r->next_timed)
        r->next_timed->timed_at = r->timed_at;
    os_mutex_unlock(&db->timed_lock);
}

static void request_free(struct request *r)
{
    if (r->shard)
        drop_timer(r->shard->db, r);
    shard_unref(r->shard);
    buf_release(&r->record);
    mem_free(r);
}

static void answer(struct request *r, int code)
{
    kith_done done = atomic_exchange(&r->done, NULL);

    if (done)
        done(r->arg, code, &r->written);
}

/* Tells those who have waited as long as they would. The list is held: none of its requests ends meanwhile. */
void write_late_step(struct job *job)
{
    struct db *db = container_of(job, struct db, late);
    uint64_t now = db->os->mono_ns(db->os);
    bool more;

    os_mutex_lock(&db->timed_lock);
    for (struct request *r = db->timed; r; r = r->next_timed) {
        kith_written so_far = {0};
        kith_done done = now >= r->due_ns ? atomic_exchange(&r->done, NULL) : NULL;
        if (done)
            done(r->arg, KITH_TIMEOUT, &so_far);
    }
    more = db->timed != NULL;
    os_mutex_unlock(&db->timed_lock);
    if (more && db->sched.threads_count) /* a world without threads has no time to pass */
        sched_post_later(&db->sched, job, LATE_MS);
}

/* Runs in log order, inside the commit. */
static void committed(struct log_wait *w, int code, uint64_t offset)
{
    struct request *r = container_of(w, struct request, log);
    struct shard *s = r->shard;
    struct db *db = s->db;

    if (code < 0) {
        answer(r, code);
        request_free(r);
        return;
    }
    r->offset = offset;
    r->next = NULL;
    r->written.lsn = lsn_of(s, offset);
    r->written.durable = db->options.durability == KITH_DURABLE_GROUP;
    atomic_fetch_add(&db->records, 1);
    if (r->wait == KITH_WAIT_DURABLE)
        answer(r, 0);
    os_mutex_lock(&s->queue_lock);
    *s->queue_tail = r;
    s->queue_tail = &r->next;
    os_mutex_unlock(&s->queue_lock);
    atomic_store(&db->durable_end, offset);
    sched_post(&db->sched, &s->apply, true); /* whoever runs this commit looks for more work next */
}

void write_commit_step(struct job *job)
{
    struct db *db = container_of(job, struct db, commit);
    struct ctx c;

    ctx_init(&c, db->os);
    if (db->log->ops->commit(&c, db->log) > 0)
        atomic_fetch_add(&db->commits, 1);
    if (db->log->ops->pending(db->log))
        sched_post(&db->sched, job, true);
    if (db->log->ops->bytes(db->log) > db->log_soft_bytes)
        sched_post(&db->sched, &db->trim, false);
    ctx_release(&c);
}

static int admit(struct ctx *c, struct shard *s)
{
    uint32_t backlog = atomic_load(&s->backlog);

    if (s->problem[0])
        return err_set(c, KITH_CORRUPT, "collection %s is read-only: %s", s->name, s->problem);
    if (backlog > BACKLOG_HARD)
        return err_set(c, KITH_LIMIT, "collection %s: %u rows wait for their index, at most %d; try again later",
                       s->name, backlog, BACKLOG_HARD);
    for (int i = 0; atomic_load(&s->choked) && i < CHOKE_WAITS && s->db->sched.threads_count; i++)
        sched_pause(&s->db->sched, 20); /* slow down before refusing */
    if (atomic_load(&s->choked))
        return err_set(c, KITH_LIMIT, "collection %s: sealing lags behind (%.120s); try again later", s->name,
                       s->maintain_error);
    return 0;
}

int write_submit(struct ctx *c, struct db *db, const char *name, const kith_op *ops, size_t count, kith_wait wait,
                 bool quiet, uint32_t timeout_ms, kith_done done, void *arg)
{
    struct request *r = mem_zalloc(sizeof *r);
    struct view *view = NULL;
    int rc;

    if (!r)
        return err_nomem(c);
    rc = db_shard(c, db, name, &r->shard);
    if (rc >= 0)
        rc = admit(c, r->shard);
    if (rc >= 0) {
        view = shard_pin(r->shard);
        rc = record_encode(c, view->schema, db->kernels, r->shard->id, db->os->wall_ns(db->os) / 1000000, ops, count,
                           &r->record);
        view_unpin(view);
    }
    if (rc >= 0) {
        r->wait = wait;
        atomic_init(&r->done, done);
        r->arg = arg;
        if (timeout_ms)
            set_timer(db, r, timeout_ms);
        r->log.record.data = r->record.data;
        r->log.record.size = r->record.size;
        r->log.done = committed;
        rc = db->log->ops->append(c, db->log, 0, &r->log);
    }
    if (rc < 0) {
        bool told = r->due_ns && !atomic_exchange(&r->done, NULL); /* in the meantime: then not twice */
        request_free(r);
        return told ? 0 : rc;
    }
    sched_post(&db->sched, &db->commit, quiet);
    return 0;
}

/* ---- apply -------------------------------------------------------------------------------------- */

/* With s->lock held. */
static int apply_one(struct ctx *c, struct shard *s, uint64_t offset, struct bytes data, kith_written *written)
{
    struct record record;
    lsn at = lsn_of(s, offset);

    if (at <= s->applied)
        return 0;
    TRY(record_decode(c, data, &record));
    if (!s->growing.first_offset)
        s->growing.first_offset = offset;
    if (MUTANT(MUTANT_PUBLISH_HALF_RECORD) && record.ops_count > 1)
        record.ops_count--;
    TRY(apply_record(c, s, &record, at, written));
    s->applied = at;
    atomic_store(&atomic_load(&s->view)->v, at);
    return 0;
}

static bool growing_is_full(const struct shard *s)
{
    const kith_options *o = &s->db->options;

    return s->growing.segment &&
           (s->growing.segment->ops->rows(s->growing.segment) >= o->growing_rows_max ||
            growing_bytes(s->growing.segment) > o->memory_bytes / 16);
}

static void after_apply(struct ctx *c, struct shard *s)
{
    if (growing_is_full(s) && (s->frozen_count == FROZEN_MAX || optimize_freeze(c, s) >= 0))
        sched_post(&s->db->sched, &s->maintain, false);
    atomic_store(&s->choked, s->frozen_count == FROZEN_MAX && growing_is_full(s));
    link_post(s);
}

static struct request *queue_first(struct shard *s)
{
    struct request *r;

    os_mutex_lock(&s->queue_lock);
    r = s->queue;
    os_mutex_unlock(&s->queue_lock);
    return r;
}

static void queue_drop_first(struct shard *s)
{
    os_mutex_lock(&s->queue_lock);
    s->queue = s->queue->next;
    if (!s->queue)
        s->queue_tail = &s->queue;
    os_mutex_unlock(&s->queue_lock);
}

static void quarantine(struct shard *s, uint64_t offset, const char *why)
{
    if (!s->problem[0])
        snprintf(s->problem, sizeof s->problem, "log record %llu: %.120s", (unsigned long long)offset, why);
    if (!s->held_offset)
        s->held_offset = offset;
}

void write_apply_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, apply);
    struct request *r;

    for (int i = 0; i < 64 && (r = queue_first(s)) != NULL; i++) {
        struct ctx c;
        int rc = 0;
        ctx_init(&c, s->db->os);
        os_mutex_lock(&s->lock);
        if (s->dropped)
            rc = KITH_NOT_FOUND;
        else if (s->problem[0])
            rc = KITH_CORRUPT;
        else
            rc = apply_one(&c, s, r->offset, r->log.record, &r->written);
        if (rc == 0)
            after_apply(&c, s);
        else if (rc != KITH_NOMEM && rc != KITH_NOT_FOUND)
            quarantine(s, r->offset, c.text);
        os_mutex_unlock(&s->lock);
        ctx_release(&c);
        if (rc == KITH_NOMEM) { /* never skipped: tried again when there may be more */
            if (s->db->sched.threads_count)
                sched_pause(&s->db->sched, 10);
            break;
        }
        queue_drop_first(s);
        r->written.applied = rc == 0;
        answer(r, rc < 0 ? rc : r->written.code);
        request_free(r);
    }
    if (queue_first(s))
        sched_post(&s->db->sched, job, false);
}

/* ---- replay -------------------------------------------------------------------------------------- */

struct replay {
    struct ctx *c;
    struct db *db;
};

static struct shard *shard_by_id(struct db *db, uint64_t id)
{
    size_t low = 0, high = db->shards_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (db->shards[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < db->shards_count && db->shards[low]->id == id ? db->shards[low] : NULL;
}

static int replay_one(void *arg, uint64_t offset, struct bytes record)
{
    struct replay *p = arg;
    struct shard *s;
    struct ctx c;
    kith_written written;
    uint64_t id;
    int rc;

    ctx_init(&c, p->db->os);
    rc = record_shard(&c, record, &id);
    s = rc >= 0 ? shard_by_id(p->db, id) : NULL; /* NULL: dropped since */
    if (s && lsn_of(s, offset) > s->covers + MUTANT(MUTANT_REPLAY_TWICE_FROM_COVERS)) {
        rc = shard_load(&c, s);
        if (rc >= 0 && !s->problem[0]) {
            rc = apply_one(&c, s, offset, record, &written);
            if (rc == 0)
                after_apply(&c, s);
        }
        if (s->problem[0] || (rc < 0 && rc != KITH_NOMEM)) {
            quarantine(s, offset, c.text);
            rc = 0;
        }
    }
    if (rc < 0)
        err_set(p->c, rc, "replay of log record %llu: %s", (unsigned long long)offset, c.text);
    ctx_release(&c);
    return rc;
}

int write_replay(struct ctx *c, struct db *db)
{
    struct replay p = {c, db};
    uint64_t from = UINT64_MAX;

    for (size_t i = 0; i < db->shards_count; i++)
        from = MIN(from, shard_replay_from(db->shards[i]));
    if (from != UINT64_MAX)
        TRY(db->log->ops->read(c, db->log, 0, from, replay_one, &p));
    atomic_store(&db->durable_end, db->log->ops->end(db->log, 0));
    return 0;
}

/* ---- trimming -------------------------------------------------------------------------------------- */

void write_trim_step(struct job *job)
{
    struct db *db = container_of(job, struct db, trim);
    uint64_t before = atomic_load(&db->durable_end) + 1, end = before; /* read first: see committed() */
    struct ctx c;

    if (atomic_load(&db->closing) || atomic_load(&db->log_held))
        return;
    ctx_init(&c, db->os);
    os_mutex_lock(&db->catalog);
    for (size_t i = 0; i < db->shards_count; i++) {
        struct shard *s = db->shards[i];
        uint64_t from;
        os_mutex_lock(&s->lock);
        from = shard_dirty_from(s);
        os_mutex_unlock(&s->lock);
        if (from && !MUTANT(MUTANT_TRIM_TOO_FAR))
            before = MIN(before, from);
    }
    os_mutex_unlock(&db->catalog);
    (void)db->log->ops->trim(&c, db->log, 0, before, db->options.log_keep_bytes);
    if (db->log->ops->pending(db->log)) /* a commit may have found the log taken, and gone away */
        sched_post(&db->sched, &db->commit, false);
    if (db->log->ops->bytes(db->log) > db->log_soft_bytes && before < end)
        (void)optimize_bundle(&c, db, end);
    ctx_release(&c);
}
