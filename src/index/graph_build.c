/* graph_build.c - inserting slot after slot, as HNSW's bottom layer does (Malkov, Yashunin 2018):
 * search, prune by the relative-neighbour rule, link back, prune the neighbour when it is full. */
#include "index/graph.h"

#include "base/ctx.h"
#include "base/mem.h"

enum { EF_BUILD = 160 };

struct build {
    struct graph *g;
    uint32_t *links;
    const struct kernels *kernels;
    struct scorer search, pair;
    struct graph_scratch scratch;
    struct found *found;
    uint32_t ef;
};

static uint32_t degree(const struct build *b, uint32_t slot)
{
    const uint32_t *links = b->links + (size_t)slot * GRAPH_DEGREE;
    uint32_t n = 0;

    while (n < GRAPH_DEGREE && links[n] != UINT32_MAX)
        n++;
    return n;
}

/* Keeps of `from` (nearest first) those nearer to `slot` than to any kept before. */
static uint32_t prune(struct build *b, uint32_t slot, const struct found *from, uint32_t count, uint32_t *out)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count && kept < GRAPH_DEGREE; i++) {
        bool keep = true;
        if (from[i].slot == slot)
            continue;
        scorer_slot(&b->pair, from[i].slot);
        for (uint32_t j = 0; j < kept && keep; j += 4) {
            uint32_t four[4];
            float distances[4];
            for (uint32_t n = 0; n < 4; n++)
                four[n] = out[MIN(j + n, kept - 1)];
            scorer_four(&b->pair, four, distances);
            for (uint32_t n = 0; n < 4; n++) {
                float d = distances[n];
                if (b->g->codes.metric == KITH_EUCLID) { /* put both on the scale of |a - b|^2 */
                    struct code_tail a;
                    memcpy(&a, codes_at(&b->g->codes, from[i].slot) + b->g->codes.padded, sizeof a);
                    d += a.norm2;
                }
                keep = keep && !(d < from[i].distance);
            }
        }
        if (keep)
            out[kept++] = from[i].slot;
    }
    return kept;
}

static void sort_found(struct found *f, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) { /* short and nearly sorted */
        struct found x = f[i];
        uint32_t j = i;
        for (; j > 0 && f[j - 1].distance > x.distance; j--)
            f[j] = f[j - 1];
        f[j] = x;
    }
}

static float norm_of(const struct build *b, uint32_t slot)
{
    struct code_tail tail;

    if (b->g->codes.metric != KITH_EUCLID)
        return 0;
    memcpy(&tail, codes_at(&b->g->codes, slot) + b->g->codes.padded, sizeof tail);
    return tail.norm2;
}

static void link_back(struct build *b, uint32_t slot, uint32_t to)
{
    uint32_t *links = b->links + (size_t)slot * GRAPH_DEGREE, n = degree(b, slot);
    struct found all[GRAPH_DEGREE + 4];
    uint32_t kept[GRAPH_DEGREE];

    if (n < GRAPH_DEGREE) {
        links[n] = to;
        return;
    }
    scorer_slot(&b->search, slot);
    for (uint32_t i = 0; i <= GRAPH_DEGREE; i += 4) {
        uint32_t four[4];
        float distances[4];
        for (uint32_t j = 0; j < 4; j++)
            four[j] = i + j < GRAPH_DEGREE ? links[i + j] : to;
        scorer_four(&b->search, four, distances);
        for (uint32_t j = 0; j < 4; j++)
            all[i + j] = (struct found){distances[j] + norm_of(b, slot), four[j]};
    }
    sort_found(all, GRAPH_DEGREE + 1);
    n = prune(b, slot, all, GRAPH_DEGREE + 1, kept);
    memcpy(links, kept, n * sizeof *kept);
    for (; n < GRAPH_DEGREE; n++)
        links[n] = UINT32_MAX;
}

static int insert(struct ctx *c, struct build *b, uint32_t slot)
{
    struct graph_search search = {.ef = b->ef};
    uint32_t *links = b->links + (size_t)slot * GRAPH_DEGREE, kept;
    int n;

    scorer_slot(&b->search, slot);
    n = graph_search(c, b->g, &b->search, &b->scratch, &search, b->found);
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        b->found[i].distance += norm_of(b, slot);
    kept = prune(b, slot, b->found, (uint32_t)n, links);
    for (uint32_t i = 0; i < kept; i++)
        link_back(b, links[i], slot);
    return 0;
}

/* Entry points: slots spread evenly; the walk goes on from the nearest of them. */
static void choose_entries(struct graph *g, uint32_t count)
{
    uint32_t n = MIN(count, (uint32_t)GRAPH_ENTRIES);

    for (uint32_t i = 0; i < n; i++)
        g->entries[i] = (uint32_t)((uint64_t)i * count / n);
    g->entries_count = n;
}

int graph_build(struct ctx *c, struct graph *g, const struct kernels *k, const struct graph_params *params,
                uint32_t *links, bool (*stop)(void *arg), void *arg)
{
    struct build b = {.g = g, .links = links, .kernels = k, .ef = params->ef_build ? params->ef_build : EF_BUILD};
    uint32_t count = g->codes.count;
    struct ctx step;
    int rc = 0;

    memset(links, 0xff, (size_t)count * GRAPH_DEGREE * sizeof *links);
    g->links = links;
    g->entries[0] = 0;
    g->entries_count = MIN(count, 1u);
    b.ef = MIN(b.ef, 1024u);
    b.found = arena_alloc(&c->arena, b.ef * sizeof *b.found);
    if (!b.found || scorer_init(&b.search, &c->arena, &g->codes, k) < 0 ||
        scorer_init(&b.pair, &c->arena, &g->codes, k) < 0 || graph_scratch_fit(&b.scratch, count) < 0)
        return err_nomem(c);
    ctx_init(&step, c->os);
    for (uint32_t slot = 1; slot < count && rc >= 0; slot++) {
        rc = insert(&step, &b, slot);
        if (slot % 64 == 0) {
            ctx_release(&step);
            ctx_init(&step, c->os);
            if (stop && stop(arg))
                rc = KITH_CLOSED;
        }
    }
    ctx_release(&step);
    graph_scratch_release(&b.scratch);
    if (rc < 0)
        return err_set(c, rc, rc == KITH_CLOSED ? "graph build: stopped" : "graph build: out of memory");
    choose_entries(g, count);
    return 0;
}

bool graph_check(const struct graph *g)
{
    for (size_t i = 0; i < (size_t)g->codes.count * GRAPH_DEGREE; i++) {
        if (g->links[i] != UINT32_MAX && g->links[i] >= g->codes.count)
            return false;
    }
    for (uint32_t i = 0; i < g->entries_count; i++) {
        if (g->entries[i] >= g->codes.count)
            return false;
    }
    return g->entries_count <= GRAPH_ENTRIES;
}
