/* vectors.c - the vectors of a collection: as they are defined, added to it and taken from it. */
#include "qdrant/dialect.h"

#include <stdio.h>
#include <stdlib.h>

static bool read_metric(struct call *call, yyjson_val *v, kith_metric *ret)
{
    static const char *const names[] = {"Cosine", "Dot", "Euclid", "Manhattan"};
    static const kith_metric metrics[] = {KITH_COSINE, KITH_DOT, KITH_EUCLID, KITH_MANHATTAN};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (yyjson_equals_str(v, names[i])) {
            *ret = metrics[i];
            return true;
        }
    }
    return read_fail(call, "distance: unknown variant `%.40s`, expected one of `Cosine`, `Euclid`, `Dot`, `Manhattan`",
                     yyjson_is_str(v) ? yyjson_get_str(v) : "");
}

static bool read_datatype(struct call *call, yyjson_val *v, kith_element *ret)
{
    static const char *const names[] = {"float32", "float16", "uint8", "turbo4", "turbo8", "turbo16"};
    static const kith_element elements[] = {KITH_F32, KITH_F16, KITH_U8, KITH_SCALED4, KITH_SCALED8, KITH_F16};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (yyjson_equals_str(v, names[i])) {
            *ret = elements[i];
            return true;
        }
    }
    return read_fail(call, "datatype: unknown variant `%.40s`, expected one of `float32`, `uint8`, `float16`, `turbo4`, "
                     "`turbo8`, `turbo16`", yyjson_is_str(v) ? yyjson_get_str(v) : "");
}

static bool read_multi(struct call *call, yyjson_val *v, kith_vector_params *to)
{
    if (v && !yyjson_equals_str(yyjson_obj_get(v, "comparator"), "max_sim"))
        return read_fail(call, "multivector_config: expected {\"comparator\": \"max_sim\"}");
    to->multi = v != NULL;
    return true;
}

static bool read_vector_params(struct call *call, const char *name, yyjson_val *v, kith_vector_params *to)
{
    yyjson_val *size = yyjson_obj_get(v, "size"), *datatype = field_of(v, "datatype", NULL);
    const char *config;

    if (!yyjson_is_obj(v) || !yyjson_is_uint(size))
        return read_fail(call, "vectors: expected {\"size\": n, \"distance\": name} or an object of such by name");
    if (yyjson_get_uint(size) < 1 || yyjson_get_uint(size) > 65536)
        return read_invalid(call, "vectors.size: value %llu invalid, must be from 1 to 65536",
                            (unsigned long long)yyjson_get_uint(size));
    if (!read_metric(call, yyjson_obj_get(v, "distance"), &to->metric))
        return false;
    if (!read_multi(call, field_of(v, "multivector_config", NULL), to))
        return false;
    if (datatype && !read_datatype(call, datatype, &to->element))
        return false;
    to->name = name;
    to->dim = (uint32_t)yyjson_get_uint(size);
    config = config_vector(call, NULL, v);
    if (!config) /* answered: what the call had in memory is gone */
        return false;
    to->config = config;
    return true;
}

/* Only what is known: clients refuse other keys. In the arena. */
static char *sparse_config(struct call *call, yyjson_val *index, yyjson_val *modifier)
{
    static const char *const known[] = {"full_scan_threshold", "on_disk", "memory", "datatype"};
    struct buf text;
    char *copy;

    buf_init(&text);
    buf_u8(&text, '{');
    if (index)
        buf_text(&text, "\"index\":");
    for (size_t i = 0, n = 0; index && i < ARRAY_SIZE(known); i++) {
        yyjson_val *x = field_of(index, known[i], NULL);
        if (x) {
            buf_printf(&text, "%s\"%s\":", n++ ? "," : "{", known[i]);
            json_put_val(&text, x);
        }
        if (i + 1 == ARRAY_SIZE(known))
            buf_text(&text, n ? "}" : "{}");
    }
    if (modifier)
        buf_printf(&text, "%s\"modifier\":\"%s\"", index ? "," : "", yyjson_get_str(modifier));
    buf_u8(&text, '}');
    copy = text.failed ? NULL : arena_str(&call->c.arena, (char *)text.data, text.size);
    buf_release(&text);
    return copy;
}

