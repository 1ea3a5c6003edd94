/* rates.h - how much may be done in a minute, under a name: token buckets, full at first. */
#ifndef SERVE_RATES_H
#define SERVE_RATES_H

#include "base/strmap.h"
#include "os/sync.h"

struct rates {
    struct os_mutex lock;
    struct strmap buckets;
};
void rates_init(struct rates *r);
void rates_release(struct rates *r);
/* Takes `cost` from what `per_minute` has left under this name: 0. Or takes nothing, and returns after how many
 * seconds (at least 1) there will be enough; a cost above `per_minute` is taken when the bucket is full. */
uint32_t rates_take(struct rates *r, const char *name, double per_minute, double cost, uint64_t now_ns);

#endif
