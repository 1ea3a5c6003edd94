/* snapshots.c - snapshots of a collection, of its one shard, and of all. They are kept by the engine, without a copy;
 * their files exist only while they are sent or received. */
#include "qdrant/snapshots.h"

#include "codec/date.h"
#include "net/digest.h"
#include "net/fetch.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- what is in the path ------------------------------------------------------------------- */

/* /collections/{c}/snapshots/{n}, /collections/{c}/shards/{s}/snapshots/{n}, /snapshots/{n}; messages give the names
 * that they have, in that order. False: answered. */
bool snapshots_place(struct call *call, struct place *to)
{
    bool of_shard = strstr(call->route->path, "/shards/") != NULL;
    bool of_all = call->rpc ? strstr(call->route->path, "Full") != NULL
                            : strncmp(call->route->path, "/snapshots", 10) == 0;
    size_t at = 0;

    *to = (struct place){0};
    if (!of_all)
        to->collection = call->params[at++];
    if (of_shard && strcmp(call->params[at++], "0") != 0) {
        call_fail(call, 404, "Not found: Shard %.20s not found", call->params[at - 1]);
        return false;
    }
    to->name = at < call->params_count ? call->params[at] : NULL;
    return true;
}

void snapshots_done(struct call *call, const char *result)
{
    const char *wait = call->rpc ? NULL : call_query(call, "wait");

    if (wait && strcmp(wait, "false") == 0) {
        call->out.size = 0;
        buf_printf(&call->out, "{\"status\":\"accepted\",\"time\":%.9f}", call_seconds(call));
        call_answer(call, 202, "application/json");
        return;
    }
    begin_ok(call);
    buf_text(&call->out, result);
    finish_ok(call);
}

/* ---- making, listing, dropping ------------------------------------------------------------- */

static void put_snapshot(struct buf *out, const kith_snapshot *s)
{
    char when[DATE_TEXT];

    date_text((int64_t)s->created_ms * 1000, when);
    buf_text(out, "{\"name\":");
    json_put_str(out, s->name, strlen(s->name));
    buf_printf(out, ",\"creation_time\":\"%.19s\",\"size\":%llu}", when, (unsigned long long)s->size);
}

