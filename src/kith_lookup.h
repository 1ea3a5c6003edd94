/* kith_lookup.h - between kith.c and kith_lookup.c. */
#ifndef KITH_LOOKUP_H
#define KITH_LOOKUP_H

#include "kith.h"

struct ctx;
struct db;
/* The same query, or a copy in the arena without points of other collections. */
int lookup_resolve(struct ctx *c, struct db *db, const kith_query *q, const kith_query **ret_query);

#endif
