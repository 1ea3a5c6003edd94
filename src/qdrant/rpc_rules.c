/* rpc_rules.c - where this dialect's protobuf messages and its JSON bodies differ. What is not named here has the
 * same name in both. */
#include "qdrant/rpc.h"

#include "base/ctx.h"
#include "codec/date.h"

#define NAMED(message, field, name) {message, field, PB_NAMED, name, 0}
#define VALUE(message, field) {message, field, PB_VALUE, NULL, 0}
#define LIST(message, field) {message, field, PB_VALUE, NULL, PB_ALWAYS}
#define SPREAD(message, field) {message, field, PB_SPREAD, NULL, 0}
#define FLOATS(message, field, how) {message, field, how, NULL, PB_RAW | PB_ALWAYS}

#define KEYED(message) SPREAD(message, "shard_key_selector")

const struct pb_rule rpc_rules[] = {
    /* shard keys stand beside the rest */
    KEYED("UpsertPoints"), KEYED("DeletePoints"), KEYED("GetPoints"), KEYED("UpdatePointVectors"),
    KEYED("DeletePointVectors"), KEYED("SetPayloadPoints"), KEYED("DeletePayloadPoints"), KEYED("ClearPayloadPoints"),
    KEYED("SearchPoints"), KEYED("SearchPointGroups"), KEYED("ScrollPoints"), KEYED("RecommendPoints"),
    KEYED("RecommendPointGroups"), KEYED("DiscoverPoints"), KEYED("CountPoints"), KEYED("QueryPoints"),
    KEYED("QueryPointGroups"), KEYED("FacetCounts"), KEYED("SearchMatrixPoints"),
    KEYED("PointsUpdateOperation.PointStructList"), KEYED("PointsUpdateOperation.SetPayload"),
    KEYED("PointsUpdateOperation.OverwritePayload"), KEYED("PointsUpdateOperation.DeletePayload"),
    KEYED("PointsUpdateOperation.UpdateVectors"), KEYED("PointsUpdateOperation.DeleteVectors"),
    KEYED("PointsUpdateOperation.DeletePoints"), KEYED("PointsUpdateOperation.ClearPayload"),
    VALUE("StrictModeMultivectorConfig", "multivector_config"), VALUE("StrictModeSparseConfig", "sparse_config"),
    /* values */
    VALUE("Value", "null_value"), VALUE("Value", "double_value"), VALUE("Value", "integer_value"),
    VALUE("Value", "string_value"), VALUE("Value", "bool_value"), VALUE("Value", "struct_value"),
    VALUE("Value", "list_value"), LIST("Struct", "fields"), LIST("ListValue", "values"),
    NAMED("NullValue", "null_value", NULL),
    VALUE("PointId", "num"), VALUE("PointId", "uuid"),
    LIST("RepeatedStrings", "strings"), LIST("RepeatedIntegers", "integers"),
    VALUE("ShardKey", "keyword"), VALUE("ShardKey", "number"),
    /* conditions */
    SPREAD("Condition", "field"), SPREAD("Condition", "filter"), SPREAD("Condition", "has_id"),
    SPREAD("Condition", "has_vector"), {"HasIdCondition", "has_id", PB_NAMED, NULL, PB_ALWAYS},
    NAMED("FieldCondition", "datetime_range", "range"),
    NAMED("Match", "keyword", "value"), NAMED("Match", "integer", "value"), NAMED("Match", "boolean", "value"),
    NAMED("Match", "keywords", "any"), NAMED("Match", "integers", "any"),
    NAMED("Match", "except_integers", "except"), NAMED("Match", "except_keywords", "except"),
    /* vectors */
    FLOATS("DenseVector", "data", PB_VALUE), LIST("MultiDenseVector", "vectors"),
    FLOATS("SparseVector", "values", PB_NAMED), {"SparseVector", "indices", PB_NAMED, NULL, PB_ALWAYS},
    LIST("SparseIndices", "data"), {"Vector", "data", PB_NAMED, NULL, PB_RAW},
    VALUE("Vector", "dense"), VALUE("Vector", "sparse"), VALUE("Vector", "multi_dense"), VALUE("Vector", "document"),
    VALUE("Vector", "image"), VALUE("Vector", "object"),
    VALUE("VectorInput", "id"), VALUE("VectorInput", "dense"), VALUE("VectorInput", "sparse"),
    VALUE("VectorInput", "multi_dense"), VALUE("VectorInput", "document"), VALUE("VectorInput", "image"),
    VALUE("VectorInput", "object"),
    VALUE("Vectors", "vector"), VALUE("Vectors", "vectors"), LIST("NamedVectors", "vectors"),
    VALUE("VectorOutput", "dense"), VALUE("VectorOutput", "sparse"), VALUE("VectorOutput", "multi_dense"),
    VALUE("VectorsOutput", "vector"), VALUE("VectorsOutput", "vectors"), LIST("NamedVectorsOutput", "vectors"),
    /* selectors */
    VALUE("WithPayloadSelector", "enable"), LIST("PayloadIncludeSelector", "fields"),
    LIST("PayloadExcludeSelector", "fields"),
    VALUE("WithVectorsSelector", "enable"), VALUE("WithVectorsSelector", "include"), LIST("VectorsSelector", "names"),
    LIST("PointsIdsList", "ids"),
    NAMED("ShardKeySelector", "shard_keys", "shard_key"), NAMED("ShardKeySelector", "fallback", "shard_key_fallback"),
    VALUE("ReadConsistency", "type"), VALUE("ReadConsistency", "factor"), VALUE("WriteOrdering", "type"),
    NAMED("LookupLocation", "collection_name", "collection"), NAMED("LookupLocation", "vector_name", "vector"),
    /* writes */
    {"UpsertPoints", "points", PB_NAMED, NULL, PB_ALWAYS},
    NAMED("PointStruct", "vectors", "vector"), NAMED("PointVectors", "vectors", "vector"),
    {"UpdatePointVectors", "points", PB_NAMED, NULL, PB_ALWAYS},
    SPREAD("DeletePoints", "points"), SPREAD("ClearPayloadPoints", "points"),
    SPREAD("DeletePointVectors", "points_selector"), NAMED("DeletePointVectors", "vectors", "vector"),
    SPREAD("SetPayloadPoints", "points_selector"), {"SetPayloadPoints", "payload", PB_NAMED, NULL, PB_ALWAYS},
    SPREAD("DeletePayloadPoints", "points_selector"), {"DeletePayloadPoints", "keys", PB_NAMED, NULL, PB_ALWAYS},
    {"UpdateBatchPoints", "operations", PB_NAMED, NULL, PB_ALWAYS},
    {"PointsUpdateOperation.PointStructList", "points", PB_NAMED, NULL, PB_ALWAYS},
    {"PointsUpdateOperation.UpdateVectors", "points", PB_NAMED, NULL, PB_ALWAYS},
    NAMED("PointsUpdateOperation", "delete_deprecated", "delete"),
    NAMED("PointsUpdateOperation", "clear_payload_deprecated", "clear_payload"),
    NAMED("PointsUpdateOperation", "delete_points", "delete"),
    SPREAD("PointsUpdateOperation.SetPayload", "points_selector"),
    {"PointsUpdateOperation.SetPayload", "payload", PB_NAMED, NULL, PB_ALWAYS},
    SPREAD("PointsUpdateOperation.OverwritePayload", "points_selector"),
    {"PointsUpdateOperation.OverwritePayload", "payload", PB_NAMED, NULL, PB_ALWAYS},
    SPREAD("PointsUpdateOperation.DeletePayload", "points_selector"),
    {"PointsUpdateOperation.DeletePayload", "keys", PB_NAMED, NULL, PB_ALWAYS},
    SPREAD("PointsUpdateOperation.DeleteVectors", "points_selector"),
    NAMED("PointsUpdateOperation.DeleteVectors", "vectors", "vector"),
    SPREAD("PointsUpdateOperation.DeletePoints", "points"), SPREAD("PointsUpdateOperation.ClearPayload", "points"),
    /* reads */
    {"GetPoints", "ids", PB_NAMED, NULL, PB_ALWAYS},
    FLOATS("SearchPoints", "vector", PB_NAMED), FLOATS("SearchPointGroups", "vector", PB_NAMED),
    NAMED("RecommendPoints", "positive_vectors", "positive"), NAMED("RecommendPoints", "negative_vectors", "negative"),
    NAMED("RecommendPointGroups", "positive_vectors", "positive"),
    NAMED("RecommendPointGroups", "negative_vectors", "negative"),
    VALUE("TargetVector", "single"), VALUE("VectorExample", "id"), VALUE("VectorExample", "vector"),
    {"SearchBatchPoints", "search_points", PB_NAMED, "searches", PB_ALWAYS},
    {"RecommendBatchPoints", "recommend_points", PB_NAMED, "searches", PB_ALWAYS},
    {"DiscoverBatchPoints", "discover_points", PB_NAMED, "searches", PB_ALWAYS},
    {"QueryBatchPoints", "query_points", PB_NAMED, "searches", PB_ALWAYS},
    VALUE("StartFrom", "float"), VALUE("StartFrom", "integer"), VALUE("StartFrom", "timestamp"),
    VALUE("StartFrom", "datetime"),
    /* queries */
    SPREAD("Query", "formula"), SPREAD("Query", "nearest_with_mmr"),
    {"RelevanceFeedbackInput", "feedback", PB_NAMED, NULL, PB_ALWAYS}, LIST("ContextInput", "pairs"),
    NAMED("Formula", "expression", "formula"),
    VALUE("Expression", "constant"), VALUE("Expression", "variable"), SPREAD("Expression", "condition"),
    LIST("MultExpression", "mult"), LIST("SumExpression", "sum"), LIST("MaxExpression", "max"),
    LIST("MinExpression", "min"),
    /* collections */
    NAMED("CreateCollection", "vectors_config", "vectors"), NAMED("UpdateCollection", "vectors_config", "vectors"),
    NAMED("CreateCollection", "sparse_vectors_config", "sparse_vectors"),
    NAMED("UpdateCollection", "sparse_vectors_config", "sparse_vectors"),
    NAMED("CollectionParams", "vectors_config", "vectors"),
    NAMED("CollectionParams", "sparse_vectors_config", "sparse_vectors"),
    VALUE("VectorsConfig", "params"), VALUE("VectorsConfig", "params_map"), LIST("VectorParamsMap", "map"),
    NAMED("VectorsConfigDiff", "params", ""), SPREAD("VectorsConfigDiff", "params_map"),
    LIST("VectorParamsDiffMap", "map"), LIST("SparseVectorConfig", "map"),
    VALUE("MaxOptimizationThreads", "value"), VALUE("MaxOptimizationThreads", "setting"),
    NAMED("OptimizersConfigDiff", "deprecated_max_optimization_threads", "max_optimization_threads"),
    NAMED("QuantizationConfig", "turboquant", "turbo"), NAMED("QuantizationConfigDiff", "turboquant", "turbo"),
    VALUE("QuantizationConfigDiff", "disabled"), VALUE("BinaryQuantizationQueryEncoding", "setting"),
    {"ChangeAliases", "actions", PB_NAMED, NULL, PB_ALWAYS},
    NAMED("Distance", "cosine", "Cosine"), NAMED("Distance", "euclid", "Euclid"), NAMED("Distance", "dot", "Dot"),
    NAMED("Distance", "manhattan", "Manhattan"),
    NAMED("CreateVectorNameRequest", "dense_config", "dense"),
    NAMED("CreateVectorNameRequest", "sparse_config", "sparse"),
    /* payload indexes */
    NAMED("CreateFieldIndexCollection", "field_index_params", "field_schema"),
    NAMED("FieldType", "field_type_keyword", "keyword"), NAMED("FieldType", "field_type_integer", "integer"),
    NAMED("FieldType", "field_type_float", "float"), NAMED("FieldType", "field_type_geo", "geo"),
    NAMED("FieldType", "field_type_text", "text"), NAMED("FieldType", "field_type_bool", "bool"),
    NAMED("FieldType", "field_type_datetime", "datetime"), NAMED("FieldType", "field_type_uuid", "uuid"),
    NAMED("PayloadIndexParams", "keyword_index_params", "keyword"),
    NAMED("PayloadIndexParams", "integer_index_params", "integer"),
    NAMED("PayloadIndexParams", "float_index_params", "float"), NAMED("PayloadIndexParams", "geo_index_params", "geo"),
    NAMED("PayloadIndexParams", "text_index_params", "text"), NAMED("PayloadIndexParams", "bool_index_params", "bool"),
    NAMED("PayloadIndexParams", "datetime_index_params", "datetime"),
    NAMED("PayloadIndexParams", "uuid_index_params", "uuid"),
    /* answers */
    NAMED("ScoredPoint", "vectors", "vector"), NAMED("RetrievedPoint", "vectors", "vector"),
    NAMED("CreateSnapshotResponse", "snapshot_description", "result"),
    NAMED("ListSnapshotsResponse", "snapshot_descriptions", "result"),
    VALUE("OrderValue", "int"), VALUE("OrderValue", "float"),
    VALUE("GroupId", "unsigned_value"), VALUE("GroupId", "integer_value"), VALUE("GroupId", "string_value"),
    VALUE("FacetValue", "string_value"), VALUE("FacetValue", "integer_value"), VALUE("FacetValue", "bool_value"),
};
const size_t rpc_rules_count = ARRAY_SIZE(rpc_rules);

