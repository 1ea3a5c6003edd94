/* backup.c - kith backup, kith restore. */
#include "cmd/options.h"
#include "codec/date.h"
#include "codec/json.h"
#include "net/client.h"
#include "os/os.h"

#include <stdio.h>

struct backing_up {
    const char *data, *to, *url, *key, *keep, *list;
    uint64_t keep_count;
};

static void backup_help(void)
{
    printf("usage: kith backup --data DIR --to BACKUPS [--keep N]\n"
           "       kith backup --url URL [--api-key KEY] [--keep N]\n"
           "       kith backup --list BACKUPS\n\n"
           "    --data DIR      a database that is not in use\n"
           "    --to BACKUPS    where its backups are; each one adds what is not there yet\n"
           "    --url URL       a running server, such as http://localhost:6333: it backs up into its backup.directory\n"
           "    --api-key KEY   of that server\n"
           "    --keep N        of the backups there the N newest stay\n"
           "    --list BACKUPS  says which there are, and up to which LSN each can be restored\n\n"
           "kith restore makes a database of one.\n");
}

static void print_backup(const kith_backup *b, bool made)
{
    if (made)
        printf("%s  LSN %llu, %llu bytes of files copied\n", b->name, (unsigned long long)b->lsn,
               (unsigned long long)b->copied);
    else
        printf("%s  LSN %llu, and any up to %llu\n", b->name, (unsigned long long)b->lsn, (unsigned long long)b->reach);
}

static int list_them(const char *dir)
{
    kith_backups list;
    kith_err err;

    if (kith_backup_list(dir, &list, &err) < 0)
        return cmd_fail("backup: %s", err.text);
    for (size_t i = 0; i < list.count; i++)
        print_backup(&list.backups[i], false);
    kith_backups_free(&list);
    return 0;
}

static int of_directory(const struct backing_up *x)
{
    kith_backups made;
    kith_err err;
    kith_db *db;
    int rc;

    if (os_linux()->exists(os_linux(), x->data) != 1)
        return cmd_fail("backup: there is no %s", x->data);
    db = kith_open(x->data, NULL, &err);
    if (!db)
        return cmd_fail("backup: %s", err.text);
    rc = kith_backup_make(db, x->to, (uint32_t)x->keep_count, &made, &err);
    kith_close(db);
    if (rc < 0)
        return cmd_fail("backup: %s", err.text);
    print_backup(&made.backups[0], true);
    kith_backups_free(&made);
    return 0;
}

static int print_answer(struct ctx *c, const struct buf *answer)
{
    yyjson_doc *doc;
    yyjson_val *result;

    TRY(json_parse(c, (const char *)answer->data, answer->size, &doc));
    result = yyjson_obj_get(yyjson_doc_get_root(doc), "result");
    printf("%s  LSN %llu, %llu bytes of files copied\n", yyjson_get_str(yyjson_obj_get(result, "name")),
           (unsigned long long)yyjson_get_uint(yyjson_obj_get(result, "lsn")),
           (unsigned long long)yyjson_get_uint(yyjson_obj_get(result, "copied_bytes")));
    yyjson_doc_free(doc);
    return 0;
}

static int of_server(const struct backing_up *x)
{
    struct client *client = NULL;
    struct buf answer;
    struct ctx c;
    char body[40];
    int rc;

    ctx_init(&c, os_linux());
    buf_init(&answer);
    if (x->keep_count)
        snprintf(body, sizeof body, "{\"keep\":%llu}", (unsigned long long)x->keep_count);
    rc = client_new(&c, x->url, x->key, &client);
    if (rc >= 0) {
        client_wait(client);
        rc = client_call(&c, client, "POST", "/backups", x->keep_count ? body : NULL, &answer);
    }
    if (rc >= 0)
        rc = print_answer(&c, &answer);
    if (rc < 0)
        (void)cmd_fail("backup: %s", c.text);
    client_free(client);
    buf_release(&answer);
    ctx_release(&c);
    return rc < 0;
}

