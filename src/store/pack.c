/* pack.c - writing and reading containers. */
#include "store/pack.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdatomic.h>

enum { PACK_TRAILER = 64, PACK_VERSION = 1 };

static const char pack_magic[8] = "KITHPACK";
static const char pack_end_magic[8] = "KITHEND.";

/* ---- writing -------------------------------------------------------------------------------- */

static int flush_block(struct ctx *c, struct pack_writer *w)
{
    if (!w->held)
        return 0;
    buf_u32(&w->crcs, crc32c(0, w->block, w->held));
    TRY(w->blob->ops->append(c, w->blob, w->block, w->held));
    w->held = 0;
    return 0;
}

static int raw_write(struct ctx *c, struct pack_writer *w, const void *data, size_t size)
{
    const uint8_t *p = data;

    w->at += size;
    while (size > 0) {
        size_t n = MIN(size, (size_t)PACK_BLOCK - w->held);
        if (p)
            memcpy(w->block + w->held, p, n), p += n;
        else
            memset(w->block + w->held, 0, n);
        w->held += n;
        size -= n;
        if (w->held == PACK_BLOCK)
            TRY(flush_block(c, w));
    }
    return 0;
}

void pack_abort(struct pack_writer *w)
{
    if (w->blob)
        w->blob->ops->abort(w->blob);
    w->blob = NULL;
    mem_free(w->block);
    w->block = NULL;
    buf_release(&w->sections);
    buf_release(&w->crcs);
}

int pack_create(struct ctx *c, struct blob_store *store, const char *key, struct pack_writer *ret_writer)
{
    uint8_t header[16] = {0};
    uint32_t version = PACK_VERSION;
    struct pack_writer *w = ret_writer;
    int rc;

    memset(w, 0, sizeof *w);
    w->store = store;
    w->block = mem_alloc(PACK_BLOCK);
    if (!w->block)
        return err_nomem(c);
    rc = store->ops->create(c, store, key, &w->blob);
    if (rc < 0) {
        w->blob = NULL;
        pack_abort(w);
        return rc;
    }
    memcpy(header, pack_magic, 8);
    memcpy(header + 8, &version, 4);
    return raw_write(c, w, header, sizeof header);
}

int pack_begin(struct ctx *c, struct pack_writer *w, enum pack_kind kind, uint32_t tag, uint64_t owner)
{
    bool paged = kind == PACK_VECTORS || kind == PACK_CODES || kind == PACK_LINKS; /* read by page, and large */
    uint64_t align = paged ? PACK_ALIGN : PACK_ALIGN_SMALL;

    TRY(raw_write(c, w, NULL, (size_t)(align_up(w->at, align) - w->at)));
    w->open.kind = kind;
    w->open.tag = tag;
    w->open.owner = owner;
    w->open.offset = w->at;
    return 0;
}

int pack_write(struct ctx *c, struct pack_writer *w, const void *data, size_t size)
{
    return size ? raw_write(c, w, data, size) : 0;
}

int pack_end(struct ctx *c, struct pack_writer *w)
{
    w->open.size = w->at - w->open.offset;
    buf_put(&w->sections, &w->open, sizeof w->open);
    return w->sections.failed ? err_nomem(c) : 0;
}

int pack_put(struct ctx *c, struct pack_writer *w, enum pack_kind kind, uint32_t tag, uint64_t owner,
             const void *data, size_t size)
{
    TRY(pack_begin(c, w, kind, tag, owner));
    TRY(pack_write(c, w, data, size));
    return pack_end(c, w);
}

