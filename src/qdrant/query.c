/* query.c - reading the Query API: a query, its prefetches, and what each of them searches for. */
#include "qdrant/query.h"
#include "qdrant/shard_keys.h"

#include <math.h>

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

/* "global", which is the rule, or the points to count among. */
static bool read_idf(struct call *call, yyjson_val *v, kith_query *q)
{
    yyjson_val *corpus = yyjson_is_obj(v) ? yyjson_obj_get(v, "corpus") : NULL;

    if (!v || yyjson_equals_str(v, "global") || (call->rpc && yyjson_is_obj(v) && !corpus))
        return true;
    if (!corpus)
        return read_fail(call, "params.idf: expected global, or {\"corpus\": filter}");
    return read_filter(call, corpus, &q->idf_corpus);
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
    return read_idf(call, field_of(v, "idf", NULL), q) &&
           read_quantization(call, field_of(v, "quantization", NULL), q) &&
           read_acorn(call, field_of(v, "acorn", NULL), q) &&
           read_bool(call, field_of(v, "indexed_only", NULL), "params.indexed_only", false, &q->indexed_only) &&
           read_target(call, field_of(v, "target_recall", NULL), q);
}

/* ---- examples ------------------------------------------------------------------------------------------------ */

/* Where points that are examples are looked up. */
struct lookup {
    const char *collection, *vector; /* NULL: in the collection asked, under `using` */
};

static bool read_lookup(struct call *call, yyjson_val *v, struct lookup *to)
{
    yyjson_val *collection, *vector;

    *to = (struct lookup){0};
    if (!v)
        return true;
    collection = yyjson_obj_get(v, "collection");
    vector = field_of(v, "vector", NULL);
    if (!yyjson_is_str(collection) || (vector && !yyjson_is_str(vector)))
        return read_fail(call, "lookup_from: expected {\"collection\": name, \"vector\": name}");
    if (!call_reads(call, yyjson_get_str(collection)))
        return false;
    to->collection = yyjson_get_str(collection);
    to->vector = vector ? yyjson_get_str(vector) : NULL;
    return true;
}

static bool read_example(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_example *to)
{
    kith_id *id;

    *to = (kith_example){0};
    if (is_list(v))
        return read_dense(call, v, &to->vector);
    if (yyjson_is_obj(v) && (yyjson_obj_get(v, "indices") || yyjson_obj_get(v, "values")))
        return read_sparse(call, v, &to->vector);
    if (is_inference(v))
        return text_infer(call, v, true, &to->vector);
    if (yyjson_is_obj(v))
        return read_fail(call, "query: expected a vector, a point id, or {text, model}");
    id = arena_zalloc(&call->c.arena, sizeof *id);
    if (!id || !read_id(call, v, id))
        return id != NULL ? false : read_fail(call, "out of memory");
    to->like = id;
    to->collection = lookup->collection;
    to->name = lookup->vector;
    return true;
}

static void set_target(kith_query *q, const kith_example *e)
{
    q->vector = e->vector;
    q->like = e->like;
    q->like_collection = e->collection;
    q->like_name = e->name;
}

static bool read_target_example(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    kith_example e;

    if (!v)
        return read_fail(call, "query: expected a vector or a point id");
    if (!read_example(call, v, lookup, &e))
        return false;
    set_target(q, &e);
    return true;
}

/* One or a list of them. */
static bool read_examples(struct call *call, yyjson_val *v, const char *what, const struct lookup *lookup,
                          const kith_example **ret, size_t *ret_count)
{
    size_t i, count, n = yyjson_arr_size(v);
    kith_example *list = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *list);
    yyjson_val *item;

    *ret = list;
    *ret_count = n;
    if ((v && !yyjson_is_arr(v)) || !list)
        return read_fail(call, "%s: expected a list", what);
    yyjson_arr_foreach(v, i, count, item) {
        if (!read_example(call, item, lookup, &list[i]))
            return false;
    }
    return true;
}

static bool read_pair(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_pair *to)
{
    yyjson_val *positive = yyjson_obj_get(v, "positive"), *negative = yyjson_obj_get(v, "negative");

    if (!positive || !negative)
        return read_fail(call, "context: expected pairs of positive and negative");
    return read_example(call, positive, lookup, &to->positive) && read_example(call, negative, lookup, &to->negative);
}

