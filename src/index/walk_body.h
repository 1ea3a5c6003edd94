/* walk_body.h - the walk itself. Who includes it has defined: four_dot8 and the others of vec/four_*.h,
 * beam_insert, beam_next, links_read. Alone it is plain C. */
#ifndef INDEX_WALK_BODY_H
#define INDEX_WALK_BODY_H

#ifndef WALK_ISA
#include "index/walk_scalar.h"
#include "vec/four_scalar.h"
#endif

/* Two bits: the upper ones count twice. */
static ALWAYS_INLINE void four_planes(const struct scorer *s, const uint8_t *const v[4], float *out)
{
    const int8_t *query = (const int8_t *)s->query;
    int32_t sums[4], low[4] = {0};

    four_dot1(query, v, s->length, sums);
    if (s->planes == 2) {
        const uint8_t *const lower[4] = {v[0] + s->length, v[1] + s->length, v[2] + s->length, v[3] + s->length};
        four_dot1(query, lower, s->length, low);
    }
    for (int j = 0; j < 4; j++)
        out[j] = scorer_planes_distance(s, v[j], sums[j] * (int32_t)s->planes + low[j]);
}

static ALWAYS_INLINE void four(const struct scorer *s, enum code_form form, const uint32_t *slots, float *out)
{
    const uint8_t *v[4];
    int32_t sums[4];

    for (int j = 0; j < 4; j++)
        v[j] = s->base + (size_t)slots[j] * s->stride;
    if (form == CODE_PRODUCT) {
        product_four(s->table, v, s->length, out);
        return;
    }
    if (form == CODE_PLANES) {
        four_planes(s, v, out);
        return;
    }
    if (form == CODE_L1)
        four_l1(s->query, v, s->length, sums);
    else if (form == CODE_BITS)
        four_and(s->query, v, s->length, sums);
    else if (form == CODE_NIBBLES)
        four_dot4((const int8_t *)s->query, v, s->length, sums);
    else
        four_dot8(s->query, v, s->length, sums);
    for (int j = 0; j < 4; j++)
        out[j] = scorer_distance(s, form, slots[j], v[j], sums[j]);
}

static ALWAYS_INLINE bool allowed(const struct walk *w, uint32_t slot)
{
    uint32_t row = w->search->rows ? w->search->rows[slot] : slot;

    return row < w->search->allow->size && bits_get(w->search->allow, row); /* rows may come while we walk */
}

/* Appends the slots that are new; no branch on whether they are. */
static ALWAYS_INLINE uint32_t add_unseen(struct walk *w, const uint32_t *links, uint32_t n, uint32_t count)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = links[i];
        uint8_t *at = &w->seen[slot >> 3], bit = (uint8_t)(1u << (slot & 7));
        w->slots[count] = slot;
        count += !(*at & bit);
        *at |= bit;
    }
    return count;
}

static ALWAYS_INLINE const uint32_t *links_of(const struct walk *w, uint32_t slot)
{
    return w->g->links + (size_t)slot * w->g->degree;
}

/* True: not seen before. */
static ALWAYS_INLINE bool see(struct walk *w, uint32_t slot)
{
    uint8_t *at = &w->seen[slot >> 3], bit = (uint8_t)(1u << (slot & 7));
    bool fresh = !(*at & bit);

    *at |= bit;
    return fresh;
}

static ALWAYS_INLINE void prefetch_links(const struct walk *w, uint32_t slot)
{
    __builtin_prefetch(links_of(w, slot));
    __builtin_prefetch(links_of(w, slot) + 16);
}

/* Looked through one by one until there is enough: so many are on their way to the cache. */
enum { LOOK_AHEAD = 8 };

/* As add_over: first the slots themselves, then, through those that are not allowed, theirs. */
static ALWAYS_INLINE uint32_t add_open(struct walk *w, const uint32_t *links, uint32_t n, uint32_t count, uint32_t most)
{
    count += links_open(w->open, links, n, w->slots + count);
    for (uint32_t i = 0; i < n && count < most; i++) {
        uint32_t far[GRAPH_DEGREE_MAX];
        if (i + LOOK_AHEAD < n)
            prefetch_links(w, links[i + LOOK_AHEAD]);
        if (see(w, links[i]) && !bits_get(w->search->allow, links[i]))
            count += links_open(w->open, far, links_read(links_of(w, links[i]), w->g->degree, far), w->slots + count);
    }
    return count;
}

/* Only what the mask allows is scored; a link that is not allowed is looked through to its own links
 * (the two-hop idea of ACORN-1, Patel et al. 2024), until there is enough to score. */
static ALWAYS_INLINE uint32_t add_over(struct walk *w, const uint32_t *links, uint32_t n, uint32_t count)
{
    uint32_t most = count + w->g->degree;

    for (uint32_t i = 0; i < MIN(n, (uint32_t)LOOK_AHEAD); i++)
        prefetch_links(w, links[i]);
    if (w->open)
        return add_open(w, links, n, count, most);
    for (uint32_t i = 0; i < n && count < most; i++) {
        uint32_t far[GRAPH_DEGREE_MAX], far_n;
        if (i + LOOK_AHEAD < n)
            prefetch_links(w, links[i + LOOK_AHEAD]);
        if (!see(w, links[i]))
            continue;
        if (allowed(w, links[i])) {
            w->slots[count++] = links[i];
            continue;
        }
        far_n = links_read(links_of(w, links[i]), w->g->degree, far);
        for (uint32_t j = 0; j < far_n && count < most; j++) {
            if (allowed(w, far[j]) && see(w, far[j]))
                w->slots[count++] = far[j];
        }
    }
    return count;
}

