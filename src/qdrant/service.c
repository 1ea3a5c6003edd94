/* service.c - who is here, how it is. */
#include "qdrant/dialect.h"
#include "qdrant_schema.h"
#include "serve/openapi.h"

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

/* What this table of routes and rest.schema say. */
void service_openapi(struct call *call)
{
    openapi_write(call->server, "kith", (struct bytes){qdrant_schema, sizeof qdrant_schema}, &call->out);
    call_answer(call, 200, "application/json");
}
