/* points.c - writing points, their payload and vectors; reading them by id, by scroll, counting. */
#include "qdrant/search.h"
#include "qdrant/shard_keys.h"
#include "qdrant/strict.h"

#include "codec/date.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- reading operations ------------------------------------------------------------------------------- */

static bool read_mode(struct call *call, yyjson_val *body, kith_op *op)
{
    yyjson_val *mode = field_of(body, "update_mode", NULL);

    if (mode && yyjson_equals_str(mode, "insert_only"))
        op->mode = KITH_MODE_INSERT_ONLY;
    else if (mode && yyjson_equals_str(mode, "update_only"))
        op->mode = KITH_MODE_UPDATE_ONLY;
    else if (mode && !yyjson_equals_str(mode, "upsert"))
        return read_fail(call, "update_mode: expected upsert, insert_only or update_only");
    return read_filter(call, field_of(body, "update_filter", NULL), &op->only_if);
}

/* `stamp`: documents get the scope's key. */
static bool read_point_list(struct call *call, yyjson_val *list, const struct shard_scope *scope, bool stamp,
                            kith_op *op)
{
    size_t i, count;
    yyjson_val *item;
    kith_point *points = arena_zalloc(&call->c.arena, MAX(yyjson_arr_size(list), (size_t)1) * sizeof *points);

    if (!points)
        return read_fail(call, "out of memory");
    yyjson_arr_foreach(list, i, count, item) {
        yyjson_val *id = yyjson_obj_get(item, "id"), *vector = field_of(item, "vector", "vectors");
        if (!id)
            return read_fail(call, "points[%zu]: missing field `id`", i);
        if (!read_id(call, id, &points[i].id) ||
            !shard_read_payload(call, yyjson_obj_get(item, "payload"), scope, stamp, &points[i].doc))
            return false;
        if (!vector && !call->rpc) /* a message may leave it out: no vectors */
            return read_fail(call, "points[%zu]: missing field `vector`", i);
        if (vector && !read_vectors(call, vector, &points[i].vectors, &points[i].vectors_count))
            return false;
    }
    op->points = points;
    op->points_count = yyjson_arr_size(list);
    return true;
}

/* {"batch": {ids, vectors, payloads}}: columns instead of rows */
static bool read_point_columns(struct call *call, yyjson_val *batch, const struct shard_scope *scope, kith_op *op)
{
    yyjson_val *ids = yyjson_obj_get(batch, "ids"), *vectors = yyjson_obj_get(batch, "vectors");
    yyjson_val *payloads = field_of(batch, "payloads", NULL), *key, *column;
    size_t n = yyjson_arr_size(ids), names = yyjson_is_obj(vectors) ? yyjson_obj_size(vectors) : 1, i, count, at = 0;
    kith_point *points = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *points);
    const kith_id *list;
    kith_vector *all = arena_zalloc(&call->c.arena, MAX(n * names, (size_t)1) * sizeof *all);

    if (!points || !all)
        return read_fail(call, "out of memory");
    if (!read_ids(call, ids, "batch.ids", &list, &n))
        return false;
    if (payloads && yyjson_arr_size(payloads) != n)
        return read_invalid(call, "batch.payloads: number of ids and payloads must be equal (%zu != %zu)", n,
                            yyjson_arr_size(payloads));
    for (i = 0; i < n; i++) {
        points[i].id = list[i];
        points[i].vectors = all + i * names;
        points[i].vectors_count = names;
        if (!shard_read_payload(call, yyjson_arr_get(payloads, i), scope, true, &points[i].doc))
            return false;
    }
    for (column = NULL, key = NULL, at = 0; at < names; at++) {
        const char *name = "";
        size_t row;
        yyjson_val *item;
        if (yyjson_is_obj(vectors)) {
            yyjson_obj_iter it = yyjson_obj_iter_with(vectors);
            for (size_t skip = 0; skip <= at; skip++)
                key = yyjson_obj_iter_next(&it);
            name = yyjson_get_str(key);
            column = yyjson_obj_iter_get_val(key);
        } else {
            column = vectors;
        }
        if (!yyjson_is_arr(column))
            return read_fail(call, "batch.vectors: expected a list, or an object of lists by name");
        if (yyjson_arr_size(column) != n)
            return read_invalid(call, "batch.vectors: number of ids and vectors must be equal (%zu != %zu)", n,
                                yyjson_arr_size(column));
        yyjson_arr_foreach(column, row, count, item) {
            if (!read_vector(call, name, item, &all[row * names + at]))
                return false;
        }
    }
    op->points = points;
    op->points_count = n;
    return true;
}

