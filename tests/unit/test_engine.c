/* test_engine.c - what the simulation does not reach: many collections, bounded logs, corruption,
 * strings as ids, declared fields, threads. */
#include <math.h>
#include "test.h"

#include "engine.h"

#include <unistd.h>

static int put(kith_db *db, const char *name, kith_id id, float x, const char *doc, kith_err *err)
{
    float data[2] = {x, 1};
    kith_vector v = {"", 2, data, KITH_F32, 0};
    kith_point p = {id, {doc ? KITH_DOC_JSON : KITH_DOC_NONE, doc ? (uint32_t)strlen(doc) : 0, doc}, &v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};

    return kith_write(db, name, &op, 1, KITH_WAIT_APPLIED, NULL, err);
}

static const kith_vector_params two = {.name = "", .dim = 2, .metric = KITH_EUCLID};
static const kith_schema plain = {&two, 1, NULL, 0, NULL};

static void many_collections(void)
{
    struct sim_world *w = sim_world_new(11);
    kith_db *db = open_sim(w, 1000, 64 << 10);
    uint64_t most = 0;
    kith_stats stats;
    kith_err err;
    char name[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        CHECK(kith_create(db, name, &plain, &err) == 0);
        CHECK(put(db, name, kith_id_num(1), 1, "{\"a\":1}", &err) == 0);
    }
    for (int i = 0; i < 6000; i++) { /* then much into one: the others must not hold the log back */
        CHECK(put(db, "c7", kith_id_num((uint64_t)i % 50), (float)i, "{\"text\":\"something of a size\"}", &err) == 0);
        settle(db);
        kith_stats_get(db, &stats);
        if (i > 1000)
            most = MAX(most, stats.log_bytes);
    }
    printf("     log at most %llu KiB\n", (unsigned long long)most / 1024);
    CHECK(most < 64 * 8 << 10);
    kith_close(db);
    sim_world_restart(w);
    db = open_sim(w, 1000, 64 << 10);
    CHECK(db != NULL);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        CHECK(kith_count(db, name, NULL, true, 0, &err) == (i == 7 ? 50 : 1));
    }
    for (int i = 0; i < 2; i++) { /* idle: first what is only in memory is sealed, then all is let go */
        idle_sweep((struct db *)(void *)db, UINT64_MAX);
        settle(db);
    }
    kith_stats_get(db, &stats);
    CHECK(stats.collections == 2000 && stats.loaded == 0);
    CHECK(kith_count(db, "c7", NULL, true, 0, &err) == 50);
    kith_stats_get(db, &stats);
    CHECK(stats.loaded == 1);
    kith_close(db);
    sim_world_free(w);
}

/* A process that is killed again and again has time to seal, and none to merge: segments do not gather for ever. */
static void short_lives(void)
{
    struct sim_world *w = sim_world_new(12);
    kith_db *db = open_sim(w, 1000, 64 << 10);
    kith_collection_info info;
    kith_err err;

    CHECK(kith_create(db, "c", &plain, &err) == 0);
    for (uint64_t life = 0; life < 300; life++) {
        for (uint64_t i = 0; i < 3; i++)
            CHECK(put(db, "c", kith_id_num(life * 3 + i), (float)i, NULL, &err) == 0);
        CHECK(kith_checkpoint(db, "c", &err) == 0);
        kith_close(db);
        sim_world_restart(w);
        db = open_sim(w, 1000, 64 << 10);
    }
    CHECK(kith_count(db, "c", NULL, true, 0, &err) == 900);
    CHECK(kith_info(db, "c", &info, &err) == 0 && !info.problem && info.segments < 140);
    kith_info_free(&info);
    kith_close(db);
    sim_world_free(w);
}

/* ---- corruption (T6): sectors of every file, one at a time ------------------------------------------------ */

struct sector_list {
    char paths[64][128];
    size_t count;
};

static int add_path(void *arg, const char *path)
{
    struct sector_list *l = arg;

    if (l->count < 64)
        snprintf(l->paths[l->count++], 128, "%s", path);
    return 0;
}

static void count_report(void *arg, const char *text)
{
    UNUSED(text);
    ++*(int *)arg;
}

static struct sim_world *small_database(uint64_t digest[2])
{
    struct sim_world *w = sim_world_new(12);
    kith_field f = {.path = "a", .index = KITH_INDEX_INTEGER};
    kith_schema schema = {&two, 1, &f, 1, NULL};
    kith_db *db = open_sim(w, 40, 32 << 10);
    kith_err err;
    char doc[32];

