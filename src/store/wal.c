/* wal.c - the log in files: group commit, and the exact rule for a torn tail.
 *
 * Format: docs/format/log.md. What holds:
 *  - A record is acknowledged only after the sync that covers it returned without error.
 *  - A batch starts on a sector of its own, so that a torn or garbled sector of an unfinished batch
 *    never touches a record that was acknowledged.
 *  - Every frame's checksums are seeded with the file's random salt, and every open that finds
 *    frames goes on in a new file: bytes that were cut away cannot come back to life.
 *  - A failed sync finishes its file for ever. The unacknowledged records are written again, into a
 *    new file whose header says where the old one validly ends. If that fails too, the log is closed.
 *  - Tail rule: at the first bad frame, with the next offset `n` expected, look at all that follows.
 *    No valid frame of this salt that claims a sync mark of `n` or more: nothing from here on was
 *    ever acknowledged, it is cut. One that does: damage, and nothing is cut.
 *    (Later valid frames alone prove nothing: a disk may persist later sectors first.)
 *
 * Locks: `mutex` guards the queue; the file state belongs to whoever has `committing` set. */
#include "store/log.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/os.h"
#include "os/sync.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAL_SECTOR = 512,
    WAL_HEADER = 4096,
    WAL_FRAME = 40,
    WAL_LAST = 1,  /* frame flag: the next frame starts on the next sector */
    WAL_CLOSE = 2, /* frame flag: a graceful end; no record */
    WAL_EXTENT_FIRST = 256 << 10,
    WAL_EXTENT = 4 << 20,
    WAL_BATCH_MAX = 16 << 20
};

static const char wal_magic[8] = "KITHLOG1";

struct wal_file {
    uint64_t first; /* offset of its first record */
    uint64_t bytes;
};

struct wal {
    struct log base;
    const struct os *os;
    char *dir;
    bool no_sync;
    uint64_t file_bytes;

    struct os_mutex mutex;
    struct log_wait *head, **tail;
    bool committing, failed;

    struct wal_file *files; /* oldest first; the last is being written once `file` is open */
    size_t files_count, files_capacity;
    struct os_file *file;
    uint64_t salt, at, zeroed, extent;
    bool must_roll;
    _Atomic uint64_t last; /* last offset written and acknowledged */
    uint64_t synced; /* as claimed in the frames */
    size_t tail_end; /* of the last file's frames as found; 0: it was closed, or has none */
    struct log_damage damage;
    struct buf batch;
    atomic_ullong bytes; /* on disk, as of the last commit or trim */
};

static struct wal *wal_of(struct log *l)
{
    return container_of(l, struct wal, base);
}

/* ---- frames --------------------------------------------------------------------------------- */

struct frame {
    uint32_t size, flags;
    uint64_t offset, synced;
};

static void frame_write(uint8_t *to, const struct frame *f, const void *payload, uint64_t salt)
{
    uint32_t seed = (uint32_t)(salt ^ salt >> 32), crc;

    memset(to, 0, WAL_FRAME);
    crc = crc32c(seed, payload, f->size);
    memcpy(to + 4, &crc, 4);
    memcpy(to + 8, &f->size, 4);
    memcpy(to + 12, &f->flags, 4);
    memcpy(to + 16, &f->offset, 8);
    memcpy(to + 24, &f->synced, 8);
    memcpy(to + 32, &salt, 8);
    crc = crc32c(seed, to + 4, WAL_FRAME - 4);
    memcpy(to, &crc, 4);
}

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

static size_t frame_next(size_t at, const struct frame *f)
{
    size_t end = at + WAL_FRAME + f->size;

    return (size_t)align_up(end, f->flags & WAL_LAST ? WAL_SECTOR : 8);
}

/* ---- files ---------------------------------------------------------------------------------- */

static char *file_path(struct ctx *c, const struct wal *w, uint64_t first)
{
    char name[32];

    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)first);
    return os_path(&c->arena, w->dir, name);
}

