/* graph.h - a flat proximity graph over 8-bit codes (src/index/README.md).
 *
 * An index sees data only: codes, links, a mask over its slots, limits. What a filter is, what a
 * segment is, it never learns. */
#ifndef INDEX_GRAPH_H
#define INDEX_GRAPH_H

#include "base/bits.h"
#include "vec/codes.h"

enum { GRAPH_DEGREE = 32, GRAPH_ENTRIES = 16, GRAPH_EF_MAX = 4096 };

struct graph_params {
    uint32_t ef_build; /* 0 = 160 */
};

struct graph {
    struct codes codes;
    const uint32_t *links;  /* count * GRAPH_DEGREE, nearest first; unused ones are UINT32_MAX */
    uint32_t entries[GRAPH_ENTRIES];
    uint32_t entries_count;
};

/* Per-search memory, reused from query to query by whoever owns it. */
struct graph_scratch {
    uint16_t *seen; /* a stamp per slot */
    uint32_t seen_count;
    uint16_t stamp;
};
int graph_scratch_fit(struct graph_scratch *s, uint32_t count);
void graph_scratch_release(struct graph_scratch *s);

struct found {
    float distance; /* by codes */
    uint32_t slot;
};

struct graph_search {
    uint32_t ef;
    const struct bits *allow; /* over slots; NULL: all */
    bool hop_over;            /* with allow: score only allowed slots, reach them over two links */
    uint32_t visits_max;      /* give up after so many distances; 0: never */
    /* out */
    uint32_t distances, hops;
    bool gave_up;
};

/* Writes at most `ef` slots, nearest first by codes. Returns how many, or a negative code. */
int graph_search(struct ctx *c, const struct graph *g, const struct scorer *s, struct graph_scratch *scratch,
                 struct graph_search *search, struct found *out);

/* Builds links over g->codes into `links` (count * GRAPH_DEGREE). `stop` is asked now and then. */
int graph_build(struct ctx *c, struct graph *g, const struct kernels *k, const struct graph_params *params,
                uint32_t *links, bool (*stop)(void *arg), void *arg);
/* True if all links and entries are in bounds. */
bool graph_check(const struct graph *g);

#endif
