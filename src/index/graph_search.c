/* graph_search.c - the walk: best-first over a sorted beam, unseen neighbours prefetched, four
 * distances a call. */
#include "index/graph.h"

#include "base/ctx.h"
#include "base/mem.h"

#define EXPANDED 0x80000000u

enum { CANDIDATES_MAX = GRAPH_DEGREE * (GRAPH_DEGREE + 1) };

int graph_scratch_fit(struct graph_scratch *s, uint32_t count)
{
    uint16_t *seen;

    if (s->seen_count >= count)
        return 0;
    seen = mem_zalloc((size_t)count * sizeof *seen);
    if (!seen)
        return KITH_NOMEM;
    mem_free(s->seen);
    s->seen = seen;
    s->seen_count = count;
    s->stamp = 0;
    return 0;
}

void graph_scratch_release(struct graph_scratch *s)
{
    mem_free(s->seen);
    memset(s, 0, sizeof *s);
}

static void next_stamp(struct graph_scratch *s)
{
    if (++s->stamp == 0) {
        memset(s->seen, 0, (size_t)s->seen_count * sizeof *s->seen);
        s->stamp = 1;
    }
}

/* The nearest so far, sorted; the expanded ones carry a mark in their slot. */
struct beam {
    struct found *at;
    uint32_t size, capacity, cursor; /* nothing before cursor is unexpanded */
};

static inline void beam_insert(struct beam *b, float distance, uint32_t slot)
{
    uint32_t low = 0, high = b->size, moved;

    if (b->size == b->capacity && !(distance < b->at[b->size - 1].distance))
        return;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (b->at[middle].distance <= distance)
            low = middle + 1;
        else
            high = middle;
    }
    moved = (b->size < b->capacity ? b->size++ : b->size - 1) - low;
    memmove(b->at + low + 1, b->at + low, moved * sizeof *b->at);
    b->at[low].distance = distance;
    b->at[low].slot = slot;
    if (low < b->cursor)
        b->cursor = low;
}

static inline bool beam_next(struct beam *b)
{
    while (b->cursor < b->size && b->at[b->cursor].slot & EXPANDED)
        b->cursor++;
    return b->cursor < b->size;
}

struct walk {
    const struct graph *g;
    const struct scorer *s;
    struct graph_scratch *scratch;
    struct graph_search *search;
    struct beam beam;    /* where to go */
    struct beam results; /* what is allowed, when there is a mask */
    uint32_t slots[CANDIDATES_MAX + 4];
    uint32_t count;
};

static inline bool unseen(struct walk *w, uint32_t slot)
{
    bool fresh = w->scratch->seen[slot] != w->scratch->stamp;

    w->scratch->seen[slot] = w->scratch->stamp;
    return fresh;
}

static inline void candidate(struct walk *w, uint32_t slot)
{
    const uint8_t *record = codes_at(&w->g->codes, slot);

    w->slots[w->count++] = slot;
    for (size_t i = 0; i < w->g->codes.stride && i < 512; i += 64)
        __builtin_prefetch(record + i);
}

static void collect(struct walk *w, uint32_t from)
{
    const uint32_t *links = w->g->links + (size_t)from * GRAPH_DEGREE;

    w->count = 0;
    for (uint32_t i = 0; i < GRAPH_DEGREE && links[i] != UINT32_MAX; i++) {
        if (unseen(w, links[i]))
            candidate(w, links[i]);
    }
}

/* Only what the mask allows is scored; a link that is not allowed is looked through to its own links
 * (the two-hop idea of ACORN-1, Patel et al. 2024). */
