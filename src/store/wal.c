/* wal.c - the log in files: group commit, and the exact rule for a torn tail (wal_read.c follows it).
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
 * Locks: `mutex` guards the queue; the file state belongs to whoever has `committing` set, who takes `mutex` too to
 * change the list of files: others may read which there are. */
#include "store/wal.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- frames --------------------------------------------------------------------------------- */

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

/* ---- files ---------------------------------------------------------------------------------- */

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

/* A file with nothing but a header, whose first record will be `last + 1`. Complete or absent, also in a crash. */
static int write_header(struct ctx *c, const char *dir, uint64_t last, uint64_t salt)
{
    uint8_t header[WAL_HEADER] = {0};
    uint64_t first = last + 1;
    uint32_t version = 1, crc;
    char name[32];

    memcpy(header, WAL_MAGIC, 8);
    memcpy(header + 8, &version, 4);
    memcpy(header + 16, &salt, 8);
    memcpy(header + 24, &first, 8);
    memcpy(header + 32, &last, 8);
    crc = crc32c(0, header, 40);
    memcpy(header + 40, &crc, 4);
    snprintf(name, sizeof name, "%016llx.log", (unsigned long long)first);
    return os_write_file(c, dir, name, header, sizeof header);
}

static int wal_roll(struct ctx *c, struct wal *w)
{
    uint64_t last = w->last, first = last + 1, salt;
    bool replaces = w->files_count && w->files[w->files_count - 1].first == first;
    struct os_file *file;
    char *path;
    int rc;

    if (w->file)
        w->file->ops->close(w->file);
    w->file = NULL;
    w->os->random(w->os, &salt, sizeof salt);
    TRY(write_header(c, w->dir, last, salt));
    path = wal_path(c, w, first);
    if (!path)
        return err_nomem(c);
    rc = w->os->open(w->os, path, OS_WRITE, &file);
    if (rc < 0)
        return os_error(c, rc, "open", path);
    os_mutex_lock(&w->mutex);
    rc = replaces ? 0 : files_push(w, first, WAL_HEADER);
    os_mutex_unlock(&w->mutex);
    if (rc < 0) {
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

static void give_back(struct wal *w)
{
    os_mutex_lock(&w->mutex);
    w->committing = false;
    os_mutex_unlock(&w->mutex);
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
    give_back(w);
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

static uint64_t wal_first(struct log *l, uint32_t lane)
{
    struct wal *w = wal_of(l);
    uint64_t first;

    UNUSED(lane);
    os_mutex_lock(&w->mutex);
    first = w->files_count ? w->files[0].first : w->last + 1;
    os_mutex_unlock(&w->mutex);
    return first;
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

static int wal_trim(struct ctx *c, struct log *l, uint32_t lane, uint64_t before, uint64_t keep_bytes)
{
    struct wal *w = wal_of(l);
    uint64_t bytes = 0;
    int removed = 0;

    UNUSED(lane);
    os_mutex_lock(&w->mutex);
    if (w->committing) { /* the file list is the committer's: next time */
        os_mutex_unlock(&w->mutex);
        return 0;
    }
    w->committing = true;
    os_mutex_unlock(&w->mutex);
    for (size_t i = 0; i < w->files_count; i++)
        bytes += w->files[i].bytes;
    while (w->files_count > 1 && w->files[1].first <= before && bytes - w->files[0].bytes >= keep_bytes) {
        char *path = wal_path(c, w, w->files[0].first);
        int rc = path ? c->os->remove(c->os, path) : -ENOMEM;
        if (rc < 0 && rc != -ENOENT)
            break;
        bytes -= w->files[0].bytes;
        os_mutex_lock(&w->mutex);
        memmove(w->files, w->files + 1, (w->files_count - 1) * sizeof *w->files);
        w->files_count--;
        os_mutex_unlock(&w->mutex);
        removed++;
    }
    if (removed) /* a file that comes back after a crash is older than every manifest: harmless */
        (void)c->os->sync_dir(c->os, w->dir);
    count_bytes(w);
    give_back(w);
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
    .range = wal_range,
    .first = wal_first,
    .end = wal_end,
    .bytes = wal_bytes,
    .trim = wal_trim,
    .damage = wal_damage,
    .close = wal_close,
};

int wal_begin(struct ctx *c, const char *dir, uint64_t first)
{
    uint64_t salt;
    int rc = c->os->mkdir(c->os, dir);

    if (rc < 0)
        return os_error(c, rc, "make", dir);
    c->os->random(c->os, &salt, sizeof salt);
    return write_header(c, dir, first - 1, salt);
}

/* What an open reads may be in the system's memory only: a sync of it failed, and the process ended. Before
 * anything is built on it, it is written again, into a file of its own. */
static int secure_tail(struct ctx *c, struct wal *w)
{
    uint64_t first = w->files_count ? w->files[w->files_count - 1].first : 0;
    char name[32], *path = wal_path(c, w, first);
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
