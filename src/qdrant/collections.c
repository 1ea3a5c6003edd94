/* collections.c - collections, aliases, payload indexes. */
#include "qdrant/shard_keys.h"
#include "qdrant/strict.h"

#include "codec/date.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- collections ---------------------------------------------------------------------------------------- */

void collections_create(struct call *call)
{
    yyjson_val *body = want_object(call);
    kith_schema schema = {0};
    struct kept_config k;
    kith_err err;

    if (!body || !vectors_read(call, field_of(body, "vectors", NULL), field_of(body, "sparse_vectors", NULL), &schema) ||
        !config_open(&k, call, config_default))
        return;
    if (!config_param(&k, body, "shard_number", 'u') || !config_param(&k, body, "sharding_method", 's') ||
        !shard_keys_make(call, body, &schema) || !config_params(&k, body) || !config_take(&k, body)) {
        yyjson_mut_doc_free(k.doc);
        return;
    }
    for (size_t i = 0; i < schema.vectors_count; i++)
        config_tune(&k, (kith_vector_params *)(uintptr_t)&schema.vectors[i]);
    schema.config = config_close(&k);
    if (!schema.config)
        return;
    if (kith_create(call->server->db, call->params[0], &schema, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    answer_true(call);
}

static bool are_known(struct call *call, const kith_schema *now, yyjson_val *named, bool sparse)
{
    size_t i, count;
    yyjson_val *key, *item;

    if (named && !yyjson_is_obj(named))
        return read_fail(call, "%s: expected an object by name", sparse ? "sparse_vectors" : "vectors");
    yyjson_obj_foreach(named, i, count, key, item) {
        bool known = false;
        for (size_t j = 0; j < now->vectors_count; j++)
            known = known || (yyjson_equals_str(key, now->vectors[j].name) &&
                              (now->vectors[j].element == KITH_SPARSE) == sparse);
        if (!known) {
            call_fail(call, 400, "Wrong input: Not existing vector name error: %s", yyjson_get_str(key));
            return false;
        }
    }
    return true;
}

/* The vectors as they will be: their own configuration, and what follows from the collection's. */
static bool plan_vectors(struct call *call, const kith_schema *now, const struct kept_config *k, yyjson_val *body,
                         kith_vector_params *plans)
{
    yyjson_val *dense = field_of(body, "vectors", NULL), *sparse = field_of(body, "sparse_vectors", NULL);

    if (!are_known(call, now, dense, false) || !are_known(call, now, sparse, true))
        return false;
    for (size_t j = 0; j < now->vectors_count; j++) {
        const kith_vector_params *v = &now->vectors[j];
        bool is_sparse = v->element == KITH_SPARSE;
        yyjson_val *own = yyjson_obj_get(is_sparse ? sparse : dense, v->name);
        bool idf = v->idf;
        const char *config = !own ? v->config : is_sparse ? vectors_change_sparse(call, v, own, &idf)
                                                          : config_vector(call, config_of(call, v), own);
        if (own && !config) /* answered: what the call had in memory is gone */
            return false;
        plans[j] = *v;
        plans[j].config = config;
        plans[j].idf = idf;
        config_tune(k, &plans[j]);
    }
    return true;
}

static bool changed(const kith_vector_params *a, const kith_vector_params *b)
{
    return a->config != b->config || memcmp(&a->index, &b->index, sizeof a->index) != 0;
}

static bool take_update(struct kept_config *k, yyjson_val *body)
{
    yyjson_val *params = field_of(body, "params", NULL);

    return config_take(k, body) && (!params || config_params(k, params));
}

/* All is read and checked before anything changes. */
static void update(struct call *call, yyjson_val *body, const kith_schema *now)
{
    kith_vector_params *plans = arena_alloc(&call->c.arena, MAX(now->vectors_count, (size_t)1) * sizeof *plans);
    const char *config;
    struct kept_config k;
    kith_err err;

    if (!plans) {
        call_fail(call, 500, "Service internal error: out of memory");
        return;
    }
    if (!config_open(&k, call, now->config ? now->config : config_default))
        return;
    if (!take_update(&k, body) || !plan_vectors(call, now, &k, body, plans)) {
        yyjson_mut_doc_free(k.doc);
        return;
    }
    config = config_close(&k);
    if (!config)
        return;
    for (size_t i = 0; i < now->vectors_count; i++) {
        if (changed(&plans[i], &now->vectors[i]) &&
            kith_configure_vector(call->server->db, call->params[0], &plans[i], &err) < 0) {
            fail_kith(call, &err);
            return;
        }
    }
    if (kith_configure(call->server->db, call->params[0], config, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    answer_true(call);
}

void collections_update(struct call *call)
{
    struct os_mutex *changing = &call->server->changing; /* the call goes with its answer */
    yyjson_val *body = want_object(call);
    kith_schema now;
    kith_err err;

    if (!body)
        return;
    os_mutex_lock(changing);
    if (kith_schema_get(call->server->db, call->params[0], &now, &err) >= 0) {
        update(call, body, &now);
        kith_schema_free(&now);
    } else {
        fail_kith(call, &err);
    }
    os_mutex_unlock(changing);
}

void collections_delete(struct call *call)
{
    kith_err err;
    int rc = kith_drop(call->server->db, call->params[0], &err);

    if (rc < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, rc ? "true" : "false");
    finish_ok(call);
}

void collections_exists(struct call *call)
{
    begin_ok(call);
    buf_printf(&call->out, "{\"exists\":%s}",
               kith_exists(call->server->db, call->params[0], NULL) ? "true" : "false");
    finish_ok(call);
}

/* One shard, here. */
/* The peer has such a report too, but does not document its shape: this one is ours. */
void collections_memory(struct call *call)
{
    kith_memory m;
    kith_err err;

    if (kith_memory_get(call->server->db, call->params[0], &m, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"parts\":[");
    for (size_t i = 0; i < m.count; i++) {
        buf_printf(&call->out, "%s{\"part\":\"%s\",\"name\":", i ? "," : "", m.parts[i].what);
        json_put_str(&call->out, m.parts[i].name, strlen(m.parts[i].name));
        buf_printf(&call->out, ",\"stored_bytes\":%llu,\"held_bytes\":%llu}", (unsigned long long)m.parts[i].stored,
                   (unsigned long long)m.parts[i].held);
    }
    buf_text(&call->out, "]}");
    finish_ok(call);
    kith_memory_free(&m);
}

void collections_list(struct call *call)
{
    kith_names names;
    kith_err err;
    bool first = true;

    if (kith_list(call->server->db, &names, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"collections\":[");
    for (size_t i = 0; i < names.count; i++) {
        if (!call_sees(call, names.names[i]))
            continue;
        buf_text(&call->out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_put_str(&call->out, names.names[i], strlen(names.names[i]));
        buf_u8(&call->out, '}');
    }
    buf_text(&call->out, "]}");
    kith_names_free(&names);
    finish_ok(call);
}

static const char *index_name(kith_index_kind kind)
{
    static const char *const names[] = {"", "keyword", "integer", "float", "bool", "datetime", "uuid", "text", "geo"};

    return names[kind];
}

static size_t dense_count(const kith_schema *schema)
{
    size_t n = 0;

    for (size_t i = 0; i < schema->vectors_count; i++)
        n += schema->vectors[i].element != KITH_SPARSE;
    return n;
}

/* The dense ones, or the sparse ones, by name; an only dense one without a name is not named. */
static void put_vectors_config(struct call *call, const kith_schema *schema, bool sparse)
{
    struct buf *out = &call->out;
    bool first = true;

    for (size_t i = 0; i < schema->vectors_count; i++) {
        const kith_vector_params *v = &schema->vectors[i];
        if ((v->element == KITH_SPARSE) != sparse)
            continue;
        if (!v->name[0] && dense_count(schema) == 1) {
            buf_text(out, config_of(call, v));
            return;
        }
        buf_u8(out, first ? '{' : ',');
        json_put_str(out, v->name, strlen(v->name));
        buf_u8(out, ':');
        buf_text(out, config_of(call, v));
        first = false;
    }
    buf_text(out, first ? "{}" : "}");
}

void put_config(struct call *call, const kith_schema *schema)
{
    struct buf *out = &call->out;
    static const char hole[] = "\"vectors\":{}";
    const char *config = schema->config ? schema->config : config_default, *at = strstr(config, hole);

    if (!at) {
        buf_text(out, config);
        return;
    }
    buf_put(out, config, (size_t)(at - config));
    buf_text(out, "\"vectors\":");
    put_vectors_config(call, schema, false);
    for (size_t i = 0; i < schema->vectors_count; i++) {
        if (schema->vectors[i].element == KITH_SPARSE) {
            buf_text(out, ",\"sparse_vectors\":");
            put_vectors_config(call, schema, true);
            break;
        }
    }
    buf_text(out, at + sizeof hole - 1);
}

const char *collection_status(const kith_collection_info *info)
{
    return info->problem ? "red" : info->optimizing ? "yellow" : "green";
}

void collections_get(struct call *call)
{
    struct buf *out = &call->out;
    kith_collection_info info;
    char created[DATE_TEXT];
    kith_err err;
    bool first = true;

    if (kith_info(call->server->db, call->params[0], &info, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_printf(out, "{\"status\":\"%s\",\"optimizer_status\":", collection_status(&info));
    if (info.problem) {
        buf_text(out, "{\"error\":");
        json_put_str(out, info.problem, strlen(info.problem));
        buf_u8(out, '}');
    } else {
        buf_text(out, "\"ok\"");
    }
    buf_printf(out, ",\"indexed_vectors_count\":%llu,\"points_count\":%llu,\"segments_count\":%llu,\"config\":",
               (unsigned long long)info.indexed_vectors, (unsigned long long)info.points,
               (unsigned long long)info.segments);
    put_config(call, &info.schema);
    buf_text(out, ",\"payload_schema\":{");
    for (size_t i = 0; i < info.schema.fields_count; i++) {
        const kith_field *f = &info.schema.fields[i];
        if (f->index == KITH_INDEX_NONE || strcmp(f->path, shard_key_path) == 0)
            continue;
        if (!first)
            buf_u8(out, ',');
        first = false;
        json_put_str(out, f->path, strlen(f->path));
        buf_printf(out, ":{\"data_type\":\"%s\",", index_name(f->index));
        if (f->config)
            buf_printf(out, "\"params\":%s,", f->config);
        buf_printf(out, "\"points\":%llu}", (unsigned long long)info.field_points[i]);
    }
    date_text((int64_t)info.created_ms * 1000, created);
    buf_printf(out, "},\"update_queue\":{\"length\":0},\"created_at\":\"%s\"}", created);
    kith_info_free(&info);
    finish_ok(call);
}

/* ---- aliases ----------------------------------------------------------------------------------------------- */

static void put_aliases(struct call *call, const char *only)
{
    kith_names pairs;
    kith_err err;
    bool first = true;

    if (kith_aliases(call->server->db, &pairs, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"aliases\":[");
    for (size_t i = 0; i + 1 < pairs.count; i += 2) {
        if ((only && strcmp(pairs.names[i + 1], only) != 0) || !call_sees(call, pairs.names[i + 1]))
            continue;
        buf_text(&call->out, first ? "{\"alias_name\":" : ",{\"alias_name\":");
        json_put_str(&call->out, pairs.names[i], strlen(pairs.names[i]));
        buf_text(&call->out, ",\"collection_name\":");
        json_put_str(&call->out, pairs.names[i + 1], strlen(pairs.names[i + 1]));
        buf_u8(&call->out, '}');
        first = false;
    }
    buf_text(&call->out, "]}");
    kith_names_free(&pairs);
    finish_ok(call);
}

void aliases_all(struct call *call)
{
    put_aliases(call, NULL);
}

void aliases_of(struct call *call)
{
    put_aliases(call, call->params[0]);
}

static bool read_alias_change(struct call *call, yyjson_val *v, kith_alias_change *to)
{
    yyjson_val *x = yyjson_obj_get(v, "create_alias");

    if (x) {
        to->alias = yyjson_get_str(yyjson_obj_get(x, "alias_name"));
        to->target = yyjson_get_str(yyjson_obj_get(x, "collection_name"));
        return (to->alias && to->target) || read_fail(call, "create_alias: expected alias_name and collection_name");
    }
    if ((x = yyjson_obj_get(v, "delete_alias"))) {
        to->alias = yyjson_get_str(yyjson_obj_get(x, "alias_name"));
        return to->alias || read_fail(call, "delete_alias: expected alias_name");
    }
    if ((x = yyjson_obj_get(v, "rename_alias"))) {
        to->alias = yyjson_get_str(yyjson_obj_get(x, "old_alias_name"));
        to->renamed = yyjson_get_str(yyjson_obj_get(x, "new_alias_name"));
        return (to->alias && to->renamed) || read_fail(call, "rename_alias: expected old_alias_name and new_alias_name");
    }
    return read_fail(call, "actions: expected create_alias, delete_alias or rename_alias");
}

void aliases_change(struct call *call)
{
    yyjson_val *body = want_object(call), *actions, *item;
    kith_alias_change *changes;
    kith_err err;
    size_t i, count;

    if (!body)
        return;
    actions = yyjson_obj_get(body, "actions");
    changes = arena_zalloc(&call->c.arena, MAX(yyjson_arr_size(actions), (size_t)1) * sizeof *changes);
    if (!yyjson_is_arr(actions) || !changes) {
        (void)read_fail(call, "actions: expected a list");
        return;
    }
    yyjson_arr_foreach(actions, i, count, item) {
        if (!read_alias_change(call, item, &changes[i]))
            return;
    }
    if (kith_alias(call->server->db, changes, yyjson_arr_size(actions), &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    answer_true(call);
}

/* Indexes below an array answer for its elements anyhow (src/op/nested.h). */
static bool is_below(const char *path, yyjson_val *array)
{
    size_t size = yyjson_get_len(array);

    return yyjson_is_str(array) && size && strncmp(path, yyjson_get_str(array), size) == 0 &&
           strncmp(path + size, "[].", 3) == 0;
}

/* ---- payload indexes ------------------------------------------------------------------------------------------ */

static bool read_index(struct call *call, yyjson_val *v, kith_field *to)
{
    static const kith_index_kind kinds[] = {KITH_INDEX_KEYWORD, KITH_INDEX_INTEGER, KITH_INDEX_FLOAT,
                                            KITH_INDEX_BOOL, KITH_INDEX_DATETIME, KITH_INDEX_UUID,
                                            KITH_INDEX_TEXT, KITH_INDEX_GEO};
    yyjson_val *type = yyjson_is_obj(v) ? yyjson_obj_get(v, "type") : v;
    struct buf text;

    if (!yyjson_is_str(type))
        return read_fail(call, "field_schema: expected a type name or an object with a type");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (yyjson_equals_str(type, index_name(kinds[i])))
            to->index = kinds[i];
    }
    if (to->index == KITH_INDEX_NONE) {
        return read_fail(call, "field_schema: unknown type `%.40s`", yyjson_get_str(type));
    }
    if (yyjson_is_obj(v) && field_of(v, "nested", NULL) && !is_below(to->path, field_of(v, "nested", NULL))) {
        call_fail(call, 400, "Bad request: nested: expected the array that the field is below, such as offers for "
                             "offers[].price");
        return false;
    }
    if (!yyjson_is_obj(v))
        return true;
    if (to->index == KITH_INDEX_TEXT && !text_read(call, v, &to->text))
        return false;
    buf_init(&text);
    json_put_val(&text, v);
    to->config = text.failed ? NULL : arena_str(&call->c.arena, (char *)text.data, text.size);
    buf_release(&text);
    return to->config || read_fail(call, "out of memory");
}

void index_create(struct call *call)
{
    yyjson_val *body = want_object(call), *name, *schema;
    kith_field field = {0};
    kith_err err;

    if (!body)
        return;
    name = yyjson_obj_get(body, "field_name");
    schema = field_of(body, "field_schema", "field_type");
    if (!yyjson_is_str(name)) {
        (void)read_fail(call, "missing field `field_name`");
        return;
    }
    if (!schema) {
        call_fail(call, 400, "Bad request: Can't create index without a field_schema");
        return;
    }
    field.path = yyjson_get_str(name);
    if (!read_index(call, schema, &field) || !strict_index(call, field.path))
        return;
    if (kith_field_put(call->server->db, call->params[0], &field, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    answer_update(call, "completed");
}

void index_delete(struct call *call)
{
    kith_err err;

    if (kith_field_drop(call->server->db, call->params[0], call->params[1], &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    answer_update(call, "completed");
}
