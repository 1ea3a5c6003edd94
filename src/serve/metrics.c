/* metrics.c - what is counted of answers, and the page that a Prometheus server reads. */
#include "serve/serve.h"

#include "base/id.h"
#include "os/os.h"
#include "serve/quota.h"

#include <stdio.h>

enum grpc_code grpc_code_of(int status)
{
    switch (status) {
    case 200: return GRPC_OK;
    case 400: case 413: case 422: return GRPC_INVALID_ARGUMENT;
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_NOT_FOUND;
    case 405: case 501: return GRPC_UNIMPLEMENTED;
    case 408: return GRPC_DEADLINE_EXCEEDED;
    case 409: return GRPC_ALREADY_EXISTS;
    case 429: case 507: return GRPC_RESOURCE_EXHAUSTED;
    case 503: return GRPC_UNAVAILABLE;
    default: return GRPC_INTERNAL;
    }
}

bool route_is_rpc(const struct route *r)
{
    return strcmp(r->method, "RPC") == 0;
}

/* ---- what is counted ---------------------------------------------------------------------------------------- */

/* Those that a REST route may answer; the last stands for all others. */
static const int statuses[] = {200, 202, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 501, 503, 507, 500};
_Static_assert(ARRAY_SIZE(statuses) <= OUTCOMES, "each status has its counters");

static size_t outcome_of(const struct route *route, int status)
{
    size_t i = 0;

    if (route_is_rpc(route))
        return grpc_code_of(status);
    while (i + 1 < ARRAY_SIZE(statuses) && statuses[i] != status)
        i++;
    return i;
}

void server_begin(struct server *s)
{
    const struct os *os = os_linux();
    uint8_t id[16];

    os_mutex_init(&s->changing);
    os->random(os, id, sizeof id);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* a random one, RFC 9562 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    uuid_text(id, s->id);
    s->start_ns = os->mono_ns(os);
    s->start_us = (int64_t)(os->wall_ns(os) / 1000);
}

void server_end(struct server *s)
{
    os_mutex_release(&s->changing);
}

void stats_note(struct server *s, const struct route *route, int status, uint64_t ns)
{
    struct outcome_stats *o = &s->stats[route - s->routes].by[outcome_of(route, status)];
    unsigned long long seen = atomic_load(&o->max_ns);
    uint64_t bound = 100000;
    size_t i = 0;

    atomic_fetch_add(&o->total_ns, ns);
    while (ns > seen && !atomic_compare_exchange_weak(&o->max_ns, &seen, ns))
        ;
    seen = atomic_load(&o->min_ns);
    while ((!seen || ns < seen) && !atomic_compare_exchange_weak(&o->min_ns, &seen, MAX(ns, 1u)))
        ;
    for (; i + 1 < LATENCY_BUCKETS && ns > bound; i++)
        bound *= 3;
    atomic_fetch_add(&o->buckets[i], 1);
}

/* ---- the page ----------------------------------------------------------------------------------------------- */

struct page {
    struct server *server;
    const char *prefix;
    struct buf *out;
};

static void announce(struct page *p, const char *name, const char *type, const char *help)
{
    buf_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", p->prefix, name, help, p->prefix, name, type);
}

static void put_gauge(struct page *p, const char *name, const char *help, double value)
{
    announce(p, name, "gauge", help);
    buf_printf(p->out, "%s%s %.17g\n", p->prefix, name, value);
}

static void put_counter(struct page *p, const char *name, const char *help, uint64_t value)
{
    announce(p, name, "counter", help);
    buf_printf(p->out, "%s%s %llu\n", p->prefix, name, (unsigned long long)value);
}

static uint64_t answers_of(const struct outcome_stats *o)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        sum += atomic_load(&o->buckets[i]);
    return sum;
}

/* One line about a route's answers that ended so; `name` follows rest or grpc, `more` its labels. */
static void put_answers(struct page *p, const struct route *r, size_t outcome, const char *name, const char *more,
                        double value)
{
    if (route_is_rpc(r))
        buf_printf(p->out, "%sgrpc_responses_%s{endpoint=\"%s\",status=\"%zu\"%s} %.12g\n", p->prefix, name, r->path,
                   outcome, more, value);
    else
        buf_printf(p->out, "%srest_responses_%s{method=\"%s\",endpoint=\"%s\",status=\"%d\"%s} %.12g\n", p->prefix,
                   name, r->method, r->path, statuses[outcome], more, value);
}

