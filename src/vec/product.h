/* product.h - product quantisation (Jegou, Douze and Schmid 2011): a vector is cut into parts, and of each part the
 * nearest of 256 typical ones is kept, a byte. A record is these bytes. */
#ifndef VEC_PRODUCT_H
#define VEC_PRODUCT_H

#include "vec/kernel.h"

enum { PRODUCT_BOOK = 256 };

struct product {
    uint32_t dim, parts, size; /* size: elements of a part; the last ones may be padded with zeros */
    const float *books;        /* of part p, element e of typical one i: books[(p * size + e) * 256 + i] */
};

/* `parts` may come out smaller than asked for, so that none is empty. */
void product_layout(struct product *p, uint32_t dim, uint32_t parts);
static inline size_t product_floats(const struct product *p)
{
    return (size_t)p->parts * p->size * PRODUCT_BOOK;
}
/* From `count` sampled vectors, row by row: k-means for each part. `books` is what p->books then points to; `room`:
 * p->size * 256 floats. */
void product_train(struct product *p, const float *sample, size_t count, float *books, float *room);
void product_encode(const struct product *p, const float *v, uint8_t *record);
/* What each part of a query adds to the distance, for each typical one: `table` has room for parts * 256. The
 * distance is the sum over a record's bytes. */
void product_query(const struct product *p, kith_metric metric, const float *q, float *table);

/* Of four records. */
static inline void product_four(const float *table, const uint8_t *const v[4], size_t parts, float out[4])
{
    float a = 0, b = 0, c = 0, d = 0;

    for (size_t p = 0; p < parts; p++, table += PRODUCT_BOOK) {
        a += table[v[0][p]];
        b += table[v[1][p]];
        c += table[v[2][p]];
        d += table[v[3][p]];
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

#endif
