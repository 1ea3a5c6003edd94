/* rpc_hits.c - points as messages, written straight from what the engine found: with payload and vectors they are most
 * of what is sent. Field numbers are those of points.proto. */
#include "codec/pb.h"
#include "doc/value.h"
#include "net/grpc.h"
#include "qdrant/search.h"

#include "base/id.h"

void hits_begin(struct call *call)
{
    if (!call->rpc) {
        begin_ok(call);
        return;
    }
    call->out.size = 0;
    buf_zero(&call->out, GRPC_PREFIX);
}

void hits_finish(struct call *call, uint32_t time_number)
{
    if (!call->rpc) {
        finish_ok(call);
        return;
    }
    pb_put_double(&call->out, time_number, call_seconds(call));
    call->encoded = true;
    call_answer(call, 200, NULL);
}

void rpc_put_id(struct buf *out, uint32_t number, const kith_id *id)
{
    size_t mark = pb_begin(out, number);
    char text[40];

    if (id->kind == KITH_ID_NUM) {
        pb_put_varint(out, 1, id->as.num);
    } else if (id->kind == KITH_ID_STR) {
        pb_put_bytes(out, 2, id->as.str, id->size);
    } else {
        uuid_text(id->as.uuid, text);
        pb_put_bytes(out, 2, text, 36);
    }
    pb_end(out, mark);
}

/* ---- payload -------------------------------------------------------------------------------------------------- */

enum { V_NULL = 1, V_DOUBLE = 2, V_INTEGER = 3, V_STRING = 4, V_BOOL = 5, V_STRUCT = 6, V_LIST = 7 };

static void put_value(struct buf *out, uint32_t number, struct val v);

/* `keyed`: it is a document with a shard key. */
static void put_members(struct buf *out, uint32_t number, struct val object, bool keyed)
{
    struct val_iter it = val_iter(object);
    struct bytes key;
    struct val item;

    while (val_next(&it, &key, &item)) {
        size_t mark;
        if (keyed && is_shard_member(key))
            continue;
        mark = pb_begin(out, number);
        pb_put_bytes(out, 1, key.data, key.size);
        put_value(out, 2, item);
        pb_end(out, mark);
    }
}

static void put_elements(struct buf *out, struct val array)
{
    struct val_iter it = val_iter(array);
    struct bytes key;
    struct val item;

    while (val_next(&it, &key, &item))
        put_value(out, 1, item);
}

static void put_value(struct buf *out, uint32_t number, struct val v)
{
    size_t mark = pb_begin(out, number), inner;
    struct bytes text;

    switch (val_tag(v)) {
    case VAL_NULL: pb_put_varint(out, V_NULL, 0); break;
    case VAL_FALSE: case VAL_TRUE: pb_put_varint(out, V_BOOL, val_tag(v) == VAL_TRUE); break;
    case VAL_INT: pb_put_varint(out, V_INTEGER, (uint64_t)val_int(v)); break;
    case VAL_UINT: case VAL_DOUBLE: pb_put_double(out, V_DOUBLE, val_double(v)); break;
    case VAL_STR:
        text = val_str(v);
        pb_put_bytes(out, V_STRING, text.data, text.size);
        break;
    case VAL_ARRAY: case VAL_OBJECT:
        inner = pb_begin(out, val_tag(v) == VAL_ARRAY ? V_LIST : V_STRUCT);
        if (val_tag(v) == VAL_ARRAY)
            put_elements(out, v);
        else
            put_members(out, 1, v, false);
        pb_end(out, inner);
        break;
    }
    pb_end(out, mark);
}

/* ---- vectors -------------------------------------------------------------------------------------------------- */

static void put_floats(struct buf *out, uint32_t number, const kith_vector *v)
{
    size_t mark = pb_begin(out, number);

    if (v->dim && buf_reserve(out, (size_t)v->dim * sizeof(float)) == 0) {
        float *to = (float *)(void *)(out->data + out->size);
        if (v->element == KITH_F32) {
            memcpy(out->data + out->size, v->data, (size_t)v->dim * sizeof(float));
        } else if ((uintptr_t)to % sizeof(float) == 0) {
            kith_vector_f32(v, to);
        } else {
            float some[VECTOR_PART];
            for (uint32_t i = 0; i < v->dim; i += VECTOR_PART)
                memcpy(out->data + out->size + i * sizeof *some, some, vector_part(v, i, some) * sizeof *some);
        }
        out->size += (size_t)v->dim * sizeof(float);
    }
    pb_end(out, mark);
}

