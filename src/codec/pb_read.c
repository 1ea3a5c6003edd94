/* pb_read.c - from the wire to a tree, in one pass. The last one of a field that is not a list counts, as does
 * the last member of a oneof. */
#include "codec/pb.h"

#include "base/ctx.h"
#include "codec/utf8.h"

static yyjson_mut_val *read_message(struct pb_reading *r, const struct pb_message *m, struct bytes wire);

static yyjson_mut_val *fail(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f, const char *what)
{
    (void)err_set(r->c, KITH_INVALID, "%s%s%s: %s", m->full_name, f ? "." : "", f ? f->own_name : "", what);
    return NULL;
}

static bool skip(struct reader *r, unsigned type)
{
    switch (type) {
    case PB_VARINT: (void)read_varint(r); break;
    case PB_EIGHT: (void)read_bytes(r, 8); break;
    case PB_SIZED: (void)read_blob(r); break;
    case PB_FOUR: (void)read_bytes(r, 4); break;
    default: return false; /* groups are of another age */
    }
    return !r->failed;
}

static yyjson_mut_val *named_value(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f, int32_t n)
{
    for (size_t i = 0; i < f->values->count; i++) {
        if (f->values->values[i].number == n)
            return f->values->values[i].name ? yyjson_mut_str(r->doc, f->values->values[i].name)
                                             : yyjson_mut_null(r->doc);
    }
    return fail(r, m, f, "unknown enum value");
}

/* A number, a bool or an enum. */
static yyjson_mut_val *read_number(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                   struct reader *in)
{
    uint64_t n = 0;
    uint32_t n4;
    double d;
    float x;

    switch (pb_wire(f->type)) {
    case PB_EIGHT: n = read_u64(in); break;
    case PB_FOUR: n = read_u32(in); break;
    case PB_VARINT: case PB_SIZED: n = read_varint(in); break;
    }
    n4 = (uint32_t)n;
    memcpy(&d, &n, sizeof d);
    memcpy(&x, &n4, sizeof x);
    switch (f->type) {
    case PB_DOUBLE: return yyjson_mut_real(r->doc, d);
    case PB_FLOAT: return yyjson_mut_real(r->doc, (double)x);
    case PB_BOOL: return yyjson_mut_bool(r->doc, n != 0);
    case PB_ENUM: return named_value(r, m, f, (int32_t)n);
    case PB_UINT64: case PB_FIXED64: return yyjson_mut_uint(r->doc, n);
    case PB_UINT32: case PB_FIXED32: return yyjson_mut_uint(r->doc, n4);
    case PB_INT64: case PB_SFIXED64: break;
    case PB_INT32: case PB_SFIXED32: n = (uint64_t)(int64_t)(int32_t)n4; break;
    case PB_SINT32: case PB_SINT64: n = (n >> 1) ^ (~(n & 1) + 1); break;
    case PB_STRING: case PB_BYTES: case PB_MESSAGE: case PB_GROUP: break;
    }
    return (int64_t)n < 0 ? yyjson_mut_sint(r->doc, (int64_t)n) : yyjson_mut_uint(r->doc, n);
}

static yyjson_mut_val *read_sized(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                  struct bytes b)
{
    if (f->type == PB_MESSAGE)
        return read_message(r, f->message, b);
    if (f->type == PB_STRING && !utf8_ok(b.data, b.size))
        return fail(r, m, f, "expected UTF-8");
    return yyjson_mut_strn(r->doc, b.size ? (const char *)b.data : "", b.size);
}

static yyjson_mut_val *read_one(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                struct reader *in)
{
    if (pb_wire(f->type) != PB_SIZED)
        return read_number(r, m, f, in);
    return read_sized(r, m, f, read_blob(in));
}

/* A list of numbers in one piece. */
static yyjson_mut_val *read_packed(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                   struct bytes b, yyjson_mut_val *list)
{
    struct reader in = reader_of(b.data, b.size);

    if (f->raw)
        return b.size % 4 ? fail(r, m, f, "expected packed floats")
                          : yyjson_mut_rawn(r->doc, b.size ? (const char *)b.data : "", b.size);
    while (in.at < in.end) {
        yyjson_mut_val *v = read_number(r, m, f, &in);
        if (!v || in.failed)
            return v ? fail(r, m, f, "cut short") : NULL;
        if (!yyjson_mut_arr_append(list, v))
            return fail(r, m, f, "out of memory");
    }
    return list;
}