/* ---- shapes ------------------------------------------------------------------------------------------------- */

static yyjson_mut_val *refuse(struct pb_reading *r, const char *text)
{
    (void)err_set(r->c, KITH_INVALID, "%s", text);
    return NULL;
}

/* A moment as text, as bodies have it. */
static yyjson_mut_val *shape_timestamp(struct pb_reading *r, yyjson_mut_val *tree)
{
    int64_t seconds = yyjson_mut_get_sint(yyjson_mut_obj_get(tree, "seconds"));
    int64_t nanos = yyjson_mut_get_sint(yyjson_mut_obj_get(tree, "nanos"));
    char text[DATE_TEXT];

    if (nanos < 0 || nanos > 999999999)
        return refuse(r, "timestamp: expected nanos from 0 to 999999999");
    if (seconds < -62135596800 || seconds > 253402300799)
        return refuse(r, "timestamp: expected a moment of the years 1 to 9999");
    date_text(seconds * 1000000 + nanos / 1000, text);
    return yyjson_mut_strcpy(r->doc, text);
}

static void unshape_timestamp(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    int64_t us;

    UNUSED(m);
    if (!yyjson_is_str(tree) || !date_parse(yyjson_get_str(tree), yyjson_get_len(tree), &us))
        return;
    pb_put_varint(out, 1, (uint64_t)((us - (us % 1000000 + 1000000) % 1000000) / 1000000));
    pb_put_varint(out, 2, (uint64_t)((us % 1000000 + 1000000) % 1000000 * 1000));
}

