/* optimize.c - background work on a shard: seal, fold, index, merge; each ends in one publication.
 *
 * A publication: write the container, make it durable, swap the pointer in meta, swap the segments in
 * memory, let go of blobs that nothing names. A crash at any moment leaves the old or the new state.
 *
 * Only one job at a time works on a shard, so the list of sealed segments changes nowhere else; apply
 * goes on meanwhile and is held up only for the swap. Nothing newer than `covers` goes into files:
 * marks and overlays above it are carried over in memory and replayed from the log after a crash. */
#include "engine/engine.h"
#include "store/pack.h"

#include "base/mem.h"
#include "os/pages.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUNDLE_MAX = 256 };

int optimize_freeze(struct ctx *c, struct shard *s)
{
    struct unsealed *f;

    if (s->frozen_count == FROZEN_MAX)
        return err_set(c, KITH_LIMIT, "too many segments wait to be sealed");
    f = &s->frozen[s->frozen_count];
    *f = s->growing;
    if (!f->segment) /* only marks, or nothing: an empty one carries the LSN */
        TRY(shard_growing_new(c, s, &f->segment));
    f->upto = s->applied;
    s->frozen_count++;
    memset(&s->growing, 0, sizeof s->growing);
    return shard_publish(c, s);
}

/* ---- publications --------------------------------------------------------------------------------------- */

/* A change to the sealed list: some leave, some come. */
struct change {
    struct shard *s;
    lsn covers;
    struct segment *remove[MERGED_MAX];
    size_t remove_count;
    bool unfreeze;               /* the oldest frozen one is among what `add` replaces */
    struct {
        uint64_t id;
        struct sealed_files files;
        struct segment *opened;  /* made from the files before the swap */
        lsn since;               /* what was applied when it was reopened */
        const struct segment *same_rows; /* reopened from this one, marks shared */
    } add;
    bool has_add, indexed; /* indexed: with an index that was not there before */
    struct strmap blobs;
    uint64_t revision;
};

static bool removed(const struct change *ch, const struct segment *s)
{
    for (size_t i = 0; i < ch->remove_count; i++) {
        if (ch->remove[i] == s)
            return true;
    }
    return false;
}

static size_t list_segments(const struct change *ch, struct manifest_segment *out)
{
    const struct shard *s = ch->s;
    size_t n = 0;

    for (size_t i = 0; i < s->sealed_count; i++) {
        if (!removed(ch, s->sealed[i]))
            out[n++] = (struct manifest_segment){s->sealed[i]->id, sealed_files(s->sealed[i]), s->sealed[i]};
    }
    if (ch->has_add)
        out[n++] = (struct manifest_segment){ch->add.id, &ch->add.files, ch->add.same_rows};
    return n;
}

/* The manifest section; marks of merged segments above the state they were merged at are added to it
 * from the sources, through the opened segment. */
static int put_manifest(struct ctx *c, struct pack_writer *w, struct change *ch)
{
    struct manifest_segment segments[SEALED_MAX + 2];
    size_t n = list_segments(ch, segments);

    return manifest_write(c, w, ch->s, ch->covers, segments, n);
}

static int pointer_change(struct ctx *c, struct change *ch, const char *key, struct meta_compare *compare,
                          struct meta_change *change)
{
    struct manifest_segment segments[SEALED_MAX + 2];
    size_t n = list_segments(ch, segments);
    char *name = arena_alloc(&c->arena, 40);
    struct manifest_pointer unused;
    struct buf out;
    int rc;

    if (!name)
        return err_nomem(c);
    shard_key(ch->s, name);
    buf_init(&out);
    rc = manifest_pointer(c, ch->s, key, ch->covers, segments, n, &out);
    if (rc >= 0) {
        change->value.data = arena_copy(&c->arena, out.data, out.size);
        change->value.size = out.size;
        rc = change->value.data ? 0 : err_nomem(c);
    }
    buf_release(&out);
    TRY(rc);
    change->key = compare->key = name;
    change->remove = false;
    compare->revision = ch->s->meta_revision;
    return manifest_pointer_read(c, change->value, &unused, &ch->blobs);
}

