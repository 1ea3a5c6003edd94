/* shards.c - reads of one shard, as tools that look into shards make them: on one node shard 0 is the collection. */
#include "qdrant/shard_keys.h"

static bool is_whole(struct call *call)
{
    if (shard_has_keys(call, call->params[0])) {
        call_fail(call, 400, "Bad request: Shards of `%.200s` are parts under keys: name a shard_key instead",
                  call->params[0]);
        return false;
    }
    if (strcmp(call->params[1], "0") == 0)
        return true;
    call_fail(call, 404, "Not found: Shard %.20s not found", call->params[1]);
    return false;
}

/* Removes what belongs to other shards: one that is the whole collection has none of it. */
void shard_cleanup(struct call *call)
{
    if (!is_whole(call))
        return;
    if (!kith_exists(call->server->db, call->params[0], NULL)) {
        fail_missing(call);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"operation_id\":null,\"status\":\"completed\"}");
    finish_ok(call);
}

void shard_points_get(struct call *call)
{
    if (is_whole(call))
        points_get(call);
}

void shard_points_scroll(struct call *call)
{
    if (is_whole(call))
        points_scroll(call);
}

void shard_points_count(struct call *call)
{
    if (is_whole(call))
        points_count(call);
}