static int header_read(struct ctx *c, struct bytes file, const char *path, uint64_t *ret_salt, uint64_t *ret_first)
{
    uint32_t crc;

    if (file.size < WAL_HEADER || memcmp(file.data, wal_magic, 8) != 0)
        return err_set(c, KITH_CORRUPT, "log file %s: no header", path);
    memcpy(&crc, file.data + 40, 4);
    if (crc != crc32c(0, file.data, 40))
        return err_set(c, KITH_CORRUPT, "log file %s: bad header checksum", path);
    memcpy(ret_salt, file.data + 16, 8);
    memcpy(ret_first, file.data + 24, 8);
    return 0;
}

static int files_push(struct wal *w, uint64_t first, uint64_t bytes)
{
    if (w->files_count == w->files_capacity) {
        size_t capacity = w->files_capacity ? w->files_capacity * 2 : 8;
        struct wal_file *files = mem_realloc(w->files, capacity * sizeof *files);
        if (!files)
            return KITH_NOMEM;
        w->files = files;
        w->files_capacity = capacity;
    }
    w->files[w->files_count].first = first;
    w->files[w->files_count].bytes = bytes;
    w->files_count++;
    return 0;
}

/* Begins a new file whose first record will be `last + 1`. Complete or absent, also in a crash. */
static int wal_roll(struct ctx *c, struct wal *w)
{
    uint8_t header[WAL_HEADER] = {0};
    uint64_t last = w->last, first = last + 1;
    uint32_t version = 1, crc;
    char name[32], *path;
    struct os_file *file;
    uint64_t salt;
    bool replaces = w->files_count && w->files[w->files_count - 1].first == first;
    int rc;

    if (w->file)
        w->file->ops->close(w->file);
    w->file = NULL;
    w->os->random(w->os, &salt, sizeof salt);
    memcpy(header, wal_magic, 8);
    memcpy(header + 8, &version, 4);
    memcpy(header + 16, &salt, 8);
    memcpy(header + 24, &first, 8);
    memcpy(header + 32, &last, 8);
    crc = crc32c(0, header, 40);
    memcpy(header + 40, &crc, 4);
    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)first);
    TRY(os_write_file(c, w->dir, name, header, sizeof header));
    path = file_path(c, w, first);
    if (!path)
        return err_nomem(c);
    rc = w->os->open(w->os, path, OS_WRITE, &file);
    if (rc < 0)
        return os_error(c, rc, "open", path);
    if (!replaces && files_push(w, first, WAL_HEADER) < 0) {
        file->ops->close(file);
        return err_nomem(c);
    }
    w->file = file;
    w->salt = salt;
    w->at = WAL_HEADER;
    w->zeroed = WAL_HEADER;
    w->extent = MIN((uint64_t)WAL_EXTENT_FIRST, w->file_bytes);
    w->must_roll = false;
    return 0;
}

/* Writes zeros ahead, so that the syncs to come find the blocks in place: an append to a file that
 * grows costs several times an overwrite. */
static int zero_ahead(struct wal *w, uint64_t need)
{
    static const uint8_t zeros[64 << 10];

    while (w->zeroed < need) {
        uint64_t upto = MIN(MAX(need, w->zeroed + w->extent), MAX(w->file_bytes, need));
        for (uint64_t at = w->zeroed; at < upto;) {
            size_t n = (size_t)MIN(upto - at, (uint64_t)sizeof zeros);
            TRY(w->file->ops->write(w->file, at, zeros, n));
            at += n;
        }
        w->zeroed = upto;
        w->extent = MIN(w->extent * 2, (uint64_t)WAL_EXTENT);
    }
    return 0;
}

/* ---- commit --------------------------------------------------------------------------------- */

/* Takes the queued records that fit one batch. */
static struct log_wait *take_batch(struct wal *w)
{
    struct log_wait *first = w->head, *last = NULL;
    uint64_t bytes = 0;

