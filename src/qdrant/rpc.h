/* rpc.h - the gRPC side of this dialect: messages become the trees that REST bodies are. */
#ifndef QDRANT_RPC_H
#define QDRANT_RPC_H

#include "codec/pb.h"
#include "serve/serve.h"

extern const struct rpc_form qdrant_rpc_form;
/* The descriptors with this dialect's rules, in the context's arena. */
int qdrant_rpc_schema(struct ctx *c, struct pb_schema *ret_schema);

/* Inside: where messages and trees differ (rpc_rules.c), and the shapes that rules cannot say. */
extern const struct pb_rule rpc_rules[];
extern const size_t rpc_rules_count;
struct rpc_shape {
    const char *message; /* with its package */
    pb_shape in;
    pb_unshape out;
};
extern const struct rpc_shape rpc_shapes[];
extern const size_t rpc_shapes_count;

#endif
