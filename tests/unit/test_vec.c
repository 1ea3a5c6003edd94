/* test_vec.c - every kernel against the scalar reference; numbers and dates as text; paths. */
#include "test.h"

#include "codec/date.h"
#include "codec/json.h"
#include "doc/path.h"
#include "vec/codes.h"

#include <math.h>

static const struct kernels *table(size_t i)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};

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

    for (size_t t = 0; t < 3; t++) {
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

    for (size_t i = 0; i < n; i++) {
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

static void pair_kernels_agree(void)
{
    static uint8_t a[16 << 10], b[16 << 10];
    int checks = 0;

    for (size_t t = 0; t < 3; t++) {
        const struct kernels *k = table(t);
        for (kith_element e = KITH_F32; k && e <= KITH_BIT; e++) {
            const struct pair_kernels *got = &k->of[e], *want = &kernels_scalar.of[e];
            for (int round = 0; round < 200; round++) {
                size_t n = round < 70 ? (size_t)round + 1 : 1 + test_dice(2500);
                uint8_t *x = a + test_dice(33), *y = b + test_dice(33);
                float scale;
                if (e == KITH_BIT)
                    n *= 8;
                random_elements(e, x, e == KITH_BIT ? n / 8 : n, round % 4 == 3);
                random_elements(e, y, e == KITH_BIT ? n / 8 : n, round % 8 == 7);
                scale = e == KITH_BIT || element_is_int(e) ? 0 : 1e4f * (float)n * 1e-2f;
                CHECK(near(got->dot(x, y, n), want->dot(x, y, n), scale + fabsf(want->dot(x, y, n)) * 1e-3f));
                CHECK(near(got->l2(x, y, n), want->l2(x, y, n), scale + want->l2(x, y, n) * 1e-3f));
                CHECK(!got->l1 == !want->l1 && !got->ratio == !want->ratio);
                if (want->l1)
                    CHECK(near(got->l1(x, y, n), want->l1(x, y, n), scale + want->l1(x, y, n) * 1e-3f));
                if (want->ratio)
                    CHECK(near(got->ratio(x, y, n), want->ratio(x, y, n), 1e-2f));
                checks++;
            }
        }
    }
    printf("     %d pairs\n", checks);
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

/* Codes of bits say the very distance. */
static void bit_codes(void)
{
    static const kith_metric metrics[] = {KITH_HAMMING, KITH_JACCARD, KITH_DOT};
    enum { BITS = 200, SLOTS = 40 };

    for (size_t m = 0; m < ARRAY_SIZE(metrics); m++) {
        for (size_t t = 0; t < 3; t++) {
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

    for (size_t t = 0; t < 3; t++) {
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
        CHECK(scorer_grid(&s, &arena, &g, top, rest, norms, metric, query, kernels_best(NULL)) == 0);
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

static void floats_read_back(void)
{
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)splitmix(&test_seed);
        struct buf b;
        float v;
        buf_init(&b);
        memcpy(&v, &bits, 4);
        if (i % 2)
            v = (float)test_dice(2000001) / 1000000 - 1;
        if (isfinite(v)) {
            json_put_f32(&b, v);
            buf_u8(&b, 0);
            CHECK(strtof((char *)b.data, NULL) == v);
        }
        buf_release(&b);
    }
}

static void dates(void)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0}, {"1970-01-01", 0}, {"1970-01-02 00:00", 86400000000},
        {"2024-02-29T12:00:00.5+02:00", 1709200800500000}, {"1969-12-31T23:59:59Z", -1000000},
        {"2000-01-01T00:00:00+0130", 946679400000000},
    };
    int64_t us;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK(date_parse(cases[i].text, strlen(cases[i].text), &us) && us == cases[i].us);
    for (const char *const *bad = (const char *const[]){"", "2024", "2023-02-29", "2024-13-01", "2024-01-01T25:00",
                                                        "2024-01-01x", NULL};
         *bad; bad++)
        CHECK(!date_parse(*bad, strlen(*bad), &us));
}

static void edit(const char *doc, const char *path, const char *merge, const char *want)
{
    struct buf a, b, out, text;
    struct node *root;
    struct path p;
    yyjson_doc *j;
    struct ctx c;

    ctx_init(&c, os_linux());
    buf_init(&a), buf_init(&b), buf_init(&out), buf_init(&text);
    CHECK(json_parse(&c, doc, strlen(doc), &j) == 0 && val_from_json(&c, yyjson_doc_get_root(j), &a) == 0);
    yyjson_doc_free(j);
    CHECK(val_check(a.data, a.size));
    CHECK(node_from(&c, val_of(a.data, a.size), &root) == 0);
    CHECK(path_parse(&c, path, &p) == 0);
    if (merge) {
        CHECK(json_parse(&c, merge, strlen(merge), &j) == 0 && val_from_json(&c, yyjson_doc_get_root(j), &b) == 0);
        yyjson_doc_free(j);
        CHECK(node_merge_at(&c, root, &p, val_of(b.data, b.size)) == 0);
    } else {
        node_remove(root, &p);
    }
    node_encode(root, &out);
    CHECK(val_check(out.data, out.size));
    val_to_json(val_of(out.data, out.size), &text);
    buf_u8(&text, 0);
    if (strcmp((char *)text.data, want) != 0)
        printf("%s\n", (char *)text.data);
    CHECK(strcmp((char *)text.data, want) == 0);
    buf_release(&a), buf_release(&b), buf_release(&out), buf_release(&text);
    ctx_release(&c);
}

static void documents(void)
{
    edit("{\"a\":{\"b\":1,\"c\":2}}", "a.b", NULL, "{\"a\":{\"c\":2}}");
    edit("{\"a\":[{\"b\":1},{\"b\":2,\"c\":3}]}", "a[].b", NULL, "{\"a\":[{},{\"c\":3}]}");
    edit("{\"a\":1}", "x.y", "{\"z\":18446744073709551615}", "{\"a\":1,\"x\":{\"y\":{\"z\":18446744073709551615}}}");
    edit("{\"a\":[{},{}]}", "a[1]", "{\"k\":-9223372036854775808}", "{\"a\":[{},{\"k\":-9223372036854775808}]}");
    edit("{\"odd key\":{\"x\":1.5}}", "\"odd key\".x", NULL, "{\"odd key\":{}}");
    edit("{\"a\":1,\"a\":2,\"b\":\"\\u00e9\\n\"}", "c", NULL, "{\"a\":2,\"b\":\"\xc3\xa9\\n\"}");
}

static void garbage_documents(void)
{
    uint8_t data[64];

    for (int i = 0; i < 200000; i++) { /* never reads beyond the end, whatever it is given */
        size_t n = test_dice(sizeof data);
        struct buf out;
        for (size_t j = 0; j < n; j++)
            data[j] = (uint8_t)(test_dice(3) ? test_dice(10) : test_dice(256));
        buf_init(&out);
        if (val_check(data, n))
            val_to_json(val_of(data, n), &out);
        buf_release(&out);
    }
}

static const struct test tests[] = {
    {"vec: kernels agree with the scalar ones", kernels_agree},
    {"vec: kernels of all elements agree", pair_kernels_agree},
    {"vec: halves", halves},
    {"vec: codes of bits", bit_codes},
    {"vec: 8-bit kernels agree exactly", byte_kernels_agree},
    {"vec: codes order as the originals do", codes_order},
    {"vec: a grid scores what its records say", grid_scores},
    {"codec: floats read back the same", floats_read_back},
    {"codec: dates", dates},
    {"doc: changes by path", documents},
    {"doc: garbage is refused", garbage_documents},
};
TEST_MAIN(tests)
