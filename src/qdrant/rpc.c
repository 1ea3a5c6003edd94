/* rpc.c - a gRPC request into what the handlers read: the collection's name as if from a path, waiting and timeouts as
 * if from a query string, the rest as a body. And their JSON back into a message, where they did not write one. */
#include "qdrant/rpc.h"

#include "net/grpc.h"
#include "qdrant/dialect.h"
#include "qdrant_protos.h"

#include <stdio.h>

int qdrant_rpc_schema(struct ctx *c, struct pb_schema *ret_schema)
{
    struct bytes set = {qdrant_protos, sizeof qdrant_protos};

    TRY(pb_load(c, set, ret_schema));
    TRY(pb_apply(c, ret_schema, rpc_rules, rpc_rules_count));
    for (size_t i = 0; i < rpc_shapes_count; i++) {
        struct pb_message *m = pb_message_named(ret_schema, rpc_shapes[i].message);
        if (!m)
            return err_set(c, KITH_INVALID, "no message %s", rpc_shapes[i].message);
        m->shape = rpc_shapes[i].in;
        m->unshape = rpc_shapes[i].out;
    }
    return 0;
}

/* What REST has in the path or behind the question mark. */
static bool take_query(struct call *call, const char *name, const char *as)
{
    yyjson_val *v = yyjson_obj_get(call->body, name);
    struct query_param *to = &call->query[call->query_count];
    char text[32];

    if (!v || call->query_count == QUERY_MAX)
        return true;
    to->name = as;
    if (yyjson_is_bool(v))
        to->value = yyjson_get_bool(v) ? "true" : "false";
    else if (yyjson_is_str(v))
        to->value = yyjson_get_str(v);
    else if (yyjson_is_uint(v)) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)yyjson_get_uint(v));
        to->value = arena_str(&call->c.arena, text, strlen(text));
    } else {
        return true;
    }
    call->query_count++;
    return to->value != NULL;
}

/* The caller's patience counts as a timeout, in milliseconds, unless the message names a shorter one. */
static bool rpc_read(struct call *call, struct bytes wire)
{
    static const char *const params[] = {"collection_name", "field_name", "vector_name", "snapshot_name"};
    const struct pb_method *method = pb_method_at(call->server->rpc_schema, call->route->path);
    int rc = method ? pb_to_tree(&call->c, method->in, wire, &call->json) : 0;

    if (!method) /* reflection: the handler says what is wrong */
        return true;
    if (rc < 0) {
        call_fail(call, rc == KITH_NOMEM ? 500 : 400, "%s", call->c.text);
        return false;
    }
    call->body = yyjson_doc_get_root(call->json);
    for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
        yyjson_val *v = yyjson_obj_get(call->body, params[i]);
        if (yyjson_is_str(v) && call->params_count < PARAMS_MAX)
            call->params[call->params_count++] = yyjson_get_str(v);
    }
    if (take_query(call, "wait", "wait") && take_query(call, "ordering", "ordering") &&
        take_query(call, "timeout", "timeout") && take_query(call, "read_consistency", "consistency"))
        return true;
    call_fail(call, 500, "Service internal error: out of memory");
    return false;
}

static void rpc_write(struct call *call)
{
    const struct pb_method *method = pb_method_at(call->server->rpc_schema, call->route->path);
    yyjson_doc *doc = yyjson_read((char *)call->out.data, call->out.size, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *result = yyjson_obj_get(root, "result");
    struct buf message;

    buf_init(&message);
    buf_zero(&message, GRPC_PREFIX);
    pb_from_tree(&message, method->out, root);
    if (yyjson_is_obj(result) && method->out->count && strcmp(method->out->fields[0].name, "result") != 0)
        pb_from_tree(&message, method->out, result); /* answers without a member `result` have its members */
    if (!doc)
        message.failed = true;
    yyjson_doc_free(doc);
    buf_release(&call->out);
    call->out = message;
}

const struct rpc_form qdrant_rpc_form = {rpc_read, rpc_write};
