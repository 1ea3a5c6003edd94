/* memlog.c - the log contract in memory: what the conformance suite measures the others by. */
#include "store/log.h"

#include "base/ctx.h"
#include "base/mem.h"

struct memrec {
    uint8_t *data;
    size_t size;
};

struct memlog {
    struct log base;
    struct log_wait *head, **tail;
    struct memrec *records; /* index 0 is offset `first` */
    size_t count, capacity;
    uint64_t first;
    struct log_damage damage;
};

static struct memlog *memlog_of(struct log *l)
{
    return container_of(l, struct memlog, base);
}

static int memlog_append(struct ctx *c, struct log *l, uint32_t lane, struct log_wait *w)
{
    struct memlog *m = memlog_of(l);

    UNUSED(lane);
    if (w->record.size > l->record_max)
        return err_set(c, KITH_LIMIT, "write of %zu bytes: at most %llu in one", w->record.size,
                       (unsigned long long)l->record_max);
    w->next = NULL;
    *m->tail = w;
    m->tail = &w->next;
    return 0;
}

static int keep(struct ctx *c, struct memlog *m, struct bytes record)
{
    uint8_t *data;

    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 16;
        struct memrec *records = mem_realloc(m->records, capacity * sizeof *records);
        if (!records)
            return err_nomem(c);
        m->records = records;
        m->capacity = capacity;
    }
    data = mem_alloc(record.size);
    if (!data)
        return err_nomem(c);
    memcpy(data, record.data, record.size);
    m->records[m->count].data = data;
    m->records[m->count++].size = record.size;
    return 0;
}

static int memlog_commit(struct ctx *c, struct log *l)
{
    struct memlog *m = memlog_of(l);
    int n = 0;

    while (m->head) {
        struct log_wait *w = m->head;
        int rc;
        m->head = w->next;
        if (!m->head)
            m->tail = &m->head;
        rc = keep(c, m, w->record);
        w->done(w, rc, rc < 0 ? 0 : m->first + m->count - 1);
        n++;
    }
    return n;
}

static int memlog_pending(struct log *l)
{
    return memlog_of(l)->head != NULL;
}

static int memlog_range(struct ctx *c, struct log *l, uint32_t lane, uint64_t from, uint64_t upto,
                        int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg)
{
    struct memlog *m = memlog_of(l);

    UNUSED(c);
    UNUSED(lane);
    for (size_t i = 0; i < m->count && m->first + i <= upto; i++) {
        struct bytes record = {m->records[i].data, m->records[i].size};
        if (m->first + i >= from)
            TRY(each(arg, m->first + i, record));
    }
    return 0;
}

static int memlog_read(struct ctx *c, struct log *l, uint32_t lane, uint64_t from,
                       int (*each)(void *arg, uint64_t offset, struct bytes record), void *arg)
{
    return memlog_range(c, l, lane, from, UINT64_MAX, each, arg);
}

static uint64_t memlog_first(struct log *l, uint32_t lane)
{
    UNUSED(lane);
    return memlog_of(l)->first;
}

static uint64_t memlog_end(struct log *l, uint32_t lane)
{
    UNUSED(lane);
    return memlog_of(l)->first + memlog_of(l)->count - 1;
}

static uint64_t memlog_bytes(struct log *l)
{
    struct memlog *m = memlog_of(l);
    uint64_t bytes = 0;

    for (size_t i = 0; i < m->count; i++)
        bytes += m->records[i].size;
    return bytes;
}

static int memlog_trim(struct ctx *c, struct log *l, uint32_t lane, uint64_t before, uint64_t keep_bytes)
{
    struct memlog *m = memlog_of(l);
    size_t n = keep_bytes ? 0 : before > m->first ? (size_t)MIN(before - m->first, (uint64_t)m->count) : 0;

    UNUSED(c);
    UNUSED(lane);
    for (size_t i = 0; i < n; i++)
        mem_free(m->records[i].data);
    memmove(m->records, m->records + n, (m->count - n) * sizeof *m->records);
    m->count -= n;
    m->first += n;
    return (int)n;
}

static const struct log_damage *memlog_damage(struct log *l)
{
    return &memlog_of(l)->damage;
}

static void memlog_close(struct ctx *c, struct log *l)
{
    struct memlog *m = memlog_of(l);

    (void)memlog_trim(c, l, 0, UINT64_MAX, 0);
    mem_free(m->records);
    mem_free(m);
}

static const struct log_ops memlog_ops = {
    .name = "memory",
    .append = memlog_append,
    .commit = memlog_commit,
    .pending = memlog_pending,
    .read = memlog_read,
    .range = memlog_range,
    .first = memlog_first,
    .end = memlog_end,
    .bytes = memlog_bytes,
    .trim = memlog_trim,
    .damage = memlog_damage,
    .close = memlog_close,
};

int memlog_open(struct ctx *c, struct log **ret_log)
{
    struct memlog *m = mem_zalloc(sizeof *m);

    if (!m)
        return err_nomem(c);
    m->base.ops = &memlog_ops;
    m->base.record_max = 64 << 20;
    m->tail = &m->head;
    m->first = 1;
    *ret_log = &m->base;
    return 0;
}
