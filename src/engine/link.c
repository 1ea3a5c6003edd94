/* link.c - a job a shard: rows in memory get their place in a graph soon after they were applied, while the
 * shard's other job seals, merges and builds. */
#include "engine/engine.h"

enum { LINK_STEP = 256, LINK_AT_ONCE = 64, LINK_LATER_MS = 200 };

/* The oldest segment in memory with rows to link; NULL: none. With s->lock held. */
static struct segment *next_segment(struct shard *s, uint32_t *ret_rows)
{
    for (size_t i = 0; i < s->frozen_count; i++) {
        *ret_rows = LINK_AT_ONCE;
        if (growing_unlinked(s->frozen[i].segment))
            return s->frozen[i].segment;
    }
    *ret_rows = s->growing.segment ? growing_unlinked(s->growing.segment) : 0;
    return *ret_rows ? s->growing.segment : NULL;
}

/* A few rows are scanned as quickly as they are found: they may wait for more. */
void link_post(struct shard *s)
{
    uint32_t rows;

    if (s->dropped || !next_segment(s, &rows)) /* dropped: nothing may wait on a shard that goes */
        return;
    if (rows >= LINK_AT_ONCE)
        sched_post(&s->db->sched, &s->link, false);
    else
        sched_post_later(&s->db->sched, &s->link, LINK_LATER_MS);
}

void link_step(struct job *job)
{
    struct shard *s = container_of(job, struct shard, link);
    struct segment *seg = NULL;
    uint32_t rows;
    struct ctx c;
    int rc = 0;

    os_mutex_lock(&s->lock);
    if (!atomic_load(&s->db->closing) && !s->dropped)
        seg = next_segment(s, &rows);
    if (seg)
        segment_ref(seg);
    os_mutex_unlock(&s->lock);
    if (!seg)
        return;
    ctx_init(&c, s->db->os);
    rc = growing_link(&c, seg, s->db->kernels, LINK_STEP);
    ctx_release(&c);
    segment_unref(seg);
    if (rc > 0)
        atomic_fetch_add(&s->db->graph_links, (uint64_t)rc);
    os_mutex_lock(&s->lock);
    s->link_failed = rc < 0;
    if (s->frozen_count && (rc <= 0 || !growing_unlinked(s->frozen[0].segment)))
        sched_post(&s->db->sched, &s->maintain, false); /* it waits for this */
    if (rc > 0) /* out of memory: tried again with the next write; the rows are scanned */
        link_post(s);
    os_mutex_unlock(&s->lock);
}
