/* kernels.c - our kernels beside NumKong's, pair by pair, in one run (tools/bench-kernels). Its headers are compiled
 * for this very processor and called directly; ours are called through the table, as the library does. */
#include "vec/kernel.h"

#define NK_DYNAMIC_DISPATCH 0
#include <numkong/numkong.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { VECTORS = 512, TURNS = 41 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define THEIRS(name, call, type, result)                               \
    static float name(const void *a, const void *b, size_t n)          \
    {                                                                  \
        result r;                                                      \
        call((const type *)a, (const type *)b, n, &r);                 \
        return (float)r;                                               \
    }
#define EACH(X, best, isa)                                            \
    X(best##_f32_dot, nk_dot_f32##isa, nk_f32_t, nk_f64_t)            \
    X(best##_f32_l2, nk_sqeuclidean_f32##isa, nk_f32_t, nk_f64_t)     \
    X(best##_f16_dot, nk_dot_f16##isa, nk_f16_t, nk_f32_t)            \
    X(best##_f16_l2, nk_sqeuclidean_f16##isa, nk_f16_t, nk_f32_t)     \
    X(best##_bf16_dot, nk_dot_bf16##isa, nk_bf16_t, nk_f32_t)         \
    X(best##_bf16_l2, nk_sqeuclidean_bf16##isa, nk_bf16_t, nk_f32_t)  \
    X(best##_i8_dot, nk_dot_i8##isa, nk_i8_t, nk_i32_t)               \
    X(best##_i8_l2, nk_sqeuclidean_i8##isa, nk_i8_t, nk_u32_t)        \
    X(best##_i8_cos, nk_angular_i8##isa, nk_i8_t, nk_f32_t)           \
    X(best##_u8_dot, nk_dot_u8##isa, nk_u8_t, nk_u32_t)               \
    X(best##_u8_l2, nk_sqeuclidean_u8##isa, nk_u8_t, nk_u32_t)        \
    X(best##_u8_cos, nk_angular_u8##isa, nk_u8_t, nk_f32_t)           \
    X(best##_differ, nk_hamming_u1##isa, nk_u1x8_t, nk_u32_t)         \
    X(best##_jaccard, nk_jaccard_u1##isa, nk_u1x8_t, nk_f32_t)
EACH(THEIRS, best, )
EACH(THEIRS, haswell, _haswell)

/* Nanoseconds a pair: one query with each of some vectors that lie in the nearest caches; the median turn. */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static volatile float sink;

static double once(kernel_pair f, const uint8_t *v, size_t size, size_t n)
{
    double start = now();
    float sum = 0;

    for (int pass = 0; pass < 20; pass++) {
        for (size_t i = 1; i < VECTORS; i++)
            sum += f(v, v + i * size, n);
    }
    sink = sum;
    return (now() - start) * 1e9 / (20 * (VECTORS - 1));
}

static void compare(const char *what, kith_element e, kernel_pair ours, kernel_pair theirs, uint32_t dim)
{
    size_t size = element_size(e, dim);
    uint8_t *v = aligned_alloc(64, (VECTORS * size + 63) / 64 * 64);
    double a[TURNS], b[TURNS];
    uint64_t seed = 7;

    for (size_t i = 0; i < VECTORS * size; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        v[i] = (uint8_t)(seed >> 33);
    }
    for (size_t i = 0; e <= KITH_BF16 && i < VECTORS * (size_t)dim; i++) {
        float f = (float)v[i % (VECTORS * size)] / 128 - 1;
        uint16_t half = e == KITH_F16 ? element_to_f16(f) : element_to_bf16(f);
        memcpy(v + i * (e == KITH_F32 ? 4 : 2), e == KITH_F32 ? (void *)&f : (void *)&half, e == KITH_F32 ? 4 : 2);
    }
    for (int turn = 0; turn < TURNS; turn++) { /* by turns: what disturbs one disturbs the other */
        a[turn] = once(ours, v, size, dim);
        b[turn] = once(theirs, v, size, dim);
    }
    qsort(a, TURNS, sizeof *a, ascending);
    qsort(b, TURNS, sizeof *b, ascending);
    printf("| %s | %u | %.1f | %.1f | %.1f | %.2f |\n", what, dim, a[TURNS / 2], (double)size / a[TURNS / 2], b[TURNS / 2],
           b[TURNS / 2] / a[TURNS / 2]);
    free(v);
}

struct theirs {
    kernel_pair f32[2], f16[2], bf16[2], i8[3], u8[3], bits[2];
};

#define THEIR(name)                                                                                                \
    {                                                                                                              \
        {name##_f32_dot, name##_f32_l2}, {name##_f16_dot, name##_f16_l2}, {name##_bf16_dot, name##_bf16_l2},       \
            {name##_i8_dot, name##_i8_l2, name##_i8_cos}, {name##_u8_dot, name##_u8_l2, name##_u8_cos},            \
            {name##_differ, name##_jaccard}                                                                        \
    }

static void compare_all(const struct kernels *k, const struct theirs *t, uint32_t d)
{
    compare("f32 dot", KITH_F32, k->of[KITH_F32].dot, t->f32[0], d);
    compare("f32 l2", KITH_F32, k->of[KITH_F32].l2, t->f32[1], d);
    compare("f16 dot", KITH_F16, k->of[KITH_F16].dot, t->f16[0], d);
    compare("f16 l2", KITH_F16, k->of[KITH_F16].l2, t->f16[1], d);
    compare("bf16 dot", KITH_BF16, k->of[KITH_BF16].dot, t->bf16[0], d);
    compare("bf16 l2", KITH_BF16, k->of[KITH_BF16].l2, t->bf16[1], d);
    compare("i8 dot", KITH_I8, k->of[KITH_I8].dot, t->i8[0], d);
    compare("i8 l2", KITH_I8, k->of[KITH_I8].l2, t->i8[1], d);
    compare("i8 cosine", KITH_I8, k->of[KITH_I8].ratio, t->i8[2], d);
    compare("u8 dot", KITH_U8, k->of[KITH_U8].dot, t->u8[0], d);
    compare("u8 l2", KITH_U8, k->of[KITH_U8].l2, t->u8[1], d);
    compare("u8 cosine", KITH_U8, k->of[KITH_U8].ratio, t->u8[2], d);
    compare("bits, hamming", KITH_BIT, k->of[KITH_BIT].l2, t->bits[0], d * 8);
    compare("bits, jaccard", KITH_BIT, k->of[KITH_BIT].ratio, t->bits[1], d * 8);
}

int main(void)
{
    static const uint32_t dims[] = {96, 384, 1536};
    static const struct {
        const char *ours, *what;
        struct theirs theirs;
    } tables[] = {{NULL, "the best of NumKong's for this processor", THEIR(best)},
                  {"avx2", "NumKong's for Haswell", THEIR(haswell)}};

    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        const struct kernels *k = kernels_best(tables[t].ours);
        if (!k)
            continue;
        printf("\nOurs (%s) and %s:\n\n| pair | dim | ours ns | GB/s | NumKong ns | NumKong/ours |\n|---|---|---|---|---|---|\n",
               k->name, tables[t].what);
        for (size_t i = 0; i < ARRAY_SIZE(dims); i++)
            compare_all(k, &tables[t].theirs, dims[i]);
    }
    return 0;
}
