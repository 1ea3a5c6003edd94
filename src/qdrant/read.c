/* read.c - JSON values of this dialect into the structs of kith.h, and points back. */
#include "qdrant/shard_keys.h"

#include "base/id.h"
#include "doc/value.h"
#include "net/grpc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { MULTI_MAX = 1 << 20 }; /* elements of a multi-vector */

/* ---- failing ------------------------------------------------------------------------------------------ */

bool read_fail(struct call *call, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    call_fail(call, 400, call->rpc ? "%s" : "Format error in JSON body: %s", text);
    return false;
}

bool read_invalid(struct call *call, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    call_fail(call, 422, call->rpc ? "Validation error in body: [%s]" : "Validation error in JSON body: [%s]", text);
    return false;
}

void fail_kith(struct call *call, const kith_err *err)
{
    switch ((kith_code)err->code) {
    case KITH_INVALID:
        call_fail(call, 400, "Wrong input: %s", err->text);
        return;
    case KITH_NOT_FOUND:
        call_fail(call, 404, "Not found: %s", err->text);
        return;
    case KITH_EXISTS:
        call_fail(call, 409, "Wrong input: %s", err->text);
        return;
    case KITH_LIMIT:
        call_fail(call, 429, "Rate limiting exceeded: %s", err->text);
        return;
    case KITH_FULL:
        call_fail(call, 507, "Insufficient storage: %s", err->text);
        return;
    case KITH_TIMEOUT:
        call_fail(call, 408, "Timeout: %s", err->text);
        return;
    case KITH_UNSUPPORTED:
        call_fail(call, 400, "Bad request: %s", err->text);
        return;
    case KITH_CLOSED:
        call_fail(call, 503, "Shard temporarily unavailable: %s", err->text);
        return;
    case KITH_OK: case KITH_CORRUPT: case KITH_IO: case KITH_NOMEM: case KITH_BUSY:
        break;
    }
    call_fail(call, 500, "Service internal error: %s", err->text);
}

void begin_ok(struct call *call)
{
    call->out.size = 0;
    buf_text(&call->out, "{\"result\":");
}

void finish_ok(struct call *call)
{
    buf_printf(&call->out, ",\"status\":\"ok\",\"time\":%.9f}", call_seconds(call));
    call_answer(call, 200, "application/json");
}

void answer_true(struct call *call)
{
    begin_ok(call);
    buf_text(&call->out, "true");
    finish_ok(call);
}

