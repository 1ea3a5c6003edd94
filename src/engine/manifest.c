/* manifest.c - the state of a shard at one LSN, as a section of a container (docs/format/manifest.md),
 * and the pointer to it in meta. A manifest holds nothing newer than its `covers`. */
#include "engine/engine.h"
#include "store/pack.h"

#include "base/mem.h"

#include <stdio.h>

enum { MANIFEST_FORM = 2, MANIFEST_WITHOUT_VECTORS = 1, POINTER_FORM = 2, POINTER_WITHOUT_ERA = 1 };

void shard_key(const struct shard *s, char key[40])
{
    snprintf(key, 40, "shard/%016llx", (unsigned long long)s->id);
}

void blob_key(struct db *db, uint64_t id, char key[48])
{
    uint64_t random;

    db->os->random(db->os, &random, sizeof random);
    snprintf(key, 48, "%llx-%016llx", (unsigned long long)id, (unsigned long long)random);
}

static void put_files(struct buf *b, const struct sealed_files *f)
{
    buf_str(b, f->base);
    buf_str(b, f->docs);
    buf_varint(b, f->docs_lsn);
    buf_varint(b, f->graphs_count);
    for (uint32_t i = 0; i < f->graphs_count; i++) {
        buf_varint(b, f->graphs[i].vector_id);
        buf_str(b, f->graphs[i].key);
    }
}

int manifest_write(struct ctx *c, struct pack_writer *w, const struct shard *s, lsn covers,
                   const struct manifest_segment *segments, size_t count)
{
    struct buf out;
    int rc = 0;

    buf_init(&out);
    buf_u8(&out, MANIFEST_FORM);
    buf_varint(&out, covers);
    buf_varint(&out, s->segment_seq);
    buf_varint(&out, count);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        buf_varint(&out, segments[i].id);
        put_files(&out, segments[i].files);
        if (segments[i].marks)
            rc = segment_marks_encode(c, segments[i].marks, segments[i].files->docs_lsn, covers, &out);
        else
            buf_zero(&out, 12);
    }
    if (rc >= 0 && out.failed)
        rc = err_nomem(c);
    if (rc >= 0)
        rc = pack_put(c, w, PACK_MANIFEST, 0, s->id, out.data, out.size);
    buf_release(&out);
    return rc;
}

static void put_era(struct buf *out, uint64_t owner, uint64_t era, uint64_t era_offset)
{
    buf_varint(out, owner);
    buf_varint(out, era);
    buf_varint(out, era_offset);
}

int manifest_pointer(struct ctx *c, const struct shard *s, const char *key, lsn covers,
                     const struct manifest_segment *segments, size_t count, struct buf *out)
{
    size_t blobs = 1;

    buf_u8(out, POINTER_FORM);
    buf_str(out, key);
    buf_varint(out, covers);
    for (size_t i = 0; i < count; i++)
        blobs += 2 + segments[i].files->graphs_count;
    buf_varint(out, blobs);
    buf_str(out, key);
    for (size_t i = 0; i < count; i++) {
        const struct sealed_files *f = segments[i].files;
        buf_str(out, f->base);
        buf_str(out, f->docs);
        for (uint32_t j = 0; j < f->graphs_count; j++)
            buf_str(out, f->graphs[j].key);
    }
    put_era(out, s->id, s->era, s->era_offset);
    return out->failed ? err_nomem(c) : 0;
}

int manifest_pointer_restored(struct ctx *c, const struct manifest_pointer *p, const struct strmap *blobs,
                              struct buf *out)
{
    buf_u8(out, POINTER_FORM);
    buf_str(out, p->key);
    buf_varint(out, p->covers);
    buf_varint(out, blobs->count);
    for (size_t i = 0; i < blobs->capacity; i++) {
        if (blobs->entries[i].key)
            buf_str(out, blobs->entries[i].key);
    }
    put_era(out, p->owner, p->era, p->era_offset);
    return out->failed ? err_nomem(c) : 0;
}

static bool copy_key(struct bytes from, char to[48])
{
    if (!from.size || from.size > 47)
        return false;
    memcpy(to, from.data, from.size);
    to[from.size] = 0;
    return true;
}

int manifest_pointer_read(struct ctx *c, struct bytes value, struct manifest_pointer *ret, struct strmap *ret_blobs)
{
    struct reader r = reader_of(value.data, value.size);
    uint8_t form = read_u8(&r);
    bool ok = (form == POINTER_FORM || form == POINTER_WITHOUT_ERA) && copy_key(read_blob(&r), ret->key);
    uint64_t count;
    char key[48];

    ret->covers = read_varint(&r);
    count = read_varint(&r);
    for (uint64_t i = 0; i < count && ok; i++) {
        ok = copy_key(read_blob(&r), key);
        if (ok && !strmap_put(ret_blobs, key))
            return err_nomem(c);
    }
    ret->owner = form == POINTER_FORM ? read_varint(&r) : 0;
    ret->era = form == POINTER_FORM ? read_varint(&r) : 0;
    ret->era_offset = form == POINTER_FORM ? read_varint(&r) : 0;
    return ok && !r.failed ? 0 : err_set(c, KITH_CORRUPT, "metadata: a manifest pointer is malformed");
}

