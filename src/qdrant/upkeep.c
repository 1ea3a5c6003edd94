/* upkeep.c - what operators ask: quotas, problems, slow requests, the audit log, what is being optimized; and what only
 * clusters have, refused as a node without one does. */
#include "qdrant/dialect.h"

#include "codec/date.h"
#include "os/os.h"
#include "serve/audit.h"
#include "serve/quota.h"
#include "serve/slow.h"


/* ---- quotas ------------------------------------------------------------------------------------------------- */

static void put_percent(struct buf *out, const char *name, uint8_t percent)
{
    if (percent)
        buf_printf(out, ",\"%s\":%u", name, percent);
    else
        buf_printf(out, ",\"%s\":null", name);
}

void quotas_get(struct call *call)
{
    struct quota_config config;
    struct quota_state state;

    quota_look(call->server->quota, &config, &state);
    begin_ok(call);
    buf_printf(&call->out, "{\"config\":{\"enabled\":%s", config.enabled ? "true" : "false");
    put_percent(&call->out, "max_resident_memory_percent", config.memory_percent);
    put_percent(&call->out, "max_disk_usage_percent", config.disk_percent);
    buf_printf(&call->out, ",\"release_margin_percent\":%u},\"usage\":{\"resident_memory_percent\":%u,"
                           "\"disk_usage_percent\":%u}}", config.margin_percent, (unsigned)state.memory_percent,
               (unsigned)state.disk_percent);
    finish_ok(call);
}

static bool read_percent(struct call *call, yyjson_val *body, const char *name, uint64_t least, uint8_t *to)
{
    yyjson_val *v = field_of(body, name, NULL);
    uint64_t n;

    if (!v)
        return true;
    if (!read_count(call, v, name, least, 0, &n))
        return false;
    *to = (uint8_t)n;
    return n <= 100 || read_invalid(call, "%s: value %llu invalid, must be at most 100", name, (unsigned long long)n);
}

void quotas_set(struct call *call)
{
    yyjson_val *body = want_object(call);
    struct quota_config config = {.margin_percent = 5};
    int rc;

    if (!body || !read_bool(call, field_of(body, "enabled", NULL), "enabled", false, &config.enabled) ||
        !read_percent(call, body, "max_resident_memory_percent", 1, &config.memory_percent) ||
        !read_percent(call, body, "max_disk_usage_percent", 1, &config.disk_percent) ||
        !read_percent(call, body, "release_margin_percent", 0, &config.margin_percent))
        return;
    rc = quota_set(&call->c, call->server->quota, &config);
    if (rc < 0) {
        call_fail(call, 500, "Service internal error: %s", call->c.text);
        return;
    }
    answer_true(call);
}

bool quota_allows(struct call *call)
{
    struct quota_config config;
    struct quota_state state;

    quota_look(call->server->quota, &config, &state);
    if (!state.memory_over && !state.disk_over)
        return true;
    call_fail(call, 507, "Quota exceeded: %s is used to %.0f %%, the limit is %u %%; deleting is still possible",
              state.memory_over ? "memory" : "disk", state.memory_over ? state.memory_percent : state.disk_percent,
              state.memory_over ? config.memory_percent : config.disk_percent);
    return false;
}

/* ---- problems ------------------------------------------------------------------------------------------------ */

static void put_issue(struct buf *out, const char *name, const char *problem, bool first)
{
    char stamp[DATE_TEXT];

    date_text((int64_t)(os_linux()->wall_ns(os_linux()) / 1000), stamp);
    buf_text(out, first ? "{\"id\":\"COLLECTION_PROBLEM/" : ",{\"id\":\"COLLECTION_PROBLEM/");
    buf_text(out, name);
    buf_text(out, "\",\"description\":");
    json_put_str(out, problem, strlen(problem));
    buf_printf(out, ",\"solution\":\"see the server's log; kith check reads everything\",\"timestamp\":\"%s\","
                    "\"related_collection\":", stamp);
    json_put_str(out, name, strlen(name));
    buf_u8(out, '}');
}

