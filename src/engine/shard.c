/* shard.c - views, and the life of a shard's struct. */
#include "engine/engine.h"

#include "base/mem.h"

#include <stdio.h>

enum { REAP_AGAIN_MS = 10 };

struct shard *shard_new(struct db *db, uint64_t id, const char *name)
{
    struct shard *s = mem_zalloc(sizeof *s);

    if (!s)
        return NULL;
    s->name = mem_strdup(name);
    if (!s->name) {
        mem_free(s);
        return NULL;
    }
    s->db = db;
    s->id = s->owner = id;
    atomic_init(&s->refs, 1);
    os_mutex_init(&s->lock);
    os_mutex_init(&s->queue_lock);
    s->queue_tail = &s->queue;
    job_init(&s->apply, write_apply_step, true);
    job_init(&s->maintain, optimize_step, false);
    job_init(&s->link, link_step, false);
    monitor_init(&s->monitor);
    return s;
}

void shard_take_pointer(struct shard *s, const struct manifest_pointer *p)
{
    memcpy(s->manifest, p->key, sizeof s->manifest);
    s->covers = p->covers;
    s->owner = p->owner ? p->owner : s->id;
    s->era = p->era;
    s->era_offset = p->era_offset;
}

static void view_free(struct view *view)
{
    for (size_t i = 0; i < view->count; i++)
        segment_unref(view->segments[i]);
    schema_unref(view->schema);
    mem_free(view);
}

void view_unpin(struct view *view)
{
    if (view && atomic_fetch_sub(&view->refs, 1) == 1)
        view_free(view);
}

static void view_retired(struct epoch_item *item)
{
    view_unpin(container_of(item, struct view, retired));
}

void view_retire(struct shard *s, struct view *view)
{
    epoch_retire(&s->db->epoch, &view->retired, view_retired);
}

struct view *shard_pin(struct shard *s)
{
    uint32_t slot = epoch_enter(&s->db->epoch);
    struct view *view = atomic_load(&s->view);

    if (view)
        atomic_fetch_add(&view->refs, 1);
    epoch_leave(&s->db->epoch, slot);
    return view;
}

int shard_learn_revision(struct ctx *c, struct shard *s)
{
    struct meta_item item;
    char key[40];

    shard_key(s, key);
    TRY(s->db->meta->ops->get(c, s->db->meta, key, &item));
    s->meta_revision = item.revision;
    return 0;
}

struct snapshot view_snapshot(struct view *view)
{
    struct snapshot snap = {view->segments, view->count, atomic_load(&view->v), view->schema};

    return snap;
}

int shard_publish(struct ctx *c, struct shard *s)
{
    size_t count = s->sealed_count + s->frozen_count + (s->growing.segment != NULL), n = 0;
    struct view *view = mem_zalloc(sizeof *view + count * sizeof view->segments[0]), *old;

    if (!view)
        return err_nomem(c);
    atomic_init(&view->refs, 1);
    atomic_init(&view->v, s->applied);
    view->schema = schema_ref(s->schema);
    view->count = count;
    for (size_t i = 0; i < s->sealed_count; i++)
        view->segments[n++] = segment_ref(s->sealed[i]);
    for (size_t i = 0; i < s->frozen_count; i++)
        view->segments[n++] = segment_ref(s->frozen[i].segment);
    if (s->growing.segment)
        view->segments[n++] = segment_ref(s->growing.segment);
    old = atomic_exchange(&s->view, view);
    if (old)
        view_retire(s, old);
    atomic_store(&s->backlog, view_backlog(view, s->db->graph_rows_min));
    return 0;
}

uint32_t view_backlog(const struct view *view, uint32_t graph_rows_min)
{
    uint32_t rows = 0;

    for (size_t i = 0; i < view->count; i++) {
        const struct segment *seg = view->segments[i];
        uint32_t n = seg->ops->rows(seg);
        if (segment_is_growing(seg))
            rows += growing_unlinked(seg);
        else if (n >= graph_rows_min && segment_wants_index(seg, view->schema))
            rows += n;
    }
    return rows;
}

int shard_growing_new(struct ctx *c, struct shard *s, struct segment **ret_segment)
{
    struct growing_limits limits = {s->db->options.growing_rows_max, s->db->graph_rows_min};

    return growing_new(c, s->id << 24 | ++s->segment_seq, s->schema, &limits, ret_segment);
}

uint64_t shard_dirty_from(struct shard *s)
{
    uint64_t from = s->held_offset;

    for (size_t i = 0; i < s->frozen_count; i++) {
        if (s->frozen[i].first_offset && (!from || s->frozen[i].first_offset < from))
            from = s->frozen[i].first_offset;
    }
    if (s->growing.first_offset && (!from || s->growing.first_offset < from))
        from = s->growing.first_offset;
    os_mutex_lock(&s->queue_lock);
    if (s->queue && (!from || s->queue->offset < from))
        from = s->queue->offset;
    os_mutex_unlock(&s->queue_lock);
    return from;
}

int shard_load(struct ctx *c, struct shard *s)
{
    int rc;

    if (s->loaded)
        return 0;
    rc = manifest_load(c, s);
    if (rc == KITH_NOMEM)
        return rc;
    if (rc < 0) { /* one damaged shard never stops the server */
        snprintf(s->problem, sizeof s->problem, "%.190s", c->text);
        for (size_t i = 0; i < s->sealed_count; i++)
            segment_unref(s->sealed[i]);
        s->sealed_count = 0;
    }
    s->loaded = true;
    s->applied = MAX(s->applied, s->covers);
    TRY(shard_publish(c, s));
    sched_post(&s->db->sched, &s->maintain, false); /* what was under way when it was left */
    return 0;
}

static void shard_free(struct shard *s)
{
    struct view *view = atomic_exchange(&s->view, NULL);

    if (view)
        view_retire(s, view);
    for (size_t i = 0; i < s->sealed_count; i++)
        segment_unref(s->sealed[i]);
    for (size_t i = 0; i < s->frozen_count; i++)
        segment_unref(s->frozen[i].segment);
    segment_unref(s->growing.segment);
    schema_unref(s->schema);
    for (size_t i = 0; i < s->old_schemas_count; i++)
        schema_unref(s->old_schemas[i]);
    mem_free(s->old_schemas);
    strmap_release(&s->blobs);
    monitor_release(&s->monitor);
    os_mutex_release(&s->lock);
    os_mutex_release(&s->queue_lock);
    mem_free(s->name);
    mem_free(s);
}

static void bury(struct shard *s)
{
    struct shard *first = atomic_load(&s->db->dead);

    do
        s->next_dead = first;
    while (!atomic_compare_exchange_weak(&s->db->dead, &first, s));
}

void shard_unref(struct shard *s)
{
    struct db *db = s ? s->db : NULL;

    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    bury(s);
    sched_post(&db->sched, &db->reap, false);
}

/* Nobody can post these any more but they themselves. */
static bool stands_still(struct shard *s)
{
    struct job *jobs[] = {&s->apply, &s->link, &s->monitor.job, &s->maintain};
    bool still = true;

    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        still = sched_forget(&s->db->sched, jobs[i]) && still;
    return still;
}

void shard_reap_step(struct job *job)
{
    struct db *db = container_of(job, struct db, reap);
    struct shard *s = atomic_exchange(&db->dead, NULL), *next;
    bool again = false;

    for (; s; s = next) {
        next = s->next_dead;
        if (stands_still(s)) {
            shard_free(s);
        } else {
            bury(s);
            again = true;
        }
    }
    if (again)
        sched_post_later(&db->sched, job, REAP_AGAIN_MS);
}
