/* cluster.c - a cluster of one: what a healthy node says that is alone in its cluster (cluster.enabled), and what one
 * without a cluster refuses. There is nobody to move anything to. */
#include "qdrant/shard_keys.h"

#include "codec/date.h"
#include "os/os.h"

#define KEPT "cluster.json"
enum { TERM = 1 };

/* False: answered, as by a node without a cluster. */
static bool in_cluster(struct call *call)
{
    if (call->server->cluster_uri)
        return true;
    call_fail(call, call->rpc ? 400 : 405, "Bad request: Distributed mode is disabled: this is one node");
    return false;
}

static unsigned long long commits(struct call *call)
{
    kith_stats s;

    kith_stats_get(call->server->db, &s);
    return (unsigned long long)s.log_lsn;
}

static void put_working(struct buf *out)
{
    char now[DATE_TEXT];

    date_text((int64_t)(os_linux()->wall_ns(os_linux()) / 1000), now);
    buf_printf(out, "{\"consensus_thread_status\":\"working\",\"last_update\":\"%s\"}", now);
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

void service_cluster(struct call *call)
{
    struct buf *out = &call->out;

    begin_ok(call);
    if (!call->server->cluster_uri) {
        buf_text(out, "{\"status\":\"disabled\"}");
    } else {
        buf_printf(out, "{\"status\":\"enabled\",\"peer_id\":%d,\"peers\":{\"%d\":{\"uri\":\"%s\"}},\"raft_info\":{"
                        "\"term\":%d,\"commit\":%llu,\"pending_operations\":0,\"leader\":%d,\"role\":\"Leader\","
                        "\"is_voter\":true},\"consensus_thread_status\":", PEER, PEER, call->server->cluster_uri, TERM,
                   commits(call), PEER);
        put_working(out);
        buf_text(out, ",\"message_send_failures\":{}}");
    }
    finish_ok(call);
}

void cluster_recover(struct call *call)
{
    if (in_cluster(call))
        answer_true(call);
}

void cluster_remove_peer(struct call *call)
{
    if (!in_cluster(call))
        return;
    if (strcmp(call->params[0], "1") == 0)
        call_fail(call, 400, "Bad request: Cannot remove peer %d: it is the only one, and its shards are on it", PEER);
    else
        call_fail(call, 404, "Not found: Peer %.40s does not exist", call->params[0]);
}

static void put_replica(struct call *call, const struct shard_part *part)
{
    buf_printf(&call->out, "{\"id\":%zu", part->id);
    if (part->key.size)
        shard_put_key(&call->out, "key", part->key);
    buf_printf(&call->out, ",\"replicas\":[{\"peer_id\":%d,\"state\":\"Active\",\"status\":\"green\","
                           "\"num_points\":%llu}]}", PEER, (unsigned long long)part->points);
}

void cluster_telemetry(struct call *call)
{
    struct buf *out = &call->out;
    kith_names names;
    bool first = true;
    kith_err err;

    if (!in_cluster(call))
        return;
    if (kith_list(call->server->db, &names, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(out, "{\"collections\":{");
    for (size_t i = 0; i < names.count; i++) {
        if (!call_sees(call, names.names[i]))
            continue;
        buf_text(out, first ? "" : ",");
        first = false;
        json_put_str(out, names.names[i], strlen(names.names[i]));
        buf_text(out, ":{\"id\":");
        json_put_str(out, names.names[i], strlen(names.names[i]));
        buf_text(out, ",\"shards\":[");
        (void)shard_put_parts(call, names.names[i], put_replica);
        buf_text(out, "]}");
    }
    kith_names_free(&names);
    buf_printf(out, "},\"cluster\":{\"enabled\":true,\"number_of_peers\":1,\"peers\":{\"%d\":{\"uri\":\"%s\","
                    "\"responsive\":true,\"details\":{\"version\":\"%s\",\"role\":\"Leader\",\"is_voter\":true,"
                    "\"term\":%d,\"commit\":%llu,\"num_pending_operations\":0,\"consensus_thread_status\":", PEER,
               call->server->cluster_uri, call->server->version, TERM, commits(call));
    put_working(out);
    buf_text(out, "}}}}}");
    finish_ok(call);
}

/* ---- metadata: small values by name, kept beside the data -------------------------------------------------------- */

/* NULL: answered. */
static yyjson_mut_doc *load(struct call *call)
{
    char *path = os_path(&call->c.arena, call->server->dir, KEPT);
    struct bytes text = {(const uint8_t *)"{}", 2};
    yyjson_mut_doc *kept;
    yyjson_doc *doc;

    if (!path || (os_linux()->exists(os_linux(), path) == 1 && os_read_file(&call->c, path, 16 << 20, &text) < 0)) {
        call_fail(call, 500, "Service internal error: %s", path ? call->c.text : "out of memory");
        return NULL;
    }
    doc = yyjson_read((const char *)text.data, text.size, 0);
    kept = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
    yyjson_doc_free(doc);
    if (!kept)
        call_fail(call, 500, "Service internal error: %s is no JSON", KEPT);
    return kept;
}

void cluster_keys(struct call *call)
{
    yyjson_mut_doc *kept = in_cluster(call) ? load(call) : NULL;
    yyjson_mut_val *key, *v;
    size_t i, count;

    if (!kept)
        return;
    begin_ok(call);
    buf_u8(&call->out, '[');
    yyjson_mut_obj_foreach(yyjson_mut_doc_get_root(kept), i, count, key, v) {
        buf_text(&call->out, i ? "," : "");
        json_put_str(&call->out, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
    }
    buf_u8(&call->out, ']');
    yyjson_mut_doc_free(kept);
    finish_ok(call);
}

void cluster_key_get(struct call *call)
{
    yyjson_mut_doc *kept = in_cluster(call) ? load(call) : NULL;
    yyjson_mut_val *v = kept ? yyjson_mut_obj_get(yyjson_mut_doc_get_root(kept), call->params[0]) : NULL;
    yyjson_doc *one = v ? yyjson_mut_val_imut_copy(v, NULL) : NULL;

    if (!kept)
        return;
    begin_ok(call);
    if (one)
        json_put_val(&call->out, yyjson_doc_get_root(one));
    else
        buf_text(&call->out, "null");
    yyjson_doc_free(one);
    yyjson_mut_doc_free(kept);
    finish_ok(call);
}

static void change_key(struct call *call, bool set)
{
    struct os_mutex *changing = &call->server->changing; /* the call goes with its answer */
    yyjson_mut_doc *kept;
    yyjson_mut_val *key;
    const char *text;

    if (!in_cluster(call))
        return;
    os_mutex_lock(changing);
    kept = load(call);
    if (kept) {
        key = yyjson_mut_strcpy(kept, call->params[0]);
        if (set && call->body)
            yyjson_mut_obj_put(yyjson_mut_doc_get_root(kept), key, yyjson_val_mut_copy(kept, call->body));
        else
            yyjson_mut_obj_remove(yyjson_mut_doc_get_root(kept), key);
        text = json_mut_text(&call->c, kept);
        yyjson_mut_doc_free(kept);
        if (text && os_write_file(&call->c, call->server->dir, KEPT, text, strlen(text)) >= 0)
            answer_true(call);
        else
            call_fail(call, 500, "Service internal error: %s", text ? call->c.text : "out of memory");
    }
    os_mutex_unlock(changing);
}

void cluster_key_set(struct call *call) { change_key(call, true); }
void cluster_key_drop(struct call *call) { change_key(call, false); }

/* ---- a collection in it ------------------------------------------------------------------------------------------ */

static void put_local(struct call *call, const struct shard_part *part)
{
    buf_printf(&call->out, "{\"shard_id\":%zu", part->id);
    if (part->key.size)
        shard_put_key(&call->out, "shard_key", part->key);
    buf_printf(&call->out, ",\"points_count\":%llu,\"state\":\"Active\"}", (unsigned long long)part->points);
}

void collections_cluster(struct call *call)
{
    size_t shards;

    if (!kith_exists(call->server->db, call->params[0], NULL)) {
        fail_missing(call);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"local_shards\":[");
    shards = shard_put_parts(call, call->params[0], put_local);
    buf_printf(&call->out, "],\"peer_id\":%d,\"shard_count\":%zu,\"remote_shards\":[],\"shard_transfers\":[]}", PEER,
               shards);
    finish_ok(call);
}

/* What is about keys is done; what moves or copies shards needs another node. */
void collections_cluster_change(struct call *call)
{
    yyjson_val *body = want_object(call), *create, *drop, *replicate;

    if (!body)
        return;
    create = field_of(body, "create_sharding_key", "create_shard_key");
    drop = field_of(body, "drop_sharding_key", "delete_shard_key");
    replicate = field_of(body, "replicate_points", NULL);
    if (create || drop)
        shard_keys_change(call, create ? create : drop, create != NULL);
    else if (replicate)
        shard_keys_move(call, replicate);
    else if (in_cluster(call))
        call_fail(call, 400, "Bad request: there is no other peer that shards could move to, be copied to or come from");
}
