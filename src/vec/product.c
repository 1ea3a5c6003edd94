/* product.c - k-means for each part, encoding, tables. */
#include "vec/product.h"

#include <math.h>

enum { ROUNDS = 8 };

void product_layout(struct product *p, uint32_t dim, uint32_t parts)
{
    parts = MIN(MAX(parts, 1u), dim);
    p->dim = dim;
    p->size = (dim + parts - 1) / parts;
    p->parts = (dim + p->size - 1) / p->size;
}

static uint32_t have(const struct product *p, uint32_t part)
{
    return MIN(p->size, p->dim - part * p->size);
}

/* Squared distances of one part of a vector to all typical ones. */
static void squares(const struct product *p, const float *restrict book, uint32_t part, const float *v,
                    float *restrict out)
{
    memset(out, 0, PRODUCT_BOOK * sizeof *out);
    for (uint32_t e = 0; e < have(p, part); e++, book += PRODUCT_BOOK) {
        float x = v[part * p->size + e];
        for (int i = 0; i < PRODUCT_BOOK; i++)
            out[i] += (x - book[i]) * (x - book[i]);
    }
}

static uint8_t nearest(const struct product *p, const float *book, uint32_t part, const float *v)
{
    float d[PRODUCT_BOOK];
    int best = 0;

    squares(p, book, part, v, d);
    for (int i = 1; i < PRODUCT_BOOK; i++)
        best = d[i] < d[best] ? i : best;
    return (uint8_t)best;
}

/* One round: every sampled part to its nearest, every typical one to the middle of its own. `sums`: of a book. */
static void improve(const struct product *p, uint32_t part, const float *sample, size_t count, float *book, float *sums)
{
    uint32_t n[PRODUCT_BOOK] = {0}, size = have(p, part);

    memset(sums, 0, (size_t)size * PRODUCT_BOOK * sizeof *sums);
    for (size_t i = 0; i < count; i++) {
        const float *v = sample + i * p->dim;
        uint8_t own = nearest(p, book, part, v);
        n[own]++;
        for (uint32_t e = 0; e < size; e++)
            sums[e * PRODUCT_BOOK + own] += v[part * p->size + e];
    }
    for (uint32_t e = 0; e < size; e++) {
        for (int i = 0; i < PRODUCT_BOOK; i++) {
            if (n[i])
                book[e * PRODUCT_BOOK + (size_t)i] = sums[e * PRODUCT_BOOK + (size_t)i] / (float)n[i];
        }
    }
}

void product_train(struct product *p, const float *sample, size_t count, float *books, float *room)
{
    memset(books, 0, product_floats(p) * sizeof *books);
    for (uint32_t part = 0; part < p->parts; part++) {
        float *book = books + (size_t)part * p->size * PRODUCT_BOOK;
        for (uint32_t e = 0; e < have(p, part); e++) {
            for (size_t i = 0; i < PRODUCT_BOOK; i++)
                book[e * PRODUCT_BOOK + i] = sample[i * count / PRODUCT_BOOK * p->dim + part * p->size + e];
        }
        for (int round = 0; round < ROUNDS; round++)
            improve(p, part, sample, count, book, room);
    }
    p->books = books;
}

void product_encode(const struct product *p, const float *v, uint8_t *record)
{
    for (uint32_t part = 0; part < p->parts; part++)
        record[part] = nearest(p, p->books + (size_t)part * p->size * PRODUCT_BOOK, part, v);
}

static inline float term(kith_metric metric, float q, float x)
{
    return metric == KITH_EUCLID ? (q - x) * (q - x) : metric == KITH_MANHATTAN ? fabsf(q - x) : -q * x;
}

static ALWAYS_INLINE void fill(const struct product *p, kith_metric metric, const float *q, float *restrict table)
{
    const float *restrict book = p->books;

    for (uint32_t part = 0; part < p->parts; part++, table += PRODUCT_BOOK) {
        memset(table, 0, PRODUCT_BOOK * sizeof *table);
        for (uint32_t e = 0; e < p->size; e++, book += PRODUCT_BOOK) {
            if (e >= have(p, part))
                continue;
            for (int i = 0; i < PRODUCT_BOOK; i++)
                table[i] += term(metric, q[part * p->size + e], book[i]);
        }
    }
}

void product_query(const struct product *p, kith_metric metric, const float *q, float *table)
{
    if (metric == KITH_EUCLID)
        fill(p, KITH_EUCLID, q, table);
    else if (metric == KITH_MANHATTAN)
        fill(p, KITH_MANHATTAN, q, table);
    else
        fill(p, KITH_DOT, q, table);
}