/* Older clients: `data` alone is dense, with `indices` sparse, with `vectors_count` so many vectors one after the
 * other. */
static yyjson_mut_val *shape_vector(struct pb_reading *r, yyjson_mut_val *tree)
{
    yyjson_mut_val *data = yyjson_mut_obj_get(tree, "data"), *indices = yyjson_mut_obj_get(tree, "indices"), *list;
    uint64_t n = yyjson_mut_get_uint(yyjson_mut_obj_get(tree, "vectors_count"));
    const char *floats;
    size_t part;

    if (!yyjson_mut_is_obj(tree) || yyjson_mut_obj_get(tree, "text") || yyjson_mut_obj_get(tree, "model") ||
        yyjson_mut_obj_get(tree, "values"))
        return tree;
    if (!data)
        data = yyjson_mut_rawn(r->doc, "", 0);
    if (indices) {
        list = yyjson_mut_obj(r->doc);
        yyjson_mut_obj_add_val(r->doc, list, "indices", indices);
        yyjson_mut_obj_add_val(r->doc, list, "values", data);
        return list;
    }
    if (!n)
        return data;
    floats = yyjson_mut_get_raw(data);
    part = yyjson_mut_get_len(data) / n;
    if (!part || part % 4 || part * n != yyjson_mut_get_len(data)) /* of nothing there is nothing to divide */
        return refuse(r, "vectors_count: does not divide data");
    list = yyjson_mut_arr(r->doc);
    for (uint64_t i = 0; i < n; i++)
        yyjson_mut_arr_append(list, yyjson_mut_rawn(r->doc, floats + i * part, part));
    return list;
}