static ALWAYS_INLINE void prefetch_records(const struct walk *w, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < count; i++) {
        const uint8_t *record = w->s->base + (size_t)w->slots[i] * w->s->stride;
        for (size_t at = 0; at < w->s->stride && at < 512; at += 64)
            __builtin_prefetch(record + at);
    }
}

/* What enters the front of the beam is likely to be walked soon: its links are fetched now. */
static ALWAYS_INLINE void go_there(struct walk *w, float distance, uint32_t slot)
{
    if (distance < w->to_go.d[15])
        prefetch_links(w, slot);
    beam_insert(&w->to_go, distance, slot);
}

static ALWAYS_INLINE void score(struct walk *w, enum code_form form, enum walk_mode mode, uint32_t count)
{
    const float *worst = &w->to_go.d[w->to_go.used - 1];

    for (uint32_t i = count; i < count + 3; i++)
        w->slots[i] = w->slots[0];
    for (uint32_t i = 0; i < count; i += 4)
        four(w->s, form, w->slots + i, w->distances + i);
    for (uint32_t i = 0; i < count; i++) {
        if (w->distances[i] < *worst)
            go_there(w, w->distances[i], w->slots[i]);
        if (mode == WALK_KEEP && w->distances[i] < w->kept.d[w->kept.used - 1] && allowed(w, w->slots[i])) {
            beam_insert(&w->kept, w->distances[i], w->slots[i]);
            w->allowed++;
        }
    }
    w->search->distances += count;
}

/* With a mask that must not be left: what is allowed near the query; if nothing is, some allowed slots spread
 * over all. */
static ALWAYS_INLINE uint32_t add_allowed(struct walk *w)
{
    uint32_t n = w->g->count, probes = 4096, count = add_over(w, w->start, w->start_count, 0);

    for (uint32_t i = 0; i < GRAPH_ENTRIES && !count; i++) {
        uint32_t slot = (uint32_t)((uint64_t)i * n / GRAPH_ENTRIES);
        while (slot < n && probes && !allowed(w, slot)) {
            slot++;
            probes--;
        }
        if (slot < n && probes)
            count = add_unseen(w, &slot, 1, count);
    }
    return count;
}

static ALWAYS_INLINE void enter(struct walk *w, enum code_form form, enum walk_mode mode)
{
    uint32_t count = mode == WALK_HOP ? add_allowed(w) : add_unseen(w, w->g->entries, w->g->entries_count, 0);

    prefetch_records(w, 0, count);
    if (count)
        score(w, form, mode, count);
}

static ALWAYS_INLINE int next_to_go(const struct beam *b)
{
    int at = beam_next(b);

    return at < (int)b->used ? at : -1;
}

/* Looked at once, a little into a walk that keeps what is allowed: whether hardly anything here is, though elsewhere
 * there is more (a mask that goes against the query). */
static ALWAYS_INLINE bool is_elsewhere(struct walk *w)
{
    if (w->looked || w->search->distances < ELSEWHERE_AFTER)
        return false;
    w->looked = true;
    w->search->gave_up = w->allowed * ELSEWHERE < w->search->share * w->search->distances;
    return w->search->gave_up;
}

static ALWAYS_INLINE void walk_body(struct walk *w, enum code_form form, enum walk_mode mode)
{
    struct beam *b = &w->to_go;
    int at;

    enter(w, form, mode);
    while ((at = next_to_go(b)) >= 0) {
        uint32_t count = 0;
        for (int pops = 0; pops < 2 && at >= 0; pops++) { /* two at once: more misses under way together */
            uint32_t slot = b->id[at], before = count;
            uint32_t links[GRAPH_DEGREE_MAX], n = links_read(links_of(w, slot), w->g->degree, links);
            b->id[at] = slot | WALKED;
            w->search->hops++;
            count = mode == WALK_HOP ? add_over(w, links, n, count) : add_unseen(w, links, n, count);
            prefetch_records(w, before, count);
            at = next_to_go(b);
        }
        if (at >= 0)
            prefetch_links(w, b->id[at]);
        if (mode == WALK_KEEP && is_elsewhere(w))
            break;
        if (count)
            score(w, form, mode, count);
        if (w->search->visits_max && w->search->distances > w->search->visits_max) {
            w->search->gave_up = true;
            break;
        }
    }
}

#define WALK(name, form, mode)                   \
    static void name(struct walk *w)             \
    {                                            \
        walk_body(w, form, mode);                \
    }
#define WALKS_OF(name, form)                \
    WALK(name##_all, form, WALK_ALL)        \
    WALK(name##_keep, form, WALK_KEEP)      \
    WALK(name##_hop, form, WALK_HOP)
WALKS_OF(bytes, CODE_BYTES)
WALKS_OF(l1, CODE_L1)
WALKS_OF(nibbles, CODE_NIBBLES)
WALKS_OF(bits, CODE_BITS)
WALKS_OF(planes, CODE_PLANES)
WALKS_OF(product, CODE_PRODUCT)
#define ROW(name) {name##_all, name##_keep, name##_hop}
#define WALKS {{ROW(bytes), ROW(l1), ROW(nibbles), ROW(bits), ROW(planes), ROW(product)}}

#endif
