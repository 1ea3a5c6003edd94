/* engine.h - a database in a simulated world, for the tests of the engine. */
#ifndef TESTS_UNIT_ENGINE_H
#define TESTS_UNIT_ENGINE_H

#include "test.h"

#include "engine/engine.h"
#include "os_sim.h"

static inline kith_db *open_sim_at(struct sim_world *w, const char *dir, uint32_t growing, uint64_t log_bytes,
                                   uint64_t log_keep)
{
    kith_options o = {.growing_rows_max = growing, .log_file_bytes = log_bytes, .memory_bytes = 1 << 30,
                      .log_keep_bytes = log_keep};
    struct db *db = NULL;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    if (db_open(&c, sim_world_os(w), dir, &o, &db) < 0)
        printf("open: %s\n", c.text);
    ctx_release(&c);
    return (kith_db *)(void *)db;
}

static inline kith_db *open_sim(struct sim_world *w, uint32_t growing, uint64_t log_bytes)
{
    return open_sim_at(w, "db", growing, log_bytes, 0);
}

static inline struct db *inner(kith_db *db)
{
    return (struct db *)(void *)db;
}

static inline void settle(kith_db *db)
{
    while (db_step(inner(db), 0))
        ;
}

/* One point with nothing but a vector. */
static inline int put_vector(kith_db *db, uint64_t id, const kith_vector *v)
{
    kith_point p = {kith_id_num(id), {KITH_DOC_NONE, 0, NULL}, v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};

    return kith_write(db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
}

/* Of the best ten for each of 40 queries the share that is found; `what`: how, in every search; NULL: anyhow. Of a filter
 * every `every`-th point satisfies it. */
static inline double recall_of_ten(kith_db *db, const kith_filter *f, uint64_t every, const char *what,
                                   kith_vector (*make)(uint64_t seed, float *data), uint64_t first)
{
    int hits = 0, wanted = 0;

    for (uint64_t i = 0; i < 40; i++) {
        float query[256];
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 10, .vector = make(first + i, query), .filter = f,
                        .select = {.doc = true}, .explain = true};
        kith_result *got = kith_query_run(db, "c", &q, NULL), *want;
        q.exact = true;
        want = kith_query_run(db, "c", &q, NULL);
        CHECK(got && want && got->count == want->count && (!what || strstr(got->explain, what)));
        for (size_t j = 0; got && want && j < got->count; j++) {
            CHECK(j == 0 || got->hits[j].distance >= got->hits[j - 1].distance);
            for (size_t k = 0; k < j; k++)
                CHECK(got->hits[k].id.as.num != got->hits[j].id.as.num);
            CHECK(!f || got->hits[j].id.as.num % every == 0);
            hits += got->hits[j].distance <= want->hits[want->count - 1].distance;
        }
        wanted += want ? (int)want->count : 0;
        kith_result_free(got);
        kith_result_free(want);
    }
    return (double)hits / wanted;
}

#endif