/* Weights are kept as they came, whichever it is: what is asked for is an approximation. */
static bool is_sparse_datatype(struct call *call, yyjson_val *v)
{
    kith_element element;

    if (yyjson_is_str(v) && strncmp(yyjson_get_str(v), "turbo", 5) == 0) {
        call_fail(call, 400, "Bad request: datatype %.40s is not one of sparse vectors", yyjson_get_str(v));
        return false;
    }
    return !v || read_datatype(call, v, &element);
}

static bool read_sparse_params(struct call *call, const char *name, yyjson_val *v, kith_vector_params *to)
{
    yyjson_val *index = field_of(v, "index", NULL), *datatype = field_of(index, "datatype", NULL);
    yyjson_val *modifier = field_of(v, "modifier", NULL);
    char *text;

    if (!yyjson_is_obj(v) || (index && !yyjson_is_obj(index)))
        return read_fail(call, "sparse_vectors: expected an object of {\"index\"?, \"modifier\"?} by name");
    if (!name[0]) {
        call_fail(call, 400, "Wrong input: sparse vector name cannot be empty");
        return false;
    }
    if (modifier && !yyjson_equals_str(modifier, "none") && !yyjson_equals_str(modifier, "idf"))
        return read_fail(call, "modifier: unknown variant, expected one of `none`, `idf`");
    if (!is_sparse_datatype(call, datatype) || !config_place(call, field_of(index, "memory", NULL)))
        return false;
    text = sparse_config(call, index, modifier);
    *to = (kith_vector_params){.name = name, .metric = KITH_DOT, .config = text, .element = KITH_SPARSE,
                               .idf = yyjson_equals_str(modifier, "idf")};
    return text || read_fail(call, "out of memory");
}

const char *vectors_change_sparse(struct call *call, const kith_vector_params *now, yyjson_val *given, bool *idf)
{
    yyjson_doc *doc = yyjson_read(now->config ? now->config : "{}", now->config ? strlen(now->config) : 2, 0);
    yyjson_val *index = yyjson_obj_get(yyjson_doc_get_root(doc), "index"), *key, *v;
    yyjson_mut_doc *to = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(to), *both = yyjson_mut_obj_add_obj(to, root, "index");
    yyjson_doc *merged = NULL;
    kith_vector_params checked;
    const char *text = NULL;
    size_t i, count;

    yyjson_mut_doc_set_root(to, root);
    yyjson_obj_foreach(index, i, count, key, v)
        yyjson_mut_obj_put(both, yyjson_val_mut_copy(to, key), yyjson_val_mut_copy(to, v));
    yyjson_obj_foreach(field_of(given, "index", NULL), i, count, key, v)
        yyjson_mut_obj_put(both, yyjson_val_mut_copy(to, key), yyjson_val_mut_copy(to, v));
    if (field_of(given, "modifier", NULL))
        yyjson_mut_obj_add_val(to, root, "modifier", yyjson_val_mut_copy(to, field_of(given, "modifier", NULL)));
    else if (now->idf)
        yyjson_mut_obj_add_str(to, root, "modifier", "idf");
    merged = yyjson_mut_doc_imut_copy(to, NULL);
    if (!merged)
        (void)read_fail(call, "out of memory");
    else if (read_sparse_params(call, now->name, yyjson_doc_get_root(merged), &checked)) {
        text = checked.config;
        *idf = checked.idf;
    }
    yyjson_doc_free(merged);
    yyjson_mut_doc_free(to);
    yyjson_doc_free(doc);
    return text;
}

