/* slow.c - a ring of requests that took long. */
#include "serve/slow.h"

void slow_init(struct slow_log *s, double threshold)
{
    *s = (struct slow_log){.threshold = threshold};
    os_mutex_init(&s->lock);
}

void slow_release(struct slow_log *s)
{
    os_mutex_release(&s->lock);
}

void slow_note(struct slow_log *s, const struct slow_entry *e)
{
    os_mutex_lock(&s->lock);
    s->entries[s->count++ % SLOW_KEPT] = *e;
    os_mutex_unlock(&s->lock);
}

size_t slow_read(struct slow_log *s, const char *method, struct slow_entry *ret, size_t most)
{
    size_t n = 0;

    os_mutex_lock(&s->lock);
    for (uint64_t i = 0; i < MIN(s->count, (uint64_t)SLOW_KEPT) && n < most; i++) {
        const struct slow_entry *e = &s->entries[(s->count - 1 - i) % SLOW_KEPT];
        if (!method || strcmp(e->method, method) == 0)
            ret[n++] = *e;
    }
    os_mutex_unlock(&s->lock);
    return n;
}
