/* sim.c - whole-engine simulation: random writes against a naive model, crashes, recovery, comparison.
 *
 * usage: sim FIRST_SEED COUNT     one line a failing seed, which reproduces it: sim SEED 1
 *
 * Appends are in one lane, so what survives a crash is a prefix of what was submitted that contains
 * everything acknowledged; the checker looks for such a prefix and compares contents in full. */
#include "engine/engine.h"
#include "base/hash.h"
#include "base/id.h"
#include "model.h"
#include "os_sim.h"

#include <stdio.h>
#include <stdlib.h>

struct sim {
    uint64_t seed, rng, index_rng;
    struct sim_world *world;
    struct db *db;
    struct model model;
    bool failed;
    uint64_t interludes, unloads, index_changes, restores, renewals;
    /* a snapshot, if `kept_name` is not empty: what it holds, and its digest */
    uint64_t snapshot_rng;
    char kept_name[300];
    struct model_state kept;
    uint64_t kept_digest[2];
    bool maybe; /* a crash came amid a restoration or a renewal: this state is right too */
    struct model_state other;
};

static void fail(struct sim *s, const char *what)
{
    if (!s->failed)
        printf("FAILED seed %llu: %s\n", (unsigned long long)s->seed, what);
    s->failed = true;
}

static uint64_t dice(struct sim *s, uint64_t n)
{
    return splitmix(&s->rng) % n;
}

/* ---- the database ------------------------------------------------------------------------------------- */

static bool open_db(struct sim *s)
{
    kith_options o = {.growing_rows_max = 8 + (uint32_t)dice(s, 40), .log_file_bytes = 32 << 10,
                      .memory_bytes = 1 << 30};
    struct ctx c;
    int rc;

    ctx_init(&c, sim_world_os(s->world));
    rc = db_open(&c, sim_world_os(s->world), "db", &o, &s->db);
    if (rc < 0) {
        s->db = NULL;
        if (!sim_world_dead(s->world)) {
            char text[300];
            snprintf(text, sizeof text, "open: %s", c.text);
            fail(s, text);
        }
    } else {
        s->db->graph_rows_min = 4 + (uint32_t)dice(s, 30);
        s->db->revised_many = 2 + (uint32_t)dice(s, 10);
        s->db->revised_max = s->db->revised_many + (uint32_t)dice(s, 20);
    }
    ctx_release(&c);
    return rc >= 0;
}

static void close_db(struct sim *s)
{
    db_close(s->db);
    s->db = NULL;
}

/* Reads fail while it opens, which may fail, or leave a shard out: nothing is lost, the next opening finds all. */
static void open_among_read_errors(struct sim *s)
{
    kith_options o = {.growing_rows_max = 100, .log_file_bytes = 32 << 10, .memory_bytes = 1 << 30};
    struct ctx c;

    ctx_init(&c, sim_world_os(s->world));
    sim_world_faults(s->world, 0, 0, 0, 1 + (uint32_t)dice(s, 40));
    if (db_open(&c, sim_world_os(s->world), "db", &o, &s->db) >= 0)
        close_db(s);
    sim_world_faults(s->world, 0, 0, 0, 0);
    s->db = NULL;
    ctx_release(&c);
}

static void submit(struct sim *s);

/* Background work is under way, between two of its disk operations: writers go on. */
static void interlude(void *arg)
{
    struct sim *s = arg;

    if (dice(s, 4))
        return;
    sim_world_interlude(s->world, NULL, NULL);
    for (uint64_t i = 1 + dice(s, 3); i-- && s->model.created && !sim_world_dead(s->world);) {
        submit(s);
        for (uint64_t j = dice(s, 4); j-- && sched_run(&s->db->sched, true, 0);)
            ;
        s->interludes++;
    }
    sim_world_interlude(s->world, interlude, s);
}

static bool step_job(struct sim *s, bool writers_go_on)
{
    bool any;

    sim_world_interlude(s->world, writers_go_on ? interlude : NULL, s);
    any = db_step(s->db, (uint32_t)dice(s, 4));
    sim_world_interlude(s->world, NULL, NULL);
    return any;
}

