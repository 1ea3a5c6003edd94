/* shard_keys.c - custom sharding: collections whose points stand under keys that the user has made.
 *
 * On one node a shard is nothing but a part of a collection, so a point's key is a member of its document, which is not
 * shown with it, and a keyword index finds the points of a key. The keys that there are stand in what that index was
 * made with. An id stands under one key: written under another one, the point moves there. */
#include "qdrant/shard_keys.h"

#include "codec/pb.h"
#include "doc/value.h"
#include "os/sync.h"

#include <stdio.h>

#define MEMBER "$shard_key"
const char shard_key_path[] = "\"" MEMBER "\"";

enum { KEYS_MAX = 10000 };

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* As documents keep it: names after a sign, numbers after another one. In the arena; NULL: it is no key. */
static const char *kept_key(struct call *call, yyjson_val *v)
{
    char number[24];
    char *name;

    if (yyjson_is_uint(v)) {
        snprintf(number, sizeof number, "#%llu", (unsigned long long)yyjson_get_uint(v));
        return arena_str(&call->c.arena, number, strlen(number));
    }
    if (!yyjson_is_str(v) || !yyjson_get_len(v))
        return NULL;
    name = arena_alloc(&call->c.arena, yyjson_get_len(v) + 2);
    if (name) {
        name[0] = '=';
        memcpy(name + 1, yyjson_get_str(v), yyjson_get_len(v) + 1);
    }
    return name;
}

static void put_key(struct buf *out, struct bytes kept)
{
    if (kept.size && kept.data[0] == '#')
        buf_put(out, kept.data + 1, kept.size - 1);
    else
        json_put_str(out, (const char *)kept.data + 1, kept.size - 1);
}

/* The keys of a collection, as documents keep them; NULL: it is not sharded so. yyjson_doc_free. */
static yyjson_doc *keys_of(const kith_schema *schema)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        const kith_field *f = &schema->fields[i];
        if (strcmp(f->path, shard_key_path) == 0 && f->config)
            return yyjson_read(f->config, strlen(f->config), 0);
    }
    return NULL;
}

/* Of a collection; NULL and false: there is none such. */
static bool load_keys(struct call *call, const char *collection, yyjson_doc **ret_doc)
{
    kith_schema schema;

    *ret_doc = NULL;
    if (kith_schema_get(call->server->db, collection, &schema, NULL) < 0)
        return false;
    *ret_doc = keys_of(&schema);
    kith_schema_free(&schema);
    return true;
}

static bool has_key(yyjson_doc *doc, const char *kept)
{
    size_t i, count;
    yyjson_val *key;

    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, count, key) {
        if (yyjson_equals_str(key, kept))
            return true;
    }
    return false;
}

bool shard_keys_make(struct call *call, yyjson_val *body, kith_schema *schema)
{
    yyjson_val *method = field_of(body, "sharding_method", NULL);
    kith_field *field;

    if (!method || yyjson_equals_str(method, "auto"))
        return true;
    if (!yyjson_equals_str(method, "custom"))
        return read_fail(call, "sharding_method: expected auto or custom");
    field = arena_zalloc(&call->c.arena, sizeof *field);
    if (!field)
        return read_fail(call, "out of memory");
    *field = (kith_field){.path = shard_key_path, .index = KITH_INDEX_KEYWORD, .config = "[]"};
    schema->fields = field;
    schema->fields_count = 1;
    return true;
}

/* ---- which are meant --------------------------------------------------------------------------------------------- */

static bool not_found(struct call *call, yyjson_val *key)
{
    if (yyjson_is_uint(key))
        call_fail(call, 404, "Not found: Shard key %llu not found", (unsigned long long)yyjson_get_uint(key));
    else
        call_fail(call, 404, "Not found: Shard key %.200s not found", yyjson_is_str(key) ? yyjson_get_str(key) : "");
    return false;
}

static bool add_key(struct call *call, yyjson_doc *there, yyjson_val *key, struct shard_scope *to)
{
    const char *kept = kept_key(call, key);

    if (!kept)
        return read_fail(call, "shard_key: expected a name or a number, a list of them, or {\"target\", \"fallback\"}");
    if (!has_key(there, kept))
        return not_found(call, key);
    to->keys[to->count++] = (kith_value){.kind = KITH_VALUE_STR, .str = kept, .size = (uint32_t)strlen(kept)};
    return true;
}

