/* strict.c - strict mode: what is kept of it, and what it refuses. */
#include "qdrant/shard_keys.h"
#include "qdrant/strict.h"

#include "os/os.h"
#include "serve/rates.h"

#include <math.h>
#include <stdio.h>

enum limit {
    QUERY_LIMIT, TIMEOUT, UNINDEXED_READ, UNINDEXED_WRITE, EF, EXACT, OVERSAMPLING, UPSERTS, SEARCHES, VECTOR_BYTES,
    READ_RATE, WRITE_RATE, PAYLOAD_BYTES, CONDITIONS, CONDITION_SIZE, POINTS, INDEXES, RESIDENT, LIMITS
};

static const struct setting limits[LIMITS] = {
    [QUERY_LIMIT] = {"max_query_limit", 'u', 1},
    [TIMEOUT] = {"max_timeout", 'u', 1},
    [UNINDEXED_READ] = {"unindexed_filtering_retrieve", 'b', 0},
    [UNINDEXED_WRITE] = {"unindexed_filtering_update", 'b', 0},
    [EF] = {"search_max_hnsw_ef", 'u', 0},
    [EXACT] = {"search_allow_exact", 'b', 0},
    [OVERSAMPLING] = {"search_max_oversampling", 'n', 0},
    [UPSERTS] = {"upsert_max_batchsize", 'u', 0},
    [SEARCHES] = {"search_max_batchsize", 'u', 0},
    [VECTOR_BYTES] = {"max_collection_vector_size_bytes", 'u', 0},
    [READ_RATE] = {"read_rate_limit", 'u', 1},
    [WRITE_RATE] = {"write_rate_limit", 'u', 1},
    [PAYLOAD_BYTES] = {"max_collection_payload_size_bytes", 'u', 0},
    [CONDITIONS] = {"filter_max_conditions", 'u', 0},
    [CONDITION_SIZE] = {"condition_max_size", 'u', 0},
    [POINTS] = {"max_points_count", 'u', 1},
    [INDEXES] = {"max_payload_index_count", 'u', 0},
    [RESIDENT] = {"max_resident_memory_percent", 'u', 1},
};

/* ---- what is kept ------------------------------------------------------------------------------------------- */

/* {name: {key: n}} */
static bool take_sizes(struct kept_config *k, yyjson_val *given, const char *what, const char *key,
                       yyjson_mut_val *section)
{
    yyjson_val *v = field_of(given, what, NULL), *name, *item;
    yyjson_mut_val *sizes;
    size_t i, count;
    uint64_t n;

    if (!v)
        return true;
    if (!yyjson_is_obj(v))
        return read_fail(k->call, "strict_mode_config.%s: expected an object by vector name", what);
    sizes = yyjson_mut_obj(k->doc);
    yyjson_obj_foreach(v, i, count, name, item) {
        yyjson_val *size = field_of(item, key, NULL);
        yyjson_mut_val *one = yyjson_mut_obj_add_obj(k->doc, sizes, yyjson_get_str(name));
        if (!yyjson_is_obj(item))
            return read_fail(k->call, "strict_mode_config.%s: expected {\"%s\": n} for each name", what, key);
        if (!size)
            continue;
        if (!read_count(k->call, size, key, 1, 1, &n))
            return false;
        yyjson_mut_obj_add_uint(k->doc, one, key, n);
    }
    yyjson_mut_obj_put(section, yyjson_mut_strcpy(k->doc, what), sizes);
    return true;
}

bool strict_take(struct kept_config *k, yyjson_val *body)
{
    yyjson_val *given = field_of(body, "strict_mode_config", NULL);
    yyjson_mut_val *section = yyjson_mut_obj_get(k->root, "strict_mode_config");
    static const struct setting enabled = {"enabled", 'b', 0};

    if (!given)
        return true;
    if (!yyjson_is_obj(given))
        return read_fail(k->call, "strict_mode_config: expected an object");
    if (!section)
        section = yyjson_mut_obj_add_obj(k->doc, k->root, "strict_mode_config");
    if (!config_setting(k, "strict_mode_config", &enabled, given, section))
        return false;
    for (size_t i = 0; i < LIMITS; i++) {
        if (!config_setting(k, "strict_mode_config", &limits[i], given, section))
            return false;
    }
    return take_sizes(k, given, "multivector_config", "max_vectors", section) &&
           take_sizes(k, given, "sparse_config", "max_length", section);
}

