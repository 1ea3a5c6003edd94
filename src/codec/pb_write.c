/* pb_write.c - from a tree to the wire. A message's size stands before it and is known after it: one byte is left
 * for it, and what was written moves if that does not do. */
#include "codec/pb.h"

static void put_tag(struct buf *out, uint32_t number, unsigned type)
{
    buf_varint(out, (uint64_t)number << 3 | type);
}

void pb_put_varint(struct buf *out, uint32_t number, uint64_t v)
{
    put_tag(out, number, PB_VARINT);
    buf_varint(out, v);
}

void pb_put_float(struct buf *out, uint32_t number, float v)
{
    put_tag(out, number, PB_FOUR);
    buf_put(out, &v, sizeof v);
}

void pb_put_double(struct buf *out, uint32_t number, double v)
{
    put_tag(out, number, PB_EIGHT);
    buf_f64(out, v);
}

void pb_put_bytes(struct buf *out, uint32_t number, const void *data, size_t size)
{
    put_tag(out, number, PB_SIZED);
    buf_blob(out, data, size);
}

size_t pb_begin(struct buf *out, uint32_t number)
{
    put_tag(out, number, PB_SIZED);
    buf_u8(out, 0);
    return out->size;
}

void pb_end(struct buf *out, size_t mark)
{
    size_t size = out->size - mark, more = 0;
    uint64_t n = size;

    if (out->failed)
        return;
    for (uint64_t rest = size >> 7; rest; rest >>= 7)
        more++;
    if (more) {
        buf_zero(out, more);
        if (out->failed)
            return;
        memmove(out->data + mark + more, out->data + mark, size);
    }
    for (size_t i = 0; i <= more; i++, n >>= 7)
        out->data[mark - 1 + i] = (uint8_t)((n & 127) | (i < more ? 128 : 0));
}

/* ---- trees ---------------------------------------------------------------------------------------------------- */

static bool message_fits(const struct pb_message *m, yyjson_val *v);

static bool same_word(const char *a, const char *b) /* whatever the case */
{
    for (; *a && *b; a++, b++) {
        if ((*a | 32) != (*b | 32))
            return false;
    }
    return *a == *b;
}

static const struct pb_value *value_named(const struct pb_field *f, yyjson_val *v)
{
    const char *name = yyjson_get_str(v);

    for (size_t i = 0; i < f->values->count; i++) {
        const struct pb_value *value = &f->values->values[i];
        if (value->name && name ? same_word(value->name, name) : !value->name && yyjson_is_null(v))
            return value;
    }
    return NULL;
}

/* Could one element of the field be that? */
static bool element_fits(const struct pb_field *f, yyjson_val *v)
{
    switch (f->type) {
    case PB_STRING: case PB_BYTES: return yyjson_is_str(v);
    case PB_BOOL: return yyjson_is_bool(v);
    case PB_DOUBLE: case PB_FLOAT:
        return f->repeated ? yyjson_is_num(v)
                           : yyjson_is_real(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX);
    case PB_UINT64: case PB_UINT32: case PB_FIXED64: case PB_FIXED32: return yyjson_is_uint(v);
    case PB_INT64: case PB_INT32: case PB_SFIXED32: case PB_SFIXED64: case PB_SINT32: case PB_SINT64:
        return yyjson_is_sint(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX);
    case PB_ENUM: return value_named(f, v) != NULL;
    case PB_MESSAGE: return message_fits(f->message, v);
    case PB_GROUP: break;
    }
    return false;
}

static bool field_fits(const struct pb_field *f, yyjson_val *v)
{
    if (!f->repeated)
        return element_fits(f, v);
    if (f->message && f->message->map)
        return yyjson_is_obj(v);
    return yyjson_is_arr(v) && (!yyjson_arr_size(v) || element_fits(f, yyjson_arr_get_first(v)));
}

static bool message_fits(const struct pb_message *m, yyjson_val *v)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct pb_field *f = &m->fields[i];
        if (f->how == PB_VALUE ? field_fits(f, v) : f->how == PB_NAMED && yyjson_obj_get(v, f->name) != NULL)
            return true;
    }
    return m->count == 0 && yyjson_is_obj(v) && yyjson_obj_size(v) == 0;
}

