/* graph_build.c - inserting slot after slot, as HNSW's bottom layer does (Malkov, Yashunin 2018):
 * search, prune by the relative-neighbour rule, link back, prune the neighbour when it is full.
 *
 * Several threads may insert, and others walk meanwhile: a slot's own links are written under its lock,
 * one by one and whole, and a walk reads each once. What it reads may be old or new; both are slots. */
#include "index/graph.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/crew.h"
#include "os/pages.h"

enum { EF_BUILD = 160, EF_BUILD_MAX = 1024, TURN = 16 };

/* ---- links ---------------------------------------------------------------------------------------------- */

static uint32_t *links_at(const struct graph_builder *b, uint32_t slot)
{
    return b->links + (size_t)slot * b->degree;
}

static void lock(struct graph_builder *b, uint32_t slot)
{
    while (atomic_exchange_explicit(&b->locks[slot], 1, memory_order_acquire)) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static void unlock(struct graph_builder *b, uint32_t slot)
{
    atomic_store_explicit(&b->locks[slot], 0, memory_order_release);
}

static void set_link(uint32_t *at, uint32_t slot)
{
    __atomic_store_n(at, slot, __ATOMIC_RELEASE);
}

static uint32_t count_links(const uint32_t *links, uint32_t degree)
{
    uint32_t n = 0;

    while (n < degree && __atomic_load_n(links + n, __ATOMIC_RELAXED) != GRAPH_NONE)
        n++;
    return n;
}

/* ---- one insertion -------------------------------------------------------------------------------------- */

/* Euclid's code distances leave out the query's own length: what makes them |a - b|^2. */
static float norm_of(const struct graph_builder *b, uint32_t slot)
{
    struct code_tail tail;

    if (b->codes->metric != KITH_EUCLID)
        return 0;
    memcpy(&tail, codes_at(b->codes, slot) + b->codes->padded, sizeof tail);
    return tail.norm2;
}

/* Whether `slot` is nearer to one of `kept` than `distance`. */
static bool is_covered(struct graph_worker *w, uint32_t slot, float distance, const uint32_t *kept, uint32_t count)
{
    float own = norm_of(w->b, slot);

    scorer_slot(&w->pair, slot);
    for (uint32_t j = 0; j < count; j += 4) {
        uint32_t four[4];
        float d[4];
        for (uint32_t n = 0; n < 4; n++)
            four[n] = kept[MIN(j + n, count - 1)];
        scorer_four(&w->pair, four, d);
        if (d[0] + own < distance || d[1] + own < distance || d[2] + own < distance || d[3] + own < distance)
            return true;
    }
    return false;
}

/* Keeps of `from` (nearest first) those nearer to `slot` than to any kept before. */
static uint32_t prune(struct graph_worker *w, uint32_t slot, const struct found *from, uint32_t count, uint32_t *out)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count && kept < w->b->degree; i++) {
        if (from[i].slot != slot && !is_covered(w, from[i].slot, from[i].distance, out, kept))
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

static void link_back(struct graph_worker *w, uint32_t slot, uint32_t to)
{
    struct graph_builder *b = w->b;
    uint32_t *links = links_at(b, slot), n, kept[GRAPH_DEGREE_MAX];
    struct found all[GRAPH_DEGREE_MAX + 4];
    float own = norm_of(b, slot);

    lock(b, slot);
    n = count_links(links, b->degree);
    if (n < b->degree) {
        set_link(links + n, to);
        unlock(b, slot);
        return;
    }
    scorer_slot(&w->search, slot);
    for (uint32_t i = 0; i <= b->degree; i += 4) {
        uint32_t four[4];
        float distances[4];
        for (uint32_t j = 0; j < 4; j++)
            four[j] = i + j < b->degree ? links[i + j] : to;
        scorer_four(&w->search, four, distances);
        for (uint32_t j = 0; j < 4; j++)
            all[i + j] = (struct found){distances[j] + own, four[j]};
    }
    sort_found(all, b->degree + 1);
    n = prune(w, slot, all, b->degree + 1, kept);
    for (uint32_t i = 0; i < b->degree; i++)
        set_link(links + i, i < n ? kept[i] : GRAPH_NONE);
    unlock(b, slot);
}

/* What was found over the grid, by the codes. */
static void put_right(struct graph_worker *w, float own, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(codes_at(w->b->codes, w->found[i].slot));
    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t four[4];
        float d[4];
        for (uint32_t j = 0; j < 4; j++)
            four[j] = w->found[MIN(i + j, n - 1)].slot;
        scorer_four(&w->search, four, d);
        for (uint32_t j = 0; j < MIN(n - i, 4u); j++)
            w->found[i + j].distance = d[j] + own;
    }
    sort_found(w->found, n);
}

