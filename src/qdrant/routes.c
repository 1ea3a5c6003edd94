/* routes.c - the table of this dialect's REST operations. An endpoint is one row here and a function
 * in the file of its family. */
#include "qdrant/dialect.h"

enum { BODY = 32 << 20, SMALL = 1 << 20 };

const struct route qdrant_routes[] = {
    /* service.c */
    {"GET", "/", FREE, 0, service_root},
    {"GET", "/healthz", FREE, 0, service_health},
    {"GET", "/livez", FREE, 0, service_health},
    {"GET", "/readyz", FREE, 0, service_ready},
    {"GET", "/metrics", READ, 0, service_metrics},
    {"GET", "/telemetry", READ, 0, service_telemetry},
    {"GET", "/cluster", READ, 0, service_cluster},
    /* collections.c */
    {"GET", "/collections", READ, 0, collections_list},
    {"GET", "/collections/{}", READ, 0, collections_get},
    {"PUT", "/collections/{}", MANAGE, SMALL, collections_create},
    {"PATCH", "/collections/{}", MANAGE, SMALL, collections_update},
    {"DELETE", "/collections/{}", MANAGE, 0, collections_delete},
    {"GET", "/collections/{}/exists", READ, 0, collections_exists},
    {"GET", "/collections/{}/memory", READ, 0, collections_memory},
    {"GET", "/aliases", READ, 0, aliases_all},
    {"GET", "/collections/{}/aliases", READ, 0, aliases_of},
    {"POST", "/collections/aliases", MANAGE, SMALL, aliases_change},
    {"PUT", "/collections/{}/index", WRITE, SMALL, index_create},
    {"DELETE", "/collections/{}/index/{}", WRITE, 0, index_delete},
    /* points.c */
    {"PUT", "/collections/{}/points", WRITE, BODY, points_upsert},
    {"POST", "/collections/{}/points", READ, BODY, points_get},
    {"GET", "/collections/{}/points/{}", READ, 0, points_get_one},
    {"POST", "/collections/{}/points/delete", WRITE, BODY, points_delete},
    {"POST", "/collections/{}/points/scroll", READ, BODY, points_scroll},
    {"POST", "/collections/{}/points/count", READ, BODY, points_count},
    {"POST", "/collections/{}/points/payload", WRITE, BODY, payload_set},
    {"PUT", "/collections/{}/points/payload", WRITE, BODY, payload_overwrite},
    {"POST", "/collections/{}/points/payload/delete", WRITE, BODY, payload_delete},
    {"POST", "/collections/{}/points/payload/clear", WRITE, BODY, payload_clear},
    {"PUT", "/collections/{}/points/vectors", WRITE, BODY, vectors_update},
    {"POST", "/collections/{}/points/vectors/delete", WRITE, BODY, vectors_delete},
    {"POST", "/collections/{}/points/batch", WRITE, BODY, points_batch},
    /* search.c */
    {"POST", "/collections/{}/points/query", READ, BODY, query_one},
    {"POST", "/collections/{}/points/query/batch", READ, BODY, query_batch},
    {"POST", "/collections/{}/points/search", READ, BODY, search_one},
    {"POST", "/collections/{}/points/search/batch", READ, BODY, search_batch},
    /* known to clients, not here yet: a clear answer instead of an empty 404 */
    {"POST", "/collections/{}/points/query/groups", READ, BODY, query_groups_call},
    {"POST", "/collections/{}/points/search/groups", READ, BODY, search_groups_call},
    {"POST", "/collections/{}/points/search/matrix/pairs", READ, BODY, matrix_pairs_call},
    {"POST", "/collections/{}/points/search/matrix/offsets", READ, BODY, matrix_offsets_call},
    {"POST", "/collections/{}/points/recommend", READ, BODY, recommend_one},
    {"POST", "/collections/{}/points/recommend/batch", READ, BODY, recommend_batch},
    {"POST", "/collections/{}/points/recommend/groups", READ, BODY, recommend_groups_call},
    {"POST", "/collections/{}/points/discover", READ, BODY, discover_one},
    {"POST", "/collections/{}/points/discover/batch", READ, BODY, discover_batch},
    {"POST", "/collections/{}/facet", READ, BODY, facets_call},
    {"PUT", "/collections/{}/vectors/{}", MANAGE, SMALL, not_yet},
    {"DELETE", "/collections/{}/vectors/{}", MANAGE, 0, not_yet},
    {"GET", "/collections/{}/snapshots", READ, 0, not_yet},
    {"POST", "/collections/{}/snapshots", MANAGE, SMALL, not_yet},
    {"GET", "/snapshots", READ, 0, not_yet},
    {"POST", "/snapshots", MANAGE, SMALL, not_yet},
    {"GET", "/collections/{}/cluster", READ, 0, collections_cluster},
    {"PUT", "/collections/{}/shards", MANAGE, SMALL, not_yet},
};
const size_t qdrant_routes_count = ARRAY_SIZE(qdrant_routes);
