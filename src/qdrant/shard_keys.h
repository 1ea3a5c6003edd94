/* shard_keys.h - custom sharding: which keys a call is about, and what it may see and change of them. */
#ifndef QDRANT_SHARD_KEYS_H
#define QDRANT_SHARD_KEYS_H

#include "qdrant/dialect.h"

extern const char shard_key_path[];

/* The keys that a call names. */
struct shard_scope {
    bool custom; /* the collection is sharded so */
    kith_value *keys;
    size_t count; /* 0: all */
};

/* A collection that is to be made with sharding_method custom; false: answered. */
bool shard_keys_make(struct call *call, yyjson_val *body, kith_schema *schema);
bool shard_is_custom(const kith_schema *schema);
bool shard_has_keys(struct call *call, const char *collection); /* by its name */

/* `shard_key` of a body; false: answered. Writes must name one where there are some, and, of those that make documents,
 * only one. */
bool shard_scope_read(struct call *call, yyjson_val *body, struct shard_scope *to);
bool shard_scope_write(struct call *call, yyjson_val *body, bool one, struct shard_scope *to);
/* What only points of the scope satisfy. */
bool shard_narrow(struct call *call, const struct shard_scope *scope, const kith_filter **filter);
bool shard_narrow_op(struct call *call, const struct shard_scope *scope, kith_op *op);
/* The filter of a body, within its scope. */
bool shard_read_filter(struct call *call, yyjson_val *body, const kith_filter **ret_filter);
/* A payload that is written; with `stamp` the scope's key is in it. */
bool shard_read_payload(struct call *call, yyjson_val *v, const struct shard_scope *scope, bool stamp, kith_doc *ret);
bool shard_path_is_free(struct call *call, const struct shard_scope *scope, const char *path);

/* Of such a collection the key is read with every point. */
bool shard_select(struct call *call, kith_select *select);
bool select_shows(const kith_select *select); /* the payload, not only the key */
bool shard_shows(const struct shard_scope *scope, const kith_hit *hit);
bool shard_key_in(const kith_hit *hit, struct bytes *ret_kept);
bool is_shard_member(struct bytes key);
void shard_put_payload(struct buf *out, const kith_hit *hit); /* without it */
void shard_put_key(struct buf *out, const char *name, struct bytes kept); /* as a member, a comma before it */
void shard_put_message(struct buf *out, uint32_t number, struct bytes kept);
/* What changes the keys themselves; answered. */
void shard_keys_change(struct call *call, yyjson_val *request, bool make);
void shard_keys_move(struct call *call, yyjson_val *request);
/* A shard as others see it: what is under a key, or the whole collection. */
struct shard_part {
    size_t id;
    struct bytes key; /* empty: none */
    uint64_t points;
};
typedef void (*shard_put)(struct call *call, const struct shard_part *part);
/* Writes all of a collection, commas between them; how many. */
size_t shard_put_parts(struct call *call, const char *collection, shard_put put);

#endif
