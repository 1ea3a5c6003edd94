/* config.c - what users configure. It is kept as JSON with the collection and echoed; what the engine has a
 * word for is told to it; what cannot be honoured yet is refused. */
#include "qdrant/dialect.h"

#include <stdio.h>

const char config_default[] =
    "{\"params\":{\"vectors\":{},\"shard_number\":1,\"replication_factor\":1,\"write_consistency_factor\":1,"
    "\"on_disk_payload\":true},"
    "\"hnsw_config\":{\"m\":16,\"ef_construct\":100,\"full_scan_threshold\":10000,\"max_indexing_threads\":0,"
    "\"on_disk\":false},"
    "\"optimizer_config\":{\"deleted_threshold\":0.2,\"vacuum_min_vector_number\":1000,\"default_segment_number\":0,"
    "\"max_segment_size\":null,\"memmap_threshold\":null,\"indexing_threshold\":10000,\"flush_interval_sec\":5,"
    "\"max_optimization_threads\":null},"
    "\"wal_config\":{\"wal_capacity_mb\":32,\"wal_segments_ahead\":0,\"wal_retain_closed\":1},"
    "\"quantization_config\":null}";

/* A number with bounds, or a type, for one key of a configuration object. */
struct setting {
    const char *section; /* in the request */
    const char *key;
    char type;           /* u unsigned, f float, b boolean, s string */
    uint64_t least;
};

static const struct setting settings[] = {
    {"hnsw_config", "m", 'u', 0},
    {"hnsw_config", "ef_construct", 'u', 4},
    {"hnsw_config", "full_scan_threshold", 'u', 10},
    {"hnsw_config", "max_indexing_threads", 'u', 0},
    {"hnsw_config", "on_disk", 'b', 0},
    {"hnsw_config", "memory", 's', 0},
    {"hnsw_config", "payload_m", 'u', 0},
    {"optimizers_config", "deleted_threshold", 'f', 0},
    {"optimizers_config", "vacuum_min_vector_number", 'u', 100},
    {"optimizers_config", "default_segment_number", 'u', 0},
    {"optimizers_config", "max_segment_size", 'u', 1},
    {"optimizers_config", "memmap_threshold", 'u', 0},
    {"optimizers_config", "indexing_threshold", 'u', 0},
    {"optimizers_config", "flush_interval_sec", 'u', 0},
    {"optimizers_config", "max_optimization_threads", 'u', 0},
    {"wal_config", "wal_capacity_mb", 'u', 1},
    {"wal_config", "wal_segments_ahead", 'u', 0},
    {"wal_config", "wal_retain_closed", 'u', 1},
};

static bool take_setting(struct kept_config *k, const struct setting *s, yyjson_val *v, yyjson_mut_val *section)
{
    bool fits = s->type == 'u' ? yyjson_is_uint(v) : s->type == 'f' ? yyjson_is_num(v)
                : s->type == 'b' ? yyjson_is_bool(v) : yyjson_is_str(v);

    if (strcmp(s->key, "max_optimization_threads") == 0 && yyjson_equals_str(v, "auto"))
        fits = true;
    else if (!fits)
        return read_fail(k->call, "%s.%s: invalid type", s->section, s->key);
    else if (s->type == 'u' && yyjson_get_uint(v) < s->least)
        return read_invalid(k->call, "%s.%s: value %llu invalid, must be %llu or larger", s->section, s->key,
                            (unsigned long long)yyjson_get_uint(v), (unsigned long long)s->least);
    else if (s->type == 'f' && (yyjson_get_num(v) < 0 || yyjson_get_num(v) > 1))
        return read_invalid(k->call, "%s.%s: value %g invalid, must be from 0.0 to 1.0", s->section, s->key,
                            yyjson_get_num(v));
    yyjson_mut_obj_put(section, yyjson_mut_strcpy(k->doc, s->key), yyjson_val_mut_copy(k->doc, v));
    return true;
}

