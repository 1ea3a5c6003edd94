/* search.c - the Query API's nearest neighbours, and the older search calls, which are the same. */
#include "qdrant/dialect.h"

#include <math.h>

/* One search, read. */
struct search {
    kith_query q;
    kith_id like;
    bool explain;
    bool scores; /* false: a scroll in disguise, every score is 1 */
};

/* What users of the peer get when they say nothing is its width of 100, which finds about so much; sparse vectors are
 * searched exactly. */
#define USUAL_RECALL 0.98f

static const kith_vector_params *vector_named(const kith_collection_info *info, const char *name)
{
    for (size_t i = 0; i < info->schema.vectors_count; i++) {
        if (strcmp(info->schema.vectors[i].name, name) == 0)
            return &info->schema.vectors[i];
    }
    return NULL;
}

/* How a collection's vector scores, by name; 0 if there is no such vector. */
static kith_metric metric_of(const kith_collection_info *info, const char *name)
{
    const kith_vector_params *v = vector_named(info, name);

    return v ? v->metric : (kith_metric)0;
}

static bool is_sparse(const kith_collection_info *info, const char *name)
{
    const kith_vector_params *v = vector_named(info, name);

    return v && v->element == KITH_SPARSE;
}

/* Their score from our distance, and back (for thresholds). */
static float score_of(kith_metric metric, float distance)
{
    return metric == KITH_EUCLID ? sqrtf(distance) : metric == KITH_MANHATTAN ? distance : -distance;
}

static float distance_of(kith_metric metric, float score)
{
    return metric == KITH_EUCLID ? score * fabsf(score) : metric == KITH_MANHATTAN ? score : -score;
}

/* Ours: the share of the true nearest to find, instead of a width. */
static bool read_target(struct call *call, yyjson_val *v, kith_query *q)
{
    double target = yyjson_is_num(v) ? yyjson_get_num(v) : 0;

    if (!v)
        return true;
    if (target < 0.5 || target > 0.999)
        return read_fail(call, "params.target_recall: expected a number from 0.5 to 0.999");
    q->target_recall = (float)target;
    return true;
}

/* Searches are over codes whether a quantisation was asked for or not, and their best ordered by the originals
 * unless that is not wanted; so `ignore` has nothing to switch off. */
static bool read_quantization(struct call *call, yyjson_val *v, kith_query *q)
{
    yyjson_val *oversampling = field_of(v, "oversampling", NULL);
    bool ignore, rescore;

    if (v && !yyjson_is_obj(v))
        return read_fail(call, "params.quantization: expected an object");
    if (oversampling && !yyjson_is_num(oversampling))
        return read_fail(call, "params.quantization.oversampling: expected a number");
    if (oversampling && yyjson_get_num(oversampling) < 1)
        return read_invalid(call, "params.quantization.oversampling: value %g invalid, must be 1.0 or larger",
                            yyjson_get_num(oversampling));
    if (!read_bool(call, field_of(v, "ignore", NULL), "params.quantization.ignore", false, &ignore) ||
        !read_bool(call, field_of(v, "rescore", NULL), "params.quantization.rescore", true, &rescore))
        return false;
    q->oversampling = oversampling ? (float)yyjson_get_num(oversampling) : 0;
    q->by_codes = !rescore && !ignore;
    return true;
}

/* A walk over the matching rows alone is what their ACORN does. Below its default share we always do so; beyond,
 * if they ask for it by a larger one. */
static bool read_acorn(struct call *call, yyjson_val *v, kith_query *q)
{
    yyjson_val *share = field_of(v, "max_selectivity", NULL);
    bool enable;

    if (v && !yyjson_is_obj(v))
        return read_fail(call, "params.acorn: expected an object");
    if (!read_bool(call, field_of(v, "enable", NULL), "params.acorn.enable", false, &enable))
        return false;
    if (share && !yyjson_is_num(share))
        return read_fail(call, "params.acorn.max_selectivity: expected a number");
    if (share && (yyjson_get_num(share) < 0 || yyjson_get_num(share) > 1))
        return read_invalid(call, "params.acorn.max_selectivity: value %g invalid, must be from 0.0 to 1.0",
                            yyjson_get_num(share));
    q->hop_below = enable && share ? (float)yyjson_get_num(share) : 0;
    return true;
}