static bool read_pairs(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    bool one = yyjson_is_obj(v);
    size_t i, count, n = one ? 1 : yyjson_arr_size(v);
    kith_pair *pairs = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *pairs);
    yyjson_val *item;

    if ((v && !one && !yyjson_is_arr(v)) || !pairs)
        return read_fail(call, "context: expected a pair of positive and negative, or a list of them");
    q->pairs = pairs;
    q->pairs_count = n;
    if (one)
        return read_pair(call, v, lookup, &pairs[0]);
    yyjson_arr_foreach(v, i, count, item) {
        if (!read_pair(call, item, lookup, &pairs[i]))
            return false;
    }
    return true;
}

/* ---- kinds ----------------------------------------------------------------------------------------------------- */

static bool read_nearest(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    yyjson_val *mmr = field_of(v, "mmr", NULL), *diversity = field_of(mmr, "diversity", NULL);
    uint64_t candidates;

    q->kind = KITH_QUERY_NEAREST;
    if (!read_target_example(call, yyjson_obj_get(v, "nearest"), lookup, q))
        return false;
    if (!mmr)
        return true;
    if (!yyjson_is_obj(mmr) || (diversity && !yyjson_is_num(diversity)))
        return read_fail(call, "mmr: expected an object, and a number for diversity");
    if (!read_count(call, field_of(mmr, "candidates_limit", NULL), "mmr.candidates_limit", 0, 0, &candidates))
        return false;
    q->mmr = true;
    q->diversity = diversity ? (float)yyjson_get_num(diversity) : 0.5f;
    q->candidates = (uint32_t)MIN(candidates, (uint64_t)UINT32_MAX / 4);
    if (!(q->diversity >= 0 && q->diversity <= 1))
        return read_invalid(call, "mmr.diversity: value %g invalid, must be from 0.0 to 1.0", (double)q->diversity);
    if (candidates > 16384)
        return read_invalid(call, "mmr.candidates_limit: value %llu invalid, must be at most 16384",
                            (unsigned long long)candidates);
    return true;
}

static bool read_strategy(struct call *call, yyjson_val *v, kith_strategy *ret)
{
    static const char *const names[] = {"average_vector", "best_score", "sum_scores"};

    *ret = KITH_AVERAGE;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (v && yyjson_equals_str(v, names[i])) {
            *ret = (kith_strategy)i;
            return true;
        }
    }
    return !v || read_fail(call, "strategy: expected average_vector, best_score or sum_scores");
}

static bool read_recommend(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    q->kind = KITH_QUERY_RECOMMEND;
    if (!yyjson_is_obj(v))
        return read_fail(call, "recommend: expected an object");
    if (!read_examples(call, field_of(v, "positive", NULL), "positive", lookup, &q->positive, &q->positive_count) ||
        !read_examples(call, field_of(v, "negative", NULL), "negative", lookup, &q->negative, &q->negative_count) ||
        !read_strategy(call, field_of(v, "strategy", NULL), &q->strategy))
        return false;
    if (!q->positive_count && !q->negative_count)
        return read_invalid(call, "At least one positive or negative vector ID or vector is required");
    if (!q->positive_count && q->strategy == KITH_AVERAGE) {
        call_fail(call, 400, "Bad request: At least one positive vector ID is required with this strategy");
        return false;
    }
    return true;
}

static bool read_discover(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    q->kind = KITH_QUERY_DISCOVER;
    if (!yyjson_is_obj(v))
        return read_fail(call, "discover: expected an object");
    return read_target_example(call, yyjson_obj_get(v, "target"), lookup, q) &&
           read_pairs(call, field_of(v, "context", NULL), lookup, q);
}

static bool read_context(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    q->kind = KITH_QUERY_CONTEXT;
    return read_pairs(call, v, lookup, q);
}

