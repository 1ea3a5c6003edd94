/* search.h - one search of the Query API or of the older calls: between search.c and groups.c. */
#ifndef QDRANT_SEARCH_H
#define QDRANT_SEARCH_H

#include "qdrant/query.h"
#include "qdrant/shard_keys.h"

struct search {
    kith_query q;
    kith_metric metric; /* of the vector it is about */
    bool sharded;       /* the collection has custom sharding */
};

/* What all forms share at the top. */
bool search_read_top(struct call *call, yyjson_val *body, struct search *s);
/* What only the schema tells, at every level; false: answered, there is no such collection, or it does not allow so
 * much (strict_query). */
bool search_finish(struct call *call, struct search *s, uint64_t times, const char *path);
float search_score(const struct search *s, const kith_hit *h);
uint64_t search_version(const struct search *s, const kith_hit *h);
void search_put(struct buf *out, const struct search *s, const kith_hit *h);

/* rpc_hits.c: answers that are points, in the form that was asked for: JSON, or (call->rpc) messages. */
void hits_begin(struct call *call);
void hits_finish(struct call *call, uint32_t time_number);
void rpc_put_id(struct buf *out, uint32_t number, const kith_id *id);
void rpc_put_scored(struct buf *out, uint32_t number, const struct search *s, const kith_hit *h);
void rpc_put_record(struct buf *out, uint32_t number, const kith_hit *h, bool sharded, const kith_select *select,
                    bool order);

#endif