bool vectors_read(struct call *call, yyjson_val *v, yyjson_val *sparse, kith_schema *to)
{
    size_t i, count, n = 0;
    yyjson_val *key, *item;
    kith_vector_params *vectors;

    if ((v && !yyjson_is_obj(v)) || (sparse && !yyjson_is_obj(sparse)))
        return read_fail(call, "%s: expected an object", v && !yyjson_is_obj(v) ? "vectors" : "sparse_vectors");
    vectors = arena_zalloc(&call->c.arena, (yyjson_obj_size(v) + yyjson_obj_size(sparse) + 1) * sizeof *vectors);
    if (!vectors)
        return read_fail(call, "out of memory");
    yyjson_obj_foreach(sparse, i, count, key, item) {
        if (!read_sparse_params(call, yyjson_get_str(key), item, &vectors[n++]))
            return false;
    }
    if (yyjson_is_uint(yyjson_obj_get(v, "size"))) {
        if (!read_vector_params(call, "", v, &vectors[n++]))
            return false;
    } else {
        yyjson_obj_foreach(v, i, count, key, item) {
            if (!read_vector_params(call, yyjson_get_str(key), item, &vectors[n++]))
                return false;
        }
    }
    to->vectors = vectors;
    to->vectors_count = n;
    return true;
}

/* ---- coming and going --------------------------------------------------------------------------------- */

void answer_update(struct call *call, const char *status)
{
    kith_stats s;

    kith_stats_get(call->server->db, &s);
    begin_ok(call);
    buf_printf(&call->out, "{\"operation_id\":%llu,\"status\":\"%s\"}", (unsigned long long)s.log_lsn, status);
    finish_ok(call);
}

/* {"dense": {...}} or {"sparse": {modifier, datatype}}: the latter as in a collection's sparse_vectors. */
static bool read_new_vector(struct call *call, yyjson_val *body, kith_vector_params *to)
{
    yyjson_val *dense = field_of(body, "dense", NULL), *sparse = field_of(body, "sparse", NULL);
    yyjson_val *datatype = field_of(sparse, "datatype", NULL);

    if (!dense == !sparse)
        return read_fail(call, "expected one of `dense` and `sparse`");
    if (dense)
        return read_vector_params(call, call->params[1], dense, to);
    return is_sparse_datatype(call, datatype) && read_sparse_params(call, call->params[1], sparse, to);
}

/* 1: it is there already, just so; 0: it may come; -1: answered. */
static int compare_there(struct call *call, const kith_schema *now, const kith_vector_params *v)
{
    for (size_t i = 0; i < now->vectors_count; i++) {
        const kith_vector_params *there = &now->vectors[i];
        if (strcmp(there->name, v->name) == 0) {
            if (there->dim == v->dim && there->metric == v->metric && there->element == v->element &&
                there->idf == v->idf && there->multi == v->multi)
                return 1;
            call_fail(call, 400, "Bad request: vector %.80s exists already, with another configuration", v->name);
            return -1;
        }
        if (!there->name[0] && v->element != KITH_SPARSE) {
            call_fail(call, 400, "Bad request: the collection has an unnamed vector; named dense ones cannot stand "
                                 "beside it");
            return -1;
        }
    }
    return 0;
}

/* False: answered. */
static bool tune(struct call *call, const kith_schema *now, kith_vector_params *v)
{
    struct kept_config k;

    if (!config_open(&k, call, now->config ? now->config : config_default))
        return false;
    config_tune(&k, v);
    return config_close(&k) != NULL;
}

void vectors_create(struct call *call)
{
    yyjson_val *body = want_object(call);
    kith_vector_params v = {0};
    kith_schema now;
    kith_err err;
    int there;

    if (!body || !read_new_vector(call, body, &v))
        return;
    if (!v.name[0]) {
        call_fail(call, 400, "Bad request: vector_name: expected a name");
        return;
    }
    if (kith_schema_get(call->server->db, call->params[0], &now, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    there = compare_there(call, &now, &v);
    if (there == 0 && !tune(call, &now, &v))
        there = -1;
    kith_schema_free(&now);
    if (there < 0)
        return;
    if (there == 0 && kith_vector_add(call->server->db, call->params[0], &v, &err) < 0)
        fail_kith(call, &err);
    else
        answer_update(call, "completed");
}

void vectors_drop(struct call *call)
{
    kith_err err;

    if (kith_vector_drop(call->server->db, call->params[0], call->params[1], &err) < 0) {
        bool collection = kith_exists(call->server->db, call->params[0], NULL);
        if (err.code == KITH_NOT_FOUND && collection)
            call_fail(call, 400, "Wrong input: %s", err.text);
        else
            fail_kith(call, &err);
        return;
    }
    answer_update(call, "completed");
}
