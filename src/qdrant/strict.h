/* strict.h - the limits a collection sets its callers (strict mode). They are checked on what was read, so that they
 * hold alike for both transports. All false: answered. A collection that is not there has none. */
#ifndef QDRANT_STRICT_H
#define QDRANT_STRICT_H

#include "qdrant/dialect.h"

/* Reads strict_mode_config into what is kept. */
bool strict_take(struct kept_config *k, yyjson_val *body);

/* A search of the Query API, of `times` hits for each of its limit, grouped by `path` (NULL: not). */
bool strict_query(struct call *call, const kith_schema *schema, const kith_query *q, uint64_t times, const char *path);
bool strict_batch(struct call *call, const kith_schema *schema, size_t searches);
/* Any other read: its limit (0: none), its filter (may be NULL), what else it looks up (NULL: nothing). */
bool strict_read(struct call *call, uint64_t limit, const kith_filter *filter, const char *path);
bool strict_write(struct call *call, const kith_op *ops, size_t count);
bool strict_index(struct call *call, const char *path);

#endif
