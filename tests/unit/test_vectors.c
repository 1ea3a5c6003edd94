/* test_vectors.c - every element, metric, index and form of codes; sparse vectors. */
#include <math.h>
#include "engine.h"

static uint64_t graph_builds(kith_db *db)
{
    kith_stats stats;

    kith_stats_get(db, &stats);
    return stats.graph_builds;
}

/* ---- elements ----------------------------------------------------------------------------------------------- */

enum { ELEMENT_DIM = 64, ELEMENT_ROWS = 3000 };

/* As a caller gives it: f32, or bits. */
static kith_vector element_vector(kith_element e, uint64_t seed, float *data)
{
    uint8_t *bits = (uint8_t *)data;

    for (int i = 0; i < ELEMENT_DIM; i++)
        data[i] = (float)(splitmix(&seed) % 200) - (e == KITH_U8 ? 0 : 100);
    for (int i = 0; i < ELEMENT_DIM / 8 && e == KITH_BIT; i++)
        bits[i] = (uint8_t)splitmix(&seed);
    return (kith_vector){"", ELEMENT_DIM, data, e == KITH_BIT ? KITH_BIT : KITH_F32, 0};
}

/* Kept, searched while growing and sealed, by scan and by graph, read back, all as the kernels of the reference say. */
static void check_element(kith_db *db, kith_element e, kith_metric metric, const char *when)
{
    const struct kernels *k = kernels_best("scalar");
    int hits = 0;

    for (uint64_t i = 0; i < 30; i++) {
        float query[ELEMENT_DIM], room[ELEMENT_DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .vector = element_vector(e, 777 + i, query),
                        .select = {.vectors = 1}};
        struct schema_vector v = {.name = "", .dim = ELEMENT_DIM, .metric = metric, .element = e,
                                  .size = element_size(e, ELEMENT_DIM)};
        uint8_t kept[ELEMENT_DIM * 4];
        kith_result *got = kith_query_run(db, "c", &q, NULL), *want;
        struct ctx c;
        ctx_init(&c, NULL);
        CHECK(vector_take(&c, &v, k, &q.vector, room, kept) == 0);
        ctx_release(&c);
        q.exact = true;
        want = kith_query_run(db, "c", &q, NULL);
        CHECK(got && want && got->count == 10 && want->count == 10);
        for (size_t j = 0; got && want && j < got->count; j++) {
            const kith_vector *back = &want->hits[j].vectors[0];
            float d = vec_distance(k, metric, e, kept, back->data, ELEMENT_DIM);
            CHECK(back->element == e && fabsf(d - want->hits[j].distance) <= 1e-4f * fabsf(d) + 1e-3f);
            hits += got->hits[j].distance <= want->hits[9].distance;
        }
        kith_result_free(got);
        kith_result_free(want);
    }
    if (hits < 270)
        printf("     element %d metric %d %s: %d of 300\n", (int)e, (int)metric, when, hits);
    CHECK(hits >= 270);
}

static void one_element(kith_element e, kith_metric metric)
{
    const kith_vector_params params = {.name = "", .dim = ELEMENT_DIM, .metric = metric, .element = e};
    const kith_schema schema = {&params, 1, NULL, 0, NULL};
    struct sim_world *w = sim_world_new(55);
    kith_db *db = open_sim(w, 5000, 1 << 20);
    uint64_t before[2], after[2];
    kith_err err;

    CHECK(kith_create(db, "c", &schema, &err) == 0);
    for (uint64_t i = 0; i < ELEMENT_ROWS; i++) {
        float data[ELEMENT_DIM];
        kith_vector v = element_vector(e, i * 7919, data);
        CHECK(put_vector(db, i, &v) == 0);
    }
    settle(db);
    check_element(db, e, metric, "growing");
    CHECK(kith_digest(db, "c", before, &err) == 0);
    kith_close(db);
    db = open_sim(w, 5000, 1 << 20); /* from the log */
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    CHECK(kith_optimize(db, "c", &err) == 0);
    check_element(db, e, metric, "sealed");
    kith_close(db);
    db = open_sim(w, 5000, 1 << 20);
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    check_element(db, e, metric, "opened");
    kith_close(db);
    sim_world_free(w);
}

