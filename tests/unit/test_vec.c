/* test_vec.c - every kernel against the scalar reference, and the walks made of them. It needs nothing but the
 * rooms base, os, vec and index, so that it can be built for another processor (tools/neon). */
#include "test.h"

#include "base/mem.h"
#include "index/graph.h"
#include "vec/codes.h"
#include "vec/many.h"
#include "vec/rotate.h"

#include <math.h>

enum { TABLES = 5 }; /* as far as this processor has them */

static const struct kernels *table(size_t i)
{
    static const char *const names[TABLES] = {"scalar", "avx2", "avx512", "avx512 popcount", "neon"};

    return kernels_best(names[i]);
}

static bool near(float a, float b, float scale)
{
    return fabsf(a - b) <= 1e-4f * scale + 1e-5f;
}

static void kernels_agree(void)
{
    static float a[2100], b[2100];
    size_t tables = 0;

    for (size_t t = 0; t < TABLES; t++) {
        const struct kernels *k = table(t);
        if (!k)
            continue;
        tables++;
        for (int round = 0; round < 300; round++) {
            size_t n = 1 + test_dice(2000), shift = test_dice(17);
            float *x = a + shift, *y = b + test_dice(17);
            for (size_t i = 0; i < n; i++) {
                x[i] = (float)test_dice(2000) / 1000 - 1;
                y[i] = (float)test_dice(2000) / 1000 - 1;
            }
            CHECK(near(k->of[KITH_F32].dot(x, y, n), kernels_scalar.of[KITH_F32].dot(x, y, n), (float)n));
            CHECK(near(k->of[KITH_F32].l2(x, y, n), kernels_scalar.of[KITH_F32].l2(x, y, n), (float)n));
            CHECK(near(k->of[KITH_F32].l1(x, y, n), kernels_scalar.of[KITH_F32].l1(x, y, n), (float)n));
        }
    }
    printf("     %zu tables\n", tables);
}

/* Bytes that are finite elements of the kind; `hard`: extremes, zeros of both signs, subnormals. */
static void random_elements(kith_element e, uint8_t *to, size_t n, bool hard)
{
    static const float extremes[] = {0, -0.0f, 1e-40f, -3e-7f, 250, -250, 1};

    for (size_t i = 0; i < n && element_is_scaled(e); i += SCALED) {
        float block[SCALED];
        for (size_t j = 0; j < SCALED; j++)
            block[j] = hard ? extremes[test_dice(7)] : (float)test_dice(20000) / 100 - 100;
        element_narrow(e, block, to + i / SCALED * scaled_block(e), SCALED); /* behind the end is something, too */
    }
    for (size_t i = 0; i < n && !element_is_scaled(e); i++) {
        float f = hard ? extremes[test_dice(7)] : (float)test_dice(20000) / 100 - 100;
        uint16_t half = e == KITH_F16 ? element_to_f16(f) : element_to_bf16(f);
        if (e == KITH_F32)
            memcpy(to + 4 * i, &f, 4);
        else if (e == KITH_F16 || e == KITH_BF16)
            memcpy(to + 2 * i, &half, 2);
        else
            to[i] = hard ? (uint8_t)(test_dice(2) ? 255 : 128) : (uint8_t)test_dice(256);
    }
}

/* As pair by pair; y is one of the others, and they are x, too. */
static void sixteen_agree(const struct kernels *k, kith_element e, const void *x, const void *y, size_t n)
{
    const struct pair_kernels *of = &k->of[e];
    const void *a[4] = {x, y, y, x}, *b[4] = {y, x, y, x};
    float dots[4][4], l2s[4][4];

    of->dots(a, b, n, dots);
    of->l2s(a, b, n, l2s);
    for (int i = 0; i < 16; i++) {
        float dot = of->dot(a[i / 4], b[i % 4], n), l2 = of->l2(a[i / 4], b[i % 4], n), scale = 100 * (float)n;
        CHECK(near(dots[i / 4][i % 4], dot, scale + fabsf(dot) * 1e-2f));
        CHECK(near(l2s[i / 4][i % 4], l2, scale + l2 * 1e-2f));
    }
}

