/* nested.h - what an index can say of conditions on one element of an array. */
#ifndef OP_NESTED_H
#define OP_NESTED_H

#include "op/schema.h"

/* A filter that is true wherever the nested one `f` is, of conditions that indexes answer: which are of fields below the
 * array, path[].field. In the arena; NULL: there is none. KITH_NOMEM. */
int nested_hint(struct ctx *c, const struct schema *schema, const kith_filter *f, const kith_filter **ret_hint);

#endif