static int write_footer(struct ctx *c, struct pack_writer *w)
{
    uint8_t trailer[PACK_TRAILER] = {0};
    uint32_t sections = (uint32_t)(w->sections.size / sizeof(struct pack_section)), blocks, crc;
    uint64_t body = align_up(w->at, PACK_ALIGN_SMALL), total;

    TRY(raw_write(c, w, NULL, (size_t)(body - w->at)));
    TRY(flush_block(c, w));
    blocks = (uint32_t)(w->crcs.size / 4);
    buf_align(&w->crcs, 8);
    if (w->crcs.failed)
        return err_nomem(c);
    total = body + w->crcs.size + w->sections.size + PACK_TRAILER;
    memcpy(trailer, pack_end_magic, 8);
    memcpy(trailer + 8, &sections, 4);
    memcpy(trailer + 12, &blocks, 4);
    memcpy(trailer + 16, &body, 8);
    memcpy(trailer + 24, &total, 8);
    crc = crc32c(0, w->crcs.data, w->crcs.size);
    crc = crc32c(crc, w->sections.data, w->sections.size);
    memcpy(trailer + 32, &crc, 4);
    crc = crc32c(0, trailer, PACK_TRAILER - 4);
    memcpy(trailer + PACK_TRAILER - 4, &crc, 4);
    TRY(w->blob->ops->append(c, w->blob, w->crcs.data, w->crcs.size));
    TRY(w->blob->ops->append(c, w->blob, w->sections.data, w->sections.size));
    TRY(w->blob->ops->append(c, w->blob, trailer, sizeof trailer));
    w->at = total;
    return 0;
}