static void pair_kernels_agree(void)
{
    static uint8_t a[16 << 10], b[16 << 10];
    int checks = 0;

    for (size_t t = 0; t < TABLES; t++) {
        const struct kernels *k = table(t);
        for (kith_element e = KITH_F32; k && e <= KITH_SCALED4; e++) {
            const struct pair_kernels *got = &k->of[e], *want = &kernels_scalar.of[e];
            for (int round = 0; round < 200; round++) {
                size_t n = round < 70 ? (size_t)round + 1 : 1 + test_dice(2500);
                uint8_t *x = a + test_dice(33), *y = b + test_dice(33);
                float scale;
                if (e == KITH_SPARSE)
                    break;
                if (e == KITH_BIT)
                    n *= 8;
                random_elements(e, x, e == KITH_BIT ? n / 8 : n, round % 4 == 3);
                random_elements(e, y, e == KITH_BIT ? n / 8 : n, round % 8 == 7);
                scale = e == KITH_BIT || element_is_int(e) ? 0 : 1e4f * (float)n * 1e-2f;
                CHECK(near(got->dot(x, y, n), want->dot(x, y, n), scale + fabsf(want->dot(x, y, n)) * 1e-2f));
                CHECK(near(got->l2(x, y, n), want->l2(x, y, n), scale + want->l2(x, y, n) * 1e-2f));
                CHECK(!got->l1 == !want->l1 && !got->ratio == !want->ratio);
                if (want->l1)
                    CHECK(near(got->l1(x, y, n), want->l1(x, y, n), scale + want->l1(x, y, n) * 1e-2f));
                if (want->ratio)
                    CHECK(near(got->ratio(x, y, n), want->ratio(x, y, n), 1e-2f));
                if (want->dots && round % 8 == 0)
                    sixteen_agree(k, e, x, y, n);
                checks++;
            }
        }
    }
    printf("     %d pairs\n", checks);
}

/* As one pair after the other says, whatever the numbers of vectors. */
static void multi_vectors(void)
{
    static const kith_element elements[] = {KITH_F32, KITH_F16, KITH_BF16, KITH_I8, KITH_U8, KITH_SCALED8, KITH_SCALED4};
    static uint8_t x[12 * 200 * 4], y[12 * 200 * 4];

    for (int round = 0; round < 3000; round++) {
        kith_element e = elements[test_dice(7)];
        kith_metric metric = (kith_metric)(KITH_COSINE + test_dice(4));
        const struct kernels *k = table(test_dice(TABLES));
        uint32_t dim = 1 + (uint32_t)test_dice(200);
        struct many a = {1 + (uint32_t)test_dice(12), x}, b = {1 + (uint32_t)test_dice(12), y};
        size_t one = element_size(e, dim);
        double sum = 0;
        float got;
        if (!k)
            continue;
        for (uint32_t i = 0; i < a.count; i++)
            random_elements(e, x + i * one, dim, false);
        for (uint32_t i = 0; i < b.count; i++)
            random_elements(e, y + i * one, dim, false);
        for (uint32_t i = 0; i < a.count; i++) {
            double nearest = (double)INFINITY;
            for (uint32_t j = 0; j < b.count; j++)
                nearest = fmin(nearest, (double)vec_distance(k, metric, e, x + i * one, y + j * one, dim));
            sum += nearest;
        }
        got = many_distance(k, metric, e, &a, &b, dim);
        CHECK(fabs((double)got - sum) <= 1e-5 * fabs(sum) + 0.01 * (double)a.count);
    }
}