    for (struct log_wait *p = first; p; p = p->next) {
        bytes += WAL_FRAME + align_up(p->record.size, 8);
        if (last && bytes > WAL_BATCH_MAX)
            break;
        last = p;
    }
    if (last) {
        w->head = last->next;
        if (!w->head)
            w->tail = &w->head;
        last->next = NULL;
    }
    return first;
}

static int encode_batch(struct wal *w, const struct log_wait *batch)
{
    uint64_t offset = w->last;
    struct buf *b = &w->batch;

    b->size = 0;
    for (const struct log_wait *p = batch; p; p = p->next) {
        struct frame f = {(uint32_t)p->record.size, p->next ? 0 : WAL_LAST, ++offset, w->synced};
        size_t at = b->size;
        buf_zero(b, WAL_FRAME);
        buf_put(b, p->record.data, p->record.size);
        if (b->failed)
            break;
        frame_write(b->data + at, &f, p->record.data, w->salt);
        buf_align(b, p->next ? 8 : WAL_SECTOR);
    }
    if (b->failed) {
        buf_release(b);
        return -ENOMEM;
    }
    return 0;
}

/* One attempt: 0 durable, negative errno otherwise. `ret_sync` tells a failed sync from the rest. */
static int write_batch(struct ctx *c, struct wal *w, const struct log_wait *batch, bool *ret_sync)
{
    uint64_t need;

    *ret_sync = false;
    TRY(encode_batch(w, batch));
    need = w->at + w->batch.size;
    if (!w->file || w->must_roll || (need > w->file_bytes && w->at > WAL_HEADER)) {
        int rc = wal_roll(c, w);
        if (rc < 0)
            return rc == KITH_FULL ? -ENOSPC : rc == KITH_NOMEM ? -ENOMEM : -EIO;
        TRY(encode_batch(w, batch)); /* the salt has changed */
        need = w->at + w->batch.size;
    }
    TRY(zero_ahead(w, need));
    TRY(w->file->ops->write(w->file, w->at, w->batch.data, w->batch.size));
    if (!w->no_sync && !MUTANT(MUTANT_ACK_BEFORE_SYNC)) {
        int rc = w->file->ops->sync(w->file);
        *ret_sync = rc < 0;
        TRY(rc);
    }
    w->at = need;
    w->files[w->files_count - 1].bytes = MAX(w->files[w->files_count - 1].bytes, w->zeroed);
    return 0;
}

static int commit_batch(struct ctx *c, struct wal *w, const struct log_wait *batch)
{
    bool at_sync;
    int rc = write_batch(c, w, batch, &at_sync);

    if (rc == 0)
        return 0;
    if (MUTANT(MUTANT_RETRY_FAILED_SYNC) && at_sync)
        return w->file->ops->sync(w->file) < 0 ? KITH_IO : (w->at += w->batch.size, 0);
    w->must_roll = true; /* part of the batch may have reached the file: never write after it there */
    if (!at_sync && (rc == -ENOSPC || rc == -EDQUOT || rc == -ENOMEM))
        return os_error(c, rc, "append to the log in", w->dir);
    rc = write_batch(c, w, batch, &at_sync);
    if (rc == 0)
        return 0;
    if (!at_sync && (rc == -ENOSPC || rc == -EDQUOT || rc == -ENOMEM))
        return os_error(c, rc, "append to the log in", w->dir);
    w->failed = true;
    return err_set(c, KITH_CLOSED, "log in %s: writing failed twice (%s); no more writes are taken", w->dir,
                   strerror(-rc));
}

/* By whoever has `committing`. */
static void count_bytes(struct wal *w)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < w->files_count; i++)
        bytes += w->files[i].bytes;
    atomic_store(&w->bytes, bytes);
}

