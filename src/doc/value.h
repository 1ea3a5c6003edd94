/* value.h - documents as bytes: a tagged tree that is read in place (docs/format/document.md).
 *
 * Integers keep 64 bits exactly. Sizes come first, so that a reader skips what it does not want. */
#ifndef DOC_VALUE_H
#define DOC_VALUE_H

#include "base/buf.h"

#include <yyjson.h>

enum val_tag {
    VAL_NULL = 0,
    VAL_FALSE = 1,
    VAL_TRUE = 2,
    VAL_INT = 3,    /* zigzag varint */
    VAL_UINT = 4,   /* varint, above INT64_MAX */
    VAL_DOUBLE = 5, /* 8 bytes */
    VAL_STR = 6,    /* varint size, UTF-8 */
    VAL_ARRAY = 7,  /* u32 bytes, u32 count, values */
    VAL_OBJECT = 8  /* u32 bytes, u32 count, (varint size, key, value)... */
};

enum { VAL_DEPTH_MAX = 128, DOC_BYTES_MAX = 48 << 20 };

/* One value in its bytes. */
struct val {
    const uint8_t *at, *end; /* end of the whole document */
};

static inline struct val val_of(const void *data, size_t size)
{
    struct val v = {data, (const uint8_t *)data + size};
    return v;
}
static inline enum val_tag val_tag(struct val v)
{
    return v.at < v.end ? (enum val_tag)*v.at : VAL_NULL;
}
static inline bool val_is_bool(struct val v)
{
    return val_tag(v) == VAL_FALSE || val_tag(v) == VAL_TRUE;
}
int64_t val_int(struct val v);
uint64_t val_uint(struct val v);
double val_double(struct val v);  /* of any number */
bool val_is_num(struct val v);
struct bytes val_str(struct val v);
uint32_t val_count(struct val v); /* of an array or object, else 0 */

/* for (it = val_iter(v); val_next(&it, &key, &item);) - key.data is NULL in arrays */
struct val_iter {
    struct reader r;
    uint32_t left;
    bool object;
};
struct val_iter val_iter(struct val v);
bool val_next(struct val_iter *it, struct bytes *key, struct val *item);
bool val_get(struct val object, const char *key, size_t key_size, struct val *ret_item);
size_t val_size(struct val v); /* bytes of this value */

/* True if the bytes are one well-formed value and nothing more. */
bool val_check(const void *data, size_t size);
/* Encodes; KITH_INVALID for too deep, KITH_LIMIT for too large. */
int val_from_json(struct ctx *c, yyjson_val *json, struct buf *out);
void val_to_json(struct val v, struct buf *out);
void val_put_int(struct buf *b, int64_t v);

/* ---- trees: the form in which documents are changed ---- */

struct node {
    enum val_tag tag;
    struct bytes key;        /* in an object */
    struct val leaf;         /* scalars: their bytes */
    struct node *first, *last, *next;
};

int node_from(struct ctx *c, struct val v, struct node **ret_node);
void node_encode(const struct node *n, struct buf *out);

#endif
