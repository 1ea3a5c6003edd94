/* vector.h - a vector as given, made what the collection keeps, and back. */
#ifndef OP_VECTOR_H
#define OP_VECTOR_H

#include "op/schema.h"
#include "vec/kernel.h"
#include "vec/many.h"
#include "vec/sparse.h"

enum { MANY_ELEMENTS = 1 << 20 }; /* of all vectors of a multi-vector */

/* Bytes of one that is kept, and of what will be kept of a given one. */
static inline size_t vector_size(const struct schema_vector *v, const void *kept)
{
    if (v->multi)
        return many_size(v->size, many_of(kept).count);
    return v->element == KITH_SPARSE ? sparse_size(sparse_of(kept).count) : v->size;
}
static inline size_t vector_size_of(const struct schema_vector *v, const kith_vector *from)
{
    if (v->multi)
        return many_size(v->size, MAX(from->count, 1u));
    return v->element == KITH_SPARSE ? sparse_size(from->dim) : v->size;
}
/* Whether it can be one of these: elements and dimension. */
int vector_check(struct ctx *c, const struct schema_vector *v, const kith_vector *from);
/* After that: rounds, normalises, sorts; writes vector_size_of bytes, 4-byte aligned. `room`: v->dim floats, unless
 * f32 is what is kept. KITH_INVALID names what is wrong. */
int vector_take(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                float *room, void *to);
/* A kept one as callers see it, in place; it has no name. */
kith_vector vector_show(const struct schema_vector *v, const void *kept);
/* From a kept query to a kept vector; `ret_common` (may be NULL) is false for sparse ones without a common index. */
float vector_distance(const struct kernels *k, const struct schema_vector *v, const void *query, const void *kept,
                      bool *ret_common);

#endif