static bool read_feedback(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    yyjson_val *list = yyjson_obj_get(v, "feedback"), *item, *score, *example;
    yyjson_val *naive = yyjson_obj_get(yyjson_obj_get(v, "strategy"), "naive"), *a = yyjson_obj_get(naive, "a");
    yyjson_val *b = yyjson_obj_get(naive, "b"), *c = yyjson_obj_get(naive, "c");
    size_t i, count, n = yyjson_arr_size(list);
    kith_example *examples = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *examples);
    float *weights = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *weights);

    q->kind = KITH_QUERY_FEEDBACK;
    if (!yyjson_is_arr(list) || !examples || !weights)
        return read_fail(call, "relevance_feedback: expected target, feedback and strategy");
    if (!n)
        return read_invalid(call, "relevance_feedback.feedback: must not be empty");
    if (!yyjson_is_num(a) || !yyjson_is_num(b) || !yyjson_is_num(c) || yyjson_get_num(b) < 0)
        return read_fail(call, "relevance_feedback.strategy: expected {\"naive\": {a, b, c}}, b not below 0");
    q->feedback.a = (float)yyjson_get_num(a);
    q->feedback.b = (float)yyjson_get_num(b);
    q->feedback.c = (float)yyjson_get_num(c);
    q->positive = examples;
    q->positive_count = n;
    q->weights = weights;
    yyjson_arr_foreach(list, i, count, item) {
        example = yyjson_obj_get(item, "example");
        score = yyjson_obj_get(item, "score");
        if (!example || !yyjson_is_num(score))
            return read_fail(call, "relevance_feedback.feedback[%zu]: expected example and score", i);
        if (!read_example(call, example, lookup, &examples[i]))
            return false;
        weights[i] = (float)yyjson_get_num(score);
    }
    return read_target_example(call, yyjson_obj_get(v, "target"), lookup, q);
}

static bool read_order_by(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    UNUSED(lookup);
    return read_order(call, v, q);
}

static bool read_fusion(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    UNUSED(lookup);
    q->kind = KITH_QUERY_FUSION;
    q->fusion = yyjson_equals_str(v, "rrf") ? KITH_RRF : KITH_DBSF;
    return q->fusion == KITH_RRF || yyjson_equals_str(v, "dbsf") || read_fail(call, "fusion: expected rrf or dbsf");
}

static bool read_rrf(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    yyjson_val *weights = field_of(v, "weights", NULL), *item;
    size_t i, count, n = yyjson_arr_size(weights);
    float *list = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *list);
    uint64_t k;

    UNUSED(lookup);
    q->kind = KITH_QUERY_FUSION;
    q->fusion = KITH_RRF;
    if (!yyjson_is_obj(v) || (weights && !yyjson_is_arr(weights)) || !list)
        return read_fail(call, "rrf: expected an object, and a list for weights");
    if (!read_count(call, field_of(v, "k", NULL), "rrf.k", 1, 2, &k))
        return false;
    q->rrf_k = (uint32_t)MIN(k, (uint64_t)UINT32_MAX);
    if (weights && n != q->prefetch_count) {
        call_fail(call, 400, "Bad request: RRF weights length (%zu) does not match number of prefetches (%zu)", n,
                  q->prefetch_count);
        return false;
    }
    yyjson_arr_foreach(weights, i, count, item) {
        if (!yyjson_is_num(item))
            return read_fail(call, "rrf.weights[%zu]: expected a number", i);
        list[i] = (float)yyjson_get_num(item);
    }
    q->weights = weights ? list : NULL;
    return true;
}

static bool read_formula(struct call *call, yyjson_val *v, kith_query *q)
{
    q->kind = KITH_QUERY_FORMULA;
    return formula_read(call, yyjson_obj_get(v, "formula"), field_of(v, "defaults", NULL), &q->formula);
}

static bool read_sample(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    UNUSED(lookup);
    q->kind = KITH_QUERY_SAMPLE;
    return yyjson_equals_str(v, "random") || read_fail(call, "sample: expected random");
}

static bool read_number(struct call *call, yyjson_val *v, const char *what, float otherwise, float *ret)
{
    *ret = v ? (float)yyjson_get_num(v) : otherwise;
    return !v || yyjson_is_num(v) || read_fail(call, "%s: expected a number", what);
}