/* ---- loading ------------------------------------------------------------------------------------------ */

static bool read_files(struct reader *r, struct sealed_files *f)
{
    bool ok = copy_key(read_blob(r), f->base) && copy_key(read_blob(r), f->docs);

    f->docs_lsn = read_varint(r);
    f->graphs_count = (uint32_t)read_varint(r);
    ok = ok && f->graphs_count <= VECTORS_MAX;
    for (uint32_t i = 0; ok && i < f->graphs_count; i++) {
        f->graphs[i].vector_id = (uint32_t)read_varint(r);
        ok = copy_key(read_blob(r), f->graphs[i].key);
    }
    return ok && !r->failed;
}

static int read_manifest(struct ctx *c, struct shard *s, struct bytes data)
{
    struct reader r = reader_of(data.data, data.size);
    uint8_t form = read_u8(&r);
    lsn covers = read_varint(&r);
    uint64_t count;

    s->segment_seq = read_varint(&r);
    count = read_varint(&r);
    if (r.failed || form < MANIFEST_WITHOUT_VECTORS || form > MANIFEST_FORM ||
        covers != s->covers || count > ARRAY_SIZE(s->sealed))
        return err_set(c, KITH_CORRUPT, "blob %s: the manifest is malformed", s->manifest);
    for (uint64_t i = 0; i < count; i++) {
        struct sealed_files *files = arena_zalloc(&c->arena, sizeof *files);
        uint64_t id = read_varint(&r);
        if (!files)
            return err_nomem(c);
        if (!read_files(&r, files))
            return err_set(c, KITH_CORRUPT, "blob %s: the manifest is malformed", s->manifest);
        TRY(sealed_open(c, s->db->blobs, s->schema, id, files, &s->sealed[s->sealed_count]));
        s->sealed_count++;
        TRY(segment_marks_decode(c, s->sealed[s->sealed_count - 1], &r, form != MANIFEST_WITHOUT_VECTORS));
    }
    return r.at == r.end ? 0 : err_set(c, KITH_CORRUPT, "blob %s: the manifest is malformed", s->manifest);
}

int manifest_load(struct ctx *c, struct shard *s)
{
    struct pack *p;
    struct bytes data;
    int rc;

    if (!s->manifest[0])
        return 0;
    rc = pack_open(c, s->db->blobs, s->manifest, &p);
    if (rc == KITH_NOT_FOUND)
        return err_set(c, KITH_CORRUPT, "blob %s is missing", s->manifest);
    TRY(rc);
    rc = pack_get(c, p, PACK_MANIFEST, 0, s->owner, &data);
    if (rc >= 0)
        rc = read_manifest(c, s, data);
    pack_close(p);
    return rc;
}

/* ---- who names which blob ------------------------------------------------------------------------------- */

/* All or none: who failed to hold them lets nothing go. */
int blobs_hold(struct ctx *c, struct db *db, const struct strmap *keys)
{
    size_t i = 0;
    int rc = 0;

    os_mutex_lock(&db->blobs_lock);
    for (; i < keys->capacity && rc >= 0; i++) {
        uint64_t *n = keys->entries[i].key ? strmap_put(&db->blob_refs, keys->entries[i].key) : NULL;
        if (n)
            ++*n;
        else if (keys->entries[i].key)
            rc = err_nomem(c);
    }
    for (size_t j = 0; rc < 0 && j + 1 < i; j++) {
        uint64_t *n = keys->entries[j].key ? strmap_get(&db->blob_refs, keys->entries[j].key) : NULL;
        if (n && --*n == 0)
            strmap_remove(&db->blob_refs, keys->entries[j].key);
    }
    os_mutex_unlock(&db->blobs_lock);
    return rc;
}

/* Removes what no manifest names any more. Open maps stay readable. */
void blobs_let_go(struct db *db, const struct strmap *keys)
{
    struct ctx c;

    ctx_init(&c, db->os);
    os_mutex_lock(&db->blobs_lock);
    for (size_t i = 0; i < keys->capacity; i++) {
        const char *key = keys->entries[i].key;
        uint64_t *n = key ? strmap_get(&db->blob_refs, key) : NULL;
        if (!n || --*n > 0)
            continue;
        (void)db->blobs->ops->remove(&c, db->blobs, key); /* what stays is found at the next start */
        strmap_remove(&db->blob_refs, key);
    }
    os_mutex_unlock(&db->blobs_lock);
    ctx_release(&c);
}