void snapshots_create(struct call *call)
{
    kith_snapshots made;
    struct place place;
    struct buf text;
    kith_err err;

    if (!snapshots_place(call, &place))
        return;
    if (kith_snapshot_create(call->server->db, place.collection, &made, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    buf_init(&text);
    put_snapshot(&text, &made.snapshots[0]);
    buf_u8(&text, 0);
    kith_snapshots_free(&made);
    if (text.failed)
        call_fail(call, 500, "Service internal error: out of memory");
    else
        snapshots_done(call, (char *)text.data);
    buf_release(&text);
}

void snapshots_list(struct call *call)
{
    kith_snapshots list;
    struct place place;
    kith_err err;

    if (!snapshots_place(call, &place))
        return;
    if (kith_snapshot_list(call->server->db, place.collection, &list, &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_u8(&call->out, '[');
    for (size_t i = 0; i < list.count; i++) {
        if (i)
            buf_u8(&call->out, ',');
        put_snapshot(&call->out, &list.snapshots[i]);
    }
    buf_u8(&call->out, ']');
    kith_snapshots_free(&list);
    finish_ok(call);
}

void snapshots_delete(struct call *call)
{
    struct place place;
    kith_err err;
    int rc;

    if (!snapshots_place(call, &place))
        return;
    rc = kith_snapshot_drop(call->server->db, place.collection, place.name, &err);
    if (rc < 0)
        fail_kith(call, &err);
    else if (rc == 0)
        call_fail(call, 404, "Not found: Snapshot %.200s not found", place.name);
    else
        snapshots_done(call, "true");
}

/* ---- downloads ----------------------------------------------------------------------------- */

static size_t pull(void *file, uint64_t offset, void *to, size_t most)
{
    return kith_snapshot_read(file, offset, to, most);
}

static void close_file(void *file)
{
    kith_snapshot_close(file);
}

void snapshots_send(struct call *call, kith_snapshot_file *file, const char *name)
{
    struct source source = {kith_snapshot_size(file), pull, close_file, file};
    char extra[400];

    snprintf(extra, sizeof extra, "content-disposition: attachment; filename=\"%.300s\"\r\n", name);
    call_answer_source(call, "application/octet-stream", extra, &source);
}

void snapshots_download(struct call *call)
{
    kith_snapshot_file *file;
    struct place place;
    kith_err err;

    if (!snapshots_place(call, &place))
        return;
    file = kith_snapshot_open(call->server->db, place.collection, place.name, &err);
    if (file)
        snapshots_send(call, file, place.name);
    else
        fail_kith(call, &err);
}

kith_snapshot_file *snapshots_make(struct call *call, const char *collection, char name[SNAPSHOT_NAME])
{
    kith_db *db = call->server->db; /* the call goes with its answer */
    kith_snapshot_file *file = NULL;
    kith_snapshots made;
    kith_err err;

    if (kith_snapshot_create(db, collection, &made, &err) >= 0) {
        snprintf(name, SNAPSHOT_NAME, "%s", made.snapshots[0].name);
        kith_snapshots_free(&made);
        file = kith_snapshot_open(db, collection, name, &err);
        if (!file)
            (void)kith_snapshot_drop(db, collection, name, NULL);
    }
    if (!file)
        fail_kith(call, &err);
    return file;
}

kith_snapshot_file *snapshots_passing(struct call *call, const char *collection, char name[SNAPSHOT_NAME])
{
    kith_snapshot_file *file = snapshots_make(call, collection, name);

    if (file)
        (void)kith_snapshot_drop(call->server->db, collection, name, NULL); /* what is open stays readable */
    return file;
}

void snapshots_stream(struct call *call)
{
    kith_snapshot_file *file;
    char name[SNAPSHOT_NAME];
    struct place place;

    if (!snapshots_place(call, &place))
        return;
    file = snapshots_passing(call, place.collection, name);
    if (file)
        snapshots_send(call, file, name);
}

/* ---- restoring ----------------------------------------------------------------------------- */

static bool check_sum(struct call *call, const char *wanted, struct sha256 *sum)
{
    char text[SHA256_TEXT];

    if (!sum || !sha256_end(sum, text)) {
        call_fail(call, 500, "Service internal error: the checksum cannot be computed");
        return false;
    }
    for (size_t i = 0; i < sizeof text - 1; i++) {
        if ((wanted[i] | 32) != text[i]) {
            call_fail(call, 400, "Checksum mismatch: expected %.64s, actual %s", wanted, text);
            return false;
        }
    }
    return true;
}

static bool check_form(struct call *call, const char *checksum)
{
    if (!checksum || (strspn(checksum, "0123456789abcdefABCDEF") == 64 && strlen(checksum) == 64))
        return true;
    (void)read_invalid(call, "checksum: expected 64 hexadecimal digits");
    return false;
}

void snapshots_import(struct call *call, struct bytes file, const char *collection, const char *checksum)
{
    struct sha256 *sum = checksum ? sha256_new() : NULL;
    kith_err err;

    if (sum)
        (void)sha256_add(sum, file.data, file.size);
    if (checksum && !check_sum(call, checksum, sum))
        return;
    if (kith_snapshot_import(call->server->db, file.data, file.size, collection, &err) < 0)
        fail_kith(call, &err);
    else
        snapshots_done(call, "true");
}

static bool check_kept(struct call *call, const char *collection, const char *name, const char *checksum)
{
    enum { PART = 256 << 10 };
    kith_snapshot_file *file;
    struct sha256 *sum = sha256_new();
    uint8_t *part = mem_alloc(PART);
    uint64_t at = 0;
    kith_err err;
    size_t n;
    bool same;

    file = kith_snapshot_open(call->server->db, collection, name, &err);
    if (!file)
        fail_kith(call, &err);
    while (file && sum && part && (n = kith_snapshot_read(file, at, part, PART)) > 0) {
        (void)sha256_add(sum, part, n);
        at += n;
    }
    kith_snapshot_close(file);
    mem_free(part);
    same = file && check_sum(call, checksum, sum);
    return same;
}

/* "file:///.../<collection>/<name>", or a name alone. */
static void recover_kept(struct call *call, const char *collection, const char *location, const char *checksum)
{
    const char *name = strrchr(location, '/'), *end = name, *start = name;
    const char *from = collection;
    kith_err err;

    if (!name) {
        name = location;
    } else {
        name++;
        while (start > location && start[-1] != '/')
            start--;
        if (kith_exists(call->server->db, arena_str(&call->c.arena, start, (size_t)(end - start)), NULL) && end > start)
            from = arena_str(&call->c.arena, start, (size_t)(end - start));
    }
    if (!from) {
        call_fail(call, 500, "Service internal error: out of memory");
        return;
    }
    if (checksum && !check_kept(call, from, name, checksum))
        return;
    if (kith_snapshot_restore(call->server->db, from, name, collection, &err) < 0)
        fail_kith(call, &err);
    else
        snapshots_done(call, "true");
}

bool snapshots_fetch(struct call *call, const char *url, const char *api_key, const char *body, struct spill **ret_spill,
                     struct bytes *ret_file)
{
    struct spill *spill;
    int rc;

    if (!call->server->url_recovery || !call->server->spill_dir) {
        call_fail(call, 403, "Forbidden: recovery from a URL is switched off (service.enable_snapshot_url_recovery)");
        return false;
    }
    spill = spill_new(call->server->spill_dir);
    if (!spill) {
        call_fail(call, 507, "Insufficient storage: no file can be made in %.200s", call->server->spill_dir);
        return false;
    }
    rc = fetch(&call->c, url, api_key, body, spill);
    if (rc >= 0 && spill_map(spill, ret_file)) {
        *ret_spill = spill;
        return true;
    }
    spill_end(spill);
    if (rc < 0)
        call_fail(call, rc == KITH_NOT_FOUND ? 404 : rc == KITH_FULL ? 507 : 400, "Bad request: %s", call->c.text);
    else
        call_fail(call, 500, "Service internal error: what was fetched cannot be read");
    return false;
}

static void recover_url(struct call *call, const char *collection, const char *url, const char *api_key,
                        const char *checksum)
{
    struct spill *spill;
    struct bytes file;

    if (!snapshots_fetch(call, url, api_key, NULL, &spill, &file))
        return;
    snapshots_import(call, file, collection, checksum);
    spill_end(spill);
}

static bool check_priority(struct call *call, const char *priority)
{
    static const char *const names[] = {"no_sync", "snapshot", "replica"}; /* there is one copy: they mean the same */

    for (size_t i = 0; priority && i < ARRAY_SIZE(names); i++) {
        if (strcmp(priority, names[i]) == 0)
            return true;
    }
    return !priority || read_fail(call, "priority: expected no_sync, snapshot or replica");
}

void snapshots_recover(struct call *call)
{
    yyjson_val *body = want_object(call);
    const char *location = yyjson_get_str(yyjson_obj_get(body, "location"));
    const char *checksum = yyjson_get_str(field_of(body, "checksum", NULL));
    struct place place;

    if (!body || !snapshots_place(call, &place))
        return;
    if (!location || !*location) {
        (void)read_fail(call, "missing field `location`");
        return;
    }
    if (!check_priority(call, yyjson_get_str(field_of(body, "priority", NULL))) || !check_form(call, checksum))
        return;
    if (strncmp(location, "http://", 7) == 0 || strncmp(location, "https://", 8) == 0)
        recover_url(call, place.collection, location, yyjson_get_str(field_of(body, "api_key", NULL)), checksum);
    else
        recover_kept(call, place.collection, location, checksum);
}

/* ---- uploads ------------------------------------------------------------------------------- */

/* Where `what` begins in [at, end), or NULL. */
static const uint8_t *find(const uint8_t *at, const uint8_t *end, const char *what, size_t size)
{
    while ((size_t)(end - at) >= size) {
        const uint8_t *first = memchr(at, what[0], (size_t)(end - at) - size + 1);
        if (!first)
            return NULL;
        if (memcmp(first, what, size) == 0)
            return first;
        at = first + 1;
    }
    return NULL;
}

/* The part named "snapshot" of a multipart/form-data body (RFC 7578). */
static bool find_part(const struct exchange *x, struct bytes *ret)
{
    const char *type = http_header(x, "content-type"), *given = type ? strstr(type, "boundary=") : NULL;
    const uint8_t *at = x->body.data, *end, *head, *close;
    char boundary[100];
    size_t size;

    if (!given || !x->body.size)
        return false;
    end = at + x->body.size;
    given += 9 + (given[9] == '"');
    size = (size_t)snprintf(boundary, sizeof boundary, "\r\n--%.*s", (int)MIN(strcspn(given, "\";"), (size_t)80), given);
    at = find(at, end, boundary + 2, size - 2);
    while (at) {
        at += size - 2;
        head = at;
        at = find(at, end, "\r\n\r\n", 4);
        if (!at)
            return false;
        close = find(at + 4, end, boundary, size);
        if (close && find(head, at, "name=\"snapshot\"", 15)) {
            *ret = (struct bytes){at + 4, (size_t)(close - (at + 4))};
            return true;
        }
        at = close ? close + 2 : NULL;
    }
    return false;
}

void snapshots_upload(struct call *call)
{
    const char *checksum = call_query(call, "checksum");
    struct bytes file;
    struct place place;

    if (!snapshots_place(call, &place) || !check_priority(call, call_query(call, "priority")) ||
        !check_form(call, checksum))
        return;
    if (find_part(call->x, &file))
        snapshots_import(call, file, place.collection, checksum);
    else
        call_fail(call, 400, "Bad request: expected multipart/form-data with a part named snapshot");
}
