/* many.c - the distance of multi-vectors. Where there are kernels for it, four vectors of the query meet four of the
 * others at a time. */
#include "vec/many.h"

#include <math.h>

/* Inner products or squared distances of four and four; NULL: one pair at a time. */
static kernel_sixteen by_sixteen(const struct pair_kernels *of, kith_metric metric)
{
    if (metric == KITH_DOT || (metric == KITH_COSINE && !of->ratio))
        return of->dots;
    return metric == KITH_EUCLID ? of->l2s : NULL;
}

/* Four from `at` on; beyond the last one that one again. */
static void four_of(const struct many *m, uint32_t at, size_t one, const void *out[4])
{
    for (uint32_t j = 0; j < 4; j++)
        out[j] = m->data + MIN(at + j, m->count - 1) * one;
}

/* What four of the query are from their nearest: how many of them there are. */
static uint32_t nearest_to_four(kernel_sixteen kernel, bool inner, const struct many *query, uint32_t at,
                                const struct many *to, size_t one, uint32_t dim, float nearest[4])
{
    const void *a[4], *b[4];
    float d[4][4];

    four_of(query, at, one, a);
    for (int k = 0; k < 4; k++)
        nearest[k] = INFINITY;
    for (uint32_t j = 0; j < to->count; j += 4) {
        four_of(to, j, one, b);
        kernel(a, b, dim, d);
        for (int k = 0; k < 16; k++) {
            float one_of = inner ? -d[k / 4][k % 4] : d[k / 4][k % 4];
            nearest[k / 4] = one_of < nearest[k / 4] ? one_of : nearest[k / 4];
        }
    }
    return MIN(query->count - at, 4u);
}

static float nearest_to(const struct kernels *k, kith_metric metric, kith_element e, const uint8_t *q,
                        const struct many *to, uint32_t dim)
{
    size_t one = element_size(e, dim);
    float nearest = vec_distance(k, metric, e, q, to->data, dim);

    for (uint32_t j = 1; j < to->count; j++) {
        float d = vec_distance(k, metric, e, q, to->data + j * one, dim);
        nearest = d < nearest ? d : nearest;
    }
    return nearest;
}

float many_distance(const struct kernels *k, kith_metric metric, kith_element e, const struct many *query,
                    const struct many *to, uint32_t dim)
{
    kernel_sixteen kernel = query->count > 1 && to->count > 1 ? by_sixteen(&k->of[e], metric) : NULL;
    size_t one = element_size(e, dim);
    float nearest[4];
    double sum = 0;

    for (uint32_t i = 0; i < query->count && !kernel; i++)
        sum += (double)nearest_to(k, metric, e, query->data + i * one, to, dim);
    for (uint32_t i = 0; i < query->count && kernel; i += 4) {
        uint32_t n = nearest_to_four(kernel, metric != KITH_EUCLID, query, i, to, one, dim, nearest);
        for (uint32_t j = 0; j < n; j++)
            sum += (double)nearest[j];
    }
    return (float)sum;
}