/* Every half there is comes back; what lies between two goes to the nearer, ties to the even one. */
static void halves(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = element_from_f16((uint16_t)h), up;
        if (isnan(f)) {
            CHECK(isnan(element_from_f16(element_to_f16(f))));
            continue;
        }
        CHECK(element_to_f16(f) == h);
        if ((h & 0x7fff) >= 0x7bff)
            continue;
        up = element_from_f16((uint16_t)(h + 1));
        CHECK(element_to_f16((f + up) / 2) == (h & 1 ? h + 1 : h));
        CHECK(element_to_f16(nextafterf((f + up) / 2, up)) == h + 1);
        CHECK(element_to_f16(nextafterf((f + up) / 2, f)) == h);
    }
    for (uint32_t h = 0; h < 65536; h++) {
        float f = element_from_bf16((uint16_t)h);
        CHECK(isnan(f) ? isnan(element_from_bf16(element_to_bf16(f))) : element_to_bf16(f) == h);
    }
    CHECK(element_to_f16(65519.9f) == 0x7bff && element_to_f16(65520) == 0x7c00 && element_to_f16(1e30f) == 0x7c00);
}

/* No element is further off than half a step of its block; what was decoded is encoded as it was. */
static void scaled(void)
{
    for (kith_element e = KITH_SCALED8; e <= KITH_SCALED4; e++) {
        double lost = 0, all = 0;
        for (int round = 0; round < 300; round++) {
            float v[200], back[200], most[7] = {0};
            uint8_t kept[7 * 34], again[7 * 34];
            uint32_t dim = 1 + (uint32_t)test_dice(200);
            for (uint32_t i = 0; i < dim; i++) {
                v[i] = round % 10 == 0 ? 0 : ((float)test_dice(2001) - 1000) * ldexpf(1, (int)test_dice(3) + round % 100 - 50);
                most[i / SCALED] = fmaxf(most[i / SCALED], fabsf(v[i]));
            }
            element_narrow(e, v, kept, dim);
            element_widen(e, kept, back, dim);
            for (uint32_t i = 0; i < dim; i++) {
                float step = most[i / SCALED] / (e == KITH_SCALED8 ? 127 : 7.5f);
                CHECK(fabsf(back[i] - v[i]) <= step * 0.51f + most[i / SCALED] / 256);
                lost += (double)(back[i] - v[i]) * (double)(back[i] - v[i]) / (double)(step * step + 1e-30f);
                all += v[i] != 0;
            }
            element_narrow(e, back, again, dim);
            CHECK(memcmp(kept, again, element_size(e, dim)) == 0);
        }
        CHECK(lost / all < 1.1 / 12); /* that of rounding to steps */
    }
}

/* Codes of bits say the very distance. */
static void bit_codes(void)
{
    static const kith_metric metrics[] = {KITH_HAMMING, KITH_JACCARD, KITH_DOT};
    enum { BITS = 200, SLOTS = 40 };

    for (size_t m = 0; m < ARRAY_SIZE(metrics); m++) {
        for (size_t t = 0; t < TABLES; t++) {
            const struct kernels *k = table(t);
            struct codes codes = {0};
            uint8_t v[SLOTS][BITS / 8], query[BITS / 8], *base;
            struct arena arena;
            struct scorer s;
            if (!k)
                continue;
            arena_init(&arena);
            codes_layout(&codes, metrics[m], KITH_BIT, BITS);
            base = arena_alloc(&arena, codes.stride * SLOTS);
            random_elements(KITH_BIT, query, sizeof query, false);
            for (int i = 0; i < SLOTS; i++) {
                random_elements(KITH_BIT, v[i], sizeof v[i], false);
                if (i == 7)
                    memset(v[i], 0, sizeof v[i]);
                codes_encode(&codes, k, v[i], base + (size_t)i * codes.stride);
            }
            codes.base = base;
            CHECK(scorer_init(&s, &arena, &codes, k) == 0);
            scorer_query(&s, query);
            for (uint32_t i = 0; i < SLOTS; i += 4) {
                uint32_t slots[4] = {i, i + 1, i + 2, i + 3};
                float d[4];
                scorer_four(&s, slots, d);
                for (uint32_t j = 0; j < 4; j++)
                    CHECK(near(d[j], vec_distance(&kernels_scalar, metrics[m], KITH_BIT, query, v[i + j], BITS), 0.01f));
            }
            arena_release(&arena);
        }
    }
}