/* vector, vector_name and sparse_indices are one thing in bodies. */
static yyjson_mut_val *shape_search(struct pb_reading *r, yyjson_mut_val *tree)
{
    yyjson_mut_val *vector = yyjson_mut_obj_remove_key(tree, "vector");
    yyjson_mut_val *name = yyjson_mut_obj_remove_key(tree, "vector_name");
    yyjson_mut_val *indices = yyjson_mut_obj_remove_key(tree, "sparse_indices"), *pair;

    if (indices) {
        pair = yyjson_mut_obj(r->doc);
        yyjson_mut_obj_add_val(r->doc, pair, "indices", indices);
        yyjson_mut_obj_add_val(r->doc, pair, "values", vector);
        vector = pair;
    }
    if (name) {
        pair = yyjson_mut_obj(r->doc);
        yyjson_mut_obj_add_val(r->doc, pair, "name", name);
        yyjson_mut_obj_add_val(r->doc, pair, "vector", vector);
        vector = pair;
    }
    yyjson_mut_obj_add_val(r->doc, tree, "vector", vector);
    return tree;
}

static yyjson_mut_val *shape_disabled(struct pb_reading *r, yyjson_mut_val *tree)
{
    UNUSED(tree);
    return yyjson_mut_str(r->doc, "Disabled");
}