static void put_histogram(struct page *p, const struct route *r, size_t outcome, const struct outcome_stats *o)
{
    uint64_t sum = 0;
    double bound = 0.0001;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++, bound *= 3) {
        char le[32] = ",le=\"+Inf\"";
        sum += atomic_load(&o->buckets[i]);
        if (i + 1 < LATENCY_BUCKETS)
            snprintf(le, sizeof le, ",le=\"%.4g\"", bound);
        put_answers(p, r, outcome, "duration_seconds_bucket", le, (double)sum);
    }
    put_answers(p, r, outcome, "duration_seconds_sum", "", (double)atomic_load(&o->total_ns) / 1e9);
    put_answers(p, r, outcome, "duration_seconds_count", "", (double)sum);
}

static const struct series {
    const char *name, *type, *help;
} series[] = {
    {"total", "counter", "answers by endpoint and status"},
    {"avg_duration_seconds", "gauge", "mean time from the last byte of a request to its answer"},
    {"min_duration_seconds", "gauge", "the shortest"},
    {"max_duration_seconds", "gauge", "the longest"},
    {"duration_seconds", "histogram", "how they are spread"},
};

static void put_series(struct page *p, const struct series *one, const struct route *r, size_t outcome,
                       const struct outcome_stats *o)
{
    uint64_t n = answers_of(o);

    if (!n)
        return;
    switch (one - series) {
    case 0: put_answers(p, r, outcome, one->name, "", (double)n); break;
    case 1: put_answers(p, r, outcome, one->name, "", (double)atomic_load(&o->total_ns) / 1e9 / (double)n); break;
    case 2: put_answers(p, r, outcome, one->name, "", (double)atomic_load(&o->min_ns) / 1e9); break;
    case 3: put_answers(p, r, outcome, one->name, "", (double)atomic_load(&o->max_ns) / 1e9); break;
    default: put_histogram(p, r, outcome, o);
    }
}

static void put_responses(struct page *p, bool rpc)
{
    struct server *s = p->server->watched ? p->server->watched : p->server;

    for (size_t k = 0; k < ARRAY_SIZE(series); k++) {
        char name[64];
        snprintf(name, sizeof name, "%s_responses_%s", rpc ? "grpc" : "rest", series[k].name);
        announce(p, name, series[k].type, series[k].help);
        for (size_t i = 0; i < s->routes_count; i++) {
            for (size_t j = 0; route_is_rpc(&s->routes[i]) == rpc && j < OUTCOMES; j++)
                put_series(p, &series[k], &s->routes[i], j, &s->stats[i].by[j]);
        }
    }
}

static void put_statistics(struct buf *out, const struct outcome_stats *o, uint64_t n)
{
    uint64_t total = atomic_load(&o->total_ns);

    buf_printf(out, "{\"count\":%llu,\"avg_duration_micros\":%.3f,\"min_duration_micros\":%.3f,"
                    "\"max_duration_micros\":%.3f,\"total_duration_micros\":%llu}",
               (unsigned long long)n, (double)total / 1000 / (double)n, (double)atomic_load(&o->min_ns) / 1000,
               (double)atomic_load(&o->max_ns) / 1000, (unsigned long long)(total / 1000));
}

static bool put_route(struct server *s, size_t at, bool first, struct buf *out)
{
    const struct route *r = &s->routes[at];
    bool none = true;

    for (size_t i = 0; i < OUTCOMES; i++) {
        uint64_t n = answers_of(&s->stats[at].by[i]);
        if (!n)
            continue;
        if (none)
            buf_printf(out, "%s\"%s%s%s\":{", first ? "" : ",", route_is_rpc(r) ? "" : r->method,
                       route_is_rpc(r) ? "" : " ", r->path);
        buf_printf(out, "%s\"%d\":", none ? "" : ",", route_is_rpc(r) ? (int)i : statuses[i]);
        put_statistics(out, &s->stats[at].by[i], n);
        none = false;
    }
    if (!none)
        buf_u8(out, '}');
    return !none;
}

void stats_write(struct server *s, bool rpc, struct buf *out)
{
    bool first = true;

    buf_u8(out, '{');
    for (size_t i = 0; i < s->routes_count; i++) {
        if (route_is_rpc(&s->routes[i]) == rpc && put_route(s, i, first, out))
            first = false;
    }
    buf_u8(out, '}');
}

/* One gauge of every collection in memory. */
static void put_watched(struct page *p, const kith_names *names, const char *gauge, const char *help,
                        double (*value)(const kith_watched *w))
{
    announce(p, gauge, "gauge", help);
    for (size_t i = 0; i < names->count; i++) {
        kith_watched w;
        if (!kith_watch(p->server->db, names->names[i], &w))
            continue;
        buf_printf(p->out, "%s%s{id=", p->prefix, gauge);
        json_put_str(p->out, names->names[i], strlen(names->names[i]));
        buf_printf(p->out, "} %.10g\n", value(&w));
    }
}