/* The target, where there is such a key, else the other one. */
static bool add_target(struct call *call, yyjson_doc *there, yyjson_val *target, yyjson_val *fallback,
                       struct shard_scope *to)
{
    const char *kept = kept_key(call, target);

    return add_key(call, there, kept && has_key(there, kept) ? target : fallback, to);
}

static bool read_selector(struct call *call, yyjson_doc *there, yyjson_val *body, struct shard_scope *to)
{
    yyjson_val *v = field_of(body, "shard_key", NULL), *fallback = field_of(body, "shard_key_fallback", NULL), *item;
    size_t i, count;

    to->keys = arena_alloc(&call->c.arena, (yyjson_arr_size(v) + 1) * sizeof *to->keys);
    if (!to->keys)
        return read_fail(call, "out of memory");
    if (yyjson_is_obj(v))
        return add_target(call, there, yyjson_obj_get(v, "target"), yyjson_obj_get(v, "fallback"), to);
    if (!yyjson_is_arr(v))
        return add_key(call, there, v, to);
    if (fallback) /* of a message */
        return add_target(call, there, yyjson_arr_get_first(v), fallback, to);
    yyjson_arr_foreach(v, i, count, item) {
        if (!add_key(call, there, item, to))
            return false;
    }
    return to->count || read_fail(call, "shard_key: expected at least one");
}

bool shard_scope_read(struct call *call, yyjson_val *body, struct shard_scope *to)
{
    bool named = field_of(body, "shard_key", NULL) != NULL, ok = true;
    yyjson_doc *there;

    *to = (struct shard_scope){0};
    if (!load_keys(call, call->params[0], &there))
        return true; /* what follows says that there is no such collection */
    to->custom = there != NULL;
    if (named && !there) {
        call_fail(call, 400, "Wrong input: Shard key is not supported for collections without custom sharding");
        return false;
    }
    if (named)
        ok = read_selector(call, there, body, to);
    yyjson_doc_free(there);
    return ok;
}

/* ---- reads ------------------------------------------------------------------------------------------------------- */

static kith_filter *all_of_two(struct call *call, const kith_filter *a, const kith_filter *b)
{
    kith_filter *all = arena_zalloc(&call->c.arena, 3 * sizeof *all);

    if (!all)
        return NULL;
    all[1] = *a;
    all[2] = *b;
    all[0] = (kith_filter){.kind = KITH_COND_ALL, .subs = all + 1, .subs_count = 2};
    return all;
}

bool shard_narrow(struct call *call, const struct shard_scope *scope, const kith_filter **filter)
{
    const kith_filter keys = {.kind = KITH_COND_MATCH, .path = shard_key_path, .values = scope->keys,
                              .values_count = scope->count};

    if (!scope->count)
        return true;
    *filter = *filter ? all_of_two(call, &keys, *filter) : arena_copy(&call->c.arena, &keys, sizeof keys);
    return *filter || read_fail(call, "out of memory");
}

bool shard_read_filter(struct call *call, yyjson_val *body, const kith_filter **ret_filter)
{
    struct shard_scope scope;

    if (!read_filter(call, field_of(body, "filter", NULL), ret_filter))
        return false;
    if (!field_of(body, "shard_key", NULL))
        return true;
    return shard_scope_read(call, body, &scope) && shard_narrow(call, &scope, ret_filter);
}

bool shard_shows(const struct shard_scope *scope, const kith_hit *hit)
{
    struct bytes key;

    if (!scope->count)
        return true;
    for (size_t i = 0; shard_key_in(hit, &key) && i < scope->count; i++) {
        if (key.size == scope->keys[i].size && memcmp(key.data, scope->keys[i].str, key.size) == 0)
            return true;
    }
    return false;
}

bool shard_is_custom(const kith_schema *schema)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        if (strcmp(schema->fields[i].path, shard_key_path) == 0)
            return true;
    }
    return false;
}

bool shard_has_keys(struct call *call, const char *collection)
{
    kith_schema schema;
    bool custom;

    if (kith_schema_get(call->server->db, collection, &schema, NULL) < 0)
        return false;
    custom = shard_is_custom(&schema);
    kith_schema_free(&schema);
    return custom;
}

bool shard_select(struct call *call, kith_select *select)
{
    static const char *const alone[] = {shard_key_path};
    const char **more;

    if (select->doc == 0) {
        select->doc = 2;
        select->paths = alone;
        select->paths_count = 1;
    } else if (select->doc == 2) {
        more = arena_alloc(&call->c.arena, (select->paths_count + 1) * sizeof *more);
        if (!more)
            return read_fail(call, "out of memory");
        memcpy(more, select->paths, select->paths_count * sizeof *more);
        more[select->paths_count++] = shard_key_path;
        select->paths = more;
    }
    return true;
}

