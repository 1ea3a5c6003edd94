/* fuzz_files.c - files that come from elsewhere, over a database in memory: containers of snapshots, and backups. The first
 * byte picks the file; what it begins and ends with is made right, so that what lies between is looked at. */
#include "engine/backup.h"
#include "engine/engine.h"
#include "engine/tar.h"
#include "os_sim.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS_A_WORLD = 300, POINTS = 60 };

static struct {
    struct sim_world *world;
    kith_db *db;
    struct bytes file;   /* a snapshot that is whole */
    struct bytes backup; /* the file of a backup that is */
    unsigned runs;
} f;

static void put_points(void)
{
    for (uint64_t i = 0; i < POINTS; i++) {
        float place[2] = {(float)i, 1};
        kith_vector v = {"", 2, place, KITH_F32, 0};
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, 7, "{\"a\":1}"}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        if (kith_write(f.db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) < 0)
            abort();
    }
}

static void keep(struct bytes *to, const void *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    memcpy(copy, data, size);
    free((void *)(uintptr_t)to->data);
    *to = (struct bytes){copy, size};
}

static void make_files(void)
{
    struct db *db = (struct db *)(void *)f.db;
    struct backup_info info;
    kith_snapshot_file *file;
    kith_snapshots made;
    uint8_t *bytes;
    char path[80];
    struct ctx c;
    size_t size;

    if (kith_snapshot_create(f.db, "c", &made, NULL) < 0)
        abort();
    file = kith_snapshot_open(f.db, "c", made.snapshots[0].name, NULL);
    size = kith_snapshot_size(file);
    bytes = malloc(size);
    if (kith_snapshot_read(file, 0, bytes, size) != size)
        abort();
    keep(&f.file, bytes, size);
    free(bytes);
    kith_snapshot_close(file);
    kith_snapshots_free(&made);
    ctx_init(&c, db->os);
    if (backup_make(&c, db, "bk", 0, &info) < 0)
        abort();
    snprintf(path, sizeof path, "bk/backups/%s", info.name);
    bytes = sim_world_file(f.world, path, &size);
    keep(&f.backup, bytes, size);
    ctx_release(&c);
}

static void open_world(void)
{
    static const kith_vector_params two = {.name = "", .dim = 2, .metric = KITH_EUCLID};
    static const kith_schema plain = {&two, 1, NULL, 0, NULL};
    kith_options o = {.growing_rows_max = 16};
    struct db *db = NULL;
    struct ctx c;

    if (f.world) {
        kith_close(f.db);
        sim_world_free(f.world);
    }
    f.world = sim_world_new(1);
    ctx_init(&c, sim_world_os(f.world));
    if (db_open(&c, sim_world_os(f.world), "db", &o, &db) < 0)
        abort();
    ctx_release(&c);
    f.db = (kith_db *)(void *)db;
    if (kith_create(f.db, "c", &plain, NULL) < 0)
        abort();
    put_points();
    make_files();
}

/* A few bytes of a file that is whole are others: pairs of a place and what is there then. */
static uint8_t *changed(struct bytes whole, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(whole.size);

    memcpy(copy, whole.data, whole.size);
    for (size_t i = 0; i + 3 < size; i += 4) {
        size_t at = ((size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) % whole.size;
        copy[at] = data[i + 3];
    }
    return copy;
}

static void import(const void *file, size_t size)
{
    if (kith_snapshot_import(f.db, file, size, "d", NULL) == 0) {
        if (kith_count(f.db, "d", NULL, true, 0, NULL) < 0)
            abort();
        (void)kith_drop(f.db, "d", NULL);
    }
}

/* The bytes as the record of a snapshot, with the blobs that the real one has. */
static void import_record(const uint8_t *data, size_t size)
{
    struct tar_reader r = {f.file, 0};
    struct tar_member members[20];
    struct tar_entry e;
    struct ctx c;
    uint32_t crc = crc32c(0, data, size);
    uint8_t *record = malloc(size + sizeof crc), *file;
    size_t count = 0, all;

    ctx_init(&c, os_linux());
    memcpy(record, data, size);
    memcpy(record + size, &crc, sizeof crc);
    while (tar_next(&c, &r, &e) > 0 && count < ARRAY_SIZE(members)) {
        tar_member_init(&members[count], e.name, count ? e.data : (struct bytes){record, size + sizeof crc}, 1);
        count++;
    }
    all = (size_t)tar_total(members, count);
    file = malloc(all);
    (void)tar_read(members, count, 0, file, all);
    import(file, all);
    free(file);
    free(record);
    ctx_release(&c);
}

static int see_backup(void *arg, const struct backup_info *info)
{
    UNUSED(arg);
    UNUSED(info);
    return 0;
}

/* The bytes as a backup, between its first ones and its checksum. */
static void read_backup(const uint8_t *data, size_t size)
{
    const struct backup_point newest = {0};
    const struct os *os = sim_world_os(f.world);
    struct buf file;
    uint64_t last;
    struct ctx c;

    buf_init(&file);
    buf_put(&file, f.backup.data, 8);
    buf_put(&file, data, size);
    buf_u32(&file, crc32c(0, file.data, file.size));
    ctx_init(&c, os);
    if (os_write_file(&c, "bk/backups", "9", file.data, file.size) < 0)
        abort();
    (void)backup_each(&c, "bk", see_backup, NULL);
    if (backup_restore(&c, "bk", &newest, "restored", &last) == 0) /* what is not as it says is found now, or never */
        f.runs = 0;
    (void)os->remove(os, "bk/backups/9");
    ctx_release(&c);
    buf_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (f.runs++ % RUNS_A_WORLD == 0)
        open_world();
    if (size < 2)
        return 0;
    switch (data[0] % 5) {
    case 0: import(data + 1, size - 1); break;
    case 1: import_record(data + 1, size - 1); break;
    case 2:
        copy = changed(f.file, data + 1, size - 1);
        import(copy, f.file.size);
        free(copy);
        break;
    case 3: read_backup(data + 1, size - 1); break;
    default:
        copy = changed((struct bytes){f.backup.data + 8, f.backup.size - 12}, data + 1, size - 1);
        read_backup(copy, f.backup.size - 12);
        free(copy);
        break;
    }
    while (db_step((struct db *)(void *)f.db, 0))
        ;
    return 0;
}