static bool read_upsert(struct call *call, yyjson_val *body, kith_op *op)
{
    yyjson_val *batch = yyjson_obj_get(body, "batch"), *points = yyjson_obj_get(body, "points");

    struct shard_scope scope;

    op->kind = KITH_UPSERT;
    if (!shard_scope_write(call, body, true, &scope) || !read_mode(call, body, op))
        return false;
    if (yyjson_is_obj(batch))
        return read_point_columns(call, batch, &scope, op);
    if (!yyjson_is_arr(points))
        return read_fail(call, "expected `points` (a list) or `batch` (an object)");
    if (!yyjson_arr_size(points)) {
        call_fail(call, 400, "Bad request: Empty update request");
        return false;
    }
    return read_point_list(call, points, &scope, true, op);
}

/* points or filter, within the scope */
static bool read_target(struct call *call, yyjson_val *body, const struct shard_scope *scope, kith_op *op)
{
    yyjson_val *points = field_of(body, "points", NULL), *filter = field_of(body, "filter", NULL);

    if (points)
        return read_ids(call, points, "points", &op->ids, &op->ids_count) && shard_narrow_op(call, scope, op);
    if (filter)
        return read_filter(call, filter, &op->filter) && shard_narrow_op(call, scope, op);
    call_fail(call, 400, "Bad request: Either a list of points or a filter must be given");
    return false;
}

static bool read_scope_and_target(struct call *call, yyjson_val *body, kith_op *op)
{
    struct shard_scope scope;

    return shard_scope_write(call, body, false, &scope) && read_target(call, body, &scope, op);
}

static bool read_delete(struct call *call, yyjson_val *body, kith_op *op)
{
    op->kind = KITH_DELETE;
    return read_scope_and_target(call, body, op);
}

static bool read_clear(struct call *call, yyjson_val *body, kith_op *op)
{
    struct shard_scope scope;

    op->kind = KITH_CLEAR_DOC;
    if (!shard_scope_write(call, body, true, &scope) || !read_target(call, body, &scope, op))
        return false;
    if (!scope.custom)
        return true;
    op->kind = KITH_OVERWRITE_DOC; /* but for its key */
    return shard_read_payload(call, NULL, &scope, true, &op->doc);
}

static bool read_payload_change(struct call *call, yyjson_val *body, bool whole, kith_op *op)
{
    yyjson_val *payload = yyjson_obj_get(body, "payload");
    struct shard_scope scope;

    if (!yyjson_is_obj(payload))
        return read_fail(call, "missing field `payload`");
    return shard_scope_write(call, body, whole, &scope) && shard_path_is_free(call, &scope, op->path) &&
           shard_read_payload(call, payload, &scope, whole, &op->doc) && read_target(call, body, &scope, op);
}

static bool read_set(struct call *call, yyjson_val *body, kith_op *op)
{
    yyjson_val *key = field_of(body, "key", NULL);

    op->kind = KITH_SET_DOC;
    if (key && !yyjson_is_str(key))
        return read_fail(call, "key: expected a path");
    op->path = yyjson_get_str(key);
    return read_payload_change(call, body, false, op);
}

static bool read_overwrite(struct call *call, yyjson_val *body, kith_op *op)
{
    op->kind = KITH_OVERWRITE_DOC;
    return read_payload_change(call, body, true, op);
}

