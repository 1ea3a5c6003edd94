/* snapshot.h - a snapshot's record, as making, restoring and its file share it (docs/format/snapshot.md). */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "engine/engine.h"

/* One collection of a snapshot. */
struct kept {
    const char *name;
    uint64_t owner;
    struct bytes schema, pointer; /* pointer: empty if nothing was sealed yet */
};

/* A snapshot's record, read in place. */
struct kept_set {
    uint64_t created_ms, size;
    struct kept *kept;
    size_t count;
    const char **aliases; /* pairs of alias and target */
    size_t aliases_count; /* pairs */
    struct strmap blobs;
};

/* The blobs are to be released, whether it fails or not; all else is in the arena of `c`. */
int kept_set_read(struct ctx *c, struct bytes value, struct kept_set *to);
int kept_set_get(struct ctx *c, struct db *db, const char *collection, const char *name, struct kept_set *to,
                 struct meta_item *item);
/* As the collection `to`, or, of several, each as itself (NULL). Its blobs are here and held. */
int kept_set_restore(struct ctx *c, struct db *db, const struct kept_set *set, const char *to);

#endif
