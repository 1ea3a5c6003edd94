/* spill.h - a body too large for memory, in a file that goes with it. */
#ifndef NET_SPILL_H
#define NET_SPILL_H

#include "base/base.h"

struct spill;

/* A new file in `dir`; NULL: it cannot be made. */
struct spill *spill_new(const char *dir);
bool spill_put(struct spill *s, const void *data, size_t size); /* false: the disk is full, or worse */
bool spill_map(struct spill *s, struct bytes *ret);             /* all of it, until the end */
void spill_end(struct spill *s);                                /* NULL is fine */
/* What an earlier process left behind. */
void spill_clean(const char *dir);

#endif
