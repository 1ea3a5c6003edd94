/* record.h - one write as bytes: what the log holds (docs/format/record.md). Everything that needs
 * no state is checked while encoding; what is decoded is trusted only after its checks here. */
#ifndef OP_RECORD_H
#define OP_RECORD_H

#include "op/vector.h"

struct rec_vector {
    uint32_t id, dim;
    kith_element element;
    size_t size; /* bytes */
    const void *data;
    bool multi;
};

struct rec_point {
    kith_id id;
    struct bytes doc; /* binary; size 0: none given */
    const struct rec_vector *vectors;
    uint32_t vectors_count;
};

struct rec_op {
    kith_op_kind kind;
    kith_mode mode;
    const struct rec_point *points;
    uint32_t points_count;
    const kith_id *ids;
    uint32_t ids_count;
    const kith_filter *filter, *only_if;
    struct bytes doc;
    const char *path;
    const char *const *names; /* keys */
    uint32_t names_count;
    const uint32_t *vector_ids;
    uint32_t vector_ids_count;
};

struct record {
    uint64_t shard;
    uint64_t time_ms;
    const struct rec_op *ops;
    uint32_t ops_count;
    uint64_t points, bytes; /* upper bounds of what applying needs */
};

int record_encode(struct ctx *c, const struct schema *schema, const struct kernels *k, uint64_t shard,
                  uint64_t time_ms, const kith_op *ops, size_t count, struct buf *out);
/* Only who it is for. */
int record_shard(struct ctx *c, struct bytes data, uint64_t *ret_shard);
/* Only when it was written: milliseconds since 1970. */
int record_time(struct ctx *c, struct bytes data, uint64_t *ret_ms);
/* Into the arena; strings, documents and vectors point into `data`, which is 8-byte aligned. */
int record_decode(struct ctx *c, struct bytes data, struct record *ret_record);

#endif
