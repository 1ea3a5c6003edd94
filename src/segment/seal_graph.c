/* seal_graph.c - the graph of one vector of a segment, built and written (docs/format/segment.md).
 *
 * It is built over 8-bit codes, which live only that long, and walked over the upper plane of a grid.
 * Manhattan has no inner product: it is walked over the bytes. */
#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"
#include "segment/sealed.h"

#include <math.h>

enum { SAMPLE = 1024 };

struct sealing_graph {
    struct ctx *c;
    const struct schema_vector *v;
    const struct segment *s;
    const struct kernels *kernels;
    uint32_t count;
    uint32_t *rows;  /* of the slots as they are built: ascending */
    uint32_t *order; /* slot as written -> slot as built */
    uint32_t *back;  /* the other way round */
    struct codes codes;
    uint8_t *records;
    struct graph_builder builder;
};

static const float *vector_of(const struct sealing_graph *g, uint32_t slot)
{
    const float *data = NULL;

    if (g->s->ops->vector(g->c, g->s, g->rows[slot], g->v->id, &data) < 0)
        return NULL;
    return data;
}

static int find_rows(struct sealing_graph *g)
{
    uint32_t rows = g->s->ops->rows(g->s);

    g->rows = mem_alloc((size_t)MAX(rows, 1u) * sizeof *g->rows);
    if (!g->rows)
        return err_nomem(g->c);
    for (row_id row = 0; row < rows; row++) {
        const float *data = NULL;
        TRY(g->s->ops->vector(g->c, g->s, row, g->v->id, &data));
        if (data)
            g->rows[g->count++] = row;
    }
    return 0;
}

/* ---- building ---------------------------------------------------------------------------------------------- */

static float common_scale(const struct sealing_graph *g)
{
    float largest = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = vector_of(g, i);
        for (uint32_t j = 0; v && j < g->v->dim; j++)
            largest = fmaxf(largest, fabsf(v[j]));
    }
    return largest / 127;
}

static int encode_bytes(struct sealing_graph *g)
{
    codes_layout(&g->codes, g->v->metric, g->v->dim);
    g->codes.count = g->count;
    if (g->v->metric == KITH_MANHATTAN)
        g->codes.common_scale = common_scale(g);
    g->records = pages_alloc((size_t)g->count * g->codes.stride);
    if (!g->records)
        return err_nomem(g->c);
    g->codes.base = g->records;
    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = vector_of(g, i);
        if (!v)
            return g->c->code ? g->c->code : KITH_CORRUPT;
        codes_encode(&g->codes, g->kernels, v, g->records + (size_t)i * g->codes.stride);
    }
    return 0;
}

static int choose_order(struct sealing_graph *g)
{
    struct graph view;

    g->order = mem_alloc((size_t)g->count * sizeof *g->order);
    g->back = mem_alloc((size_t)g->count * sizeof *g->back);
    if (!g->order || !g->back)
        return err_nomem(g->c);
    graph_builder_view(&g->builder, &view);
    TRY(graph_order(g->c, &view, g->order));
    for (uint32_t i = 0; i < g->count; i++)
        g->back[g->order[i]] = i;
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

static int write_links(const struct sealing_graph *g, struct pack_writer *w)
{
    uint32_t degree = g->builder.degree, links[GRAPH_DEGREE_MAX];

    TRY(pack_begin(g->c, w, PACK_LINKS, g->v->id, g->s->id));
    for (uint32_t i = 0; i < g->count; i++) {
        const uint32_t *from = g->builder.links + (size_t)g->order[i] * degree;
        for (uint32_t j = 0; j < degree; j++)
            links[j] = from[j] == GRAPH_NONE ? GRAPH_NONE : g->back[from[j]];
        TRY(pack_write(g->c, w, links, degree * sizeof *links));
    }
    return pack_end(g->c, w);
}

static int write_bytes(const struct sealing_graph *g, struct pack_writer *w)
{
    TRY(pack_begin(g->c, w, PACK_CODES, g->v->id, g->s->id));
    for (uint32_t i = 0; i < g->count; i++)
        TRY(pack_write(g->c, w, g->records + (size_t)g->order[i] * g->codes.stride, g->codes.stride));
    return pack_end(g->c, w);
}

static int train(const struct sealing_graph *g, struct grid *grid, float *bounds)
{
    uint32_t n = MIN(g->count, (uint32_t)SAMPLE);
    float *sample = mem_alloc((size_t)n * grid->dim * sizeof *sample);

    if (!sample)
        return err_nomem(g->c);
    for (uint32_t i = 0; i < n; i++) {
        const float *v = vector_of(g, (uint32_t)((uint64_t)i * g->count / n));
        if (!v) {
            mem_free(sample);
            return KITH_CORRUPT;
        }
        memcpy(sample + (size_t)i * grid->dim, v, grid->dim * sizeof *v);
    }
    grid_train(grid, sample, n, bounds, bounds + grid->dim);
    grid->low = bounds;
    grid->step = bounds + grid->dim;
    mem_free(sample);
    return 0;
}

/* One plane after the other: a section is written in one go. */
static int write_plane(const struct sealing_graph *g, struct pack_writer *w, const struct grid *grid, bool upper,
                       uint8_t *records)
{
    TRY(pack_begin(g->c, w, upper ? PACK_TOP : PACK_REST, g->v->id, g->s->id));
    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = vector_of(g, g->order[i]);
        if (!v)
            return KITH_CORRUPT;
        grid_encode(grid, v, records, records + grid->stride);
        TRY(pack_write(g->c, w, upper ? records : records + grid->stride, grid->stride));
    }
    return pack_end(g->c, w);
}