/* A text, or {"query": text, "scoring": {"bm25": {k, b}}}; `using` is the field. Messages have bm25 beside the query. */
static bool read_text(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q)
{
    yyjson_val *text = yyjson_is_obj(v) ? yyjson_obj_get(v, "query") : v, *scoring = field_of(v, "scoring", NULL);
    yyjson_val *bm25 = field_of(scoring ? scoring : v, "bm25", NULL);

    UNUSED(lookup);
    q->kind = KITH_QUERY_TEXT;
    if (!yyjson_is_str(text))
        return read_fail(call, "text: expected a text, or {\"query\": text, \"scoring\": {\"bm25\": {\"k\", \"b\"}}}");
    if (scoring && !yyjson_is_obj(bm25))
        return read_fail(call, "text.scoring: expected {\"bm25\": {\"k\", \"b\"}}");
    if (!q->using_vector[0]) {
        call_fail(call, 400, "Bad request: A text query needs `using`: the payload field whose text index scores");
        return false;
    }
    q->text_path = q->using_vector;
    q->text = yyjson_get_str(text);
    q->text_size = (uint32_t)yyjson_get_len(text);
    q->bm25.given = bm25 != NULL;
    if (!read_number(call, field_of(bm25, "k", NULL), "text.scoring.bm25.k", 1.2f, &q->bm25.k) ||
        !read_number(call, field_of(bm25, "b", NULL), "text.scoring.bm25.b", 0.75f, &q->bm25.b))
        return false;
    if (q->bm25.k < 0)
        return read_invalid(call, "text.scoring.bm25.k: value %g invalid, must be 0.0 or larger", (double)q->bm25.k);
    if (q->bm25.b < 0 || q->bm25.b > 1)
        return read_invalid(call, "text.scoring.bm25.b: value %g invalid, must be from 0.0 to 1.0", (double)q->bm25.b);
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct call *call, yyjson_val *v, const struct lookup *lookup, kith_query *q);
} kinds[] = {
    {"recommend", read_recommend}, {"discover", read_discover}, {"context", read_context},
    {"relevance_feedback", read_feedback}, {"order_by", read_order_by}, {"fusion", read_fusion}, {"rrf", read_rrf},
    {"sample", read_sample}, {"text", read_text},
};

static bool read_kind(struct call *call, yyjson_val *query, const struct lookup *lookup, kith_query *q)
{
    if (!yyjson_is_obj(query) || yyjson_obj_get(query, "indices") || yyjson_obj_get(query, "values") ||
        is_inference(query)) {
        q->kind = KITH_QUERY_NEAREST;
        return read_target_example(call, query, lookup, q);
    }
    if (yyjson_obj_get(query, "nearest"))
        return read_nearest(call, query, lookup, q);
    if (yyjson_obj_get(query, "formula"))
        return read_formula(call, query, q);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        yyjson_val *v = yyjson_obj_get(query, kinds[i].name);
        if (v)
            return kinds[i].read(call, v, lookup, q);
    }
    return read_fail(call, "query: expected a vector, a point id, or an object with one kind of query");
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

enum { DEPTH_MAX = 64 };

static bool read_level(struct call *call, yyjson_val *body, uint32_t depth, kith_query *q);

static bool read_prefetches(struct call *call, yyjson_val *v, uint32_t depth, kith_query *q)
{
    size_t i, count, n = yyjson_is_obj(v) ? 1 : yyjson_arr_size(v);
    kith_query *below = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *below);
    yyjson_val *item;

    if ((v && !yyjson_is_obj(v) && !yyjson_is_arr(v)) || !below)
        return read_fail(call, "prefetch: expected an object or a list of them");
    if (n && depth == DEPTH_MAX)
        return read_fail(call, "prefetch: nested deeper than %d", DEPTH_MAX);
    q->prefetch = below;
    q->prefetch_count = n;
    if (yyjson_is_obj(v))
        return read_level(call, v, depth + 1, below);
    yyjson_arr_foreach(v, i, count, item) {
        if (!yyjson_is_obj(item))
            return read_fail(call, "prefetch[%zu]: expected an object", i);
        if (!read_level(call, item, depth + 1, &below[i]))
            return false;
    }
    return true;
}

static bool check_level(struct call *call, yyjson_val *query, yyjson_val *using_vector, const kith_query *q)
{
    const char *wrong = NULL;

    if (!query && q->prefetch_count)
        wrong = "A query is needed to merge the prefetches";
    else if (!query && q->has_threshold)
        wrong = "A query is needed to use the score_threshold";
    else if (q->kind == KITH_QUERY_ORDER_BY && q->has_threshold)
        wrong = "Can't use score_threshold with an order_by query";
    else if (q->kind == KITH_QUERY_FUSION && !q->prefetch_count)
        wrong = "Fusion queries cannot be resolved without a prefetch";
    else if (q->kind == KITH_QUERY_FORMULA && !q->prefetch_count)
        wrong = "Formula queries cannot be resolved without a prefetch";
    else if (q->kind == KITH_QUERY_FUSION && using_vector)
        wrong = "Fusion queries cannot be combined with the 'using' field.";
    if (wrong)
        call_fail(call, 400, "Bad request: %s", wrong);
    return !wrong;
}

