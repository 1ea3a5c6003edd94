/* codes.c - encoding to 8 bits and scoring. */
#include "vec/codes.h"

#include "base/arena.h"

#include <math.h>

void codes_layout(struct codes *codes, kith_metric metric, kith_element e, uint32_t dim)
{
    codes->metric = metric;
    codes->dim = dim;
    codes->bits = e == KITH_BIT;
    codes->padded = (uint32_t)align_up(codes->bits ? element_size(e, dim) : dim, 64);
    codes->stride = (size_t)align_up(codes->padded + sizeof(struct code_tail), 64);
}

static struct code_tail tail_of(const struct codes *codes, const uint8_t *record)
{
    struct code_tail tail;

    memcpy(&tail, record + codes->padded, sizeof tail);
    return tail;
}

/* (fmaxf, fminf and rintf are calls, for the sake of NaN and of rounding modes.) */
static float largest_of(const float *v, uint32_t dim)
{
    float largest = 0;

    for (uint32_t i = 0; i < dim; i++) {
        float x = fabsf(v[i]);
        largest = x > largest ? x : largest;
    }
    return largest;
}

/* To the nearest, halves to even, from -127 to 127. */
static inline int to_byte(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: no fraction fits beside it */

    x = x > 127 ? 127 : x < -127 ? -127 : x;
    return (int)((x + shift) - shift);
}

static void encode_bits(const struct codes *codes, const struct kernels *k, const void *v, uint8_t *record)
{
    struct code_tail tail = {.norm2 = k->of[KITH_BIT].dot(v, v, codes->dim)};

    memcpy(record, v, element_size(KITH_BIT, codes->dim));
    memcpy(record + codes->padded, &tail, sizeof tail);
}

void codes_encode(const struct codes *codes, const struct kernels *k, const void *plain, uint8_t *record)
{
    int8_t *code = (int8_t *)record;
    struct code_tail tail = {0};
    float largest, inverse;
    const float *v = plain;
    int32_t sum = 0;

    memset(record, 0, codes->stride);
    if (codes->bits) {
        encode_bits(codes, k, plain, record);
        return;
    }
    largest = largest_of(v, codes->dim);
    tail.scale = codes->metric == KITH_MANHATTAN ? codes->common_scale : largest / 127;
    inverse = tail.scale > 0 ? 1 / tail.scale : 0;
    for (uint32_t i = 0; i < codes->dim; i++) {
        code[i] = (int8_t)to_byte(v[i] * inverse);
        sum += code[i];
    }
    tail.norm2 = vec_dot(k, v, v, codes->dim);
    tail.shift = tail.scale * 128.0f * (float)sum;
    memcpy(record + codes->padded, &tail, sizeof tail);
}

void codes_decode(const struct codes *codes, uint32_t slot, float *v)
{
    const uint8_t *record = codes_at(codes, slot);
    struct code_tail tail = tail_of(codes, record);

    if (codes->bits) {
        element_widen(KITH_BIT, record, v, codes->dim);
        return;
    }
    for (uint32_t i = 0; i < codes->dim; i++)
        v[i] = tail.scale * (float)(int8_t)record[i];
}

int scorer_init(struct scorer *s, struct arena *a, const struct codes *codes, const struct kernels *k)
{
    memset(s, 0, sizeof *s);
    s->form = codes->bits ? CODE_BITS : codes->metric == KITH_MANHATTAN ? CODE_L1 : CODE_BYTES;
    s->metric = codes->metric;
    s->base = codes->base;
    s->stride = codes->stride;
    s->length = codes->padded;
    s->codes = codes;
    s->kernels = k;
    s->query = arena_alloc(a, codes->padded);
    return s->query ? 0 : KITH_NOMEM;
}

static void set_factors(struct scorer *s, float query_scale)
{
    s->norm_factor = s->codes->metric == KITH_EUCLID ? 1 : 0;
    s->factor = s->codes->metric == KITH_EUCLID ? 2 * query_scale : query_scale;
}

static void query_bits(struct scorer *s, const void *query, size_t size)
{
    memset(s->query, 0, s->codes->padded);
    memcpy(s->query, query, size);
    s->offset = s->kernels->of[KITH_BIT].dot(query, query, size * 8);
}

void scorer_query(struct scorer *s, const void *plain)
{
    const struct codes *codes = s->codes;
    const float *query = plain;
    float largest, scale, inverse;

    if (codes->bits) {
        query_bits(s, plain, element_size(KITH_BIT, codes->dim));
        return;
    }

    largest = largest_of(query, codes->dim);
    scale = codes->metric == KITH_MANHATTAN ? codes->common_scale : largest / 127;
    inverse = scale > 0 ? 1 / scale : 0;
    for (uint32_t i = 0; i < codes->dim; i++)
        s->query[i] = (uint8_t)(to_byte(query[i] * inverse) + 128);
    memset(s->query + codes->dim, 128, codes->padded - codes->dim);
    set_factors(s, scale);
}