bool select_shows(const kith_select *select)
{
    return select->doc != 0 && !(select->doc == 2 && select->paths_count == 1 && select->paths[0] == shard_key_path);
}

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

bool shard_key_in(const kith_hit *hit, struct bytes *ret_kept)
{
    struct val key;

    if (!hit->doc.size || !val_get(val_of(hit->doc.data, hit->doc.size), MEMBER, sizeof MEMBER - 1, &key))
        return false;
    *ret_kept = val_tag(key) == VAL_STR ? val_str(key) : (struct bytes){0};
    return ret_kept->size > 1 && (ret_kept->data[0] == '=' || ret_kept->data[0] == '#');
}

bool is_shard_member(struct bytes key)
{
    return key.size == sizeof MEMBER - 1 && memcmp(key.data, MEMBER, key.size) == 0;
}

void shard_put_payload(struct buf *out, const kith_hit *hit)
{
    struct val_iter it = val_iter(val_of(hit->doc.data, hit->doc.size));
    struct bytes key;
    struct val item;
    bool first = true;

    buf_u8(out, '{');
    while (val_next(&it, &key, &item)) {
        if (is_shard_member(key))
            continue;
        if (!first)
            buf_u8(out, ',');
        first = false;
        json_put_str(out, (const char *)key.data, key.size);
        buf_u8(out, ':');
        val_to_json(item, out);
    }
    buf_u8(out, '}');
}

void shard_put_key(struct buf *out, const char *name, struct bytes kept)
{
    buf_printf(out, ",\"%s\":", name);
    put_key(out, kept);
}

void shard_put_message(struct buf *out, uint32_t number, struct bytes kept)
{
    size_t mark = pb_begin(out, number);
    uint64_t n = 0;

    if (kept.data[0] == '#') {
        for (size_t i = 1; i < kept.size; i++)
            n = n * 10 + (uint64_t)(kept.data[i] - '0');
        pb_put_varint(out, 2, n);
    } else {
        pb_put_bytes(out, 1, kept.data + 1, kept.size - 1);
    }
    pb_end(out, mark);
}

/* ---- writes ------------------------------------------------------------------------------------------------------ */

bool shard_scope_write(struct call *call, yyjson_val *body, bool one, struct shard_scope *to)
{
    if (!shard_scope_read(call, body, to))
        return false;
    if (to->custom && !to->count) {
        call_fail(call, 400, "Wrong input: Shard key is missing: the collection has custom sharding");
        return false;
    }
    if (one && to->count > 1) {
        call_fail(call, 400, "Wrong input: shard_key: this operation takes one key, not %zu: a point stands under one",
                  to->count);
        return false;
    }
    return true;
}

bool shard_narrow_op(struct call *call, const struct shard_scope *scope, kith_op *op)
{
    kith_filter *ids;

    if (!scope->count)
        return true;
    if (op->ids) {
        ids = arena_zalloc(&call->c.arena, sizeof *ids);
        if (!ids)
            return read_fail(call, "out of memory");
        *ids = (kith_filter){.kind = KITH_COND_HAS_ID, .ids = op->ids, .ids_count = op->ids_count};
        op->filter = ids;
        op->ids = NULL;
        op->ids_count = 0;
    }
    return shard_narrow(call, scope, &op->filter);
}

bool shard_read_payload(struct call *call, yyjson_val *v, const struct shard_scope *scope, bool stamp, kith_doc *ret)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    yyjson_doc *stamped;
    bool ok;

    if (!scope->custom)
        return read_payload(call, v, ret);
    if (yyjson_obj_get(v, MEMBER))
        return read_fail(call, "payload.%s: this name is not free in a collection with custom sharding", MEMBER);
    if (!stamp || (v && !yyjson_is_null(v) && !yyjson_is_obj(v)))
        return read_payload(call, v, ret);
    doc = yyjson_mut_doc_new(NULL);
    root = yyjson_is_obj(v) ? yyjson_val_mut_copy(doc, v) : yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, MEMBER, scope->keys[0].str);
    stamped = yyjson_mut_doc_imut_copy(doc, NULL);
    yyjson_mut_doc_free(doc);
    ok = stamped ? read_payload(call, yyjson_doc_get_root(stamped), ret) : read_fail(call, "out of memory");
    yyjson_doc_free(stamped);
    return ok;
}

