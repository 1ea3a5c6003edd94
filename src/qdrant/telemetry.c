/* telemetry.c - what is here and what it has answered, for those who run it. Nothing is sent anywhere. */
#include "qdrant/dialect.h"

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

/* Anonymous ones without their configuration: names and metadata are in it. */
static void put_collection(struct call *call, const struct wanted *w, const char *name)
{
    struct buf *out = &call->out;
    kith_schema schema = {0};

    if (w->anonymous) {
        buf_printf(out, "{\"id\":\"%016llx\"}", (unsigned long long)hash_bytes(name, strlen(name), 0));
        return;
    }
    buf_text(out, "{\"id\":");
    json_put_str(out, name, strlen(name));
    if (kith_schema_get(call->server->db, name, &schema, NULL) >= 0) { /* else: dropped meanwhile */
        buf_text(out, ",\"config\":");
        put_config(call, &schema);
        kith_schema_free(&schema);
    }
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