/* Runs queued jobs until nothing is left to do. */
static void settle(struct sim *s)
{
    for (int i = 0; i < 5000 && s->db && step_job(s, false); i++)
        ;
}

static struct kith_db *handle(struct sim *s)
{
    return (kith_db *)(void *)s->db;
}

static enum model_second second_of(const struct sim *s)
{
    return s->seed % 2 ? SECOND_SPARSE : s->seed % 8 == 4 ? SECOND_MULTI : SECOND_DENSE;
}

/* Any there is. Drawn apart from all else, so that old seeds stay what they were. */
static kith_vector_index random_index(struct sim *s)
{
    uint32_t r = (uint32_t)(splitmix(&s->index_rng) >> 32);

    return (kith_vector_index){.method = (kith_method)(r % 3), .codes = (kith_codes)(r / 3 % 4), .lists = r / 12 % 5,
                               .spill = r / 60 % 2, .code_bytes = r / 120 % 3};
}

/* Another index for a live collection. */
static void change_index(struct sim *s)
{
    kith_vector_params p = {.name = "", .index = random_index(s)};
    kith_err err;

    if (kith_configure_vector(handle(s), "c", &p, &err) < 0 && !sim_world_dead(s->world) && err.code != KITH_IO &&
        err.code != KITH_FULL)
        fail(s, err.text);
    s->index_changes++;
}

static kith_vector_params second_vector(const struct sim *s)
{
    switch (second_of(s)) {
    case SECOND_SPARSE: return (kith_vector_params){.name = "second", .metric = KITH_DOT, .element = KITH_SPARSE};
    case SECOND_MULTI: return (kith_vector_params){.name = "second", .dim = MODEL_DIM, .metric = KITH_DOT, .multi = true};
    case SECOND_DENSE: break;
    }
    return (kith_vector_params){.name = "second", .dim = MODEL_DIM, .metric = KITH_EUCLID};
}

/* The strings of some are words that are scored. */
static bool has_words(const struct sim *s)
{
    return s->seed % 7 == 3;
}

static void create(struct sim *s)
{
    kith_vector_params vectors[] = {{.name = "", .dim = MODEL_DIM, .metric = KITH_DOT}, second_vector(s)};
    kith_field fields[] = {{.path = "a", .index = KITH_INDEX_INTEGER}, {.path = "s", .index = KITH_INDEX_KEYWORD}};
    kith_schema schema = {vectors, 2, fields, dice(s, 3), NULL};
    kith_err err;

    if (has_words(s))
        fields[1] = (kith_field){.path = "s", .index = KITH_INDEX_TEXT, .text = {.scored = true, .phrases = true}};
    s->index_rng += s->seed;
    vectors[0].index = random_index(s);
    vectors[1].index = random_index(s);
    if (second_of(s) == SECOND_SPARSE)
        vectors[1].index = (kith_vector_index){0};
    if (kith_create(handle(s), "c", &schema, &err) < 0 && !sim_world_dead(s->world) && err.code != KITH_IO && err.code != KITH_FULL)
        fail(s, err.text);
}

/* ---- writes ---------------------------------------------------------------------------------------------- */

struct ticket {
    struct sim *s;
    size_t at; /* in the model's list */
};

static void done(void *arg, int code, const kith_written *written)
{
    struct ticket *t = arg;

    if (t->s) {
        if (code == KITH_NOT_FOUND && written->code == KITH_NOT_FOUND)
            code = 0; /* an outcome, not a loss */
        model_answered(&t->s->model, t->at, code == 0, written->applied);
    }
    free(t);
}

static void submit(struct sim *s)
{
    struct model_op *op = model_draw(&s->model, &s->rng);
    struct ticket *t = malloc(sizeof *t);
    kith_op ops[MODEL_OPS_MAX];
    struct arena arena;
    kith_err err;
    size_t n;

    arena_init(&arena);
    n = model_kith_ops(op, second_of(s), &arena, ops);
    *t = (struct ticket){s, model_submitted(&s->model, op)};
    if (kith_write_async(handle(s), "c", ops, n, dice(s, 2) ? KITH_WAIT_APPLIED : KITH_WAIT_DURABLE, 0, done, t, &err) < 0) {
        model_refused(&s->model, t->at);
        free(t);
        if (!sim_world_dead(s->world) && err.code != KITH_CLOSED && err.code != KITH_LIMIT && err.code != KITH_IO)
            fail(s, err.text);
    }
    arena_release(&arena);
}

