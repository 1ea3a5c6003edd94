/* check.c - reading everything in a closed database, and saying what does not hold. */
#include "engine/engine.h"
#include "store/pack.h"

#include <stdio.h>

struct checking {
    struct db *db;
    kith_report report;
    void *arg;
    int problems;
};

static void problem(struct checking *k, const char *what, const char *text)
{
    char line[400];

    snprintf(line, sizeof line, "%.100s: %.280s", what, text);
    k->report(k->arg, line);
    k->problems++;
}

static void check_shard(struct checking *k, struct shard *s)
{
    struct ctx c;
    int rc;

    ctx_init(&c, k->db->os);
    os_mutex_lock(&s->lock);
    rc = shard_load(&c, s);
    for (size_t i = 0; i < s->sealed_count && rc >= 0 && !s->problem[0]; i++)
        rc = sealed_verify(&c, s->sealed[i]);
    if (s->problem[0])
        problem(k, s->name, s->problem);
    else if (rc < 0)
        problem(k, s->name, c.text);
    os_mutex_unlock(&s->lock);
    ctx_release(&c);
}

/* Every container whole, also what no open segment reads. */
static int check_blob(void *arg, const char *key)
{
    struct checking *k = arg;
    struct pack *p;
    struct ctx c;
    int rc;

    ctx_init(&c, k->db->os);
    rc = pack_open(&c, k->db->blobs, key, &p);
    if (rc >= 0) {
        rc = pack_verify_all(&c, p);
        pack_close(p);
    }
    if (rc < 0)
        problem(k, "container", c.text);
    ctx_release(&c);
    return 0;
}

int db_check(struct ctx *c, const struct os *os, const char *dir, kith_report report, void *arg)
{
    kith_options options = {.threads = 1};
    struct checking k = {NULL, report, arg, 0};
    int found = os->exists(os, dir);

    if (found == 0 && os->thread) /* a simulated world has no directories */
        return err_set(c, KITH_NOT_FOUND, "%s: no such directory", dir);
    TRY(db_open(c, os, dir, &options, &k.db));
    if (k.db->log->ops->damage(k.db->log)->from)
        problem(&k, "log", k.db->log->ops->damage(k.db->log)->text);
    if (k.db->meta->ops->check(c, k.db->meta) < 0)
        problem(&k, "metadata", c->text);
    for (size_t i = 0; i < k.db->shards_count; i++)
        check_shard(&k, k.db->shards[i]);
    (void)k.db->blobs->ops->list(c, k.db->blobs, check_blob, &k);
    db_close(k.db);
    return k.problems;
}
