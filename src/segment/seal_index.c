/* seal_index.c - the index of one vector of a segment, built and written (docs/format/segment.md).
 *
 * It is built over 8-bit codes, which live only that long, and searched over codes of the form that the schema asks
 * for (seal_codes.c). */
#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"
#include "segment/calibrate.h"
#include "segment/sealing.h"
#include "vec/many.h"

#include <math.h>

const void *sealing_vector(const struct sealing_index *g, uint32_t item)
{
    const struct picked *p = &g->picked[g->rows[item]];
    const void *data = NULL;

    if (p->s->ops->vector(g->c, p->s, p->row, g->at, g->v->id, &data) < 0)
        return NULL;
    if (data && g->within)
        data = many_of(data).data + (size_t)g->within[item] * g->v->size;
    return data ? vec_plain(g->kernels, g->v->metric, g->v->element, data, g->v->dim, g->room) : NULL;
}

/* How many vectors a row has. */
static int vectors_of(const struct sealing_index *g, uint32_t row, uint32_t *ret)
{
    const struct picked *p = &g->picked[row];
    const void *data = NULL;

    TRY(p->s->ops->vector(g->c, p->s, p->row, g->at, g->v->id, &data));
    *ret = !data ? 0 : g->v->multi ? many_of(data).count : 1;
    return 0;
}

static int find_rows(struct sealing_index *g)
{
    uint64_t count = 0;
    uint32_t n;

    for (uint32_t i = 0; i < g->picked_count; i++) {
        TRY(vectors_of(g, i, &n));
        count += n;
    }
    if (count >= UINT32_MAX)
        return err_set(g->c, KITH_LIMIT, "an index of %llu vectors is too large", (unsigned long long)count);
    g->rows = mem_alloc(MAX((size_t)count, (size_t)1) * sizeof *g->rows);
    g->within = g->v->multi ? mem_alloc(MAX((size_t)count, (size_t)1) * sizeof *g->within) : NULL;
    g->room = arena_alloc(&g->c->arena, (size_t)g->v->dim * sizeof *g->room);
    if (!g->rows || !g->room || (g->v->multi && !g->within))
        return err_nomem(g->c);
    for (uint32_t i = 0; i < g->picked_count; i++) {
        TRY(vectors_of(g, i, &n));
        for (uint32_t j = 0; j < n; j++) {
            if (g->within)
                g->within[g->count] = j;
            g->rows[g->count++] = i;
        }
    }
    return 0;
}

/* ---- what it is built of ------------------------------------------------------------------------------------ */

static float common_scale(const struct sealing_index *g)
{
    float largest = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        const float *v = sealing_vector(g, i);
        for (uint32_t j = 0; v && j < g->v->dim; j++)
            largest = fmaxf(largest, fabsf(v[j]));
    }
    return largest / 127;
}

static int encode_bytes(struct sealing_index *g)
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
        const void *v = sealing_vector(g, i);
        if (!v)
            return g->c->code ? g->c->code : KITH_CORRUPT;
        codes_encode(&g->codes, g->kernels, v, g->records + (size_t)i * g->codes.stride);
    }
    return 0;
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

static int build_lists(struct sealing_index *g, const struct graph_plan *plan)
{
    struct lists_params params = {g->v->index.lists, schema_spills(g->v), plan->threads, plan->stop, plan->arg};
    struct lists_built *b = &g->lists;

    TRY(lists_build(g->c, &g->codes, g->kernels, &params, b));
    g->items = b->items;
    g->slots = mem_alloc((size_t)MAX(b->slots, 1u) * sizeof *g->slots);
    if (!g->slots)
        return err_nomem(g->c);
    for (uint32_t i = 0; i < b->slots; i++)
        g->slots[i] = g->rows[b->items[i]];
    g->shown.graph.count = b->slots;
    g->shown.lists = (struct lists){.count = b->count, .starts = b->starts, .centres = b->centres,
                                    .spilled = schema_spills(g->v)};
    if (vector_index_form(g->v) == CODE_PLANES && g->v->index.codes == KITH_CODES_BIT) {
        g->blocks = mem_alloc(((size_t)b->count + 1) * sizeof *g->blocks);
        if (!g->blocks)
            return err_nomem(g->c);
        lists_number_blocks(&g->shown.lists, g->blocks);
        g->shown.lists.blocks = g->blocks;
    }
    return 0;
}