/* Collections that do not take writes. */
void issues_list(struct call *call)
{
    kith_names names;
    bool first = true;
    kith_err err;

    if (kith_list(call->server->db, &names, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"issues\":[");
    for (size_t i = 0; i < names.count; i++) {
        kith_collection_info info;
        kith_watched watched;
        if (kith_watch(call->server->db, names.names[i], &watched) == 0 || !call_sees(call, names.names[i]) ||
            kith_info(call->server->db, names.names[i], &info, NULL) < 0)
            continue; /* idle ones have none */
        if (info.problem)
            put_issue(&call->out, names.names[i], info.problem, first);
        first = first && !info.problem;
        kith_info_free(&info);
    }
    buf_text(&call->out, "]}");
    kith_names_free(&names);
    finish_ok(call);
}

/* They are not kept: what is mended is no longer told. */
void issues_clear(struct call *call)
{
    answer_true(call);
}

void optimizations_get(struct call *call)
{
    kith_collection_info info;
    kith_err err;

    if (kith_info(call->server->db, call->params[0], &info, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_printf(&call->out, "{\"summary\":{\"queued_optimizations\":%d,\"queued_segments\":%d,\"queued_points\":%llu,"
                           "\"idle_segments\":%llu},\"running\":[]}", info.optimizing, info.backlog_rows > 0,
               (unsigned long long)info.backlog_rows,
               (unsigned long long)(info.segments - MIN(info.segments, (uint64_t)(info.backlog_rows > 0))));
    kith_info_free(&info);
    finish_ok(call);
}

/* What is acknowledged is in the log, and what is in the log is applied: there is nothing to drop. */
void wal_truncate(struct call *call)
{
    if (!kith_exists(call->server->db, call->params[0], NULL))
        fail_missing(call);
    else
        answer_true(call);
}

/* ---- what took long, and who did what ---------------------------------------------------------------------------- */

void slow_requests(struct call *call)
{
    struct slow_entry *entries = arena_alloc(&call->c.arena, SLOW_KEPT * sizeof *entries);
    char stamp[DATE_TEXT];
    uint64_t most;
    size_t n;

    if (!param_count(call, "limit", UINT32_MAX, SLOW_KEPT, &most))
        return;
    if (!entries) {
        call_fail(call, 500, "Service internal error: out of memory");
        return;
    }
    n = slow_read(call->server->slow, call_query(call, "method"), entries, (size_t)MIN(most, (uint64_t)SLOW_KEPT));
    begin_ok(call);
    buf_text(&call->out, "{\"requests\":[");
    for (size_t i = 0; i < n; i++) {
        const struct slow_entry *e = &entries[i];
        date_text((int64_t)(e->at_ns / 1000), stamp);
        buf_printf(&call->out, "%s{\"method\":\"%s\",\"path\":\"%s\",\"collection_name\":", i ? "," : "", e->method,
                   e->path);
        json_put_str(&call->out, e->collection, strlen(e->collection));
        buf_printf(&call->out, ",\"status\":%d,\"duration\":%.6f,\"datetime\":\"%s\"}", e->status, e->seconds, stamp);
    }
    buf_text(&call->out, "]}");
    finish_ok(call);
}

struct audit_wanted {
    const char *from, *to; /* RFC 3339 in UTC: they compare as texts; NULL: any */
    yyjson_val *filters;
    uint64_t limit, found;
};

static bool is_wanted(const struct audit_wanted *w, yyjson_val *line)
{
    const char *time = yyjson_get_str(yyjson_obj_get(line, "time"));
    yyjson_val *key, *v;
    size_t i, count;

    if (!time || (w->from && strcmp(time, w->from) < 0) || (w->to && strcmp(time, w->to) > 0))
        return false;
    yyjson_obj_foreach(w->filters, i, count, key, v) {
        if (!yyjson_equals(yyjson_obj_get(line, yyjson_get_str(key)), v))
            return false;
    }
    return true;
}

/* Newest first. */
static void put_lines(struct call *call, struct bytes text, struct audit_wanted *w)
{
    size_t end = text.size;

    while (end > 0 && w->found < w->limit) {
        size_t start = end - 1;
        yyjson_doc *doc;
        while (start > 0 && text.data[start - 1] != '\n')
            start--;
        doc = yyjson_read((const char *)text.data + start, end - start, 0);
        if (doc && is_wanted(w, yyjson_doc_get_root(doc))) {
            if (w->found++)
                buf_u8(&call->out, ',');
            json_put_val(&call->out, yyjson_doc_get_root(doc));
        }
        yyjson_doc_free(doc);
        end = start;
    }
}

static bool read_moment(struct call *call, yyjson_val *v, const char *what, const char **ret)
{
    char *text = arena_alloc(&call->c.arena, DATE_TEXT);
    int64_t us;

    if (!v)
        return true;
    if (!text || !yyjson_is_str(v) || !date_parse(yyjson_get_str(v), yyjson_get_len(v), &us))
        return read_fail(call, "%s: expected a datetime", what);
    date_text(us, text);
    *ret = text;
    return true;
}

void audit_logs(struct call *call)
{
    yyjson_val *body = want_object(call);
    struct audit_wanted w = {0};
    struct bytes text;

    if (!body || !read_moment(call, field_of(body, "time_from", NULL), "time_from", &w.from) ||
        !read_moment(call, field_of(body, "time_to", NULL), "time_to", &w.to) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 100, &w.limit))
        return;
    w.filters = field_of(body, "filters", NULL);
    if (w.limit > 10000 || (w.filters && !yyjson_is_obj(w.filters))) {
        (void)read_invalid(call, "limit: at most 10000; filters: an object");
        return;
    }
    if (!call->server->audit) {
        call_fail(call, 400, "Bad request: the audit log is switched off");
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"entries\":[");
    for (uint32_t i = 0; audit_read(&call->c, call->server->audit, i, &text) > 0 && w.found < w.limit; i++)
        put_lines(call, text, &w);
    buf_text(&call->out, "]}");
    finish_ok(call);
}

/* Of old clients; nothing is ever locked. */
void locks_get(struct call *call)
{
    begin_ok(call);
    buf_text(&call->out, "{\"error_message\":null,\"write\":false}");
    finish_ok(call);
}