static yyjson_mut_val *read_entry(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                  struct bytes b, yyjson_mut_val *map)
{
    struct reader in = reader_of(b.data, b.size);
    yyjson_mut_val *key = NULL, *value = NULL;

    while (in.at < in.end && !in.failed) {
        uint64_t tag = read_varint(&in);
        if (tag == (1 << 3 | PB_SIZED)) {
            key = read_sized(r, f->message, &f->message->fields[0], read_blob(&in));
        } else if (tag >> 3 == 2 && (tag & 7) == pb_wire(f->message->fields[1].type)) {
            value = read_one(r, f->message, &f->message->fields[1], &in);
            if (!value)
                return NULL;
        } else if (!skip(&in, tag & 7)) {
            break;
        }
    }
    if (in.failed || in.at < in.end)
        return fail(r, m, f, "cut short");
    if (!key)
        key = r->c->code ? NULL : yyjson_mut_str(r->doc, "");
    if (!value && key)
        value = f->message->fields[1].type == PB_MESSAGE
                    ? read_message(r, f->message->fields[1].message, (struct bytes){NULL, 0})
                    : fail(r, m, f, "an entry without a value");
    if (!key || !value)
        return NULL;
    return yyjson_mut_obj_add(map, key, value) ? map : fail(r, m, f, "out of memory");
}

static yyjson_mut_val *read_repeated(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f,
                                     struct reader *in, unsigned type, yyjson_mut_val *so_far)
{
    bool map = f->message && f->message->map;
    yyjson_mut_val *list = so_far, *v;

    if (!list)
        list = map ? yyjson_mut_obj(r->doc) : yyjson_mut_arr(r->doc);
    if (!list)
        return fail(r, m, f, "out of memory");
    if (map)
        return read_entry(r, m, f, read_blob(in), list);
    if (type == PB_SIZED && pb_wire(f->type) != PB_SIZED)
        return read_packed(r, m, f, read_blob(in), list);
    if (f->raw)
        return fail(r, m, f, "expected packed floats");
    v = read_one(r, m, f, in);
    return v && !yyjson_mut_arr_append(list, v) ? fail(r, m, f, "out of memory") : v ? list : NULL;
}

static const struct pb_field *field_numbered(const struct pb_message *m, uint64_t number)
{
    for (size_t i = 0; i < m->count && m->fields[i].number <= number; i++) {
        if (m->fields[i].number == number)
            return &m->fields[i];
    }
    return NULL;
}

/* What is on the wire, field by field. */
static bool read_fields(struct pb_reading *r, const struct pb_message *m, struct bytes wire, yyjson_mut_val **seen)
{
    struct reader in = reader_of(wire.data, wire.size);

    while (in.at < in.end && !in.failed) {
        uint64_t tag = read_varint(&in);
        const struct pb_field *f = field_numbered(m, tag >> 3);
        unsigned type = tag & 7;
        yyjson_mut_val **to = f ? &seen[f - m->fields] : NULL;
        if (!f || (type != pb_wire(f->type) && !(f->repeated && type == PB_SIZED))) {
            if (!skip(&in, type))
                break;
            continue;
        }
        for (size_t i = 0; f->oneof && i < m->count; i++) {
            if (m->fields[i].oneof == f->oneof)
                seen[i] = NULL;
        }
        *to = f->repeated ? read_repeated(r, m, f, &in, type, *to) : read_one(r, m, f, &in);
        if (!*to)
            return in.failed ? (bool)fail(r, m, f, "cut short") : false;
    }
    return (!in.failed && in.at == in.end) || fail(r, m, NULL, "cut short");
}

static yyjson_mut_val *zero_of(struct pb_reading *r, const struct pb_message *m, const struct pb_field *f)
{
    struct reader none = reader_of("\0\0\0\0\0\0\0", 8);

    return pb_wire(f->type) == PB_SIZED ? yyjson_mut_str(r->doc, "") : read_number(r, m, f, &none);
}

