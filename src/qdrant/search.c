/* search.c - the Query API and the older calls for the same: what query.c has read is run, and written. */
#include "qdrant/search.h"
#include "qdrant/strict.h"

#include "codec/pb.h"

#include <math.h>

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

/* The nearest to something: scored as its metric says. */
static bool is_by_distance(const kith_query *q)
{
    return q->kind == KITH_QUERY_NEAREST || (q->kind == KITH_QUERY_RECOMMEND && q->strategy == KITH_AVERAGE);
}

/* What only the schema tells, at every level. */
static void finish_levels(const kith_collection_info *info, kith_query *q)
{
    if (q->has_threshold)
        q->threshold = is_by_distance(q) ? distance_of(metric_of(info, q->using_vector), q->threshold) : -q->threshold;
    if (q->target_recall <= 0 && !is_sparse(info, q->using_vector))
        q->target_recall = USUAL_RECALL;
    for (size_t i = 0; i < q->prefetch_count; i++)
        finish_levels(info, (kith_query *)(uintptr_t)&q->prefetch[i]); /* they are in this call's arena */
}

bool search_read_top(struct call *call, yyjson_val *body, struct search *s)
{
    uint64_t offset;

    if (!read_options(call, &s->q.timeout_ms) || !param_flag(call, "explain", &s->q.explain) ||
        !read_count(call, field_of(body, "offset", NULL), "offset", 0, 0, &offset) ||
        !read_with_payload(call, field_of(body, "with_payload", NULL), 0, &s->q.select) ||
        !read_with_vector(call, field_of(body, "with_vector", "with_vectors"), &s->q.select))
        return false;
    s->q.offset = (uint32_t)MIN(offset, (uint64_t)UINT32_MAX / 4);
    return true;
}

static bool read_query(struct call *call, yyjson_val *body, struct search *s)
{
    return query_read(call, body, &s->q) && search_read_top(call, body, s);
}

/* The older calls must say a limit. */
static bool read_old(struct call *call, yyjson_val *body, struct search *s,
                     bool (*what)(struct call *call, yyjson_val *body, kith_query *q))
{
    yyjson_val *limit = field_of(body, "limit", "top");
    uint64_t n;

    if (!limit)
        return read_fail(call, "missing field `limit`");
    if (!what(call, body, &s->q) || !query_read_filter_and_params(call, body, &s->q) ||
        !search_read_top(call, body, s) ||
        !read_count(call, limit, "limit", 1, 10, &n))
        return false;
    s->q.limit = (uint32_t)MIN(n, (uint64_t)UINT32_MAX / 4);
    return true;
}

static bool read_search(struct call *call, yyjson_val *body, struct search *s)
{
    return read_old(call, body, s, query_read_search);
}

static bool read_recommend(struct call *call, yyjson_val *body, struct search *s)
{
    return read_old(call, body, s, query_read_recommend);
}

static bool read_discover(struct call *call, yyjson_val *body, struct search *s)
{
    return read_old(call, body, s, query_read_discover);
}

/* Scrolls and samples in disguise: every score is 1. */
static bool has_scores(const kith_query *q)
{
    return q->kind != KITH_QUERY_SCROLL && q->kind != KITH_QUERY_ORDER_BY && q->kind != KITH_QUERY_SAMPLE;
}

float search_score(const struct search *s, const kith_hit *h)
{
    if (!has_scores(&s->q))
        return 1;
    return is_by_distance(&s->q) ? score_of(s->metric, h->distance) : -h->distance;
}

uint64_t search_version(const struct search *s, const kith_hit *h)
{
    return has_scores(&s->q) ? h->lsn : 0;
}

void search_put(struct buf *out, const struct search *s, const kith_hit *h)
{
    buf_text(out, "{\"version\":");
    json_put_u64(out, search_version(s, h));
    buf_text(out, ",\"score\":");
    json_put_f32(out, search_score(s, h));
    buf_u8(out, ',');
    put_point(out, h, s->sharded, select_shows(&s->q.select), s->q.select.vectors != 0);
    if (s->q.kind == KITH_QUERY_ORDER_BY)
        put_order_value(out, h);
    buf_u8(out, '}');
}