/* ---- comparing --------------------------------------------------------------------------------------------- */

static bool same_points(struct sim *s, const struct model_state *want, char *why, size_t size)
{
    kith_query q = {.kind = KITH_QUERY_SCROLL, .limit = 10000, .select = {.doc = 1, .vectors = 1}};
    kith_err err = {0};
    kith_result *r = kith_query_run(handle(s), "c", &q, &err);
    bool same;

    if (!r) {
        snprintf(why, size, "scroll: %s", err.text);
        return false;
    }
    same = model_compare(want, second_of(s), r, why, size);
    kith_result_free(r);
    return same;
}

/* What aggregates read from documents, facets read from an index. */
static void check_groups(struct sim *s, const kith_filter *f, const char *path, const kith_facets *facets)
{
    const kith_measure all = {.kind = KITH_MEASURE_COUNT}, least = {.kind = KITH_MEASURE_MIN, .path = "a"};
    const kith_measure measures[] = {all, least};
    kith_err err = {0};
    kith_aggregates *x = kith_aggregate(handle(s), "c", measures, 2, path, f, 1000, 0, &err);

    if (!x)
        fail(s, err.text);
    if (x && x->count != facets->count)
        fail(s, "as many groups as facets");
    for (size_t i = 0; x && i < MIN(x->count, facets->count); i++) {
        if (x->groups[i].points != facets->facets[i].count || x->groups[i].measured[0].count != x->groups[i].points)
            fail(s, "a group and a facet differ");
    }
    kith_aggregates_free(x);
}

/* Every value there is, as often as a count says; counts are held to the model. */
static void check_facets(struct sim *s, const kith_filter *f, const char *path)
{
    kith_err err = {0};
    kith_facets *x = kith_facet_count(handle(s), "c", path, f, 1000, 0, &err);
    kith_filter subs[2] = {*f, {.kind = KITH_COND_MATCH, .path = path, .values_count = 1}};
    const kith_filter both = {.kind = KITH_COND_ALL, .subs = subs, .subs_count = 2};
    size_t there = 0;
    char text[16];

    if (!x && err.code != KITH_INVALID) /* the field may have no index now */
        fail(s, err.text);
    for (size_t i = 0; x && i < x->count; i++) {
        subs[1].values = &x->facets[i].value;
        if (kith_count(handle(s), "c", &both, true, 0, &err) != (int64_t)x->facets[i].count)
            fail(s, "a facet and a count differ");
    }
    for (int v = 0; x && v < 40; v++) {
        kith_value value = {.kind = KITH_VALUE_INT, .num = v};
        if (*path == 's')
            value = (kith_value){.kind = KITH_VALUE_STR, .str = text, .size = (uint32_t)sprintf(text, "%d", v)};
        subs[1].values = &value;
        there += kith_count(handle(s), "c", &both, true, 0, &err) > 0;
    }
    if (x && there > x->count)
        fail(s, "a value has no facet");
    if (x)
        check_groups(s, f, path, x);
    kith_facets_free(x);
}

/* By two words, which are numbers; where the field has an index now. */
static void check_words(struct sim *s, const struct model_state *want, const kith_filter *f)
{
    int one = (int)dice(s, 10), two = (int)dice(s, 10);
    char text[32], why[300];
    kith_err err = {0};
    kith_query q = {.kind = KITH_QUERY_TEXT, .limit = 7, .filter = f, .text_path = "s", .text = text};
    kith_result *r;

    q.text_size = (uint32_t)sprintf(text, "%d, %d", one, two);
    r = kith_query_run(handle(s), "c", &q, &err);
    if (!r && err.code != KITH_INVALID)
        fail(s, err.text);
    else if (r && !model_check_words(want, f, one, two, r, why, sizeof why))
        fail(s, why);
    kith_result_free(r);
}