static bool read_delete_keys(struct call *call, yyjson_val *body, kith_op *op)
{
    struct shard_scope scope;

    op->kind = KITH_DELETE_KEYS;
    if (!read_strings(call, yyjson_obj_get(body, "keys"), "keys", &op->names, &op->names_count) ||
        !shard_scope_write(call, body, false, &scope))
        return false;
    for (size_t i = 0; i < op->names_count; i++) {
        if (!shard_path_is_free(call, &scope, op->names[i]))
            return false;
    }
    return read_target(call, body, &scope, op);
}

static bool read_update_vectors(struct call *call, yyjson_val *body, kith_op *op)
{
    yyjson_val *points = yyjson_obj_get(body, "points");
    struct shard_scope scope;

    op->kind = KITH_UPDATE_VECTORS;
    if (!yyjson_is_arr(points))
        return read_fail(call, "missing field `points`");
    if (!yyjson_arr_size(points))
        return read_invalid(call, "points: must have at least 1 item");
    return shard_scope_write(call, body, false, &scope) &&
           read_filter(call, field_of(body, "update_filter", NULL), &op->only_if) &&
           shard_narrow(call, &scope, &op->only_if) && read_point_list(call, points, &scope, false, op);
}

static bool read_delete_vectors(struct call *call, yyjson_val *body, kith_op *op)
{
    op->kind = KITH_DELETE_VECTORS;
    if (!read_strings(call, yyjson_obj_get(body, "vector"), "vector", &op->names, &op->names_count))
        return false;
    if (!op->names_count)
        return read_invalid(call, "vector: must have at least 1 item");
    return read_scope_and_target(call, body, op);
}

/* ---- running them -------------------------------------------------------------------------------------------- */

typedef bool (*read_op)(struct call *call, yyjson_val *body, kith_op *op);

static bool read_wait(struct call *call, kith_wait *ret, uint32_t *ret_ms)
{
    const char *wait = call_query(call, "wait"), *ordering = call_query(call, "ordering");

    if (!read_timeout(call, ret_ms))
        return false;

    *ret = KITH_WAIT_DURABLE;
    if (wait && strcmp(wait, "true") == 0)
        *ret = KITH_WAIT_APPLIED;
    else if (wait && strcmp(wait, "false") != 0) {
        call_fail(call, 400, "Deserialize error in query parameters: wait: expected true or false");
        return false;
    }
    if (ordering && strcmp(ordering, "weak") != 0 && strcmp(ordering, "medium") != 0 &&
        strcmp(ordering, "strong") != 0) {
        call_fail(call, 400, "Deserialize error in query parameters: ordering: expected weak, medium or strong");
        return false;
    }
    return true;
}

struct writing {
    size_t count;
    bool batch;
};

static void put_result(struct buf *out, int code, const kith_written *w)
{
    if (code == KITH_TIMEOUT) /* it goes on; what its number will be is not known here */
        buf_text(out, "{\"operation_id\":null,\"status\":\"wait_timeout\"}");
    else
        buf_printf(out, "{\"operation_id\":%llu,\"status\":\"%s\"}", (unsigned long long)w->lsn,
                   w->applied ? "completed" : "acknowledged");
}