static bool take_section(struct kept_config *k, yyjson_val *body, const char *request_name, const char *stored_name)
{
    yyjson_val *given = field_of(body, request_name, NULL);
    yyjson_mut_val *section = yyjson_mut_obj_get(k->root, stored_name);

    if (!given)
        return true;
    if (!section)
        section = yyjson_mut_obj_add_obj(k->doc, k->root, stored_name);
    if (!yyjson_is_obj(given))
        return read_fail(k->call, "%s: expected an object", request_name);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        yyjson_val *v = strcmp(settings[i].section, request_name) == 0 ? field_of(given, settings[i].key, NULL) : NULL;
        if (v && !take_setting(k, &settings[i], v, section))
            return false;
    }
    return true;
}

static bool take_metadata(struct kept_config *k, yyjson_val *body)
{
    yyjson_val *given = field_of(body, "metadata", NULL), *key, *v;
    yyjson_mut_val *stored = yyjson_mut_obj_get(k->root, "metadata");
    size_t i, count;

    if (!given)
        return true;
    if (!yyjson_is_obj(given))
        return read_fail(k->call, "metadata: expected an object");
    if (!stored) {
        stored = yyjson_mut_obj(k->doc);
        yyjson_mut_obj_add_val(k->doc, k->root, "metadata", stored);
    }
    yyjson_obj_foreach(given, i, count, key, v) {
        yyjson_mut_val *name = yyjson_val_mut_copy(k->doc, key);
        if (yyjson_is_null(v))
            yyjson_mut_obj_remove(stored, name);
        else
            yyjson_mut_obj_put(stored, name, yyjson_val_mut_copy(k->doc, v));
    }
    return true;
}

bool config_param(struct kept_config *k, yyjson_val *from, const char *name, char type)
{
    yyjson_mut_val *params = yyjson_mut_obj_get(k->root, "params");
    yyjson_val *v = field_of(from, name, NULL);
    uint64_t n;

    if (!v)
        return true;
    if (type == 'u' && !read_count(k->call, v, name, 1, 1, &n))
        return false;
    if (type == 'b' && !yyjson_is_bool(v))
        return read_fail(k->call, "%s: expected a boolean", name);
    yyjson_mut_obj_put(params, yyjson_mut_strcpy(k->doc, name), yyjson_val_mut_copy(k->doc, v));
    return true;
}

bool config_refuse(struct call *call, yyjson_val *body, const char *name)
{
    yyjson_val *v = field_of(body, name, NULL);

    if (!v || yyjson_is_false(v) || (yyjson_is_obj(v) && yyjson_obj_size(v) == 0))
        return true;
    call_fail(call, 400, "Bad request: %s is not supported yet", name);
    return false;
}

/* What the peer knows and is not there yet. */
static bool refuse_all(struct call *call, yyjson_val *body)
{
    static const char *const top[] = {"payload", "id_tracker", "read_fan_out_factor", "read_fan_out_delay_ms"};

    for (size_t i = 0; i < ARRAY_SIZE(top); i++) {
        if (!config_refuse(call, body, top[i]))
            return false;
    }
    return config_refuse(call, field_of(body, "hnsw_config", NULL), "inline_storage") &&
           config_refuse(call, field_of(body, "optimizers_config", NULL), "prevent_unoptimized");
}

bool config_take(struct kept_config *k, yyjson_val *body)
{
    yyjson_val *strict = field_of(body, "strict_mode_config", NULL);

    if (strict && yyjson_get_bool(yyjson_obj_get(strict, "enabled"))) {
        call_fail(k->call, 400, "Bad request: strict_mode_config.enabled is not supported yet");
        return false;
    }
    if (yyjson_equals_str(yyjson_obj_get(body, "sharding_method"), "custom")) {
        call_fail(k->call, 400, "Bad request: sharding_method custom is not supported yet");
        return false;
    }
    return refuse_all(k->call, body) && refuse_all(k->call, field_of(body, "params", NULL)) &&
           quantization_take(k, body) && take_section(k, body, "hnsw_config", "hnsw_config") &&
           take_section(k, body, "optimizers_config", "optimizer_config") &&
           take_section(k, body, "wal_config", "wal_config") && take_metadata(k, body);
}

