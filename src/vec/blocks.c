/* blocks.c - arranging records, tables of queries. */
#include "vec/blocks.h"

#include <math.h>

void blocks_put(const struct planes *p, const uint8_t *record, uint32_t place, uint8_t *block)
{
    size_t tails = (size_t)blocks_groups(p) * 16;
    struct plane_tail tail;

    for (uint32_t g = 0; g < blocks_groups(p); g++) {
        unsigned nibble = record[g / 2] >> (g % 2 ? 4 : 0) & 15;
        block[g * 16 + place % 16] |= (uint8_t)(nibble << (place < 16 ? 0 : 4));
    }
    memcpy(&tail, record + p->plane, sizeof tail);
    memcpy(block + tails + place * sizeof tail.ratio, &tail.ratio, sizeof tail.ratio);
    memcpy(block + tails + (BLOCK_ROWS + place) * sizeof tail.norm2, &tail.norm2, sizeof tail.norm2);
}

static float group_weight(const struct planes *p, const float *weights, uint32_t group, uint32_t bit)
{
    uint32_t d = group * 4 + bit;

    return d < p->dim ? weights[d] : 0;
}

struct block_query blocks_query(const struct planes *p, const float *weights, uint8_t *table)
{
    uint32_t groups = blocks_groups(p);
    struct block_query q = {table, 0, 0};
    float widest = 0, inverse, most = (float)MIN(255u, 65535u / groups); /* sums fit 16 bits */

    for (uint32_t g = 0; g < groups; g++) {
        float width = 0;
        for (uint32_t bit = 0; bit < 4; bit++) {
            float w = group_weight(p, weights, g, bit);
            width += fabsf(w);
            q.base += w < 0 ? w : 0;
        }
        widest = MAX(widest, width);
    }
    q.unit = widest / most;
    inverse = q.unit > 0 ? 1 / q.unit : 0;
    for (uint32_t g = 0; g < groups; g++) {
        float sums[16] = {0}, least = 0;
        for (uint32_t i = 1; i < 16; i++) {
            sums[i] = sums[i & (i - 1)] + group_weight(p, weights, g, (uint32_t)__builtin_ctz(i));
            least = MIN(least, sums[i]);
        }
        for (uint32_t i = 0; i < 16; i++)
            table[g * 16 + i] = (uint8_t)MIN((sums[i] - least) * inverse + 0.5f, most);
    }
    return q;
}
