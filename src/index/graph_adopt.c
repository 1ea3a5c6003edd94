/* graph_adopt.c - taking over the links of a finished graph, so that a merge need not find them again.
 *
 * Slots get new numbers; some have none, because their rows are dead. Who loses a neighbour is offered that
 * neighbour's neighbours in its place, and the usual rule chooses (Xu et al. 2025, "In-place updates", do so
 * for deletes; Lucene's merges keep the largest graph and insert the rest). */
#include "index/graph.h"

enum { OFFERED_MAX = 160 };

struct offer {
    uint32_t slots[OFFERED_MAX + 4];
    uint32_t count;
};

static void offer(struct offer *o, uint32_t slot)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->slots[i] == slot)
            return;
    }
    if (o->count < OFFERED_MAX)
        o->slots[o->count++] = slot;
}

/* The slot's neighbours that are still there, and, for those that are not, theirs. True: some are not. */
static bool gather(const struct graph *from, const uint32_t *map, uint32_t slot, struct offer *o)
{
    const uint32_t *links = from->links + (size_t)slot * from->degree;
    bool lost = false;

    o->count = 0;
    for (uint32_t i = 0; i < from->degree && links[i] != GRAPH_NONE; i++) {
        if (map[links[i]] != GRAPH_NONE)
            offer(o, map[links[i]]);
        else
            lost = true;
    }
    for (uint32_t i = 0; lost && i < from->degree && links[i] != GRAPH_NONE; i++) {
        const uint32_t *far = from->links + (size_t)links[i] * from->degree;
        if (map[links[i]] != GRAPH_NONE)
            continue;
        for (uint32_t j = 0; j < from->degree && far[j] != GRAPH_NONE; j++) {
            if (far[j] != slot && map[far[j]] != GRAPH_NONE)
                offer(o, map[far[j]]);
        }
    }
    return lost;
}

void graph_adopt(struct graph_worker *w, const struct graph *from, const uint32_t *map)
{
    struct graph_builder *b = w->b;
    uint32_t entries = 0, step = MAX(from->count / GRAPH_ENTRIES, 1u), next = 0;
    struct offer o;

    for (uint32_t old = 0; old < from->count; old++) {
        uint32_t slot = map[old], *links;
        if (slot == GRAPH_NONE)
            continue;
        links = b->links + (size_t)slot * b->degree;
        if (gather(from, map, old, &o) || o.count > b->degree)
            graph_relink(w, slot, o.slots, o.count);
        else
            memcpy(links, o.slots, o.count * sizeof *links);
        bits_set(&b->done, slot);
        if (old >= next && entries < GRAPH_ENTRIES) {
            atomic_store(&b->entries[entries++], slot);
            next += step;
        }
    }
    atomic_store(&b->entries_count, entries);
    b->entries_stay = entries > 0;
}
