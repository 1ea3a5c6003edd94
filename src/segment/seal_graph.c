/* seal_graph.c - the graph of one vector of a segment, built and written (docs/format/segment.md).
 *
 * It is built over 8-bit codes, which live only that long, and walked over the upper plane of a grid.
 * Manhattan has no inner product: it is walked over the bytes. Bits are their own codes. */
#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"
#include "segment/calibrate.h"
#include "segment/sealed.h"

#include <math.h>

enum { SAMPLE = 1024 };

struct sealing_graph {
    struct ctx *c;
    const struct schema_vector *v;
    uint64_t owner;
    const struct picked *picked; /* the rows of the segment to be */
    uint32_t picked_count;
    lsn at;          /* their vectors are those of then */
    const struct kernels *kernels;
    uint32_t count;
    uint32_t *rows;  /* of the slots: ascending */
    struct codes codes;
    uint8_t *records;
    struct graph_builder builder;
    struct segment_graph shown; /* as it will be searched */
    float *bounds, *norms;
    uint8_t *planes; /* upper, then lower nibbles */
    float *room;     /* of one vector */
};

static size_t planes_size(const struct sealing_graph *g)
{
    return (size_t)g->count * 2 * g->shown.grid.stride;
}

/* As vec_plain says; good until the next one is asked for. */
static const void *vector_of(const struct sealing_graph *g, uint32_t slot)
{
    const struct picked *p = &g->picked[g->rows[slot]];
    const void *data = NULL;

    if (p->s->ops->vector(g->c, p->s, p->row, g->at, g->v->id, &data) < 0)
        return NULL;
    return data ? vec_plain(g->kernels, g->v->metric, g->v->element, data, g->v->dim, g->room) : NULL;
}

static int find_rows(struct sealing_graph *g)
{
    g->rows = mem_alloc((size_t)MAX(g->picked_count, 1u) * sizeof *g->rows);
    g->room = arena_alloc(&g->c->arena, (size_t)g->v->dim * sizeof *g->room);
    if (!g->rows || !g->room)
        return err_nomem(g->c);
    for (uint32_t i = 0; i < g->picked_count; i++) {
        const void *data = NULL;
        const struct picked *p = &g->picked[i];
        TRY(p->s->ops->vector(g->c, p->s, p->row, g->at, g->v->id, &data));
        if (data)
            g->rows[g->count++] = i;
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
    codes_layout(&g->codes, g->v->metric, g->v->element, g->v->dim);
    g->codes.count = g->count;
    if (g->v->metric == KITH_MANHATTAN)
        g->codes.common_scale = common_scale(g);
    g->records = pages_alloc((size_t)g->count * g->codes.stride);
    if (!g->records)
        return err_nomem(g->c);
    g->codes.base = g->records;
    for (uint32_t i = 0; i < g->count; i++) {
        const void *v = vector_of(g, i);
        if (!v)
            return g->c->code ? g->c->code : KITH_CORRUPT;
        codes_encode(&g->codes, g->kernels, v, g->records + (size_t)i * g->codes.stride);
    }
    return 0;
}

/* ---- what sources know already ------------------------------------------------------------------------------ */

/* The graph of a source with all that can be searched in it now. */
static struct graph graph_of(const struct segment_graph *x)
{
    struct graph view = x->graph;

    if (x->live)
        graph_builder_view(x->live, &view);
    return view;
}

static bool is_usable(const struct segment *s, uint32_t vector_id, uint32_t degree)
{
    return segment_graph_whole(s, vector_id) && graph_of(s->ops->graph(s, vector_id)).degree == degree;
}

/* Of the sources that have such a graph over all their rows, the one with most rows among the picked; NULL:
 * none. */
static const struct segment *best_source(const struct sealing_graph *g, uint32_t degree)
{
    const struct segment *best = NULL, *sources[256];
    uint32_t counts[256] = {0}, n = 0, most = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        const struct segment *s = g->picked[g->rows[i]].s;
        uint32_t at = 0;
        while (at < n && sources[at] != s)
            at++;
        if (at == n && n < ARRAY_SIZE(sources))
            sources[n++] = s;
        if (at < n && ++counts[at] > most && is_usable(s, g->v->id, degree)) {
            most = counts[at];
            best = s;
        }
    }
    return best;
}