static void replace_sealed(struct change *ch)
{
    struct shard *s = ch->s;
    size_t n = 0;

    for (size_t i = 0; i < s->sealed_count; i++) {
        if (removed(ch, s->sealed[i]))
            segment_unref(s->sealed[i]);
        else
            s->sealed[n++] = s->sealed[i];
    }
    s->sealed_count = n;
    if (ch->add.opened)
        s->sealed[s->sealed_count++] = ch->add.opened;
    ch->add.opened = NULL;
}

/* With s->lock held: nothing is applied meanwhile. */
static int swap_in(struct ctx *c, struct change *ch, const char *manifest_key)
{
    struct shard *s = ch->s;
    struct segment *frozen = ch->unfreeze ? s->frozen[0].segment : NULL;
    struct strmap old = s->blobs;
    int rc;

    if (ch->add.opened && frozen)
        TRY(segment_carry(c, frozen, ch->covers, ch->add.opened));
    if (ch->add.opened && ch->add.same_rows && !MUTANT(MUTANT_FORGET_DURING_REOPEN))
        TRY(segment_follow(c, ch->add.same_rows, ch->add.since, ch->add.opened));
    if (ch->add.opened && !ch->add.same_rows) {
        for (size_t i = 0; i < ch->remove_count; i++)
            TRY(segment_carry(c, ch->remove[i], ch->covers, ch->add.opened));
    }
    replace_sealed(ch);
    if (ch->indexed)
        monitor_renew(&s->monitor);
    if (frozen) {
        memmove(s->frozen, s->frozen + 1, (s->frozen_count - 1) * sizeof *s->frozen);
        s->frozen_count--;
        atomic_store(&s->choked, false);
        sched_wake(&s->db->sched); /* writers may be waiting */
    }
    s->covers = ch->covers;
    snprintf(s->manifest, sizeof s->manifest, "%s", manifest_key);
    s->owner = s->id;
    rc = shard_publish(c, s);
    segment_unref(frozen);
    TRY(rc);
    s->blobs = ch->blobs;
    memset(&ch->blobs, 0, sizeof ch->blobs);
    blobs_let_go(s->db, &old);
    strmap_release(&old);
    return 0;
}

static void change_release(struct change *ch)
{
    segment_unref(ch->add.opened);
    strmap_release(&ch->blobs);
    mem_free(ch);
}

/* Everything is durable under `key`: make it the state of all the shards at once. */
static int publish(struct ctx *c, struct db *db, struct change **changes, size_t count, const char *key)
{
    struct meta_compare *compares = arena_zalloc(&c->arena, count * sizeof *compares);
    struct meta_change *puts = arena_zalloc(&c->arena, count * sizeof *puts);
    int rc = compares && puts ? 0 : err_nomem(c);

    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = pointer_change(c, changes[i], key, &compares[i], &puts[i]);
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = blobs_hold(c, db, &changes[i]->blobs);
    if (rc >= 0) {
        rc = db->meta->ops->swap(c, db->meta, compares, count, puts, count);
        if (rc < 0) { /* perhaps it is there all the same: what is named must not be removed now */
            strmap_release(&changes[0]->blobs);
            return rc;
        }
    }
    for (size_t i = 0; i < count && rc >= 0; i++) {
        struct shard *s = changes[i]->s;
        rc = shard_learn_revision(c, s);
        if (rc >= 0) {
            os_mutex_lock(&s->lock);
            rc = swap_in(c, changes[i], key);
            os_mutex_unlock(&s->lock);
        }
        if (rc < 0) { /* memory no longer follows the files: only a restart mends that */
            snprintf(s->problem, sizeof s->problem, "a publication could not be followed: %.120s", c->text);
            s->held_offset = 1;
        }
    }
    return rc;
}

static struct change *change_new(struct ctx *c, struct shard *s)
{
    struct change *ch = mem_zalloc(sizeof *ch);

