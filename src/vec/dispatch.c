/* dispatch.c - which table this processor gets, and what a metric means. */
#include "vec/kernel.h"

#include <math.h>

static bool runs(const struct kernels *k)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (k == &kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
    if (k == &kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return k == &kernels_scalar;
}

const struct kernels *kernels_best(const char *name)
{
    static const struct kernels *const tables[] = {
#if defined(__x86_64__)
        &kernels_avx512,
        &kernels_avx2,
#endif
        &kernels_scalar,
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (runs(tables[i]) && (!name || strcmp(name, tables[i]->name) == 0))
            return tables[i];
    }
    return NULL;
}

float vec_distance(const struct kernels *k, kith_metric metric, const float *a, const float *b, uint32_t dim)
{
    switch (metric) {
    case KITH_COSINE: case KITH_DOT:
        return -k->dot(a, b, dim);
    case KITH_EUCLID:
        return k->l2(a, b, dim);
    case KITH_MANHATTAN:
        break;
    }
    return k->l1(a, b, dim);
}

void vec_normalise(const struct kernels *k, float *v, uint32_t dim)
{
    float square = k->dot(v, v, dim), scale;

    if (!(square > 0))
        return;
    if (fabsf(square - 1.0f) < 1e-6f) /* already of unit length: keep the bits that came */
        return;
    scale = 1.0f / sqrtf(square);
    if (!isfinite(scale) || !isfinite(square)) { /* beyond f32: once more in f64 */
        double s = 0;
        for (uint32_t i = 0; i < dim; i++)
            s += (double)v[i] * (double)v[i];
        for (uint32_t i = 0; i < dim; i++)
            v[i] = (float)((double)v[i] / sqrt(s));
        return;
    }
    for (uint32_t i = 0; i < dim; i++)
        v[i] *= scale;
}
