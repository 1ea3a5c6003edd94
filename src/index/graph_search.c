/* graph_search.c - what a walk needs around it: memory, the right instantiation, the answer. */
#include "index/walk.h"

#include "base/ctx.h"
#include "base/mem.h"

enum { START = 16 };

void graph_scratch_release(struct graph_scratch *s)
{
    mem_free(s->seen);
    mem_free(s->open);
    mem_free_aligned(s->beams);
    memset(s, 0, sizeof *s);
}

int graph_scratch_seen(struct graph_scratch *s, uint32_t count)
{
    size_t size = count / 8 + 1;

    if (s->seen_size < size) {
        size_t more = MAX(size, s->seen_size * 2); /* growing graphs come back larger */
        uint8_t *seen = mem_alloc(more);
        if (!seen)
            return KITH_NOMEM;
        mem_free(s->seen);
        s->seen = seen;
        s->seen_size = more;
    }
    memset(s->seen, 0, size);
    return 0;
}

static int open_up(struct graph_scratch *s, const struct bits *allow)
{
    size_t size = (size_t)bits_words(allow->size) * 8;

    if (s->open_size < size) {
        uint32_t *open = mem_alloc(size);
        if (!open)
            return KITH_NOMEM;
        mem_free(s->open);
        s->open = open;
        s->open_size = size;
    }
    memcpy(s->open, allow->words, size);
    return 0;
}

static int fit_beams(struct graph_scratch *s, size_t size)
{
    uint8_t *beams;

    if (s->beams_size >= size)
        return 0;
    beams = mem_aligned(size);
    if (!beams)
        return KITH_NOMEM;
    mem_free_aligned(s->beams);
    s->beams = beams;
    s->beams_size = size;
    return 0;
}

static uint8_t *beam_init(struct beam *b, uint8_t *at, uint32_t used)
{
    uint32_t size = graph_found_max(used);

    b->size = size;
    b->used = used;
    b->d = (float *)(void *)at;
    b->id = (uint32_t *)(void *)(at + size * sizeof *b->d);
    for (uint32_t i = 0; i < size; i++)
        b->d[i] = __builtin_inff();
    memset(b->id, 0xff, size * sizeof *b->id);
    return at + size * (sizeof *b->d + sizeof *b->id);
}

static const struct walks *walks_for(const struct kernels *k)
{
#if defined(__x86_64__)
    if (k == &kernels_avx512 || k == &kernels_avx512_popcount)
        return &walks_avx512;
    if (k == &kernels_avx2)
        return &walks_avx2;
#elif defined(__aarch64__)
    if (k == &kernels_neon)
        return &walks_neon;
#endif
    UNUSED(k);
    return &walks_scalar;
}

static int give(const struct beam *b, struct found *out)
{
    int n = 0;

    for (uint32_t i = 0; i < b->used && b->id[i] != GRAPH_NONE; i++)
        out[n++] = (struct found){b->d[i], b->id[i] & ~WALKED};
    return n;
}

/* A short walk over everything: a mask with far entries would be crossed at twice the cost a step. */
static uint32_t find_start(const struct walk *w, uint8_t *memory, uint32_t *out)
{
    struct walk near = *w;
    uint32_t n = 0;

    (void)beam_init(&near.to_go, memory, START);
    walks_for(w->s->kernels)->run[w->s->form][WALK_ALL](&near);
    while (n < START && near.to_go.id[n] != GRAPH_NONE) {
        out[n] = near.to_go.id[n] & ~WALKED;
        n++;
    }
    return n;
}

/* How many of what the start looked at are allowed, beside the share of all: below 1 they rather lie elsewhere. */
static double density_here(const struct walk *w)
{
    const uint64_t *allow = w->search->allow->words;
    uint32_t seen = 0, both = 0, words = w->g->count / 64;

    for (uint32_t i = 0; i < words; i++) {
        uint64_t x;
        memcpy(&x, w->seen + 8 * (size_t)i, sizeof x);
        for (; x; x &= x - 1) { /* few are set */
            seen++;
            both += allow[i] >> __builtin_ctzll(x) & 1;
        }
    }
    return seen ? both / (w->search->share * seen) : 1;
}

/* The sparser, the wider; it may give up. */
static uint32_t widened(struct graph_search *search, double density, uint32_t ef)
{
    search->gave_up = search->dense_only && density * SPARSE < 1;
    if (density < 1)
        ef += (uint32_t)((double)(search->ef_sparse - MIN(ef, search->ef_sparse)) * (1 - density));
    return MIN(ef, (uint32_t)GRAPH_EF_MAX);
}

int graph_search(struct ctx *c, const struct graph *g, const struct scorer *s, struct graph_scratch *scratch,
                 struct graph_search *search, struct found *out)
{
    uint32_t ef = MIN(MAX(search->ef, 1u), (uint32_t)GRAPH_EF_MAX);
    enum walk_mode mode = !search->allow ? WALK_ALL : search->hop_over ? WALK_HOP : WALK_KEEP;
    struct walk w = {.g = g, .s = s, .search = search};
    size_t room = (SLOTS_MAX + 16) * (sizeof *w.slots + sizeof *w.distances), beams;
    uint32_t start[START];
    uint8_t *at;

    search->distances = search->hops = 0;
    search->gave_up = false;
    if (!g->count || !g->entries_count)
        return 0;
    beams = (size_t)graph_found_max(MAX(ef, search->ef_sparse)) * 16;
    if (graph_scratch_seen(scratch, g->count) < 0 || fit_beams(scratch, beams + room) < 0)
        return err_nomem(c);
    w.seen = scratch->seen;
    if (search->absent)
        w.seen[*search->absent >> 3] |= (uint8_t)(1u << (*search->absent & 7));
    w.slots = (uint32_t *)(void *)(scratch->beams + beams);
    w.distances = (float *)(void *)(w.slots + SLOTS_MAX + 16);
    if (mode == WALK_HOP && !search->rows && search->allow->size >= g->count) {
        if (open_up(scratch, search->allow) < 0)
            return err_nomem(c);
        w.open = scratch->open;
    }
    if (mode == WALK_HOP) {
        w.start_count = find_start(&w, scratch->beams, start);
        w.start = start;
        if (w.open && search->ef_sparse)
            ef = widened(search, density_here(&w), ef);
        if (search->gave_up)
            return 0;
        memset(w.seen, 0, g->count / 8 + 1);
    }
    at = beam_init(&w.to_go, scratch->beams, ef);
    if (mode == WALK_KEEP)
        (void)beam_init(&w.kept, at, ef);
    walks_for(s->kernels)->run[s->form][mode](&w);
    search->inside = 0;
    while (mode == WALK_KEEP && search->inside < ef && w.kept.id[search->inside] != GRAPH_NONE &&
           w.kept.d[search->inside] <= w.to_go.d[ef - 1])
        search->inside++;
    return give(mode == WALK_KEEP ? &w.kept : &w.to_go, out);
}