static void elements(void)
{
    static const kith_element numbers[] = {KITH_F32, KITH_F16, KITH_BF16, KITH_I8, KITH_U8, KITH_SCALED8, KITH_SCALED4};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        kith_element e = numbers[i];
        for (kith_metric metric = KITH_COSINE; metric <= KITH_MANHATTAN; metric++)
            one_element(e, metric);
    }
    one_element(KITH_BIT, KITH_HAMMING);
    one_element(KITH_BIT, KITH_JACCARD);
    one_element(KITH_BIT, KITH_DOT);
}

static void wrong_elements(void)
{
    kith_vector_params params = {.name = "", .dim = 60, .metric = KITH_HAMMING, .element = KITH_BIT};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    struct sim_world *w = sim_world_new(56);
    kith_db *db = open_sim(w, 5000, 1 << 20);
    int8_t bytes[64] = {0};
    kith_vector v = {"", 64, bytes, KITH_U8, 0};
    kith_point p = {kith_id_num(1), {KITH_DOC_NONE, 0, NULL}, &v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
    kith_err err;

    CHECK(kith_create(db, "c", &schema, &err) == KITH_INVALID && strstr(err.text, "60 bits"));
    params.dim = 64;
    params.metric = KITH_EUCLID;
    CHECK(kith_create(db, "c", &schema, &err) == KITH_INVALID && strstr(err.text, "hamming"));
    params.element = KITH_F32;
    params.metric = KITH_JACCARD;
    CHECK(kith_create(db, "c", &schema, &err) == KITH_INVALID && strstr(err.text, "bits"));
    params.element = KITH_I8;
    params.metric = KITH_COSINE;
    CHECK(kith_create(db, "c", &schema, &err) == 0);
    CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, &err) == KITH_INVALID && strstr(err.text, "elements u8"));
    v.element = KITH_I8; /* all zeros: no angle, and nothing breaks */
    CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, &err) == 0);
    kith_close(db);
    sim_world_free(w);
}

/* ---- sparse vectors ---------------------------------------------------------------------------------------- */

enum { SPARSE_ROWS = 20000, SPARSE_TERMS = 2000, SPARSE_MOST = 12 };

/* A few common terms, many rare ones. `signs`: some values are negative. */
static uint32_t sparse_vector_at(uint64_t seed, bool signs, uint32_t *indices, float *values)
{
    uint32_t n = (uint32_t)(splitmix(&seed) % SPARSE_MOST), count = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = splitmix(&seed);
        uint32_t term = (uint32_t)((r >> 8) % (1 + (r & 255) * SPARSE_TERMS / 256));
        bool twice = false;
        for (uint32_t j = 0; j < count; j++)
            twice = twice || indices[j] == term * 77;
        if (twice)
            continue;
        indices[count] = term * 77;
        values[count++] = (float)(splitmix(&seed) % 1000) / 100 - (signs && seed % 5 == 0 ? 5 : 0);
    }
    return count;
}

struct sparse_model {
    uint32_t count[SPARSE_ROWS];
    uint32_t indices[SPARSE_ROWS][SPARSE_MOST];
    float values[SPARSE_ROWS][SPARSE_MOST];
    bool gone[SPARSE_ROWS];
};

static void give_sparse(struct sparse_model *m, uint32_t row, uint32_t *blob, kith_vector *v)
{
    memcpy(blob, m->indices[row], m->count[row] * 4);
    memcpy(blob + m->count[row], m->values[row], m->count[row] * 4);
    *v = (kith_vector){"", m->count[row], blob, KITH_SPARSE, 0};
}

static double model_score(const struct sparse_model *m, uint32_t row, uint32_t n, const uint32_t *indices,
                          const double *weights, bool *ret_common)
{
    double score = 0;

    *ret_common = false;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < m->count[row]; j++) {
            if (m->indices[row][j] == indices[i]) {
                score += weights[i] * (double)m->values[row][j];
                *ret_common = true;
            }
        }
    }
    return score;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x > y ? -1 : x < y;
}

static bool matches_filter(uint32_t row, uint32_t every)
{
    return !every || row % every == 0;
}