bool shard_path_is_free(struct call *call, const struct shard_scope *scope, const char *path)
{
    if (!scope->custom || !path || strncmp(path, shard_key_path, sizeof shard_key_path - 1) != 0)
        return true;
    return read_fail(call, "%s: this name is not free in a collection with custom sharding", MEMBER);
}

/* ---- making and dropping ----------------------------------------------------------------------------------------- */

static void list(struct call *call, yyjson_doc *keys)
{
    size_t i, count;
    yyjson_val *key;

    begin_ok(call);
    buf_text(&call->out, "{\"shard_keys\":[");
    yyjson_arr_foreach(yyjson_doc_get_root(keys), i, count, key) {
        buf_text(&call->out, i ? ",{\"key\":" : "{\"key\":");
        put_key(&call->out, (struct bytes){(const uint8_t *)yyjson_get_str(key), yyjson_get_len(key)});
        buf_u8(&call->out, '}');
    }
    buf_text(&call->out, "]}");
    finish_ok(call);
}

void shard_keys_get(struct call *call)
{
    yyjson_doc *keys;

    if (load_keys(call, call->params[0], &keys)) {
        list(call, keys);
        yyjson_doc_free(keys);
    } else {
        fail_missing(call);
    }
}

/* The keys with or without `kept`, as the index is then made with. False: answered. */
static bool keep_keys(struct call *call, yyjson_doc *there, const char *kept, bool with)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_arr(doc);
    kith_field field = {.path = shard_key_path, .index = KITH_INDEX_KEYWORD};
    size_t i, count;
    yyjson_val *key;
    kith_err err;

    yyjson_mut_doc_set_root(doc, root);
    yyjson_arr_foreach(yyjson_doc_get_root(there), i, count, key) {
        if (!yyjson_equals_str(key, kept))
            yyjson_mut_arr_append(root, yyjson_val_mut_copy(doc, key));
    }
    if (with)
        yyjson_mut_arr_add_str(doc, root, kept);
    field.config = json_mut_text(&call->c, doc);
    yyjson_mut_doc_free(doc);
    if (!field.config)
        return read_fail(call, "out of memory");
    if (kith_field_put(call->server->db, call->params[0], &field, &err) >= 0)
        return true;
    fail_kith(call, &err);
    return false;
}

static bool delete_points(struct call *call, const char *kept)
{
    const kith_value value = {.kind = KITH_VALUE_STR, .str = kept, .size = (uint32_t)strlen(kept)};
    const kith_filter of_key = {.kind = KITH_COND_MATCH, .path = shard_key_path, .values = &value, .values_count = 1};
    const kith_op op = {.kind = KITH_DELETE, .filter = &of_key};
    kith_err err;

    if (kith_write(call->server->db, call->params[0], &op, 1, KITH_WAIT_APPLIED, NULL, &err) >= 0)
        return true;
    fail_kith(call, &err);
    return false;
}

/* Placement and replicas are for clusters: on one node there is nothing to choose, and what is chosen is that. */
static bool is_for_one_node(struct call *call, yyjson_val *body)
{
    yyjson_val *placement = field_of(body, "placement", NULL), *state = field_of(body, "initial_state", NULL), *peer;
    size_t i, count;
    uint64_t n;

    if (placement && !yyjson_is_arr(placement))
        return read_fail(call, "placement: expected a list of peers");
    yyjson_arr_foreach(placement, i, count, peer) {
        if (yyjson_get_uint(peer) != PEER)
            return read_invalid(call, "placement[%zu]: no such peer: expected %d", i, PEER);
    }
    if (state && !yyjson_equals_str(state, "Active") && !yyjson_equals_str(state, "active"))
        return read_invalid(call, "initial_state: expected Active: there are no other replicas to become it from");
    return read_count(call, field_of(body, "shards_number", NULL), "shards_number", 1, 1, &n) &&
           read_count(call, field_of(body, "replication_factor", NULL), "replication_factor", 1, 1, &n);
}

