/* test_snapshots.c - states with names: another database's files, broken files, what stays and what goes. What the
 * simulation draws (restoring amid crashes and faults) is not repeated here. */
#include "engine.h"

#include "engine/tar.h"

static const kith_vector_params two = {.name = "", .dim = 2, .metric = KITH_EUCLID};
static const kith_schema plain = {&two, 1, NULL, 0, NULL};

static int put(kith_db *db, const char *name, uint64_t id, float x)
{
    float data[2] = {x, 1};
    char doc[40];
    kith_vector v = {"", 2, data, KITH_F32, 0};
    kith_point p = {kith_id_num(id), {KITH_DOC_JSON, (uint32_t)snprintf(doc, sizeof doc, "{\"x\":%d}", (int)x), doc}, &v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};

    return kith_write(db, name, &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
}

/* The x of a point, and its version. */
static int value_of(kith_db *db, const char *name, uint64_t id, uint64_t *version)
{
    const kith_id wanted = kith_id_num(id);
    const kith_select select = {.vectors = 1};
    kith_result *r = kith_get(db, name, &wanted, 1, &select, 0, NULL);
    int x = -1;

    if (r && r->count) {
        x = (int)((const float *)r->hits[0].vectors[0].data)[0];
        *version = r->hits[0].lsn;
    }
    kith_result_free(r);
    return x;
}

static uint8_t *read_file(kith_snapshot_file *f, size_t *ret_size)
{
    size_t size = f ? kith_snapshot_size(f) : 0, n, at = 0;
    uint8_t *data = malloc(size + 1);

    while (f && (n = kith_snapshot_read(f, at, data + at, 1 + test_dice(5000))) > 0)
        at += n;
    CHECK(f && at == size && kith_snapshot_read(f, size, data, 1) == 0);
    kith_snapshot_close(f);
    *ret_size = size;
    return data;
}

static uint8_t *file_of(kith_db *db, const char *collection, const char *name, size_t *ret_size)
{
    return read_file(kith_snapshot_open(db, collection, name, NULL), ret_size);
}

/* A snapshot made now, its parts, and without those that `had` names. */
static uint8_t *file_now(kith_db *db, const char *collection, const kith_names *had, kith_names *parts, size_t *left,
                         size_t *size)
{
    kith_snapshot_file *f;
    kith_snapshots made;

    CHECK(kith_snapshot_create(db, collection, &made, NULL) == 0);
    f = kith_snapshot_open(db, collection, made.snapshots[0].name, NULL);
    kith_snapshots_free(&made);
    CHECK(f && kith_snapshot_parts(f, parts, NULL) == 0);
    CHECK(kith_snapshot_omit(f, had, left, NULL) == 0 && *left <= parts->count);
    return read_file(f, size);
}

/* A long log there, a short one here: later writes win all the same, also after merges and restarts. */
static void into_another_database(void)
{
    struct sim_world *there = sim_world_new(1), *here = sim_world_new(2);
    kith_db *db = open_sim(there, 50, 64 << 10);
    kith_snapshots made;
    uint64_t digest[2], again[2], version, restored;
    int refused = 0;
    uint8_t *file;
    size_t size;

    CHECK(kith_create(db, "c", &plain, NULL) == 0);
    for (int i = 0; i < 3000; i++) {
        refused += put(db, "c", (uint64_t)i % 200, (float)i) < 0;
        if (i % 40 == 0)
            settle(db);
    }
    CHECK(!refused);
    CHECK(kith_snapshot_create(db, "c", &made, NULL) == 0 && made.count == 1);
    CHECK(kith_digest(db, "c", digest, NULL) == 0);
    file = file_of(db, "c", made.snapshots[0].name, &size);
    CHECK(size == made.snapshots[0].size);
    kith_snapshots_free(&made);
    kith_close(db);

    db = open_sim(here, 50, 64 << 10);
    CHECK(kith_snapshot_import(db, file, size, "d", NULL) == 0);
    CHECK(kith_digest(db, "d", again, NULL) == 0 && memcmp(digest, again, sizeof digest) == 0);
    CHECK(value_of(db, "d", 7, &restored) == 2807);
    for (int round = 0; round < 4; round++) {
        CHECK(put(db, "d", 7, (float)(9000 + round)) == 0);
        CHECK(put(db, "d", 5000 + (uint64_t)round, 1) == 0);
        if (round == 1)
            CHECK(kith_optimize(db, "d", NULL) == 0);
        if (round == 2) {
            kith_close(db);
            sim_world_restart(here);
            db = open_sim(here, 50, 64 << 10);
        }
        CHECK(value_of(db, "d", 7, &version) == 9000 + round && version > restored);
        CHECK(kith_count(db, "d", NULL, true, 0, NULL) == 201 + round);
    }
    CHECK(kith_snapshot_import(db, file, size, "d", NULL) == 0); /* over it, and its blobs are here already */
    CHECK(kith_digest(db, "d", again, NULL) == 0 && memcmp(digest, again, sizeof digest) == 0);
    CHECK(put(db, "d", 7, 1) == 0 && value_of(db, "d", 7, &version) == 1);
    kith_close(db);
    free(file);
    sim_world_free(there);
    sim_world_free(here);
}

/* What the other one has is not sent again: of a state that goes on, little; of one that stays, nothing. */
static void partial_files(void)
{
    struct sim_world *there = sim_world_new(4), *here = sim_world_new(5), *nowhere = sim_world_new(6);
    kith_db *from = open_sim(there, 50, 64 << 10), *to = open_sim(here, 50, 64 << 10), *empty = open_sim(nowhere, 50, 64 << 10);
    kith_names parts = {0}, had = {0};
    size_t size, whole, left, sent;
    uint64_t digest[2], again[2];
    kith_err err;
    uint8_t *file;

    CHECK(kith_create(from, "c", &plain, NULL) == 0);
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK(put(from, "c", i, (float)i) == 0);
        if (i % 40 == 0)
            settle(from);
    }
    CHECK(kith_optimize(from, "c", NULL) == 0);
    file = file_now(from, "c", &had, &parts, &left, &whole);
    CHECK(left == parts.count && left > 0);
    CHECK(kith_snapshot_import(to, file, whole, "c", NULL) == 0);
    kith_names_free(&parts);
    free(file);
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 5; i++)
            CHECK(put(from, "c", i * 7, (float)round) == 0);
        free(file_now(to, "c", &parts, &had, &left, &size)); /* `parts` is empty: nothing is left out */
        file = file_now(from, "c", &had, &parts, &sent, &size);
        CHECK(sent > 0 && sent < parts.count && size < whole / 2);
        CHECK(kith_snapshot_import(to, file, size, "c", NULL) == 0);
        CHECK(kith_digest(from, "c", digest, NULL) == 0 && kith_digest(to, "c", again, NULL) == 0);
        CHECK(memcmp(digest, again, sizeof digest) == 0);
        CHECK(kith_snapshot_import(empty, file, size, "c", &err) < 0 && err.code == KITH_INVALID);
        CHECK(strstr(err.text, "neither in the file nor here") && !kith_exists(empty, "c", NULL));
        free(file);
        kith_names_free(&had);
        free(file_now(from, "c", &parts, &had, &sent, &size));
        CHECK(sent == 0 && had.count == parts.count); /* nothing was written in between */
        kith_names_free(&parts);
        kith_names_free(&had);
    }
    kith_close(from);
    kith_close(to);
    kith_close(empty);
    sim_world_free(there);
    sim_world_free(here);
    sim_world_free(nowhere);
}

