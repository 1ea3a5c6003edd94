/* dispatch.c - which table this processor gets, and what a metric means. */
#include "vec/kernel.h"

#include <math.h>

static bool runs(const struct kernels *k)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (k == &kernels_avx512_popcount)
        return __builtin_cpu_supports("avx512vpopcntdq") && runs(&kernels_avx512);
    if (k == &kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
    if (k == &kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); /* all such have F16C */
#elif defined(__aarch64__)
    if (k == &kernels_neon)
        return true;
#endif
    return k == &kernels_scalar;
}

const struct kernels *kernels_best(const char *name)
{
    static const struct kernels *const tables[] = {
#if defined(__x86_64__)
        &kernels_avx512_popcount,
        &kernels_avx512,
        &kernels_avx2,
#elif defined(__aarch64__)
        &kernels_neon,
#endif
        &kernels_scalar,
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (runs(tables[i]) && (!name || strcmp(name, tables[i]->name) == 0))
            return tables[i];
    }
    return NULL;
}

float vec_distance(const struct kernels *k, kith_metric metric, kith_element e, const void *a, const void *b,
                   uint32_t dim)
{
    const struct pair_kernels *of = &k->of[e];

    switch (metric) {
    case KITH_COSINE:
        return of->ratio ? -of->ratio(a, b, dim) : -of->dot(a, b, dim); /* those without are of unit length */
    case KITH_DOT:
        return -of->dot(a, b, dim);
    case KITH_EUCLID: case KITH_HAMMING:
        return of->l2(a, b, dim);
    case KITH_JACCARD:
        return 1 - of->ratio(a, b, dim);
    case KITH_MANHATTAN:
        break;
    }
    return of->l1(a, b, dim);
}

const void *vec_plain(const struct kernels *k, kith_metric metric, kith_element e, const void *v, uint32_t dim,
                      float *room)
{
    if (e == KITH_F32 || e == KITH_BIT)
        return v;
    element_widen(e, v, room, dim);
    if (metric == KITH_COSINE)
        vec_normalise(k, room, dim);
    return room;
}

void vec_normalise(const struct kernels *k, float *v, uint32_t dim)
{
    float square = vec_dot(k, v, v, dim), scale;

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