/* ---- what holds -------------------------------------------------------------------------------------------- */

struct strict {
    struct call *call;
    const kith_schema *schema;
    bool on;
    double at[LIMITS];                      /* NAN: none; booleans 0 or 1 */
    double most_vectors[64], most_length[64]; /* of the schema's vectors; NAN: any */
};

static double number_of(yyjson_val *v)
{
    return yyjson_is_bool(v) ? yyjson_get_bool(v) : yyjson_is_num(v) ? yyjson_get_num(v) : (double)NAN;
}

static void read_limits(struct strict *s, yyjson_val *from)
{
    yyjson_val *multi = yyjson_obj_get(from, "multivector_config"), *sparse = yyjson_obj_get(from, "sparse_config");

    for (size_t i = 0; i < LIMITS; i++)
        s->at[i] = number_of(yyjson_obj_get(from, limits[i].key));
    for (size_t i = 0; i < MIN(s->schema->vectors_count, ARRAY_SIZE(s->most_vectors)); i++) {
        const char *name = s->schema->vectors[i].name;
        s->most_vectors[i] = number_of(yyjson_obj_get(yyjson_obj_get(multi, name), "max_vectors"));
        s->most_length[i] = number_of(yyjson_obj_get(yyjson_obj_get(sparse, name), "max_length"));
    }
}

/* Most collections have none, which is seen without parsing. */
static void open_strict(struct strict *s, struct call *call, const kith_schema *schema)
{
    yyjson_doc *doc;
    yyjson_val *from;

    s->call = call;
    s->schema = schema;
    s->on = false;
    if (!schema->config || !strstr(schema->config, "\"strict_mode_config\""))
        return;
    doc = yyjson_read(schema->config, strlen(schema->config), 0);
    from = yyjson_obj_get(yyjson_doc_get_root(doc), "strict_mode_config");
    s->on = yyjson_get_bool(yyjson_obj_get(from, "enabled"));
    if (s->on)
        read_limits(s, from);
    yyjson_doc_free(doc);
}

static bool refuse(const struct strict *s, enum limit which, double value)
{
    const char *name = limits[which].key;

    call_fail(s->call, 400, "Bad request: Limit exceeded %.15g > %.15g for \"%s\". Help: Stay at or below %.15g, or "
                            "raise \"%s\" in the collection's strict_mode_config.", value, s->at[which], name,
              s->at[which], name);
    return false;
}

static bool within(const struct strict *s, enum limit which, double value)
{
    return !(value > s->at[which]) || refuse(s, which, value);
}

static bool in_time(const struct strict *s)
{
    const char *text = call_query(s->call, "timeout");

    return !text || within(s, TIMEOUT, strtod(text, NULL));
}

static bool in_rate(const struct strict *s, enum limit which, double cost)
{
    char key[320];
    uint32_t wait;

    if (isnan(s->at[which]))
        return true;
    snprintf(key, sizeof key, "%c%s", which == READ_RATE ? 'r' : 'w', s->call->params[0]);
    wait = rates_take(s->call->server->rates, key, s->at[which], cost, os_linux()->mono_ns(os_linux()));
    if (!wait)
        return true;
    s->call->retry_after = wait;
    call_fail(s->call, 429, "Rate limiting exceeded: %s rate limit exceeded: Operation requires %.0f tokens, and there "
                            "are %.0f a minute. Retry after %us", which == READ_RATE ? "Read" : "Write", cost,
              s->at[which], wait);
    return false;
}

/* ---- filters ------------------------------------------------------------------------------------------------ */

static uint32_t bit(kith_index_kind kind)
{
    return 1u << kind;
}

