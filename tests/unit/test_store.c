/* test_store.c - one suite for each of the three stores, over every form there is. */
#include "test.h"

#include "os_sim.h"
#include "store/blob.h"
#include "store/log.h"
#include "store/meta.h"
#include "store/pack.h"

/* ---- log -------------------------------------------------------------------------------------------- */

struct waiter {
    struct log_wait w;
    int code;
    uint64_t offset;
};

static void note(struct log_wait *w, int code, uint64_t offset)
{
    struct waiter *p = container_of(w, struct waiter, w);

    p->code = code;
    p->offset = offset;
}

struct reading {
    uint64_t next;
    size_t count;
    bool wrong;
};

static int read_one(void *arg, uint64_t offset, struct bytes record)
{
    struct reading *r = arg;
    uint64_t stamp = 0;

    if (record.size >= 8)
        memcpy(&stamp, record.data, 8);
    r->wrong = r->wrong || offset != r->next || stamp != offset;
    r->next++;
    r->count++;
    return 0;
}

static void log_suite(struct ctx *c, struct log *l)
{
    struct waiter w[50];
    uint8_t data[50][400];
    struct reading r = {1, 0, false};

    for (size_t i = 0; i < 50; i++) {
        uint64_t stamp = i + 1;
        memset(data[i], (int)i, sizeof data[i]);
        memcpy(data[i], &stamp, 8);
        w[i] = (struct waiter){{{data[i], 8 + i * 7}, note, NULL}, 1, 0};
        CHECK(l->ops->append(c, l, 0, &w[i].w) == 0);
        CHECK(w[i].code == 1); /* nothing is done before a commit */
        if (i % 7 == 0)
            CHECK(l->ops->commit(c, l) > 0);
    }
    while (l->ops->pending(l))
        CHECK(l->ops->commit(c, l) > 0);
    for (size_t i = 0; i < 50; i++)
        CHECK(w[i].code == 0 && w[i].offset == i + 1);
    CHECK(l->ops->end(l, 0) == 50);
    CHECK(l->ops->commit(c, l) == 0);
    CHECK(l->ops->read(c, l, 0, 1, read_one, &r) == 0);
    CHECK(r.count == 50 && !r.wrong);
    r = (struct reading){40, 0, false};
    CHECK(l->ops->read(c, l, 0, 40, read_one, &r) == 0);
    CHECK(r.count == 11 && !r.wrong);
    w[0].w.record.size = (size_t)l->record_max + 1;
    CHECK(l->ops->append(c, l, 0, &w[0].w) == KITH_LIMIT);
    CHECK(l->ops->trim(c, l, 0, 30, 0) >= 0);
    r = (struct reading){30, 0, false};
    CHECK(l->ops->read(c, l, 0, 30, read_one, &r) == 0);
    CHECK(r.count == 21 && !r.wrong);
}

static void log_memory(void)
{
    struct log *l;
    struct ctx c;

    ctx_init(&c, os_linux());
    CHECK(memlog_open(&c, &l) == 0);
    log_suite(&c, l);
    l->ops->close(&c, l);
    ctx_release(&c);
}

static void log_files(void)
{
    struct wal_options o = {16 << 10, false};
    struct sim_world *w = sim_world_new(3);
    struct reading r = {50, 0, false};
    struct log *l;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    CHECK(wal_open(&c, "log", &o, &l) == 0);
    log_suite(&c, l);
    l->ops->close(&c, l);
    CHECK(wal_open(&c, "log", &o, &l) == 0);
    CHECK(l->ops->end(l, 0) == 50);
    CHECK(l->ops->read(&c, l, 0, 50, read_one, &r) == 0 && r.count == 1 && !r.wrong);
    l->ops->close(&c, l);
    ctx_release(&c);
    sim_world_free(w);
}

/* Every power-off point of appends and rolls (T2), several dice each: acknowledged records survive, in
 * order, without a gap; nothing that was not appended appears. */