    if (!ch) {
        (void)err_nomem(c);
        return NULL;
    }
    ch->s = s;
    ch->covers = s->covers;
    return ch;
}

/* ---- checkpoints: the oldest frozen segment becomes a sealed one ------------------------------------------ */

/* The rows just written, if any, become a segment of the change; then the manifest. */
static int add_written(struct ctx *c, struct pack_writer *w, struct change *ch, const char *key, uint32_t rows,
                       const struct sealed_graphs *graphs)
{
    if (rows) {
        ch->has_add = true;
        snprintf(ch->add.files.base, sizeof ch->add.files.base, "%s", key);
        snprintf(ch->add.files.docs, sizeof ch->add.files.docs, "%s", key);
        ch->add.files.docs_lsn = ch->covers;
        ch->indexed = graphs->count > 0;
        ch->add.files.graphs_count = graphs->count;
        for (uint32_t i = 0; i < graphs->count; i++) {
            ch->add.files.graphs[i].vector_id = graphs->vectors[i];
            snprintf(ch->add.files.graphs[i].key, sizeof ch->add.files.graphs[i].key, "%s", key);
        }
    }
    return put_manifest(c, w, ch);
}

/* A long build gives way when the database closes, and when sealing, which writers wait for, is due. */
static bool give_way(void *arg)
{
    struct shard *s = arg;
    bool urgent;

    os_mutex_lock(&s->lock);
    urgent = s->frozen_count >= FROZEN_MAX / 2 && s->sealed_count < SEALED_MANY;
    os_mutex_unlock(&s->lock);
    return urgent || atomic_load(&s->db->closing) || atomic_load(&s->leaving);
}

static struct graph_plan graph_plan_of(struct shard *s)
{
    return (struct graph_plan){.kernels = s->db->kernels, .threads = s->db->options.threads,
                               .rows_min = s->db->graph_rows_min, .stop = give_way, .arg = s};
}

static int write_checkpoint(struct ctx *c, struct pack_writer *w, struct change *ch, const char *key)
{
    struct shard *s = ch->s;
    struct unsealed *f = &s->frozen[0];
    struct seal_source from = {&f->segment, 1};
    struct graph_plan plan = graph_plan_of(s);
    struct sealed_graphs graphs;
    uint32_t rows = 0;

    if (s->sealed_count + 2 > SEALED_MAX)
        return err_set(c, KITH_LIMIT, "%zu segments, and none can be merged", s->sealed_count);
    ch->covers = f->upto;
    ch->unfreeze = true;
    ch->add.id = s->id << 24 | ++s->segment_seq;
    TRY(seal_write(c, w, ch->add.id, s->schema, &from, ch->covers, &plan, &rows, &graphs));
    return add_written(c, w, ch, key, rows, &graphs);
}

static int finish_pack(struct ctx *c, struct db *db, struct pack_writer *w, struct change **changes, size_t count,
                       const char *key)
{
    uint64_t size;

    TRY(pack_commit(c, w, &size));
    for (size_t i = 0; i < count; i++) {
        struct change *ch = changes[i];
        if (ch->has_add && !ch->add.opened) {
            if (ch->add.same_rows) {
                os_mutex_lock(&ch->s->lock); /* marks must not move while they are shared out */
                ch->add.since = ch->s->applied;
                int rc = sealed_reopen(c, db->blobs, ch->s->schema, ch->add.same_rows, &ch->add.files,
                                       &ch->add.opened);
                os_mutex_unlock(&ch->s->lock);
                TRY(rc);
            } else {
                TRY(sealed_open(c, db->blobs, ch->s->schema, ch->add.id, &ch->add.files, &ch->add.opened));
            }
        }
    }
    return publish(c, db, changes, count, key);
}