int cmd_backup(int argc, char **argv)
{
    struct backing_up x = {0};
    const struct option_row rows[] = {
        {"--data", &x.data, NULL, 0, NULL}, {"--to", &x.to, NULL, 0, NULL}, {"--url", &x.url, NULL, 0, NULL},
        {"--api-key", &x.key, NULL, 0, NULL}, {"--keep", &x.keep, NULL, 0, NULL}, {"--list", &x.list, NULL, 0, NULL},
    };

    if (!argc || options_have(argc, argv, "--help"))
        return backup_help(), !argc;
    if (options_read("backup", rows, ARRAY_SIZE(rows), argc, argv))
        return 1;
    if (x.keep && (!option_number(x.keep, UINT32_MAX, &x.keep_count) || !x.keep_count))
        return cmd_fail("backup: --keep %s: expected a number from 1", x.keep);
    if (!(x.list ? !x.url && !x.data && !x.to && !x.key && !x.keep
          : x.url ? !x.data && !x.to : x.data && x.to && !x.key))
        return cmd_fail("backup: expected --data and --to, perhaps with --keep; or --url, perhaps with --api-key and "
                        "--keep; or --list alone");
    return x.list ? list_them(x.list) : x.url ? of_server(&x) : of_directory(&x);
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

static void restore_help(void)
{
    printf("usage: kith restore --from BACKUPS --to DIR [--name NAME | --lsn N | --time T]\n\n"
           "    --from BACKUPS  a directory of backups\n"
           "    --to DIR        the database to make: empty, or not there\n"
           "    --name NAME     this backup; else the newest one\n"
           "    --lsn N         as of this LSN, by the newest backup before it and the log from there on\n"
           "    --time T        as of this time, such as 2026-11-22T07:30:00Z\n\n"
           "kith backup --list BACKUPS says what there is.\n");
}

static int print_restored(const char *dir, uint64_t last)
{
    kith_names names;
    kith_err err;
    kith_db *db = kith_open(dir, NULL, &err);
    int rc = 0;

    if (!db)
        return cmd_fail("restore: %s", err.text);
    printf("as of LSN %llu\n", (unsigned long long)last);
    if (kith_list(db, &names, &err) < 0) {
        kith_close(db);
        return cmd_fail("restore: %s", err.text);
    }
    for (size_t i = 0; i < names.count && !rc; i++) {
        int64_t points = kith_count(db, names.names[i], NULL, true, 0, &err);
        if (points < 0)
            rc = cmd_fail("restore: %s: %s", names.names[i], err.text);
        else
            printf("%s: %lld points\n", names.names[i], (long long)points);
    }
    kith_names_free(&names);
    kith_close(db);
    return rc;
}

int cmd_restore(int argc, char **argv)
{
    const char *from = NULL, *to = NULL, *name = NULL, *number = NULL, *time = NULL;
    const struct option_row rows[] = {
        {"--from", &from, NULL, 0, NULL}, {"--to", &to, NULL, 0, NULL}, {"--name", &name, NULL, 0, NULL},
        {"--lsn", &number, NULL, 0, NULL}, {"--time", &time, NULL, 0, NULL},
    };
    uint64_t as_of = 0, last;
    int64_t us = 0;
    kith_err err;

    if (!argc || options_have(argc, argv, "--help"))
        return restore_help(), !argc;
    if (options_read("restore", rows, ARRAY_SIZE(rows), argc, argv))
        return 1;
    if (!from || !to || !!name + !!number + !!time > 1)
        return cmd_fail("restore: expected --from and --to, and at most one of --name, --lsn and --time");
    if (number && (!option_number(number, UINT64_MAX, &as_of) || !as_of))
        return cmd_fail("restore: --lsn %s: expected a number from 1", number);
    if (time && (!date_parse(time, strlen(time), &us) || us <= 0))
        return cmd_fail("restore: --time %s: expected a time such as 2026-11-22T07:30:00Z", time);
    if (kith_backup_restore(from, name, as_of, (uint64_t)us / 1000, to, &last, &err) < 0)
        return cmd_fail("restore: %s", err.text);
    return print_restored(to, last);
}
