/* partial.c - snapshots without what the receiver has already. The manifest is a list of parts: files that never change,
 * of names that no other server gives, so that having a part of the name is having the part. */
#include "qdrant/snapshots.h"

#include "base/mem.h"
#include "net/client.h"

#include <stdio.h>

static void put_parts(struct buf *out, const kith_names *parts)
{
    buf_text(out, "{\"parts\":[");
    for (size_t i = 0; i < parts->count; i++) {
        if (i)
            buf_u8(out, ',');
        json_put_str(out, parts->names[i], strlen(parts->names[i]));
    }
    buf_text(out, "]}");
}

void partial_manifest(struct call *call)
{
    kith_snapshot_file *file;
    char name[SNAPSHOT_NAME];
    struct place place;
    kith_names parts;
    kith_err err;
    int rc;

    if (!snapshots_place(call, &place) || !(file = snapshots_passing(call, place.collection, name)))
        return;
    rc = kith_snapshot_parts(file, &parts, &err);
    kith_snapshot_close(file);
    if (rc < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    put_parts(&call->out, &parts);
    kith_names_free(&parts);
    finish_ok(call);
}

/* 304 if the receiver has all of it. */
void partial_create(struct call *call)
{
    yyjson_val *body = want_object(call);
    kith_snapshot_file *file;
    char name[SNAPSHOT_NAME];
    const char *const *had;
    struct place place;
    kith_err err;
    size_t count, left;

    if (!body || !snapshots_place(call, &place) ||
        !read_strings(call, yyjson_obj_get(body, "parts"), "parts", &had, &count) ||
        !(file = snapshots_passing(call, place.collection, name)))
        return;
    if (kith_snapshot_omit(file, &(kith_names){(char **)(uintptr_t)had, count}, &left, &err) < 0)
        fail_kith(call, &err);
    else if (!left)
        call_answer(call, 304, NULL);
    else {
        snapshots_send(call, file, name);
        return;
    }
    kith_snapshot_close(file);
}

/* ---- from another server ----------------------------------------------------------------------- */

/* A state that is here, kept so that its parts stay while others come. */
struct kept_here {
    kith_db *db;
    char *collection;
    char name[SNAPSHOT_NAME]; /* empty: there is no such collection yet */
    kith_names parts;
};

static bool keep_here(struct call *call, const char *collection, struct kept_here *to)
{
    kith_snapshot_file *file;
    kith_err err;
    int rc;

    *to = (struct kept_here){.db = call->server->db, .collection = mem_strdup(collection)};
    if (!to->collection) {
        call_fail(call, 500, "Service internal error: out of memory");
        return false;
    }
    if (!kith_exists(to->db, collection, NULL))
        return true;
    file = snapshots_make(call, collection, to->name);
    if (!file) {
        to->name[0] = 0;
        return false;
    }
    rc = kith_snapshot_parts(file, &to->parts, &err);
    kith_snapshot_close(file);
    if (rc < 0)
        fail_kith(call, &err);
    return rc >= 0;
}

static void end_kept(struct kept_here *k)
{
    if (k->name[0])
        (void)kith_snapshot_drop(k->db, k->collection, k->name, NULL);
    kith_names_free(&k->parts);
    mem_free(k->collection);
}

/* The other server's address and what is to be asked of it, in the arena. */
static bool ask_of(struct call *call, const char *peer, const char *collection, const kith_names *parts,
                   const char **url, const char **body)
{
    size_t size = strlen(peer) + strlen(collection) * 3 + 80;
    const char *name = client_escape(&call->c, collection);
    char *text = arena_alloc(&call->c.arena, size);
    struct buf json;

    buf_init(&json);
    put_parts(&json, parts);
    buf_u8(&json, 0);
    if (text && name)
        snprintf(text, size, "%s/collections/%s/shards/0/snapshot/partial/create", peer, name);
    *url = text;
    *body = json.failed ? NULL : arena_str(&call->c.arena, (char *)json.data, json.size - 1);
    buf_release(&json);
    if (text && name && *body)
        return true;
    call_fail(call, 500, "Service internal error: out of memory");
    return false;
}

static void recover_from(struct call *call, const char *collection, const char *peer, const char *api_key,
                         const kith_names *parts)
{
    struct spill *spill;
    const char *url, *body;
    struct bytes file;

    if (!ask_of(call, peer, collection, parts, &url, &body) || !snapshots_fetch(call, url, api_key, body, &spill, &file))
        return;
    if (file.size)
        snapshots_import(call, file, collection, NULL);
    else
        snapshots_done(call, "false"); /* nothing is new */
    spill_end(spill);
}

/* The collection becomes what it is there: only what is not here is sent. */
void partial_recover_from(struct call *call)
{
    yyjson_val *body = want_object(call);
    const char *peer = yyjson_get_str(yyjson_obj_get(body, "peer_url"));
    const char *api_key = yyjson_get_str(field_of(body, "api_key", NULL));
    struct kept_here here;
    struct place place;

    if (!body || !snapshots_place(call, &place))
        return;
    if (!peer || (strncmp(peer, "http://", 7) != 0 && strncmp(peer, "https://", 8) != 0)) {
        (void)read_fail(call, "peer_url: expected the address of another server, such as http://host:6333");
        return;
    }
    if (keep_here(call, place.collection, &here))
        recover_from(call, place.collection, peer, api_key, &here.parts);
    end_kept(&here); /* the call is gone by now */
}
