/* test_many.c - the index of multi-vectors: by every metric, for elements and codes of all kinds, amid deletions, changes
 * and rows that came later, beside what an exact search finds. */
#include "engine.h"

enum { DIM = 32, ROWS = 2600, LATER = 300, MOST = 7 };

/* Around one of 60 places, as the words of texts lie; a row has one to seven of them, or none. */
static uint32_t parts(uint64_t seed, float *data)
{
    uint32_t count = (uint32_t)(splitmix(&seed) % MOST) + 1;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t place = splitmix(&seed) % 60, other = splitmix(&seed);
        for (int j = 0; j < DIM; j++) {
            float near = (float)(splitmix(&place) % 100) - 50, off = (float)(splitmix(&other) % 100) - 50;
            data[i * DIM + (uint32_t)j] = near + 0.6f * off;
        }
    }
    return count;
}

static kith_vector many_at(uint64_t seed, float *data)
{
    return (kith_vector){"", DIM, data, KITH_F32, parts(seed, data)};
}

static void put_row(kith_db *db, uint64_t id, uint64_t seed)
{
    float data[MOST * DIM];
    kith_vector v = many_at(seed, data);
    const char *doc = id % 3 ? "{\"third\":false}" : "{\"third\":true}";
    kith_point p = {kith_id_num(id), {KITH_DOC_JSON, (uint32_t)strlen(doc), doc}, &v, seed % 20 != 0};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};

    CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
}

static double recall(kith_db *db, const kith_filter *f, const char *what)
{
    return recall_of_ten(db, f, 3, what, many_at, 990000);
}

static void check(kith_db *db, const kith_vector_params *p, const char *when)
{
    kith_value yes = {.kind = KITH_VALUE_BOOL, .boolean = true};
    const kith_filter third = {.kind = KITH_COND_MATCH, .path = "third", .values = &yes, .values_count = 1};
    double all = recall(db, NULL, "lists of vectors"), some = recall(db, &third, NULL);

    if (all < 0.9 || some < 0.9)
        printf("     metric %d, element %d, codes %d, %s: %.3f, filtered %.3f\n", (int)p->metric, (int)p->element,
               (int)p->index.codes, when, all, some);
    CHECK(all >= 0.9 && some >= 0.9);
}

