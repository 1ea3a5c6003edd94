/* codes.c - encoding to 8 bits and scoring. */
#include "vec/codes.h"

#include "base/arena.h"

#include <math.h>

void codes_layout(struct codes *codes, kith_metric metric, uint32_t dim)
{
    codes->metric = metric;
    codes->dim = dim;
    codes->padded = (uint32_t)align_up(dim, 64);
    codes->stride = (size_t)align_up(codes->padded + sizeof(struct code_tail), 64);
}

static struct code_tail tail_of(const struct codes *codes, const uint8_t *record)
{
    struct code_tail tail;

    memcpy(&tail, record + codes->padded, sizeof tail);
    return tail;
}

void codes_encode(const struct codes *codes, const struct kernels *k, const float *v, uint8_t *record)
{
    int8_t *code = (int8_t *)record;
    struct code_tail tail = {0};
    float largest = 0, inverse;
    int32_t sum = 0;

    memset(record, 0, codes->stride);
    for (uint32_t i = 0; i < codes->dim; i++)
        largest = fmaxf(largest, fabsf(v[i]));
    tail.scale = codes->metric == KITH_MANHATTAN ? codes->common_scale : largest / 127;
    inverse = tail.scale > 0 ? 1 / tail.scale : 0;
    for (uint32_t i = 0; i < codes->dim; i++) {
        float x = fminf(127, fmaxf(-127, rintf(v[i] * inverse)));
        code[i] = (int8_t)x;
        sum += code[i];
    }
    tail.norm2 = k->dot(v, v, codes->dim);
    tail.shift = tail.scale * 128.0f * (float)sum;
    memcpy(record + codes->padded, &tail, sizeof tail);
}

int scorer_init(struct scorer *s, struct arena *a, const struct codes *codes, const struct kernels *k)
{
    s->codes = codes;
    s->kernels = k;
    s->query = arena_alloc(a, codes->padded);
    return s->query ? 0 : KITH_NOMEM;
}

static void set_factors(struct scorer *s, float query_scale)
{
    s->norm_factor = s->codes->metric == KITH_EUCLID ? 1 : 0;
    s->dot_factor = s->codes->metric == KITH_EUCLID ? 2 * query_scale : query_scale;
}

void scorer_query(struct scorer *s, const float *query)
{
    const struct codes *codes = s->codes;
    float largest = 0, scale, inverse;

    for (uint32_t i = 0; i < codes->dim; i++)
        largest = fmaxf(largest, fabsf(query[i]));
    scale = codes->metric == KITH_MANHATTAN ? codes->common_scale : largest / 127;
    inverse = scale > 0 ? 1 / scale : 0;
    for (uint32_t i = 0; i < codes->dim; i++)
        s->query[i] = (uint8_t)((int)fminf(127, fmaxf(-127, rintf(query[i] * inverse))) + 128);
    memset(s->query + codes->dim, 128, codes->padded - codes->dim);
    set_factors(s, scale);
}

void scorer_slot(struct scorer *s, uint32_t slot)
{
    const uint8_t *record = codes_at(s->codes, slot), *end = record + s->codes->padded;
    uint8_t *to = s->query;

    for (const uint8_t *at = record; at < end; at += 64, to += 64) { /* whole lines: the compiler's vectors */
        uint64_t words[8];
        memcpy(words, at, 64);
        for (int i = 0; i < 8; i++)
            words[i] ^= 0x8080808080808080ull;
        memcpy(to, words, 64);
    }
    set_factors(s, tail_of(s->codes, record).scale);
}

void scorer_four(const struct scorer *s, const uint32_t slots[4], float out[4])
{
    const struct codes *codes = s->codes;
    const int8_t *v[4];
    int32_t sums[4];

    for (int j = 0; j < 4; j++)
        v[j] = (const int8_t *)codes_at(codes, slots[j]);
    if (codes->metric == KITH_MANHATTAN) {
        s->kernels->l1x4(s->query, v, codes->padded, sums);
        for (int j = 0; j < 4; j++)
            out[j] = (float)sums[j];
        return;
    }
    s->kernels->dot8x4(s->query, v, codes->padded, sums);
    for (int j = 0; j < 4; j++) {
        struct code_tail tail;
        memcpy(&tail, (const uint8_t *)v[j] + codes->padded, sizeof tail);
        out[j] = s->norm_factor * tail.norm2 - s->dot_factor * (tail.scale * (float)sums[j] - tail.shift);
    }
}
