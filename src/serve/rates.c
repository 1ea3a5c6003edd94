/* rates.c - token buckets by name. */
#include "serve/rates.h"

#include "base/mem.h"

#include <math.h>

struct bucket {
    double tokens;
    uint64_t at_ns;
};

void rates_init(struct rates *r)
{
    *r = (struct rates){0};
    os_mutex_init(&r->lock);
}

void rates_release(struct rates *r)
{
    for (size_t i = 0; i < r->buckets.capacity; i++) {
        if (r->buckets.entries[i].key)
            mem_free((void *)(uintptr_t)r->buckets.entries[i].value);
    }
    strmap_release(&r->buckets);
    os_mutex_release(&r->lock);
}

static struct bucket *bucket_of(struct rates *r, const char *name, double per_minute, uint64_t now_ns)
{
    uint64_t *at = strmap_put(&r->buckets, name);
    struct bucket *b;

    if (!at)
        return NULL;
    if (*at)
        return (struct bucket *)(uintptr_t)*at;
    b = mem_alloc(sizeof *b);
    if (b)
        *b = (struct bucket){per_minute, now_ns};
    *at = (uintptr_t)b;
    return b;
}

uint32_t rates_take(struct rates *r, const char *name, double per_minute, double cost, uint64_t now_ns)
{
    uint32_t wait = 0;
    struct bucket *b;

    os_mutex_lock(&r->lock);
    b = bucket_of(r, name, per_minute, now_ns);
    if (b) { /* without memory nobody is held up */
        double most = fmin(cost, per_minute);
        b->tokens = fmin(per_minute, b->tokens + (double)(now_ns - b->at_ns) / 6e10 * per_minute);
        b->at_ns = now_ns;
        if (b->tokens >= most)
            b->tokens -= cost; /* a costly one is paid off later */
        else
            wait = (uint32_t)fmin(fmax(1, ceil((most - b->tokens) / per_minute * 60)), 86400);
    }
    os_mutex_unlock(&r->lock);
    return wait;
}