/* The kinds of indexes that answer a condition; 0: it needs none. */
static uint32_t kinds_for(const kith_filter *f)
{
    const uint32_t any = ~0u, words = bit(KITH_INDEX_TEXT), strings = bit(KITH_INDEX_KEYWORD) | bit(KITH_INDEX_UUID);

    switch (f->kind) {
    case KITH_COND_MATCH: case KITH_COND_EXCEPT:
        if (!f->values_count)
            return any;
        return f->values[0].kind == KITH_VALUE_STR ? strings
               : f->values[0].kind == KITH_VALUE_BOOL ? bit(KITH_INDEX_BOOL) : bit(KITH_INDEX_INTEGER);
    case KITH_COND_PREFIX: case KITH_COND_SUBSTRING:
        return bit(KITH_INDEX_KEYWORD);
    case KITH_COND_RANGE:
        return bit(KITH_INDEX_INTEGER) | bit(KITH_INDEX_FLOAT);
    case KITH_COND_DATETIME:
        return bit(KITH_INDEX_DATETIME);
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY: case KITH_COND_PHRASE:
        return words;
    case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        return bit(KITH_INDEX_GEO);
    case KITH_COND_VALUES_COUNT: case KITH_COND_IS_EMPTY: case KITH_COND_IS_NULL: case KITH_COND_FIELD_EMPTY:
    case KITH_COND_FIELD_NULL:
        return any;
    case KITH_COND_ALL: case KITH_COND_ANY: case KITH_COND_NONE: case KITH_COND_AT_LEAST: case KITH_COND_HAS_ID:
    case KITH_COND_HAS_VECTOR: case KITH_COND_NESTED: case KITH_COND_SLICE:
        break;
    }
    return 0;
}

static bool has_index(const struct strict *s, const char *path, uint32_t kinds)
{
    for (size_t i = 0; i < s->schema->fields_count; i++) {
        const kith_field *f = &s->schema->fields[i];
        if (f->index != KITH_INDEX_NONE && strcmp(f->path, path) == 0 && (kinds & bit(f->index)))
            return true;
    }
    return false;
}

static bool want_index(const struct strict *s, const char *path, uint32_t kinds)
{
    if (!kinds || has_index(s, path, kinds))
        return true;
    call_fail(s->call, 400, "Bad request: Index required but not found for \"%.100s\". Help: Create a payload index for "
                            "this key, or filter by another one.", path);
    return false;
}

struct filtering {
    const struct strict *s;
    enum limit unindexed;
    uint32_t conditions;
    char prefix[512]; /* of nested conditions */
};

static bool look_at(struct filtering *x, const kith_filter *f);

static bool look_at_nested(struct filtering *x, const kith_filter *f)
{
    size_t n = strlen(x->prefix), path = f->path ? strlen(f->path) : 0;
    bool listed = path >= 2 && strcmp(f->path + path - 2, "[]") == 0, ok;

    if (n + path + 4 < sizeof x->prefix)
        snprintf(x->prefix + n, sizeof x->prefix - n, "%s%s.", f->path, listed ? "" : "[]");
    ok = look_at(x, &f->subs[0]);
    x->prefix[n] = 0;
    return ok;
}

static bool look_at(struct filtering *x, const kith_filter *f)
{
    uint32_t kinds = kinds_for(f);
    char path[1024];

    if (f->kind == KITH_COND_NESTED)
        return look_at_nested(x, f);
    for (size_t i = 0; i < f->subs_count; i++) {
        if (!look_at(x, &f->subs[i]))
            return false;
    }
    if (f->kind <= KITH_COND_AT_LEAST)
        return true;
    x->conditions++;
    if (!within(x->s, CONDITION_SIZE, (double)MAX(f->values_count, f->ids_count)))
        return false;
    if (x->s->at[x->unindexed] != 0.0 || !kinds) /* only `false` forbids */
        return true;
    snprintf(path, sizeof path, "%s%s", x->prefix, f->path);
    return want_index(x->s, path, kinds);
}

static bool check_filter(const struct strict *s, const kith_filter *f, enum limit unindexed)
{
    struct filtering x = {.s = s, .unindexed = unindexed};

    return !f || (look_at(&x, f) && within(s, CONDITIONS, x.conditions));
}

/* ---- reads -------------------------------------------------------------------------------------------------- */

