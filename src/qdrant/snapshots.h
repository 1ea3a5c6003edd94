/* snapshots.h - what the calls about snapshots share. */
#ifndef QDRANT_SNAPSHOTS_H
#define QDRANT_SNAPSHOTS_H

#include "qdrant/dialect.h"

#include "net/spill.h"

enum { SNAPSHOT_NAME = 300 };

/* Which snapshots a call is about. */
struct place {
    const char *collection; /* NULL: all */
    const char *name;       /* NULL: none was given */
};
/* By its path or message. False: answered. */
bool snapshots_place(struct call *call, struct place *to);
/* A new one, open; and one that nobody keeps. NULL: answered. */
kith_snapshot_file *snapshots_make(struct call *call, const char *collection, char name[SNAPSHOT_NAME]);
kith_snapshot_file *snapshots_passing(struct call *call, const char *collection, char name[SNAPSHOT_NAME]);
void snapshots_send(struct call *call, kith_snapshot_file *file, const char *name); /* and closes it */
/* What is at an address, for spill_end; `body`: of a POST, or NULL. False: answered. */
bool snapshots_fetch(struct call *call, const char *url, const char *api_key, const char *body, struct spill **ret_spill,
                     struct bytes *ret_file);
/* It becomes the collection. `checksum`: of SHA-256, or NULL. */
void snapshots_import(struct call *call, struct bytes file, const char *collection, const char *checksum);
/* Without waiting the answer is 202; the work is done all the same. */
void snapshots_done(struct call *call, const char *result);

#endif
