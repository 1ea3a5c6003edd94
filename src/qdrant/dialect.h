/* dialect.h - the Qdrant dialect, inside: reading their words into the structs of kith.h, and writing
 * ours in theirs. The mapping table is in README.md. */
#ifndef QDRANT_DIALECT_H
#define QDRANT_DIALECT_H

#include "serve/serve.h"

/* Reading stops at the first mistake: the call has been answered and false is returned. */
bool read_fail(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);      /* 400, format error */
bool read_invalid(struct call *call, const char *format, ...) PRINTF_LIKE(2, 3);   /* 422, out of range */
/* Answers as the dialect says a kith_err. */
void fail_kith(struct call *call, const kith_err *err);
void fail_missing(struct call *call); /* there is no collection of the name in the path */
/* Begins {"result": in call->out; finish_ok ends it and answers. */
void begin_ok(struct call *call);
void finish_ok(struct call *call);
void answer_true(struct call *call); /* that alone */

/* ---- values (read.c) ---- */
yyjson_val *want_object(struct call *call);       /* the body; NULL: answered */
yyjson_val *field_of(yyjson_val *object, const char *name, const char *alias); /* NULL if absent or null */
bool read_bool(struct call *call, yyjson_val *v, const char *what, bool otherwise, bool *ret);
bool read_count(struct call *call, yyjson_val *v, const char *what, uint64_t least, uint64_t otherwise, uint64_t *ret);
/* A UUID; or, where the server takes such (service.string_ids), any other text that is no number, in place. */
bool id_of_text(const struct call *call, struct bytes text, kith_id *ret);
bool read_id(struct call *call, yyjson_val *v, kith_id *ret);
bool read_ids(struct call *call, yyjson_val *v, const char *what, const kith_id **ret, size_t *ret_count);
bool is_list(yyjson_val *v); /* of numbers: an array, or floats as a message has them (codec/pb.h) */
bool read_floats(struct call *call, yyjson_val *v, const void **ret, uint32_t *ret_dim); /* f32 */
bool read_sparse(struct call *call, yyjson_val *v, kith_vector *to); /* {indices, values}; the name stays */
bool read_dense(struct call *call, yyjson_val *v, kith_vector *to); /* numbers, or a list of such lists */
kith_vector vector_at(const kith_vector *v, uint32_t i); /* of a multi-vector */
/* Elements from `from`, a multiple of VECTOR_PART, on as f32: how many. */
enum { VECTOR_PART = 256 };
uint32_t vector_part(const kith_vector *v, uint32_t from, float to[VECTOR_PART]);
bool read_vector(struct call *call, const char *name, yyjson_val *v, kith_vector *to); /* of either kind */
/* bare list: the vector ""; object: by name */
bool read_vectors(struct call *call, yyjson_val *v, const kith_vector **ret, size_t *ret_count);
/* text.c: how a text index makes words. */
bool text_read(struct call *call, yyjson_val *v, kith_text *to);
/* {"text", "model", "options"?}: what a model makes of it; of texts that are kept, or (asked) of a question. */
bool is_inference(yyjson_val *v);
bool text_infer(struct call *call, yyjson_val *v, bool asked, kith_vector *to);
bool read_payload(struct call *call, yyjson_val *v, kith_doc *ret);
bool read_with_payload(struct call *call, yyjson_val *v, uint8_t otherwise, kith_select *ret);
bool read_with_vector(struct call *call, yyjson_val *v, kith_select *ret);
bool read_strings(struct call *call, yyjson_val *v, const char *what, const char *const **ret, size_t *ret_count);
bool read_filter(struct call *call, yyjson_val *v, const kith_filter **ret); /* filter.c */
bool read_one_condition(struct call *call, yyjson_val *v, kith_filter *to);
bool read_place(struct call *call, yyjson_val *v, const char *what, kith_geo_point *to); /* {lon, lat} */
void put_id(struct buf *out, const kith_id *id);
void put_facet_value(struct buf *out, const kith_value *v); /* groups.c */
void put_config(struct call *call, const kith_schema *schema); /* collections.c: as it was stored, with the vectors */
const char *collection_status(const kith_collection_info *info); /* collections.c: green, yellow, red */
bool read_order(struct call *call, yyjson_val *v, kith_query *q); /* points.c */
void put_order_value(struct buf *out, const kith_hit *hit); /* with a comma before it */
/* `sharded`: of a collection with custom sharding (shard_keys.h). */
void put_point(struct buf *out, const kith_hit *hit, bool sharded, bool payload, bool vectors);

/* ---- behind the ? of a request (params.c) ---- */
bool param_flag(struct call *call, const char *name, bool *ret); /* true or false; absent: false */
bool param_count(struct call *call, const char *name, uint64_t most, uint64_t otherwise, uint64_t *ret);
/* What is left of ?timeout= now (0: none was given); and, for reads, ?consistency=, which one copy always has. */
bool read_timeout(struct call *call, uint32_t *ret_ms);
bool read_options(struct call *call, uint32_t *ret_ms);

/* ---- configuration (config.c) ---- */
struct kept_config {
    struct call *call;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
};
/* One key of a configuration object: u unsigned, of at least so much; a the same or "auto"; f from 0 to 1; n any number;
 * b boolean; s string; m where it is kept. */
