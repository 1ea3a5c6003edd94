/* many.c - the distance of multi-vectors. */
#include "vec/many.h"

float many_distance(const struct kernels *k, kith_metric metric, kith_element e, const struct many *query,
                    const struct many *to, uint32_t dim)
{
    size_t one = element_size(e, dim);
    double sum = 0;

    for (uint32_t i = 0; i < query->count; i++) {
        const uint8_t *q = query->data + i * one;
        float nearest = vec_distance(k, metric, e, q, to->data, dim);
        for (uint32_t j = 1; j < to->count; j++) {
            float d = vec_distance(k, metric, e, q, to->data + j * one, dim);
            nearest = d < nearest ? d : nearest;
        }
        sum += (double)nearest;
    }
    return (float)sum;
}
