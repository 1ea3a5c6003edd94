/* snapshot_file.c - a snapshot as a file: made while it is read, and taken in (docs/format/snapshot.md). */
#include "engine/snapshot.h"
#include "store/pack.h"

#include "base/hash.h"
#include "base/mem.h"
#include "engine/tar.h"

#include <stdio.h>

enum { KEY_SIZE = 48 };

#define RECORD_NAME "kith-snapshot"
#define BLOB_PREFIX "blobs/"

struct snapshot_file {
    struct db *db;
    struct tar_member *members;
    struct blob **blobs; /* of the members but the first */
    size_t count;
    uint8_t *record;
};

uint64_t snapshot_size(const struct snapshot_file *f)
{
    return tar_total(f->members, f->count);
}

size_t snapshot_read(struct snapshot_file *f, uint64_t offset, void *to, size_t most)
{
    return tar_read(f->members, f->count, offset, to, most);
}

void snapshot_close(struct snapshot_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; f->blobs && i + 1 < f->count; i++)
        f->db->blobs->ops->close(f->blobs[i]);
    mem_free(f->members);
    mem_free(f->blobs);
    mem_free(f->record);
    mem_free(f);
}

static const char *part_name(const struct tar_member *m)
{
    return (const char *)m->header + sizeof BLOB_PREFIX - 1; /* the name is the first field, and ends with a zero */
}

int snapshot_parts(const struct snapshot_file *f, int (*each)(void *arg, const char *part), void *arg)
{
    int rc = 0;

    for (size_t i = 1; i < f->count && rc >= 0; i++)
        rc = each(arg, part_name(&f->members[i]));
    return rc;
}

size_t snapshot_omit(struct snapshot_file *f, const struct strmap *parts)
{
    size_t kept = 1;

    for (size_t i = 1; i < f->count; i++) {
        if (strmap_get(parts, part_name(&f->members[i]))) {
            f->db->blobs->ops->close(f->blobs[i - 1]);
            continue;
        }
        f->members[kept] = f->members[i];
        f->blobs[kept++ - 1] = f->blobs[i - 1];
    }
    f->count = kept;
    return kept - 1;
}

static int add_blob(struct ctx *c, struct snapshot_file *f, const char *key, uint64_t ms)
{
    struct blob *b;
    char name[80];

    TRY(f->db->blobs->ops->open(c, f->db->blobs, key, &b));
    snprintf(name, sizeof name, BLOB_PREFIX "%s", key);
    f->blobs[f->count - 1] = b;
    tar_member_init(&f->members[f->count++], name, (struct bytes){b->data, b->size}, ms / 1000);
    return 0;
}

static int open_members(struct ctx *c, struct snapshot_file *f, const struct kept_set *set, struct bytes value)
{
    uint32_t crc = crc32c(0, value.data, value.size);

    f->members = mem_zalloc((set->blobs.count + 1) * sizeof *f->members);
    f->blobs = mem_zalloc((set->blobs.count + 1) * sizeof(struct blob *));
    f->record = mem_alloc(value.size + sizeof crc);
    if (!f->members || !f->blobs || !f->record)
        return err_nomem(c);
    memcpy(f->record, value.data, value.size);
    memcpy(f->record + value.size, &crc, sizeof crc);
    tar_member_init(&f->members[f->count++], RECORD_NAME, (struct bytes){f->record, value.size + sizeof crc},
                    set->created_ms / 1000);
    for (size_t i = 0; i < set->blobs.capacity; i++) {
        if (set->blobs.entries[i].key)
            TRY(add_blob(c, f, set->blobs.entries[i].key, set->created_ms));
    }
    return 0;
}

int snapshot_open(struct ctx *c, struct db *db, const char *collection, const char *name,
                  struct snapshot_file **ret_file)
{
    struct snapshot_file *f = mem_zalloc(sizeof *f);
    struct kept_set set = {0};
    struct meta_item item;
    int rc = f ? kept_set_get(c, db, collection, name, &set, &item) : err_nomem(c);