/* {"keyword": {...}} is {"type": "keyword", ...} in bodies. */
static yyjson_mut_val *shape_index(struct pb_reading *r, yyjson_mut_val *tree)
{
    yyjson_mut_obj_iter it;
    yyjson_mut_val *key, *inner;

    yyjson_mut_obj_iter_init(tree, &it);
    key = yyjson_mut_obj_iter_next(&it);
    if (!key)
        return refuse(r, "field_index_params: expected the parameters of one kind of index");
    inner = yyjson_mut_obj_iter_get_val(key);
    if (yyjson_mut_obj_size(inner) == 0) /* nothing but the kind */
        return yyjson_mut_strcpy(r->doc, yyjson_mut_get_str(key));
    yyjson_mut_obj_add_val(r->doc, inner, "type", yyjson_mut_strcpy(r->doc, yyjson_mut_get_str(key)));
    return inner;
}

static void unshape_index(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    const char *type = yyjson_get_str(yyjson_obj_get(tree, "type"));

    for (size_t i = 0; type && i < m->count; i++) {
        size_t mark;
        if (strcmp(m->fields[i].name, type) != 0)
            continue;
        mark = pb_begin(out, m->fields[i].number);
        pb_from_tree(out, m->fields[i].message, tree);
        pb_end(out, mark);
    }
}

/* "ok", or {"error": text} */
static void unshape_optimizer(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    yyjson_val *error = yyjson_obj_get(tree, "error");

    UNUSED(m);
    if (yyjson_is_str(error))
        pb_put_bytes(out, 2, yyjson_get_str(error), yyjson_get_len(error));
    else
        pb_put_varint(out, 1, 1);
}

/* {"snowball": {"language"}} or {"disabled": {}} is {"type", "language"} in bodies. */
static yyjson_mut_val *shape_stemmer(struct pb_reading *r, yyjson_mut_val *tree)
{
    yyjson_mut_val *snowball = yyjson_mut_obj_get(tree, "snowball");

    if (!yyjson_mut_is_obj(snowball)) {
        snowball = yyjson_mut_obj(r->doc);
        yyjson_mut_obj_add_str(r->doc, snowball, "type", "none");
        return snowball;
    }
    yyjson_mut_obj_add_str(r->doc, snowball, "type", "snowball");
    return snowball;
}

static void unshape_stemmer(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    yyjson_val *language = yyjson_obj_get(tree, "language");
    size_t mark = pb_begin(out, language ? 1 : 2);

    UNUSED(m);
    if (language)
        pb_put_bytes(out, 1, yyjson_get_str(language), yyjson_get_len(language));
    pb_end(out, mark);
}

/* A language alone, or lists. */
static void unshape_stopwords(struct buf *out, const struct pb_message *m, yyjson_val *tree)
{
    static const char *const lists[] = {"languages", "custom"};
    yyjson_val *item;
    size_t i, count;

    UNUSED(m);
    if (yyjson_is_str(tree))
        pb_put_bytes(out, 1, yyjson_get_str(tree), yyjson_get_len(tree));
    for (uint32_t k = 0; k < ARRAY_SIZE(lists); k++) {
        yyjson_val *list = yyjson_obj_get(tree, lists[k]);
        yyjson_arr_foreach(list, i, count, item)
            pb_put_bytes(out, k + 1, yyjson_get_str(item), yyjson_get_len(item));
    }
}

const struct rpc_shape rpc_shapes[] = {
    {"qdrant.StemmingAlgorithm", shape_stemmer, unshape_stemmer},
    {"qdrant.StopwordsSet", NULL, unshape_stopwords},
    {"google.protobuf.Timestamp", shape_timestamp, unshape_timestamp},
    {"qdrant.Vector", shape_vector, NULL},
    {"qdrant.SearchPoints", shape_search, NULL},
    {"qdrant.SearchPointGroups", shape_search, NULL},
    {"qdrant.Disabled", shape_disabled, NULL},
    {"qdrant.PayloadIndexParams", shape_index, unshape_index},
    {"qdrant.OptimizerStatus", NULL, unshape_optimizer},
};
const size_t rpc_shapes_count = ARRAY_SIZE(rpc_shapes);