static double points_of(const kith_watched *w)
{
    return (double)w->points;
}
static double backlog_of(const kith_watched *w)
{
    return (double)w->backlog;
}
static double samples_of(const kith_watched *w)
{
    return (double)w->recall_samples;
}
static double recall_of(const kith_watched *w)
{
    return w->recall;
}
static double low_of(const kith_watched *w)
{
    return w->recall_low;
}
static double high_of(const kith_watched *w)
{
    return w->recall_high;
}
static double effort_of(const kith_watched *w)
{
    return w->effort;
}

static void put_collections(struct page *p)
{
    kith_names names;

    if (kith_list(p->server->db, &names, NULL) < 0)
        return;
    put_watched(p, &names, "collection_points", "live points of collections in memory", points_of);
    put_watched(p, &names, "kith_collection_backlog_rows", "rows that wait for their place in a graph", backlog_of);
    put_watched(p, &names, "kith_recall_samples", "searches run again exactly, to compare", samples_of);
    put_watched(p, &names, "kith_recall", "share of the true nearest that they had found", recall_of);
    put_watched(p, &names, "kith_recall_low", "its lower bound at 95 %", low_of);
    put_watched(p, &names, "kith_recall_high", "its upper bound at 95 %", high_of);
    put_watched(p, &names, "kith_search_effort", "factor of search widths that the monitor set", effort_of);
    kith_names_free(&names);
}

static void put_engine(struct page *p)
{
    kith_stats st;

    kith_stats_get(p->server->db, &st);
    put_gauge(p, "collections_total", "number of collections", (double)st.collections);
    put_gauge(p, "kith_collections_loaded", "collections in memory; idle ones are not", (double)st.loaded);
    put_collections(p);
    put_gauge(p, "memory_resident_bytes", "resident set of the process", (double)st.memory_bytes);
    put_gauge(p, "kith_memory_budget_bytes", "memory the engine may use", (double)st.memory_budget_bytes);
    put_gauge(p, "kith_log_bytes", "log files on disk", (double)st.log_bytes);
    put_gauge(p, "kith_log_lsn", "last position in the log", (double)st.log_lsn);
    put_counter(p, "kith_log_commits_total", "group commits", st.commits);
    put_counter(p, "kith_log_records_total", "records made durable", st.records);
    put_counter(p, "kith_seals_total", "growing segments sealed", st.seals);
    put_counter(p, "kith_merges_total", "segments merged", st.merges);
    put_counter(p, "kith_graph_builds_total", "graphs built", st.graph_builds);
    put_counter(p, "kith_graph_links_total", "rows linked into graphs", st.graph_links);
}

static void put_process(struct page *p)
{
    struct os_process os;

    os_process_look(&os);
    put_gauge(p, "process_threads", "threads", (double)os.threads);
    put_gauge(p, "process_open_fds", "open files and connections", (double)os.open_files);
    put_gauge(p, "process_max_fds", "how many may be open", (double)os.max_files);
    put_gauge(p, "process_open_mmaps", "mapped regions", (double)os.mappings);
    put_gauge(p, "system_max_mmaps", "how many a process may have", (double)os.max_mappings);
    put_counter(p, "process_minor_page_faults_total", "pages found in memory", os.minor_faults);
    put_counter(p, "process_major_page_faults_total", "pages read from disk", os.major_faults);
    put_gauge(p, "process_uptime_seconds", "since the start",
              (double)(os_linux()->mono_ns(os_linux()) - p->server->start_ns) / 1e9);
}

static void put_quota(struct page *p)
{
    struct quota_config config;
    struct quota_state state;

    quota_look(p->server->quota, &config, &state);
    announce(p, "quota_exceeded", "gauge", "1: no more is taken in");
    buf_printf(p->out, "%squota_exceeded{resource=\"memory\"} %d\n%squota_exceeded{resource=\"disk\"} %d\n", p->prefix,
               state.memory_over, p->prefix, state.disk_over);
}

void metrics_write(struct server *s, struct buf *out)
{
    struct page p = {s, s->metrics_prefix ? s->metrics_prefix : "", out};

    announce(&p, "app_info", "gauge", "what runs here");
    buf_printf(out, "%sapp_info{name=\"kith\",version=\"%s\"} 1\n", p.prefix, kith_version());
    put_gauge(&p, "app_status_recovery_mode", "1: started to be repaired only", 0);
    put_gauge(&p, "cluster_enabled", "1: it answers as part of a cluster", s->cluster_uri != NULL);
    put_engine(&p);
    put_responses(&p, false);
    put_responses(&p, true);
    if (s->quota)
        put_quota(&p);
    put_process(&p);
}
