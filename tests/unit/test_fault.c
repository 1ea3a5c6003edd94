/* test_fault.c - the n-th allocation fails, the n-th change of the disk fails, for every n (T7): no crash,
 * no leak of the acknowledged, and the database opens again as it was before or after each call. */
#include "test.h"

#include "engine/engine.h"
#include "os_sim.h"

/* The linker sends the library's allocations here (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static uint64_t allocations, used, fail_at, fail_from;

static bool fails(void)
{
    allocations++;
    return allocations == fail_at || (fail_from && allocations >= fail_from);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}
void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(align, size);
}

static void failing(uint64_t once, uint64_t from)
{
    allocations = 0;
    fail_at = once;
    fail_from = from;
}

enum { POINTS = 24 };

struct outcome {
    bool created;
    bool acked[POINTS];
};

static struct db *open_db(struct sim_world *w)
{
    kith_options o = {.growing_rows_max = 8, .log_file_bytes = 32 << 10, .memory_bytes = 1 << 30};
    struct db *db = NULL;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    (void)db_open(&c, sim_world_os(w), "db", &o, &db);
    ctx_release(&c);
    if (db)
        db->graph_rows_min = 4;
    return db;
}

/* A state is kept, comes back in the place of what is there, goes elsewhere as a file, and is forgotten. */
static void snapshots(kith_db *db)
{
    static uint8_t file[4 << 20];
    kith_snapshot_file *f;
    kith_snapshots made;
    const char *name;

    if (kith_snapshot_create(db, "c", &made, NULL) < 0)
        return;
    name = made.snapshots[0].name;
    (void)kith_snapshot_restore(db, "c", name, "c", NULL);
    f = kith_snapshot_open(db, "c", name, NULL);
    if (f && kith_snapshot_size(f) <= sizeof file)
        (void)kith_snapshot_import(db, file, kith_snapshot_read(f, 0, file, sizeof file), "d", NULL);
    kith_snapshot_close(f);
    (void)kith_snapshot_drop(db, "c", name, NULL);
    kith_snapshots_free(&made);
}

/* Twice, so that the second one finds the first; and back, as another database. */
static void backups(struct sim_world *w, struct db *db)
{
    const struct backup_point newest = {0};
    struct backup_info made;
    uint64_t last;
    struct ctx c;

    for (int i = 0; i < 2; i++) {
        ctx_init(&c, sim_world_os(w));
        (void)backup_make(&c, db, "backups", 1, &made);
        ctx_release(&c);
    }
    ctx_init(&c, sim_world_os(w));
    (void)backup_restore(&c, "backups", &newest, "restored", &last);
    ctx_release(&c);
}

/* Everything a first hour does; each step may fail, and what succeeded is noted. */
static void scenario(struct sim_world *w, struct outcome *out)
{
    static const kith_vector_params two = {.name = "", .dim = 2, .metric = KITH_EUCLID};
    static const kith_field field = {.path = "a", .index = KITH_INDEX_INTEGER};
    static const kith_schema schema = {&two, 1, &field, 1, NULL};
    struct db *inner = open_db(w);
    kith_db *db = (kith_db *)(void *)inner;
    kith_filter f = {.kind = KITH_COND_RANGE, .path = "a", .bounds = KITH_LT};

    if (!db)
        return;
    out->created = kith_create(db, "c", &schema, NULL) >= 0;
    for (uint64_t i = 0; i < POINTS; i++) {
        float data[2] = {(float)i, 1};
        kith_vector v = {"", 2, data, KITH_F32, 0};
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, 7, "{\"a\":1}"}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 3, .filter = &f, .vector = {"", 2, data, KITH_F32, 0},
                        .select = {.doc = 1, .vectors = 1}};
        int steps = 0;
        f.range.lt = 5;
        out->acked[i] = kith_write(db, "c", &op, 1, KITH_WAIT_DURABLE, NULL, NULL) >= 0;
        kith_result_free(kith_query_run(db, "c", &q, NULL));
        while (steps++ < 200 && db_step(inner, 0))
            ;
    }
    (void)kith_alias(db, &(kith_alias_change){"other", "c", NULL}, 1, NULL);
    (void)kith_optimize(db, "c", NULL);
    (void)kith_vector_add(db, "c", &(kith_vector_params){.name = "w", .dim = 2, .metric = KITH_DOT}, NULL);
    snapshots(db);
    backups(w, inner);
    used = allocations;
    failing(0, 0);
    kith_close(db);
}