static bool read_params(struct call *call, yyjson_val *v, kith_query *q)
{
    uint64_t ef;

    if (!v)
        return read_target(call, NULL, q);
    if (!yyjson_is_obj(v))
        return read_fail(call, "params: expected an object");
    if (!read_count(call, field_of(v, "hnsw_ef", NULL), "params.hnsw_ef", 1, 0, &ef) ||
        !read_bool(call, field_of(v, "exact", NULL), "params.exact", false, &q->exact))
        return false;
    q->ef = (uint32_t)MIN(ef, (uint64_t)UINT32_MAX);
    return config_refuse(call, v, "idf") && read_quantization(call, field_of(v, "quantization", NULL), q) &&
           read_acorn(call, field_of(v, "acorn", NULL), q) &&
           read_bool(call, field_of(v, "indexed_only", NULL), "params.indexed_only", false, &q->indexed_only) &&
           read_target(call, field_of(v, "target_recall", NULL), q);
}

/* What all forms share. */
static bool read_common(struct call *call, yyjson_val *body, struct search *s, bool limit_needed)
{
    yyjson_val *limit = field_of(body, "limit", "top"), *threshold = field_of(body, "score_threshold", NULL);
    uint64_t n, offset;
    const char *explain = call_query(call, "explain");

    if (limit_needed && !limit)
        return read_fail(call, "missing field `limit`");
    if (field_of(body, "shard_key", NULL)) {
        call_fail(call, 400, "Wrong input: Shard key is not supported for collections without custom sharding");
        return false;
    }
    if (!read_options(call, &s->q.timeout_ms) || !read_filter(call, field_of(body, "filter", NULL), &s->q.filter) ||
        !read_params(call, field_of(body, "params", NULL), &s->q) ||
        !read_count(call, limit, "limit", 1, 10, &n) ||
        !read_count(call, field_of(body, "offset", NULL), "offset", 0, 0, &offset) ||
        !read_with_payload(call, field_of(body, "with_payload", NULL), 0, &s->q.select) ||
        !read_with_vector(call, field_of(body, "with_vector", "with_vectors"), &s->q.select))
        return false;
    s->q.limit = (uint32_t)MIN(n, (uint64_t)UINT32_MAX / 4);
    s->q.offset = (uint32_t)MIN(offset, (uint64_t)UINT32_MAX / 4);
    s->explain = s->q.explain = explain && strcmp(explain, "true") == 0;
    if (threshold && !yyjson_is_num(threshold))
        return read_fail(call, "score_threshold: expected a number");
    s->q.has_threshold = threshold != NULL;
    s->q.threshold = threshold ? (float)yyjson_get_num(threshold) : 0;
    return true;
}

static bool read_example(struct call *call, yyjson_val *v, struct search *s)
{
    s->q.kind = KITH_QUERY_NEAREST;
    s->scores = true;
    if (yyjson_is_arr(v)) {
        if (yyjson_is_arr(yyjson_arr_get_first(v)))
            return read_fail(call, "query: multivectors are not supported yet");
        return read_floats(call, v, &s->q.vector.data, &s->q.vector.dim);
    }
    if (yyjson_is_obj(v) && (yyjson_obj_get(v, "indices") || yyjson_obj_get(v, "values")))
        return read_sparse(call, v, &s->q.vector);
    if (yyjson_is_obj(v))
        return read_fail(call, "query: inference is not supported yet");
    s->q.like = &s->like;
    return read_id(call, v, &s->like);
}

static bool read_query(struct call *call, yyjson_val *body, struct search *s)
{
    yyjson_val *query = field_of(body, "query", NULL), *prefetch = field_of(body, "prefetch", NULL);
    yyjson_val *using_vector = field_of(body, "using", NULL), *nearest;

    if (prefetch && !(yyjson_is_arr(prefetch) && yyjson_arr_size(prefetch) == 0))
        return read_fail(call, "prefetch is not supported yet");
    if (field_of(body, "lookup_from", NULL))
        return read_fail(call, "lookup_from is not supported yet");
    if (using_vector && !yyjson_is_str(using_vector))
        return read_fail(call, "using: expected a vector name");
    s->q.using_vector = using_vector ? yyjson_get_str(using_vector) : "";
    if (!read_common(call, body, s, false))
        return false;
    if (!query) {
        if (s->q.has_threshold) {
            call_fail(call, 400, "Bad request: A query is needed to use the score_threshold");
            return false;
        }
        s->q.kind = KITH_QUERY_SCROLL;
        return true;
    }
    if (!yyjson_is_obj(query))
        return read_example(call, query, s);
    if (yyjson_obj_get(query, "indices") || yyjson_obj_get(query, "values"))
        return read_example(call, query, s);
    nearest = yyjson_obj_get(query, "nearest");
    if (!nearest)
        return read_fail(call, "query: only nearest neighbours are supported yet");
    if (field_of(query, "mmr", NULL))
        return read_fail(call, "query.mmr is not supported yet");
    return read_example(call, nearest, s);
}