static bool check_expression(const struct strict *s, const kith_expr *e)
{
    bool field = e->kind == KITH_EXPR_FIELD || e->kind == KITH_EXPR_GEO_DISTANCE || e->kind == KITH_EXPR_DATETIME;

    if (field && s->at[UNINDEXED_READ] == 0.0 && !want_index(s, e->path, ~0u))
        return false;
    if (!check_filter(s, e->filter, UNINDEXED_READ))
        return false;
    for (size_t i = 0; i < e->args_count; i++) {
        if (!check_expression(s, &e->args[i]))
            return false;
    }
    return true;
}

static bool check_level(const struct strict *s, const kith_query *q, uint64_t times, double *cost)
{
    *cost += 1;
    if (!within(s, QUERY_LIMIT, (double)q->limit * (double)times) || !within(s, EF, q->ef) ||
        !within(s, OVERSAMPLING, (double)q->oversampling) || !check_filter(s, q->filter, UNINDEXED_READ) ||
        !check_filter(s, q->idf_corpus, UNINDEXED_READ) || (q->formula && !check_expression(s, q->formula)))
        return false;
    if (q->exact && s->at[EXACT] == 0.0) {
        call_fail(s->call, 400, "Bad request: \"exact\" searches are not allowed. Help: Leave \"exact\" out, or set "
                                "\"search_allow_exact\" in the collection's strict_mode_config.");
        return false;
    }
    for (size_t i = 0; i < q->prefetch_count; i++) {
        if (!check_level(s, &q->prefetch[i], 1, cost))
            return false;
    }
    return true;
}

bool strict_query(struct call *call, const kith_schema *schema, const kith_query *q, uint64_t times, const char *path)
{
    struct strict s;
    double cost = 0;

    open_strict(&s, call, schema);
    if (!s.on)
        return true;
    return in_time(&s) && check_level(&s, q, times, &cost) &&
           (!path || s.at[UNINDEXED_READ] != 0.0 || want_index(&s, path, ~0u)) && in_rate(&s, READ_RATE, cost);
}

bool strict_batch(struct call *call, const kith_schema *schema, size_t searches)
{
    struct strict s;

    open_strict(&s, call, schema);
    return !s.on || within(&s, SEARCHES, (double)searches);
}

/* Runs a check of the collection's own schema. */
static bool with_schema(struct call *call, bool (*check)(const struct strict *s, void *arg), void *arg)
{
    kith_schema schema;
    struct strict s;
    bool ok = true;

    if (kith_schema_get(call->server->db, call->params[0], &schema, NULL) < 0)
        return true; /* what follows says so */
    open_strict(&s, call, &schema);
    if (s.on)
        ok = check(&s, arg);
    kith_schema_free(&schema);
    return ok;
}

struct reading {
    uint64_t limit;
    const kith_filter *filter;
    const char *path;
};

static bool check_read(const struct strict *s, void *arg)
{
    const struct reading *r = arg;

    return in_time(s) && within(s, QUERY_LIMIT, (double)r->limit) && check_filter(s, r->filter, UNINDEXED_READ) &&
           (!r->path || s->at[UNINDEXED_READ] != 0.0 || want_index(s, r->path, ~0u)) && in_rate(s, READ_RATE, 1);
}

bool strict_read(struct call *call, uint64_t limit, const kith_filter *filter, const char *path)
{
    struct reading r = {limit, filter, path};

    return with_schema(call, check_read, &r);
}

/* ---- writes ------------------------------------------------------------------------------------------------- */

struct write_ops {
    const kith_op *ops;
    size_t count;
};

static bool check_vector(const struct strict *s, const kith_vector *v)
{
    for (size_t i = 0; i < MIN(s->schema->vectors_count, ARRAY_SIZE(s->most_vectors)); i++) {
        if (strcmp(s->schema->vectors[i].name, v->name ? v->name : "") != 0)
            continue;
        if (v->count > s->most_vectors[i] || (v->element == KITH_SPARSE && v->dim > s->most_length[i])) {
            bool sparse = v->element == KITH_SPARSE;
            call_fail(s->call, 400, "Bad request: Limit exceeded %u > %.0f for \"%s\" of vector \"%.80s\". Help: Write "
                                    "shorter vectors, or raise the limit in the collection's strict_mode_config.",
                      sparse ? v->dim : v->count, sparse ? s->most_length[i] : s->most_vectors[i],
                      sparse ? "max_length" : "max_vectors", s->schema->vectors[i].name);
            return false;
        }
    }
    return true;
}