struct setting {
    const char *key;
    char type;
    uint64_t least;
};
bool config_setting(struct kept_config *k, const char *name, const struct setting *s, yyjson_val *given,
                    yyjson_mut_val *section);
extern const char config_default[];
bool config_open(struct kept_config *k, struct call *call, const char *text);
/* As text, in the arena; NULL: answered. */
const char *config_close(struct kept_config *k);
/* As it was configured, or, where a collection was not made by this dialect, as it would have been. */
const char *config_of(struct call *call, const kith_vector_params *v);
const char *config_vector(struct call *call, const char *old, yyjson_val *given); /* in the arena; NULL: answered */
/* type: u, b; z unsigned, of 0 too; m {"memory"} */
bool config_param(struct kept_config *k, yyjson_val *from, const char *name, char type);
bool config_params(struct kept_config *k, yyjson_val *from);
bool config_place(struct call *call, yyjson_val *memory); /* cold, cached, pinned; or NULL */
bool quantization_take(struct kept_config *k, yyjson_val *body); /* of a collection or a vector */
void quantization_tune(const struct kept_config *k, yyjson_val *of_vector, kith_vector_params *v);
bool config_take(struct kept_config *k, yyjson_val *body);
/* Method, links and build width of a vector, by its own configuration and the collection's. */
void config_tune(const struct kept_config *k, kith_vector_params *v);

/* ---- handlers, one file per family of calls ---- */
extern const struct route qdrant_routes[];
extern const size_t qdrant_routes_count;

void service_root(struct call *call);
void service_health(struct call *call);
void service_ready(struct call *call);
void service_rpc_health(struct call *call);
void service_reflection(struct call *call);
void service_metrics(struct call *call);
void service_telemetry(struct call *call);
void service_cluster(struct call *call);
void service_openapi(struct call *call);

void quotas_get(struct call *call);
void quotas_set(struct call *call);
bool quota_allows(struct call *call); /* writes that take room; false: answered */
void issues_list(struct call *call);
void issues_clear(struct call *call);
void optimizations_get(struct call *call);
void wal_truncate(struct call *call);
void slow_requests(struct call *call);
void logger_get(struct call *call);
void logger_set(struct call *call);
void audit_logs(struct call *call);
void cluster_recover(struct call *call);
void cluster_remove_peer(struct call *call);
void cluster_telemetry(struct call *call);
void cluster_keys(struct call *call);
void cluster_key_get(struct call *call);
void cluster_key_set(struct call *call);
void cluster_key_drop(struct call *call);
void collections_cluster_change(struct call *call);
void shard_keys_get(struct call *call);
void shard_keys_create(struct call *call);
void shard_keys_delete(struct call *call);
void locks_get(struct call *call);

void collections_list(struct call *call);
void collections_get(struct call *call);
void collections_create(struct call *call);
void collections_update(struct call *call);
void collections_delete(struct call *call);
void collections_exists(struct call *call);
void collections_memory(struct call *call);
void collections_cluster(struct call *call);
void aliases_all(struct call *call);
void aliases_of(struct call *call);
void aliases_change(struct call *call);
/* vectors.c: what collections are made with; dense and sparse ones by name, or one without. */
bool vectors_read(struct call *call, yyjson_val *dense, yyjson_val *sparse, kith_schema *to);
/* The configuration of a sparse vector after a change, in the arena, and its modifier; NULL: answered. */
const char *vectors_change_sparse(struct call *call, const kith_vector_params *now, yyjson_val *given, bool *idf);
void answer_update(struct call *call, const char *status); /* with the log's position */
void vectors_create(struct call *call);
void vectors_drop(struct call *call);
void index_create(struct call *call);
void index_delete(struct call *call);

void points_upsert(struct call *call);
void points_get_one(struct call *call);
void points_get(struct call *call);
void points_delete(struct call *call);
void points_scroll(struct call *call);
void points_count(struct call *call);
void payload_set(struct call *call);
void payload_overwrite(struct call *call);
void payload_delete(struct call *call);
void payload_clear(struct call *call);
void vectors_update(struct call *call);
void vectors_delete(struct call *call);
void points_batch(struct call *call);

void query_one(struct call *call);
void query_batch(struct call *call);
void search_one(struct call *call);
void search_batch(struct call *call);
void recommend_one(struct call *call);
void recommend_batch(struct call *call);
void discover_one(struct call *call);
void discover_batch(struct call *call);
void query_groups_call(struct call *call);
void search_groups_call(struct call *call);
void recommend_groups_call(struct call *call);
void facets_call(struct call *call);
void aggregate_call(struct call *call);
void matrix_pairs_call(struct call *call);
void matrix_offsets_call(struct call *call);
enum { PEER = 1 }; /* the only one */
void shard_cleanup(struct call *call);
void shard_points_get(struct call *call);
void shard_points_scroll(struct call *call);
void shard_points_count(struct call *call);
void backups_create(struct call *call);
void backups_list(struct call *call);
void snapshots_create(struct call *call);
void snapshots_list(struct call *call);
void snapshots_delete(struct call *call);
void snapshots_download(struct call *call);
void snapshots_stream(struct call *call);
void snapshots_recover(struct call *call);
void snapshots_upload(struct call *call);
void partial_manifest(struct call *call);
void partial_create(struct call *call);
void partial_recover_from(struct call *call);

#endif
