/* link.c - a job a shard: rows in memory get their place in a graph soon after they were applied, while the
 * shard's other job seals, merges and builds. */
#include "engine/engine.h"

enum { LINK_STEP = 256 };

/* The oldest segment in memory with rows to link, referenced; NULL: none. With s->lock held. */
static struct segment *next_segment(struct shard *s)
{
    for (size_t i = 0; i < s->frozen_count; i++) {
        if (growing_unlinked(s->frozen[i].segment))
            return segment_ref(s->frozen[i].segment);
    }
    if (s->growing.segment && growing_unlinked(s->growing.segment))
        return segment_ref(s->growing.segment);
    return NULL;
}

void link_post(struct shard *s)
{
    struct segment *seg = next_segment(s);

    if (seg)
        sched_post(&s->db->sched, &s->link, false);
    segment_unref(seg);
}

void link_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, link);
    struct segment *seg = NULL;
    struct ctx c;
    int rc = 0;

    os_mutex_lock(&s->lock);
    if (!atomic_load(&s->db->closing) && !s->dropped)
        seg = next_segment(s);
    os_mutex_unlock(&s->lock);
    if (!seg)
        return;
    ctx_init(&c, s->db->os);
    rc = growing_link(&c, seg, s->db->kernels, LINK_STEP);
    ctx_release(&c);
    segment_unref(seg);
    os_mutex_lock(&s->lock);
    s->link_failed = rc < 0;
    if (s->frozen_count && (rc <= 0 || !growing_unlinked(s->frozen[0].segment)))
        sched_post(&s->db->sched, &s->maintain, false); /* it waits for this */
    os_mutex_unlock(&s->lock);
    if (rc > 0) { /* out of memory: tried again with the next write; the rows are scanned */
        atomic_fetch_add(&s->db->graph_links, (uint64_t)rc);
        sched_post(&s->db->sched, job, false);
    }
}