/* Opens it again; all that was acknowledged is there, and a write more is taken. */
static bool holds(struct sim_world *w, const struct outcome *out, const char *what, uint64_t n)
{
    kith_op more = {.kind = KITH_SET_DOC, .filter = &(kith_filter){.kind = KITH_COND_ALL},
                    .doc = {KITH_DOC_JSON, 7, "{\"b\":2}"}};
    struct db *inner = open_db(w);
    kith_db *db = (kith_db *)(void *)inner;
    bool ok = db != NULL;

    for (uint64_t i = 0; ok && out->created && i < POINTS; i++) {
        kith_id id = kith_id_num(i);
        kith_result *r = kith_get(db, "c", &id, 1, NULL, 0, NULL);
        ok = r && (r->count || !out->acked[i]);
        kith_result_free(r);
    }
    if (ok && out->created)
        ok = kith_write(db, "c", &more, 1, KITH_WAIT_APPLIED, NULL, NULL) >= 0;
    if (!ok)
        printf("     %s %llu\n", what, (unsigned long long)n);
    kith_close(db);
    return ok;
}

static void allocation_faults(bool persistent)
{
    uint64_t n = 1, tried = 0;

    for (;; n += n < 1500 ? 1 : 1 + n / 40) {
        struct sim_world *w = sim_world_new(n);
        struct outcome out = {0};
        used = UINT64_MAX;
        failing(persistent ? 0 : n, persistent ? n : 0);
        scenario(w, &out);
        failing(0, 0);
        CHECK(holds(w, &out, persistent ? "allocations from" : "allocation", n));
        sim_world_free(w);
        tried++;
        if (used < n)
            break;
    }
    printf("     %llu of %llu allocations\n", (unsigned long long)tried, (unsigned long long)n);
}

static void nth_allocation(void)
{
    allocation_faults(false);
}

static void all_from_nth(void)
{
    allocation_faults(true);
}

static void disk_faults(uint32_t sync, uint32_t write, uint32_t space, uint32_t read)
{
    for (uint64_t n = 1; n < 150; n++) {
        struct sim_world *w = sim_world_new(n);
        struct outcome out = {0};
        sim_world_faults(w, sync, write, space, read);
        scenario(w, &out);
        sim_world_faults(w, 0, 0, 0, 0);
        CHECK(holds(w, &out, "disk faults, seed", n));
        sim_world_restart(w);
        CHECK(holds(w, &out, "disk faults and power off, seed", n));
        sim_world_free(w);
    }
}

/* Power off at every change of the disk that a first hour makes (T2): writes, rolls, seals, publications,
 * graphs, merges, removals. What was acknowledged is there. */
static void every_crash_point(void)
{
    uint64_t at = 0, points = 0;
    bool reached = true;

    while (reached) {
        at++;
        reached = false;
        for (uint64_t dice = 0; dice < 2; dice++) {
            struct sim_world *w = sim_world_new(at * 10 + dice);
            struct outcome out = {0};
            sim_world_crash_after(w, at);
            scenario(w, &out);
            reached = reached || sim_world_dead(w);
            sim_world_restart(w);
            CHECK(holds(w, &out, "power off at", at));
            sim_world_free(w);
            points++;
        }
    }
    printf("     %llu crash points\n", (unsigned long long)points);
    CHECK(points > 500);
}

static void disk_sync(void)
{
    disk_faults(40, 0, 0, 0);
}
static void disk_write(void)
{
    disk_faults(0, 60, 0, 0);
}
static void disk_space(void)
{
    disk_faults(0, 0, 15, 0);
}
static void disk_read(void)
{
    disk_faults(0, 0, 0, 30);
}

static const struct test tests[] = {
    {"fault: the n-th allocation", nth_allocation},
    {"fault: all allocations from the n-th on", all_from_nth},
    {"fault: power off at every change of the disk", every_crash_point},
    {"fault: syncs fail", disk_sync},
    {"fault: writes fail", disk_write},
    {"fault: no space", disk_space},
    {"fault: reads fail", disk_read},
};
TEST_MAIN(tests)
