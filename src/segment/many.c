/* many.c - searching an index of multi-vectors: an inverted file of their single vectors.
 *
 * Each vector of the query looks at the lists near to it. A row's part of the score is the best of its vectors that was
 * seen, if it is nearer than what is seen on average; else that. The rows with the best sums are for the originals to
 * order. (As XTR, Lee et al. 2023, and WARP, Scheerer et al. 2025, rank candidates by what was retrieved.) */
#include "base/ctx.h"
#include "os/os.h"
#include "segment/segment.h"
#include "vec/many.h"

struct gathering {
    struct ctx *c;
    const struct vector_index *x;
    struct lists_search *search;
    struct found *found; /* seen by one vector of the query */
    uint32_t room;
    float *gains;        /* of each row: how much nearer it is than rows of which nothing was seen, */
    float *part;         /* and by the vector at hand */
    uint32_t *seen;      /* of each row: by which vector of the query last, plus 1 */
    uint32_t *rows, rows_count; /* of which anything was */
    double base;         /* the distance of the others */
};

/* What so many of the largest lists hold at most. */
static uint32_t most_of(const struct vector_index *x, uint32_t probes)
{
    uint32_t largest = 0;

    for (uint32_t i = 0; i < x->lists.count; i++)
        largest = MAX(largest, x->lists.starts[i + 1] - x->lists.starts[i]);
    return (uint32_t)MIN((uint64_t)largest * probes, (uint64_t)x->graph.count);
}

static int gathering_init(struct gathering *g)
{
    struct arena *a = &g->c->arena;
    size_t rows = MAX(g->search->rows_count, 1u);

    g->room = MAX(most_of(g->x, MAX(g->search->probes, 1u)), 1u);
    g->found = arena_alloc(a, g->room * sizeof *g->found);
    g->gains = arena_alloc(a, rows * sizeof *g->gains);
    g->part = arena_alloc(a, rows * sizeof *g->part);
    g->seen = arena_zalloc(a, rows * sizeof *g->seen);
    g->rows = arena_alloc(a, rows * sizeof *g->rows);
    return g->found && g->gains && g->part && g->seen && g->rows ? 0 : err_nomem(g->c);
}

static float average(const struct found *found, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (double)found[i].distance;
    return (float)(sum / n);
}

static void add_up(struct gathering *g, uint32_t number, int n)
{
    float floor = average(g->found, n);

    g->base += (double)floor;
    for (int i = 0; i < n; i++) {
        uint32_t row = g->x->slots[g->found[i].slot];
        float nearer = floor - g->found[i].distance;
        if (!(nearer > 0))
            continue;
        if (!g->seen[row]) {
            g->rows[g->rows_count++] = row;
            g->gains[row] = 0;
        }
        if (g->seen[row] != number + 1) {
            g->seen[row] = number + 1;
            g->part[row] = 0;
        }
        if (nearer > g->part[row]) {
            g->gains[row] += nearer - g->part[row];
            g->part[row] = nearer;
        }
    }
}

static int find_one(struct gathering *g, const struct schema_vector *v, const struct kernels *k, const void *plain,
                    struct graph_scratch *scratch)
{
    struct lists_search one = *g->search;
    struct scorer s;
    struct ctx own;
    int n;

    one.keep = g->room;
    one.all = true;
    ctx_init(&own, g->c->os);
    n = segment_scorer(&own.arena, g->x, v, plain, k, &s);
    if (n >= 0)
        n = vector_index_lists(&own, g->x, v, plain, &s, scratch, &one, g->found);
    ctx_release(&own);
    g->search->distances += one.distances;
    g->search->scanned += one.scanned;
    return n < 0 ? err_nomem(g->c) : n;
}

int vector_index_many(struct ctx *c, const struct vector_index *x, const struct schema_vector *v, const void *query,
                      const struct kernels *k, struct graph_scratch *scratch, struct lists_search *search,
                      struct found *out)
{
    struct gathering g = {.c = c, .x = x, .search = search};
    float *room = arena_alloc(&c->arena, v->dim * sizeof *room);
    struct many parts = many_of(query);
    struct topk best;

    search->distances = search->scanned = 0;
    if (!room || topk_init(&best, &c->arena, MAX(search->keep, 1u)) < 0)
        return err_nomem(c);
    TRY(gathering_init(&g));
    for (uint32_t i = 0; i < parts.count; i++) {
        const void *plain = vec_plain(k, v->metric, v->element, parts.data + i * v->size, v->dim, room);
        int n = find_one(&g, v, k, plain, scratch);
        TRY(n);
        if (n)
            add_up(&g, i, n);
        TRY(os_in_time(c));
    }
    for (uint32_t i = 0; i < g.rows_count; i++)
        topk_push(&best, (float)(g.base - (double)g.gains[g.rows[i]]), g.rows[i]);
    topk_sort(&best);
    for (uint32_t i = 0; i < best.size; i++)
        out[i] = (struct found){best.heap[i].distance, best.heap[i].row};
    return (int)best.size;
}
