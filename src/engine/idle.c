/* idle.c - a collection that nobody has asked for lets go of its files, maps and memory; the next one
 * who asks opens it again, from its manifest. What it has in memory only is sealed first. */
#include "engine/engine.h"

/* With s->lock held. All it knows is in its manifest. */
static bool is_clean(const struct shard *s)
{
    return !s->growing.segment && !s->growing.first_offset && !s->frozen_count && s->applied == s->covers && !s->queue;
}

/* With the catalogue's and the shard's lock held: only the catalogue knows it, and no job works on it. */
static void unload(struct shard *s)
{
    struct view *view = atomic_exchange(&s->view, NULL);

    if (view)
        view_retire(s, view);
    for (size_t i = 0; i < s->sealed_count; i++)
        segment_unref(s->sealed[i]);
    s->sealed_count = 0;
    s->loaded = false;
}

/* 1: it was unloaded. */
static uint32_t look_at(struct db *db, struct shard *s, uint64_t before_ns)
{
    uint32_t unloaded = 0;

    if (atomic_load(&s->refs) != 1 || s->used_ns > before_ns)
        return 0;
    os_mutex_lock(&s->lock);
    if (!s->loaded || s->problem[0] || s->dropped) {
        ;
    } else if (!is_clean(s)) {
        s->want_checkpoint = true;
        sched_post(&db->sched, &s->maintain, false);
    } else if (s->manifest[0] && optimize_claim(s)) {
        unload(s);
        unloaded = 1;
        optimize_give_back(s);
    }
    os_mutex_unlock(&s->lock);
    return unloaded;
}

uint32_t idle_sweep(struct db *db, uint64_t before_ns)
{
    uint32_t unloaded = 0;

    os_mutex_lock(&db->catalog);
    for (size_t i = 0; i < db->shards_count; i++)
        unloaded += look_at(db, db->shards[i], before_ns);
    os_mutex_unlock(&db->catalog);
    return unloaded;
}

void idle_step(struct job *job)
{
    struct db *db = container_of(job, struct db, idle);
    uint64_t now = db->os->mono_ns(db->os);

    if (now > IDLE_NS && !atomic_load(&db->closing))
        (void)idle_sweep(db, now - IDLE_NS);
}