static int wal_commit(struct ctx *c, struct log *l)
{
    struct wal *w = wal_of(l);
    struct log_wait *batch;
    int rc, n = 0;

    os_mutex_lock(&w->mutex);
    if (w->committing || !w->head) {
        os_mutex_unlock(&w->mutex);
        return 0;
    }
    w->committing = true;
    batch = take_batch(w);
    os_mutex_unlock(&w->mutex);

    rc = w->failed ? err_set(c, KITH_CLOSED, "log in %s: closed after a failed sync", w->dir)
                   : commit_batch(c, w, batch);
    while (batch) {
        struct log_wait *next = batch->next;
        if (rc == 0)
            w->last++;
        batch->done(batch, rc, rc == 0 ? w->last : 0);
        batch = next;
        n++;
    }
    if (rc == 0 && !w->no_sync)
        w->synced = w->last;
    count_bytes(w);

    os_mutex_lock(&w->mutex);
    w->committing = false;
    os_mutex_unlock(&w->mutex);
    return n;
}

static int wal_append(struct ctx *c, struct log *l, uint32_t lane, struct log_wait *wait)
{
    struct wal *w = wal_of(l);

    kassert(lane == 0);
    if (wait->record.size > l->record_max)
        return err_set(c, KITH_LIMIT, "write of %zu bytes: at most %llu in one", wait->record.size,
                       (unsigned long long)l->record_max);
    wait->next = NULL;
    os_mutex_lock(&w->mutex);
    if (w->failed) {
        os_mutex_unlock(&w->mutex);
        return err_set(c, KITH_CLOSED, "log in %s: closed after a failed sync", w->dir);
    }
    *w->tail = wait;
    w->tail = &wait->next;
    os_mutex_unlock(&w->mutex);
    return 0;
}

