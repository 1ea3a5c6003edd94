/* growing.h - between growing.c and growing_graph.c; private to this room. */
#ifndef SEGMENT_GROWING_H
#define SEGMENT_GROWING_H

#include "segment/segment.h"

/* The graph of one vector of a growing segment. Made when there are rows enough; one thread links, any number
 * search. What it was not given room for stays out of it, and is scanned. */
struct growing_graph {
    struct vector_index shown;
    struct graph_builder builder;
    uint8_t *records;
    size_t records_size;
    uint32_t *slots;
    float *room; /* of one vector, for whoever links */
    uint32_t capacity;
    atomic_uint count, rows;
};
int growing_graph_new(struct ctx *c, const struct segment *s, const struct schema_vector *v, const struct kernels *k,
                      uint32_t capacity, struct growing_graph **ret_graph);
void growing_graph_free(struct growing_graph *x); /* NULL is fine */
/* Links up to `most` rows that come next; how many. */
int growing_graph_link(struct ctx *c, const struct segment *s, const struct schema_vector *v, struct growing_graph *x,
                       uint32_t most);

#endif