static int write_lists(const struct sealing_index *g, struct pack_writer *w)
{
    const struct lists *l = &g->shown.lists;
    struct lists_head head = {l->count, g->v->index.lists, l->spilled, l->blocks != NULL};
    struct buf out = {0};
    int rc;

    buf_put(&out, &head, sizeof head);
    buf_put(&out, l->starts, ((size_t)l->count + 1) * sizeof *l->starts);
    if (l->blocks)
        buf_put(&out, l->blocks, ((size_t)l->count + 1) * sizeof *l->blocks);
    rc = out.failed ? err_nomem(g->c) : sealing_put(g, w, PACK_LISTS, out.data, out.size);
    buf_release(&out);
    TRY(rc);
    return sealing_put(g, w, PACK_CENTRES, g->lists.records, l->count * l->centres.stride);
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

static int build(struct sealing_index *g, const struct graph_plan *plan)
{
    struct calibrate_input in = {g->v, g->kernels, &g->shown, &g->codes, g->rows, plan->threads, plan->stop, plan->arg};

    TRY(encode_bytes(g));
    g->shown.graph.count = g->count;
    if (schema_has_lists(g->v))
        TRY(build_lists(g, plan));
    g->shown.slots = g->slots ? g->slots : g->rows;
    TRY(sealing_encode(g));
    if (!g->shown.lists.count)
        TRY(sealing_graph(g, plan));
    return g->v->multi ? calibrate_many(g->c, &in, &g->shown.curve) : calibrate(g->c, &in, &g->shown.curve);
}

int sealing_put(const struct sealing_index *g, struct pack_writer *w, enum pack_kind kind, const void *data,
                size_t size)
{
    return pack_put(g->c, w, kind, g->v->id, g->owner, data, size);
}

static int write_shape(const struct sealing_index *g, struct pack_writer *w)
{
    const struct graph *shape = &g->shown.graph;

    if (g->shown.lists.count)
        return write_lists(g, w);
    return sealing_put(g, w, PACK_LINKS, shape->links, (size_t)shape->count * shape->degree * sizeof *shape->links);
}

static int write_index(const struct sealing_index *g, struct pack_writer *w)
{
    const struct graph *shape = &g->shown.graph;
    struct index_head head = {.dim = g->v->dim, .metric = (uint32_t)g->v->metric, .count = shape->count,
                              .common_scale = g->codes.common_scale, .degree = shape->degree,
                              .form = sealing_form(g), .lists = g->shown.lists.count > 0};

    head.entries_count = shape->entries_count;
    memcpy(head.entries, shape->entries, sizeof shape->entries);
    TRY(sealing_write_codes(g, w));
    TRY(write_shape(g, w));
    TRY(sealing_put(g, w, PACK_SLOTS, g->shown.slots, (size_t)shape->count * sizeof *g->shown.slots));
    TRY(sealing_put(g, w, PACK_CURVE, &g->shown.curve, sizeof g->shown.curve));
    return sealing_put(g, w, PACK_GRAPH, &head, sizeof head);
}

int seal_index(struct ctx *c, struct pack_writer *w, uint64_t owner, const struct schema_vector *v,
               const struct picked *picked, uint32_t count, lsn at, const struct graph_plan *plan)
{
    struct sealing_index g = {.c = c, .v = v, .owner = owner, .picked = picked, .picked_count = count,
                              .at = at, .kernels = plan->kernels};
    int rc = find_rows(&g);

    if (rc >= 0 && g.count)
        rc = build(&g, plan);
    if (rc >= 0 && g.count)
        rc = write_index(&g, w);
    rc = rc < 0 ? rc : !g.count;
    pages_free(g.planes, g.planes_size);
    graph_builder_release(&g.builder);
    lists_built_release(&g.lists);
    mem_free(g.params);
    mem_free(g.norms);
    pages_free(g.records, (size_t)g.count * g.codes.stride);
    mem_free(g.slots);
    mem_free(g.blocks);
    mem_free(g.rows);
    mem_free(g.within);
    return rc;
}

int seal_write_index(struct ctx *c, struct pack_writer *w, const struct schema_vector *v, const struct segment *s,
                     const struct graph_plan *plan)
{
    uint32_t rows = s->ops->rows(s);
    struct picked *picked = arena_alloc(&c->arena, (size_t)MAX(rows, 1u) * sizeof *picked);

    if (!picked)
        return err_nomem(c);
    for (row_id row = 0; row < rows; row++)
        picked[row] = (struct picked){s, row};
    return seal_index(c, w, s->id, v, picked, rows, 0, plan); /* as the rows were sealed */
}
