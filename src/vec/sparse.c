/* sparse.c - by merging. */
#include "vec/sparse.h"

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