int pack_commit(struct ctx *c, struct pack_writer *w, uint64_t *ret_size)
{
    int rc = write_footer(c, w);

    if (rc >= 0) {
        rc = w->blob->ops->commit(c, w->blob);
        w->blob = NULL; /* freed either way */
    }
    if (rc >= 0)
        *ret_size = w->at;
    pack_abort(w);
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int check_footer(struct ctx *c, struct pack *p)
{
    const uint8_t *data = p->blob->data, *trailer;
    size_t size = p->blob->size;
    uint32_t crc, tables, version;
    uint64_t total, crcs_size;

    if (size < PACK_ALIGN_SMALL + PACK_TRAILER || memcmp(data, pack_magic, 8) != 0)
        return err_set(c, KITH_CORRUPT, "blob %s: no header", p->key);
    memcpy(&version, data + 8, 4);
    if (version != PACK_VERSION)
        return err_set(c, KITH_CORRUPT, "blob %s: format version %u, this program reads %d", p->key, version,
                       PACK_VERSION);
    trailer = data + size - PACK_TRAILER;
    memcpy(&crc, trailer + PACK_TRAILER - 4, 4);
    if (memcmp(trailer, pack_end_magic, 8) != 0 || crc != crc32c(0, trailer, PACK_TRAILER - 4))
        return err_set(c, KITH_CORRUPT, "blob %s: bad trailer at %zu", p->key, size - PACK_TRAILER);
    memcpy(&p->sections_count, trailer + 8, 4);
    memcpy(&p->blocks, trailer + 12, 4);
    memcpy(&p->body, trailer + 16, 8);
    memcpy(&total, trailer + 24, 8);
    memcpy(&tables, trailer + 32, 4);
    crcs_size = align_up((uint64_t)p->blocks * 4, 8);
    if (total != size || p->body > size || p->blocks != (p->body + PACK_BLOCK - 1) / PACK_BLOCK ||
        p->body + crcs_size + (uint64_t)p->sections_count * sizeof(struct pack_section) + PACK_TRAILER != size)
        return err_set(c, KITH_CORRUPT, "blob %s: %zu bytes, %llu expected", p->key, size, (unsigned long long)total);
    p->crcs = data + p->body;
    p->sections = (const void *)(p->crcs + crcs_size);
    crc = crc32c(0, p->crcs, (size_t)(size - PACK_TRAILER - p->body));
    if (crc != tables)
        return err_set(c, KITH_CORRUPT, "blob %s: bad tables at %llu", p->key, (unsigned long long)p->body);
    for (uint32_t i = 0; i < p->sections_count; i++) {
        const struct pack_section *s = &p->sections[i];
        if (s->offset > p->body || s->size > p->body - s->offset)
            return err_set(c, KITH_CORRUPT, "blob %s: section %u out of bounds", p->key, i);
    }
    return 0;
}

int pack_open(struct ctx *c, struct blob_store *store, const char *key, struct pack **ret_pack)
{
    struct pack *p = mem_zalloc(sizeof *p);
    int rc;

    if (!p)
        return err_nomem(c);
    p->key = mem_strdup(key);
    rc = p->key ? store->ops->open(c, store, key, &p->blob) : err_nomem(c);
    if (rc >= 0)
        rc = check_footer(c, p);
    if (rc >= 0) {
        p->verified = mem_zalloc(((size_t)p->blocks + 63) / 64 * 8);
        rc = p->verified ? 0 : err_nomem(c);
    }
    if (rc < 0) {
        pack_close(p);
        return rc;
    }
    *ret_pack = p;
    return 0;
}

void pack_close(struct pack *p)
{
    if (!p)
        return;
    if (p->blob)
        p->blob->ops->close(p->blob);
    mem_free((void *)(uintptr_t)p->verified);
    mem_free(p->key);
    mem_free(p);
}

const struct pack_section *pack_find(const struct pack *p, enum pack_kind kind, uint32_t tag, uint64_t owner)
{
    for (uint32_t i = 0; i < p->sections_count; i++) {
        const struct pack_section *s = &p->sections[i];
        if (s->kind == kind && s->tag == tag && s->owner == owner)
            return s;
    }
    return NULL;
}

static int verify_block(struct ctx *c, const struct pack *p, uint64_t block)
{
    uint64_t at = block * PACK_BLOCK, size = MIN((uint64_t)PACK_BLOCK, p->body - at);
    uint32_t crc;

    memcpy(&crc, p->crcs + block * 4, 4);
    if (crc != crc32c(0, p->blob->data + at, (size_t)size))
        return err_set(c, KITH_CORRUPT, "blob %s: bytes %llu to %llu fail their checksum", p->key,
                       (unsigned long long)at, (unsigned long long)(at + size - 1));
    atomic_fetch_or_explicit(&p->verified[block / 64], 1ull << (block % 64), memory_order_release);
    return 0;
}

int pack_read(struct ctx *c, const struct pack *p, const struct pack_section *s, uint64_t offset, uint64_t size,
              const uint8_t **ret_data)
{
    uint64_t first, last;

    if (offset > s->size || size > s->size - offset)
        return err_set(c, KITH_CORRUPT, "blob %s: %llu bytes at %llu of a section of %llu", p->key,
                       (unsigned long long)size, (unsigned long long)offset, (unsigned long long)s->size);
    first = (s->offset + offset) / PACK_BLOCK;
    last = size ? (s->offset + offset + size - 1) / PACK_BLOCK : first;
    for (uint64_t block = first; size && block <= last; block++) {
        uint64_t word = atomic_load_explicit(&p->verified[block / 64], memory_order_acquire);
        if (!(word >> (block % 64) & 1))
            TRY(verify_block(c, p, block));
    }
    *ret_data = p->blob->data + s->offset + offset;
    return 0;
}

int pack_get(struct ctx *c, const struct pack *p, enum pack_kind kind, uint32_t tag, uint64_t owner,
             struct bytes *ret_bytes)
{
    const struct pack_section *s = pack_find(p, kind, tag, owner);

    if (!s)
        return err_set(c, KITH_CORRUPT, "blob %s: section %d/%u of %llu is missing", p->key, (int)kind, tag,
                       (unsigned long long)owner);
    TRY(pack_read(c, p, s, 0, s->size, &ret_bytes->data));
    ret_bytes->size = (size_t)s->size;
    return 0;
}

int pack_verify_all(struct ctx *c, const struct pack *p)
{
    for (uint64_t block = 0; block < p->blocks; block++)
        TRY(verify_block(c, p, block));
    return 0;
}

int pack_copy(struct ctx *c, struct blob_store *from, const char *key, struct blob_store *to, uint64_t *ret_copied)
{
    struct blob *there;
    struct pack *p;
    int rc = to->ops->open(c, to, key, &there);

    *ret_copied = 0;
    if (rc >= 0)
        to->ops->close(there);
    if (rc != KITH_NOT_FOUND)
        return rc;
    TRY(pack_open(c, from, key, &p));
    rc = pack_verify_all(c, p);
    if (rc >= 0)
        rc = blob_put(c, to, key, (struct bytes){p->blob->data, p->blob->size});
    *ret_copied = rc < 0 ? 0 : p->blob->size;
    pack_close(p);
    return rc;
}