static int write_norms(const struct sealing_graph *g, struct pack_writer *w)
{
    TRY(pack_begin(g->c, w, PACK_NORMS, g->v->id, g->s->id));
    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = vector_of(g, g->order[i]);
        float norm = v ? g->kernels->dot(v, v, g->v->dim) : 0;
        TRY(pack_write(g->c, w, &norm, sizeof norm));
    }
    return pack_end(g->c, w);
}

static int write_grid(const struct sealing_graph *g, struct pack_writer *w)
{
    struct grid grid;
    float *bounds = arena_alloc(&g->c->arena, (size_t)g->v->dim * 2 * sizeof *bounds);
    uint8_t *records;

    grid_layout(&grid, g->v->dim);
    records = arena_alloc(&g->c->arena, 2 * grid.stride);
    if (!bounds || !records)
        return err_nomem(g->c);
    TRY(train(g, &grid, bounds));
    TRY(pack_put(g->c, w, PACK_GRID, g->v->id, g->s->id, bounds, (size_t)g->v->dim * 2 * sizeof *bounds));
    TRY(write_plane(g, w, &grid, true, records));
    TRY(write_plane(g, w, &grid, false, records));
    return g->v->metric == KITH_EUCLID ? write_norms(g, w) : 0;
}

static int write_slots(const struct sealing_graph *g, struct pack_writer *w)
{
    TRY(pack_begin(g->c, w, PACK_SLOTS, g->v->id, g->s->id));
    for (uint32_t i = 0; i < g->count; i++)
        TRY(pack_write(g->c, w, &g->rows[g->order[i]], sizeof *g->rows));
    return pack_end(g->c, w);
}

static int write_graph(const struct sealing_graph *g, struct pack_writer *w)
{
    struct graph_head head = {.dim = g->v->dim, .metric = (uint32_t)g->v->metric, .count = g->count,
                              .common_scale = g->codes.common_scale, .degree = g->builder.degree};
    struct graph shape = {.count = g->count};

    head.form = g->v->metric == KITH_MANHATTAN ? GRAPH_BYTES : GRAPH_GRID;
    graph_choose_entries(&shape);
    head.entries_count = shape.entries_count;
    memcpy(head.entries, shape.entries, sizeof shape.entries);
    TRY(head.form == GRAPH_GRID ? write_grid(g, w) : write_bytes(g, w));
    TRY(write_links(g, w));
    TRY(write_slots(g, w));
    return pack_put(g->c, w, PACK_GRAPH, g->v->id, g->s->id, &head, sizeof head);
}

int seal_write_graph(struct ctx *c, struct pack_writer *w, const struct schema_vector *v, const struct segment *s,
                     const struct kernels *k, const struct graph_plan *plan)
{
    struct sealing_graph g = {.c = c, .v = v, .s = s, .kernels = k};
    int rc = find_rows(&g);

    if (rc >= 0 && g.count)
        rc = encode_bytes(&g);
    if (rc >= 0 && g.count)
        rc = graph_builder_init(c, &g.builder, &g.codes, k, g.count, &plan->params);
    if (rc >= 0 && g.count)
        rc = graph_build(c, &g.builder, plan->threads, plan->stop, plan->arg);
    if (rc >= 0 && g.count)
        rc = choose_order(&g);
    if (rc >= 0 && g.count)
        rc = write_graph(&g, w);
    rc = rc < 0 ? rc : !g.count;
    graph_builder_release(&g.builder);
    pages_free(g.records, (size_t)g.count * g.codes.stride);
    mem_free(g.rows);
    mem_free(g.order);
    mem_free(g.back);
    return rc;
}