static void log_crash_points(void)
{
    uint64_t points = 0;

    for (uint64_t at = 1;; at++) {
        bool reached = false;
        for (uint64_t dice = 0; dice < 6; dice++) {
            struct wal_options o = {16 << 10, false};
            struct sim_world *w = sim_world_new(at * 100 + dice);
            struct waiter waits[30];
            uint8_t data[30][700];
            struct reading r = {1, 0, false};
            uint64_t acked = 0;
            struct log *l = NULL;
            struct ctx c;
            memset(waits, 0, sizeof waits);
            ctx_init(&c, sim_world_os(w));
            sim_world_crash_after(w, at);
            if (wal_open(&c, "log", &o, &l) == 0) {
                for (uint64_t i = 0; i < 30; i++) {
                    uint64_t stamp = i + 1;
                    memset(data[i], 7, sizeof data[i]);
                    memcpy(data[i], &stamp, 8);
                    waits[i] = (struct waiter){{{data[i], 8 + (i * 97) % 690}, note, NULL}, 1, 0};
                    if (l->ops->append(&c, l, 0, &waits[i].w) < 0)
                        break;
                    if (i % 3 == 2)
                        (void)l->ops->commit(&c, l);
                }
                while (l->ops->pending(l))
                    (void)l->ops->commit(&c, l);
                for (uint64_t i = 0; i < 30; i++)
                    acked = waits[i].code == 0 && waits[i].offset ? waits[i].offset : acked;
                l->ops->close(&c, l);
            }
            reached = sim_world_dead(w);
            sim_world_restart(w);
            CHECK(wal_open(&c, "log", &o, &l) == 0);
            CHECK(l->ops->damage(l)->from == 0);
            CHECK(l->ops->end(l, 0) >= acked && l->ops->end(l, 0) <= 30);
            CHECK(l->ops->read(&c, l, 0, 1, read_one, &r) == 0);
            CHECK(r.count == l->ops->end(l, 0) && !r.wrong);
            l->ops->close(&c, l);
            ctx_release(&c);
            sim_world_free(w);
            points++;
        }
        if (!reached)
            break;
    }
    printf("     %llu crash points\n", (unsigned long long)points);
    CHECK(points > 200);
}

/* ---- blobs ------------------------------------------------------------------------------------------------ */

static int count_keys(void *arg, const char *key)
{
    CHECK(strcmp(key, "one") == 0 || strcmp(key, "two") == 0);
    ++*(int *)arg;
    return 0;
}

static void blob_suite(struct ctx *c, struct blob_store *s)
{
    struct blob_writer *w;
    struct blob *b;
    int keys = 0;

    CHECK(s->ops->open(c, s, "one", &b) == KITH_NOT_FOUND);
    CHECK(s->ops->create(c, s, "one", &w) == 0);
    CHECK(s->ops->append(c, w, "hello ", 6) == 0);
    CHECK(s->ops->append(c, w, "blob", 4) == 0);
    CHECK(s->ops->open(c, s, "one", &b) == KITH_NOT_FOUND); /* complete or absent */
    CHECK(s->ops->commit(c, w) == 0);
    CHECK(s->ops->open(c, s, "one", &b) == 0);
    CHECK(b->size == 10 && memcmp(b->data, "hello blob", 10) == 0);
    CHECK(s->ops->create(c, s, "two", &w) == 0);
    CHECK(s->ops->append(c, w, "x", 1) == 0);
    CHECK(s->ops->commit(c, w) == 0);
    CHECK(s->ops->create(c, s, "three", &w) == 0);
    s->ops->abort(w);
    CHECK(s->ops->list(c, s, count_keys, &keys) == 0 && keys == 2);
    CHECK(s->ops->remove(c, s, "one") == 0);
    CHECK(memcmp(b->data, "hello blob", 10) == 0); /* open ones stay readable */
    s->ops->close(b);
    CHECK(s->ops->open(c, s, "one", &b) == KITH_NOT_FOUND);
    CHECK(s->ops->remove(c, s, "one") == 0);
    s->ops->free(s);
}

static void blobs_memory(void)
{
    struct blob_store *s;
    struct ctx c;

    ctx_init(&c, os_linux());
    CHECK(blob_mem_open(&c, &s) == 0);
    blob_suite(&c, s);
    ctx_release(&c);
}

static void blobs_directory(void)
{
    struct sim_world *w = sim_world_new(4);
    struct blob_store *s;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    CHECK(blob_dir_open(&c, "blobs", &s) == 0);
    blob_suite(&c, s);
    ctx_release(&c);
    sim_world_free(w);
}