static bool same_ids(const kith_result *a, const kith_result *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        bool found = false;
        for (size_t j = 0; j < b->count && !found; j++)
            found = id_eq(&a->hits[i].id, &b->hits[j].id);
        same = found;
    }
    return same;
}

/* All that match, found in three ways: the nearest, the most similar by the best score, and a fusion of these. */
static void check_tree(struct sim *s, const kith_filter *f, const kith_vector *v)
{
    const kith_example like = {.vector = *v};
    kith_query plain = {.kind = KITH_QUERY_NEAREST, .limit = 1000, .filter = f, .exact = true, .vector = *v};
    kith_query best = {.kind = KITH_QUERY_RECOMMEND, .strategy = KITH_BEST_SCORE, .positive = &like, .positive_count = 1,
                       .limit = 1000, .filter = f};
    kith_query below[2] = {plain, best};
    kith_query fused = {.kind = KITH_QUERY_FUSION, .fusion = dice(s, 2) ? KITH_RRF : KITH_DBSF, .limit = 1000,
                        .prefetch = below, .prefetch_count = 2, .filter = dice(s, 2) ? f : NULL};
    kith_result *r[3];

    r[0] = kith_query_run(handle(s), "c", &plain, NULL);
    r[1] = kith_query_run(handle(s), "c", &best, NULL);
    r[2] = kith_query_run(handle(s), "c", &fused, NULL);
    if (!r[0] || !r[1] || !r[2])
        fail(s, "a query over queries failed");
    else if (!same_ids(r[0], r[1]) || !same_ids(r[0], r[2]))
        fail(s, "all that match, found in three ways, differ");
    for (int i = 0; i < 3; i++)
        kith_result_free(r[i]);
}

static void check_queries(struct sim *s, const struct model_state *want)
{
    for (int i = 0; i < 4 && !s->failed; i++) {
        struct arena arena;
        kith_filter *f;
        kith_err err = {0};
        char why[400];
        int64_t n, expected;
        arena_init(&arena);
        f = model_draw_filter(&s->rng, &arena);
        expected = model_count(want, f);
        n = kith_count(handle(s), "c", f, true, 0, &err);
        if (n != expected) {
            snprintf(why, sizeof why, "count by filter: %lld, expected %lld (%s)", (long long)n, (long long)expected,
                     err.text);
            fail(s, why);
        }
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 5, .filter = f, .exact = dice(s, 2)};
        float v[MODEL_DIM];
        kith_result *r;
        for (int j = 0; j < MODEL_DIM; j++)
            v[j] = (float)dice(s, 100) / 10 - 5;
        for (int which = 0; which <= (second_of(s) != SECOND_DENSE); which++) {
            q.using_vector = which ? "second" : "";
            q.vector = model_query(which ? second_of(s) : SECOND_DENSE, v, &arena);
            r = kith_query_run(handle(s), "c", &q, &err);
            if (!r)
                fail(s, err.text);
            else if (!model_check_nearest(want, f, which, v, r, why, sizeof why))
                fail(s, why);
            kith_result_free(r);
        }
        q.vector = model_query(SECOND_DENSE, v, &arena);
        check_tree(s, f, &q.vector);
        check_facets(s, f, dice(s, 2) ? "a" : "s");
        if (has_words(s))
            check_words(s, want, f);
        arena_release(&arena);
    }
}

/* After everything has settled without a crash: exactly what was acknowledged. */
static void check_live(struct sim *s)
{
    char why[300] = "";
    struct model_state *want = model_applied(&s->model);

    if (!same_points(s, want, why, sizeof why)) {
        memmove(why + 6, why, sizeof why - 6);
        memcpy(why, "live: ", 6);
        fail(s, why);
    } else
        check_queries(s, want);
    model_state_free(want);
}

static bool digest(struct sim *s, uint64_t sum[2])
{
    kith_err err;

    if (kith_digest(handle(s), "c", sum, &err) >= 0)
        return true;
    fail(s, err.text);
    return false;
}