/* Every byte that is changed is noticed, or did not matter; nothing is changed by what is refused. */
static void broken_files(void)
{
    struct sim_world *w = sim_world_new(3);
    kith_db *db = open_sim(w, 50, 64 << 10);
    kith_snapshots made;
    uint64_t digest[2], now[2];
    int refused = 0;
    uint8_t *file, *copy;
    kith_err err;
    size_t size;

    CHECK(kith_create(db, "c", &plain, NULL) == 0);
    for (int i = 0; i < 120; i++)
        CHECK(put(db, "c", (uint64_t)i, (float)i) == 0);
    CHECK(kith_snapshot_create(db, "c", &made, NULL) == 0);
    file = file_of(db, "c", made.snapshots[0].name, &size);
    CHECK(kith_snapshot_drop(db, "c", made.snapshots[0].name, NULL) == 1);
    CHECK(kith_snapshot_drop(db, "c", made.snapshots[0].name, NULL) == 0);
    kith_snapshots_free(&made);
    CHECK(kith_drop(db, "c", NULL) == 1);
    settle(db);
    copy = malloc(size);
    CHECK(kith_create(db, "other", &plain, NULL) == 0 && put(db, "other", 1, 1) == 0);
    for (int i = 0; i < 400; i++) {
        size_t length = i % 4 ? size : test_dice(size);
        memcpy(copy, file, size);
        if (i % 4)
            copy[test_dice(size)] ^= (uint8_t)(1 + test_dice(255));
        if (kith_snapshot_import(db, copy, length, "c", &err) == 0) {
            CHECK(kith_count(db, "c", NULL, true, 0, NULL) == 120);
            CHECK(kith_drop(db, "c", NULL) == 1);
        } else {
            refused++;
            CHECK(err.code == KITH_CORRUPT || err.code == KITH_INVALID);
            CHECK(!kith_exists(db, "c", NULL));
        }
        settle(db);
    }
    printf("     %d of 400 refused\n", refused);
    CHECK(refused > 200);
    CHECK(kith_snapshot_import(db, file, size, "other", NULL) == 0);
    CHECK(kith_digest(db, "other", digest, NULL) == 0);
    CHECK(kith_snapshot_import(db, file, size, "c", NULL) == 0 && kith_digest(db, "c", now, NULL) == 0);
    CHECK(memcmp(digest, now, sizeof now) == 0);
    kith_close(db);
    free(file);
    free(copy);
    sim_world_free(w);
}

