/* sparse.c - by merging. */
#include "vec/sparse.h"

#include <math.h>

float sparse_idf(uint64_t points, uint64_t df)
{
    return (float)log(1 + ((double)points - (double)df + 0.5) / ((double)df + 0.5));
}

float sparse_dot(const struct sparse *a, const struct sparse *b, uint32_t *ret_common)
{
    uint32_t i = 0, j = 0, common = 0;
    double sum = 0;

    while (i < a->count && j < b->count) {
        uint32_t x = a->indices[i], y = b->indices[j];
        if (x == y) {
            sum += (double)a->values[i] * (double)b->values[j];
            common++;
        }
        i += x <= y;
        j += y <= x;
    }
    *ret_common = common;
    return (float)sum;
}
