/* epoch.c - epoch slots. */
#include "engine/epoch.h"

void epoch_init(struct epoch *e)
{
    for (uint32_t i = 0; i < EPOCH_SLOTS; i++)
        atomic_init(&e->slots[i].inside, 0);
    atomic_init(&e->now, 1);
    os_mutex_init(&e->mutex);
    e->retired = NULL;
}

uint32_t epoch_enter(struct epoch *e)
{
    uint32_t start = (uint32_t)((uintptr_t)&start >> 12); /* threads differ in their stacks */

    for (uint32_t i = start;; i++) {
        unsigned long long none = 0, now = atomic_load(&e->now);
        if (atomic_compare_exchange_strong(&e->slots[i % EPOCH_SLOTS].inside, &none, now))
            return i % EPOCH_SLOTS;
    }
}

void epoch_leave(struct epoch *e, uint32_t slot)
{
    atomic_store(&e->slots[slot].inside, 0);
}

static uint64_t oldest_inside(struct epoch *e)
{
    uint64_t oldest = UINT64_MAX;

    for (uint32_t i = 0; i < EPOCH_SLOTS; i++) {
        uint64_t inside = atomic_load(&e->slots[i].inside);
        if (inside && inside < oldest)
            oldest = inside;
    }
    return oldest;
}

void epoch_retire(struct epoch *e, struct epoch_item *item, void (*free)(struct epoch_item *item))
{
    struct epoch_item *ready = NULL, **at;
    uint64_t oldest;

    item->free = free;
    item->epoch = atomic_fetch_add(&e->now, 1);
    oldest = oldest_inside(e);
    os_mutex_lock(&e->mutex);
    item->next = e->retired;
    e->retired = item;
    for (at = &e->retired; *at;) {
        struct epoch_item *one = *at;
        if (one->epoch < oldest) {
            *at = one->next;
            one->next = ready;
            ready = one;
        } else {
            at = &one->next;
        }
    }
    os_mutex_unlock(&e->mutex);
    while (ready) {
        struct epoch_item *next = ready->next;
        ready->free(ready);
        ready = next;
    }
}

void epoch_release(struct epoch *e)
{
    while (e->retired) {
        struct epoch_item *next = e->retired->next;
        e->retired->free(e->retired);
        e->retired = next;
    }
    os_mutex_release(&e->mutex);
}