    if (rc >= 0) {
        f->db = db;
        rc = open_members(c, f, &set, item.value);
    }
    strmap_release(&set.blobs);
    if (rc >= 0)
        *ret_file = f;
    else
        snapshot_close(f);
    return rc;
}

/* ---- and back ------------------------------------------------------------------------------ */

static bool is_key(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef-");

    return n > 0 && n < KEY_SIZE && !text[n];
}

static int check_blob(struct ctx *c, struct db *db, const char *key)
{
    struct pack *p;
    int rc;

    TRY(pack_open(c, db->blobs, key, &p));
    rc = pack_verify_all(c, p);
    pack_close(p);
    return rc;
}

/* What is there already is the same, or else it is not taken. */
static int take_blob(struct ctx *c, struct db *db, const char *key, struct bytes data)
{
    struct blob *there;
    int rc = db->blobs->ops->open(c, db->blobs, key, &there);

    if (rc >= 0) {
        bool same = there->size == data.size && memcmp(there->data, data.data, data.size) == 0;
        db->blobs->ops->close(there);
        return same ? 0 : err_set(c, KITH_CORRUPT, "snapshot: blob %s is not the one that is here", key);
    }
    if (rc != KITH_NOT_FOUND)
        return rc;
    TRY(blob_put(c, db->blobs, key, data));
    return check_blob(c, db, key);
}

static int take_members(struct ctx *c, struct db *db, struct bytes file, const struct kept_set *set)
{
    struct tar_reader r = {file, 0};
    struct tar_entry e;
    int rc;

    while ((rc = tar_next(c, &r, &e)) > 0) {
        const char *key = e.name + sizeof BLOB_PREFIX - 1;
        if (strncmp(e.name, BLOB_PREFIX, sizeof BLOB_PREFIX - 1) != 0)
            continue;
        if (!is_key(key) || !strmap_get(&set->blobs, key))
            return err_set(c, KITH_INVALID, "snapshot: nothing names its member %.80s", e.name);
        TRY(take_blob(c, db, key, e.data));
    }
    return rc;
}

/* What the file lacks, as a partial one does, is here already. */
static int check_parts(struct ctx *c, struct db *db, const struct kept_set *set)
{
    for (size_t i = 0; i < set->blobs.capacity; i++) {
        const char *key = set->blobs.entries[i].key;
        struct blob *there;
        int rc = key ? db->blobs->ops->open(c, db->blobs, key, &there) : 0;
        if (rc == KITH_NOT_FOUND)
            return err_set(c, KITH_INVALID, "snapshot: its part %.48s is neither in the file nor here", key);
        TRY(rc);
        if (key)
            db->blobs->ops->close(there);
    }
    return 0;
}

static int find_record(struct ctx *c, struct bytes file, struct kept_set *to)
{
    struct tar_reader r = {file, 0};
    struct tar_entry e;
    uint32_t crc;
    int rc = tar_next(c, &r, &e);

    TRY(rc);
    if (rc == 0 || strcmp(e.name, RECORD_NAME) != 0 || e.data.size < sizeof crc)
        return err_set(c, KITH_INVALID, "this is no snapshot of Kith: its first member is not " RECORD_NAME);
    e.data.size -= sizeof crc;
    memcpy(&crc, e.data.data + e.data.size, sizeof crc);
    if (crc != crc32c(0, e.data.data, e.data.size))
        return err_set(c, KITH_CORRUPT, "snapshot: the record fails its checksum");
    return kept_set_read(c, e.data, to);
}

int snapshot_import(struct ctx *c, struct db *db, struct bytes file, const char *to)
{
    struct kept_set set = {0};
    int rc = find_record(c, file, &set);

    if (rc >= 0)
        rc = blobs_hold(c, db, &set.blobs);
    if (rc >= 0) {
        rc = take_members(c, db, file, &set);
        if (rc >= 0)
            rc = check_parts(c, db, &set);
        if (rc >= 0)
            rc = kept_set_restore(c, db, &set, to);
        blobs_let_go(db, &set.blobs);
    }
    strmap_release(&set.blobs);
    return rc;
}