/* Every byte of a container changed, one at a time: found, or the content is what it was. */
static void pack_every_byte(void)
{
    struct sim_world *w = sim_world_new(5);
    struct pack_writer p;
    struct blob_store *s;
    uint8_t content[9000], *file;
    uint64_t total;
    size_t size = 0, wrong = 0;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)test_dice(256);
    CHECK(blob_dir_open(&c, "b", &s) == 0);
    CHECK(pack_create(&c, s, "k", &p) == 0);
    CHECK(pack_put(&c, &p, PACK_IDS, 1, 7, content, sizeof content) == 0);
    CHECK(pack_commit(&c, &p, &total) == 0);
    file = sim_world_file(w, "b/k", &size);
    CHECK(file && size == total);
    for (size_t i = 0; i < size; i++) {
        struct pack *pack = NULL;
        struct bytes got = {0};
        struct ctx one;
        bool found;
        file[i] ^= 0x41;
        ctx_init(&one, sim_world_os(w));
        found = pack_open(&one, s, "k", &pack) < 0 || pack_get(&one, pack, PACK_IDS, 1, 7, &got) < 0;
        wrong += !found && (got.size != sizeof content || memcmp(got.data, content, sizeof content) != 0);
        pack_close(pack);
        ctx_release(&one);
        file[i] ^= 0x41;
    }
    CHECK(wrong == 0);
    s->ops->free(s);
    ctx_release(&c);
    sim_world_free(w);
}

/* ---- meta -------------------------------------------------------------------------------------------------- */

static int append_key(void *arg, const struct meta_item *item)
{
    strncat(arg, item->key, 20);
    strncat(arg, " ", 2);
    return 0;
}

static void watched(void *arg, const struct meta_item *item, bool removed)
{
    UNUSED(item);
    *(int *)arg += removed ? 100 : 1;
}

static void meta_suite(struct ctx *c, struct meta *m)
{
    struct meta_change put[] = {{"a/1", {(const uint8_t *)"x", 1}, false}, {"a/2", {(const uint8_t *)"yy", 2}, false},
                                {"b/1", {NULL, 0}, false}};
    struct meta_change again = {"a/1", {(const uint8_t *)"z", 1}, false}, gone = {"a/2", {NULL, 0}, true};
    struct meta_compare fresh = {"a/1", 0}, now;
    struct meta_item item;
    char keys[100] = "";
    int seen = 0;

    CHECK(m->ops->get(c, m, "a/1", &item) == KITH_NOT_FOUND);
    CHECK(m->ops->watch(c, m, "a/", watched, &seen) == 0);
    CHECK(m->ops->swap(c, m, &fresh, 1, put, 3) == 0);
    CHECK(seen == 2);
    CHECK(m->ops->swap(c, m, &fresh, 1, put, 3) == KITH_BUSY); /* it is not absent any more */
    CHECK(m->ops->get(c, m, "a/1", &item) == 0 && item.value.size == 1 && item.value.data[0] == 'x');
    now = (struct meta_compare){"a/1", item.revision};
    CHECK(m->ops->swap(c, m, &now, 1, &again, 1) == 0);
    CHECK(m->ops->swap(c, m, &now, 1, &again, 1) == KITH_BUSY);
    CHECK(m->ops->scan(c, m, "a/", append_key, keys) == 0 && strcmp(keys, "a/1 a/2 ") == 0);
    CHECK(m->ops->swap(c, m, NULL, 0, &gone, 1) == 0);
    CHECK(seen == 103);
    CHECK(m->ops->get(c, m, "a/2", &item) == KITH_NOT_FOUND);
    CHECK(m->ops->get(c, m, "b/1", &item) == 0 && item.value.size == 0);
    CHECK(m->ops->check(c, m) == 0);
}

static void meta_memory(void)
{
    struct meta *m;
    struct ctx c;

    ctx_init(&c, os_linux());
    CHECK(meta_mem_open(&c, &m) == 0);
    meta_suite(&c, m);
    m->ops->close(m);
    ctx_release(&c);
}

static void meta_sqlite(void)
{
    struct sim_world *w = sim_world_new(6);
    struct meta_item item;
    struct meta *m;
    struct ctx c;

    ctx_init(&c, sim_world_os(w));
    CHECK(meta_sqlite_open(&c, "d", &m) == 0);
    meta_suite(&c, m);
    m->ops->close(m);
    sim_world_restart(w); /* power off after the close: all of it is durable */
    CHECK(meta_sqlite_open(&c, "d", &m) == 0);
    CHECK(m->ops->get(&c, m, "a/1", &item) == 0 && item.value.data[0] == 'z');
    m->ops->close(m);
    ctx_release(&c);
    sim_world_free(w);
}

static const struct test tests[] = {
    {"log: memory", log_memory},
    {"log: files", log_files},
    {"log: every crash point of appends and rolls", log_crash_points},
    {"blobs: memory", blobs_memory},
    {"blobs: directory", blobs_directory},
    {"pack: every changed byte is found or does not matter", pack_every_byte},
    {"meta: memory", meta_memory},
    {"meta: sqlite", meta_sqlite},
};
TEST_MAIN(tests)