static void byte_kernels_agree(void)
{
    static uint8_t q[4096];
    static uint8_t v[4][4096];

    for (size_t t = 0; t < TABLES; t++) {
        const struct kernels *k = table(t);
        for (int round = 0; k && round < 100; round++) {
            size_t n = 64 * (1 + test_dice(60));
            const uint8_t *four[4] = {v[0], v[1], v[2], v[3]};
            int32_t got[4], want[4];
            for (size_t i = 0; i < n; i++) {
                q[i] = (uint8_t)(round ? 1 + test_dice(255) : 255);
                for (int j = 0; j < 4; j++)
                    v[j][i] = (uint8_t)(round ? (int)test_dice(255) - 127 : j % 2 ? 127 : -127);
            }
            k->dot8x4(q, four, n, got);
            kernels_scalar.dot8x4(q, four, n, want);
            CHECK(memcmp(got, want, sizeof got) == 0);
            k->l1x4(q, four, n, got);
            kernels_scalar.l1x4(q, four, n, want);
            CHECK(memcmp(got, want, sizeof got) == 0);
            n = align_up(n, 128) / 2;
            k->dot4x4((const int8_t *)q, four, n, got);
            kernels_scalar.dot4x4((const int8_t *)q, four, n, want);
            CHECK(memcmp(got, want, sizeof got) == 0);
            n = n / 4 - 8 * (size_t)(round % 2);
            k->dot1x4((const int8_t *)q, four, n, got);
            kernels_scalar.dot1x4((const int8_t *)q, four, n, want);
            CHECK(memcmp(got, want, sizeof got) == 0);
        }
    }
}

/* Codes must order vectors nearly as the originals do. */
static void codes_order(void)
{
    static float v[64][100], query[100];

    for (kith_metric metric = KITH_COSINE; metric <= KITH_MANHATTAN; metric++) {
        struct codes codes = {0};
        struct scorer s;
        struct arena arena;
        uint8_t *base;
        int agree = 0, pairs = 0;
        float d[64], approx[64];
        arena_init(&arena);
        codes_layout(&codes, metric, KITH_F32, 100);
        codes.count = 64;
        codes.common_scale = 1.0f / 127;
        base = arena_alloc(&arena, codes.stride * 64);
        for (int i = 0; i < 64; i++) {
            for (int j = 0; j < 100; j++)
                v[i][j] = (float)test_dice(2000) / 1000 - 1;
            codes_encode(&codes, &kernels_scalar, v[i], base + (size_t)i * codes.stride);
        }
        for (int j = 0; j < 100; j++)
            query[j] = (float)test_dice(2000) / 1000 - 1;
        codes.base = base;
        CHECK(scorer_init(&s, &arena, &codes, kernels_best(NULL)) == 0);
        scorer_query(&s, query);
        for (uint32_t i = 0; i < 64; i += 4) {
            uint32_t slots[4] = {i, i + 1, i + 2, i + 3};
            scorer_four(&s, slots, approx + i);
        }
        for (int i = 0; i < 64; i++)
            d[i] = vec_distance(&kernels_scalar, metric, KITH_F32, query, v[i], 100);
        for (int i = 0; i < 64; i++) {
            for (int j = 0; j < i; j++, pairs++)
                agree += (d[i] < d[j]) == (approx[i] < approx[j]);
        }
        CHECK(agree > pairs * 97 / 100);
        arena_release(&arena);
    }
}