static void write_done(void *arg, int code, const kith_written *w)
{
    struct call *call = arg;
    struct writing *writing = call->state;
    char text[64];

    if (code == KITH_NOT_FOUND && w->code == KITH_NOT_FOUND) {
        kith_id_text(&w->missing, text, sizeof text);
        call_fail(call, 404, "Not found: No point with id %s found", text);
        return;
    }
    if (code < 0 && code != KITH_TIMEOUT) {
        kith_err err = {.code = code};
        snprintf(err.text, sizeof err.text, "the write was not taken: %s", kith_code_name(code));
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    if (writing->batch)
        buf_u8(&call->out, '[');
    for (size_t i = 0; i < writing->count; i++) {
        if (i)
            buf_u8(&call->out, ',');
        put_result(&call->out, code, w);
    }
    if (writing->batch)
        buf_u8(&call->out, ']');
    finish_ok(call);
}

static bool takes_room(const kith_op *ops, size_t count)
{
    bool takes = false;

    for (size_t i = 0; i < count; i++)
        takes = takes || ops[i].kind == KITH_UPSERT || ops[i].kind == KITH_SET_DOC ||
                ops[i].kind == KITH_OVERWRITE_DOC || ops[i].kind == KITH_UPDATE_VECTORS;
    return takes;
}

static void write_ops(struct call *call, const kith_op *ops, size_t count, bool batch)
{
    struct writing *writing = arena_alloc(&call->c.arena, sizeof *writing);
    kith_wait wait;
    uint32_t ms;
    kith_err err;

    if (!read_wait(call, &wait, &ms) || (takes_room(ops, count) && !quota_allows(call)) ||
        !strict_write(call, ops, count))
        return;
    if (!writing) {
        call_fail(call, 500, "Service internal error: out of memory");
        return;
    }
    writing->count = count;
    writing->batch = batch;
    call->state = writing;
    if (kith_write_async(call->server->db, call->params[0], ops, count, wait, wait == KITH_WAIT_APPLIED ? ms : 0,
                         write_done, call, &err) < 0)
        fail_kith(call, &err);
}

static void write_one(struct call *call, read_op read)
{
    yyjson_val *body = want_object(call);
    kith_op op = {0};

    if (body && read(call, body, &op))
        write_ops(call, &op, 1, false);
}

void points_upsert(struct call *call) { write_one(call, read_upsert); }
void points_delete(struct call *call) { write_one(call, read_delete); }
void payload_set(struct call *call) { write_one(call, read_set); }
void payload_overwrite(struct call *call) { write_one(call, read_overwrite); }
void payload_delete(struct call *call) { write_one(call, read_delete_keys); }
void payload_clear(struct call *call) { write_one(call, read_clear); }
void vectors_update(struct call *call) { write_one(call, read_update_vectors); }
void vectors_delete(struct call *call) { write_one(call, read_delete_vectors); }

void points_batch(struct call *call)
{
    static const struct {
        const char *name;
        read_op read;
    } kinds[] = {
        {"upsert", read_upsert}, {"delete", read_delete}, {"set_payload", read_set},
        {"overwrite_payload", read_overwrite}, {"delete_payload", read_delete_keys}, {"clear_payload", read_clear},
        {"update_vectors", read_update_vectors}, {"delete_vectors", read_delete_vectors},
    };
    yyjson_val *body = want_object(call), *list, *item;
    size_t i, count;
    kith_op *ops;

    if (!body)
        return;
    list = yyjson_obj_get(body, "operations");
    ops = arena_zalloc(&call->c.arena, MAX(yyjson_arr_size(list), (size_t)1) * sizeof *ops);
    if (!yyjson_is_arr(list) || !ops || !yyjson_arr_size(list)) {
        (void)read_fail(call, "operations: expected a list of operations");
        return;
    }
    yyjson_arr_foreach(list, i, count, item) {
        size_t k = 0;
        while (k < ARRAY_SIZE(kinds) && !yyjson_obj_get(item, kinds[k].name))
            k++;
        if (k == ARRAY_SIZE(kinds)) {
            (void)read_fail(call, "operations[%zu]: data did not match any variant of an update operation", i);
            return;
        }
        if (!kinds[k].read(call, yyjson_obj_get(item, kinds[k].name), &ops[i]))
            return;
    }
    write_ops(call, ops, yyjson_arr_size(list), true);
}

/* ---- reading points --------------------------------------------------------------------------------------------- */

void put_order_value(struct buf *out, const kith_hit *hit)
{
    buf_text(out, ",\"order_value\":");
    if (hit->order_integer)
        json_put_i64(out, hit->order_int);
    else
        json_put_f64(out, hit->order_value);
}

static void put_records(struct call *call, const kith_result *r, bool sharded, const kith_select *select, bool order)
{
    struct buf *out = &call->out;

    buf_u8(out, '[');
    for (size_t i = 0; i < r->count; i++) {
        const kith_hit *h = &r->hits[i];
        buf_text(out, i ? ",{" : "{");
        put_point(out, h, sharded, select_shows(select), select->vectors != 0);
        if (order)
            put_order_value(out, h);
        buf_u8(out, '}');
    }
    buf_u8(out, ']');
}

static void put_messages(struct call *call, uint32_t number, const kith_result *r, bool sharded,
                         const kith_select *select, bool order)
{
    for (size_t i = 0; i < r->count; i++)
        rpc_put_record(&call->out, number, &r->hits[i], sharded, select, order);
}

/* A page of a scroll. */
static void put_page(struct call *call, const kith_result *r, bool sharded, const kith_select *select, bool order)
{
    if (call->rpc) {
        if (r->has_next)
            rpc_put_id(&call->out, 1, &r->next);
        put_messages(call, 2, r, sharded, select, order);
        return;
    }
    buf_text(&call->out, "{\"points\":");
    put_records(call, r, sharded, select, order);
    buf_text(&call->out, ",\"next_page_offset\":");
    if (r->has_next)
        put_id(&call->out, &r->next);
    else
        buf_text(&call->out, "null");
    buf_u8(&call->out, '}');
}

static bool id_from_path(struct call *call, const char *text, kith_id *ret)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*text >= '0' && *text <= '9' && !*end) {
        *ret = kith_id_num(n);
        return true;
    }
    if (id_of_text(call, (struct bytes){(const uint8_t *)text, strlen(text)}, ret))
        return true;
    call_fail(call, 400, "Wrong input: Can not recognize \"%.100s\" as point id", text);
    return false;
}