static void put_hits(struct call *call, const struct search *s, const kith_result *r, bool wrap)
{
    struct buf *out = &call->out;

    if (wrap)
        buf_text(out, "{\"points\":");
    buf_u8(out, '[');
    for (size_t i = 0; i < r->count; i++) {
        if (i)
            buf_u8(out, ',');
        search_put(out, s, &r->hits[i]);
    }
    buf_u8(out, ']');
    if (wrap && s->q.explain && r->explain)
        buf_printf(out, ",\"explain\":%s", r->explain);
    if (wrap)
        buf_u8(out, '}');
}

/* Of a collection with custom sharding the keys are read too. */
static bool search_shard(struct call *call, const kith_schema *schema, struct search *s)
{
    s->sharded = shard_is_custom(schema);
    return !s->sharded || shard_select(call, &s->q.select);
}

/* Runs one; false: answered with an error. */
static bool run(struct call *call, const kith_collection_info *info, struct search *s, bool wrap)
{
    kith_result *r;
    kith_err err;

    if (!strict_query(call, &info->schema, &s->q, 1, NULL) ||
        !search_shard(call, &info->schema, s))
        return false;
    s->metric = metric_of(info, s->q.using_vector);
    finish_levels(info, &s->q);
    r = kith_query_run(call->server->db, call->params[0], &s->q, &err);
    if (!r) {
        fail_kith(call, &err);
        return false;
    }
    for (size_t i = 0; call->rpc && i < r->count; i++)
        rpc_put_scored(&call->out, 1, s, &r->hits[i]);
    if (!call->rpc)
        put_hits(call, s, r, wrap);
    kith_result_free(r);
    return true;
}

bool search_finish(struct call *call, struct search *s, uint64_t times, const char *path)
{
    kith_collection_info info = {0};
    kith_err err;
    bool ok;

    if (kith_schema_get(call->server->db, call->params[0], &info.schema, &err) < 0) {
        fail_kith(call, &err);
        return false;
    }
    s->metric = metric_of(&info, s->q.using_vector);
    ok = strict_query(call, &info.schema, &s->q, times, path) &&
         search_shard(call, &info.schema, s);
    if (ok)
        finish_levels(&info, &s->q);
    kith_info_free(&info);
    return ok;
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
    hits_begin(call);
    if (run(call, &info, &s, wrap))
        hits_finish(call, 2);
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
    if (!strict_batch(call, &info.schema, yyjson_arr_size(list))) {
        kith_info_free(&info);
        return;
    }
    hits_begin(call);
    if (!call->rpc)
        buf_u8(&call->out, '[');
    for (i = 0, count = yyjson_arr_size(list); ok && i < count; i++) {
        size_t mark = call->rpc ? pb_begin(&call->out, 1) : 0;
        if (i && !call->rpc)
            buf_u8(&call->out, ',');
        ok = run(call, &info, &searches[i], wrap);
        if (ok && call->rpc)
            pb_end(&call->out, mark);
    }
    if (ok) {
        if (!call->rpc)
            buf_u8(&call->out, ']');
        hits_finish(call, 2);
    }
    kith_info_free(&info);
}

void query_one(struct call *call) { one(call, read_query, true); }
void query_batch(struct call *call) { batch(call, read_query, true); }
void search_one(struct call *call) { one(call, read_search, false); }
void search_batch(struct call *call) { batch(call, read_search, false); }
void recommend_one(struct call *call) { one(call, read_recommend, false); }
void recommend_batch(struct call *call) { batch(call, read_recommend, false); }
void discover_one(struct call *call) { one(call, read_discover, false); }
void discover_batch(struct call *call) { batch(call, read_discover, false); }
