/* epoch.h - reading a pointer that a writer may replace, without a lock (Fraser 2004).
 *
 * A reader enters, loads the pointer, takes what it needs, and leaves. What a writer has replaced is
 * freed once every reader that was inside at that moment has left. */
#ifndef ENGINE_EPOCH_H
#define ENGINE_EPOCH_H

#include "base/base.h"
#include "os/sync.h"

#include <stdatomic.h>

enum { EPOCH_SLOTS = 128 };

struct epoch_item {
    struct epoch_item *next;
    uint64_t epoch;
    void (*free)(struct epoch_item *item);
};

struct epoch_slot {
    _Alignas(64) atomic_ullong inside; /* 0: nobody */
};

struct epoch {
    struct epoch_slot slots[EPOCH_SLOTS];
    atomic_ullong now;
    struct os_mutex mutex;
    struct epoch_item *retired;
};

void epoch_init(struct epoch *e);
void epoch_release(struct epoch *e); /* nobody is inside */
/* Returns the slot to leave by. Spins only while all slots are taken. */
uint32_t epoch_enter(struct epoch *e);
void epoch_leave(struct epoch *e, uint32_t slot);
/* `item` is part of what shall be freed; the pointer to it has been replaced already. */
void epoch_retire(struct epoch *e, struct epoch_item *item, void (*free)(struct epoch_item *item));

#endif