/* ---- snapshots ------------------------------------------------------------------------------------------------- */

static uint64_t toss(struct sim *s, uint64_t n) /* apart from all else: old seeds stay what they were */
{
    return (splitmix(&s->snapshot_rng) >> 16) % n;
}

static bool undisturbed(const struct sim *s)
{
    return !s->failed && s->model.created && !sim_world_dead(s->world) && !model_faulted(&s->model);
}

static void take_snapshot(struct sim *s)
{
    kith_snapshots made;
    struct model_state *now;
    kith_err err;

    settle(s);
    if (!undisturbed(s))
        return;
    s->kept_name[0] = 0;
    if (kith_snapshot_create(handle(s), toss(s, 4) ? "c" : NULL, &made, &err) < 0) {
        if (!sim_world_dead(s->world) && err.code != KITH_IO && err.code != KITH_FULL)
            fail(s, err.text);
        return;
    }
    now = model_applied(&s->model);
    s->kept = *now;
    model_state_free(now);
    snprintf(s->kept_name, sizeof s->kept_name, "%s", made.snapshots[0].name);
    kith_snapshots_free(&made);
    if (!digest(s, s->kept_digest))
        s->kept_name[0] = 0;
}

static const char *kept_of(const struct sim *s)
{
    return s->kept_name[0] == 'c' ? "c" : NULL;
}

/* By way of its file. */
static int restore_file(struct sim *s, kith_err *err)
{
    kith_snapshot_file *f = kith_snapshot_open(handle(s), kept_of(s), s->kept_name, err);
    size_t size = f ? kith_snapshot_size(f) : 0, at = 0, n;
    uint8_t *file = malloc(size + 1);
    int rc;

    while (f && (n = kith_snapshot_read(f, at, file + at, 1 + toss(s, 100000))) > 0)
        at += n;
    kith_snapshot_close(f);
    rc = f ? kith_snapshot_import(handle(s), file, size, toss(s, 2) ? "c" : NULL, err) : err->code;
    if (f && at != size)
        fail(s, "the file of a snapshot has another size than it said");
    free(file);
    return rc;
}

/* After a change of facts that failed: what is on the disk is not known before it is opened again. */
static void end_doubt(struct sim *s, const kith_err *err)
{
    if (sim_world_dead(s->world))
        return;
    if (err->code != KITH_IO && err->code != KITH_FULL)
        fail(s, err->text);
    sim_world_crash_after(s->world, 1);
    (void)sim_world_os(s->world)->mkdir(sim_world_os(s->world), "crash");
}

static void restore_snapshot(struct sim *s)
{
    struct model_state *copy = malloc(sizeof *copy);
    uint64_t now[2];
    kith_err err;
    int rc;

    settle(s);
    *copy = s->kept;
    if (!undisturbed(s)) {
        free(copy);
        return;
    }
    s->maybe = true;
    s->other = s->kept;
    rc = toss(s, 2) ? restore_file(s, &err)
                    : kith_snapshot_restore(handle(s), kept_of(s), s->kept_name, toss(s, 2) ? "c" : NULL, &err);
    if (rc < 0)
        end_doubt(s, &err);
    if (rc < 0 || sim_world_dead(s->world)) {
        free(copy);
        return;
    }
    s->maybe = false;
    s->restores++;
    model_rebase(&s->model, copy);
    if (digest(s, now) && memcmp(now, s->kept_digest, sizeof now) != 0)
        fail(s, "a restored state has another digest");
    if (!s->failed)
        check_live(s);
}

/* The second vector goes from all points, and another one comes under its name. */
static void renew_vector(struct sim *s)
{
    kith_vector_params p = second_vector(s);
    struct model_state *now;
    kith_err err = {0};
    int rc;

    settle(s);
    if (!undisturbed(s))
        return;
    now = model_applied(&s->model);
    for (int i = 0; i < MODEL_IDS; i++)
        now->points[i].has[1] = false;
    s->other = *now;
    s->maybe = true;
    rc = kith_vector_drop(handle(s), "c", "second", &err);
    if (rc >= 0)
        rc = kith_vector_add(handle(s), "c", &p, &err);
    if (rc < 0) {
        end_doubt(s, &err);
        model_state_free(now);
        return;
    }
    s->maybe = false;
    s->renewals++;
    model_rebase(&s->model, now);
    check_live(s);
}