static int checkpoint(struct ctx *c, struct shard **shards, size_t count)
{
    struct db *db = shards[0]->db;
    struct change **changes = arena_zalloc(&c->arena, count * sizeof *changes);
    struct pack_writer w;
    char key[48];
    int rc;

    if (!changes)
        return err_nomem(c);
    blob_key(db, shards[0]->id, key);
    TRY(pack_create(c, db->blobs, key, &w));
    rc = 0;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        changes[i] = change_new(c, shards[i]);
        rc = changes[i] ? write_checkpoint(c, &w, changes[i], key) : KITH_NOMEM;
    }
    if (rc >= 0)
        rc = finish_pack(c, db, &w, changes, count, key);
    else
        pack_abort(&w);
    for (size_t i = 0; i < count && changes[i]; i++)
        change_release(changes[i]);
    if (rc >= 0)
        atomic_fetch_add(&db->seals, count);
    return rc;
}

/* ---- graphs, documents, merges ---------------------------------------------------------------------------- */

/* One new file for one segment with the same rows: a graph, or documents with field indexes. */
static int rewrite(struct ctx *c, struct shard *s, struct segment *seg, const struct schema_vector *graph_of)
{
    struct change *ch = change_new(c, s);
    struct graph_plan plan = graph_plan_of(s);
    struct pack_writer w;
    char key[48];
    int rc;

    if (!ch)
        return KITH_NOMEM;
    blob_key(s->db, s->id, key);
    ch->remove[ch->remove_count++] = seg;
    ch->has_add = true;
    ch->add.id = seg->id;
    ch->add.files = *sealed_files(seg);
    ch->add.same_rows = seg;
    rc = pack_create(c, s->db->blobs, key, &w);
    if (rc < 0) {
        change_release(ch);
        return rc;
    }
    ch->indexed = graph_of != NULL;
    if (graph_of) {
        uint32_t n = 0;
        while (n < ch->add.files.graphs_count && ch->add.files.graphs[n].vector_id != graph_of->id)
            n++;
        ch->add.files.graphs_count = MAX(ch->add.files.graphs_count, n + 1); /* in place of an old one, or besides */
        ch->add.files.graphs[n].vector_id = graph_of->id;
        snprintf(ch->add.files.graphs[n].key, sizeof ch->add.files.graphs[n].key, "%s", key);
        rc = seal_write_index(c, &w, graph_of, seg, &plan);
        atomic_fetch_add(&s->db->graph_builds, rc == 0);
        atomic_fetch_add(&s->db->graph_links, rc == 0 ? seg->ops->rows(seg) : 0);
    } else {
        ch->add.files.docs_lsn = s->covers;
        snprintf(ch->add.files.docs, sizeof ch->add.files.docs, "%s", key);
        rc = seal_write_docs(c, &w, s->schema, seg, s->covers);
    }
    if (rc == 0)
        rc = put_manifest(c, &w, ch);
    if (rc == 0)
        rc = finish_pack(c, s->db, &w, &ch, 1, key);
    else
        pack_abort(&w);
    change_release(ch);
    return rc;
}

static int write_merge(struct ctx *c, struct pack_writer *w, struct change *ch, const char *key)
{
    struct shard *s = ch->s;
    struct seal_source from = {ch->remove, ch->remove_count};
    struct graph_plan plan = graph_plan_of(s);
    struct sealed_graphs graphs;
    uint32_t rows = 0;

    ch->add.id = s->id << 24 | ++s->segment_seq;
    TRY(seal_write(c, w, ch->add.id, s->schema, &from,
                   MUTANT(MUTANT_MERGE_DROPS_NEWER_DEATHS) ? s->applied : ch->covers, &plan, &rows, &graphs));
    atomic_fetch_add(&s->db->graph_builds, graphs.count);
    atomic_fetch_add(&s->db->graph_links, (uint64_t)graphs.count * rows);
    return add_written(c, w, ch, key, rows, &graphs);
}

