/* seal_codes.c - codes of the form that searches read: trained on a sample, made of every slot, written. */
#include "base/ctx.h"
#include "base/mem.h"
#include "os/pages.h"
#include "segment/sealing.h"

enum { SAMPLE = 1024, SAMPLE_PRODUCT = 8192 };

/* ---- what is common to the forms ------------------------------------------------------------------------------ */

static uint32_t list_of(const struct lists *l, uint32_t slot)
{
    uint32_t low = 0, high = l->count;

    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (l->starts[mid] <= slot)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Planes are of what is left when the centre of the vector's list is taken off. */
static void take_off(const struct sealing_index *g, uint32_t list, float *v, float *room)
{
    if (!g->shown.lists.count)
        return;
    codes_decode(&g->shown.lists.centres, list, room);
    for (uint32_t d = 0; d < g->v->dim; d++)
        v[d] -= room[d];
}

/* Spread over all slots; on the heap. */
static float *take_sample(const struct sealing_index *g, uint32_t most, bool left, uint32_t *ret_count)
{
    uint32_t slots = g->shown.graph.count, n = MIN(slots, most), dim = g->v->dim;
    float *sample = mem_alloc(((size_t)n + 1) * dim * sizeof *sample), *room = sample ? sample + (size_t)n * dim : NULL;

    for (uint32_t i = 0; sample && i < n; i++) {
        uint32_t slot = (uint32_t)((uint64_t)i * slots / n);
        const float *v = sealing_vector(g, sealing_item(g, slot));
        if (!v) {
            mem_free(sample);
            return NULL;
        }
        memcpy(sample + (size_t)i * dim, v, dim * sizeof *v);
        if (left)
            take_off(g, list_of(&g->shown.lists, slot), sample + (size_t)i * dim, room);
    }
    *ret_count = n;
    return sample;
}

static int make_room(struct sealing_index *g, size_t params, size_t bytes)
{
    g->params = mem_zalloc(MAX(params, (size_t)1) * sizeof *g->params);
    g->params_count = params;
    g->planes_size = bytes;
    g->planes = pages_alloc(bytes);
    g->shown.records = g->planes;
    return g->params && g->planes ? 0 : err_nomem(g->c);
}

static int unreadable(const struct sealing_index *g)
{
    return g->c->code ? g->c->code : err_nomem(g->c);
}

/* ---- nibbles -------------------------------------------------------------------------------------------------- */

static int encode_grid(struct sealing_index *g)
{
    struct grid *grid = &g->shown.grid;
    uint32_t count = g->shown.graph.count, n;
    float *sample = take_sample(g, SAMPLE, false, &n);

    if (!sample)
        return unreadable(g);
    grid_layout(grid, g->v->dim);
    g->norms = mem_alloc((size_t)count * sizeof *g->norms);
    if (!g->norms || make_room(g, (size_t)g->v->dim * 2, (size_t)count * 2 * grid->stride) < 0) {
        mem_free(sample);
        return err_nomem(g->c);
    }
    grid_train(grid, sample, n, g->params, g->params + g->v->dim);
    mem_free(sample);
    grid->low = g->params;
    grid->step = g->params + g->v->dim;
    g->shown.rest = g->planes + count * grid->stride;
    g->shown.norms = g->norms;
    for (uint32_t i = 0; i < count; i++) {
        const float *v = sealing_vector(g, sealing_item(g, i));
        if (!v)
            return unreadable(g);
        grid_encode(grid, v, g->planes + i * grid->stride, g->planes + (count + i) * grid->stride);
        g->norms[i] = vec_dot(g->kernels, v, v, g->v->dim);
    }
    return 0;
}

/* ---- one or two bits ------------------------------------------------------------------------------------------ */

/* To its place: by slot, or in the block of its list. */
static void place_planes(const struct sealing_index *g, uint32_t slot, uint32_t list, const uint8_t *record)
{
    const struct planes *p = &g->shown.planes;
    const struct lists *l = &g->shown.lists;
    uint32_t at = slot - (l->blocks ? l->starts[list] : 0);

    if (l->blocks)
        blocks_put(p, record, at % BLOCK_ROWS, g->planes + (l->blocks[list] + at / BLOCK_ROWS) * blocks_stride(p));
    else
        memcpy(g->planes + at * p->stride, record, p->stride);
}

static int place_all(struct sealing_index *g, float *room, uint8_t *record)
{
    const struct lists *l = &g->shown.lists;
    uint32_t dim = g->v->dim, list = 0;

    for (uint32_t i = 0; i < g->shown.graph.count; i++) {
        const float *v = sealing_vector(g, sealing_item(g, i));
        float norm2;
        if (!v)
            return unreadable(g);
        while (l->count && l->starts[list + 1] <= i)
            list++;
        norm2 = vec_dot(g->kernels, v, v, dim);
        memcpy(room, v, dim * sizeof *room);
        take_off(g, list, room, room + dim);
        planes_encode(&g->shown.planes, room, norm2, room + dim, record);
        place_planes(g, i, list, record);
    }
    return 0;
}

static int encode_planes(struct sealing_index *g)
{
    struct planes *p = &g->shown.planes;
    const struct lists *l = &g->shown.lists;
    uint32_t count = g->shown.graph.count, dim = g->v->dim, n;
    float *sample = take_sample(g, SAMPLE, true, &n), *room = arena_alloc(&g->c->arena, 2 * (size_t)dim * sizeof *room);
    uint8_t *record;

    if (!sample)
        return unreadable(g);
    planes_layout(p, dim, g->v->index.codes == KITH_CODES_BIT ? 1 : 2);
    record = arena_alloc(&g->c->arena, p->stride);
    if (!room || !record ||
        make_room(g, 6 * (size_t)dim, l->blocks ? l->blocks[l->count] * blocks_stride(p) : count * p->stride) < 0) {
        mem_free(sample);
        return err_nomem(g->c);
    }
    planes_train(p, sample, n, g->params);
    g->params_count = 3 * (size_t)dim;
    mem_free(sample);
    return place_all(g, room, record);
}

/* ---- product quantisation -------------------------------------------------------------------------------------- */

static int encode_product(struct sealing_index *g)
{
    struct product *p = &g->shown.product;
    uint32_t count = g->shown.graph.count, n;
    float *sample = take_sample(g, SAMPLE_PRODUCT, false, &n), *room = NULL;
    int rc;

    if (!sample)
        return unreadable(g);
    product_layout(p, g->v->dim, g->v->index.code_bytes ? g->v->index.code_bytes : (g->v->dim + 3) / 4);
    rc = make_room(g, product_floats(p), (size_t)count * p->parts);
    if (rc >= 0)
        room = mem_alloc((size_t)p->size * PRODUCT_BOOK * sizeof *room);
    if (room)
        product_train(p, sample, n, g->params, room);
    else
        rc = err_nomem(g->c);
    mem_free(room);
    mem_free(sample);
    for (uint32_t i = 0; i < count && rc >= 0; i++) {
        const float *v = sealing_vector(g, sealing_item(g, i));
        if (v)
            product_encode(p, v, g->planes + (size_t)i * p->parts);
        else
            rc = unreadable(g);
    }
    return rc;
}

/* ---- bytes: those it was built of, in the order of the slots ----------------------------------------------------- */

static int arrange_bytes(struct sealing_index *g)
{
    uint32_t count = g->shown.graph.count;
    size_t stride = g->codes.stride;

    g->shown.codes = g->codes;
    g->shown.codes.count = count;
    if (!g->items)
        return 0;
    TRY(make_room(g, 0, (size_t)count * stride));
    for (uint32_t i = 0; i < count; i++)
        memcpy(g->planes + i * stride, codes_at(&g->codes, g->items[i]), stride);
    g->shown.codes.base = g->planes;
    return 0;
}

int sealing_encode(struct sealing_index *g)
{
    g->shown.form = vector_index_form(g->v);
    return g->shown.form == CODE_NIBBLES ? encode_grid(g) : g->shown.form == CODE_PLANES ? encode_planes(g)
           : g->shown.form == CODE_PRODUCT ? encode_product(g) : arrange_bytes(g);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

uint32_t sealing_form(const struct sealing_index *g)
{
    return g->shown.form == CODE_NIBBLES ? INDEX_GRID : g->shown.form == CODE_PLANES ? INDEX_PLANES
           : g->shown.form == CODE_PRODUCT ? INDEX_PRODUCT : INDEX_BYTES;
}

static int write_grid(const struct sealing_index *g, struct pack_writer *w)
{
    size_t plane = (size_t)g->shown.graph.count * g->shown.grid.stride;

    TRY(sealing_put(g, w, PACK_GRID, g->params, g->params_count * sizeof *g->params));
    TRY(sealing_put(g, w, PACK_TOP, g->shown.records, plane));
    TRY(sealing_put(g, w, PACK_REST, g->shown.rest, plane));
    if (g->v->metric != KITH_EUCLID)
        return 0;
    return sealing_put(g, w, PACK_NORMS, g->norms, (size_t)g->shown.graph.count * sizeof *g->norms);
}

/* A head of two numbers, then floats. */
static int write_params(const struct sealing_index *g, struct pack_writer *w, enum pack_kind kind, const void *head)
{
    struct buf out = {0};
    int rc;

    buf_put(&out, head, 2 * sizeof(uint32_t));
    buf_put(&out, g->params, g->params_count * sizeof *g->params);
    rc = out.failed ? err_nomem(g->c) : sealing_put(g, w, kind, out.data, out.size);
    buf_release(&out);
    return rc;
}

int sealing_write_codes(const struct sealing_index *g, struct pack_writer *w)
{
    const struct vector_index *x = &g->shown;
    struct planes_head planes = {x->planes.bits, x->planes.rotated};
    struct product_head product = {x->product.parts, g->v->index.code_bytes};

    if (x->form == CODE_NIBBLES)
        return write_grid(g, w);
    if (x->form == CODE_PLANES)
        TRY(write_params(g, w, PACK_PLANES, &planes));
    if (x->form == CODE_PRODUCT)
        TRY(write_params(g, w, PACK_PRODUCT, &product));
    if (x->form == CODE_PLANES || x->form == CODE_PRODUCT)
        return sealing_put(g, w, PACK_CODES, g->planes, g->planes_size);
    return sealing_put(g, w, PACK_CODES, x->codes.base, x->codes.count * x->codes.stride);
}