void fail_missing(struct call *call)
{
    call_fail(call, 404, "Not found: Collection `%.200s` doesn't exist!", call->params[0]);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

yyjson_val *want_object(struct call *call)
{
    if (!call->body) {
        (void)read_fail(call, "EOF while parsing a value at line 1 column 0");
        return NULL;
    }
    if (!yyjson_is_obj(call->body)) {
        (void)read_fail(call, "invalid type: expected an object");
        return NULL;
    }
    return call->body;
}

yyjson_val *field_of(yyjson_val *object, const char *name, const char *alias)
{
    yyjson_val *v = yyjson_obj_get(object, name);

    if (!v && alias)
        v = yyjson_obj_get(object, alias);
    return yyjson_is_null(v) ? NULL : v;
}

bool read_bool(struct call *call, yyjson_val *v, const char *what, bool otherwise, bool *ret)
{
    *ret = otherwise;
    if (!v)
        return true;
    if (!yyjson_is_bool(v))
        return read_fail(call, "%s: invalid type, expected a boolean", what);
    *ret = yyjson_get_bool(v);
    return true;
}

bool read_count(struct call *call, yyjson_val *v, const char *what, uint64_t least, uint64_t otherwise, uint64_t *ret)
{
    *ret = otherwise;
    if (!v)
        return true;
    if (!yyjson_is_uint(v))
        return read_fail(call, "%s: invalid value, expected an unsigned integer", what);
    if (yyjson_get_uint(v) < least)
        return read_invalid(call, "%s: value %llu invalid, must be %llu or larger", what,
                            (unsigned long long)yyjson_get_uint(v), (unsigned long long)least);
    *ret = yyjson_get_uint(v);
    return true;
}

bool id_of_text(const struct call *call, struct bytes text, kith_id *ret)
{
    size_t digits = 0;

    memset(ret, 0, sizeof *ret);
    ret->kind = KITH_ID_UUID;
    if (uuid_parse((const char *)text.data, text.size, ret->as.uuid))
        return true;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (!call->server->string_ids || digits == text.size || text.size > ID_STR_MAX)
        return false;
    *ret = (kith_id){.kind = KITH_ID_STR, .size = (uint16_t)text.size, .as.str = (const char *)text.data};
    return true;
}

bool read_id(struct call *call, yyjson_val *v, kith_id *ret)
{
    memset(ret, 0, sizeof *ret);
    if (yyjson_is_uint(v)) {
        *ret = kith_id_num(yyjson_get_uint(v));
        return true;
    }
    if (yyjson_is_str(v)) {
        if (id_of_text(call, (struct bytes){(const uint8_t *)yyjson_get_str(v), yyjson_get_len(v)}, ret))
            return true;
        return read_fail(call, "value %.100s is not a valid point ID, valid values are either an unsigned integer or a "
                               "UUID", yyjson_get_str(v));
    }
    return read_fail(call, "a point ID is either an unsigned integer or a UUID");
}

bool read_ids(struct call *call, yyjson_val *v, const char *what, const kith_id **ret, size_t *ret_count)
{
    size_t i, count;
    yyjson_val *item;
    kith_id *ids;

    if (!yyjson_is_arr(v))
        return read_fail(call, "%s: invalid type, expected a list of point IDs", what);
    ids = arena_alloc(&call->c.arena, MAX(yyjson_arr_size(v), (size_t)1) * sizeof *ids);
    if (!ids)
        return read_fail(call, "out of memory");
    yyjson_arr_foreach(v, i, count, item) {
        if (!read_id(call, item, &ids[i]))
            return false;
    }
    *ret = ids;
    *ret_count = yyjson_arr_size(v);
    return true;
}

bool is_list(yyjson_val *v)
{
    return yyjson_is_arr(v) || yyjson_is_raw(v);
}

static size_t list_size(yyjson_val *v)
{
    return yyjson_is_raw(v) ? yyjson_get_len(v) / sizeof(float) : yyjson_arr_size(v);
}

/* Of a message: they are floats already. */
static bool read_packed(struct call *call, yyjson_val *v, const void **ret, uint32_t *ret_dim)
{
    size_t count = list_size(v);
    float *out = arena_alloc(&call->c.arena, MAX(count, (size_t)1) * sizeof *out);

    if (!out || count > UINT32_MAX)
        return read_fail(call, "vector: too large");
    memcpy(out, yyjson_get_raw(v), count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(out[i]))
            return read_fail(call, "vector: element %zu is not a finite number", i);
    }
    *ret = out;
    *ret_dim = (uint32_t)count;
    return true;
}

bool read_floats(struct call *call, yyjson_val *v, const void **ret, uint32_t *ret_dim)
{
    size_t i, count = yyjson_arr_size(v);
    yyjson_val *item;
    float *out;

    if (yyjson_is_raw(v))
        return read_packed(call, v, ret, ret_dim);
    out = arena_alloc(&call->c.arena, MAX(count, (size_t)1) * sizeof *out);

    if (!out || count > UINT32_MAX)
        return read_fail(call, "vector: too large");
    yyjson_arr_foreach(v, i, count, item) {
        if (!yyjson_is_num(item))
            return read_fail(call, "vector: element %zu is not a number", i);
        out[i] = (float)yyjson_get_num(item);
        if (!isfinite(out[i]))
            return read_fail(call, "vector: element %zu is out of the range of a 32-bit float", i);
    }
    *ret = out;
    *ret_dim = (uint32_t)yyjson_arr_size(v);
    return true;
}