static int merge(struct ctx *c, struct shard *s, struct segment **which, size_t count)
{
    struct change *ch = change_new(c, s);
    struct pack_writer w;
    char key[48];
    int rc;

    if (!ch)
        return KITH_NOMEM;
    blob_key(s->db, s->id, key);
    memcpy(ch->remove, which, count * sizeof *which);
    ch->remove_count = count;
    rc = pack_create(c, s->db->blobs, key, &w);
    if (rc >= 0) {
        rc = write_merge(c, &w, ch, key);
        if (rc >= 0)
            rc = finish_pack(c, s->db, &w, &ch, 1, key);
        else
            pack_abort(&w);
    }
    change_release(ch);
    if (rc >= 0)
        atomic_fetch_add(&s->db->merges, 1);
    return rc;
}

/* ---- what to do next ----------------------------------------------------------------------------------------- */

/* One unit of work. 1: something was done; 0: nothing to do. */
static int optimize_once(struct ctx *c, struct shard *s, bool all, bool only_checkpoint)
{
    struct segment *which[MERGED_MAX];
    const struct schema_vector *v;
    size_t n;

    if (s->sealed_count >= SEALED_MANY && (n = choose_merge(s, false, which)) > 0) {
        TRY(merge(c, s, which, n)); /* whatever waits: a process that never lives long must not collect them */
        return 1;
    }
    if (s->frozen_count) {
        TRY(checkpoint(c, &s, 1));
        return 1;
    }
    if (only_checkpoint)
        return 0;
    n = choose_merge(s, all, which);
    if (n) {
        TRY(merge(c, s, which, n));
        return 1;
    }
    for (size_t i = 0; i < s->sealed_count; i++) {
        struct segment *seg = s->sealed[i];
        if (choose_docs(s, seg, all)) {
            TRY(rewrite(c, s, seg, NULL));
            return 1;
        }
        if (choose_graph(s, seg, &v)) {
            TRY(rewrite(c, s, seg, v));
            return 1;
        }
    }
    return 0;
}

void optimize_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, maintain);
    bool all, only_checkpoint;
    struct ctx c;
    int rc = 0;

    if (atomic_load(&s->db->closing) || atomic_load(&s->leaving) || s->dropped)
        return;
    ctx_init(&c, s->db->os);
    os_mutex_lock(&s->lock);
    if (s->problem[0])
        rc = KITH_CORRUPT;
    else if (!s->frozen_count && s->applied > s->covers &&
             (s->want_checkpoint || s->want_all || choose_freeze(s)))
        rc = optimize_freeze(&c, s);
    if (rc >= 0 && !s->want_all && !s->link_failed && s->frozen_count && s->frozen_count < FROZEN_MAX / 2 &&
        growing_unlinked(s->frozen[0].segment)) {
        link_post(s); /* it posts this job again: a segment sealed with its graph need not be built again */
        os_mutex_unlock(&s->lock);
        ctx_release(&c);
        return;
    }
    all = s->want_all;
    only_checkpoint = s->want_checkpoint && !all;
    os_mutex_unlock(&s->lock);
    if (rc >= 0)
        rc = optimize_once(&c, s, all, only_checkpoint);
    if (rc == KITH_CLOSED && !atomic_load(&s->db->closing))
        rc = 1; /* a build gave way: go on with what is urgent */
    if (rc == 0 && s->maintain_worked)
        pages_return(); /* what merges, builds and the writes before them took */
    s->maintain_worked = rc > 0;
    os_mutex_lock(&s->lock);
    s->maintain_failed = rc < 0;
    if (rc < 0)
        snprintf(s->maintain_error, sizeof s->maintain_error, "%.150s", c.text);
    if (rc == 0) { /* what was asked for meanwhile is still to do */
        s->want_all = s->want_all && !all;
        s->want_checkpoint = s->want_checkpoint && !all && !only_checkpoint;
    }
    os_mutex_unlock(&s->lock);
    if (rc > 0 || (rc == 0 && only_checkpoint)) /* after a checkpoint the rest */
        sched_post(&s->db->sched, job, false);
    if (rc > 0 && s->db->log->ops->bytes(s->db->log) > s->db->log_soft_bytes)
        sched_post(&s->db->sched, &s->db->trim, false);
    ctx_release(&c);
}