static bool check_points(const struct strict *s, const kith_op *op)
{
    if (!within(s, UPSERTS, (double)op->points_count))
        return false;
    for (size_t i = 0; i < op->points_count; i++) {
        for (size_t j = 0; j < op->points[i].vectors_count; j++) {
            if (!check_vector(s, &op->points[i].vectors[j]))
                return false;
        }
    }
    return true;
}

/* A limit that is reached already. */
static bool below(const struct strict *s, enum limit which, double value)
{
    if (!(value >= s->at[which]))
        return true;
    call_fail(s->call, 400, "Bad request: The limit %.0f of \"%s\" is reached: %.0f. Help: Delete points, or raise it "
                            "in the collection's strict_mode_config.", s->at[which], limits[which].key, value);
    return false;
}

/* What the collection takes already. */
static bool check_size(const struct strict *s, bool vectors, bool documents)
{
    double vector_bytes = 0, document_bytes = 0;
    kith_watched watched;
    kith_memory m;

    if (vectors && !isnan(s->at[POINTS]) && kith_watch(s->call->server->db, s->call->params[0], &watched) > 0 &&
        !below(s, POINTS, (double)watched.points))
        return false;
    if (!isnan(s->at[RESIDENT]) &&
        !below(s, RESIDENT, 100 * (double)os_resident_bytes() / (double)os_memory_bytes()))
        return false;
    if (isnan(s->at[VECTOR_BYTES]) && isnan(s->at[PAYLOAD_BYTES]))
        return true;
    if (kith_memory_get(s->call->server->db, s->call->params[0], &m, NULL) < 0)
        return true;
    for (size_t i = 0; i < m.count; i++) {
        double bytes = (double)m.parts[i].stored + (double)m.parts[i].held;
        vector_bytes += strcmp(m.parts[i].what, "vectors") == 0 ? bytes : 0;
        document_bytes += strcmp(m.parts[i].what, "documents") == 0 ? bytes : 0;
    }
    kith_memory_free(&m);
    return (!vectors || below(s, VECTOR_BYTES, vector_bytes)) && (!documents || below(s, PAYLOAD_BYTES, document_bytes));
}

static bool check_write(const struct strict *s, void *arg)
{
    const struct write_ops *w = arg;
    bool vectors = false, documents = false;

    for (size_t i = 0; i < w->count; i++) {
        const kith_op *op = &w->ops[i];
        if (!check_points(s, op) || !check_filter(s, op->filter, UNINDEXED_WRITE) ||
            !check_filter(s, op->only_if, UNINDEXED_WRITE))
            return false;
        vectors = vectors || op->kind == KITH_UPSERT || op->kind == KITH_UPDATE_VECTORS;
        documents = documents || op->kind == KITH_UPSERT || op->kind == KITH_SET_DOC || op->kind == KITH_OVERWRITE_DOC;
    }
    return ((!vectors && !documents) || check_size(s, vectors, documents)) && in_rate(s, WRITE_RATE, (double)w->count);
}

bool strict_write(struct call *call, const kith_op *ops, size_t count)
{
    struct write_ops w = {ops, count};

    return with_schema(call, check_write, &w);
}

static bool check_index(const struct strict *s, void *arg)
{
    size_t indexes = 0;

    for (size_t i = 0; i < s->schema->fields_count; i++) {
        indexes += s->schema->fields[i].index != KITH_INDEX_NONE && strcmp(s->schema->fields[i].path, shard_key_path);
        if (strcmp(s->schema->fields[i].path, arg) == 0)
            return true;
    }
    return within(s, INDEXES, (double)indexes + 1);
}

bool strict_index(struct call *call, const char *path)
{
    return with_schema(call, check_index, (void *)(uintptr_t)path);
}