bool query_read_filter_and_params(struct call *call, yyjson_val *body, kith_query *q)
{
    yyjson_val *threshold = field_of(body, "score_threshold", NULL);

    if (!shard_read_filter(call, body, &q->filter) ||
        !read_params(call, field_of(body, "params", NULL), q))
        return false;
    if (threshold && !yyjson_is_num(threshold))
        return read_fail(call, "score_threshold: expected a number");
    q->has_threshold = threshold != NULL;
    q->threshold = threshold ? (float)yyjson_get_num(threshold) : 0;
    return true;
}

static bool read_using(struct call *call, yyjson_val *v, kith_query *q)
{
    if (v && !yyjson_is_str(v))
        return read_fail(call, "using: expected a vector name");
    q->using_vector = v ? yyjson_get_str(v) : "";
    return true;
}

static bool read_level(struct call *call, yyjson_val *body, uint32_t depth, kith_query *q)
{
    yyjson_val *query = field_of(body, "query", NULL), *using_vector = field_of(body, "using", NULL);
    struct lookup lookup;
    uint64_t limit;

    if (!read_using(call, using_vector, q) || !read_lookup(call, field_of(body, "lookup_from", NULL), &lookup) ||
        !query_read_filter_and_params(call, body, q) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 10, &limit) ||
        !read_prefetches(call, field_of(body, "prefetch", NULL), depth, q))
        return false;
    q->limit = (uint32_t)MIN(limit, (uint64_t)UINT32_MAX / 4);
    q->kind = KITH_QUERY_SCROLL;
    return (!query || read_kind(call, query, &lookup, q)) && check_level(call, query, using_vector, q);
}

bool query_read(struct call *call, yyjson_val *body, kith_query *q)
{
    return read_level(call, body, 0, q);
}

/* ---- the older calls --------------------------------------------------------------------------------------------- */

/* "using" may be an object with a name there. */
static bool read_old_using(struct call *call, yyjson_val *body, kith_query *q)
{
    yyjson_val *v = field_of(body, "using", NULL);

    return read_using(call, yyjson_is_obj(v) ? yyjson_obj_get(v, "name") : v, q);
}

bool query_read_recommend(struct call *call, yyjson_val *body, kith_query *q)
{
    struct lookup lookup;

    return read_old_using(call, body, q) && read_lookup(call, field_of(body, "lookup_from", NULL), &lookup) &&
           read_recommend(call, body, &lookup, q);
}

bool query_read_discover(struct call *call, yyjson_val *body, kith_query *q)
{
    yyjson_val *target = field_of(body, "target", NULL), *context = field_of(body, "context", NULL);
    struct lookup lookup;

    if (!read_old_using(call, body, q) || !read_lookup(call, field_of(body, "lookup_from", NULL), &lookup))
        return false;
    if (!target && !context) {
        call_fail(call, 400, "Bad request: No target or context_pairs provided");
        return false;
    }
    q->kind = !target ? KITH_QUERY_CONTEXT : context ? KITH_QUERY_DISCOVER : KITH_QUERY_NEAREST;
    return (!target || read_target_example(call, target, &lookup, q)) && read_pairs(call, context, &lookup, q);
}

bool query_read_search(struct call *call, yyjson_val *body, kith_query *q)
{
    yyjson_val *vector = yyjson_obj_get(body, "vector"), *name;
    const struct lookup here = {0};

    if (!vector)
        return read_fail(call, "missing field `vector`");
    q->kind = KITH_QUERY_NEAREST;
    q->using_vector = "";
    if (yyjson_is_obj(vector)) {
        name = yyjson_obj_get(vector, "name");
        if (!yyjson_is_str(name))
            return read_fail(call, "vector: expected a list of numbers or {\"name\", \"vector\"}");
        q->using_vector = yyjson_get_str(name);
        vector = yyjson_obj_get(vector, "vector");
    }
    if (!is_list(vector) && !(yyjson_is_obj(vector) && yyjson_obj_get(vector, "indices")))
        return read_fail(call, "vector: expected a list of numbers, or {\"indices\", \"values\"}");
    return read_target_example(call, vector, &here, q);
}