void points_get_one(struct call *call)
{
    static const kith_select whole = {.doc = 1, .vectors = 1};
    struct shard_scope scope;
    kith_result *r;
    kith_err err;
    uint32_t ms;
    kith_id id;

    if (!id_from_path(call, call->params[1], &id) || !read_options(call, &ms) || !strict_read(call, 0, NULL, NULL) ||
        !shard_scope_read(call, NULL, &scope))
        return;
    r = kith_get(call->server->db, call->params[0], &id, 1, &whole, ms, &err);
    if (!r) {
        fail_kith(call, &err);
        return;
    }
    if (!r->count) {
        kith_result_free(r);
        call_fail(call, 404, "Not found: Point with id %.100s does not exists!", call->params[1]);
        return;
    }
    begin_ok(call);
    buf_u8(&call->out, '{');
    put_point(&call->out, &r->hits[0], scope.custom, true, true);
    buf_u8(&call->out, '}');
    kith_result_free(r);
    finish_ok(call);
}

/* Of those that were asked for by id. */
static void keep_of_scope(kith_result *r, const struct shard_scope *scope)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->count; i++) {
        kith_hit hit = r->hits[i];
        if (shard_shows(scope, &hit))
            ((kith_hit *)(uintptr_t)r->hits)[kept++] = hit;
    }
    r->count = kept;
}

void points_get(struct call *call)
{
    yyjson_val *body = want_object(call);
    struct shard_scope scope;
    kith_select select = {0};
    const kith_id *ids;
    size_t count;
    kith_result *r;
    kith_err err;
    uint32_t ms;

    if (!body || !shard_scope_read(call, body, &scope) || !read_options(call, &ms) ||
        !read_ids(call, yyjson_obj_get(body, "ids"), "ids", &ids, &count) ||
        !read_with_payload(call, field_of(body, "with_payload", NULL), !call->rpc, &select) ||
        !read_with_vector(call, field_of(body, "with_vector", "with_vectors"), &select) ||
        !strict_read(call, 0, NULL, NULL) || (scope.custom && !shard_select(call, &select)))
        return;
    r = kith_get(call->server->db, call->params[0], ids, count, &select, ms, &err);
    if (!r) {
        fail_kith(call, &err);
        return;
    }
    keep_of_scope(r, &scope);
    hits_begin(call);
    if (call->rpc)
        put_messages(call, 1, r, scope.custom, &select, false);
    else
        put_records(call, r, scope.custom, &select, false);
    kith_result_free(r);
    hits_finish(call, 2);
}

