/* backups.c - backups of everything into the directory that the configuration names (ours; REST only). They are restored
 * by `kith restore`, beside the server. */
#include "qdrant/dialect.h"

#include "codec/date.h"

static void put_backup(struct buf *out, const kith_backup *b, bool made)
{
    char when[DATE_TEXT];

    date_text((int64_t)b->created_ms * 1000, when);
    buf_text(out, "{\"name\":");
    json_put_str(out, b->name, strlen(b->name));
    buf_printf(out, ",\"creation_time\":\"%.23s\",\"lsn\":%llu,", when, (unsigned long long)b->lsn);
    buf_printf(out, "\"%s\":%llu}", made ? "copied_bytes" : "reach", (unsigned long long)(made ? b->copied : b->reach));
}

static bool have_dir(struct call *call)
{
    if (call->server->backup_dir)
        return true;
    call_fail(call, 400, "Bad request: backups have no directory: backup.directory is not set");
    return false;
}

void backups_create(struct call *call)
{
    bool sent = call->body;
    yyjson_val *body = sent ? want_object(call) : NULL;
    kith_backups made;
    uint64_t keep;
    kith_err err;

    if ((sent && !body) || !have_dir(call) ||
        !read_count(call, field_of(body, "keep", NULL), "keep", 1, 0, &keep))
        return;
    if (kith_backup_make(call->server->db, call->server->backup_dir, (uint32_t)MIN(keep, (uint64_t)UINT32_MAX), &made,
                         &err) < 0) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    put_backup(&call->out, &made.backups[0], true);
    kith_backups_free(&made);
    finish_ok(call);
}

void backups_list(struct call *call)
{
    kith_backups list = {0};
    kith_err err;

    if (!have_dir(call))
        return;
    if (kith_backup_list(call->server->backup_dir, &list, &err) < 0 && err.code != KITH_NOT_FOUND) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_u8(&call->out, '[');
    for (size_t i = 0; i < list.count; i++) {
        if (i)
            buf_u8(&call->out, ',');
        put_backup(&call->out, &list.backups[i], false);
    }
    buf_u8(&call->out, ']');
    kith_backups_free(&list);
    finish_ok(call);
}