static int find_near(struct graph_worker *w, uint32_t slot)
{
    struct graph_search search = {.ef = w->b->ef};
    struct graph g;
    float own = norm_of(w->b, slot);
    int n;

    graph_builder_view(w->b, &g);
    scorer_slot(&w->search, slot);
    if (!w->b->grid) {
        n = graph_search(w->c, &g, &w->search, &w->scratch, &search, w->found);
        for (int i = 0; i < n; i++)
            w->found[i].distance += own;
        return n;
    }
    codes_decode(w->b->codes, slot, w->room);
    scorer_grid_query(&w->rough, w->b->grid, w->room);
    n = graph_search(w->c, &g, &w->rough, &w->scratch, &search, w->found);
    if (n > 0)
        put_right(w, own, (uint32_t)n);
    return n;
}

void graph_relink(struct graph_worker *w, uint32_t slot, uint32_t *offered, uint32_t count)
{
    uint32_t *links = links_at(w->b, slot), kept[GRAPH_DEGREE_MAX], n;
    float own = norm_of(w->b, slot);

    for (uint32_t i = count; i < count + 3; i++)
        offered[i] = offered[0];
    scorer_slot(&w->search, slot);
    count = MIN(count, graph_found_max(w->b->ef));
    for (uint32_t i = 0; i < count; i += 4) {
        float d[4];
        scorer_four(&w->search, offered + i, d);
        for (uint32_t j = 0; j < 4 && i + j < count; j++)
            w->found[i + j] = (struct found){d[j] + own, offered[i + j]};
    }
    sort_found(w->found, count);
    n = prune(w, slot, w->found, count, kept);
    for (uint32_t i = 0; i < w->b->degree; i++)
        set_link(links + i, i < n ? kept[i] : GRAPH_NONE);
}

/* Entry points follow the growth: whoever inserts a power of two spreads them anew. */
static void spread_entries(struct graph_builder *b, uint32_t slot)
{
    uint32_t count = slot + 1, n = MIN(count, (uint32_t)GRAPH_ENTRIES);

    if (count & slot || b->entries_stay)
        return;
    for (uint32_t i = 0; i < n; i++)
        atomic_store(&b->entries[i], (uint32_t)((uint64_t)i * slot / n));
    atomic_store(&b->entries_count, n);
}

int graph_insert(struct graph_worker *w, uint32_t slot)
{
    struct graph_builder *b = w->b;
    uint32_t *links = links_at(b, slot), kept[GRAPH_DEGREE_MAX], count;
    int n = slot || b->entries_stay ? find_near(w, slot) : 0;

    if (n < 0)
        return n;
    count = prune(w, slot, w->found, (uint32_t)n, kept);
    lock(b, slot);
    for (uint32_t i = 0; i < count; i++)
        set_link(links + i, kept[i]);
    unlock(b, slot);
    for (uint32_t i = 0; i < count; i++)
        link_back(w, kept[i], slot);
    spread_entries(b, slot);
    atomic_fetch_add(&b->inserted, 1);
    return 0;
}

/* ---- builders and workers ------------------------------------------------------------------------------- */

static size_t links_bytes(const struct graph_builder *b)
{
    return (size_t)MAX(b->capacity, 1u) * b->degree * sizeof *b->links;
}

int graph_builder_init(struct ctx *c, struct graph_builder *b, const struct codes *codes, const struct kernels *k,
                       uint32_t capacity, const struct graph_params *params)
{
    memset(b, 0, sizeof *b);
    b->codes = codes;
    b->kernels = k;
    b->capacity = capacity;
    b->degree = MIN((uint32_t)align_up(params->degree ? params->degree : GRAPH_DEGREE, 16), (uint32_t)GRAPH_DEGREE_MAX);
    b->ef = MIN(params->ef ? params->ef : EF_BUILD, (uint32_t)EF_BUILD_MAX);
    b->links = pages_alloc(links_bytes(b));
    b->locks = mem_zalloc(MAX(capacity, 1u));
    b->done.size = capacity;
    b->done.words = mem_zalloc(((size_t)bits_words(capacity) + 1) * sizeof *b->done.words);
    if (!b->links || !b->locks || !b->done.words) {
        graph_builder_release(b);
        return err_nomem(c);
    }
    memset(b->links, 0xff, (size_t)capacity * b->degree * sizeof *b->links);
    return 0;
}

