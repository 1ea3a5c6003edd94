/* test_backups.c - backups of a database that is written to, and databases made of them: as of any record that the log
 * between them has, after crashes, with older ones gone. Digests tell whether a state is the one that was. */
#include "engine.h"

static const kith_vector_params two = {.name = "", .dim = 2, .metric = KITH_EUCLID};
static const kith_schema plain = {&two, 1, NULL, 0, NULL};

enum { COLLECTIONS = 2, LSNS = 1200 };
static const char *const names[COLLECTIONS] = {"c", "d"};

struct state {
    uint64_t digest[COLLECTIONS][2];
    int64_t points[COLLECTIONS];
    bool known;
};

/* What is there after each record. */
struct history {
    struct sim_world *world;
    kith_db *db;
    struct state at[LSNS];
};

static void history_open(struct history *h, uint64_t seed, uint64_t keep)
{
    memset(h, 0, sizeof *h);
    h->world = sim_world_new(seed);
    h->db = open_sim_at(h->world, "db", 40, 16 << 10, keep);
    for (int i = 0; i < COLLECTIONS; i++)
        CHECK(kith_create(h->db, names[i], &plain, NULL) == 0);
}

static void history_close(struct history *h)
{
    kith_close(h->db);
    sim_world_free(h->world);
}

static uint64_t end_of(kith_db *db)
{
    return inner(db)->log->ops->end(inner(db)->log, 0);
}

static void look(kith_db *db, struct state *to)
{
    for (int i = 0; i < COLLECTIONS; i++) {
        CHECK(kith_digest(db, names[i], to->digest[i], NULL) == 0);
        to->points[i] = kith_count(db, names[i], NULL, true, 0, NULL);
    }
    to->known = true;
}

