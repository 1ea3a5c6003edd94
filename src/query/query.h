/* query.h - planning and running one query over one snapshot. All stages use the same LSN. */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "op/match.h"
#include "segment/segment.h"

struct snapshot {
    struct segment *const *segments;
    size_t count;
    lsn v;
    const struct schema *schema;
};

/* Memory that searches need and give back; one pool serves any number of threads. */
struct pool_places {
    void *_Atomic at[32];
};
struct scratch_pool {
    struct pool_places scratch; /* struct graph_scratch */
    struct pool_places blocks;  /* of arenas: fresh pages for every search cost more than some searches */
};
void scratch_pool_release(struct scratch_pool *p);
struct graph_scratch *scratch_take(struct scratch_pool *p); /* NULL: no memory */
void scratch_give(struct scratch_pool *p, struct graph_scratch *s);
/* A block for an arena that has none; true: scratch_take_back is to follow, which empties the arena. */
bool scratch_lend(struct scratch_pool *p, struct arena *a);
void scratch_take_back(struct scratch_pool *p, struct arena *a);

struct runner {
    const struct snapshot *snap;
    const struct kernels *kernels;
    struct scratch_pool *pool;
    const atomic_uint *efforts; /* thousandths, by vector id modulo VECTORS_MAX: what the monitor has learnt; NULL: 1 */
};

double runner_effort(const struct runner *r, uint32_t vector_id);

#define QUERY_TARGET_RECALL 0.95f /* when a query names neither a width nor a target */
int query_run(struct ctx *c, const struct runner *r, const kith_query *q, kith_result **ret_result);
int query_get(struct ctx *c, const struct runner *r, const kith_id *ids, size_t count, const kith_select *select,
              kith_result **ret_result);
int query_groups(struct ctx *c, const struct runner *r, const kith_query *q, const char *group_by, uint32_t group_size,
                 kith_groups **ret_groups);
int query_facets(struct ctx *c, const struct runner *r, const char *path, const kith_filter *f, uint32_t limit,
                 kith_facets **ret_facets);
int query_aggregate(struct ctx *c, const struct runner *r, const kith_measure *measures, size_t count,
                    const char *group_by, const kith_filter *f, uint32_t limit, kith_aggregates **ret_aggregates);
int query_count(struct ctx *c, const struct runner *r, const kith_filter *f, uint64_t *ret_count);
/* Segment and row of a point; false if it is not there. */
bool query_find(const struct snapshot *snap, const kith_id *id, size_t *ret_segment, row_id *ret_row);

/* Rows whose document is newer than the field indexes; `ret_any`: there are some. */
int query_overlaid(struct ctx *c, const struct segment *s, lsn v, uint32_t rows, struct bits *ret_rows, bool *ret_any);
/* Rows of one segment that are visible and satisfy `p`. `ret_all`: every row does. */
int query_mask(struct ctx *c, const struct snapshot *snap, size_t segment, const struct pred *p,
               struct bits *ret_mask, bool *ret_all);

/* ---- between the files of this room ---- */

/* Rows to look at: those of a mask, ascending, or a list. */
struct row_set {
    const struct bits *mask; /* NULL: it is a list */
    const row_id *list;
    uint32_t count; /* of the list */
};
static inline row_id rows_next(const struct row_set *x, uint32_t *at)
{
    row_id row;

    if (!x->mask)
        return *at < x->count ? x->list[(*at)++] : ROW_NONE;
    row = bits_next(x->mask, *at);
    *at = row == ROW_NONE ? x->mask->size : row + 1;
    return row;
}
/* The visible rows of a sealed segment that satisfy `p`, where one index knows them, side by side, and they are at most
 * `most`: 1. Else 0, and query_mask is to be asked. */
int query_few(struct ctx *c, const struct snapshot *snap, size_t segment, const struct pred *p, uint32_t most,
              struct row_set *ret_rows);

enum { LOOK_AT_CLOCK = 256 }; /* rows between two looks */

struct hit_ref {
    float distance;
    uint32_t segment;
    row_id row;
    double order;
    int64_t order_int;
    bool order_is_int;
};

struct hit_list {
    struct hit_ref *at;
    size_t count, capacity;
};
/* Whether it can be run; fills in its limits. */
int query_check(struct ctx *c, kith_query *q);
/* What is to be returned of hits, in order. */
int hits_fetch(struct ctx *c, const struct snapshot *snap, const struct hit_ref *refs, size_t count,
               const kith_select *select, kith_result **ret_result);
int hits_push(struct ctx *c, struct hit_list *l, struct hit_ref hit);
/* By segment and row, for qsort; and such an order with every row once. */
int hit_by_place(const void *a, const void *b);
void hits_once(struct hit_list *l);
/* As the query orders: by distance, or by the values at a path; then by id. */
int hits_sort(struct ctx *c, const struct snapshot *snap, const kith_query *q, struct hit_list *l);

struct plan_note {
    const char *strategy;
    uint32_t rows, matches, ef, distances, hops;
    float recall; /* expected; 0: all */
    uint64_t entries; /* of postings */
};

/* Rows that the index of a vector is wrong about, because it changed since: they leave the mask, and come back as
 * `late`. How many. */
int query_take_late(struct ctx *c, const struct segment *s, uint32_t vector_id, struct bits *mask, struct bits *late);
/* A query vector: as it is kept, and as codes are made of it (vec_plain). */
struct target {
    const void *kept, *plain;
};
int nearest_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                    const struct target *target, size_t segment, const struct pred *p, const kith_id *leave_out,
                    struct hit_list *out, struct plan_note *note);
/* The same for sparse vectors. */
int sparse_segment(struct ctx *c, const struct runner *r, const kith_query *q, const struct schema_vector *v,
                   const struct target *target, size_t segment, const struct pred *p, const kith_id *leave_out,
                   struct hit_list *out, struct plan_note *note);
/* Multiplies the weights of a query, in its kept form, by how rare the indices are (kith.h, idf); `corpus` NULL: among
 * all points. */
int sparse_weigh(struct ctx *c, const struct runner *r, const struct schema_vector *v, const kith_filter *corpus,
                 void *kept);
int scroll_collect(struct ctx *c, const struct runner *r, const kith_query *q, const struct pred *p, size_t want,
                   struct hit_list *out);
int order_collect(struct ctx *c, const struct runner *r, const kith_query *q, const struct pred *p, size_t want,
                  struct hit_list *out);

#endif
