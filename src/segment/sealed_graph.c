/* sealed_graph.c - opening what seal_graph.c wrote, and what its predecessor did. */
#include "base/ctx.h"
#include "segment/sealed.h"

struct opening {
    struct ctx *c;
    struct part *part;
    uint64_t owner;
    const struct schema_vector *v;
    struct segment_graph *g;
};

static int malformed(const struct opening *o, const char *what)
{
    return err_set(o->c, KITH_CORRUPT, "blob %s: segment %llu: malformed graph %s", o->part->pack->key,
                   (unsigned long long)o->owner, what);
}

static int section(const struct opening *o, enum pack_kind kind, uint64_t size, const void **ret_data)
{
    struct bytes data;

    TRY(pack_get(o->c, o->part->pack, kind, o->v->id, o->owner, &data));
    if (data.size != size)
        return malformed(o, "section");
    *ret_data = data.data;
    return 0;
}

/* The same, in memory of our own. */
static int resident(const struct opening *o, enum pack_kind kind, uint64_t size, const void **ret_data)
{
    TRY(section(o, kind, size, ret_data));
    *ret_data = part_copy(o->part, *ret_data, size);
    return 0;
}

static int open_grid(const struct opening *o)
{
    struct segment_graph *g = o->g;
    uint64_t count = g->graph.count;
    const void *data;

    g->by_grid = true;
    grid_layout(&g->grid, o->v->dim);
    TRY(section(o, PACK_GRID, (uint64_t)o->v->dim * 2 * sizeof(float), &data));
    g->grid.low = data;
    g->grid.step = g->grid.low + o->v->dim;
    TRY(resident(o, PACK_TOP, count * g->grid.stride, &data));
    g->top = data;
    TRY(resident(o, PACK_REST, count * g->grid.stride, &data));
    g->rest = data;
    if (o->v->metric == KITH_EUCLID) {
        TRY(resident(o, PACK_NORMS, count * sizeof *g->norms, &data));
        g->norms = data;
    }
    return 0;
}

static int open_bytes(const struct opening *o, float common_scale)
{
    struct codes *codes = &o->g->codes;
    const void *data;

    codes_layout(codes, o->v->metric, o->v->element, o->v->dim);
    codes->count = o->g->graph.count;
    codes->common_scale = common_scale;
    TRY(resident(o, PACK_CODES, codes->stride * codes->count, &data));
    codes->base = data;
    return 0;
}

static int open_links(const struct opening *o, uint32_t rows)
{
    struct graph *g = &o->g->graph;
    const void *data;

    TRY(resident(o, PACK_LINKS, (uint64_t)g->count * g->degree * sizeof *g->links, &data));
    g->links = data;
    TRY(section(o, PACK_SLOTS, (uint64_t)g->count * sizeof *o->g->slots, &data));
    o->g->slots = data;
    for (uint32_t i = 0; i < g->count; i++) {
        if (o->g->slots[i] >= rows)
            return malformed(o, "slots");
    }
    return graph_check(g) ? 0 : malformed(o, "links");
}

int sealed_graph_open(struct ctx *c, struct part *p, uint64_t owner, uint32_t rows, const struct schema_vector *v,
                      struct segment_graph *ret_graph)
{
    struct opening o = {c, p, owner, v, ret_graph};
    struct graph *g = &ret_graph->graph;
    struct graph_head head;
    const void *data;

    TRY(section(&o, PACK_GRAPH, sizeof head, &data));
    memcpy(&head, data, sizeof head);
    g->count = head.count;
    g->degree = head.degree ? head.degree : GRAPH_DEGREE;
    g->entries_count = head.entries_count;
    memcpy(g->entries, head.entries, sizeof g->entries);
    if (head.dim != v->dim || head.metric != (uint32_t)v->metric || g->degree > GRAPH_DEGREE_MAX || g->degree % 16)
        return malformed(&o, "head");
    TRY(open_links(&o, rows));
    if (pack_find(p->pack, PACK_CURVE, v->id, owner)) { /* the first release had none */
        TRY(section(&o, PACK_CURVE, sizeof ret_graph->curve, &data));
        memcpy(&ret_graph->curve, data, sizeof ret_graph->curve);
    }
    return head.form == GRAPH_GRID ? open_grid(&o) : open_bytes(&o, head.common_scale);
}
