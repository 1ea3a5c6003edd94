/* query.h - reading queries into kith_query; what is read lives in the call's arena. */
#ifndef QDRANT_QUERY_H
#define QDRANT_QUERY_H

#include "qdrant/dialect.h"

/* A whole level of the Query API: query, using, filter, params, limit, and its prefetches. Thresholds are scores yet. */
bool query_read(struct call *call, yyjson_val *body, kith_query *q);
/* What the older calls search for; the rest of them by query_read_filter_and_params. */
bool query_read_search(struct call *call, yyjson_val *body, kith_query *q);
bool query_read_recommend(struct call *call, yyjson_val *body, kith_query *q);
bool query_read_discover(struct call *call, yyjson_val *body, kith_query *q);
/* formula.c: an expression; `defaults` may be NULL. */
bool formula_read(struct call *call, yyjson_val *v, yyjson_val *defaults, const kith_expr **ret);
bool query_read_filter_and_params(struct call *call, yyjson_val *body, kith_query *q);

#endif