static void collect_over(struct walk *w, uint32_t from)
{
    const uint32_t *links = w->g->links + (size_t)from * GRAPH_DEGREE;
    const struct bits *allow = w->search->allow;

    w->count = 0;
    for (uint32_t i = 0; i < GRAPH_DEGREE && links[i] != UINT32_MAX; i++)
        __builtin_prefetch(w->g->links + (size_t)links[i] * GRAPH_DEGREE);
    for (uint32_t i = 0; i < GRAPH_DEGREE && links[i] != UINT32_MAX; i++) {
        const uint32_t *far = w->g->links + (size_t)links[i] * GRAPH_DEGREE;
        if (bits_get(allow, links[i])) {
            if (unseen(w, links[i]))
                candidate(w, links[i]);
            continue;
        }
        if (!unseen(w, links[i]))
            continue;
        for (uint32_t j = 0; j < GRAPH_DEGREE && far[j] != UINT32_MAX; j++) {
            if (bits_get(allow, far[j]) && unseen(w, far[j]))
                candidate(w, far[j]);
        }
    }
}

static void score(struct walk *w)
{
    const struct bits *allow = w->search->allow;
    float distances[4];

    for (uint32_t i = 0; i < 4; i++)
        w->slots[w->count + i] = w->slots[0];
    for (uint32_t i = 0; i < w->count; i += 4) {
        scorer_four(w->s, w->slots + i, distances);
        for (uint32_t j = 0; j < 4 && i + j < w->count; j++) {
            beam_insert(&w->beam, distances[j], w->slots[i + j]);
            if (allow && (w->search->hop_over || bits_get(allow, w->slots[i + j])))
                beam_insert(&w->results, distances[j], w->slots[i + j]);
        }
    }
    w->search->distances += w->count;
}

static void enter(struct walk *w)
{
    const struct bits *allow = w->search->allow;

    w->count = 0;
    for (uint32_t i = 0; i < w->g->entries_count; i++) {
        if (unseen(w, w->g->entries[i]))
            candidate(w, w->g->entries[i]);
    }
    if (allow && w->search->hop_over) { /* and a few of the allowed ones, spread over all */
        uint32_t step = MAX(allow->size / GRAPH_ENTRIES, 1u);
        for (uint32_t at = 0, n = 0; at < allow->size && n < GRAPH_ENTRIES; at += step, n++) {
            row_id slot = bits_next(allow, at);
            if (slot != ROW_NONE && unseen(w, slot))
                candidate(w, slot);
        }
    }
    score(w);
    if (allow && w->search->hop_over) { /* the fixed entries may not be allowed: out of the results */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < w->results.size; i++) {
            if (bits_get(allow, w->results.at[i].slot))
                w->results.at[kept++] = w->results.at[i];
        }
        w->results.size = kept;
    }
}

int graph_search(struct ctx *c, const struct graph *g, const struct scorer *s, struct graph_scratch *scratch,
                 struct graph_search *search, struct found *out)
{
    uint32_t ef = MIN(MAX(search->ef, 1u), (uint32_t)GRAPH_EF_MAX);
    struct walk *w;
    struct found *beam = out;

    search->distances = search->hops = 0;
    search->gave_up = false;
    if (!g->codes.count)
        return 0;
    w = arena_alloc(&c->arena, sizeof *w);
    if (search->allow)
        beam = arena_alloc(&c->arena, ef * sizeof *beam);
    if (!w || !beam || graph_scratch_fit(scratch, g->codes.count) < 0)
        return err_nomem(c);
    w->g = g;
    w->s = s;
    w->scratch = scratch;
    w->search = search;
    w->beam = (struct beam){beam, 0, ef, 0};
    w->results = (struct beam){out, 0, ef, 0};
    next_stamp(scratch);
    enter(w);
    while (beam_next(&w->beam)) {
        uint32_t slot = w->beam.at[w->beam.cursor].slot;
        w->beam.at[w->beam.cursor].slot |= EXPANDED;
        search->hops++;
        if (search->allow && search->hop_over)
            collect_over(w, slot);
        else
            collect(w, slot);
        if (beam_next(&w->beam))
            __builtin_prefetch(g->links + (size_t)w->beam.at[w->beam.cursor].slot * GRAPH_DEGREE);
        if (w->count)
            score(w);
        if (search->visits_max && search->distances > search->visits_max) {
            search->gave_up = true;
            break;
        }
    }
    if (search->allow)
        return (int)w->results.size;
    for (uint32_t i = 0; i < w->beam.size; i++)
        out[i].slot &= ~EXPANDED;
    return (int)w->beam.size;
}
