/* graph.h - a flat proximity graph (src/index/README.md).
 *
 * An index sees data only: a scorer, links, a mask, limits. What a filter is, what a segment is, it
 * never learns. */
#ifndef INDEX_GRAPH_H
#define INDEX_GRAPH_H

#include "base/bits.h"
#include "vec/codes.h"

#include <stdatomic.h>

enum { GRAPH_DEGREE = 32, GRAPH_DEGREE_MAX = 64, GRAPH_ENTRIES = 16, GRAPH_EF_MAX = 4096 };
#define GRAPH_NONE UINT32_MAX

struct graph {
    uint32_t count, degree;
    const uint32_t *links;  /* count * degree, 64-byte aligned; unused ones, at the end, are GRAPH_NONE */
    uint32_t entries[GRAPH_ENTRIES];
    uint32_t entries_count;
};

/* Per-search memory, reused from query to query by whoever owns it. */
struct graph_scratch {
    uint8_t *seen; /* a bit a slot */
    size_t seen_size;
    uint32_t *open;
    size_t open_size;
    uint8_t *beams;
    size_t beams_size;
};
void graph_scratch_release(struct graph_scratch *s);
/* `seen` for `count` slots, all clear. */
int graph_scratch_seen(struct graph_scratch *s, uint32_t count);

struct found {
    float distance; /* by codes */
    uint32_t slot;
};

struct graph_search {
    uint32_t ef;
    const struct bits *allow; /* over rows; NULL: all */
    const uint32_t *rows;     /* slot -> row, for the mask; NULL: the same */
    bool hop_over;            /* with allow: score only allowed slots, reach them over two links */
    uint32_t ef_sparse;       /* with hop_over: the width where nothing near the query is allowed; ef where as much is
                                 as elsewhere, and between them by the density; 0: the same */
    bool dense_only;          /* with ef_sparse: where few are, it gives up instead, at once */
    double share;             /* of all slots: allowed; 0: a walk that keeps some does not give up */
    const uint32_t *absent;   /* a slot that is taken as not there; NULL: none */
    uint32_t visits_max;      /* give up after so many distances; 0: never */
    /* out */
    uint32_t distances, hops;
    uint32_t inside; /* with allow and without hop_over: of what was found, as far as everything was looked at */
    bool gave_up;
};

/* Writes at most `ef` slots, nearest first by codes. Returns how many, or a negative code. */
int graph_search(struct ctx *c, const struct graph *g, const struct scorer *s, struct graph_scratch *scratch,
                 struct graph_search *search, struct found *out);
static inline uint32_t graph_found_max(uint32_t ef)
{
    return (uint32_t)align_up(MIN(MAX(ef, 1u), (uint32_t)GRAPH_EF_MAX), 16);
}

/* ---- building: slot after slot, by one thread or several ------------------------------------------ */

struct graph_params {
    uint32_t ef;     /* 0 = 160 */
    uint32_t degree; /* 0 = GRAPH_DEGREE */
};

/* Links that grow while others walk over them. A slot's record must be in place before it is inserted. */
struct graph_builder {
    const struct codes *codes;
    const struct kernels *kernels;
    uint32_t *links;  /* 64-byte aligned */
    uint32_t capacity, degree, ef;
    atomic_uint inserted;
    _Atomic uint32_t entries[GRAPH_ENTRIES];
    atomic_uint entries_count;
    atomic_uchar *locks; /* one a slot */
    struct bits done;    /* adopted: not to be inserted */
    const struct grid *grid; /* NULL: insertions walk over the codes; else over `top`, half the bytes, and order what */
    const uint8_t *top;      /* they found by the codes */
    const float *norms;      /* euclid */
    bool entries_stay;   /* adopted ones: slots are not inserted in the order of their numbers */
};
/* `codes->base` has records for `capacity` slots; it must not move. */
int graph_builder_init(struct ctx *c, struct graph_builder *b, const struct codes *codes, const struct kernels *k,
                       uint32_t capacity, const struct graph_params *params);
void graph_builder_release(struct graph_builder *b);
/* What can be searched now. */
void graph_builder_view(struct graph_builder *b, struct graph *ret_graph);

struct graph_worker {
    struct graph_builder *b;
    struct ctx *c;
    struct scorer search, pair, rough; /* rough: with a grid */
    float *room;
    struct graph_scratch scratch;
    struct found *found;
};
int graph_worker_init(struct ctx *c, struct graph_worker *w, struct graph_builder *b);
void graph_worker_release(struct graph_worker *w);
int graph_insert(struct graph_worker *w, uint32_t slot);

/* Before the build: links of `from`, whose slot i is slot map[i] here, or none (GRAPH_NONE). */
void graph_adopt(struct graph_worker *w, const struct graph *from, const uint32_t *map);
/* The slot's links anew, chosen from `offered` (with room for 3 more). */
void graph_relink(struct graph_worker *w, uint32_t slot, uint32_t *offered, uint32_t count);

/* Inserts all slots of `codes` with `threads` threads. `stop` is asked now and then. */
int graph_build(struct ctx *c, struct graph_builder *b, uint32_t threads, bool (*stop)(void *arg), void *arg);
/* Entry points for a finished graph: slots spread evenly. */
void graph_choose_entries(struct graph *g);
/* True if all links and entries are in bounds. */
bool graph_check(const struct graph *g);

#endif