bool read_order(struct call *call, yyjson_val *v, kith_query *q)
{
    yyjson_val *key = yyjson_is_obj(v) ? yyjson_obj_get(v, "key") : v, *direction, *start;
    int64_t time;

    if (!yyjson_is_str(key))
        return read_fail(call, "order_by: expected a key or an object with one");
    q->kind = KITH_QUERY_ORDER_BY;
    q->order_path = yyjson_get_str(key);
    if (!yyjson_is_obj(v))
        return true;
    direction = field_of(v, "direction", NULL);
    if (direction && !yyjson_equals_str(direction, "asc") && !yyjson_equals_str(direction, "desc"))
        return read_fail(call, "order_by.direction: expected asc or desc");
    q->descending = yyjson_equals_str(direction, "desc");
    start = field_of(v, "start_from", NULL);
    if (!start)
        return true;
    q->has_start = true;
    if (yyjson_is_num(start)) {
        q->start = yyjson_get_num(start);
        return true;
    }
    if (!yyjson_is_str(start) || !date_parse(yyjson_get_str(start), yyjson_get_len(start), &time))
        return read_fail(call, "order_by.start_from: expected a number or a datetime");
    q->start = (double)time;
    return true;
}

void points_scroll(struct call *call)
{
    yyjson_val *body = want_object(call), *offset, *order;
    kith_query q = {.kind = KITH_QUERY_SCROLL};
    kith_id from;
    uint64_t limit;
    kith_result *r;
    kith_err err;

    struct shard_scope scope;

    if (!body || !shard_scope_read(call, body, &scope))
        return;
    offset = field_of(body, "offset", NULL);
    order = field_of(body, "order_by", NULL);
    if (!read_options(call, &q.timeout_ms) || !read_filter(call, field_of(body, "filter", NULL), &q.filter) ||
        !shard_narrow(call, &scope, &q.filter) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 10, &limit) ||
        !read_with_payload(call, field_of(body, "with_payload", NULL), 1, &q.select) ||
        !read_with_vector(call, field_of(body, "with_vector", "with_vectors"), &q.select))
        return;
    if (order && offset) {
        call_fail(call, 400, "Bad request: Cannot use an `offset` when using `order_by`. The alternative for paging is "
                             "to use `order_by.start_from` and a filter to exclude the IDs that you've already seen");
        return;
    }
    if ((offset && !read_id(call, offset, &from)) || (order && !read_order(call, order, &q)))
        return;
    q.from = offset ? &from : NULL;
    q.limit = (uint32_t)MIN(limit, (uint64_t)UINT32_MAX);
    if (!strict_read(call, q.limit, q.filter, q.order_path) || (scope.custom && !shard_select(call, &q.select)))
        return;
    r = kith_query_run(call->server->db, call->params[0], &q, &err);
    if (!r) {
        fail_kith(call, &err);
        return;
    }
    hits_begin(call);
    put_page(call, r, scope.custom, &q.select, order != NULL);
    kith_result_free(r);
    hits_finish(call, 3);
}

void points_count(struct call *call)
{
    yyjson_val *body = want_object(call);
    const kith_filter *filter;
    kith_err err;
    uint32_t ms;
    bool exact;
    int64_t n;

    if (!body || !read_options(call, &ms) || !shard_read_filter(call, body, &filter) ||
        !read_bool(call, field_of(body, "exact", NULL), "exact", true, &exact) || !strict_read(call, 0, filter, NULL))
        return;
    n = kith_count(call->server->db, call->params[0], filter, exact, ms, &err);
    if (n < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_printf(&call->out, "{\"count\":%lld}", (long long)n);
    finish_ok(call);
}