static void check_sparse(kith_db *db, const struct sparse_model *m, bool idf, bool signs, uint32_t every)
{
    static double scores[SPARSE_ROWS];
    kith_value zero = {.kind = KITH_VALUE_INT, .num = 0};
    kith_filter f = {.kind = KITH_COND_MATCH, .path = every == 3 ? "by3" : "by100", .values = &zero, .values_count = 1};

    for (uint64_t i = 0; i < 16; i++) {
        uint32_t blob[2 * SPARSE_MOST], indices[SPARSE_MOST], n, found = 0;
        float values[SPARSE_MOST];
        double weights[SPARSE_MOST];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = i % 4 == 3 ? 150 : 10, .filter = every ? &f : NULL};
        kith_result *r;
        n = sparse_vector_at(5000000 + i, signs && i % 2, indices, values);
        memcpy(blob, indices, n * 4);
        memcpy(blob + n, values, n * 4);
        for (uint32_t j = 0; j < n; j++) {
            uint32_t df = 0, points = 0;
            for (uint32_t row = 0; row < SPARSE_ROWS; row++) {
                points += !m->gone[row];
                for (uint32_t x = 0; x < m->count[row] && !m->gone[row]; x++)
                    df += m->indices[row][x] == indices[j];
            }
            weights[j] = (double)values[j] * (idf ? log(1 + (points - df + 0.5) / (df + 0.5)) : 1);
        }
        for (uint32_t row = 0; row < SPARSE_ROWS; row++) {
            bool common;
            double score = model_score(m, row, n, indices, weights, &common);
            if (common && !m->gone[row] && matches_filter(row, every))
                scores[found++] = score;
        }
        qsort(scores, found, sizeof *scores, descending);
        q.vector = (kith_vector){"", n, blob, KITH_SPARSE, 0};
        r = kith_query_run(db, "c", &q, NULL);
        CHECK(r && r->count == MIN(found, q.limit));
        for (size_t j = 0; r && j < r->count && j < found; j++) {
            uint32_t row = (uint32_t)r->hits[j].id.as.num;
            bool common;
            double own = model_score(m, row, n, indices, weights, &common);
            CHECK(fabs(-(double)r->hits[j].distance - scores[j]) <= 1e-4 * fabs(scores[j]) + 1e-4);
            CHECK(fabs(own - scores[j]) <= 1e-4 * fabs(scores[j]) + 1e-4 && matches_filter(row, every) && !m->gone[row]);
        }
        kith_result_free(r);
    }
}

static void check_all_sparse(kith_db *db, const struct sparse_model *m, bool idf, bool signs)
{
    check_sparse(db, m, idf, signs, 0);
    check_sparse(db, m, idf, signs, 3);
    check_sparse(db, m, idf, signs, 100);
}

static int put_sparse(kith_db *db, struct sparse_model *m, uint32_t from, uint32_t to, kith_op_kind kind)
{
    enum { BATCH = 500 };
    static uint32_t blobs[BATCH][2 * SPARSE_MOST];
    static kith_vector v[BATCH];
    static kith_point p[BATCH];
    static char docs[BATCH][40];
    int rc = 0;

    for (uint32_t row = from; row < to && rc >= 0;) {
        kith_op op = {.kind = kind, .points = p};
        for (; op.points_count < BATCH && row < to; row++, op.points_count++) {
            size_t i = op.points_count;
            int size = snprintf(docs[i], sizeof docs[i], "{\"by3\":%u,\"by100\":%u}", row % 3, row % 100);
            give_sparse(m, row, blobs[i], &v[i]);
            p[i] = (kith_point){kith_id_num(row), {KITH_DOC_JSON, (uint32_t)size, docs[i]}, &v[i], 1};
        }
        rc = kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
    }
    return rc;
}