void graph_builder_release(struct graph_builder *b)
{
    pages_free(b->links, links_bytes(b));
    mem_free(b->locks);
    mem_free(b->done.words);
    memset(b, 0, sizeof *b);
}

void graph_builder_view(struct graph_builder *b, struct graph *ret_graph)
{
    *ret_graph = (struct graph){.count = b->capacity, .degree = b->degree, .links = b->links};
    ret_graph->entries_count = atomic_load(&b->entries_count);
    for (uint32_t i = 0; i < ret_graph->entries_count; i++)
        ret_graph->entries[i] = atomic_load(&b->entries[i]);
}

int graph_worker_init(struct ctx *c, struct graph_worker *w, struct graph_builder *b)
{
    memset(w, 0, sizeof *w);
    w->b = b;
    w->c = c;
    w->found = arena_alloc(&c->arena, graph_found_max(b->ef) * sizeof *w->found);
    if (!w->found || scorer_init(&w->search, &c->arena, b->codes, b->kernels) < 0 ||
        scorer_init(&w->pair, &c->arena, b->codes, b->kernels) < 0)
        return err_nomem(c);
    if (!b->grid)
        return 0;
    w->room = arena_alloc(&c->arena, b->codes->dim * sizeof *w->room);
    if (!w->room ||
        scorer_grid_init(&w->rough, &c->arena, b->grid, b->top, NULL, b->norms, b->codes->metric, b->kernels) < 0)
        return err_nomem(c);
    return 0;
}

void graph_worker_release(struct graph_worker *w)
{
    graph_scratch_release(&w->scratch);
}

/* ---- all at once ---------------------------------------------------------------------------------------- */

struct build {
    struct graph_builder *b;
    const struct os *os;
    uint32_t count;
    atomic_uint next;
    atomic_int rc;
    bool (*stop)(void *arg);
    void *arg;
};

static int insert_turns(struct build *x, struct graph_worker *w)
{
    for (;;) {
        uint32_t from = atomic_fetch_add(&x->next, TURN), to = MIN(from + TURN, x->count);
        if (from >= x->count || atomic_load(&x->rc) < 0)
            return 0;
        if (x->stop && x->stop(x->arg))
            return KITH_CLOSED;
        for (uint32_t slot = from; slot < to; slot++)
            TRY(bits_get(&x->b->done, slot) ? 0 : graph_insert(w, slot));
    }
}

static void build_part(void *arg, uint32_t who)
{
    struct build *x = arg;
    struct graph_worker w;
    struct ctx c;
    int rc, none = 0;

    UNUSED(who);
    ctx_init(&c, x->os);
    rc = graph_worker_init(&c, &w, x->b);
    if (rc >= 0)
        rc = insert_turns(x, &w);
    if (rc < 0)
        (void)atomic_compare_exchange_strong(&x->rc, &none, rc);
    graph_worker_release(&w);
    ctx_release(&c);
}

int graph_build(struct ctx *c, struct graph_builder *b, uint32_t threads, bool (*stop)(void *arg), void *arg)
{
    struct build x = {.b = b, .os = c->os, .count = b->codes->count, .stop = stop, .arg = arg};
    uint32_t alone = MIN(x.count, 1000u), all = x.count;
    int rc;

    x.count = alone; /* the first ones see each other */
    build_part(&x, 0);
    x.count = all;
    atomic_store(&x.next, alone);
    if (all > alone && atomic_load(&x.rc) == 0)
        crew_run(c->os, threads, build_part, &x);
    rc = atomic_load(&x.rc);
    if (rc < 0)
        return err_set(c, rc, rc == KITH_CLOSED ? "graph build: stopped" : "graph build: out of memory");
    return 0;
}

void graph_choose_entries(struct graph *g)
{
    uint32_t n = MIN(g->count, (uint32_t)GRAPH_ENTRIES);

    for (uint32_t i = 0; i < n; i++)
        g->entries[i] = (uint32_t)((uint64_t)i * g->count / n);
    g->entries_count = n;
}

bool graph_check(const struct graph *g)
{
    for (size_t i = 0; i < (size_t)g->count * g->degree; i++) {
        if (g->links[i] != GRAPH_NONE && g->links[i] >= g->count)
            return false;
    }
    for (uint32_t i = 0; i < MIN(g->entries_count, (uint32_t)GRAPH_ENTRIES); i++) {
        if (g->entries[i] >= g->count)
            return false;
    }
    return g->entries_count <= GRAPH_ENTRIES;
}