static void snapshots(struct sim *s)
{
    kith_err err;

    if (toss(s, 5) == 0)
        renew_vector(s);
    else if (!s->kept_name[0] || toss(s, 4) == 0) {
        take_snapshot(s);
    } else if (toss(s, 6) == 0) {
        if (kith_snapshot_drop(handle(s), kept_of(s), s->kept_name, &err) == 0)
            fail(s, "a snapshot was lost");
        s->kept_name[0] = 0;
    } else {
        restore_snapshot(s);
    }
}

/* After a crash: some prefix that holds everything acknowledged. */
static void check_recovered(struct sim *s)
{
    char why[300] = "";
    struct model_state *found = NULL;

    if (!db_has_name(s->db, "c")) {
        if (s->model.created)
            fail(s, "the collection is lost");
        return;
    }
    if (s->maybe) { /* it may have been dropped and not come back */
        kith_vector_params p = second_vector(s);
        (void)kith_vector_add(handle(s), "c", &p, NULL);
    }
    for (size_t i = 0; !found && i < model_candidates(&s->model); i++) {
        struct model_state *want = model_candidate(&s->model, i);
        if (same_points(s, want, why, sizeof why))
            found = want;
        else
            model_state_free(want);
    }
    if (!found && s->maybe && same_points(s, &s->other, why, sizeof why)) {
        found = malloc(sizeof *found);
        *found = s->other;
    }
    s->maybe = false;
    if (!found) {
        struct shard *shard = s->db->shards[0];
        if (getenv("SIM_TRACE"))
            fprintf(stderr, "shard %llu of %zu, covers %llu applied %llu log end %llu; %zu submitted, %zu open\n",
                    (unsigned long long)shard->id, s->db->shards_count, (unsigned long long)shard->covers, (unsigned long long)shard->applied,
                    (unsigned long long)s->db->log->ops->end(s->db->log, 0), s->model.count,
                    model_candidates(&s->model));
        for (size_t i = 0; getenv("SIM_TRACE") && i < s->model.count; i++)
            fprintf(stderr, "write %zu: fate %d\n", i, (int)s->model.fate[i]);
        fail(s, why);
        return;
    }
    check_queries(s, found);
    model_rebase(&s->model, found);
}