static int count_blob(void *arg, const char *key)
{
    UNUSED(key);
    ++*(size_t *)arg;
    return 0;
}

static size_t blobs_in(kith_db *db)
{
    size_t n = 0;
    struct ctx c;

    ctx_init(&c, inner(db)->os);
    inner(db)->blobs->ops->list(&c, inner(db)->blobs, count_blob, &n);
    ctx_release(&c);
    return n;
}

/* Collections that are gone leave their snapshots; the last name that goes takes the files. */
static void what_stays(void)
{
    struct sim_world *w = sim_world_new(4);
    kith_db *db = open_sim(w, 50, 64 << 10);
    kith_alias_change alias = {.alias = "a", .target = "c1"};
    kith_snapshots made, all, list;
    uint64_t version;
    kith_err err;
    char name[8];

    for (int c = 0; c < 3; c++) {
        snprintf(name, sizeof name, "c%d", c);
        CHECK(kith_create(db, name, &plain, NULL) == 0);
        for (int i = 0; i < 100 * c; i++) /* the first is empty */
            CHECK(put(db, name, (uint64_t)i, (float)(i + c)) == 0);
    }
    CHECK(kith_alias(db, &alias, 1, NULL) == 0);
    CHECK(kith_snapshot_create(db, "a", &made, NULL) == 0); /* of c1, behind its alias */
    CHECK(strncmp(made.snapshots[0].name, "c1-", 3) == 0);
    CHECK(kith_snapshot_create(db, NULL, &all, NULL) == 0);
    CHECK(kith_snapshot_list(db, "a", &list, NULL) == 0 && list.count == 1);
    kith_snapshots_free(&list);
    CHECK(kith_snapshot_list(db, NULL, &list, NULL) == 0 && list.count == 1);
    kith_snapshots_free(&list);
    CHECK(kith_snapshot_list(db, "nobody", &list, &err) == KITH_NOT_FOUND);
    for (int c = 0; c < 3; c++) {
        snprintf(name, sizeof name, "c%d", c);
        CHECK(kith_drop(db, name, NULL) == 1);
    }
    settle(db);
    kith_close(db);
    sim_world_restart(w);
    db = open_sim(w, 50, 64 << 10);
    CHECK(kith_snapshot_restore(db, "c1", made.snapshots[0].name, "new", NULL) == 0);
    CHECK(value_of(db, "new", 5, &version) == 6);
    CHECK(kith_snapshot_restore(db, NULL, all.snapshots[0].name, "one", &err) == KITH_INVALID);
    CHECK(kith_snapshot_restore(db, NULL, all.snapshots[0].name, NULL, NULL) == 0);
    CHECK(kith_count(db, "c0", NULL, true, 0, NULL) == 0 && put(db, "c0", 1, 1) == 0);
    CHECK(kith_count(db, "a", NULL, true, 0, NULL) == 100 && kith_count(db, "c2", NULL, true, 0, NULL) == 200);
    CHECK(kith_snapshot_restore(db, "c1", "no such", "x", &err) == KITH_NOT_FOUND);
    for (int c = 0; c < 3; c++) {
        snprintf(name, sizeof name, "c%d", c);
        CHECK(kith_drop(db, name, NULL) == 1);
    }
    CHECK(kith_drop(db, "new", NULL) == 1);
    settle(db);
    CHECK(blobs_in(db) > 0);
    CHECK(kith_snapshot_drop(db, "c1", made.snapshots[0].name, NULL) == 1);
    CHECK(kith_snapshot_drop(db, NULL, all.snapshots[0].name, NULL) == 1);
    CHECK(blobs_in(db) == 0);
    kith_snapshots_free(&made);
    kith_snapshots_free(&all);
    kith_close(db);
    sim_world_free(w);
}