/* All lists have as many numbers as the first one. */
static bool read_many(struct call *call, yyjson_val *v, kith_vector *to)
{
    size_t i, count, rows = yyjson_arr_size(v), dim = list_size(yyjson_arr_get_first(v));
    float *all = rows * dim < MULTI_MAX ? arena_alloc(&call->c.arena, MAX(rows * dim, (size_t)1) * sizeof *all) : NULL;
    yyjson_val *item;

    if (!dim)
        return read_invalid(call, "multivector: all vectors must be non-empty");
    if (!all)
        return read_invalid(call, "multivector: %zu vectors of %zu elements, expected less than %d elements", rows, dim,
                            MULTI_MAX);
    yyjson_arr_foreach(v, i, count, item) {
        const void *floats;
        uint32_t n;
        if (!is_list(item))
            return read_fail(call, "multivector: vector %zu is not a list of numbers", i);
        if (list_size(item) != dim)
            return read_invalid(call, "multivector: all vectors must have the same dimension, found vector with "
                                      "dimension %zu", list_size(item));
        if (!read_floats(call, item, &floats, &n))
            return false;
        memcpy(all + i * dim, floats, dim * sizeof *all);
    }
    to->data = all;
    to->dim = (uint32_t)dim;
    to->count = (uint32_t)rows;
    return true;
}

