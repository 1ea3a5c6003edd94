/* telemetry.c - what is here and what it has answered, for those who run it. Nothing is sent anywhere. */
#include "qdrant/shard_keys.h"

#include "base/hash.h"
#include "codec/date.h"

struct wanted {
    uint64_t level;
    bool anonymous;
};

static bool read_wanted(struct call *call, struct wanted *to)
{
    bool apart;

    if (!param_flag(call, "anonymize", &to->anonymous) || !param_flag(call, "per_collection", &apart) ||
        !param_count(call, "details_level", 10, 0, &to->level))
        return false;
    if (apart)
        call_fail(call, 400, "Bad request: per_collection: answers are not counted by collection");
    return !apart;
}

/* ---- shards: of collections that are in memory; asking loads none -------------------------------- */

static void put_bytes(struct call *call, const char *collection)
{
    uint64_t vectors = 0, documents = 0;
    kith_memory m;

    if (kith_memory_get(call->server->db, collection, &m, NULL) < 0)
        return;
    for (size_t i = 0; i < m.count; i++) {
        uint64_t bytes = m.parts[i].stored + m.parts[i].held;
        vectors += strcmp(m.parts[i].what, "vectors") == 0 ? bytes : 0;
        documents += strcmp(m.parts[i].what, "documents") == 0 ? bytes : 0;
    }
    kith_memory_free(&m);
    buf_printf(&call->out, ",\"vectors_size_bytes\":%llu,\"payloads_size_bytes\":%llu", (unsigned long long)vectors,
               (unsigned long long)documents);
}

static void put_vectors(struct call *call, const kith_collection_info *info, bool names)
{
    struct buf *out = &call->out;
    struct buf by_name;
    uint64_t sum = 0;

    buf_init(&by_name);
    for (size_t i = 0; i < info->schema.vectors_count; i++) {
        const char *name = info->schema.vectors[i].name;
        const kith_filter has = {.kind = KITH_COND_HAS_VECTOR, .path = name};
        int64_t n = kith_count(call->server->db, info->name, &has, true, 0, NULL);
        sum += (uint64_t)MAX(n, (int64_t)0);
        buf_text(&by_name, i ? "," : "");
        json_put_str(&by_name, name, strlen(name));
        buf_printf(&by_name, ":%lld", (long long)MAX(n, (int64_t)0));
    }
    buf_printf(out, ",\"num_vectors\":%llu", (unsigned long long)sum);
    if (names) {
        buf_text(out, ",\"num_vectors_by_name\":{");
        buf_put(out, by_name.data, by_name.size);
        buf_u8(out, '}');
    }
    out->failed = out->failed || by_name.failed;
    buf_release(&by_name);
}

static void put_part(struct call *call, const struct shard_part *part)
{
    buf_printf(&call->out, "{\"id\":%zu", part->id);
    shard_put_key(&call->out, "key", part->key);
    buf_printf(&call->out, ",\"local\":{\"total_optimized_points\":%llu,\"num_points\":%llu},\"remote\":[],"
                           "\"replicate_states\":{}}", (unsigned long long)part->points,
               (unsigned long long)part->points);
}

static void put_shards(struct call *call, const struct wanted *w, const char *name)
{
    struct buf *out = &call->out;
    kith_collection_info info;
    kith_watched watched;

    if (kith_watch(call->server->db, name, &watched) == 0)
        return;
    buf_text(out, ",\"shards\":[");
    if (shard_has_keys(call, name)) {
        if (!w->anonymous)
            (void)shard_put_parts(call, name, put_part);
    } else if (kith_info(call->server->db, name, &info, NULL) >= 0) {
        buf_printf(out, "{\"id\":0,\"local\":{\"variant_name\":\"local\",\"status\":\"%s\","
                        "\"total_optimized_points\":%llu,\"num_points\":%llu", collection_status(&info),
                   (unsigned long long)(info.points - MIN(info.backlog_rows, info.points)),
                   (unsigned long long)info.points);
        put_bytes(call, name);
        put_vectors(call, &info, !w->anonymous);
        buf_text(out, "},\"remote\":[],\"replicate_states\":{}}");
        kith_info_free(&info);
    }
    buf_u8(out, ']');
}

/* Anonymous ones without their configuration: names and metadata are in it. */
static void put_collection(struct call *call, const struct wanted *w, const char *name)
{
    struct buf *out = &call->out;
    kith_schema schema = {0};

    if (w->anonymous) {
        buf_printf(out, "{\"id\":\"%016llx\"", (unsigned long long)hash_bytes(name, strlen(name), 0));
    } else {
        buf_text(out, "{\"id\":");
        json_put_str(out, name, strlen(name));
    }
    if (!w->anonymous && kith_schema_get(call->server->db, name, &schema, NULL) >= 0) { /* else: dropped meanwhile */
        buf_text(out, ",\"config\":");
        put_config(call, &schema);
        kith_schema_free(&schema);
    }
    if (w->level >= 2)
        put_shards(call, w, name);
    buf_u8(out, '}');
}

static void put_collections(struct call *call, const struct wanted *w, const kith_names *names)
{
    struct buf *out = &call->out;
    size_t seen = 0;

    for (size_t i = 0; i < names->count; i++)
        seen += call_sees(call, names->names[i]);
    buf_printf(out, "\"collections\":{\"number_of_collections\":%zu", seen);
    if (w->level) {
        bool first = true;
        buf_text(out, ",\"collections\":[");
        for (size_t i = 0; i < names->count; i++) {
            if (!call_sees(call, names->names[i]))
                continue;
            if (!first)
                buf_u8(out, ',');
            first = false;
            put_collection(call, w, names->names[i]);
        }
        buf_u8(out, ']');
    }
    buf_u8(out, '}');
}

void service_telemetry(struct call *call)
{
    struct buf *out = &call->out;
    char started[DATE_TEXT];
    struct wanted w;
    kith_names names;
    kith_err err;

    if (!read_wanted(call, &w))
        return;
    if (kith_list(call->server->db, &names, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    date_text(call->server->start_us, started);
    buf_printf(out, "{\"id\":\"%s\",\"app\":{\"name\":\"kith\",\"version\":\"%s\",\"startup\":\"%s\"},",
               call->server->id, kith_version(), started);
    put_collections(call, &w, &names);
    kith_names_free(&names);
    buf_printf(out, ",\"cluster\":{\"enabled\":%s},\"requests\":{\"rest\":{\"responses\":",
               call->server->cluster_uri ? "true" : "false");
    stats_write(call->server, false, out);
    buf_text(out, "},\"grpc\":{\"responses\":");
    stats_write(call->server, true, out);
    buf_text(out, "}}}");
    finish_ok(call);
}
