/* vector.h - a vector as given, made what the collection keeps. */
#ifndef OP_VECTOR_H
#define OP_VECTOR_H

#include "op/schema.h"
#include "vec/kernel.h"

/* Checks, rounds, normalises; writes v->size bytes, f32 ones 4-byte aligned. `room`: v->dim floats, unless f32
 * is what is kept. KITH_INVALID names what is wrong. */
int vector_take(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                float *room, void *to);

#endif
