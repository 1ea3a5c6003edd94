/* config.c - what users configure. It is kept as JSON with the collection and echoed; what the engine has a
 * word for is told to it; what cannot be honoured yet is refused. */
#include "qdrant/strict.h"

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

static const struct setting hnsw_settings[] = {
    {"m", 'u', 0}, {"ef_construct", 'u', 4}, {"full_scan_threshold", 'u', 10}, {"max_indexing_threads", 'u', 0},
    {"on_disk", 'b', 0}, {"memory", 'm', 0}, {"payload_m", 'u', 0}, {"inline_storage", 'b', 0},
};
static const struct setting optimizer_settings[] = {
    {"deleted_threshold", 'f', 0}, {"vacuum_min_vector_number", 'u', 100}, {"default_segment_number", 'u', 0},
    {"max_segment_size", 'u', 1}, {"memmap_threshold", 'u', 0}, {"indexing_threshold", 'u', 0},
    {"flush_interval_sec", 'u', 0}, {"max_optimization_threads", 'a', 0},
    {"prevent_unoptimized", 'b', 0},
};
static const struct setting wal_settings[] = {
    {"wal_capacity_mb", 'u', 1}, {"wal_segments_ahead", 'u', 0}, {"wal_retain_closed", 'u', 1},
};

struct section {
    const char *request, *stored;
    const struct setting *settings;
    size_t count;
};
static const struct section hnsw_section = {"hnsw_config", "hnsw_config", hnsw_settings, ARRAY_SIZE(hnsw_settings)};
static const struct section optimizer_section = {"optimizers_config", "optimizer_config", optimizer_settings,
                                                 ARRAY_SIZE(optimizer_settings)};
static const struct section wal_section = {"wal_config", "wal_config", wal_settings, ARRAY_SIZE(wal_settings)};

static bool is_place(yyjson_val *v)
{
    return yyjson_equals_str(v, "cold") || yyjson_equals_str(v, "cached") || yyjson_equals_str(v, "pinned");
}

bool config_place(struct call *call, yyjson_val *memory)
{
    return !memory || is_place(memory) || read_fail(call, "memory: expected cold, cached or pinned");
}

static bool has_type(char type, yyjson_val *v)
{
    switch (type) {
    case 'm': return is_place(v);
    case 'a': return yyjson_is_uint(v) || yyjson_equals_str(v, "auto");
    case 'b': return yyjson_is_bool(v);
    case 's': return yyjson_is_str(v);
    case 'u': return yyjson_is_uint(v);
    default: return yyjson_is_num(v);
    }
}

bool config_setting(struct kept_config *k, const char *name, const struct setting *s, yyjson_val *given,
                    yyjson_mut_val *section)
{
    yyjson_val *v = field_of(given, s->key, NULL);

    if (!v)
        return true;
    if (!has_type(s->type, v))
        return read_fail(k->call, "%s.%s: %s", name, s->key,
                         s->type == 'm' ? "expected cold, cached or pinned" : "invalid type");
    if (s->type == 'u' && yyjson_get_uint(v) < s->least)
        return read_invalid(k->call, "%s.%s: value %llu invalid, must be %llu or larger", name, s->key,
                            (unsigned long long)yyjson_get_uint(v), (unsigned long long)s->least);
    if (s->type == 'f' && (yyjson_get_num(v) < 0 || yyjson_get_num(v) > 1))
        return read_invalid(k->call, "%s.%s: value %g invalid, must be from 0.0 to 1.0", name, s->key,
                            yyjson_get_num(v));
    yyjson_mut_obj_put(section, yyjson_mut_strcpy(k->doc, s->key), yyjson_val_mut_copy(k->doc, v));
    return true;
}

static bool take_section(struct kept_config *k, yyjson_val *body, const struct section *from)
{
    yyjson_val *given = field_of(body, from->request, NULL);
    yyjson_mut_val *section = yyjson_mut_obj_get(k->root, from->stored);

    if (!given)
        return true;
    if (!section)
        section = yyjson_mut_obj_add_obj(k->doc, k->root, from->stored);
    if (!yyjson_is_obj(given))
        return read_fail(k->call, "%s: expected an object", from->request);
    for (size_t i = 0; i < from->count; i++) {
        if (!config_setting(k, from->request, &from->settings[i], given, section))
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
    if ((type == 'u' || type == 'z') && !read_count(k->call, v, name, type == 'u', 1, &n))
        return false;
    if (type == 'b' && !yyjson_is_bool(v))
        return read_fail(k->call, "%s: expected a boolean", name);
    if (type == 'm' &&
        !(yyjson_is_obj(v) && (!field_of(v, "memory", NULL) || is_place(field_of(v, "memory", NULL)))))
        return read_fail(k->call, "%s: expected {\"memory\": cold, cached or pinned}", name);
    yyjson_mut_obj_put(params, yyjson_mut_strcpy(k->doc, name), yyjson_val_mut_copy(k->doc, v));
    return true;
}

/* Of a body that makes a collection, or of an update's params. */
bool config_params(struct kept_config *k, yyjson_val *from)
{
    return config_param(k, from, "replication_factor", 'u') && config_param(k, from, "write_consistency_factor", 'u') &&
           config_param(k, from, "on_disk_payload", 'b') && config_param(k, from, "read_fan_out_factor", 'z') &&
           config_param(k, from, "read_fan_out_delay_ms", 'z') && config_param(k, from, "payload", 'm') &&
           config_param(k, from, "id_tracker", 'm');
}

bool config_take(struct kept_config *k, yyjson_val *body)
{
    return quantization_take(k, body) && take_section(k, body, &hnsw_section) &&
           take_section(k, body, &optimizer_section) && take_section(k, body, &wal_section) && strict_take(k, body) &&
           take_metadata(k, body);
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
    if (!take_section(&k, given, &hnsw_section) || !quantization_take(&k, given) ||
        !config_place(call, field_of(given, "memory", NULL))) {
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