/* new slot of each slot of the source */
static uint32_t *map_slots(const struct sealing_graph *g, const struct segment *source, const struct segment_graph *x)
{
    uint32_t rows = source->ops->rows(source), count = graph_of(x).count;
    uint32_t *of_row = mem_alloc((size_t)MAX(rows, 1u) * sizeof *of_row);
    uint32_t *map = mem_alloc((size_t)MAX(count, 1u) * sizeof *map);

    if (of_row && map) {
        memset(of_row, 0xff, (size_t)rows * sizeof *of_row);
        for (uint32_t i = 0; i < g->count; i++) {
            const struct picked *p = &g->picked[g->rows[i]];
            if (p->s == source && !source->ops->revision(source, p->row, g->v->id, g->at)) /* else it lies elsewhere */
                of_row[p->row] = i;
        }
        for (uint32_t i = 0; i < count; i++)
            map[i] = x->slots[i] < rows ? of_row[x->slots[i]] : GRAPH_NONE;
    } else {
        mem_free(map);
        map = NULL;
    }
    mem_free(of_row);
    return map;
}

/* A graph of which much is gone is not worth healing: half of it must still be there. */
static int adopt(struct sealing_graph *g, const struct segment *source)
{
    const struct segment_graph *x = source->ops->graph(source, g->v->id);
    struct graph from = graph_of(x);
    struct graph_worker w;
    uint32_t *map, kept = 0;
    int rc;

    from.count = x->live ? atomic_load(x->live_count) : from.count;
    map = map_slots(g, source, x);
    if (!map)
        return err_nomem(g->c);
    for (uint32_t i = 0; i < from.count; i++)
        kept += map[i] != GRAPH_NONE;
    rc = graph_worker_init(g->c, &w, &g->builder);
    if (rc >= 0 && kept * 2 > from.count)
        graph_adopt(&w, &from, map);
    graph_worker_release(&w);
    mem_free(map);
    return rc;
}

/* ---- as it will be searched -------------------------------------------------------------------------------- */

static const void *vector_at(void *arg, uint32_t slot)
{
    return vector_of(arg, slot);
}

static int train(struct sealing_graph *g)
{
    uint32_t n = MIN(g->count, (uint32_t)SAMPLE), dim = g->v->dim;
    float *sample = mem_alloc((size_t)n * dim * sizeof *sample);

    g->bounds = arena_alloc(&g->c->arena, (size_t)dim * 2 * sizeof *g->bounds);
    if (!sample || !g->bounds) {
        mem_free(sample);
        return err_nomem(g->c);
    }
    for (uint32_t i = 0; i < n; i++) {
        const float *v = vector_of(g, (uint32_t)((uint64_t)i * g->count / n));
        if (!v) {
            mem_free(sample);
            return KITH_CORRUPT;
        }
        memcpy(sample + (size_t)i * dim, v, dim * sizeof *v);
    }
    grid_layout(&g->shown.grid, dim);
    grid_train(&g->shown.grid, sample, n, g->bounds, g->bounds + dim);
    g->shown.grid.low = g->bounds;
    g->shown.grid.step = g->bounds + dim;
    mem_free(sample);
    return 0;
}

static int encode_planes(struct sealing_graph *g)
{
    size_t stride;

    TRY(train(g));
    stride = g->shown.grid.stride;
    g->planes = pages_alloc(planes_size(g));
    g->norms = mem_alloc((size_t)g->count * sizeof *g->norms);
    if (!g->planes || !g->norms)
        return err_nomem(g->c);
    g->shown.by_grid = true;
    g->shown.top = g->planes;
    g->shown.rest = g->planes + g->count * stride;
    g->shown.norms = g->norms;
    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = vector_of(g, i);
        if (!v)
            return KITH_CORRUPT;
        grid_encode(&g->shown.grid, v, g->planes + i * stride, g->planes + (g->count + i) * stride);
        g->norms[i] = vec_dot(g->kernels, v, v, g->v->dim);
    }
    return 0;
}

