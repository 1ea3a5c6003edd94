/* graph_order.c - numbering slots so that those which are walked together lie together. */
#include "index/graph.h"

#include "base/ctx.h"
#include "base/mem.h"

/* Breadth first from the first slot over the nearest links; what is not reached comes where its number
 * is met. Neighbours of one slot get numbers in a row, so their records and links share pages. */
int graph_order(struct ctx *c, const struct graph *g, uint32_t *order)
{
    struct bits taken;
    uint32_t head = 0, tail = 0;

    if (bits_new(&c->arena, g->count, &taken) < 0)
        return err_nomem(c);
    for (uint32_t start = 0; start < g->count; start++) {
        if (bits_get(&taken, start))
            continue;
        bits_set(&taken, start);
        order[tail++] = start;
        for (; head < tail; head++) {
            const uint32_t *links = g->links + (size_t)order[head] * g->degree;
            for (uint32_t i = 0; i < g->degree && links[i] != GRAPH_NONE; i++) {
                if (bits_get(&taken, links[i]))
                    continue;
                bits_set(&taken, links[i]);
                order[tail++] = links[i];
            }
        }
    }
    return 0;
}