static bool spread(struct pb_reading *r, yyjson_mut_val *from, yyjson_mut_val *to)
{
    yyjson_mut_obj_iter it;
    yyjson_mut_val *key;

    yyjson_mut_obj_iter_init(from, &it);
    while ((key = yyjson_mut_obj_iter_next(&it))) {
        yyjson_mut_val *name = yyjson_mut_strn(r->doc, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
        if (!name || !yyjson_mut_obj_add(to, name, yyjson_mut_obj_iter_remove(&it)))
            return false;
    }
    return true;
}

/* Lists of one name are one list. */
static bool add_member(struct pb_reading *r, const struct pb_field *f, yyjson_mut_val *v, yyjson_mut_val *to)
{
    yyjson_mut_val *there = f->repeated ? yyjson_mut_obj_get(to, f->name) : NULL, *item;

    if (!there || !yyjson_mut_is_arr(there) || !yyjson_mut_is_arr(v))
        return yyjson_mut_obj_add(to, yyjson_mut_str(r->doc, f->name), v);
    while ((item = yyjson_mut_arr_remove_first(v))) {
        if (!yyjson_mut_arr_append(there, item))
            return false;
    }
    return true;
}

/* A choice, and nothing was chosen. */
static bool undecided(const struct pb_message *m, yyjson_mut_val **seen)
{
    for (size_t i = 0; i < m->count; i++) {
        if (seen[i] || m->fields[i].oneof != 1)
            return false;
    }
    return m->count > 0;
}

/* The fields in their places. */
static yyjson_mut_val *assemble(struct pb_reading *r, const struct pb_message *m, yyjson_mut_val **seen)
{
    yyjson_mut_val *object = yyjson_mut_obj(r->doc), *value = NULL;
    bool only_value = m->count > 0;

    if (!object)
        return fail(r, m, NULL, "out of memory");
    for (size_t i = 0; i < m->count; i++) {
        const struct pb_field *f = &m->fields[i];
        if (!seen[i] && f->implicit && !(seen[i] = zero_of(r, m, f)))
            return NULL;
        if (!seen[i] && f->always)
            seen[i] = f->message && f->message->map ? yyjson_mut_obj(r->doc) : yyjson_mut_arr(r->doc);
        only_value = only_value && f->how == PB_VALUE;
        if (!seen[i])
            continue;
        if (f->how == PB_VALUE)
            value = seen[i];
        else if (f->how == PB_SPREAD && yyjson_mut_is_obj(seen[i]) ? !spread(r, seen[i], object)
                                                                   : !add_member(r, f, seen[i], object))
            return fail(r, m, f, "out of memory");
    }
    if (value || only_value) /* nothing was said: null */
        return value ? value : yyjson_mut_null(r->doc);
    return undecided(m, seen) ? fail(r, m, NULL, "one member is needed") : object;
}

static yyjson_mut_val *read_message(struct pb_reading *r, const struct pb_message *m, struct bytes wire)
{
    yyjson_mut_val *seen[PB_FIELDS_MAX], *tree;

    if (r->depth == PB_DEPTH_MAX)
        return fail(r, m, NULL, "nested too deep");
    memset(seen, 0, m->count * sizeof(yyjson_mut_val *));
    r->depth++;
    tree = read_fields(r, m, wire, seen) ? assemble(r, m, seen) : NULL;
    r->depth--;
    return tree && m->shape ? m->shape(r, tree) : tree;
}

int pb_to_tree(struct ctx *c, const struct pb_message *m, struct bytes wire, yyjson_doc **ret_doc)
{
    struct pb_reading r = {c, yyjson_mut_doc_new(NULL), 0};
    yyjson_mut_val *root;

    if (!r.doc)
        return err_nomem(c);
    c->code = 0;
    root = read_message(&r, m, wire);
    *ret_doc = root ? yyjson_mut_val_imut_copy(root, NULL) : NULL;
    yyjson_mut_doc_free(r.doc);
    if (!root)
        return c->code ? c->code : err_nomem(c);
    return *ret_doc ? 0 : err_nomem(c);
}