/* Share of the exact answers' ten best scores found with such a target; `ret_entries`: looked at for it. */
static double sparse_recall(kith_db *db, float target, uint64_t *ret_entries)
{
    uint32_t hits = 0, wanted = 0;

    *ret_entries = 0;
    for (uint64_t i = 0; i < 200; i++) {
        uint32_t blob[2 * SPARSE_MOST], indices[SPARSE_MOST], n;
        float values[SPARSE_MOST];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .target_recall = target, .explain = true};
        kith_result *some, *all;
        const char *entries;
        n = sparse_vector_at(7000000 + i, false, indices, values);
        memcpy(blob, indices, n * 4);
        memcpy(blob + n, values, n * 4);
        q.vector = (kith_vector){"", n, blob, KITH_SPARSE, 0};
        some = kith_query_run(db, "c", &q, NULL);
        q.exact = true;
        all = kith_query_run(db, "c", &q, NULL);
        CHECK(some && all && some->count <= all->count);
        for (size_t j = 0; some && all && j < some->count; j++)
            hits += some->hits[j].distance <= all->hits[all->count - 1].distance;
        wanted += all ? (uint32_t)all->count : 0;
        entries = some && some->explain ? strstr(some->explain, "\"entries\":") : NULL;
        *ret_entries += entries ? strtoull(entries + 10, NULL, 10) : 0;
        kith_result_free(some);
        kith_result_free(all);
    }
    return (double)hits / wanted;
}

/* Exact unless a target is named; then about as much is found as was asked for, with less work. */
static void check_slack(kith_db *db)
{
    static const float targets[] = {0.8f, 0.9f, 0.99f};
    uint64_t all, some;

    CHECK(sparse_recall(db, 0, &all) >= 1);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        double recall = sparse_recall(db, targets[i], &some);
        printf("     asked for %.2f, found %.3f, entries %llu of %llu\n", (double)targets[i], recall,
               (unsigned long long)some, (unsigned long long)all);
        CHECK(recall > (double)targets[i] - 0.03 && recall <= 1);
        CHECK(targets[i] > 0.85f || (recall < 1 && some < all));
    }
}

static void sparse_one(bool idf, bool signs)
{
    const kith_vector_params params = {.name = "", .metric = KITH_DOT, .element = KITH_SPARSE, .idf = idf};
    const kith_field fields[] = {{.path = "by3", .index = KITH_INDEX_INTEGER}, {.path = "by100", .index = KITH_INDEX_INTEGER}};
    const kith_schema schema = {&params, 1, fields, 2, NULL};
    struct sparse_model *m = calloc(1, sizeof *m);
    struct sim_world *w = sim_world_new(66);
    kith_db *db = open_sim(w, 8000, 1 << 22);
    uint64_t before[2], after[2];
    kith_id gone[400];
    kith_op drop = {.kind = KITH_DELETE, .ids = gone, .ids_count = ARRAY_SIZE(gone)};
    kith_err err;

    CHECK(m && kith_create(db, "c", &schema, &err) == 0);
    for (uint32_t row = 0; row < SPARSE_ROWS; row++)
        m->count[row] = sparse_vector_at(row, signs, m->indices[row], m->values[row]);
    CHECK(put_sparse(db, m, 0, SPARSE_ROWS, KITH_UPSERT) == 0);
    check_all_sparse(db, m, idf, signs);
    CHECK(kith_optimize(db, "c", &err) == 0);
    check_all_sparse(db, m, idf, signs);
    for (uint32_t row = 100; row < 500; row++) /* over sealed rows, and new rows */
        m->count[row] = sparse_vector_at(row + 9000000, signs, m->indices[row], m->values[row]);
    CHECK(put_sparse(db, m, 100, 300, KITH_UPDATE_VECTORS) == 0);
    CHECK(put_sparse(db, m, 300, 500, KITH_UPSERT) == 0);
    for (uint32_t i = 0; i < ARRAY_SIZE(gone); i++) {
        gone[i] = kith_id_num(i * 47);
        m->gone[i * 47] = true;
    }
    CHECK(kith_write(db, "c", &drop, 1, KITH_WAIT_APPLIED, NULL, &err) == 0);
    check_all_sparse(db, m, idf, signs);
    CHECK(kith_digest(db, "c", before, &err) == 0);
    kith_close(db);
    db = open_sim(w, 8000, 1 << 22);
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    check_all_sparse(db, m, idf, signs);
    CHECK(kith_optimize(db, "c", &err) == 0);
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    check_all_sparse(db, m, idf, signs);
    if (!signs)
        check_slack(db);
    kith_close(db);
    sim_world_free(w);
    free(m);
}