static void put_vector(struct buf *out, uint32_t number, const kith_vector *v)
{
    size_t mark = pb_begin(out, number), inner, list;
    const uint32_t *indices = v->data;
    const kith_vector values = {NULL, v->dim, v->element == KITH_SPARSE ? indices + v->dim : v->data,
                                v->element == KITH_SPARSE ? KITH_F32 : v->element, 0};

    if (v->count) {
        inner = pb_begin(out, 103);
        for (uint32_t i = 0; i < v->count; i++) {
            const kith_vector each = vector_at(v, i);
            list = pb_begin(out, 1);
            put_floats(out, 1, &each);
            pb_end(out, list);
        }
        pb_end(out, inner);
        pb_end(out, mark);
        return;
    }
    inner = pb_begin(out, v->element == KITH_SPARSE ? 102 : 101);
    put_floats(out, 1, &values);
    if (v->element == KITH_SPARSE) {
        list = pb_begin(out, 2);
        for (uint32_t i = 0; i < v->dim; i++)
            buf_varint(out, indices[i]);
        pb_end(out, list);
    }
    pb_end(out, inner);
    pb_end(out, mark);
}

static void put_vectors(struct buf *out, uint32_t number, const kith_hit *h)
{
    size_t mark = pb_begin(out, number), named, entry;

    if (h->vectors_count == 1 && !h->vectors[0].name[0]) {
        put_vector(out, 1, &h->vectors[0]);
    } else {
        named = pb_begin(out, 2);
        for (size_t i = 0; i < h->vectors_count; i++) {
            entry = pb_begin(out, 1);
            pb_put_bytes(out, 1, h->vectors[i].name, strlen(h->vectors[i].name));
            put_vector(out, 2, &h->vectors[i]);
            pb_end(out, entry);
        }
        pb_end(out, named);
    }
    pb_end(out, mark);
}

/* ---- points ----------------------------------------------------------------------------------------------------- */

static void put_order(struct buf *out, uint32_t number, const kith_hit *h)
{
    size_t mark = pb_begin(out, number);

    if (h->order_integer)
        pb_put_varint(out, 1, (uint64_t)h->order_int);
    else
        pb_put_double(out, 2, h->order_value);
    pb_end(out, mark);
}

void rpc_put_scored(struct buf *out, uint32_t number, const struct search *s, const kith_hit *h)
{
    size_t mark = pb_begin(out, number);
    struct bytes key;
    bool keyed = s->sharded && shard_key_in(h, &key);

    rpc_put_id(out, 1, &h->id);
    if (select_shows(&s->q.select))
        put_members(out, 2, val_of(h->doc.data, h->doc.size), keyed);
    pb_put_float(out, 3, search_score(s, h));
    pb_put_varint(out, 5, search_version(s, h));
    if (s->q.select.vectors)
        put_vectors(out, 6, h);
    if (keyed)
        shard_put_message(out, 7, key);
    if (s->q.kind == KITH_QUERY_ORDER_BY)
        put_order(out, 8, h);
    pb_end(out, mark);
}

void rpc_put_record(struct buf *out, uint32_t number, const kith_hit *h, bool sharded, const kith_select *select,
                    bool order)
{
    size_t mark = pb_begin(out, number);
    struct bytes key;
    bool keyed = sharded && shard_key_in(h, &key);

    rpc_put_id(out, 1, &h->id);
    if (select_shows(select))
        put_members(out, 2, val_of(h->doc.data, h->doc.size), keyed);
    if (select->vectors)
        put_vectors(out, 4, h);
    if (keyed)
        shard_put_message(out, 5, key);
    if (order)
        put_order(out, 6, h);
    pb_end(out, mark);
}