static void write_one(struct history *h)
{
    float data[2] = {(float)test_dice(1000), 1};
    char doc[40];
    kith_vector v = {"", 2, data, KITH_F32, 0};
    kith_id id = kith_id_num(test_dice(150));
    kith_point p = {id, {KITH_DOC_JSON, (uint32_t)snprintf(doc, sizeof doc, "{\"x\":%d}", (int)data[0]), doc}, &v, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};

    if (test_dice(4) == 0)
        op = (kith_op){.kind = KITH_DELETE, .ids = &id, .ids_count = 1};
    CHECK(kith_write(h->db, names[test_dice(COLLECTIONS)], &op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    look(h->db, &h->at[end_of(h->db)]);
    if (test_dice(10) == 0)
        settle(h->db);
    if (test_dice(60) == 0)
        CHECK(kith_optimize(h->db, names[test_dice(COLLECTIONS)], NULL) == 0);
}

static int backup(struct history *h, const char *dir, uint32_t keep, struct backup_info *info, char *why)
{
    struct ctx c;
    int rc;

    ctx_init(&c, sim_world_os(h->world));
    rc = backup_make(&c, inner(h->db), dir, keep, info);
    if (why)
        snprintf(why, 256, "%s", rc < 0 ? c.text : "");
    ctx_release(&c);
    return rc;
}

static int restore(struct history *h, const char *from, struct backup_point at, const char *dir, uint64_t *last)
{
    struct ctx c;
    int rc;

    ctx_init(&c, sim_world_os(h->world));
    *last = 0;
    rc = backup_restore(&c, from, &at, dir, last);
    ctx_release(&c);
    return rc;
}

/* The database in `dir` is as it was after record `last`, and takes writes. */
static bool is_as_of(struct history *h, const char *dir, uint64_t last)
{
    kith_db *db = open_sim_at(h->world, dir, 40, 16 << 10, 0);
    struct state now;
    bool same = db && h->at[last].known;

    memset(&now, 0, sizeof now);
    if (same) {
        look(db, &now);
        same = memcmp(&now, &h->at[last], sizeof now) == 0 && end_of(db) == last;
        for (int i = 0; i < COLLECTIONS; i++) {
            const kith_op all = {.kind = KITH_DELETE, .filter = &(kith_filter){.kind = KITH_COND_ALL}};
            CHECK(kith_write(db, names[i], &all, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
            CHECK(kith_count(db, names[i], NULL, true, 0, NULL) == 0);
        }
    }
    kith_close(db);
    return same;
}

static void as_of_any_record(void)
{
    static struct history h;
    struct backup_info made[8];
    char dir[20];
    int checked = 0;
    uint64_t last;

    history_open(&h, 11, 1 << 30);
    for (int b = 0; b < 8; b++) {
        for (int i = 0; i < 90; i++)
            write_one(&h);
        CHECK(backup(&h, "bk", 0, &made[b], NULL) == 0);
        CHECK(made[b].lsn == end_of(h.db));
        CHECK(b == 0 || strcmp(made[b].name, made[b - 1].name) > 0);
    }
    for (int i = 0; i < 60; i++) {
        struct backup_point at = {.lsn = made[0].lsn + test_dice(made[7].lsn - made[0].lsn + 1)};
        snprintf(dir, sizeof dir, "r%d", i);
        if (i < 8)
            at = (struct backup_point){.name = made[i].name};
        CHECK(restore(&h, "bk", at, dir, &last) == 0);
        CHECK(last == (i < 8 ? made[i].lsn : at.lsn));
        checked += is_as_of(&h, dir, last);
        if (checked <= i)
            printf("     as of %llu (%s)\n", (unsigned long long)last, dir);
        CHECK(checked == i + 1);
    }
    CHECK(restore(&h, "bk", (struct backup_point){.lsn = made[7].lsn + 1}, "r60", &last) == KITH_INVALID);
    CHECK(restore(&h, "bk", (struct backup_point){.lsn = made[0].lsn - 1}, "r60", &last) == KITH_NOT_FOUND);
    CHECK(restore(&h, "bk", (struct backup_point){.name = "no such"}, "r60", &last) == KITH_NOT_FOUND);
    CHECK(restore(&h, "bk", (struct backup_point){.lsn = made[3].lsn}, "r1", &last) == KITH_EXISTS);
    CHECK(restore(&h, "nowhere", (struct backup_point){0}, "r60", &last) == KITH_NOT_FOUND);
    history_close(&h);
}

/* Nobody keeps the log for them: between two backups records are gone, the backups themselves are whole. */
static void with_gaps(void)
{
    static struct history h;
    struct backup_info made[6];
    int refused = 0;
    char dir[20];
    uint64_t last;

    history_open(&h, 12, 0);
    for (int b = 0; b < 6; b++) {
        for (int i = 0; i < 150; i++)
            write_one(&h);
        for (int i = 0; i < COLLECTIONS; i++)
            CHECK(kith_optimize(h.db, names[i], NULL) == 0);
        settle(h.db);
        CHECK(backup(&h, "bk", 0, &made[b], NULL) == 0);
    }
    for (int b = 0; b < 6; b++) {
        snprintf(dir, sizeof dir, "r%d", b);
        CHECK(restore(&h, "bk", (struct backup_point){.name = made[b].name}, dir, &last) == 0 && last == made[b].lsn);
        CHECK(is_as_of(&h, dir, last));
    }
    for (int b = 0; b < 5; b++) {
        int rc;
        snprintf(dir, sizeof dir, "s%d", b);
        rc = restore(&h, "bk", (struct backup_point){.lsn = made[b].lsn + 20}, dir, &last);
        refused += rc == KITH_INVALID;
        CHECK(rc == KITH_INVALID || is_as_of(&h, dir, last));
    }
    CHECK(refused > 0);
    history_close(&h);
}

static int count_file(void *arg, const char *path)
{
    *(int *)arg += strncmp(path, "bk/", 3) == 0;
    return 0;
}

/* Older ones go, with what only they need; those that stay are whole. */
static void the_newest_stay(void)
{
    static struct history h;
    struct backup_info made[30];
    int files[30];
    char dir[20];
    uint64_t last;

    history_open(&h, 13, 64 << 10);
    for (int b = 0; b < 30; b++) {
        for (int i = 0; i < 30; i++)
            write_one(&h);
        CHECK(backup(&h, "bk", 3, &made[b], NULL) == 0);
        files[b] = 0;
        (void)sim_world_list(h.world, count_file, &files[b]);
    }
    printf("     %d files, later %d\n", files[5], files[29]);
    CHECK(files[29] < 3 * files[5]);
    CHECK(restore(&h, "bk", (struct backup_point){.name = made[26].name}, "r", &last) == KITH_NOT_FOUND);
    for (int b = 27; b < 30; b++) {
        snprintf(dir, sizeof dir, "r%d", b);
        CHECK(restore(&h, "bk", (struct backup_point){.name = made[b].name}, dir, &last) == 0 && is_as_of(&h, dir, last));
        snprintf(dir, sizeof dir, "s%d", b);
        CHECK(b == 29 || (restore(&h, "bk", (struct backup_point){.lsn = made[b].lsn + 7}, dir, &last) == 0 &&
                          is_as_of(&h, dir, last)));
    }
    history_close(&h);
}

/* Power fails at every step of a backup: what was made before is whole, and the next one works. */
static void crashes(void)
{
    static struct history h;
    int done = 0, tried = 0;

    for (uint64_t ops = 1; !done; ops += 1 + test_dice(3), tried++) {
        struct backup_info first, info;
        uint64_t last;
        history_open(&h, 100 + ops, 1 << 20);
        for (int i = 0; i < 60; i++)
            write_one(&h);
        CHECK(backup(&h, "bk", 2, &first, NULL) == 0);
        for (int i = 0; i < 60; i++)
            write_one(&h);
        sim_world_crash_after(h.world, ops);
        done = backup(&h, "bk", 1, &info, NULL) == 0 && !sim_world_dead(h.world);
        kith_close(h.db);
        sim_world_restart(h.world);
        h.db = open_sim_at(h.world, "db", 40, 16 << 10, 1 << 20);
        CHECK(restore(&h, "bk", (struct backup_point){0}, "old", &last) == 0 && is_as_of(&h, "old", last));
        for (int i = 0; i < 20; i++)
            write_one(&h);
        CHECK(backup(&h, "bk", 1, &info, NULL) == 0);
        CHECK(restore(&h, "bk", (struct backup_point){0}, "new", &last) == 0 && last == info.lsn && is_as_of(&h, "new", last));
        history_close(&h);
    }
    printf("     %d places\n", tried);
    CHECK(tried > 20);
}

/* What was restored is another database; collections come and go between backups. */
static void whose_they_are(void)
{
    static struct history h;
    struct backup_info info;
    char why[256];
    uint64_t last;
    kith_db *mine;

    history_open(&h, 14, 1 << 20);
    for (int i = 0; i < 50; i++)
        write_one(&h);
    CHECK(backup(&h, "bk", 0, &info, NULL) == 0);
    CHECK(kith_create(h.db, "e", &plain, NULL) == 0 && kith_vector_add(h.db, "c", &(kith_vector_params){
        .name = "more", .dim = 1, .metric = KITH_DOT}, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        float one = (float)i;
        kith_vector v = {"more", 1, &one, KITH_F32, 0};
        kith_point p = {kith_id_num((uint64_t)i), {KITH_DOC_NONE, 0, NULL}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        CHECK(kith_write(h.db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
        write_one(&h);
    }
    CHECK(kith_drop(h.db, "d", NULL) == 1 && kith_create(h.db, "d", &plain, NULL) == 0);
    CHECK(backup(&h, "bk", 0, &info, NULL) == 0);
    CHECK(restore(&h, "bk", (struct backup_point){0}, "r", &last) == 0);
    mine = h.db;
    h.db = open_sim_at(h.world, "r", 40, 16 << 10, 0);
    CHECK(h.db && kith_count(h.db, "d", NULL, true, 0, NULL) == 0 && kith_exists(h.db, "e", NULL));
    CHECK(backup(&h, "bk", 0, &info, why) == KITH_INVALID && strstr(why, "another database"));
    CHECK(backup(&h, "bk2", 0, &info, NULL) == 0);
    kith_close(h.db);
    h.db = mine;
    /* records of what the first backup does not know are passed over */
    CHECK(restore(&h, "bk", (struct backup_point){.lsn = 60}, "s", &last) == 0);
    mine = open_sim_at(h.world, "s", 40, 16 << 10, 0);
    CHECK(mine && !kith_exists(mine, "e", NULL) && kith_count(mine, "c", NULL, true, 0, NULL) > 0);
    kith_close(mine);
    history_close(&h);
}

static const struct test tests[] = {
    {"backups: as of any record", as_of_any_record},
    {"backups: with gaps in the log", with_gaps},
    {"backups: the newest stay", the_newest_stay},
    {"backups: the power fails", crashes},
    {"backups: whose they are", whose_they_are},
};

TEST_MAIN(tests)