static void put_number(struct buf *out, const struct pb_field *f, yyjson_val *v)
{
    const struct pb_value *value;
    float x = (float)yyjson_get_num(v);
    int64_t n = yyjson_get_sint(v);

    switch (f->type) {
    case PB_DOUBLE: buf_f64(out, yyjson_get_num(v)); break;
    case PB_FLOAT: buf_put(out, &x, sizeof x); break;
    case PB_BOOL: buf_u8(out, yyjson_get_bool(v)); break;
    case PB_ENUM:
        value = value_named(f, v);
        buf_varint(out, value ? (uint64_t)(int64_t)value->number : 0);
        break;
    case PB_FIXED64: case PB_SFIXED64: buf_u64(out, (uint64_t)n); break;
    case PB_FIXED32: case PB_SFIXED32: buf_u32(out, (uint32_t)n); break;
    case PB_SINT32: case PB_SINT64: buf_varint(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0)); break;
    case PB_INT64: case PB_INT32: case PB_UINT64: case PB_UINT32: buf_varint(out, yyjson_get_uint(v)); break;
    case PB_STRING: case PB_BYTES: case PB_MESSAGE: case PB_GROUP: break;
    }
}

static void put_element(struct buf *out, const struct pb_field *f, yyjson_val *v)
{
    size_t mark;

    if (f->type == PB_MESSAGE) {
        mark = pb_begin(out, f->number);
        pb_from_tree(out, f->message, v);
        pb_end(out, mark);
    } else if (pb_wire(f->type) == PB_SIZED) {
        if (yyjson_is_str(v))
            pb_put_bytes(out, f->number, yyjson_get_str(v), yyjson_get_len(v));
    } else {
        put_tag(out, f->number, pb_wire(f->type));
        put_number(out, f, v);
    }
}

static void put_list(struct buf *out, const struct pb_field *f, yyjson_val *list)
{
    bool packed = pb_wire(f->type) != PB_SIZED;
    size_t i, count, mark = packed && yyjson_arr_size(list) ? pb_begin(out, f->number) : 0;
    yyjson_val *item;

    yyjson_arr_foreach(list, i, count, item) {
        if (packed)
            put_number(out, f, item);
        else
            put_element(out, f, item);
    }
    if (mark)
        pb_end(out, mark);
}

static void put_map(struct buf *out, const struct pb_field *f, yyjson_val *object)
{
    yyjson_val *key, *item;
    size_t i, count, mark;

    yyjson_obj_foreach(object, i, count, key, item) {
        mark = pb_begin(out, f->number);
        pb_put_bytes(out, 1, yyjson_get_str(key), yyjson_get_len(key));
        put_element(out, &f->message->fields[1], item);
        pb_end(out, mark);
    }
}

static void put_field(struct buf *out, const struct pb_field *f, yyjson_val *v)
{
    if (f->repeated && f->message && f->message->map)
        put_map(out, f, v);
    else if (f->repeated)
        put_list(out, f, v);
    else
        put_element(out, f, v);
}

/* NULL: the tree has nothing for this field. */
static yyjson_val *place_of(const struct pb_field *f, yyjson_val *tree)
{
    yyjson_val *v;

    if (f->how != PB_NAMED)
        return (f->how == PB_VALUE ? field_fits(f, tree) : yyjson_is_obj(tree)) ? tree : NULL;
    v = yyjson_obj_get(tree, f->name);
    if (!v || yyjson_is_null(v) || (f->oneof && f->type != PB_MESSAGE && !field_fits(f, v)))
        return NULL;
    if (f->type == PB_UINT64 || f->type == PB_UINT32 || f->type == PB_BOOL)
        return f->repeated || element_fits(f, v) ? v : NULL;
    return v;
}

void pb_from_tree(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    uint64_t done = 0; /* a bit a oneof */

    if (m->unshape) {
        m->unshape(out, m, tree);
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct pb_field *f = &m->fields[i];
        yyjson_val *v = done >> (f->oneof & 63) & 1 ? NULL : place_of(f, tree);
        if (!v)
            continue;
        put_field(out, f, v);
        if (f->oneof)
            done |= (uint64_t)1 << (f->oneof & 63);
    }
}