bool read_dense(struct call *call, yyjson_val *v, kith_vector *to)
{
    return is_list(yyjson_arr_get_first(v)) ? read_many(call, v, to) : read_floats(call, v, &to->data, &to->dim);
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static bool check_unique(struct call *call, const uint32_t *indices, size_t n)
{
    uint32_t *sorted = arena_copy(&call->c.arena, indices, n * sizeof *sorted);

    if (!sorted)
        return read_fail(call, "out of memory");
    qsort(sorted, n, sizeof *sorted, by_index);
    for (size_t i = 1; i < n; i++) {
        if (sorted[i] == sorted[i - 1])
            return read_invalid(call, "indices: must be unique");
    }
    return true;
}

bool read_sparse(struct call *call, yyjson_val *v, kith_vector *to)
{
    yyjson_val *indices = yyjson_obj_get(v, "indices"), *values = yyjson_obj_get(v, "values"), *item;
    size_t n = yyjson_arr_size(indices), i, count;
    uint32_t *blob = arena_alloc(&call->c.arena, n * 8);
    const void *floats;
    uint32_t n_values;

    if (!yyjson_is_arr(indices) || !is_list(values))
        return read_fail(call, "sparse vector: expected {\"indices\": [...], \"values\": [...]}");
    if (n != list_size(values))
        return read_invalid(call, "values: must be the same length as indices (%zu != %zu)", list_size(values), n);
    if (!blob || n > UINT32_MAX / 8)
        return read_fail(call, "sparse vector: too large");
    yyjson_arr_foreach(indices, i, count, item) {
        if (!yyjson_is_uint(item) || yyjson_get_uint(item) > UINT32_MAX)
            return read_fail(call, "indices[%zu]: expected an integer from 0 to 4294967295", i);
        blob[i] = (uint32_t)yyjson_get_uint(item);
    }
    if (!read_floats(call, values, &floats, &n_values))
        return false;
    memcpy(blob + n, floats, n * sizeof(float));
    to->data = blob;
    to->dim = (uint32_t)n;
    to->element = KITH_SPARSE;
    return check_unique(call, blob, n);
}

bool read_vector(struct call *call, const char *name, yyjson_val *v, kith_vector *to)
{
    to->name = name;
    if (yyjson_is_obj(v) && (yyjson_obj_get(v, "indices") || yyjson_obj_get(v, "values")))
        return read_sparse(call, v, to);
    if (is_inference(v))
        return text_infer(call, v, false, to);
    if (yyjson_is_obj(v))
        return read_fail(call, "vector \"%s\": expected numbers, {indices, values}, or {text, model}", name);
    if (!is_list(v))
        return read_fail(call, "vector \"%s\": invalid type, expected a list of numbers", name);
    return read_dense(call, v, to);
}

bool read_vectors(struct call *call, yyjson_val *v, const kith_vector **ret, size_t *ret_count)
{
    size_t i, count, n = 0;
    yyjson_val *key, *item;
    kith_vector *out;

    out = arena_zalloc(&call->c.arena, MAX(yyjson_is_obj(v) ? yyjson_obj_size(v) : 1, (size_t)1) * sizeof *out);
    if (!out)
        return read_fail(call, "out of memory");
    if (is_list(v) || is_inference(v)) {
        if (!read_vector(call, "", v, &out[n++]))
            return false;
    } else if (yyjson_is_obj(v)) {
        yyjson_obj_foreach(v, i, count, key, item) {
            if (!read_vector(call, yyjson_get_str(key), item, &out[n++]))
                return false;
        }
    } else {
        return read_fail(call, "vector: invalid type, expected a list of numbers or an object of named vectors");
    }
    *ret = out;
    *ret_count = n;
    return true;
}

bool read_payload(struct call *call, yyjson_val *v, kith_doc *ret)
{
    struct buf bytes;
    int rc;

    memset(ret, 0, sizeof *ret);
    if (!v || yyjson_is_null(v))
        return true;
    if (!yyjson_is_obj(v))
        return read_fail(call, "payload: invalid type, expected an object");
    buf_init(&bytes);
    rc = val_from_json(&call->c, v, &bytes);
    if (rc >= 0) {
        ret->form = KITH_DOC_BINARY;
        ret->size = (uint32_t)bytes.size;
        ret->data = arena_copy(&call->c.arena, bytes.data, bytes.size);
    }
    buf_release(&bytes);
    if (rc < 0 || !ret->data)
        return read_fail(call, "payload: %s", rc < 0 ? call->c.text : "out of memory");
    return true;
}

bool read_strings(struct call *call, yyjson_val *v, const char *what, const char *const **ret, size_t *ret_count)
{
    size_t i, count;
    yyjson_val *item;
    const char **out;

    if (!yyjson_is_arr(v))
        return read_fail(call, "%s: invalid type, expected a list of strings", what);
    out = arena_alloc(&call->c.arena, MAX(yyjson_arr_size(v), (size_t)1) * sizeof *out);
    if (!out)
        return read_fail(call, "out of memory");
    yyjson_arr_foreach(v, i, count, item) {
        if (!yyjson_is_str(item))
            return read_fail(call, "%s: invalid type, expected a string", what);
        out[i] = yyjson_get_str(item);
    }
    *ret = out;
    *ret_count = yyjson_arr_size(v);
    return true;
}

bool read_with_payload(struct call *call, yyjson_val *v, uint8_t otherwise, kith_select *ret)
{
    yyjson_val *list;

    ret->doc = otherwise;
    if (!v)
        return true;
    if (yyjson_is_bool(v)) {
        ret->doc = yyjson_get_bool(v);
        return true;
    }
    if (yyjson_is_arr(v)) {
        ret->doc = 2;
        return read_strings(call, v, "with_payload", &ret->paths, &ret->paths_count);
    }
    if (yyjson_is_obj(v) && yyjson_obj_size(v) == 1) {
        list = yyjson_obj_get(v, "include");
        ret->doc = 2;
        if (!list) {
            list = yyjson_obj_get(v, "exclude");
            ret->doc = 3;
        }
        if (list)
            return read_strings(call, list, "with_payload", &ret->paths, &ret->paths_count);
    }
    return read_fail(call, "with_payload: expected a boolean, a list of paths, {\"include\": [...]} or {\"exclude\": "
                           "[...]}");
}

bool read_with_vector(struct call *call, yyjson_val *v, kith_select *ret)
{
    ret->vectors = 0;
    if (!v)
        return true;
    if (yyjson_is_bool(v)) {
        ret->vectors = yyjson_get_bool(v);
        return true;
    }
    if (!yyjson_is_arr(v))
        return read_fail(call, "with_vector: expected a boolean or a list of names");
    ret->vectors = 2;
    return read_strings(call, v, "with_vector", &ret->names, &ret->names_count);
}

kith_vector vector_at(const kith_vector *v, uint32_t i)
{
    kith_vector one = {NULL, v->dim, v->data, v->element, 0};

    one.data = (const uint8_t *)v->data + i * kith_vector_size(&one);
    return one;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

void put_id(struct buf *out, const kith_id *id)
{
    char text[40];

    if (id->kind == KITH_ID_NUM) {
        json_put_u64(out, id->as.num);
    } else if (id->kind == KITH_ID_STR) {
        json_put_str(out, id->as.str, id->size);
    } else {
        uuid_text(id->as.uuid, text);
        json_put_str(out, text, 36);
    }
}

uint32_t vector_part(const kith_vector *v, uint32_t from, float to[VECTOR_PART])
{
    const kith_vector whole = {NULL, VECTOR_PART, NULL, v->element, 0};
    const kith_vector part = {NULL, MIN(v->dim - from, (uint32_t)VECTOR_PART),
                              (const uint8_t *)v->data + from / VECTOR_PART * kith_vector_size(&whole), v->element, 0};

    kith_vector_f32(&part, to);
    return part.dim;
}

static void put_floats(struct buf *out, const kith_vector *v)
{
    float some[VECTOR_PART];

    buf_u8(out, '[');
    for (uint32_t i = 0; i < v->dim; i++) {
        if (i % VECTOR_PART == 0)
            (void)vector_part(v, i, some);
        if (i)
            buf_u8(out, ',');
        json_put_f32(out, some[i % VECTOR_PART]);
    }
    buf_u8(out, ']');
}

static void put_sparse(struct buf *out, const kith_vector *v)
{
    const uint32_t *indices = v->data;
    kith_vector values = {NULL, v->dim, indices + v->dim, KITH_F32, 0};

    buf_text(out, "{\"indices\":[");
    for (uint32_t i = 0; i < v->dim; i++)
        buf_printf(out, i ? ",%u" : "%u", indices[i]);
    buf_text(out, "],\"values\":");
    put_floats(out, &values);
    buf_u8(out, '}');
}

static void put_many(struct buf *out, const kith_vector *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        buf_u8(out, i ? ',' : '[');
        kith_vector each = vector_at(v, i);
        put_floats(out, &each);
    }
    buf_u8(out, ']');
}

static void put_vector(struct buf *out, const kith_vector *v)
{
    if (v->element == KITH_SPARSE)
        put_sparse(out, v);
    else if (v->count)
        put_many(out, v);
    else
        put_floats(out, v);
}

void put_point(struct buf *out, const kith_hit *hit, bool sharded, bool payload, bool vectors)
{
    struct bytes shard_key;
    bool keyed = sharded && shard_key_in(hit, &shard_key);

    buf_text(out, "\"id\":");
    put_id(out, &hit->id);
    if (payload) {
        buf_text(out, ",\"payload\":");
        if (keyed)
            shard_put_payload(out, hit);
        else
            val_to_json(val_of(hit->doc.data, hit->doc.size), out);
    }
    if (keyed)
        shard_put_key(out, "shard_key", shard_key);
    if (!vectors)
        return;
    buf_text(out, ",\"vector\":");
    if (hit->vectors_count == 1 && !hit->vectors[0].name[0]) {
        put_vector(out, &hit->vectors[0]);
        return;
    }
    buf_u8(out, '{');
    for (size_t i = 0; i < hit->vectors_count; i++) {
        if (i)
            buf_u8(out, ',');
        json_put_str(out, hit->vectors[i].name, strlen(hit->vectors[i].name));
        buf_u8(out, ':');
        put_vector(out, &hit->vectors[i]);
    }
    buf_u8(out, '}');
}
