/* vector.h - a vector as given, made what the collection keeps. */
#ifndef OP_VECTOR_H
#define OP_VECTOR_H

#include "op/schema.h"
#include "vec/kernel.h"
#include "vec/sparse.h"

/* Bytes of one that is kept, and of what will be kept of a given one. */
static inline size_t vector_size(const struct schema_vector *v, const void *kept)
{
    return v->element == KITH_SPARSE ? sparse_size(sparse_of(kept).count) : v->size;
}
static inline size_t vector_size_of(const struct schema_vector *v, const kith_vector *from)
{
    return v->element == KITH_SPARSE ? sparse_size(from->dim) : v->size;
}
/* Whether it can be one of these: elements and dimension. */
int vector_check(struct ctx *c, const struct schema_vector *v, const kith_vector *from);
/* After that: rounds, normalises, sorts; writes vector_size_of bytes, 4-byte aligned. `room`: v->dim floats, unless
 * f32 is what is kept. KITH_INVALID names what is wrong. */
int vector_take(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                float *room, void *to);

#endif