/* What a scorer says of a grid's records is the product with what the records decode to. */
static void grid_scores(void)
{
    enum { DIM = 200, ROWS = 64 };
    static float v[ROWS][DIM], query[DIM], low[DIM], step[DIM], decoded[DIM];

    for (kith_metric metric = KITH_COSINE; metric <= KITH_EUCLID; metric++) {
        struct grid g;
        struct scorer s;
        struct arena arena;
        uint8_t *top, *rest;
        float norms[ROWS];
        arena_init(&arena);
        grid_layout(&g, DIM);
        CHECK(g.padded == 256 && g.stride == 128);
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < DIM; j++)
                v[i][j] = (float)(test_dice(1000) + test_dice(1000)) / 1000 + (float)(j % 7) / 10 - 1;
        }
        for (int j = 0; j < DIM; j++)
            query[j] = (float)test_dice(2000) / 1000 - 1;
        grid_train(&g, v[0], ROWS, low, step);
        g.low = low;
        g.step = step;
        top = arena_alloc(&arena, ROWS * g.stride);
        rest = arena_alloc(&arena, ROWS * g.stride);
        for (size_t i = 0; i < ROWS; i++) {
            grid_encode(&g, v[i], top + i * g.stride, rest + i * g.stride);
            norms[i] = kernels_scalar.of[KITH_F32].dot(v[i], v[i], DIM);
        }
        CHECK(scorer_grid_init(&s, &arena, &g, top, rest, norms, metric, kernels_best(NULL)) == 0);
        scorer_grid_query(&s, &g, query);
        for (uint32_t i = 0; i < ROWS; i += 4) {
            uint32_t slots[4] = {i, i + 1, i + 2, i + 3};
            float d[4], fine[4];
            scorer_four(&s, slots, d);
            memcpy(fine, d, sizeof d);
            scorer_refine(&s, slots, fine);
            for (size_t j = 0; j < 4; j++) {
                float exact = vec_distance(&kernels_scalar, metric, KITH_F32, query, v[i + j], DIM), dot;
                grid_decode(&g, top + (i + j) * g.stride, NULL, decoded);
                dot = kernels_scalar.of[KITH_F32].dot(query, decoded, DIM);
                if (metric == KITH_EUCLID)
                    dot = 2 * dot - norms[i + j] - kernels_scalar.of[KITH_F32].dot(query, query, DIM);
                CHECK(fabsf(-dot - d[j]) < 0.15f);
                grid_decode(&g, top + (i + j) * g.stride, rest + (i + j) * g.stride, decoded);
                dot = kernels_scalar.of[KITH_F32].dot(query, decoded, DIM);
                if (metric == KITH_EUCLID)
                    dot = 2 * dot - norms[i + j] - kernels_scalar.of[KITH_F32].dot(query, query, DIM);
                CHECK(fabsf(-dot - fine[j]) < 0.002f);
                CHECK(fabsf(exact - fine[j]) < 0.15f);
            }
        }
        arena_release(&arena);
    }
}

/* ---- few bits ---------------------------------------------------------------------------------------------- */

static void rotation(void)
{
    static const uint32_t dims[] = {1, 2, 3, 64, 100, 384, 1000};
    static float a[1000], b[1000];

    for (size_t i = 0; i < ARRAY_SIZE(dims); i++) {
        uint32_t dim = dims[i];
        float before, after, spread = 0;
        for (uint32_t d = 0; d < dim; d++) {
            a[d] = (float)test_dice(2000) / 1000 - 1;
            b[d] = d == dim / 2 ? 1 : 0; /* all of it in one element */
        }
        before = kernels_scalar.of[KITH_F32].dot(a, b, dim);
        rotate(a, dim);
        rotate(b, dim);
        after = kernels_scalar.of[KITH_F32].dot(a, b, dim);
        CHECK(near(kernels_scalar.of[KITH_F32].dot(b, b, dim), 1, 1e-4f) && fabsf(before - after) < 1e-4f);
        for (uint32_t d = 0; d < dim; d++)
            spread = fmaxf(spread, fabsf(b[d]));
        CHECK(dim < 64 || spread < 0.6f);
    }
}