static void recover(struct sim *s)
{
    uint64_t before[2], after[2];

    sim_world_faults(s->world, 0, 0, 0, 0);
    close_db(s);
    sim_world_restart(s->world);
    if (dice(s, 3) == 0)
        open_among_read_errors(s);
    if (!open_db(s))
        return;
    check_recovered(s);
    if (s->failed || !s->db || !db_has_name(s->db, "c") || !digest(s, before))
        return;
    close_db(s); /* and once more: recovery changes nothing */
    if (!open_db(s) || !digest(s, after))
        return;
    if (memcmp(before, after, sizeof before) != 0)
        fail(s, "the digest changed when it was opened again");
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

static void upkeep(struct sim *s, bool all)
{
    struct shard *shard;
    struct ctx c;

    ctx_init(&c, sim_world_os(s->world));
    if (db_shard(&c, s->db, "c", &shard) >= 0) {
        os_mutex_lock(&shard->lock);
        *(all ? &shard->want_all : &shard->want_checkpoint) = true;
        os_mutex_unlock(&shard->lock);
        sched_post(&s->db->sched, &shard->maintain, false);
        shard_unref(shard);
    }
    ctx_release(&c);
}

static void drop_and_create(struct sim *s)
{
    kith_err err;

    settle(s);
    if (kith_drop(handle(s), "c", &err) < 0) {
        s->model.created = s->model.created && !sim_world_dead(s->world); /* else: whatever is found is right */
        return;
    }
    model_reset(&s->model);
    s->model.created = false;
    create(s);
    s->model.created = !sim_world_dead(s->world) && db_has_name(s->db, "c");
}

static void step(struct sim *s)
{
    uint64_t what = dice(s, 100);

    if (what < 45)
        submit(s);
    else if (what < 85)
        (void)step_job(s, true);
    else if (what < 90)
        upkeep(s, false);
    else if (what < 93)
        upkeep(s, true);
    else if (what < 94)
        sched_post(&s->db->sched, &s->db->trim, false);
    else if (what < 97)
        settle(s);
    else if (what < 98)
        s->unloads += idle_sweep(s->db, UINT64_MAX);
    else if (what < 99)
        change_index(s);
    else
        snapshots(s);
}

static void run(struct sim *s)
{
    int rounds = 2 + (int)dice(s, 4);

    if (!open_db(s))
        return;
    create(s);
    s->model.created = true;
    for (int round = 0; round < rounds && !s->failed; round++) {
        int steps = 20 + (int)dice(s, 150);
        bool crash = dice(s, 4) != 0;
        if (crash)
            sim_world_crash_after(s->world, 1 + dice(s, 400));
        if (dice(s, 3) == 0)
            sim_world_faults(s->world, 60, dice(s, 2) ? 300 : 0, dice(s, 2) ? 100 : 0, 0);
        if (dice(s, 6) == 0 && !sim_world_dead(s->world))
            drop_and_create(s);
        for (int i = 0; i < steps && !s->failed && s->model.created && !sim_world_dead(s->world); i++)
            step(s);
        if (!crash && !s->failed) {
            settle(s);
            if (s->model.created && !model_faulted(&s->model) && !sim_world_dead(s->world))
                check_live(s);
        }
        if (!s->failed)
            recover(s);
        if (!s->db)
            break;
        if (!db_has_name(s->db, "c")) { /* a drop that got through, or a creation that did not */
            model_reset(&s->model);
            create(s);
            s->model.created = db_has_name(s->db, "c");
        }
    }
    if (s->db)
        close_db(s);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    uint64_t injected[INJECT_KINDS] = {0}, failures = 0, writes = 0, interludes = 0, unloads = 0;
    uint64_t index_changes = 0, restores = 0, renewals = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct sim s = {.seed = first + i, .rng = first + i, .snapshot_rng = first + i};
        s.world = sim_world_new(first + i);
        model_init(&s.model);
        run(&s);
        failures += s.failed;
        writes += s.model.total;
        interludes += s.interludes;
        unloads += s.unloads;
        index_changes += s.index_changes;
        restores += s.restores;
        renewals += s.renewals;
        for (int k = 0; k < INJECT_KINDS; k++)
            injected[k] += sim_world_injected(s.world)[k];
        model_release(&s.model);
        sim_world_free(s.world);
        if (failures >= 5)
            break;
    }
    printf("seeds %llu to %llu, %llu writes\n", (unsigned long long)first, (unsigned long long)(first + count - 1),
           (unsigned long long)writes);
    for (int k = 0; k < INJECT_KINDS; k++) {
        printf("    %-16s %llu\n", injection_names[k], (unsigned long long)injected[k]);
        if (count >= 200 && !injected[k]) {
            printf("FAILED: \"%s\" never happened\n", injection_names[k]);
            failures++;
        }
    }
    printf("    %-16s %llu\n", "write amid job", (unsigned long long)interludes);
    printf("    %-16s %llu\n", "unloaded", (unsigned long long)unloads);
    printf("    %-16s %llu\n", "index changed", (unsigned long long)index_changes);
    printf("    %-16s %llu\n", "restored", (unsigned long long)restores);
    printf("    %-16s %llu\n", "vector renewed", (unsigned long long)renewals);
    if (count >= 200 && (!interludes || !unloads || !index_changes || !restores || !renewals)) {
        printf("FAILED: no write came amid background work, or nothing was ever unloaded, changed, or restored\n");
        failures++;
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)(count - MIN(count, failures)),
           (unsigned long long)failures);
    return failures != 0;
}
