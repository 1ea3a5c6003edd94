/* growing_graph.c - rows are found as soon as they are applied; the graph learns of them a little later. */
#include "segment/growing.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"

#include <math.h>

enum { EF_LIVE = 128 }; /* less than a build of its own takes: rows come as fast as they come */

void growing_graph_free(struct growing_graph *x)
{
    if (!x)
        return;
    graph_builder_release(&x->builder);
    pages_free(x->records, x->records_size);
    mem_free(x->slots);
    mem_free(x->room);
    mem_free(x);
}

/* Manhattan needs one scale for all: half as much again as the rows so far need; what is beyond is clipped. */
static float scale_so_far(struct ctx *c, const struct segment *s, const struct schema_vector *v,
                          const struct kernels *k, float *room)
{
    uint32_t rows = s->ops->rows(s);
    float most = 0;

    for (row_id row = 0; row < rows; row++) {
        const void *data = NULL;
        const float *plain;
        if (s->ops->vector(c, s, row, UINT64_MAX, v->id, &data) < 0 || !data)
            continue;
        plain = vec_plain(k, v->metric, v->element, data, v->dim, room);
        for (uint32_t i = 0; i < v->dim; i++)
            most = fmaxf(most, fabsf(plain[i]));
    }
    return most * 1.5f / 127;
}

int growing_graph_new(struct ctx *c, const struct segment *s, const struct schema_vector *v, const struct kernels *k,
                      uint32_t capacity, struct growing_graph **ret_graph)
{
    struct graph_params params = {.ef = EF_LIVE};
    struct growing_graph *x = mem_zalloc(sizeof *x);
    struct codes *codes;
    int rc;

    if (!x)
        return err_nomem(c);
    x->room = mem_alloc((size_t)v->dim * sizeof *x->room);
    codes = &x->shown.codes;
    codes_layout(codes, v->metric, v->element, v->dim);
    codes->count = capacity;
    if (v->metric == KITH_MANHATTAN && x->room)
        codes->common_scale = scale_so_far(c, s, v, k, x->room);
    x->capacity = capacity;
    x->records_size = (size_t)capacity * codes->stride;
    x->records = pages_alloc(x->records_size);
    x->slots = mem_alloc((size_t)capacity * sizeof *x->slots);
    codes->base = x->records;
    rc = x->records && x->slots && x->room ? graph_builder_init(c, &x->builder, codes, k, capacity, &params)
                                           : err_nomem(c);
    if (rc < 0) {
        growing_graph_free(x);
        return rc;
    }
    x->shown.slots = x->slots;
    x->shown.live = &x->builder;
    x->shown.live_count = &x->count;
    x->shown.live_rows = &x->rows;
    *ret_graph = x;
    return 0;
}

int growing_graph_link(struct ctx *c, const struct segment *s, const struct schema_vector *v, struct growing_graph *x,
                       uint32_t most)
{
    uint32_t rows = s->ops->rows(s), row = atomic_load(&x->rows), done = 0;
    const struct kernels *k = x->builder.kernels;
    struct graph_worker w;
    int rc = graph_worker_init(c, &w, &x->builder);

    for (; rc >= 0 && row < rows && done < most; row++, done++) {
        uint32_t slot = atomic_load(&x->count);
        const void *data = NULL;
        rc = s->ops->vector(c, s, row, UINT64_MAX, v->id, &data);
        if (rc < 0 || slot == x->capacity)
            break;
        if (data) {
            codes_encode(&x->shown.codes, k, vec_plain(k, v->metric, v->element, data, v->dim, x->room),
                         x->records + (size_t)slot * x->shown.codes.stride);
            x->slots[slot] = row;
            rc = graph_insert(&w, slot);
            if (rc >= 0)
                atomic_store(&x->count, slot + 1);
        }
        if (rc >= 0)
            atomic_store(&x->rows, row + 1);
    }
    graph_worker_release(&w);
    return rc < 0 ? rc : (int)done;
}