    inner(db)->graph_rows_min = 8;
    CHECK(kith_create(db, "c", &schema, &err) == 0);
    for (uint64_t i = 0; i < 130; i++) {
        snprintf(doc, sizeof doc, "{\"a\":%d}", (int)i % 9);
        CHECK(put(db, "c", kith_id_num(i * 13 % 101), (float)i, doc, &err) == 0);
        settle(db);
    }
    CHECK(kith_digest(db, "c", digest, &err) == 0);
    kith_close(db);
    sim_world_restart(w);
    return w;
}

static void every_sector(void)
{
    uint64_t digest[2], found = 0, harmless = 0;
    struct sim_world *w = small_database(digest);
    struct sector_list files = {.count = 0};

    (void)sim_world_list(w, add_path, &files);
    sim_world_free(w);
    for (size_t f = 0; f < files.count; f++) {
        size_t size = 1;
        for (size_t at = 512 * test_dice(2); at < size; at += 512 * (1 + test_dice(4))) {
            uint64_t unused[2], after[2] = {0, 0};
            uint8_t *file;
            int problems = 0, rc;
            struct ctx c;
            w = small_database(unused);
            CHECK(memcmp(unused, digest, sizeof digest) == 0);
            file = sim_world_file(w, files.paths[f], &size);
            if (file && at < size) {
                for (size_t i = at; i < MIN(size, at + 512); i++)
                    file[i] = (uint8_t)(test_dice(2) ? test_dice(256) : 0);
                ctx_init(&c, sim_world_os(w));
                rc = db_check(&c, sim_world_os(w), "db", count_report, &problems);
                ctx_release(&c);
                if (rc != 0) {
                    found++;
                } else { /* not noticed: then nothing may have changed */
                    kith_db *db = open_sim(w, 40, 32 << 10);
                    kith_err err;
                    CHECK(db && kith_digest(db, "c", after, &err) == 0);
                    CHECK(memcmp(after, digest, sizeof digest) == 0);
                    harmless += memcmp(after, digest, sizeof digest) == 0;
                    if (memcmp(after, digest, sizeof digest) != 0)
                        printf("     %s at %zu\n", files.paths[f], at);
                    kith_close(db);
                }
            }
            sim_world_free(w);
        }
    }
    printf("     %llu found, %llu without effect\n", (unsigned long long)found, (unsigned long long)harmless);
    CHECK(found > 10);
}

/* One damaged shard does not stop the others. */
static void quarantine(void)
{
    struct sim_world *w = sim_world_new(13);
    kith_db *db = open_sim(w, 100, 64 << 10);
    struct sector_list files = {.count = 0};
    kith_err err;
    size_t size;
    uint8_t *file;

    CHECK(kith_create(db, "bad", &plain, &err) == 0 && kith_create(db, "good", &plain, &err) == 0);
    for (uint64_t i = 0; i < 20; i++) {
        CHECK(put(db, "bad", kith_id_num(i), 1, NULL, &err) == 0);
        CHECK(put(db, "good", kith_id_num(i), 1, NULL, &err) == 0);
    }
    CHECK(kith_checkpoint(db, "bad", &err) == 0);
    kith_close(db);
    (void)sim_world_list(w, add_path, &files);
    for (size_t i = 0; i < files.count; i++) {
        if (strstr(files.paths[i], "blobs/") && (file = sim_world_file(w, files.paths[i], &size)))
            memset(file + size - 100, 0x55, 50);
    }
    db = open_sim(w, 100, 64 << 10);
    CHECK(db != NULL);
    CHECK(kith_count(db, "bad", NULL, true, 0, &err) == KITH_CORRUPT && strstr(err.text, "blob"));
    CHECK(put(db, "bad", kith_id_num(99), 1, NULL, &err) == KITH_CORRUPT);
    CHECK(kith_count(db, "good", NULL, true, 0, &err) == 20);
    CHECK(put(db, "good", kith_id_num(99), 1, NULL, &err) == 0);
    kith_close(db);
    sim_world_free(w);
}

/* ---- ids, declared fields, views, threads --------------------------------------------------------------------- */

static void string_ids(void)
{
    struct sim_world *w = sim_world_new(14);
    kith_db *db = open_sim(w, 20, 64 << 10);
    kith_query q = {.kind = KITH_QUERY_SCROLL, .limit = 100};
    kith_result *r;
    kith_err err;
    char id[16];

    CHECK(kith_create(db, "c", &plain, &err) == 0);
    for (int i = 59; i >= 0; i--) {
        snprintf(id, sizeof id, "key-%02d", i);
        CHECK(put(db, "c", kith_id_str(id), 1, NULL, &err) == 0);
        settle(db);
    }
    CHECK(put(db, "c", kith_id_str(""), 1, NULL, &err) == KITH_INVALID);
    r = kith_query_run(db, "c", &q, &err);
    CHECK(r && r->count == 60 && memcmp(r->hits[17].id.as.str, "key-17", 6) == 0);
    kith_result_free(r);
    kith_close(db);
    sim_world_free(w);
}

