/* vector.c - from what a caller gives to what is kept. */
#include "op/vector.h"

#include "base/ctx.h"

#include <math.h>

static const char *const names[ELEMENTS] = {"f32", "f16", "bf16", "i8", "u8", "bit"};

static int check_finite(struct ctx *c, const struct schema_vector *v, const float *data)
{
    for (uint32_t i = 0; i < v->dim; i++) {
        if (!isfinite(data[i]))
            return err_set(c, KITH_INVALID, "vector \"%s\": element %u is not a finite number", v->name, i);
    }
    return 0;
}

static int take_floats(struct ctx *c, const struct schema_vector *v, const struct kernels *k, kith_element e,
                       const void *data, float *room, void *to)
{
    room = v->element == KITH_F32 ? to : room;
    element_widen(e, data, room, v->dim);
    TRY(check_finite(c, v, room));
    if (v->metric == KITH_COSINE && !element_is_int(v->element))
        vec_normalise(k, room, v->dim);
    if (room != to)
        element_narrow(v->element, room, to, v->dim);
    return 0;
}

static bool is_welcome(kith_element given, kith_element kept)
{
    return given == kept || (given == KITH_F32 && kept != KITH_BIT);
}

int vector_take(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                float *room, void *to)
{
    if (from->dim != v->dim)
        return err_set(c, KITH_INVALID, "Vector dimension error: expected dim: %u, got %u", v->dim, from->dim);
    if (!is_welcome(from->element, v->element))
        return err_set(c, KITH_INVALID, "vector \"%s\": elements %s, expected %s%s", v->name,
                       from->element > KITH_BIT ? "of an unknown kind" : names[from->element],
                       v->element == KITH_BIT ? "" : "f32 or ", names[v->element]);
    if (v->element != KITH_BIT && !element_is_int(from->element))
        return take_floats(c, v, k, from->element, from->data, room, to);
    memcpy(to, from->data, v->size);
    return 0;
}
