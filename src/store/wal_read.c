/* wal_read.c - reading the log's files: at the start, where the tail is judged, and ranges while others write. */
#include "store/wal.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "os/os.h"

#include <stdio.h>

/* ---- frames and headers ---------------------------------------------------------------------- */

/* The frame at `at`, if it is whole and of this salt. */
static bool frame_read(const uint8_t *data, size_t size, size_t at, uint64_t salt, struct frame *ret)
{
    uint32_t seed = (uint32_t)(salt ^ salt >> 32), crc;
    const uint8_t *p = data + at;

    if (size < WAL_FRAME || at > size - WAL_FRAME || memcmp(p + 32, &salt, 8) != 0)
        return false;
    memcpy(&crc, p, 4);
    if (crc != crc32c(seed, p + 4, WAL_FRAME - 4))
        return false;
    memcpy(&ret->size, p + 8, 4);
    memcpy(&ret->flags, p + 12, 4);
    memcpy(&ret->offset, p + 16, 8);
    memcpy(&ret->synced, p + 24, 8);
    if (ret->size > size - at - WAL_FRAME)
        return false;
    memcpy(&crc, p + 4, 4);
    return crc == crc32c(seed, p + WAL_FRAME, ret->size);
}

char *wal_path(struct ctx *c, const struct wal *w, uint64_t first)
{
    char name[32];

    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)first);
    return os_path(&c->arena, w->dir, name);
}

