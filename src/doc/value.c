/* value.c - reading, writing and changing documents. */
#include "doc/value.h"

#include "base/ctx.h"
#include "codec/json.h"

#include <math.h>

static struct reader inside(struct val v)
{
    struct reader r = {v.at, v.end, false};

    (void)read_u8(&r);
    return r;
}

int64_t val_int(struct val v)
{
    struct reader r = inside(v);
    uint64_t n = read_varint(&r);

    if (val_tag(v) == VAL_UINT)
        return INT64_MAX;
    return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

uint64_t val_uint(struct val v)
{
    struct reader r = inside(v);

    return val_tag(v) == VAL_UINT ? read_varint(&r) : (uint64_t)val_int(v);
}

double val_double(struct val v)
{
    struct reader r = inside(v);

    if (val_tag(v) == VAL_DOUBLE)
        return read_f64(&r);
    return val_tag(v) == VAL_UINT ? (double)val_uint(v) : (double)val_int(v);
}

bool val_is_num(struct val v)
{
    enum val_tag t = val_tag(v);

    return t == VAL_INT || t == VAL_UINT || t == VAL_DOUBLE;
}

struct bytes val_str(struct val v)
{
    struct reader r = inside(v);

    return read_blob(&r);
}

uint32_t val_count(struct val v)
{
    struct reader r = inside(v);

    if (val_tag(v) != VAL_ARRAY && val_tag(v) != VAL_OBJECT)
        return 0;
    (void)read_u32(&r);
    return read_u32(&r);
}

size_t val_size(struct val v)
{
    struct reader r = inside(v);

    switch (val_tag(v)) {
    case VAL_NULL: case VAL_FALSE: case VAL_TRUE:
        break;
    case VAL_INT: case VAL_UINT:
        (void)read_varint(&r);
        break;
    case VAL_DOUBLE:
        (void)read_bytes(&r, 8);
        break;
    case VAL_STR:
        (void)read_blob(&r);
        break;
    case VAL_ARRAY: case VAL_OBJECT: {
        uint32_t size = read_u32(&r);
        (void)read_u32(&r);
        (void)read_bytes(&r, size);
        break;
    }
    }
    return (size_t)(r.at - v.at);
}

struct val_iter val_iter(struct val v)
{
    struct val_iter it = {.r = inside(v)};

    if (val_tag(v) == VAL_ARRAY || val_tag(v) == VAL_OBJECT) {
        (void)read_u32(&it.r);
        it.left = read_u32(&it.r);
        it.object = val_tag(v) == VAL_OBJECT;
    }
    return it;
}

bool val_next(struct val_iter *it, struct bytes *key, struct val *item)
{
    if (!it->left || it->r.failed)
        return false;
    it->left--;
    key->data = NULL;
    key->size = 0;
    if (it->object)
        *key = read_blob(&it->r);
    item->at = it->r.at;
    item->end = it->r.end;
    (void)read_bytes(&it->r, val_size(*item));
    return !it->r.failed;
}

bool val_get(struct val object, const char *key, size_t key_size, struct val *ret_item)
{
    struct val_iter it = val_iter(object);
    struct bytes name;
    struct val item;

    if (val_tag(object) != VAL_OBJECT)
        return false;
    while (val_next(&it, &name, &item)) {
        if (name.size == key_size && memcmp(name.data, key, key_size) == 0) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

/* ---- checking what comes from outside --------------------------------------------------------- */

static bool check(struct reader *r, int depth)
{
    uint8_t tag = read_u8(r);
    uint32_t size, count;
    struct reader sub;

    if (r->failed || depth > VAL_DEPTH_MAX)
        return false;
    switch (tag) {
    case VAL_NULL: case VAL_FALSE: case VAL_TRUE:
        return true;
    case VAL_INT: case VAL_UINT:
        (void)read_varint(r);
        return !r->failed;
    case VAL_DOUBLE:
        return isfinite(read_f64(r)) && !r->failed;
    case VAL_STR:
        (void)read_blob(r);
        return !r->failed;
    case VAL_ARRAY: case VAL_OBJECT:
        break;
    default:
        return false;
    }
    size = read_u32(r);
    count = read_u32(r);
    sub.at = read_bytes(r, size);
    if (r->failed)
        return false;
    sub.end = sub.at + size;
    sub.failed = false;
    for (uint32_t i = 0; i < count; i++) {
        if (tag == VAL_OBJECT)
            (void)read_blob(&sub);
        if (sub.failed || !check(&sub, depth + 1))
            return false;
    }
    return sub.at == sub.end;
}

bool val_check(const void *data, size_t size)
{
    struct reader r = reader_of(data, size);

    return check(&r, 0) && r.at == r.end;
}

/* ---- JSON ------------------------------------------------------------------------------------- */

void val_put_int(struct buf *b, int64_t v)
{
    buf_u8(b, VAL_INT);
    buf_varint(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static void put_head(struct buf *b, enum val_tag tag, size_t *ret_at)
{
    buf_u8(b, (uint8_t)tag);
    *ret_at = b->size;
    buf_zero(b, 8);
}

static void patch_head(struct buf *b, size_t at, uint32_t count)
{
    uint32_t size;

    if (b->failed)
        return;
    size = (uint32_t)(b->size - at - 8);
    memcpy(b->data + at, &size, 4);
    memcpy(b->data + at + 4, &count, 4);
}

/* Of equal keys in one object the last counts, as most readers of JSON have it. */
static bool has_later(yyjson_val *item, yyjson_val *key, size_t left)
{
    for (yyjson_val *k = unsafe_yyjson_get_next(item); left > 0; left--) {
        if (yyjson_equals_strn(k, yyjson_get_str(key), yyjson_get_len(key)))
            return true;
        k = unsafe_yyjson_get_next(k + 1);
    }
    return false;
}

static int encode_json(struct ctx *c, yyjson_val *v, struct buf *out, int depth)
{
    size_t at, i, count;
    yyjson_val *key, *item;

    if (depth > VAL_DEPTH_MAX)
        return err_set(c, KITH_INVALID, "document: nested deeper than %d", VAL_DEPTH_MAX);
    if (out->size > DOC_BYTES_MAX)
        return err_set(c, KITH_LIMIT, "document: larger than %d bytes", DOC_BYTES_MAX);
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_BOOL:
        buf_u8(out, yyjson_get_bool(v) ? VAL_TRUE : VAL_FALSE);
        return 0;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(v)) {
            buf_u8(out, VAL_DOUBLE);
            buf_f64(out, yyjson_get_real(v));
        } else if (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX) {
            buf_u8(out, VAL_UINT);
            buf_varint(out, yyjson_get_uint(v));
        } else {
            val_put_int(out, yyjson_get_sint(v));
        }
        return 0;
    case YYJSON_TYPE_STR:
        buf_u8(out, VAL_STR);
        buf_blob(out, yyjson_get_str(v), yyjson_get_len(v));
        return 0;
    case YYJSON_TYPE_ARR:
        put_head(out, VAL_ARRAY, &at);
        yyjson_arr_foreach(v, i, count, item)
            TRY(encode_json(c, item, out, depth + 1));
        patch_head(out, at, (uint32_t)yyjson_arr_size(v));
        return 0;
    case YYJSON_TYPE_OBJ: {
        uint32_t kept = 0;
        put_head(out, VAL_OBJECT, &at);
        yyjson_obj_foreach(v, i, count, key, item) {
            if (count <= 64 && has_later(item, key, count - i - 1))
                continue;
            buf_blob(out, yyjson_get_str(key), yyjson_get_len(key));
            TRY(encode_json(c, item, out, depth + 1));
            kept++;
        }
        patch_head(out, at, kept);
        return 0;
    }
    default:
        buf_u8(out, VAL_NULL);
        return 0;
    }
}

int val_from_json(struct ctx *c, yyjson_val *json, struct buf *out)
{
    TRY(encode_json(c, json, out, 0));
    return out->failed ? err_nomem(c) : 0;
}

void val_to_json(struct val v, struct buf *out)
{
    struct val_iter it;
    struct bytes key;
    struct val item;
    bool first = true;

    switch (val_tag(v)) {
    case VAL_NULL: buf_text(out, "null"); return;
    case VAL_FALSE: buf_text(out, "false"); return;
    case VAL_TRUE: buf_text(out, "true"); return;
    case VAL_INT: json_put_i64(out, val_int(v)); return;
    case VAL_UINT: json_put_u64(out, val_uint(v)); return;
    case VAL_DOUBLE: json_put_f64(out, val_double(v)); return;
    case VAL_STR:
        key = val_str(v);
        json_put_str(out, (const char *)key.data, key.size);
        return;
    case VAL_ARRAY: case VAL_OBJECT:
        break;
    }
    it = val_iter(v);
    buf_u8(out, it.object ? '{' : '[');
    for (; val_next(&it, &key, &item); first = false) {
        if (!first)
            buf_u8(out, ',');
        if (it.object) {
            json_put_str(out, (const char *)key.data, key.size);
            buf_u8(out, ':');
        }
        val_to_json(item, out);
    }
    buf_u8(out, it.object ? '}' : ']');
}

/* ---- trees ------------------------------------------------------------------------------------ */

int node_from(struct ctx *c, struct val v, struct node **ret_node)
{
    struct node *n = arena_zalloc(&c->arena, sizeof *n);
    struct val_iter it = val_iter(v);
    struct bytes key;
    struct val item;

    if (!n)
        return err_nomem(c);
    n->tag = val_tag(v);
    n->leaf = v;
    while (val_next(&it, &key, &item)) {
        struct node *child;
        TRY(node_from(c, item, &child));
        child->key = key;
        if (n->last)
            n->last->next = child;
        else
            n->first = child;
        n->last = child;
    }
    *ret_node = n;
    return 0;
}

void node_encode(const struct node *n, struct buf *out)
{
    uint32_t count = 0;
    size_t at;

    if (n->tag != VAL_ARRAY && n->tag != VAL_OBJECT) {
        if (n->tag == VAL_NULL)
            buf_u8(out, VAL_NULL);
        else
            buf_put(out, n->leaf.at, val_size(n->leaf));
        return;
    }
    put_head(out, n->tag, &at);
    for (const struct node *child = n->first; child; child = child->next, count++) {
        if (n->tag == VAL_OBJECT)
            buf_blob(out, child->key.data, child->key.size);
        node_encode(child, out);
    }
    patch_head(out, at, count);
}