void scorer_slot(struct scorer *s, uint32_t slot)
{
    const uint8_t *record = codes_at(s->codes, slot), *end = record + s->codes->padded;
    uint8_t *to = s->query;

    if (s->codes->bits) {
        query_bits(s, record, s->codes->padded);
        return;
    }
    for (const uint8_t *at = record; at < end; at += 64, to += 64) { /* whole lines: the compiler's vectors */
        uint64_t words[8];
        memcpy(words, at, 64);
        for (int i = 0; i < 8; i++)
            words[i] ^= 0x8080808080808080ull;
        memcpy(to, words, 64);
    }
    set_factors(s, tail_of(s->codes, record).scale);
}

int scorer_grid_init(struct scorer *s, struct arena *a, const struct grid *g, const uint8_t *top, const uint8_t *rest,
                     const float *norms, kith_metric metric, const struct kernels *k)
{
    memset(s, 0, sizeof *s);
    s->form = CODE_NIBBLES;
    s->base = top;
    s->stride = s->length = g->stride;
    s->rest = rest;
    s->norms = metric == KITH_EUCLID ? norms : NULL;
    s->kernels = k;
    s->query = arena_alloc(a, 2 * (size_t)g->padded);
    return s->query ? 0 : KITH_NOMEM;
}

void scorer_grid_query(struct scorer *s, const struct grid *g, const float *query)
{
    struct grid_query q = grid_prepare(g, s->kernels, query, (int8_t *)s->query);
    float gain = s->norms ? 2 : 1;

    s->factor = gain * q.factor;
    s->offset = gain * q.offset;
    if (s->norms)
        s->offset -= vec_dot(s->kernels, query, query, g->dim); /* so that distances are |q - v|^2 */
    s->rest_offset = q.sum * 7.5f / 16; /* a walk takes the middle of 16 steps for the lower nibble */
}

/* All but the sums of steps. `room` gets the query as vectors are turned. */
static void begin_planes(struct scorer *s, const struct planes *p, const uint8_t *records, kith_metric metric,
                         const float *query, const struct kernels *k, float *room)
{
    float gain = metric == KITH_EUCLID ? 2 : 1;

    memset(s, 0, sizeof *s);
    s->form = CODE_PLANES;
    s->base = records;
    s->stride = p->stride;
    s->length = p->plane;
    s->planes = p->bits;
    s->kernels = k;
    planes_query(p, query, room);
    s->factor = gain;
    s->shift = gain * vec_dot(k, room, p->low, p->dim);
    s->offset = gain * vec_dot(k, room, p->centre, p->dim);
    s->norm_factor = gain - 1;
    if (metric == KITH_EUCLID)
        s->offset -= vec_dot(k, query, query, p->dim); /* so that distances are |q - v|^2 */
}

int scorer_planes(struct scorer *s, struct arena *a, const struct planes *p, const uint8_t *records, kith_metric metric,
                  const float *query, const struct kernels *k)
{
    float *room = arena_alloc(a, p->dim * sizeof *room), largest;
    uint8_t *codes = arena_alloc(a, 2 * (size_t)p->padded);

    if (!codes || !room)
        return KITH_NOMEM;
    begin_planes(s, p, records, metric, query, k, room);
    s->query = codes;
    largest = k->most_product(room, p->step, p->dim);
    (void)k->round_product(room, p->step, largest > 0 ? 127 / largest : 0, p->dim, (int8_t *)codes,
                           (int8_t *)codes + p->padded);
    memset(codes + p->dim, 0, p->padded - p->dim);
    s->factor *= largest / 127;
    return 0;
}

int scorer_blocks(struct scorer *s, struct arena *a, const struct planes *p, const uint8_t *blocks, kith_metric metric,
                  const float *query, const struct kernels *k)
{
    float *room = arena_alloc(a, p->dim * sizeof *room);
    uint8_t *table = arena_alloc(a, (size_t)blocks_groups(p) * 16);

    if (!table || !room)
        return KITH_NOMEM;
    begin_planes(s, p, blocks, metric, query, k, room);
    for (uint32_t d = 0; d < p->dim; d++)
        room[d] *= p->step[d];
    s->blocks = blocks_query(p, room, table);
    s->shift += s->factor * s->blocks.base;
    s->factor *= s->blocks.unit;
    s->stride = blocks_stride(p);
    s->length = blocks_groups(p);
    return 0;
}

