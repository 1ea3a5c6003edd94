/* quota.h - how much of the machine the server may take before it takes no more in. Deleting is always allowed. */
#ifndef SERVE_QUOTA_H
#define SERVE_QUOTA_H

#include "base/ctx.h"
#include "os/sync.h"

struct quota_config {
    bool enabled;
    uint8_t memory_percent, disk_percent; /* 0: no limit */
    uint8_t margin_percent;               /* what is over a limit stays so until it is this far below */
};

struct quota_state {
    double memory_percent, disk_percent; /* of the machine's memory, of the disk the data is on */
    bool memory_over, disk_over;
};

/* Kept in quota.json in the database's directory. */
struct quota {
    struct os_mutex lock;
    const char *dir;
    struct quota_config config;
    struct quota_state state;
    uint64_t looked_ns;
};
int quota_open(struct ctx *c, const char *dir, struct quota *ret_quota);
void quota_close(struct quota *q);
int quota_set(struct ctx *c, struct quota *q, const struct quota_config *config);
/* As it was at most a quarter of a second ago. */
void quota_look(struct quota *q, struct quota_config *ret_config, struct quota_state *ret_state);

#endif