static void declared_fields(void)
{
    struct sim_world *w = sim_world_new(15);
    kith_db *db = open_sim(w, 20, 64 << 10);
    kith_field f[] = {{.path = "n", .type = KITH_TYPE_INT8}, {.path = "s", .type = KITH_TYPE_STRING, .size_max = 3,
                       .nullable = true}, {.path = "d", .type = KITH_TYPE_DOUBLE, .initial = "1.5"}};
    kith_schema schema = {&two, 1, f, 3, NULL};
    kith_id one = kith_id_num(1);
    kith_result *r;
    kith_err err;
    char *json;

    CHECK(kith_create(db, "c", &schema, &err) == 0);
    CHECK(put(db, "c", one, 1, "{\"n\":128}", &err) == KITH_INVALID && strstr(err.text, "\"n\""));
    CHECK(put(db, "c", one, 1, "{}", &err) == KITH_INVALID);
    CHECK(put(db, "c", one, 1, "{\"n\":1,\"s\":\"long\"}", &err) == KITH_INVALID);
    CHECK(put(db, "c", one, 1, "{\"n\":-128,\"s\":null}", &err) == 0);
    r = kith_get(db, "c", &one, 1, NULL, 0, &err);
    CHECK(r && r->count == 1);
    json = kith_doc_json(&r->hits[0].doc, NULL);
    CHECK(strcmp(json, "{\"n\":-128,\"s\":null,\"d\":1.5}") == 0);
    kith_free(json);
    kith_result_free(r);
    kith_close(db);
    sim_world_free(w);
}

static void pinned_view(void)
{
    struct sim_world *w = sim_world_new(16);
    kith_db *db = open_sim(w, 30, 64 << 10);
    kith_query q = {.kind = KITH_QUERY_SCROLL, .limit = 1000};
    kith_view *view;
    kith_result *r;
    kith_err err;

    CHECK(kith_create(db, "c", &plain, &err) == 0);
    for (uint64_t i = 0; i < 100; i++)
        CHECK(put(db, "c", kith_id_num(i), 1, "{\"v\":1}", &err) == 0);
    view = kith_view_pin(db, "c", &err);
    CHECK(view != NULL);
    for (uint64_t i = 50; i < 250; i++) {
        CHECK(put(db, "c", kith_id_num(i), 2, "{\"v\":2}", &err) == 0);
        settle(db);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    r = kith_view_query(view, &q, &err);
    CHECK(r && r->count == 100);
    kith_result_free(r);
    kith_view_unpin(view);
    CHECK(kith_count(db, "c", NULL, true, 0, &err) == 250);
    kith_close(db);
    sim_world_free(w);
}

struct worker {
    kith_db *db;
    int lane, rc;
};

static void work(void *arg)
{
    struct worker *k = arg;
    kith_err err;

    for (int i = 0; i < 400 && k->rc >= 0; i++) {
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 5};
        float v[2] = {(float)i, 1};
        kith_result *r;
        k->rc = put(k->db, "c", kith_id_num((uint64_t)(k->lane * 1000 + i % 150)), (float)i, "{\"a\":1}", &err);
        q.vector.dim = 2;
        q.vector.data = v;
        r = kith_query_run(k->db, "c", &q, &err);
        if (!r || !r->count)
            k->rc = KITH_IO;
        kith_result_free(r);
    }
}

