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

#endif
