/* meta_sqlite.c - meta in one SQLite file. One connection, one lock; its writes are rare and small. */
#include "store/meta.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/os.h"
#include "os/sync.h"
#include "store/sqlite_vfs.h"

#include <sqlite3.h>

enum { WATCHES_MAX = 16 };

struct watch {
    char *prefix;
    meta_watch_fn fn;
    void *arg;
};

struct meta_sqlite {
    struct meta base;
    struct sqlite_vfs *vfs;
    sqlite3 *db;
    struct os_mutex mutex;
    struct watch watches[WATCHES_MAX];
    size_t watches_count;
};

static struct meta_sqlite *sqlite_of(struct meta *m)
{
    return container_of(m, struct meta_sqlite, base);
}

static int sql_error(struct ctx *c, sqlite3 *db, int rc, const char *what)
{
    int code = rc == SQLITE_FULL ? KITH_FULL : rc == SQLITE_NOMEM ? KITH_NOMEM
               : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? KITH_CORRUPT : KITH_IO;

    return err_set(c, code, "metadata: %s: %s", what, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static int exec(struct ctx *c, sqlite3 *db, const char *sql)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sql_error(c, db, rc, sql);
}

/* SQLite keeps no checksum of what it stores: each value carries one of its own, over key and value. */
static uint32_t checksum(const char *key, struct bytes value)
{
    return crc32c(crc32c(0, key, strlen(key)), value.data, value.size);
}

static int column_item(struct ctx *c, sqlite3_stmt *s, struct meta_item *item)
{
    uint32_t crc;

    item->key = (const char *)sqlite3_column_text(s, 0);
    item->value.data = sqlite3_column_blob(s, 1);
    item->value.size = (size_t)sqlite3_column_bytes(s, 1);
    item->revision = (uint64_t)sqlite3_column_int64(s, 2);
    if (!item->key || item->value.size < 4)
        return err_set(c, KITH_CORRUPT, "metadata: an entry is cut off");
    item->value.size -= 4;
    memcpy(&crc, item->value.data + item->value.size, 4);
    if (crc != checksum(item->key, item->value))
        return err_set(c, KITH_CORRUPT, "metadata: the value of %.100s fails its checksum", item->key);
    return 0;
}

static int prepare(struct ctx *c, struct meta_sqlite *m, const char *sql, const char *key, sqlite3_stmt **ret)
{
    int rc = sqlite3_prepare_v2(m->db, sql, -1, ret, NULL);

    if (rc == SQLITE_OK && key)
        rc = sqlite3_bind_text(*ret, 1, key, -1, SQLITE_STATIC);
    return rc == SQLITE_OK ? 0 : sql_error(c, m->db, rc, "prepare");
}

static int sqlite_scan(struct ctx *c, struct meta *base, const char *prefix,
                       int (*each)(void *, const struct meta_item *), void *arg)
{
    struct meta_sqlite *m = sqlite_of(base);
    sqlite3_stmt *s = NULL;
    size_t n = strlen(prefix);
    int rc, step = SQLITE_DONE;

    os_mutex_lock(&m->mutex);
    rc = prepare(c, m, "SELECT key, value, revision FROM facts WHERE key >= ?1 ORDER BY key", prefix, &s);
    while (rc >= 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
        struct meta_item item;
        rc = column_item(c, s, &item);
        if (rc < 0)
            break;
        if (strncmp(item.key, prefix, n) != 0)
            break;
        rc = each(arg, &item);
    }
    if (rc >= 0 && step != SQLITE_ROW && step != SQLITE_DONE)
        rc = sql_error(c, m->db, step, "read");
    sqlite3_finalize(s);
    os_mutex_unlock(&m->mutex);
    return rc;
}

static int get_locked(struct ctx *c, struct meta_sqlite *m, const char *key, struct meta_item *ret_item)
{
    sqlite3_stmt *s = NULL;
    int rc = prepare(c, m, "SELECT key, value, revision FROM facts WHERE key = ?1", key, &s), step;

    if (rc >= 0) {
        step = sqlite3_step(s);
        if (step == SQLITE_ROW) {
            struct meta_item item;
            rc = column_item(c, s, &item);
            if (rc >= 0) {
                item.key = key;
                item.value.data = arena_copy(&c->arena, item.value.data, item.value.size);
                *ret_item = item;
                rc = item.value.data ? 0 : err_nomem(c);
            }
        } else {
            rc = step == SQLITE_DONE ? err_set(c, KITH_NOT_FOUND, "metadata: no %s", key)
                                     : sql_error(c, m->db, step, "read");
        }
    }
    sqlite3_finalize(s);
    return rc;
}

static int sqlite_get(struct ctx *c, struct meta *base, const char *key, struct meta_item *ret_item)
{
    struct meta_sqlite *m = sqlite_of(base);
    int rc;

    os_mutex_lock(&m->mutex);
    rc = get_locked(c, m, key, ret_item);
    os_mutex_unlock(&m->mutex);
    return rc;
}

static int check_compares(struct ctx *c, struct meta_sqlite *m, const struct meta_compare *compares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct meta_item item;
        uint64_t revision = 0;
        int rc = get_locked(c, m, compares[i].key, &item);
        if (rc == 0)
            revision = item.revision;
        else if (rc != KITH_NOT_FOUND)
            return rc;
        if (revision != compares[i].revision)
            return err_set(c, KITH_BUSY, "metadata: %s changed meanwhile", compares[i].key);
    }
    return 0;
}

