/* sealing.h - an index on its way into a file; between seal_index.c, seal_graph.c and seal_codes.c. */
#ifndef SEGMENT_SEALING_H
#define SEGMENT_SEALING_H

#include "segment/sealed.h"

struct sealing_index {
    struct ctx *c;
    const struct schema_vector *v;
    uint64_t owner;
    const struct picked *picked; /* the rows of the segment to be */
    uint32_t picked_count;
    lsn at;                      /* their vectors are those of then */
    const struct kernels *kernels;
    uint32_t count;              /* items: rows that have the vector; of multi-vectors each of their vectors is one */
    uint32_t *rows;              /* of the items: ascending */
    uint32_t *within;            /* of the items: which of the row's vectors; NULL: the only one */
    struct codes codes;          /* 8 bits, of the items: what indexes are built of, and are measured by */
    uint8_t *records;
    float *room;                 /* of one vector */
    struct graph_builder builder;
    struct lists_built lists;
    const uint32_t *items;       /* slot -> item; NULL: they are the same */
    uint32_t *slots;             /* slot -> row, unless they are the same as items */
    uint32_t *blocks;            /* of each list, the first; NULL: single records */
    struct vector_index shown;   /* as it will be searched */
    float *params, *norms;       /* of the codes */
    size_t params_count;
    uint8_t *planes;             /* records, and what else is read of each slot */
    size_t planes_size;
};

static inline uint32_t sealing_item(const struct sealing_index *g, uint32_t slot)
{
    return g->items ? g->items[slot] : slot;
}
/* The vector of an item, as vec_plain says; good until the next one is asked for. NULL: g->c says why. */
const void *sealing_vector(const struct sealing_index *g, uint32_t item);
int sealing_put(const struct sealing_index *g, struct pack_writer *w, enum pack_kind kind, const void *data,
                size_t size);

/* After the codes: builder, and `shown.graph` of it. */
int sealing_graph(struct sealing_index *g, const struct graph_plan *plan);

/* Codes of all slots in the form that is wanted, in `shown`; and their sections. */
int sealing_encode(struct sealing_index *g);
int sealing_write_codes(const struct sealing_index *g, struct pack_writer *w);
uint32_t sealing_form(const struct sealing_index *g); /* as in the head */

#endif
