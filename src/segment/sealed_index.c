/* sealed_index.c - opening what seal_index.c wrote, and what its predecessor did. */
#include "base/ctx.h"
#include "segment/sealed.h"

struct opening {
    struct ctx *c;
    struct part *part;
    uint64_t owner;
    const struct schema_vector *v;
    struct vector_index *g;
};

static int malformed(const struct opening *o, const char *what)
{
    return err_set(o->c, KITH_CORRUPT, "blob %s: segment %llu: malformed index %s", o->part->pack->key,
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
    *ret_data = part_copy(o->part, o->v->id, *ret_data, size);
    return 0;
}

static int open_grid(const struct opening *o)
{
    struct vector_index *g = o->g;
    uint64_t count = g->graph.count;
    const void *data;

    grid_layout(&g->grid, o->v->dim);
    TRY(section(o, PACK_GRID, (uint64_t)o->v->dim * 2 * sizeof(float), &data));
    g->grid.low = data;
    g->grid.step = g->grid.low + o->v->dim;
    TRY(resident(o, PACK_TOP, count * g->grid.stride, &data));
    g->records = data;
    TRY(resident(o, PACK_REST, count * g->grid.stride, &data));
    g->rest = data;
    if (o->v->metric == KITH_EUCLID) {
        TRY(resident(o, PACK_NORMS, count * sizeof *g->norms, &data));
        g->norms = data;
    }
    return 0;
}

/* A head of two numbers, and floats, of which the head says how many. */
static int params(const struct opening *o, enum pack_kind kind, uint32_t head[2], struct bytes *ret_rest)
{
    TRY(pack_get(o->c, o->part->pack, kind, o->v->id, o->owner, ret_rest));
    if (ret_rest->size < 2 * sizeof *head)
        return malformed(o, "section");
    memcpy(head, ret_rest->data, 2 * sizeof *head);
    *ret_rest = (struct bytes){(const uint8_t *)ret_rest->data + 2 * sizeof *head, ret_rest->size - 2 * sizeof *head};
    return 0;
}

static int records(const struct opening *o, uint64_t count, uint64_t stride)
{
    const void *data;

    TRY(resident(o, PACK_CODES, count * stride, &data));
    o->g->records = data;
    return 0;
}

static int open_planes(const struct opening *o)
{
    struct planes *p = &o->g->planes;
    struct bytes steps;
    uint32_t head[2];

    TRY(params(o, PACK_PLANES, head, &steps));
    if (head[0] < 1 || head[0] > 2 || steps.size != 3 * (uint64_t)o->v->dim * sizeof(float))
        return malformed(o, "steps");
    planes_layout(p, o->v->dim, head[0]);
    p->rotated = head[1];
    p->centre = (const float *)(const void *)steps.data;
    p->low = p->centre + o->v->dim;
    p->step = p->low + o->v->dim;
    if (o->g->lists.blocks && p->bits != 1)
        return malformed(o, "blocks");
    if (o->g->lists.blocks)
        return records(o, o->g->lists.blocks[o->g->lists.count], blocks_stride(p));
    return records(o, o->g->graph.count, p->stride);
}

static int open_product(const struct opening *o)
{
    struct product *p = &o->g->product;
    struct bytes books;
    uint32_t head[2];

    TRY(params(o, PACK_PRODUCT, head, &books));
    product_layout(p, o->v->dim, head[0]);
    if (p->parts != head[0] || books.size != product_floats(p) * sizeof(float))
        return malformed(o, "books");
    p->books = (const float *)(const void *)books.data;
    o->g->asked_bytes = head[1];
    return records(o, o->g->graph.count, p->parts);
}

static int open_bytes(const struct opening *o, float common_scale)
{
    struct codes *codes = &o->g->codes;

    codes_layout(codes, o->v->metric, o->v->element, o->v->dim);
    codes->count = o->g->graph.count;
    codes->common_scale = common_scale;
    TRY(records(o, codes->count, codes->stride));
    codes->base = o->g->records;
    return 0;
}

static int open_codes(const struct opening *o, const struct index_head *head)
{
    bool bits = o->v->element == KITH_BIT;

    switch (head->form) {
    case INDEX_GRID:
        o->g->form = CODE_NIBBLES;
        return open_grid(o);
    case INDEX_PLANES:
        o->g->form = CODE_PLANES;
        return open_planes(o);
    case INDEX_PRODUCT:
        o->g->form = CODE_PRODUCT;
        return open_product(o);
    case INDEX_BYTES:
        o->g->form = bits ? CODE_BITS : o->v->metric == KITH_MANHATTAN ? CODE_L1 : CODE_BYTES;
        return open_bytes(o, head->common_scale);
    default:
        return malformed(o, "head");
    }
}

static int open_lists(const struct opening *o, float common_scale)
{
    struct lists *l = &o->g->lists;
    struct lists_head head;
    struct bytes data;
    const void *centres;

    TRY(pack_get(o->c, o->part->pack, PACK_LISTS, o->v->id, o->owner, &data));
    if (data.size < sizeof head)
        return malformed(o, "lists");
    memcpy(&head, data.data, sizeof head);
    if (!head.count || head.blocks > 1 ||
        data.size != sizeof head + ((uint64_t)head.count + 1) * (1 + head.blocks) * sizeof *l->starts)
        return malformed(o, "lists");
    l->count = head.count;
    l->spilled = head.spilled;
    o->g->asked_lists = head.asked;
    l->starts = (const uint32_t *)(const void *)((const uint8_t *)data.data + sizeof head);
    l->blocks = head.blocks ? l->starts + l->count + 1 : NULL;
    codes_layout(&l->centres, lists_metric(o->v->metric), KITH_F32, o->v->dim);
    l->centres.count = l->count;
    l->centres.common_scale = common_scale;
    TRY(resident(o, PACK_CENTRES, l->count * l->centres.stride, &centres));
    l->centres.base = centres;
    return lists_check(l, o->g->graph.count) ? 0 : malformed(o, "lists");
}

static int open_links(const struct opening *o)
{
    struct graph *g = &o->g->graph;
    const void *data;

    TRY(resident(o, PACK_LINKS, (uint64_t)g->count * g->degree * sizeof *g->links, &data));
    g->links = data;
    return graph_check(g) ? 0 : malformed(o, "links");
}

static int count_points(const struct opening *o, uint32_t rows)
{
    struct bits seen;

    if (bits_new(&o->c->arena, rows, &seen) < 0)
        return err_nomem(o->c);
    for (uint32_t i = 0; i < o->g->graph.count; i++)
        bits_set(&seen, o->g->slots[i]);
    o->g->points = bits_count(&seen);
    return 0;
}

static int open_slots(const struct opening *o, uint32_t rows)
{
    const void *data;

    TRY(section(o, PACK_SLOTS, (uint64_t)o->g->graph.count * sizeof *o->g->slots, &data));
    o->g->slots = data;
    for (uint32_t i = 0; i < o->g->graph.count; i++) {
        if (o->g->slots[i] >= rows)
            return malformed(o, "slots");
    }
    return o->v->multi ? count_points(o, rows) : 0;
}

int sealed_index_open(struct ctx *c, struct part *p, uint64_t owner, uint32_t rows, const struct schema_vector *v,
                      struct vector_index *ret_index)
{
    struct opening o = {c, p, owner, v, ret_index};
    struct graph *g = &ret_index->graph;
    struct index_head head;
    const void *data;

    TRY(section(&o, PACK_GRAPH, sizeof head, &data));
    memcpy(&head, data, sizeof head);
    g->count = head.count;
    g->degree = head.lists ? 0 : head.degree ? head.degree : GRAPH_DEGREE;
    g->entries_count = head.entries_count;
    memcpy(g->entries, head.entries, sizeof g->entries);
    if (head.dim != v->dim || head.metric != (uint32_t)v->metric || g->degree > GRAPH_DEGREE_MAX || g->degree % 16)
        return malformed(&o, "head");
    TRY(open_slots(&o, rows));
    TRY(head.lists ? open_lists(&o, head.common_scale) : open_links(&o));
    if (pack_find(p->pack, PACK_CURVE, v->id, owner)) { /* the first release had none */
        size_t size = pack_find(p->pack, PACK_CURVE, v->id, owner)->size == CURVE_SIZE_OLD ? CURVE_SIZE_OLD
                                                                                          : sizeof ret_index->curve;
        TRY(section(&o, PACK_CURVE, size, &data));
        memcpy(&ret_index->curve, data, size);
    }
    return open_codes(&o, &head);
}