static int apply_changes(struct ctx *c, struct meta_sqlite *m, const struct meta_change *changes, size_t count)
{
    static const char put[] = "INSERT INTO facts (key, value, revision) VALUES (?1, ?2, "
                              "(SELECT n + 1 FROM counter)) ON CONFLICT (key) DO UPDATE SET "
                              "value = excluded.value, revision = excluded.revision";

    TRY(exec(c, m->db, "UPDATE counter SET n = n + 1"));
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *s = NULL;
        int rc = prepare(c, m, changes[i].remove ? "DELETE FROM facts WHERE key = ?1" : put, changes[i].key, &s);
        if (rc >= 0 && !changes[i].remove) {
            size_t size = changes[i].value.size;
            uint32_t crc = checksum(changes[i].key, changes[i].value);
            uint8_t *data = arena_alloc(&c->arena, size + 4);
            int b = SQLITE_NOMEM;
            if (data) {
                if (size)
                    memcpy(data, changes[i].value.data, size);
                memcpy(data + size, &crc, 4);
                b = sqlite3_bind_blob64(s, 2, data, size + 4, SQLITE_STATIC);
            }
            rc = b == SQLITE_OK ? 0 : sql_error(c, m->db, b, "bind");
        }
        if (rc >= 0) {
            int step = sqlite3_step(s);
            rc = step == SQLITE_DONE ? 0 : sql_error(c, m->db, step, "write");
        }
        sqlite3_finalize(s);
        TRY(rc);
    }
    return 0;
}

static void notify(struct meta_sqlite *m, const struct meta_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct meta_item item = {changes[i].key, changes[i].value, 0};
        for (size_t j = 0; j < m->watches_count; j++) {
            if (strncmp(changes[i].key, m->watches[j].prefix, strlen(m->watches[j].prefix)) == 0)
                m->watches[j].fn(m->watches[j].arg, &item, changes[i].remove);
        }
    }
}

static int sqlite_swap(struct ctx *c, struct meta *base, const struct meta_compare *compares, size_t compares_count,
                       const struct meta_change *changes, size_t changes_count)
{
    struct meta_sqlite *m = sqlite_of(base);
    int rc;

    os_mutex_lock(&m->mutex);
    rc = exec(c, m->db, "BEGIN IMMEDIATE");
    if (rc >= 0) {
        rc = check_compares(c, m, compares, compares_count);
        if (rc >= 0)
            rc = apply_changes(c, m, changes, changes_count);
        if (rc >= 0)
            rc = exec(c, m->db, "COMMIT");
        if (rc < 0)
            (void)sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
    }
    os_mutex_unlock(&m->mutex);
    if (rc >= 0)
        notify(m, changes, changes_count);
    return rc;
}

