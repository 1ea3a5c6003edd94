/* seal_graph.c - the graph of an index to be: what its sources know of each other, then the rest. */
#include "base/ctx.h"
#include "base/mem.h"
#include "segment/sealing.h"

/* The graph of a source with all that can be searched in it now. */
static struct graph graph_of(const struct vector_index *x)
{
    struct graph view = x->graph;

    if (x->live)
        graph_builder_view(x->live, &view);
    return view;
}

static bool is_usable(const struct segment *s, uint32_t vector_id, uint32_t degree)
{
    return segment_index_whole(s, vector_id) && graph_of(s->ops->index(s, vector_id)).degree == degree;
}

/* Of the sources that have such a graph over all their rows, the one with most rows among the picked; NULL:
 * none. */
static const struct segment *best_source(const struct sealing_index *g, uint32_t degree)
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
static uint32_t *map_slots(const struct sealing_index *g, const struct segment *source, const struct vector_index *x)
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
static int adopt(struct sealing_index *g, const struct segment *source)
{
    const struct vector_index *x = source->ops->index(source, g->v->id);
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

int sealing_graph(struct sealing_index *g, const struct graph_plan *plan)
{
    const kith_vector_index *want = &g->v->index;
    struct graph_params params = {.ef = want->build_width, .degree = (uint32_t)align_up(want->links, 16)};
    const struct segment *source = best_source(g, params.degree ? params.degree : GRAPH_DEGREE);

    TRY(graph_builder_init(g->c, &g->builder, &g->codes, g->kernels, g->count, &params));
    if (g->shown.form == CODE_NIBBLES) {
        g->builder.grid = &g->shown.grid;
        g->builder.top = g->shown.records;
        g->builder.norms = g->norms;
    }
    if (source)
        TRY(adopt(g, source));
    TRY(graph_build(g->c, &g->builder, plan->threads, plan->stop, plan->arg));
    g->shown.graph.degree = g->builder.degree;
    g->shown.graph.links = g->builder.links;
    graph_choose_entries(&g->shown.graph);
    return 0;
}