/* Above 8 GiB sizes are binary; reading at any offset is reading it whole. */
static void containers(void)
{
    static uint8_t data[3000];
    struct tar_member m[3];
    struct tar_entry e;
    uint8_t whole[8192], part[8192];
    struct ctx c;
    size_t size;

    ctx_init(&c, os_linux());
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)test_dice(256);
    tar_member_init(&m[0], "one", (struct bytes){data, 700}, 5);
    tar_member_init(&m[1], "none", (struct bytes){data, 0}, 5);
    tar_member_init(&m[2], "two", (struct bytes){data, 1024}, 5);
    size = (size_t)tar_total(m, 3);
    CHECK(tar_read(m, 3, 0, whole, sizeof whole) == size);
    for (int i = 0; i < 500; i++) {
        size_t at = test_dice(size), n = 1 + test_dice(2000);
        CHECK(tar_read(m, 3, at, part, n) == MIN(n, size - at) && memcmp(part, whole + at, MIN(n, size - at)) == 0);
    }
    struct tar_reader r = {{whole, size}, 0};
    for (int i = 0; i < 3; i++)
        CHECK(tar_next(&c, &r, &e) == 1 && e.data.size == m[i].data.size && memcmp(e.data.data, data, e.data.size) == 0);
    CHECK(tar_next(&c, &r, &e) == 0);
    tar_member_init(&m[0], "large", (struct bytes){data, 9ull << 30}, 5);
    r = (struct tar_reader){{m[0].header, (10ull << 30)}, 0}; /* only its header is looked at */
    CHECK(tar_next(&c, &r, &e) == 1 && e.data.size == 9ull << 30);
    ctx_release(&c);
}

static const struct test tests[] = {
    {"a file of another database", into_another_database},
    {"partial files", partial_files},
    {"broken files are refused", broken_files},
    {"what stays and what goes", what_stays},
    {"containers", containers},
};

TEST_MAIN(tests)