void scorer_block(const struct scorer *s, size_t block, float out[BLOCK_ROWS])
{
    const uint8_t *at = s->base + block * s->stride;
    float ratio[BLOCK_ROWS], norm2[BLOCK_ROWS], all = s->offset + s->list;
    uint16_t sums[BLOCK_ROWS];

    s->kernels->look_up(at, s->blocks.table, s->length, sums);
    memcpy(ratio, at + s->length * 16, sizeof ratio);
    memcpy(norm2, at + s->length * 16 + sizeof ratio, sizeof norm2);
    for (int i = 0; i < BLOCK_ROWS; i++)
        out[i] = s->norm_factor * norm2[i] - all - ratio[i] * (s->shift + s->factor * (float)sums[i]);
}

int scorer_product(struct scorer *s, struct arena *a, const struct product *p, const uint8_t *records,
                   kith_metric metric, const float *query, const struct kernels *k)
{
    memset(s, 0, sizeof *s);
    s->form = CODE_PRODUCT;
    s->base = records;
    s->stride = s->length = p->parts;
    s->kernels = k;
    s->table = arena_alloc(a, (size_t)p->parts * PRODUCT_BOOK * sizeof *s->table);
    if (!s->table)
        return KITH_NOMEM;
    product_query(p, metric, query, s->table);
    return 0;
}

void scorer_refine(const struct scorer *s, const uint32_t slots[4], float distances[4])
{
    const int8_t *query = (const int8_t *)s->query, *fine = query + 2 * s->length;
    const uint8_t *top[4], *rest[4];
    int32_t top_fine[4], rest_sum[4], rest_fine[4];

    for (int j = 0; j < 4; j++) {
        top[j] = s->base + (size_t)slots[j] * s->stride;
        rest[j] = s->rest + (size_t)slots[j] * s->stride;
    }
    s->kernels->dot4x4(fine, top, s->length, top_fine);
    s->kernels->dot4x4(query, rest, s->length, rest_sum);
    s->kernels->dot4x4(fine, rest, s->length, rest_fine);
    for (int j = 0; j < 4; j++) {
        float low = ((float)rest_sum[j] + (float)rest_fine[j] / GRID_FINE) / 16;
        distances[j] -= s->factor * ((float)top_fine[j] / GRID_FINE + low - s->rest_offset);
    }
}

static void planes_four(const struct scorer *s, const uint8_t *const v[4], float out[4])
{
    const uint8_t *const lower[4] = {v[0] + s->length, v[1] + s->length, v[2] + s->length, v[3] + s->length};
    const int8_t *query = (const int8_t *)s->query;
    int32_t sums[4], low[4] = {0};

    s->kernels->dot1x4(query, v, s->length, sums);
    if (s->planes == 2)
        s->kernels->dot1x4(query, lower, s->length, low);
    for (int j = 0; j < 4; j++)
        out[j] = scorer_planes_distance(s, v[j], sums[j] * (int32_t)s->planes + low[j]);
}

void scorer_four(const struct scorer *s, const uint32_t slots[4], float out[4])
{
    const uint8_t *v[4];
    int32_t sums[4];

    for (int j = 0; j < 4; j++)
        v[j] = s->base + (size_t)slots[j] * s->stride;
    if (s->form == CODE_PRODUCT) {
        product_four(s->table, v, s->length, out);
        return;
    }
    if (s->form == CODE_PLANES) {
        planes_four(s, v, out);
        return;
    }
    if (s->form == CODE_L1)
        s->kernels->l1x4(s->query, v, s->length, sums);
    else if (s->form == CODE_BITS)
        s->kernels->and4(s->query, v, s->length, sums);
    else if (s->form == CODE_NIBBLES)
        s->kernels->dot4x4((const int8_t *)s->query, v, s->length, sums);
    else
        s->kernels->dot8x4(s->query, v, s->length, sums);
    for (int j = 0; j < 4; j++)
        out[j] = scorer_distance(s, s->form, slots[j], v[j], sums[j]);
}

void scorer_scan(const struct scorer *s, uint32_t count, struct topk *best)
{
    for (uint32_t i = 0; i < count; i += 4) {
        uint32_t slots[4];
        float d[4];
        for (uint32_t j = 0; j < 4; j++)
            slots[j] = MIN(i + j, count - 1);
        scorer_four(s, slots, d);
        for (uint32_t j = 0; j < MIN(count - i, 4u); j++)
            topk_push(best, d[j], i + j);
    }
}
