/* vector.c - from what a caller gives to what is kept. */
#include "op/vector.h"

#include "base/ctx.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

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
    return given == kept || (given == KITH_F32 && element_is_number(kept));
}

struct entry {
    uint32_t index;
    float value;
};

static int by_index(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static int take_sparse(struct ctx *c, const struct schema_vector *v, const kith_vector *from, void *to)
{
    const uint32_t *indices = from->data;
    const float *values = (const float *)(const void *)(indices + from->dim);
    struct entry *sorted = mem_alloc(MAX(from->dim, 1u) * sizeof *sorted);
    uint32_t *words = to, n = from->dim;
    int rc = sorted ? 0 : err_nomem(c);

    for (uint32_t i = 0; i < n && rc >= 0; i++) {
        sorted[i] = (struct entry){indices[i], values[i]};
        if (!isfinite(values[i]))
            rc = err_set(c, KITH_INVALID, "vector \"%s\": value %u is not a finite number", v->name, i);
    }
    if (rc >= 0)
        qsort(sorted, n, sizeof *sorted, by_index);
    words[0] = n;
    for (uint32_t i = 0; i < n && rc >= 0; i++) {
        words[1 + i] = sorted[i].index;
        memcpy(&words[1 + n + i], &sorted[i].value, sizeof(float));
        if (i && sorted[i].index == sorted[i - 1].index)
            rc = err_set(c, KITH_INVALID, "vector \"%s\": index %u is given twice", v->name, sorted[i].index);
    }
    mem_free(sorted);
    return rc;
}

int vector_check(struct ctx *c, const struct schema_vector *v, const kith_vector *from)
{
    if (from->count && !v->multi && v->element != KITH_SPARSE)
        return err_set(c, KITH_INVALID, "Conversion between multi and regular vectors failed");
    if (from->count && from->element == KITH_SPARSE)
        return err_set(c, KITH_INVALID, "vector \"%s\": there are no lists of sparse ones", v->name);
    if (element_is_known(from->element) && (from->element == KITH_SPARSE) != (v->element == KITH_SPARSE))
        return err_set(c, KITH_INVALID, "Conversion between sparse and regular vectors failed");
    if (!element_is_known(from->element) || !is_welcome(from->element, v->element))
        return err_set(c, KITH_INVALID, "vector \"%s\": elements %s, expected %s%s", v->name,
                       element_name(from->element), element_is_number(v->element) ? "f32 or " : "",
                       element_name(v->element));
    if (v->element == KITH_SPARSE && from->dim > BITS_MAX)
        return err_set(c, KITH_INVALID, "vector \"%s\": %u values, at most %d", v->name, from->dim, BITS_MAX);
    if (v->element != KITH_SPARSE && from->dim != v->dim)
        return err_set(c, KITH_INVALID, "Vector dimension error: expected dim: %u, got %u", v->dim, from->dim);
    if ((uint64_t)from->dim * from->count >= MANY_ELEMENTS && v->multi)
        return err_set(c, KITH_INVALID, "vector \"%s\": %u vectors of %u elements, expected less than %d elements",
                       v->name, from->count, from->dim, MANY_ELEMENTS);
    return 0;
}

static int take_dense(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                      float *room, void *to)
{
    if (v->element != KITH_BIT && !element_is_int(from->element))
        return take_floats(c, v, k, from->element, from->data, room, to);
    memcpy(to, from->data, v->size);
    return 0;
}

static int take_many(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                     float *room, void *to)
{
    uint32_t n = MAX(from->count, 1u);
    kith_vector each = *from;
    uint8_t *at = (uint8_t *)to + 4;

    memcpy(to, &n, sizeof n);
    memset((uint8_t *)to + 4 + v->size * n, 0, many_size(v->size, n) - 4 - v->size * n);
    for (uint32_t i = 0; i < n; i++) {
        TRY(take_dense(c, v, k, &each, room, at));
        each.data = (const uint8_t *)each.data + element_size(from->element, from->dim);
        at += v->size;
    }
    return 0;
}

int vector_take(struct ctx *c, const struct schema_vector *v, const struct kernels *k, const kith_vector *from,
                float *room, void *to)
{
    if (v->element == KITH_SPARSE)
        return take_sparse(c, v, from, to);
    return v->multi ? take_many(c, v, k, from, room, to) : take_dense(c, v, k, from, room, to);
}

kith_vector vector_show(const struct schema_vector *v, const void *kept)
{
    if (v->element == KITH_SPARSE)
        return (kith_vector){"", sparse_of(kept).count, sparse_of(kept).indices, KITH_SPARSE, 0};
    if (v->multi)
        return (kith_vector){"", v->dim, many_of(kept).data, v->element, many_of(kept).count};
    return (kith_vector){"", v->dim, kept, v->element, 0};
}

float vector_distance(const struct kernels *k, const struct schema_vector *v, const void *query, const void *kept,
                      bool *ret_common)
{
    uint32_t common = 1;
    float d;

    if (v->element == KITH_SPARSE) {
        struct sparse a = sparse_of(query), b = sparse_of(kept);
        d = -sparse_dot(&a, &b, &common);
    } else if (v->multi) {
        struct many a = many_of(query), b = many_of(kept);
        d = many_distance(k, v->metric, v->element, &a, &b, v->dim);
    } else {
        d = vec_distance(k, v->metric, v->element, query, kept, v->dim);
    }
    if (ret_common)
        *ret_common = common > 0;
    return d;
}