static int wal_pending(struct log *l)
{
    struct wal *w = wal_of(l);
    int pending;

    os_mutex_lock(&w->mutex);
    pending = w->head && !w->committing;
    os_mutex_unlock(&w->mutex);
    return pending;
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
    char *path = file_path(c, w, w->files[i].first);
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

/* Reads all files; with `each` NULL only finds the end and the damage. */
static int wal_scan(struct ctx *c, struct wal *w, uint64_t from,
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

static int wal_read(struct ctx *c, struct log *l, uint32_t lane, uint64_t from,
                    int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg)
{
    struct wal *w = wal_of(l);
    uint64_t last = w->last;

    kassert(lane == 0);
    TRY(wal_scan(c, w, from, each, arg));
    w->last = last;
    return 0;
}

/* ---- open, trim, close ------------------------------------------------------------------------ */

static int note_file(void *arg, const char *name)
{
    struct wal *w = arg;
    unsigned long long first;
    char tail[8];

    if (strlen(name) != 20 || sscanf(name, "%16llx%7s", &first, tail) != 2 || strcmp(tail, ".log") != 0)
        return 0;
    return files_push(w, first, 0);
}

static int by_first(const void *a, const void *b)
{
    const struct wal_file *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

static void wal_free(struct wal *w)
{
    if (w->file)
        w->file->ops->close(w->file);
    buf_release(&w->batch);
    os_mutex_release(&w->mutex);
    mem_free(w->files);
    mem_free(w->dir);
    mem_free(w);
}

static void wal_close(struct ctx *c, struct log *l)
{
    struct wal *w = wal_of(l);
    uint8_t frame[WAL_SECTOR] = {0};
    struct frame f = {0, WAL_LAST | WAL_CLOSE, w->last + 1, w->synced};

    UNUSED(c);
    kassert(!w->head);
    if (w->file && !w->failed && !w->must_roll) { /* best effort: only a hint for the next open */
        frame_write(frame, &f, NULL, w->salt);
        if (w->file->ops->write(w->file, w->at, frame, sizeof frame) == 0)
            (void)w->file->ops->sync(w->file);
    }
    wal_free(w);
}

static uint64_t wal_end(struct log *l, uint32_t lane)
{
    UNUSED(lane);
    return wal_of(l)->last;
}

static uint64_t wal_bytes(struct log *l)
{
    return atomic_load(&wal_of(l)->bytes);
}

static int wal_trim(struct ctx *c, struct log *l, uint32_t lane, uint64_t before)
{
    struct wal *w = wal_of(l);
    int removed = 0;

    UNUSED(lane);
    os_mutex_lock(&w->mutex);
    if (w->committing) { /* the file list is the committer's: next time */
        os_mutex_unlock(&w->mutex);
        return 0;
    }
    w->committing = true;
    os_mutex_unlock(&w->mutex);
    while (w->files_count > 1 && w->files[1].first <= before) {
        char *path = file_path(c, w, w->files[0].first);
        int rc = path ? c->os->remove(c->os, path) : -ENOMEM;
        if (rc < 0 && rc != -ENOENT)
            break;
        memmove(w->files, w->files + 1, (w->files_count - 1) * sizeof *w->files);
        w->files_count--;
        removed++;
    }
    if (removed) /* a file that comes back after a crash is older than every manifest: harmless */
        (void)c->os->sync_dir(c->os, w->dir);
    count_bytes(w);
    os_mutex_lock(&w->mutex);
    w->committing = false;
    os_mutex_unlock(&w->mutex);
    return removed;
}

static const struct log_damage *wal_damage(struct log *l)
{
    return &wal_of(l)->damage;
}

static const struct log_ops wal_ops = {
    .name = "file",
    .append = wal_append,
    .commit = wal_commit,
    .pending = wal_pending,
    .read = wal_read,
    .end = wal_end,
    .bytes = wal_bytes,
    .trim = wal_trim,
    .damage = wal_damage,
    .close = wal_close,
};

/* What an open reads may be in the system's memory only: a sync of it failed, and the process ended. Before
 * anything is built on it, it is written again, into a file of its own. */
static int secure_tail(struct ctx *c, struct wal *w)
{
    uint64_t first = w->files_count ? w->files[w->files_count - 1].first : 0;
    char name[32], *path = file_path(c, w, first);
    struct bytes file;

    if (!w->tail_end || w->damage.from)
        return 0;
    if (!path)
        return err_nomem(c);
    TRY(os_read_file(c, path, SIZE_MAX / 2, &file));
    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)first);
    TRY(os_write_file(c, w->dir, name, file.data, MIN(w->tail_end, file.size)));
    w->files[w->files_count - 1].bytes = MIN(w->tail_end, file.size);
    return 0;
}

int wal_open(struct ctx *c, const char *dir, const struct wal_options *options, struct log **ret_log)
{
    struct wal *w = mem_zalloc(sizeof *w);
    int rc;

    if (!w)
        return err_nomem(c);
    w->base.ops = &wal_ops;
    w->os = c->os;
    w->dir = mem_strdup(dir);
    w->no_sync = options->no_sync;
    w->file_bytes = MAX(align_up(options->file_bytes, WAL_SECTOR), (uint64_t)16 << 10);
    w->base.record_max = w->file_bytes - WAL_HEADER - WAL_SECTOR;
    w->tail = &w->head;
    os_mutex_init(&w->mutex);
    buf_init(&w->batch);
    rc = w->dir ? c->os->mkdir(c->os, dir) : -ENOMEM;
    if (rc >= 0)
        rc = c->os->list(c->os, dir, note_file, w);
    if (rc < 0) {
        rc = rc == KITH_NOMEM ? err_nomem(c) : os_error(c, rc, "open", dir);
        wal_free(w);
        return rc;
    }
    if (w->files_count)
        qsort(w->files, w->files_count, sizeof *w->files, by_first);
    rc = wal_scan(c, w, UINT64_MAX, NULL, NULL);
    if (rc >= 0)
        rc = secure_tail(c, w);
    if (rc < 0) {
        wal_free(w);
        return rc;
    }
    w->synced = w->last;
    count_bytes(w);
    w->must_roll = true; /* a new file at the first write: see the head of this file */
    if (w->damage.from)
        w->failed = true;
    *ret_log = &w->base;
    return 0;
}