/* Right on average, and the nearer the more bits there are; vectors of uneven elements, far from the origin. */
static void few_bits(void)
{
    enum { ROWS = 1000, DIM = 100 };
    static float v[ROWS][DIM], sample[ROWS][DIM], params[6 * DIM], query[DIM], room[DIM];

    for (kith_metric metric = KITH_COSINE; metric <= KITH_EUCLID; metric++) {
        double spread[3] = {0};
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < DIM; j++)
                v[i][j] = 1 + ((float)test_dice(2000) / 1000 - 1) * (j % 10 == 0 ? 5 : 1);
        }
        for (uint32_t bits = 1; bits <= 2; bits++) {
            struct planes p;
            struct scorer s;
            struct arena arena;
            uint8_t *records;
            double off = 0, square = 0;
            arena_init(&arena);
            planes_layout(&p, DIM, bits);
            memcpy(sample, v, sizeof v);
            planes_train(&p, sample[0], ROWS, params);
            CHECK(p.rotated);
            records = arena_alloc(&arena, ROWS * p.stride);
            for (size_t i = 0; i < ROWS; i++)
                planes_encode(&p, v[i], kernels_scalar.of[KITH_F32].dot(v[i], v[i], DIM), room, records + i * p.stride);
            for (int j = 0; j < DIM; j++)
                query[j] = (float)test_dice(2000) / 1000 - 0.5f;
            CHECK(scorer_planes(&s, &arena, &p, records, metric, query, kernels_best(NULL)) == 0);
            for (uint32_t i = 0; i < ROWS; i += 4) {
                uint32_t slots[4] = {i, i + 1, i + 2, i + 3};
                float d[4];
                scorer_four(&s, slots, d);
                for (size_t j = 0; j < 4; j++) {
                    double e = (double)(d[j] - vec_distance(&kernels_scalar, metric, KITH_F32, query, v[i + j], DIM));
                    off += e;
                    square += e * e;
                }
            }
            spread[bits] = sqrt(square / ROWS);
            CHECK(fabs(off / ROWS) < 0.2 * spread[bits]);
            arena_release(&arena);
        }
        CHECK(spread[2] < 0.6 * spread[1]);
    }
}

/* Blocks say what single records say, but for the rounding of tables; every table the same. */
static void blocks_agree(void)
{
    enum { ROWS = 70, DIM = 200 };
    static float v[ROWS][DIM], sample[ROWS][DIM], params[6 * DIM], query[DIM], room[DIM];
    struct planes p;
    struct scorer single, s;
    struct arena arena;
    uint8_t *records, *blocks;
    float first[96];

    arena_init(&arena);
    planes_layout(&p, DIM, 1);
    records = arena_zalloc(&arena, ROWS * p.stride);
    blocks = arena_zalloc(&arena, 3 * blocks_stride(&p));
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < DIM; j++)
            v[i][j] = (float)test_dice(2000) / 1000 - 1;
    }
    memcpy(sample, v, sizeof v);
    planes_train(&p, sample[0], ROWS, params);
    for (uint32_t i = 0; i < ROWS; i++) {
        planes_encode(&p, v[i], kernels_scalar.of[KITH_F32].dot(v[i], v[i], DIM), room, records + i * p.stride);
        blocks_put(&p, records + i * p.stride, i % 32, blocks + i / 32 * blocks_stride(&p));
    }
    for (int j = 0; j < DIM; j++)
        query[j] = (float)test_dice(2000) / 1000 - 1;
    CHECK(scorer_planes(&single, &arena, &p, records, KITH_EUCLID, query, &kernels_scalar) == 0);
    for (size_t t = 0; t < TABLES; t++) {
        float d[96];
        if (!table(t))
            continue;
        CHECK(scorer_blocks(&s, &arena, &p, blocks, KITH_EUCLID, query, table(t)) == 0);
        for (size_t b = 0; b < 3; b++)
            scorer_block(&s, b, d + 32 * b);
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t slots[4] = {i, i, i, i};
            float one[4];
            scorer_four(&single, slots, one);
            CHECK(fabsf(one[0] - d[i]) < 1.0f);
        }
        if (t == 0)
            memcpy(first, d, sizeof d);
        for (uint32_t i = 0; i < ROWS; i++)
            CHECK(fabsf(first[i] - d[i]) < 1e-3f);
    }
    arena_release(&arena);
}

/* ---- walks ------------------------------------------------------------------------------------------------ */

enum { WALK_ROWS = 3000, WALK_DIM = 40 };

/* What a walk goes by: the codes the graph was built of, or others of the same vectors. */
struct walked {
    const struct codes *codes;
    const struct planes *planes;
    const struct product *product;
    uint8_t *records;
};