static int arrange(struct sealing_graph *g, const struct graph_plan *plan)
{
    struct calibrate_input in = {g->v, g->kernels, &g->shown, &g->codes, vector_at, g, plan->stop, plan->arg};

    g->shown.graph = (struct graph){.count = g->count, .degree = g->builder.degree, .links = g->builder.links};
    graph_choose_entries(&g->shown.graph);
    g->shown.codes = g->codes; /* manhattan is walked over the bytes, bits are their own codes */
    if (g->v->metric != KITH_MANHATTAN && g->v->element != KITH_BIT)
        TRY(encode_planes(g));
    return calibrate(g->c, &in, &g->shown.curve);
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

static int put(const struct sealing_graph *g, struct pack_writer *w, enum pack_kind kind, const void *data, size_t size)
{
    return pack_put(g->c, w, kind, g->v->id, g->owner, data, size);
}

static int write_grid(const struct sealing_graph *g, struct pack_writer *w)
{
    size_t plane = (size_t)g->count * g->shown.grid.stride;

    TRY(put(g, w, PACK_GRID, g->bounds, (size_t)g->v->dim * 2 * sizeof *g->bounds));
    TRY(put(g, w, PACK_TOP, g->shown.top, plane));
    TRY(put(g, w, PACK_REST, g->shown.rest, plane));
    return g->v->metric == KITH_EUCLID ? put(g, w, PACK_NORMS, g->norms, (size_t)g->count * sizeof *g->norms) : 0;
}

static int write_graph(const struct sealing_graph *g, struct pack_writer *w)
{
    const struct graph *shape = &g->shown.graph;
    struct graph_head head = {.dim = g->v->dim, .metric = (uint32_t)g->v->metric, .count = g->count,
                              .common_scale = g->codes.common_scale, .degree = shape->degree,
                              .form = g->shown.by_grid ? GRAPH_GRID : GRAPH_BYTES};

    head.entries_count = shape->entries_count;
    memcpy(head.entries, shape->entries, sizeof shape->entries);
    TRY(head.form == GRAPH_GRID ? write_grid(g, w) : put(g, w, PACK_CODES, g->records, g->count * g->codes.stride));
    TRY(put(g, w, PACK_LINKS, shape->links, (size_t)g->count * shape->degree * sizeof *shape->links));
    TRY(put(g, w, PACK_SLOTS, g->rows, (size_t)g->count * sizeof *g->rows));
    TRY(put(g, w, PACK_CURVE, &g->shown.curve, sizeof g->shown.curve));
    return put(g, w, PACK_GRAPH, &head, sizeof head);
}

static int build(struct sealing_graph *g, const struct graph_plan *plan)
{
    struct graph_params params = {.ef = g->v->build_width, .degree = (uint32_t)align_up(g->v->links, 16)};
    const struct segment *source = best_source(g, params.degree ? params.degree : GRAPH_DEGREE);

    TRY(encode_bytes(g));
    TRY(graph_builder_init(g->c, &g->builder, &g->codes, g->kernels, g->count, &params));
    if (source)
        TRY(adopt(g, source));
    return graph_build(g->c, &g->builder, plan->threads, plan->stop, plan->arg);
}

int seal_graph(struct ctx *c, struct pack_writer *w, uint64_t owner, const struct schema_vector *v,
               const struct picked *picked, uint32_t count, lsn at, const struct graph_plan *plan)
{
    struct sealing_graph g = {.c = c, .v = v, .owner = owner, .picked = picked, .picked_count = count,
                              .at = at, .kernels = plan->kernels};
    int rc = find_rows(&g);

    if (rc >= 0 && g.count)
        rc = build(&g, plan);
    if (rc >= 0 && g.count)
        rc = arrange(&g, plan);
    if (rc >= 0 && g.count)
        rc = write_graph(&g, w);
    rc = rc < 0 ? rc : !g.count;
    pages_free(g.planes, planes_size(&g));
    graph_builder_release(&g.builder);
    mem_free(g.norms);
    pages_free(g.records, (size_t)g.count * g.codes.stride);
    mem_free(g.rows);
    return rc;
}

int seal_write_graph(struct ctx *c, struct pack_writer *w, const struct schema_vector *v, const struct segment *s,
                     const struct graph_plan *plan)
{
    uint32_t rows = s->ops->rows(s);
    struct picked *picked = arena_alloc(&c->arena, (size_t)MAX(rows, 1u) * sizeof *picked);

    if (!picked)
        return err_nomem(c);
    for (row_id row = 0; row < rows; row++)
        picked[row] = (struct picked){s, row};
    return seal_graph(c, w, s->id, v, picked, rows, 0, plan); /* as the rows were sealed */
}