static void threads(void)
{
    kith_options o = {.growing_rows_max = 100, .threads = 2};
    struct os_thread *t[8];
    struct worker k[8];
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    uint64_t before[2], after[2];
    kith_db *db;
    kith_err err;

    CHECK(mkdtemp(dir) != NULL);
    db = kith_open(dir, &o, &err);
    CHECK(db && kith_create(db, "c", &plain, &err) == 0);
    for (int i = 0; i < 8; i++) {
        k[i] = (struct worker){db, i, 0};
        CHECK(os_linux()->thread(os_linux(), "test", false, work, &k[i], &t[i]) == 0);
    }
    for (int i = 0; i < 8; i++) {
        os_linux()->join(os_linux(), t[i]);
        CHECK(k[i].rc >= 0);
    }
    CHECK(kith_count(db, "c", NULL, true, 0, &err) == 8 * 150);
    CHECK(kith_digest(db, "c", before, &err) == 0);
    CHECK(kith_optimize(db, "c", &err) == 0);
    kith_close(db);
    db = kith_open(dir, &o, &err);
    CHECK(db && kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    kith_close(db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

/* ---- graphs that grow while they are searched ------------------------------------------------------------ */

enum { LINKED_DIM = 24, LINKED_ROWS = 9000 };

static void random_vector(uint64_t *seed, float *v)
{
    for (int i = 0; i < LINKED_DIM; i++)
        v[i] = (float)(splitmix(seed) % 2000) / 1000 - 1;
}

static void insert_rows(void *arg)
{
    struct worker *w = arg;
    uint64_t seed = 77 + (uint64_t)w->lane;

    for (int i = 0; i < LINKED_ROWS / 2 && w->rc >= 0; i++) {
        float data[LINKED_DIM];
        kith_vector v = {"", LINKED_DIM, data, KITH_F32, 0};
        random_vector(&seed, data);
        w->rc = put_vector(w->db, (uint64_t)(w->lane * LINKED_ROWS + i), &v);
        if (i % 50 == 0) { /* found at once, linked or not */
            kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 1, .vector = {"", LINKED_DIM, data, KITH_F32, 0}};
            kith_result *r = kith_query_run(w->db, "c", &q, NULL);
            CHECK(r && r->count == 1 && r->hits[0].distance < 1e-6f);
            kith_result_free(r);
        }
    }
}

/* Share of the true 10 nearest that searches find. */
static double recall_now(kith_db *db, uint64_t seed)
{
    int hits = 0;

    for (int i = 0; i < 50; i++) {
        float data[LINKED_DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .vector = {"", LINKED_DIM, data, KITH_F32, 0}};
        kith_result *got, *want;
        random_vector(&seed, data);
        got = kith_query_run(db, "c", &q, NULL);
        q.exact = true;
        want = kith_query_run(db, "c", &q, NULL);
        CHECK(got && want && got->count == 10 && want->count == 10);
        for (size_t j = 0; got && want && j < got->count; j++)
            hits += got->hits[j].distance <= want->hits[9].distance;
        kith_result_free(got);
        kith_result_free(want);
    }
    return hits / 500.0;
}

static void live_links(void)
{
    static const kith_vector_params params = {.name = "", .dim = LINKED_DIM, .metric = KITH_EUCLID};
    static const kith_schema schema = {&params, 1, NULL, 0, NULL};
    kith_options o = {.growing_rows_max = 4000, .threads = 2};
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    struct os_thread *t[2];
    struct worker w[2];
    kith_stats stats;
    kith_db *db;
    kith_err err;

    CHECK(mkdtemp(dir) != NULL);
    db = kith_open(dir, &o, &err);
    CHECK(db && kith_create(db, "c", &schema, &err) == 0);
    for (int i = 0; i < 2; i++) {
        w[i] = (struct worker){db, i, 0};
        CHECK(os_linux()->thread(os_linux(), "test", false, insert_rows, &w[i], &t[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        os_linux()->join(os_linux(), t[i]);
        CHECK(w[i].rc >= 0);
    }
    CHECK(recall_now(db, 5) > 0.95);
    CHECK(kith_optimize(db, "c", &err) == 0);
    CHECK(recall_now(db, 6) > 0.95);
    kith_stats_get(db, &stats);
    CHECK(stats.graph_links >= LINKED_ROWS);
    for (uint64_t id = 0; id < LINKED_ROWS; id += 3) { /* much is gone: what remains is found */
        kith_id x = kith_id_num(id);
        kith_op op = {.kind = KITH_DELETE, .ids = &x, .ids_count = 1};
        CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_DURABLE, NULL, &err) == 0);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    CHECK(recall_now(db, 7) > 0.95);
    kith_close(db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

/* ---- recall as asked for, and what watches over it -------------------------------------------------------- */

static double recall_at(kith_db *db, float target, uint64_t seed, int queries)
{
    int hits = 0;

    for (int i = 0; i < queries; i++) {
        float data[LINKED_DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .target_recall = target,
                        .vector = {"", LINKED_DIM, data, KITH_F32, 0}};
        kith_result *got, *want;
        random_vector(&seed, data);
        got = kith_query_run(db, "c", &q, NULL);
        q.exact = true;
        want = kith_query_run(db, "c", &q, NULL);
        for (size_t j = 0; got && want && j < got->count; j++)
            hits += got->hits[j].distance <= want->hits[9].distance * 1.00001f;
        kith_result_free(got);
        kith_result_free(want);
        settle(db);
    }
    return (double)hits / (queries * 10);
}

/* A code can be nearer to a stored vector than to lie on it: its squared distance is zero, not below. */
static void check_codes_only(kith_db *db)
{
    uint64_t seed = 3;

    for (int i = 0; i < 500; i++) {
        float data[LINKED_DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 3, .by_codes = true,
                        .vector = {"", LINKED_DIM, data, KITH_F32, 0}};
        kith_result *r;
        random_vector(&seed, data); /* the i-th row */
        CHECK((r = kith_query_run(db, "c", &q, NULL)) && r->count == 3 && r->hits[0].distance >= 0);
        kith_result_free(r);
    }
}

static void recall_contract(void)
{
    static const kith_vector_params params = {.name = "", .dim = LINKED_DIM, .metric = KITH_EUCLID};
    static const kith_schema schema = {&params, 1, NULL, 0, NULL};
    static const float targets[] = {0.8f, 0.9f, 0.95f, 0.99f};
    struct sim_world *w = sim_world_new(21);
    kith_db *db = open_sim(w, 20000, 1 << 20);
    uint64_t seed = 3;
    struct shard *s;
    kith_watched seen;
    kith_err err;

    CHECK(kith_create(db, "c", &schema, &err) == 0);
    for (uint64_t i = 0; i < 8000; i++) {
        float data[LINKED_DIM];
        kith_vector v = {"", LINKED_DIM, data, KITH_F32, 0};
        random_vector(&seed, data);
        CHECK(put_vector(db, i, &v) == 0);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        double recall = recall_at(db, targets[i], 1000 + i, 300);
        printf("     asked for %.2f, found %.3f\n", (double)targets[i], recall);
        CHECK(recall > (double)targets[i] - 0.015);
    }
    check_codes_only(db);
    s = ((struct db *)(void *)db)->shards[0];
    monitor_renew(&s->monitor); /* the count begins anew */
    /* as if the queries were other than the graph was calibrated for */
    atomic_store(&s->monitor.efforts[s->schema->vectors[0].id], 300);
    (void)recall_at(db, 0.95f, 77, 1000);
    CHECK(kith_watch(db, "c", &seen) == 1 && seen.effort > 0.45);
    CHECK(recall_at(db, 0.95f, 78, 300) > 0.92);
    CHECK(kith_watch(db, "c", &seen) == 1 && seen.recall_samples > 0 && seen.recall_low < seen.recall_high);
    printf("     effort %.2f, measured %.3f (%.3f to %.3f)\n", seen.effort, seen.recall, seen.recall_low, seen.recall_high);
    for (int i = 0; i < 10; i++) { /* who asks for little does not narrow the walks of who asks for much */
        (void)recall_at(db, 0.8f, 1000 + (uint64_t)i, 150);
        (void)recall_at(db, 0.99f, 2000 + (uint64_t)i, 150);
    }
    CHECK(recall_at(db, 0.99f, 79, 300) > 0.975);
    /* what narrowed the walks of an old index says nothing of a new one */
    atomic_store(&s->monitor.efforts[s->schema->vectors[0].id], 500);
    for (uint64_t i = 8000; i < 10000; i++) {
        float data[LINKED_DIM];
        kith_vector v = {"", LINKED_DIM, data, KITH_F32, 0};
        random_vector(&seed, data);
        CHECK(put_vector(db, i, &v) == 0);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    CHECK(kith_watch(db, "c", &seen) == 1 && seen.effort >= 1);
    kith_close(db);
    sim_world_free(w);
}

/* ---- collections dropped while writes to them are on their way ------------------------------------------- */

struct flood {
    kith_db *db;
    atomic_uint sent, answered, refused;
    atomic_int code; /* of the last one refused */
    atomic_bool stop;
};

static void flooded(void *arg, int code, const kith_written *written)
{
    struct flood *f = arg;

    UNUSED(written);
    if (code < 0 && code != KITH_NOT_FOUND) {
        atomic_fetch_add(&f->refused, 1);
        atomic_store(&f->code, code);
    }
    atomic_fetch_add(&f->answered, 1);
}

static void optimize_main(void *arg)
{
    struct flood *f = arg;

    while (!atomic_load(&f->stop)) {
        int rc = kith_optimize(f->db, "c", NULL);
        CHECK(rc == 0 || rc == KITH_NOT_FOUND);
        os_pause(1000);
    }
}

static void flood_main(void *arg)
{
    struct flood *f = arg;

    for (uint64_t i = 0; !atomic_load(&f->stop); i++) {
        float data[2] = {(float)(i % 97), 1};
        kith_vector v = {"", 2, data, KITH_F32, 0};
        kith_point p = {kith_id_num(i % 500), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 3, .vector = {"", 2, data, KITH_F32, 0}};
        if (kith_write_async(f->db, "c", &op, 1, i % 2 ? KITH_WAIT_APPLIED : KITH_WAIT_DURABLE, 0, flooded, f, NULL) == 0)
            atomic_fetch_add(&f->sent, 1);
        if (i % 16 == 0)
            kith_result_free(kith_query_run(f->db, "c", &q, NULL));
        while (atomic_load(&f->sent) - atomic_load(&f->answered) > 200)
            os_pause(50);
    }
}

static void drop_in_flood(void)
{
    kith_options o = {.growing_rows_max = 100, .threads = 2};
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    struct os_thread *t[3];
    struct flood f = {0};
    kith_stats stats;
    kith_err err;

    CHECK(mkdtemp(dir) != NULL);
    f.db = kith_open(dir, &o, &err);
    CHECK(f.db && kith_create(f.db, "c", &plain, &err) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(os_linux()->thread(os_linux(), "test", false, flood_main, &f, &t[i]) == 0);
    CHECK(os_linux()->thread(os_linux(), "test", false, optimize_main, &f, &t[2]) == 0);
    for (int i = 0; i < 60; i++) {
        os_pause(3000);
        CHECK(kith_drop(f.db, "c", &err) == 1);
        CHECK(kith_create(f.db, "c", &plain, &err) == 0);
    }
    atomic_store(&f.stop, true);
    for (int i = 0; i < 3; i++)
        os_linux()->join(os_linux(), t[i]);
    for (int i = 0; i < 20000 && atomic_load(&f.answered) < atomic_load(&f.sent); i++)
        os_pause(500);
    CHECK(atomic_load(&f.sent) > 100 && atomic_load(&f.answered) == atomic_load(&f.sent));
    if (atomic_load(&f.refused))
        printf("     %u refused, the last with %s\n", atomic_load(&f.refused), kith_code_name(atomic_load(&f.code)));
    CHECK(atomic_load(&f.refused) == 0);
    kith_stats_get(f.db, &stats);
    CHECK(stats.collections == 1);
    kith_close(f.db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

/* ---- writes that take too long ------------------------------------------------------------------------------ */

struct outcome {
    atomic_int code, calls;
};

static void note_outcome(void *arg, int code, const kith_written *written)
{
    struct outcome *o = arg;

    UNUSED(written);
    atomic_store(&o->code, code);
    atomic_fetch_add(&o->calls, 1);
}

static void late_writes(void)
{
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    struct outcome slow = {0}, quick = {0};
    float data[2] = {1, 1};
    kith_vector v = {"", 2, data, KITH_F32, 0};
    kith_point p = {kith_id_num(1), {KITH_DOC_NONE, 0, NULL}, &v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
    kith_db *db;
    struct shard *s;
    kith_err err;

    CHECK(mkdtemp(dir) != NULL);
    db = kith_open(dir, NULL, &err);
    CHECK(db && kith_create(db, "c", &plain, &err) == 0);
    CHECK(kith_write_async(db, "c", &op, 1, KITH_WAIT_APPLIED, 5000, note_outcome, &quick, &err) == 0);
    for (int i = 0; i < 4000 && !atomic_load(&quick.calls); i++)
        os_pause(1000);
    CHECK(atomic_load(&quick.calls) == 1 && atomic_load(&quick.code) == 0);
    s = ((struct db *)(void *)db)->shards[0];
    p.id = kith_id_num(2);
    os_mutex_lock(&s->lock); /* nothing is applied meanwhile */
    CHECK(kith_write_async(db, "c", &op, 1, KITH_WAIT_APPLIED, 100, note_outcome, &slow, &err) == 0);
    for (int i = 0; i < 4000 && !atomic_load(&slow.calls); i++)
        os_pause(1000);
    CHECK(atomic_load(&slow.calls) == 1 && atomic_load(&slow.code) == KITH_TIMEOUT);
    os_mutex_unlock(&s->lock);
    for (int i = 0; i < 4000 && kith_count(db, "c", NULL, true, 0, &err) < 2; i++)
        os_pause(1000);
    CHECK(kith_count(db, "c", NULL, true, 0, &err) == 2); /* it went on */
    CHECK(atomic_load(&slow.calls) == 1 && atomic_load(&quick.calls) == 1);
    kith_close(db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

/* ---- options of vectors and queries --------------------------------------------------------------------- */

static uint64_t graph_builds(kith_db *db)
{
    kith_stats stats;

    kith_stats_get(db, &stats);
    return stats.graph_builds;
}

static void named_method(void)
{
    kith_vector_params params = {.name = "", .dim = LINKED_DIM, .metric = KITH_EUCLID, .index.method = KITH_METHOD_FLAT};
    kith_schema schema = {&params, 1, NULL, 0, NULL}, now;
    struct sim_world *w = sim_world_new(33);
    kith_db *db = open_sim(w, 3000, 1 << 20);
    uint64_t seed = 5, flat;
    float data[LINKED_DIM];
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 5, .vector = {"", LINKED_DIM, data, KITH_F32, 0}, .explain = true};
    kith_result *r;
    kith_err err;

    CHECK(kith_create(db, "c", &schema, &err) == 0);
    for (uint64_t i = 0; i < 5000; i++) {
        kith_vector v = {"", LINKED_DIM, data, KITH_F32, 0};
        random_vector(&seed, data);
        CHECK(put_vector(db, i, &v) == 0);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    flat = graph_builds(db);
    r = kith_query_run(db, "c", &q, &err);
    CHECK(flat == 0 && r && strstr(r->explain, "exact") && !strstr(r->explain, "walk"));
    kith_result_free(r);
    params.index.method = KITH_METHOD_AUTO;
    params.index.links = 48;
    params.index.build_width = 200;
    CHECK(kith_configure_vector(db, "c", &params, &err) == 0);
    CHECK(kith_optimize(db, "c", &err) == 0);
    r = kith_query_run(db, "c", &q, &err);
    CHECK(graph_builds(db) > flat && r && strstr(r->explain, "walk"));
    kith_result_free(r);
    CHECK(recall_now(db, 9) > 0.9);
    kith_close(db);
    db = open_sim(w, 3000, 1 << 20);
    CHECK(kith_schema_get(db, "c", &now, &err) == 0);
    CHECK(now.vectors[0].index.links == 48 && now.vectors[0].index.build_width == 200 && now.vectors[0].index.method == KITH_METHOD_AUTO);
    kith_schema_free(&now);
    params.index.links = 65;
    CHECK(kith_configure_vector(db, "c", &params, &err) == KITH_INVALID);
    kith_close(db);
    sim_world_free(w);
}

/* ---- one vector of a row changes ------------------------------------------------------------------------- */

enum { REVISED = 300, REVISED_ROWS = 5000 };

static void first_place(int i, float *v)
{
    uint64_t seed = 1000 + (uint64_t)i;

    random_vector(&seed, v);
}

static void second_place(int i, float *v)
{
    first_place(i + 100000, v);
}

static int update_one(kith_db *db, int i, const float *data)
{
    kith_vector v = {"second", LINKED_DIM, data, KITH_F32, 0};
    kith_point p = {kith_id_num((uint64_t)i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
    kith_op op = {.kind = KITH_UPDATE_VECTORS, .points = &p, .points_count = 1};

    return kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
}

/* Where they are, and no longer where they were. */
static bool are_moved(kith_db *db)
{
    bool ok = true;

    for (int i = 0; i < REVISED; i++) {
        float at[LINKED_DIM], was[LINKED_DIM];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 1, .using_vector = "second",
                        .vector = {"", LINKED_DIM, at, KITH_F32, 0}};
        kith_result *now, *then;
        second_place(i, at);
        first_place(i, was);
        now = kith_query_run(db, "c", &q, NULL);
        q.vector.data = was;
        then = kith_query_run(db, "c", &q, NULL);
        ok = ok && now && now->count == 1 && now->hits[0].id.as.num == (uint64_t)i && now->hits[0].distance < 1e-6f;
        ok = ok && then && then->count == 1 && then->hits[0].id.as.num != (uint64_t)i;
        kith_result_free(now);
        kith_result_free(then);
    }
    return ok;
}

static void vector_versions(void)
{
    static const kith_vector_params params[] = {{.name = "", .dim = LINKED_DIM, .metric = KITH_EUCLID},
                                                {.name = "second", .dim = LINKED_DIM, .metric = KITH_EUCLID}};
    static const kith_schema schema = {params, 2, NULL, 0, NULL};
    static const char *const second = "second";
    struct sim_world *w = sim_world_new(44);
    kith_db *db = open_sim(w, REVISED_ROWS + 10, 1 << 20);
    kith_op drop = {.kind = KITH_DELETE_VECTORS, .names = &second, .names_count = 1, .ids_count = 1};
    kith_id gone = kith_id_num(REVISED_ROWS - 1);
    uint64_t before[2], after[2];
    kith_stats was, is;
    struct shard *s;
    kith_result *r;
    kith_err err;

    CHECK(kith_create(db, "c", &schema, &err) == 0);
    for (int i = 0; i < REVISED_ROWS; i++) {
        float data[LINKED_DIM];
        kith_vector v[] = {{"", LINKED_DIM, data, KITH_F32, 0}, {"second", LINKED_DIM, data, KITH_F32, 0}};
        kith_point p = {kith_id_num((uint64_t)i), {KITH_DOC_NONE, 0, NULL}, v, 2};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        first_place(i, data);
        CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, &err) == 0);
    }
    CHECK(kith_optimize(db, "c", &err) == 0);
    settle(db);
    kith_stats_get(db, &was);
    for (int i = 0; i < REVISED; i++) {
        float data[LINKED_DIM];
        second_place(i, data);
        CHECK(update_one(db, i, data) == 0);
    }
    drop.ids = &gone;
    CHECK(kith_write(db, "c", &drop, 1, KITH_WAIT_APPLIED, NULL, &err) == 0);
    CHECK(kith_checkpoint(db, "c", &err) == 0);
    settle(db);
    kith_stats_get(db, &is);
    s = ((struct db *)(void *)db)->shards[0];
    CHECK(is.graph_links == was.graph_links && s->sealed_count == 1 && atomic_load(&s->sealed[0]->dead_count) == 0);
    CHECK(atomic_load(&s->sealed[0]->revised_count) == REVISED + 1);
    CHECK(are_moved(db));
    r = kith_get(db, "c", &gone, 1, &(kith_select){.vectors = 1}, 0, &err);
    CHECK(r && r->count == 1 && r->hits[0].vectors_count == 1 && r->hits[0].vectors[0].name[0] == 0);
    kith_result_free(r);
    CHECK(kith_digest(db, "c", before, &err) == 0);
    kith_close(db);
    db = open_sim(w, REVISED_ROWS + 10, 1 << 20);
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    CHECK(are_moved(db));
    CHECK(kith_optimize(db, "c", &err) == 0); /* folds them in */
    s = ((struct db *)(void *)db)->shards[0];
    CHECK(s->sealed_count == 1 && atomic_load(&s->sealed[0]->revised_count) == 0);
    CHECK(kith_digest(db, "c", after, &err) == 0 && memcmp(before, after, sizeof before) == 0);
    CHECK(are_moved(db));
    kith_close(db);
    sim_world_free(w);
}

static void too_late(void)
{
    static const kith_value one = {.kind = KITH_VALUE_INT, .num = 1};
    static const kith_filter f = {.kind = KITH_COND_MATCH, .path = "a", .values = &one, .values_count = 1};
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    float zero[2] = {0, 0};
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 5, .vector = {"", 2, zero, KITH_F32, 0}, .filter = &f, .exact = true};
    kith_result *r = NULL;
    kith_err err = {0};
    kith_db *db;

    CHECK(mkdtemp(dir) != NULL);
    db = kith_open(dir, NULL, &err);
    CHECK(db && kith_create(db, "c", &plain, &err) == 0);
    for (uint64_t i = 0; i < 20000; i += 100) {
        float data[2] = {(float)i, 1};
        kith_vector v = {"", 2, data, KITH_F32, 0};
        kith_point p[100];
        kith_op op = {.kind = KITH_UPSERT, .points = p, .points_count = 100};
        for (uint64_t j = 0; j < 100; j++)
            p[j] = (kith_point){kith_id_num(i + j), {KITH_DOC_JSON, 7, "{\"a\":1}"}, &v, 1};
        CHECK(kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, &err) == 0);
    }
    q.timeout_ms = 60000;
    r = kith_query_run(db, "c", &q, &err);
    CHECK(r && r->count == 5);
    kith_result_free(r);
    CHECK(kith_count(db, "c", &f, true, 60000, &err) == 20000);
    q.timeout_ms = 1; /* 20,000 documents are read one by one */
    r = kith_query_run(db, "c", &q, &err);
    CHECK(!r && err.code == KITH_TIMEOUT);
    CHECK(kith_count(db, "c", &f, true, 1, &err) == KITH_TIMEOUT);
    kith_close(db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

static const struct test tests[] = {
    {"engine: 2,000 collections, and the log stays bounded", many_collections},
    {"many short lives", short_lives},
    {"engine: corrupted sectors are found or have no effect", every_sector},
    {"engine: one damaged shard does not stop the others", quarantine},
    {"engine: string ids", string_ids},
    {"engine: declared fields", declared_fields},
    {"engine: a pinned view stays as it was", pinned_view},
    {"engine: threads that write and search", threads},
    {"engine: threads that link and search", live_links},
    {"engine: recall as asked for", recall_contract},
    {"engine: drops among writes on their way", drop_in_flood},
    {"engine: writes that take too long", late_writes},
    {"engine: a method by name", named_method},
    {"engine: one vector of a row changes", vector_versions},
    {"engine: a request that takes too long", too_late},
};
TEST_MAIN(tests)