static int sqlite_watch(struct ctx *c, struct meta *base, const char *prefix, meta_watch_fn fn, void *arg)
{
    struct meta_sqlite *m = sqlite_of(base);
    struct watch w = {mem_strdup(prefix), fn, arg};

    if (!w.prefix)
        return err_nomem(c);
    if (m->watches_count == WATCHES_MAX) {
        mem_free(w.prefix);
        return err_set(c, KITH_LIMIT, "metadata: at most %d watches", WATCHES_MAX);
    }
    m->watches[m->watches_count++] = w;
    return 0;
}

static int keep_going(void *arg, const struct meta_item *item)
{
    UNUSED(arg);
    UNUSED(item);
    return 0;
}

static int sqlite_check(struct ctx *c, struct meta *base)
{
    struct meta_sqlite *m = sqlite_of(base);
    sqlite3_stmt *s = NULL;
    int rc;

    TRY(sqlite_scan(c, base, "", keep_going, NULL));
    os_mutex_lock(&m->mutex);
    rc = prepare(c, m, "PRAGMA integrity_check(1)", NULL, &s);
    if (rc >= 0 && (sqlite3_step(s) != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0))
        rc = err_set(c, KITH_CORRUPT, "metadata: SQLite finds it damaged");
    sqlite3_finalize(s);
    os_mutex_unlock(&m->mutex);
    return rc;
}

static int sqlite_secure(struct ctx *c, struct meta *base)
{
    struct meta_sqlite *m = sqlite_of(base);
    int rc;

    os_mutex_lock(&m->mutex);
    rc = exec(c, m->db, "VACUUM");
    os_mutex_unlock(&m->mutex);
    return rc;
}

static void sqlite_close(struct meta *base)
{
    struct meta_sqlite *m = sqlite_of(base);

    if (m->db)
        sqlite3_close(m->db);
    sqlite_vfs_free(m->vfs);
    for (size_t i = 0; i < m->watches_count; i++)
        mem_free(m->watches[i].prefix);
    os_mutex_release(&m->mutex);
    mem_free(m);
}

static const struct meta_ops sqlite_ops = {
    .name = "sqlite",
    .scan = sqlite_scan,
    .get = sqlite_get,
    .swap = sqlite_swap,
    .watch = sqlite_watch,
    .secure = sqlite_secure,
    .check = sqlite_check,
    .close = sqlite_close,
};

int meta_sqlite_open(struct ctx *c, const char *dir, struct meta **ret_meta)
{
    struct meta_sqlite *m = mem_zalloc(sizeof *m);
    char *path = os_path(&c->arena, dir, "meta.db");
    int rc;

    if (!m || !path) {
        mem_free(m);
        return err_nomem(c);
    }
    m->base.ops = &sqlite_ops;
    os_mutex_init(&m->mutex);
    rc = sqlite_vfs_new(c, dir, &m->vfs);
    if (rc >= 0) {
        int open = sqlite3_open_v2(path, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   sqlite_vfs_name(m->vfs));
        rc = open == SQLITE_OK ? 0 : sql_error(c, m->db, open, path);
    }
    if (rc >= 0)
        rc = exec(c, m->db,
                  "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;"
                  "PRAGMA page_size = 4096; PRAGMA temp_store = MEMORY;"
                  "BEGIN IMMEDIATE;"
                  "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value BLOB NOT NULL, "
                  "revision INTEGER NOT NULL) WITHOUT ROWID;"
                  "CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL);"
                  "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);"
                  "COMMIT;");
    if (rc < 0) {
        sqlite_close(&m->base);
        return rc;
    }
    *ret_meta = &m->base;
    return 0;
}