static int header_read(struct ctx *c, struct bytes file, const char *path, uint64_t *ret_salt, uint64_t *ret_first)
{
    uint32_t crc;

    if (file.size < WAL_HEADER || memcmp(file.data, WAL_MAGIC, 8) != 0)
        return err_set(c, KITH_CORRUPT, "log file %s: no header", path);
    memcpy(&crc, file.data + 40, 4);
    if (crc != crc32c(0, file.data, 40))
        return err_set(c, KITH_CORRUPT, "log file %s: bad header checksum", path);
    memcpy(ret_salt, file.data + 16, 8);
    memcpy(ret_first, file.data + 24, 8);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What the file holds up to its first bad frame or `stop` (exclusive). */
struct scan {
    size_t at;      /* of the first bad frame */
    uint64_t next;  /* the offset expected there */
    bool closed;    /* a close marker was met */
};

static int scan_file(struct bytes file, uint64_t salt, uint64_t first, uint64_t stop, uint64_t from,
                     int (*each)(void *, uint64_t, struct bytes), void *arg, struct scan *s)
{
    struct frame f;

    s->at = WAL_HEADER;
    s->next = first;
    s->closed = false;
    while (s->next < stop && frame_read(file.data, file.size, s->at, salt, &f) && f.offset == s->next) {
        struct bytes record = {file.data + s->at + WAL_FRAME, f.size};
        if (f.flags & WAL_CLOSE) {
            s->closed = true;
            break;
        }
        if (each && f.offset >= from)
            TRY(each(arg, f.offset, record));
        s->next++;
        s->at = frame_next(s->at, &f);
    }
    return 0;
}

/* The highest offset that anything after `at` proves to have been acknowledged. */
static uint64_t proof_after(struct bytes file, uint64_t salt, size_t at)
{
    uint64_t proof = 0;
    struct frame f;
    for (at = (size_t)align_up(at, 8); at + WAL_FRAME <= file.size; at += 8) {
        if (frame_read(file.data, file.size, at, salt, &f) && MUTANT(MUTANT_NO_TORN_TAIL_RULE))
            return UINT64_MAX; /* the naive rule: what follows is valid, so this is damage */
        if (frame_read(file.data, file.size, at, salt, &f))
            proof = MAX(proof, f.flags & WAL_CLOSE ? f.offset - 1 : f.synced);
    }
    return proof;
}

static int file_load(struct ctx *c, struct wal *w, size_t i, struct bytes *ret_file, uint64_t *ret_salt)
{
    char *path = wal_path(c, w, w->files[i].first);
    uint64_t first;

    if (!path)
        return err_nomem(c);
    TRY(os_read_file(c, path, SIZE_MAX / 2, ret_file));
    w->files[i].bytes = ret_file->size;
    TRY(header_read(c, *ret_file, path, ret_salt, &first));
    if (first != w->files[i].first)
        return err_set(c, KITH_CORRUPT, "log file %s: holds records from %llu", path, (unsigned long long)first);
    return 0;
}

static void damage_set(struct wal *w, uint64_t from, uint64_t to, const char *why)
{
    if (w->damage.from)
        return;
    w->damage.from = from;
    w->damage.to = to;
    snprintf(w->damage.text, sizeof w->damage.text, "log records %llu to %llu: %.100s",
             (unsigned long long)from, (unsigned long long)to, why);
}

int wal_scan(struct ctx *c, struct wal *w, uint64_t from,
                    int (*each)(void *, uint64_t, struct bytes), void *arg)
{
    uint64_t expected = w->files_count ? w->files[0].first : 1;

    w->last = expected - 1;
    for (size_t i = 0; i < w->files_count; i++) {
        bool tail = i + 1 == w->files_count;
        uint64_t stop = tail ? UINT64_MAX : w->files[i + 1].first, salt, proof;
        struct ctx file_ctx;
        struct bytes file;
        struct scan s;
        int rc;

        if (w->files[i].first != expected) {
            damage_set(w, expected, w->files[i].first - 1, "a log file is missing");
            return 0;
        }
        if (stop <= from && !tail) { /* nothing of interest: its successor proves its length */
            expected = stop;
            w->last = stop - 1;
            continue;
        }
        ctx_init(&file_ctx, c->os);
        rc = file_load(&file_ctx, w, i, &file, &salt);
        if (rc == KITH_CORRUPT) {
            damage_set(w, expected, tail ? expected : stop - 1, file_ctx.text);
            ctx_release(&file_ctx);
            return 0;
        }
        if (rc == 0)
            rc = scan_file(file, salt, expected, stop, from, each, arg, &s);
        if (rc < 0) {
            if (file_ctx.code == rc)
                err_set(c, rc, "%s", file_ctx.text);
            ctx_release(&file_ctx);
            return rc;
        }
        w->last = s.next - 1;
        if (tail)
            w->tail_end = s.closed || s.next == expected ? 0 : MIN(s.at, file.size);
        proof = s.closed || s.next == stop ? 0 : tail ? proof_after(file, salt, s.at) : stop - 1;
        ctx_release(&file_ctx);
        if (proof >= s.next) {
            damage_set(w, s.next, proof, "acknowledged, and no longer readable");
            return 0;
        }
        expected = s.next;
    }
    return 0;
}

int wal_read(struct ctx *c, struct log *l, uint32_t lane, uint64_t from,
                    int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg)
{
    struct wal *w = wal_of(l);
    uint64_t last = w->last;

    kassert(lane == 0);
    TRY(wal_scan(c, w, from, each, arg));
    w->last = last;
    return 0;
}

/* One file of the range; what it has beyond `stop` is nobody's business. */
static int range_of_file(struct ctx *c, const struct wal *w, uint64_t first, uint64_t stop, uint64_t from,
                         int (*each)(void *, uint64_t, struct bytes), void *arg)
{
    char *path = wal_path(c, w, first);
    uint64_t salt, there;
    struct bytes file;
    struct scan s;

    if (!path)
        return err_nomem(c);
    TRY(os_read_file(c, path, SIZE_MAX / 2, &file));
    TRY(header_read(c, file, path, &salt, &there));
    TRY(scan_file(file, salt, first, stop, from, each, arg, &s));
    if (there == first && s.next == stop)
        return 0;
    return err_set(c, KITH_CORRUPT, "log file %s: record %llu is unreadable", path, (unsigned long long)s.next);
}

int wal_range(struct ctx *c, struct log *l, uint32_t lane, uint64_t from, uint64_t upto,
                     int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg)
{
    struct wal *w = wal_of(l);
    size_t count;
    uint64_t *firsts;
    int rc = 0;

    UNUSED(lane);
    os_mutex_lock(&w->mutex);
    count = w->files_count;
    firsts = arena_alloc(&c->arena, MAX(count, (size_t)1) * sizeof *firsts);
    for (size_t i = 0; firsts && i < count; i++)
        firsts[i] = w->files[i].first;
    os_mutex_unlock(&w->mutex);
    if (!firsts)
        return err_nomem(c);
    for (size_t i = 0; i < count && firsts[i] <= upto && rc >= 0; i++) {
        uint64_t stop = i + 1 < count ? MIN(firsts[i + 1], upto + 1) : upto + 1;
        struct ctx own;
        if (stop <= from)
            continue;
        ctx_init(&own, c->os);
        rc = range_of_file(&own, w, firsts[i], stop, from, each, arg);
        if (rc < 0 && own.code == rc)
            err_set(c, rc, "%s", own.text);
        ctx_release(&own);
    }
    return rc;
}