int optimize_all(struct ctx *c, struct shard *s, bool only_checkpoint)
{
    for (;;) {
        bool more, failed, dropped;
        os_mutex_lock(&s->lock);
        if (only_checkpoint)
            s->want_checkpoint = true;
        else
            s->want_all = true;
        os_mutex_unlock(&s->lock);
        sched_post(&s->db->sched, &s->maintain, false);
        sched_drain(&s->db->sched, &s->maintain);
        sched_drain(&s->db->sched, &s->link); /* it may have had to wait for this one */
        sched_drain(&s->db->sched, &s->maintain);
        os_mutex_lock(&s->lock);
        more = only_checkpoint ? s->want_checkpoint : s->want_all;
        failed = s->maintain_failed;
        dropped = s->dropped;
        os_mutex_unlock(&s->lock);
        if (dropped)
            return err_set(c, KITH_NOT_FOUND, "Collection `%.180s` doesn't exist!", s->name);
        if (atomic_load(&s->leaving))
            sched_pause(&s->db->sched, 1);
        if (failed)
            return err_set(c, KITH_IO, "collection %s: %s", s->name, s->maintain_error);
        if (!more)
            break;
        if (atomic_load(&s->db->closing))
            return err_set(c, KITH_CLOSED, "the database is closing");
    }
    sched_post(&s->db->sched, &s->db->trim, false);
    sched_drain(&s->db->sched, &s->db->trim);
    return 0;
}

/* Keeps the shard's own job away while another works on it. */
bool optimize_claim(struct shard *s)
{
    struct sched *sched = &s->db->sched;
    bool idle;

    os_mutex_lock(&sched->mutex);
    idle = s->maintain.state == JOB_IDLE;
    if (idle)
        s->maintain.state = JOB_RUNNING;
    os_mutex_unlock(&sched->mutex);
    return idle;
}

void optimize_hold(struct shard *s)
{
    for (;;) {
        sched_drain(&s->db->sched, &s->maintain);
        if (optimize_claim(s))
            return;
        sched_pause(&s->db->sched, 1);
    }
}

void optimize_give_back(struct shard *s)
{
    struct sched *sched = &s->db->sched;
    bool again;

    os_mutex_lock(&sched->mutex);
    again = s->maintain.state == JOB_AGAIN || s->frozen_count;
    s->maintain.state = JOB_IDLE;
    os_cond_broadcast(&sched->quiet);
    os_mutex_unlock(&sched->mutex);
    if (again)
        sched_post(sched, &s->maintain, false);
}

/* Dirty little shards that hold the log back are sealed together: one blob, one swap in meta. */
int optimize_bundle(struct ctx *c, struct db *db, uint64_t before_offset)
{
    struct shard *chosen[BUNDLE_MAX];
    size_t n = 0;
    int rc = 0;

    os_mutex_lock(&db->catalog);
    for (size_t i = 0; i < db->shards_count && n < BUNDLE_MAX; i++) {
        struct shard *s = db->shards[i];
        uint64_t from;
        bool take = false;
        os_mutex_lock(&s->lock);
        from = shard_dirty_from(s);
        if (from && from < before_offset && !s->problem[0] && s->loaded && !s->dropped && s->sealed_count < SEALED_MANY)
            take = optimize_claim(s);
        if (take && (s->frozen_count || optimize_freeze(c, s) >= 0)) {
            atomic_fetch_add(&s->refs, 1);
            chosen[n++] = s;
        } else if (take) {
            optimize_give_back(s);
        }
        os_mutex_unlock(&s->lock);
    }
    os_mutex_unlock(&db->catalog);
    if (n)
        rc = checkpoint(c, chosen, n);
    for (size_t i = 0; i < n; i++) {
        optimize_give_back(chosen[i]);
        shard_unref(chosen[i]);
    }
    if (n && rc >= 0)
        sched_post(&db->sched, &db->trim, false);
    return rc;
}