bool config_open(struct kept_config *k, struct call *call, const char *text)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

    k->call = call;
    k->doc = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
    yyjson_doc_free(doc);
    if (!k->doc) {
        call_fail(call, 500, "Service internal error: the stored configuration is unreadable");
        return false;
    }
    k->root = yyjson_mut_doc_get_root(k->doc);
    return true;
}

/* In the arena; NULL: answered. */
const char *config_close(struct kept_config *k)
{
    char *copy = json_mut_text(&k->call->c, k->doc);

    yyjson_mut_doc_free(k->doc);
    if (!copy)
        call_fail(k->call, 500, "Service internal error: out of memory");
    return copy;
}

const char *config_of(struct call *call, const kith_vector_params *v)
{
    static const char *const distances[] = {"", "Cosine", "Dot", "Euclid", "Manhattan", "Hamming", "Jaccard"};
    char text[80];

    if (v->config)
        return v->config;
    snprintf(text, sizeof text, "{\"size\":%u,\"distance\":\"%s\"}", v->dim, distances[v->metric]);
    return v->element == KITH_SPARSE ? "{}" : arena_str(&call->c.arena, text, strlen(text));
}

/* Of one vector: only what is given changes. */
const char *config_vector(struct call *call, const char *old, yyjson_val *given)
{
    static const char *const plain[] = {"size", "distance", "multivector_config", "on_disk", "memory", "datatype"};
    struct kept_config k;

    if (!config_open(&k, call, old ? old : "{}"))
        return NULL;
    if (!refuse_all(call, given) || !take_section(&k, given, "hnsw_config", "hnsw_config") ||
        !quantization_take(&k, given)) {
        yyjson_mut_doc_free(k.doc);
        return NULL;
    }
    for (size_t i = old ? 3 : 0; i < ARRAY_SIZE(plain); i++) { /* these stay */
        yyjson_val *v = field_of(given, plain[i], NULL);
        if (v)
            yyjson_mut_obj_put(k.root, yyjson_mut_str(k.doc, plain[i]), yyjson_val_mut_copy(k.doc, v));
    }
    return config_close(&k);
}

/* ---- what the engine is told ------------------------------------------------------------------------- */

/* The vector's own value, or the collection's. */
static uint64_t member(yyjson_val *of_vector, const struct kept_config *k, const char *section, const char *name)
{
    yyjson_val *own = yyjson_obj_get(of_vector, name);

    if (yyjson_is_uint(own))
        return yyjson_get_uint(own);
    return yyjson_mut_get_uint(yyjson_mut_obj_get(yyjson_mut_obj_get(k->root, section), name));
}

void config_tune(const struct kept_config *k, kith_vector_params *v)
{
    yyjson_doc *doc = v->config ? yyjson_read(v->config, strlen(v->config), 0) : NULL;
    yyjson_val *of_vector = yyjson_doc_get_root(doc), *own = yyjson_obj_get(of_vector, "hnsw_config");
    uint64_t m = member(own, k, "hnsw_config", "m"), width = member(own, k, "hnsw_config", "ef_construct");
    uint64_t payload_m = member(own, k, "hnsw_config", "payload_m");
    uint64_t threshold = member(NULL, k, "optimizer_config", "indexing_threshold");

    v->index.method = (m == 0 && payload_m == 0) || threshold == 0 ? KITH_METHOD_FLAT : KITH_METHOD_AUTO;
    v->index.links = m > 16 ? (uint32_t)MIN(m * 2, (uint64_t)64) : 0;
    v->index.build_width = width > 160 ? (uint32_t)MIN(width, (uint64_t)1024) : 0;
    quantization_tune(k, of_vector, v);
    yyjson_doc_free(doc);
}