static void sparse_vectors(void)
{
    sparse_one(false, false);
    sparse_one(true, false);
    sparse_one(false, true);
}

/* ---- indexes by name ----------------------------------------------------------------------------------------- */

enum { INDEXED_ROWS = 4000 };

/* Around one of 50 places, as real vectors lie. */
static kith_vector clustered(uint64_t seed, float *data)
{
    uint64_t place = splitmix(&seed) % 50, other = seed;

    for (int i = 0; i < ELEMENT_DIM; i++) {
        float near = (float)(splitmix(&place) % 200) - 100, off = (float)(splitmix(&other) % 200) - 100;
        data[i] = near + 0.7f * off;
    }
    return (kith_vector){"", ELEMENT_DIM, data, KITH_F32, 0};
}

static double index_recall(kith_db *db, const kith_filter *f, const char *what)
{
    return recall_of_ten(db, f, 2, what, clustered, 555000);
}

static void load_indexed(kith_db *db, kith_element e, kith_metric metric, const kith_vector_index *index)
{
    kith_vector_params params = {.name = "", .dim = ELEMENT_DIM, .metric = metric, .element = e, .index = *index};
    kith_field even = {.path = "even", .index = KITH_INDEX_BOOL};
    kith_schema schema = {&params, 1, &even, 1, NULL};

    CHECK(kith_create(db, "c", &schema, NULL) == 0);
    for (uint64_t i = 0; i < INDEXED_ROWS; i++) {
        float data[ELEMENT_DIM];
        kith_vector v = e == KITH_BIT ? element_vector(e, i * 7919, data) : clustered(i, data);
        const char *doc = i % 2 ? "{\"even\":false}" : "{\"even\":true}";
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, (uint32_t)strlen(doc), doc}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    }
    CHECK(kith_optimize(db, "c", NULL) == 0);
}

/* `holes`: rows were deleted, so that a graph is walked under a mask. */
static void check_indexed(kith_db *db, const kith_vector_index *index, kith_metric metric, bool holes)
{
    kith_filter even = {.kind = KITH_COND_MATCH, .path = "even"};
    kith_value yes = {.kind = KITH_VALUE_BOOL, .boolean = true};
    const char *what = index->method == KITH_METHOD_LISTS ? "\"lists" : holes ? "\"filter" : "\"walk";
    double all, some;

    even.values = &yes;
    even.values_count = 1;
    all = index_recall(db, NULL, what);
    some = index_recall(db, &even, NULL);
    if (all < 0.9 || some < 0.85)
        printf("     method %d, codes %d, metric %d: %.3f, filtered %.3f\n", (int)index->method, (int)index->codes,
               (int)metric, all, some);
    CHECK(all >= 0.9 && some >= 0.85);
}

