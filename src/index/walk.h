/* walk.h - between graph_search.c and the walks, which are one source compiled once for each set of
 * instructions, code form and mode. */
#ifndef INDEX_WALK_H
#define INDEX_WALK_H

#include "index/graph.h"

enum walk_mode { WALK_ALL, WALK_KEEP, WALK_HOP, WALK_MODES };

/* Sorted, nearest first; full from the start: places not taken are infinitely far and not to be walked. */
struct beam {
    float *d;      /* 64-byte aligned */
    uint32_t *id;  /* WALKED is set once its links were followed */
    uint32_t size; /* a multiple of 16 */
    uint32_t used; /* what lies behind is not walked */
};
#define WALKED 0x80000000u

struct walk {
    const struct graph *g;
    const struct scorer *s;
    struct graph_search *search;
    uint8_t *seen; /* a bit a slot */
    uint32_t *open; /* with WALK_HOP, slots being rows: allowed and not seen, a bit a slot; else NULL */
    const uint32_t *start;   /* with WALK_HOP: slots near the query, allowed or not */
    uint32_t start_count;
    struct beam to_go, kept; /* kept: with WALK_KEEP */
    uint32_t allowed;        /* with WALK_KEEP: how many entered it */
    bool looked;
    uint32_t *slots;         /* room for SLOTS_MAX + 3 */
    float *distances;        /* as many */
};
enum { ELSEWHERE_AFTER = 200, SPARSE = 3 }; /* a third of the share is sparse */
#define ELSEWHERE 1.5 /* a walk that keeps what is allowed gives up where less than two thirds of the share is */
enum { SLOTS_MAX = 4 * GRAPH_DEGREE_MAX };

typedef void (*walk_run)(struct walk *w);
struct walks {
    walk_run run[CODE_FORMS][WALK_MODES];
};
extern const struct walks walks_scalar;
#if defined(__x86_64__)
extern const struct walks walks_avx2, walks_avx512;
#elif defined(__aarch64__)
extern const struct walks walks_neon;
#endif

#endif
