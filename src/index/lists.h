/* lists.h - an inverted file (src/index/README.md): vectors in lists around centres; a search scans the lists whose
 * centres are nearest to it. Slots stand list after list.
 *
 * Like the graph it sees data only: codes, a scorer, a mask, limits. */
#ifndef INDEX_LISTS_H
#define INDEX_LISTS_H

#include "index/graph.h"

struct lists {
    uint32_t count;         /* 0: there are none */
    const uint32_t *starts; /* count + 1: list i has the slots from starts[i] to before starts[i + 1] */
    struct codes centres;   /* 8-bit codes of the centres */
    bool spilled;           /* a row may stand in two lists */
    const uint32_t *blocks; /* count + 1: the first block of each list (vec/blocks.h); NULL: single records */
};

/* By what the centres are compared with a query. Those of bits are floats between 0 and 1. */
kith_metric lists_metric(kith_metric metric);

struct lists_search {
    uint32_t probes;          /* how many lists */
    uint32_t keep;            /* how many of the slots seen are kept */
    bool all;                 /* all that are seen, up to `keep`, in no order; not of spilled lists */
    const struct bits *allow; /* over rows; NULL: all */
    const uint32_t *rows;     /* slot -> row, below rows_count */
    uint32_t rows_count;
    uint32_t absent;          /* a row that is taken as not there, or ROW_NONE */
    /* out */
    uint32_t distances, scanned; /* the latter: lists */
};
/* `centres`: a scorer over the centres that has the query. Writes at most `keep` slots, nearest first by codes, none of
 * a row that another one has. Returns how many, or a negative code. */
int lists_search(struct ctx *c, const struct lists *l, const struct scorer *centres, struct scorer *s,
                 struct graph_scratch *scratch, struct lists_search *search, struct found *out);

/* ---- building ------------------------------------------------------------------------------------------------- */

struct lists_params {
    uint32_t count; /* 0: four times the root of the vectors */
    bool spill;
    uint32_t threads;
    bool (*stop)(void *arg);
    void *arg;
};
/* All of it is the heap's. */
struct lists_built {
    uint32_t count, slots;
    uint32_t *starts; /* as in struct lists */
    uint32_t *items;  /* slot -> index into the codes */
    struct codes centres;
    uint8_t *records; /* centres.base */
};
int lists_build(struct ctx *c, const struct codes *codes, const struct kernels *k, const struct lists_params *params,
                struct lists_built *ret_built);
void lists_built_release(struct lists_built *b);
/* The list of each slot must lie within bounds. */
bool lists_check(const struct lists *l, uint32_t slots);
/* The first block of each list, for l->blocks: count + 1 numbers. */
void lists_number_blocks(const struct lists *l, uint32_t *blocks);

#endif
