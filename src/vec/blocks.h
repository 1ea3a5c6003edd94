/* blocks.h - codes of one bit, 32 vectors together, for scans of whole lists (Andre, Kermarrec and Le Scouarnec 2015;
 * RaBitQ's form of it): of each four elements the bits are a number below 16, and what a query makes of it is looked up
 * for all 32 with a few instructions.
 *
 * A block is [16 bytes a group of four elements: byte j has vector j low and vector j + 16 high][32 ratios][32 squared
 * lengths: f32]. Behind the last vector are zeros. */
#ifndef VEC_BLOCKS_H
#define VEC_BLOCKS_H

#include "vec/planes.h"

enum { BLOCK_ROWS = 32 };

static inline uint32_t blocks_groups(const struct planes *p)
{
    return p->padded / 4;
}
static inline size_t blocks_stride(const struct planes *p)
{
    return (size_t)blocks_groups(p) * 16 + 2 * BLOCK_ROWS * sizeof(float);
}
/* Puts a record of planes, of one bit, to its place in a block of zeros. */
void blocks_put(const struct planes *p, const uint8_t *record, uint32_t place, uint8_t *block);

/* What a query makes of each group: the sum of weights where bits are set is about base + unit * what is looked up. */
struct block_query {
    uint8_t *table; /* 16 a group */
    float base, unit;
};
/* `weights`: p->dim floats. `table` has room for 16 bytes a group. */
struct block_query blocks_query(const struct planes *p, const float *weights, uint8_t *table);

#endif