static void one_index(kith_metric metric, kith_vector_index index)
{
    struct sim_world *w = sim_world_new(57);
    kith_db *db = open_sim(w, 10000, 1 << 20);
    kith_id gone[40];
    kith_op drop = {.kind = KITH_DELETE, .ids = gone, .ids_count = ARRAY_SIZE(gone)};

    load_indexed(db, KITH_F32, metric, &index);
    check_indexed(db, &index, metric, false);
    kith_close(db);
    db = open_sim(w, 10000, 1 << 20);
    for (uint64_t i = 0; i < ARRAY_SIZE(gone); i++)
        gone[i] = kith_id_num(i * 100);
    CHECK(kith_write(db, "c", &drop, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    check_indexed(db, &index, metric, true);
    kith_close(db);
    sim_world_free(w);
}

static void indexes(void)
{
    for (kith_metric metric = KITH_COSINE; metric <= KITH_MANHATTAN; metric++) {
        for (int method = KITH_METHOD_AUTO; method <= KITH_METHOD_LISTS; method += KITH_METHOD_LISTS) {
            for (kith_codes codes = KITH_CODES_AUTO; codes <= KITH_CODES_PRODUCT; codes++) {
                if (metric != KITH_MANHATTAN || codes == KITH_CODES_AUTO || codes == KITH_CODES_PRODUCT)
                    one_index(metric, (kith_vector_index){.method = (kith_method)method, .codes = codes,
                                                          .spill = codes == KITH_CODES_BIT, .code_bytes = 30});
            }
        }
    }
}

/* Bits have lists too, and a live collection takes another index while it is searched. */
static void index_changes(void)
{
    static const kith_vector_index steps[] = {
        {.method = KITH_METHOD_LISTS}, {.method = KITH_METHOD_LISTS, .lists = 7, .spill = true},
        {.codes = KITH_CODES_TWO_BITS}, {.codes = KITH_CODES_BIT}, {.codes = KITH_CODES_PRODUCT, .code_bytes = 64},
        {.codes = KITH_CODES_PRODUCT, .code_bytes = 16}, {.method = KITH_METHOD_LISTS, .codes = KITH_CODES_BIT}, {0}};
    kith_vector_params params = {.name = ""};
    struct sim_world *w = sim_world_new(58);
    kith_db *db = open_sim(w, 10000, 1 << 20);
    uint64_t before = graph_builds(db);
    kith_err err;

    load_indexed(db, KITH_F32, KITH_COSINE, &steps[0]);
    for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
        params.index = steps[i];
        CHECK(kith_configure_vector(db, "c", &params, &err) == 0);
        CHECK(index_recall(db, NULL, NULL) > 0.85); /* the old one serves */
        before = graph_builds(db);
        CHECK(kith_optimize(db, "c", &err) == 0);
        CHECK(graph_builds(db) == before + 1);
        check_indexed(db, &steps[i], KITH_COSINE, false);
    }
    before = graph_builds(db);
    CHECK(kith_optimize(db, "c", &err) == 0 && graph_builds(db) == before); /* it rests */
    params.index.codes = (kith_codes)9;
    CHECK(kith_configure_vector(db, "c", &params, &err) == KITH_INVALID && strstr(err.text, "codes 9"));
    params.index = (kith_vector_index){.code_bytes = ELEMENT_DIM + 1};
    CHECK(kith_configure_vector(db, "c", &params, &err) == KITH_INVALID && strstr(err.text, "1 to 64"));
    kith_close(db);
    sim_world_free(w);
}

static void lists_of_bits(void)
{
    for (kith_metric metric = KITH_HAMMING; metric <= KITH_JACCARD; metric++) {
        const kith_vector_index index = {.method = KITH_METHOD_LISTS, .spill = metric == KITH_JACCARD, .lists = 40};
        struct sim_world *w = sim_world_new(59);
        kith_db *db = open_sim(w, 10000, 1 << 20);
        load_indexed(db, KITH_BIT, metric, &index);
        check_element(db, KITH_BIT, metric, "lists");
        kith_close(db);
        sim_world_free(w);
    }
}

/* Sums that leave the range of f32 hide nobody, growing or sealed. */
static void endless_sums(void)
{
    static const kith_vector_params params = {.name = "", .metric = KITH_DOT, .element = KITH_SPARSE};
    static const kith_schema schema = {&params, 1, NULL, 0, NULL};
    struct sim_world *w = sim_world_new(60);
    kith_db *db = open_sim(w, 5000, 1 << 20);
    uint32_t blob[4] = {3, 9};
    const float huge[2] = {3e38f, 3e38f};
    kith_vector v = {"", 2, blob, KITH_SPARSE, 0};
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .vector = v};

    memcpy(blob + 2, huge, sizeof huge);
    CHECK(kith_create(db, "c", &schema, NULL) == 0);
    for (uint64_t i = 0; i < 300; i++)
        CHECK(put_vector(db, i, &v) == 0);
    for (int sealed = 0; sealed < 2; sealed++) {
        kith_result *r = kith_query_run(db, "c", &q, NULL);
        CHECK(r && r->count == 10);
        kith_result_free(r);
        CHECK(kith_optimize(db, "c", NULL) == 0);
    }
    kith_close(db);
    sim_world_free(w);
}

static const struct test tests[] = {
    {"vectors: every element by every metric", elements},
    {"vectors: wrong elements", wrong_elements},
    {"vectors: every index by every metric", indexes},
    {"vectors: another index", index_changes},
    {"vectors: lists of bits", lists_of_bits},
    {"vectors: sparse ones", sparse_vectors},
    {"vectors: sums beyond f32", endless_sums},
};
TEST_MAIN(tests)