static bool read_search(struct call *call, yyjson_val *body, struct search *s)
{
    yyjson_val *vector = yyjson_obj_get(body, "vector"), *name;

    if (!vector)
        return read_fail(call, "missing field `vector`");
    if (!read_common(call, body, s, true))
        return false;
    s->q.using_vector = "";
    if (yyjson_is_obj(vector)) {
        name = yyjson_obj_get(vector, "name");
        if (!yyjson_is_str(name))
            return read_fail(call, "vector: expected a list of numbers or {\"name\", \"vector\"}");
        s->q.using_vector = yyjson_get_str(name);
        vector = yyjson_obj_get(vector, "vector");
    }
    if (!yyjson_is_arr(vector) && !(yyjson_is_obj(vector) && yyjson_obj_get(vector, "indices")))
        return read_fail(call, "vector: expected a list of numbers, or {\"indices\", \"values\"}");
    return read_example(call, vector, s);
}

static void put_scored(struct buf *out, const kith_result *r, const struct search *s, kith_metric metric)
{
    buf_u8(out, '[');
    for (size_t i = 0; i < r->count; i++) {
        const kith_hit *h = &r->hits[i];
        buf_text(out, i ? ",{" : "{");
        buf_printf(out, "\"version\":%llu,\"score\":", (unsigned long long)(s->scores ? h->lsn : 0));
        json_put_f32(out, s->scores ? score_of(metric, h->distance) : 1.0f);
        buf_u8(out, ',');
        put_point(out, h, s->q.select.doc != 0, s->q.select.vectors != 0);
        buf_u8(out, '}');
    }
    buf_u8(out, ']');
}

/* Runs one; false: answered with an error. */
static bool run(struct call *call, const kith_collection_info *info, struct search *s, bool wrap)
{
    kith_metric metric = metric_of(info, s->q.using_vector);
    kith_result *r;
    kith_err err;

    if (s->q.has_threshold)
        s->q.threshold = distance_of(metric, s->q.threshold);
    if (s->q.target_recall <= 0 && !is_sparse(info, s->q.using_vector))
        s->q.target_recall = USUAL_RECALL;
    r = kith_query_run(call->server->db, call->params[0], &s->q, &err);
    if (!r) {
        fail_kith(call, &err);
        return false;
    }
    if (wrap)
        buf_text(&call->out, "{\"points\":");
    put_scored(&call->out, r, s, metric);
    if (wrap && s->explain && r->explain)
        buf_printf(&call->out, ",\"explain\":%s", r->explain);
    if (wrap)
        buf_u8(&call->out, '}');
    kith_result_free(r);
    return true;
}

typedef bool (*read_form)(struct call *call, yyjson_val *body, struct search *s);

/* Only the metrics are needed; an info would count points. */
static bool schema_of(struct call *call, kith_collection_info *ret)
{
    kith_err err;

    if (kith_schema_get(call->server->db, call->params[0], &ret->schema, &err) >= 0)
        return true;
    fail_kith(call, &err);
    return false;
}

static void one(struct call *call, read_form read, bool wrap)
{
    yyjson_val *body = want_object(call);
    kith_collection_info info = {0};
    struct search s = {0};

    if (!body || !read(call, body, &s) || !schema_of(call, &info))
        return;
    begin_ok(call);
    if (run(call, &info, &s, wrap))
        finish_ok(call);
    kith_info_free(&info);
}

static void batch(struct call *call, read_form read, bool wrap)
{
    yyjson_val *body = want_object(call), *list, *item;
    kith_collection_info info = {0};
    struct search *searches;
    size_t i, count;
    bool ok = true;

    if (!body)
        return;
    list = yyjson_obj_get(body, "searches");
    searches = arena_zalloc(&call->c.arena, MAX(yyjson_arr_size(list), (size_t)1) * sizeof *searches);
    if (!yyjson_is_arr(list) || !searches) {
        (void)read_fail(call, "searches: expected a list");
        return;
    }
    yyjson_arr_foreach(list, i, count, item) {
        if (!yyjson_is_obj(item)) {
            (void)read_fail(call, "searches[%zu]: expected an object", i);
            return;
        }
        if (!read(call, item, &searches[i]))
            return;
    }
    if (!schema_of(call, &info))
        return;
    begin_ok(call);
    buf_u8(&call->out, '[');
    for (i = 0, count = yyjson_arr_size(list); ok && i < count; i++) {
        if (i)
            buf_u8(&call->out, ',');
        ok = run(call, &info, &searches[i], wrap);
    }
    if (ok) {
        buf_u8(&call->out, ']');
        finish_ok(call);
    }
    kith_info_free(&info);
}

void query_one(struct call *call) { one(call, read_query, true); }
void query_batch(struct call *call) { batch(call, read_query, true); }
void search_one(struct call *call) { one(call, read_search, false); }
void search_batch(struct call *call) { batch(call, read_search, false); }