static int scorer_of(struct scorer *s, struct arena *a, const struct walked *x, const struct kernels *k, const float *query)
{
    if (x->planes)
        return scorer_planes(s, a, x->planes, x->records, x->codes->metric, query, k);
    if (x->product)
        return scorer_product(s, a, x->product, x->records, x->codes->metric, query, k);
    if (scorer_init(s, a, x->codes, k) < 0)
        return -1;
    scorer_query(s, query);
    return 0;
}

/* A graph of random vectors (bits: random bits), walked by every table: with and without a mask, each finds what
 * a scan by the same codes finds. */
static double walk_recall(const struct kernels *k, const struct walked *x, const struct graph *g, const float *v,
                          const struct bits *allow, bool hop)
{
    struct graph_scratch scratch = {0};
    int hits = 0, wanted = 0;

    for (int i = 0; i < 30; i++) {
        struct graph_search search = {.ef = 120, .allow = allow, .hop_over = hop};
        struct found found[128];
        struct scorer s;
        struct ctx c;
        int n;
        ctx_init(&c, NULL);
        CHECK(scorer_of(&s, &c.arena, x, k, v + (size_t)(WALK_ROWS + i) * WALK_DIM) == 0);
        n = graph_search(&c, g, &s, &scratch, &search, found);
        CHECK(n >= 10);
        for (uint32_t slot = 0; slot < WALK_ROWS; slot++) { /* how many are nearer than the tenth found */
            uint32_t four[4] = {slot, slot, slot, slot};
            float d[4];
            if (allow && !bits_get(allow, slot))
                continue;
            scorer_four(&s, four, d);
            wanted += d[0] < found[9].distance;
        }
        hits += 9;
        ctx_release(&c);
    }
    graph_scratch_release(&scratch);
    return (double)hits / (double)MAX(wanted, hits);
}

/* 0, 1: one or two bits; 2: product. */
static struct walked other_codes(struct arena *a, const struct codes *codes, const float *v, int form)
{
    struct planes *p = arena_zalloc(a, sizeof *p);
    struct product *q = arena_zalloc(a, sizeof *q);
    float *sample = arena_alloc(a, WALK_ROWS * WALK_DIM * sizeof *sample), room[WALK_DIM];
    struct walked x = {codes, form < 2 ? p : NULL, form < 2 ? NULL : q, NULL};

    memcpy(sample, v, WALK_ROWS * WALK_DIM * sizeof *sample);
    if (form < 2) {
        planes_layout(p, WALK_DIM, (uint32_t)form + 1);
        planes_train(p, sample, WALK_ROWS, arena_alloc(a, 6 * WALK_DIM * sizeof *sample));
        x.records = arena_alloc(a, WALK_ROWS * p->stride);
    } else {
        product_layout(q, WALK_DIM, 17); /* three elements a part, one in the last */
        CHECK(q->parts == 14 && q->size == 3);
        product_train(q, sample, WALK_ROWS, arena_alloc(a, product_floats(q) * sizeof *sample),
                      arena_alloc(a, q->size * PRODUCT_BOOK * sizeof *sample));
        x.records = arena_alloc(a, WALK_ROWS * q->parts);
    }
    for (size_t i = 0; i < WALK_ROWS; i++) {
        const float *from = v + i * WALK_DIM;
        if (form < 2)
            planes_encode(p, from, kernels_scalar.of[KITH_F32].dot(from, from, WALK_DIM), room, x.records + i * p->stride);
        else
            product_encode(q, from, x.records + i * q->parts);
    }
    return x;
}