static void one(kith_metric metric, kith_element element, kith_codes codes)
{
    const kith_vector_params params = {.name = "", .dim = DIM, .metric = metric, .element = element, .multi = true,
                                       .index = {.codes = codes, .code_bytes = 16}};
    const kith_field field = {.path = "third", .index = KITH_INDEX_BOOL};
    const kith_schema schema = {&params, 1, &field, 1, NULL};
    struct sim_world *w = sim_world_new(91);
    kith_db *db = open_sim(w, 10000, 1 << 20);
    kith_collection_info info;
    uint64_t with = 0;

    CHECK(kith_create(db, "c", &schema, NULL) == 0);
    for (uint64_t i = 0; i < ROWS; i++) {
        put_row(db, i, i);
        with += i % 20 != 0;
    }
    CHECK(recall(db, NULL, "exact") > 0.999); /* growing: all are looked at */
    CHECK(kith_optimize(db, "c", NULL) == 0);
    CHECK(kith_info(db, "c", &info, NULL) == 0 && info.indexed_vectors == with);
    kith_info_free(&info);
    check(db, &params, "sealed");
    kith_close(db);
    db = open_sim(w, 10000, 1 << 20);
    for (uint64_t i = 0; i < 200; i++) {
        kith_id id = kith_id_num(test_dice(ROWS));
        kith_op drop = {.kind = KITH_DELETE, .ids = &id, .ids_count = 1};
        CHECK(kith_write(db, "c", &drop, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
        put_row(db, test_dice(ROWS), 500000 + i);
    }
    for (uint64_t i = 0; i < LATER; i++)
        put_row(db, ROWS + i, ROWS + i);
    check(db, &params, "changed");
    CHECK(kith_optimize(db, "c", NULL) == 0);
    check(db, &params, "merged");
    kith_close(db);
    sim_world_free(w);
}

static void metrics(void)
{
    for (kith_metric m = KITH_COSINE; m <= KITH_MANHATTAN; m++)
        one(m, KITH_F32, KITH_CODES_AUTO);
}

static void elements(void)
{
    one(KITH_DOT, KITH_F16, KITH_CODES_AUTO);
    one(KITH_COSINE, KITH_I8, KITH_CODES_AUTO);
    one(KITH_EUCLID, KITH_U8, KITH_CODES_AUTO);
    one(KITH_COSINE, KITH_SCALED4, KITH_CODES_AUTO);
}

static void codes(void)
{
    one(KITH_DOT, KITH_F32, KITH_CODES_BIT);
    one(KITH_COSINE, KITH_F32, KITH_CODES_TWO_BITS);
    one(KITH_EUCLID, KITH_F32, KITH_CODES_PRODUCT);
}

/* One vector by itself is never lost among rows that have many; no index without enough of them, none of bits. */
static void few(void)
{
    const kith_vector_params params[] = {
        {.name = "", .dim = DIM, .metric = KITH_DOT, .multi = true},
        {.name = "bits", .dim = DIM, .metric = KITH_HAMMING, .element = KITH_BIT, .multi = true}};
    const kith_schema schema = {params, 2, NULL, 0, NULL};
    struct sim_world *w = sim_world_new(92);
    kith_db *db = open_sim(w, 10000, 1 << 20);
    kith_collection_info info;

    CHECK(kith_create(db, "c", &schema, NULL) == 0);
    for (uint64_t i = 0; i < 2300; i++) {
        uint8_t bits[2][DIM / 8] = {{(uint8_t)i, (uint8_t)(i >> 8)}, {1, 2, 3, 4}};
        kith_vector v = {"bits", DIM, bits, KITH_BIT, 2};
        kith_point p = {kith_id_num(i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    }
    put_row(db, 77777, 1);
    CHECK(kith_optimize(db, "c", NULL) == 0);
    CHECK(kith_info(db, "c", &info, NULL) == 0 && info.indexed_vectors <= 1);
    kith_info_free(&info);
    for (int exact = 0; exact < 2; exact++) {
        float data[MOST * DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 3, .vector = many_at(5, data), .exact = exact};
        kith_result *r = kith_query_run(db, "c", &q, NULL);
        CHECK(r && r->count == 1 && r->hits[0].id.as.num == 77777);
        kith_result_free(r);
    }
    kith_close(db);
    sim_world_free(w);
}

static uint64_t indexed(kith_db *db)
{
    kith_collection_info info;
    uint64_t n;

    CHECK(kith_info(db, "c", &info, NULL) == 0);
    n = info.indexed_vectors;
    kith_info_free(&info);
    return n;
}

/* Nobody writes any more: it is made after a checkpoint, and, where the process ended before it was, after the next start
 * (tests/cases). */
static void by_itself(void)
{
    const kith_vector_params params = {.name = "", .dim = DIM, .metric = KITH_DOT, .multi = true};
    const kith_schema schema = {&params, 1, NULL, 0, NULL};

    for (int restart = 0; restart < 2; restart++) {
        struct sim_world *w = sim_world_new(93);
        kith_db *db = open_sim(w, 10000, 1 << 20);
        kith_snapshots made;
        CHECK(kith_create(db, "c", &schema, NULL) == 0);
        for (uint64_t i = 0; i < ROWS; i++)
            put_row(db, i, i);
        if (restart)
            inner(db)->graph_rows_min = UINT32_MAX;
        CHECK(kith_snapshot_create(db, "c", &made, NULL) == 0);
        kith_snapshots_free(&made);
        if (restart) {
            CHECK(indexed(db) == 0);
            kith_close(db);
            db = open_sim(w, 10000, 1 << 20);
            CHECK(kith_count(db, "c", NULL, true, 0, NULL) == ROWS);
        }
        settle(db);
        CHECK(indexed(db) > 0);
        kith_close(db);
        sim_world_free(w);
    }
}

static const struct test tests[] = {
    {"many: by every metric", metrics},
    {"many: of other elements", elements},
    {"many: over other codes", codes},
    {"many: few of them", few},
    {"many: an index comes by itself", by_itself},
};

TEST_MAIN(tests)
