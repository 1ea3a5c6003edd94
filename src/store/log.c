/* log.c - copying from log to log. */
#include "store/log.h"

#include "base/ctx.h"
#include "base/mem.h"

enum { BATCH_BYTES = 8 << 20 };

struct copying {
    struct ctx *c;
    struct log *to;
    uint64_t next;   /* offset expected */
    size_t queued;   /* bytes */
    int code;        /* of the first that failed */
};

struct copied {
    struct log_wait wait;
    struct copying *x;
    uint64_t offset;
    uint8_t data[];
};

static void copied(struct log_wait *w, int code, uint64_t offset)
{
    struct copied *r = container_of(w, struct copied, wait);
    struct copying *x = r->x;

    if (!x->code)
        x->code = code < 0 ? code : offset == r->offset ? 0 : err_set(x->c, KITH_CORRUPT, "the logs differ in offsets");
    mem_free(r);
}

static int flush(struct copying *x)
{
    while (x->to->ops->pending(x->to))
        (void)x->to->ops->commit(x->c, x->to);
    x->queued = 0;
    return x->code;
}

static int copy_one(void *arg, uint64_t offset, struct bytes record)
{
    struct copying *x = arg;
    struct copied *r;
    int rc;

    if (offset != x->next)
        return err_set(x->c, KITH_CORRUPT, "the log goes on at record %llu, expected %llu", (unsigned long long)offset,
                       (unsigned long long)x->next);
    r = mem_alloc(sizeof *r + record.size);
    if (!r)
        return err_nomem(x->c);
    memcpy(r->data, record.data, record.size);
    r->wait = (struct log_wait){.record = {r->data, record.size}, .done = copied};
    r->x = x;
    r->offset = x->next++;
    rc = x->to->ops->append(x->c, x->to, 0, &r->wait);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    x->queued += record.size;
    return x->queued >= BATCH_BYTES ? flush(x) : 0;
}

int log_copy(struct ctx *c, struct log *from, uint64_t upto, struct log *to)
{
    struct copying x = {.c = c, .to = to, .next = to->ops->end(to, 0) + 1};
    int rc = from->ops->range(c, from, 0, x.next, upto, copy_one, &x), flushed;

    flushed = flush(&x); /* nobody else completes what is queued */
    TRY(rc);
    TRY(flushed);
    return x.next > upto ? 0 : err_set(c, KITH_CORRUPT, "the log ends at record %llu, expected %llu",
                                       (unsigned long long)x.next - 1, (unsigned long long)upto);
}
