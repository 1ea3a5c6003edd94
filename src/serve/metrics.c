/* metrics.c - what a Prometheus server reads. */
#include "serve/serve.h"

#include "os/os.h"

#include <stdio.h>

static void put_gauge(struct buf *out, const char *name, const char *help, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.17g\n", name, help, name, name, value);
}

static void put_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name, (unsigned long long)value);
}

static void put_responses(struct server *s, struct buf *out)
{
    buf_text(out, "# HELP rest_responses_total answers by endpoint and status class\n"
                  "# TYPE rest_responses_total counter\n");
    for (size_t i = 0; i < s->routes_count; i++) {
        for (unsigned k = 2; k < 6; k++) {
            uint64_t n = atomic_load(&s->stats[i].count[k]);
            if (n)
                buf_printf(out, "rest_responses_total{method=\"%s\",endpoint=\"%s\",status=\"%uxx\"} %llu\n",
                           s->routes[i].method, s->routes[i].path, k, (unsigned long long)n);
        }
    }
    buf_text(out, "# HELP rest_responses_duration_seconds time from the last byte of a request to its answer\n"
                  "# TYPE rest_responses_duration_seconds histogram\n");
    for (size_t i = 0; i < s->routes_count; i++) {
        uint64_t sum = 0;
        double bound = 0.0001;
        for (size_t j = 0; j < LATENCY_BUCKETS; j++)
            sum += atomic_load(&s->stats[i].buckets[j]);
        if (!sum)
            continue;
        sum = 0;
        for (size_t j = 0; j < LATENCY_BUCKETS; j++, bound *= 3) {
            char le[32];
            sum += atomic_load(&s->stats[i].buckets[j]);
            snprintf(le, sizeof le, "%.4g", bound);
            buf_printf(out, "rest_responses_duration_seconds_bucket{method=\"%s\",endpoint=\"%s\",le=\"%s\"} %llu\n",
                       s->routes[i].method, s->routes[i].path, j + 1 == LATENCY_BUCKETS ? "+Inf" : le,
                       (unsigned long long)sum);
        }
        buf_printf(out, "rest_responses_duration_seconds_sum{method=\"%s\",endpoint=\"%s\"} %.9f\n",
                   s->routes[i].method, s->routes[i].path, (double)atomic_load(&s->stats[i].total_ns) / 1e9);
        buf_printf(out, "rest_responses_duration_seconds_count{method=\"%s\",endpoint=\"%s\"} %llu\n",
                   s->routes[i].method, s->routes[i].path, (unsigned long long)sum);
    }
}

/* One gauge of every collection in memory. */
static void put_watched(struct server *s, const kith_names *names, const char *gauge, const char *help,
                        double (*value)(const kith_watched *w), struct buf *out)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", gauge, help, gauge);
    for (size_t i = 0; i < names->count; i++) {
        kith_watched w;
        if (!kith_watch(s->db, names->names[i], &w))
            continue;
        buf_printf(out, "%s{id=", gauge);
        json_put_str(out, names->names[i], strlen(names->names[i]));
        buf_printf(out, "} %.10g\n", value(&w));
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

static void put_collections(struct server *s, struct buf *out)
{
    kith_names names;

    if (kith_list(s->db, &names, NULL) < 0)
        return;
    put_watched(s, &names, "collection_points", "live points of collections in memory", points_of, out);
    put_watched(s, &names, "kith_collection_backlog_rows", "rows that wait for their place in a graph", backlog_of, out);
    put_watched(s, &names, "kith_recall_samples", "searches run again exactly, to compare", samples_of, out);
    put_watched(s, &names, "kith_recall", "share of the true nearest that they had found", recall_of, out);
    put_watched(s, &names, "kith_recall_low", "its lower bound at 95 %", low_of, out);
    put_watched(s, &names, "kith_recall_high", "its upper bound at 95 %", high_of, out);
    put_watched(s, &names, "kith_search_effort", "factor of search widths that the monitor set", effort_of, out);
    kith_names_free(&names);
}

void metrics_write(struct server *s, struct buf *out)
{
    kith_stats st;

    kith_stats_get(s->db, &st);
    buf_printf(out, "# HELP app_info what runs here\n# TYPE app_info gauge\napp_info{name=\"kith\",version=\"%s\"} 1\n",
               kith_version());
    put_gauge(out, "collections_total", "number of collections", (double)st.collections);
    put_gauge(out, "kith_collections_loaded", "collections in memory; idle ones are not", (double)st.loaded);
    put_collections(s, out);
    put_responses(s, out);
    put_gauge(out, "memory_resident_bytes", "resident set of the process", (double)st.memory_bytes);
    put_gauge(out, "kith_memory_budget_bytes", "memory the engine may use", (double)st.memory_budget_bytes);
    put_gauge(out, "kith_log_bytes", "log files on disk", (double)st.log_bytes);
    put_gauge(out, "kith_log_lsn", "last position in the log", (double)st.log_lsn);
    put_counter(out, "kith_log_commits_total", "group commits", st.commits);
    put_counter(out, "kith_log_records_total", "records made durable", st.records);
    put_counter(out, "kith_seals_total", "growing segments sealed", st.seals);
    put_counter(out, "kith_merges_total", "segments merged", st.merges);
    put_counter(out, "kith_graph_builds_total", "graphs built", st.graph_builds);
    put_counter(out, "kith_graph_links_total", "rows linked into graphs", st.graph_links);
    put_gauge(out, "process_uptime_seconds", "since the start",
              (double)(os_linux()->mono_ns(os_linux()) - s->start_ns) / 1e9);
}