static void walks_of(kith_metric metric, kith_element e)
{
    float *v = calloc((WALK_ROWS + 30) * WALK_DIM, sizeof *v);
    struct codes codes = {0};
    struct walked x = {.codes = &codes};
    struct graph_builder b;
    struct bits allow;
    struct graph g;
    uint8_t *records;
    struct ctx c;

    for (size_t i = 0; i < (WALK_ROWS + 30) * WALK_DIM; i++)
        v[i] = (float)test_dice(2000) / 1000 - 1; /* as bits: the low ones of each word are random enough */
    ctx_init(&c, os_linux());
    codes_layout(&codes, metric, e, e == KITH_BIT ? WALK_DIM * 32 : WALK_DIM);
    codes.count = WALK_ROWS;
    codes.common_scale = 1.0f / 127;
    records = mem_aligned(codes.stride * WALK_ROWS);
    codes.base = records;
    for (size_t i = 0; i < WALK_ROWS; i++)
        codes_encode(&codes, &kernels_scalar, v + i * WALK_DIM, records + i * codes.stride);
    CHECK(graph_builder_init(&c, &b, &codes, kernels_best(NULL), WALK_ROWS, &(struct graph_params){0}) == 0);
    CHECK(graph_build(&c, &b, 1, NULL, NULL) == 0);
    graph_builder_view(&b, &g);
    CHECK(bits_new(&c.arena, WALK_ROWS, &allow) == 0);
    for (uint32_t i = 0; i < WALK_ROWS; i++) {
        if (test_dice(5) == 0)
            bits_set(&allow, i);
    }
    for (size_t t = 0; t < TABLES; t++) {
        const struct kernels *k = table(t);
        if (!k)
            continue;
        CHECK(walk_recall(k, &x, &g, v, NULL, false) > 0.9);
        CHECK(walk_recall(k, &x, &g, v, &allow, true) > 0.9);
        CHECK(walk_recall(k, &x, &g, v, &allow, false) > 0.6); /* the beam is full of others */
        for (int form = 0; form < 3 && metric != KITH_MANHATTAN && e == KITH_F32; form++) {
            struct walked other = other_codes(&c.arena, &codes, v, form);
            CHECK(walk_recall(k, &other, &g, v, NULL, false) > 0.7); /* built by finer ones */
            CHECK(walk_recall(k, &other, &g, v, &allow, true) > 0.7);
        }
    }
    graph_builder_release(&b);
    mem_free_aligned(records);
    ctx_release(&c);
    free(v);
}

static void walks_agree(void)
{
    walks_of(KITH_COSINE, KITH_F32);
    walks_of(KITH_EUCLID, KITH_F32);
    walks_of(KITH_MANHATTAN, KITH_F32);
    walks_of(KITH_HAMMING, KITH_BIT);
    walks_of(KITH_JACCARD, KITH_BIT);
}

/* Sums at and around the bar, any length. */
static void collects(void)
{
    static uint16_t sums[400];
    static uint32_t got[440], want[440];

    for (int round = 0; round < 200; round++) {
        size_t n = 1 + test_dice(ARRAY_SIZE(sums));
        uint16_t bar = (uint16_t)(1 + test_dice(60000));
        for (size_t i = 0; i < n; i++)
            sums[i] = (uint16_t)(bar - 2 + (int)test_dice(4));
        for (size_t t = 1; t < TABLES; t++) {
            uint32_t count = kernels_scalar.collect(sums, n, bar, want);
            if (!table(t))
                continue;
            CHECK(table(t)->collect(sums, n, bar, got) == count && memcmp(got, want, count * sizeof *got) == 0);
        }
    }
}

static const struct test tests[] = {
    {"vec: kernels agree with the scalar ones", kernels_agree},
    {"vec: kernels of all elements agree", pair_kernels_agree},
    {"vec: multi-vectors", multi_vectors},
    {"vec: halves", halves},
    {"vec: scaled elements", scaled},
    {"vec: codes of bits", bit_codes},
    {"vec: 8-bit kernels agree exactly", byte_kernels_agree},
    {"vec: codes order as the originals do", codes_order},
    {"vec: a grid scores what its records say", grid_scores},
    {"vec: a rotation keeps what counts", rotation},
    {"vec: one and two bits an element", few_bits},
    {"vec: blocks of 32", blocks_agree},
    {"vec: walks", walks_agree},
    {"vec: sums that reach a bar", collects},
};
TEST_MAIN(tests)