static void change(struct call *call, yyjson_doc *there, yyjson_val *key, bool make)
{
    const char *kept = kept_key(call, key);

    if (!there)
        call_fail(call, 400, "Bad request: Shard Key cannot be created or deleted: the collection has no custom "
                             "sharding");
    else if (!kept)
        (void)read_fail(call, "shard_key: expected a name or a number");
    else if (!make && !has_key(there, kept))
        (void)not_found(call, key);
    else if (make && has_key(there, kept))
        call_fail(call, 400, "Bad request: Shard key %s already exists", kept + 1);
    else if (make && yyjson_arr_size(yyjson_doc_get_root(there)) == KEYS_MAX)
        call_fail(call, 400, "Bad request: at most %d shard keys", KEYS_MAX);
    else if (keep_keys(call, there, kept, make) && (make || delete_points(call, kept)))
        answer_true(call);
}

void shard_keys_change(struct call *call, yyjson_val *request, bool make)
{
    struct os_mutex *changing = &call->server->changing; /* the call goes with its answer */
    yyjson_doc *there;

    if (!is_for_one_node(call, request))
        return;
    os_mutex_lock(changing); /* what is read here is written back */
    if (load_keys(call, call->params[0], &there))
        change(call, there, field_of(request, "shard_key", NULL), make);
    else
        fail_missing(call);
    os_mutex_unlock(changing);
    yyjson_doc_free(there);
}

/* A message has it one level deeper. */
static void change_keys(struct call *call, bool make)
{
    yyjson_val *body = want_object(call), *request = body ? field_of(body, "request", NULL) : NULL;

    if (body)
        shard_keys_change(call, request ? request : body, make);
}

void shard_keys_create(struct call *call) { change_keys(call, true); }
void shard_keys_delete(struct call *call) { change_keys(call, false); }

static bool read_move(struct call *call, yyjson_doc *there, yyjson_val *request, kith_op *op)
{
    struct shard_scope from = {.custom = true, .keys = arena_alloc(&call->c.arena, sizeof *from.keys)};
    struct shard_scope to = {.custom = true, .keys = arena_alloc(&call->c.arena, sizeof *to.keys)};

    if (!from.keys || !to.keys)
        return read_fail(call, "out of memory");
    *op = (kith_op){.kind = KITH_SET_DOC};
    return add_key(call, there, field_of(request, "from_shard_key", NULL), &from) &&
           add_key(call, there, field_of(request, "to_shard_key", NULL), &to) &&
           read_filter(call, field_of(request, "filter", NULL), &op->filter) && shard_narrow(call, &from, &op->filter) &&
           shard_read_payload(call, NULL, &to, true, &op->doc);
}

/* An id stands under one key: what the peer copies, moves. */
void shard_keys_move(struct call *call, yyjson_val *request)
{
    yyjson_doc *there;
    kith_err err;
    kith_op op;
    bool ok;

    if (!load_keys(call, call->params[0], &there) || !there) {
        call_fail(call, 400, "Bad request: replicate_points: the collection has no custom sharding");
        return;
    }
    ok = read_move(call, there, request, &op);
    yyjson_doc_free(there);
    if (!ok)
        return;
    if (kith_write(call->server->db, call->params[0], &op, 1, KITH_WAIT_APPLIED, NULL, &err) < 0)
        fail_kith(call, &err);
    else
        answer_true(call);
}

/* ---- as shards --------------------------------------------------------------------------------------------------- */

/* The points under a key, or all. */
static void put_part(struct call *call, const char *collection, size_t id, yyjson_val *key, shard_put put)
{
    const kith_value value = {.kind = KITH_VALUE_STR, .str = yyjson_get_str(key), .size = (uint32_t)yyjson_get_len(key)};
    const kith_filter of_key = {.kind = KITH_COND_MATCH, .path = shard_key_path, .values = &value, .values_count = 1};
    int64_t points = kith_count(call->server->db, collection, key ? &of_key : NULL, true, 0, NULL);
    struct shard_part part = {id, {(const uint8_t *)value.str, value.size}, (uint64_t)MAX(points, (int64_t)0)};

    buf_text(&call->out, id ? "," : "");
    put(call, &part);
}

size_t shard_put_parts(struct call *call, const char *collection, shard_put put)
{
    yyjson_doc *there;
    yyjson_val *key;
    size_t i, count;

    (void)load_keys(call, collection, &there);
    if (!there) {
        put_part(call, collection, 0, NULL, put);
        return 1;
    }
    count = yyjson_arr_size(yyjson_doc_get_root(there));
    yyjson_arr_foreach(yyjson_doc_get_root(there), i, count, key)
        put_part(call, collection, i, key, put);
    yyjson_doc_free(there);
    return count;
}
