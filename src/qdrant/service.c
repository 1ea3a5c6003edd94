/* service.c - who is here, how it is. */
#include "qdrant/dialect.h"

void service_root(struct call *call)
{
    buf_printf(&call->out, "{\"title\":\"kith - vector database\",\"version\":\"%s\",\"commit\":\"\"}",
               call->server->version);
    call_answer(call, 200, "application/json");
}

void service_health(struct call *call)
{
    buf_text(&call->out, "healthz check passed");
    call_answer(call, 200, "text/plain");
}

/* What is loaded serves: there is no other state. */
void service_rpc_health(struct call *call)
{
    buf_text(&call->out, "{\"status\":\"serving\"}");
    call_answer(call, 200, "application/json");
}

/* Conversations are held elsewhere (serve/reflect.c): this was none. */
void service_reflection(struct call *call)
{
    call_fail(call, 400, "reflection: expected a stream of requests");
}

void service_ready(struct call *call)
{
    buf_text(&call->out, "all shards are ready");
    call_answer(call, 200, "text/plain");
}

void service_metrics(struct call *call)
{
    metrics_write(call->server, &call->out);
    call_answer(call, 200, "text/plain; version=0.0.4");
}

void service_telemetry(struct call *call)
{
    kith_stats s;

    kith_stats_get(call->server->db, &s);
    begin_ok(call);
    buf_printf(&call->out,
               "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"app\":{\"name\":\"kith\",\"version\":\"%s\"},"
               "\"collections\":{\"number_of_collections\":%llu},\"cluster\":{\"enabled\":false},"
               "\"memory\":{\"resident_bytes\":%llu},\"log\":{\"lsn\":%llu,\"bytes\":%llu}}",
               kith_version(), (unsigned long long)s.collections, (unsigned long long)s.memory_bytes,
               (unsigned long long)s.log_lsn, (unsigned long long)s.log_bytes);
    finish_ok(call);
}

void service_cluster(struct call *call)
{
    begin_ok(call);
    buf_text(&call->out, "{\"status\":\"disabled\"}");
    finish_ok(call);
}
