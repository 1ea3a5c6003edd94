/* test_fields.c - every kind of field index against the documents themselves: the same points in a collection with
 * indexes and in one without, growing, sealed and changed, asked the same at random. */
#include "engine.h"

#include <math.h>
#include <unistd.h>

enum { KINDS = 8, ROWS = 1500, ASKED = 400 };

static const char *const names[KINDS] = {"k", "i", "f", "b", "d", "u", "t", "g"};
static const kith_index_kind kinds[KINDS] = {KITH_INDEX_KEYWORD, KITH_INDEX_INTEGER, KITH_INDEX_FLOAT,
                                             KITH_INDEX_BOOL, KITH_INDEX_DATETIME, KITH_INDEX_UUID,
                                             KITH_INDEX_TEXT, KITH_INDEX_GEO};

static int one_value(char *to, size_t room)
{
    static const char *const fixed[] = {"null", "true", "false", "[]", "{\"x\":1}", "\"\"", "2.5", "7.0", "-0.0", "1e300",
                                        "9223372036854775807"};
    uint64_t what = test_dice(26);

    if (what < ARRAY_SIZE(fixed))
        return snprintf(to, room, "%s", fixed[what]);
    if (what < 14)
        return snprintf(to, room, "%d", (int)test_dice(40) - 20);
    if (what < 16)
        return snprintf(to, room, "\"w%llu\"", (unsigned long long)test_dice(30));
    if (what < 18)
        return snprintf(to, room, "\"2024-0%llu-11T10:00:00Z\"", (unsigned long long)(1 + test_dice(9)));
    if (what >= 23)
        return snprintf(to, room, "{\"lon\":%d,\"lat\":%d.5}", (int)test_dice(361) - 180, (int)test_dice(181) - 90);
    if (what >= 20)
        return snprintf(to, room, "\"W%llu, w%llu w%llu!\"", (unsigned long long)test_dice(6), (unsigned long long)test_dice(6),
                        (unsigned long long)test_dice(6));
    return snprintf(to, room, "\"%s0000000-1111-4222-8333-44444444444%llu\"", what == 18 ? "a" : "b", /* lower case: with an index all spellings of a uuid are one */
                    (unsigned long long)test_dice(10));
}

static int random_doc(char *to, size_t room)
{
    int n = snprintf(to, room, "{");

    for (int k = 0; k < KINDS; k++) {
        uint64_t many = test_dice(8); /* absent, one, or an array */
        if (many == 0)
            continue;
        n += snprintf(to + n, room - (size_t)n, "%s\"%s\":%s", n > 1 ? "," : "", names[k], many < 6 ? "" : "[");
        for (uint64_t i = 0; i < (many < 6 ? 1 : many - 5); i++) {
            n += snprintf(to + n, room - (size_t)n, "%s", i ? "," : "");
            n += one_value(to + n, room - (size_t)n);
        }
        n += snprintf(to + n, room - (size_t)n, "%s", many < 6 ? "" : "]");
    }
    return n + snprintf(to + n, room - (size_t)n, "}");
}

static void both(kith_db *db, const kith_op *op)
{
    CHECK(kith_write(db, "indexed", op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    CHECK(kith_write(db, "plain", op, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
}

static void put_rows(kith_db *db, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        char doc[1000];
        const float place[2] = {(float)test_dice(1000), (float)test_dice(1000)};
        kith_vector v = {"", 2, place, KITH_F32, 0};
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, (uint32_t)random_doc(doc, sizeof doc), doc}, &v, 1};
        both(db, &(kith_op){.kind = KITH_UPSERT, .points = &p, .points_count = 1});
    }
}

static void change_rows(kith_db *db, uint64_t rows, int count)
{
    for (int i = 0; i < count; i++) {
        char doc[1000];
        kith_id id = kith_id_num(test_dice(rows));
        kith_op op = {.kind = test_dice(4) ? KITH_SET_DOC : KITH_DELETE, .ids = &id, .ids_count = 1};
        op.doc = (kith_doc){KITH_DOC_JSON, (uint32_t)random_doc(doc, sizeof doc), doc};
        if (op.kind == KITH_DELETE)
            op.doc = (kith_doc){0};
        (void)kith_write(db, "indexed", &op, 1, KITH_WAIT_APPLIED, NULL, NULL); /* perhaps it is gone already */
        (void)kith_write(db, "plain", &op, 1, KITH_WAIT_APPLIED, NULL, NULL);
    }
}

struct asked {
    kith_filter f;
    kith_value values[3];
    char texts[3][48];
    kith_geo_point places[5];
    kith_geo_ring ring;
};

/* `uuid`: what is none equals nothing in a field with such an index, and its text without one. */
static void random_value(kith_value *v, bool uuid, char text[48])
{
    static const kith_value_kind of[] = {KITH_VALUE_STR, KITH_VALUE_INT, KITH_VALUE_BOOL};
    uint64_t what = uuid ? 1 : test_dice(6);
    int n = 0;

    memset(v, 0, sizeof *v);
    v->kind = (uint8_t)of[what < 4 ? 0 : what - 3];
    v->num = test_dice(5) ? (int64_t)test_dice(40) - 20 : INT64_MAX;
    v->boolean = test_dice(2);
    if (what == 0)
        n = snprintf(text, 48, "w%llu", (unsigned long long)test_dice(30));
    else if (what == 1)
        n = snprintf(text, 48, "a0000000-1111-4222-8333-44444444444%llu", (unsigned long long)test_dice(10));
    else if (what == 2)
        n = snprintf(text, 48, "w");
    v->str = text;
    v->size = (uint32_t)n;
}

static void random_words(struct asked *a)
{
    if (a->f.kind != KITH_COND_TEXT && a->f.kind != KITH_COND_TEXT_ANY && a->f.kind != KITH_COND_PHRASE)
        return;
    a->f.path = test_dice(4) ? "t" : a->f.path;
    a->f.values_count = 1;
    a->values[0] = (kith_value){.kind = KITH_VALUE_STR, .str = a->texts[0]};
    for (uint64_t i = test_dice(3) + 1; i; i--)
        a->values[0].size += (uint32_t)snprintf(a->texts[0] + a->values[0].size, sizeof a->texts[0] - a->values[0].size,
                                                test_dice(2) ? " w%llu" : " W%llu", (unsigned long long)test_dice(7));
}

static void random_places(struct asked *a)
{
    if (a->f.kind != KITH_COND_GEO_BOX && a->f.kind != KITH_COND_GEO_RADIUS && a->f.kind != KITH_COND_GEO_POLYGON)
        return;
    a->f.path = test_dice(4) ? "g" : a->f.path;
    for (int i = 0; i < 5; i++)
        a->places[i] = (kith_geo_point){(double)test_dice(360) - 180, (double)test_dice(180) - 90};
    a->places[4] = a->places[0];
    a->ring = (kith_geo_ring){a->places, 5};
    a->f.places = a->places;
    a->f.rings = &a->ring;
    a->f.rings_count = 1;
    a->f.radius = (double)test_dice(9000000);
}

static void random_condition(struct asked *a)
{
    static const kith_cond conds[] = {KITH_COND_MATCH, KITH_COND_MATCH, KITH_COND_EXCEPT, KITH_COND_RANGE,
                                      KITH_COND_RANGE, KITH_COND_DATETIME, KITH_COND_PREFIX, KITH_COND_IS_EMPTY,
                                      KITH_COND_IS_NULL, KITH_COND_VALUES_COUNT, KITH_COND_TEXT, KITH_COND_TEXT_ANY,
                                      KITH_COND_PHRASE, KITH_COND_GEO_BOX, KITH_COND_GEO_RADIUS,
                                      KITH_COND_GEO_POLYGON};

    memset(a, 0, sizeof *a);
    a->f.kind = conds[test_dice(ARRAY_SIZE(conds))];
    a->f.path = names[test_dice(KINDS)];
    a->f.values = a->values;
    a->f.values_count = a->f.kind == KITH_COND_PREFIX ? 1 : 1 + test_dice(3);
    for (size_t i = 0; i < 3; i++)
        random_value(&a->values[i], a->f.path[0] == 'u' && a->f.kind != KITH_COND_PREFIX, a->texts[i]);
    if (a->f.kind == KITH_COND_PREFIX)
        a->values[0].kind = KITH_VALUE_STR;
    random_words(a);
    random_places(a);
    a->f.bounds = (uint8_t)test_dice(16);
    a->f.range.gt = a->f.range.gte = (double)test_dice(30) - 20;
    a->f.range.lt = a->f.range.lte = (double)test_dice(60) - 20;
    a->f.times.gt = a->f.times.gte = 1700000000000000 + (int64_t)test_dice(20000000) * 1000000;
    a->f.times.lt = a->f.times.lte = 1700000000000000 + (int64_t)test_dice(40000000) * 1000000;
}

static bool is_scored(kith_db *db)
{
    kith_schema schema;
    bool is = false;

    if (kith_schema_get(db, "indexed", &schema, NULL) < 0)
        return false;
    for (size_t i = 0; i < schema.fields_count; i++)
        is = is || schema.fields[i].text.scored;
    kith_schema_free(&schema);
    return is;
}

/* So few match that all of them are looked at, whichever way they were found. */
static void ask_nearest(kith_db *db, const kith_filter *f, int64_t matches, const char *when)
{
    const float place[2] = {(float)test_dice(1000), (float)test_dice(1000)};
    kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 20, .filter = f, .exact = test_dice(2),
                    .vector = {"", 2, place, KITH_F32, 0}};
    kith_result *with = kith_query_run(db, "indexed", &q, NULL), *without = kith_query_run(db, "plain", &q, NULL);
    bool same = with && without && with->count == without->count && with->count == MIN((size_t)matches, (size_t)20);

    for (size_t i = 0; same && i < with->count; i++)
        same = !(with->hits[i].distance < without->hits[i].distance || with->hits[i].distance > without->hits[i].distance);
    if (!same)
        printf("     %s: nearest by condition %d on %s\n", when, (int)f->kind, f->path ? f->path : "-");
    CHECK(same);
    kith_result_free(with);
    kith_result_free(without);
}

/* The best by some words among rows that have them all, or one after the other: found by walking over these, and the same
 * found by postings among the rows of the condition. */
static void ask_best(kith_db *db, const char *when)
{
    static const kith_filter always = {.kind = KITH_COND_ALL};
    struct asked a;
    kith_filter pair[2], f = {.kind = KITH_COND_ALL, .subs = pair, .subs_count = 2};
    char text[64];
    kith_query q = {.kind = KITH_QUERY_TEXT, .limit = 1 + (uint32_t)test_dice(20), .filter = &a.f, .text = text, .text_path = "t"};
    kith_result *walked, *other;
    bool same;

    memset(&a, 0, sizeof a);
    a.f = (kith_filter){.kind = test_dice(2) ? KITH_COND_TEXT : KITH_COND_PHRASE, .path = "t", .values = a.values};
    random_words(&a);
    pair[0] = a.f;
    pair[1] = always;
    q.text_size = (uint32_t)snprintf(text, sizeof text, test_dice(2) ? "%s" : "%s w%llu", a.texts[0],
                                   (unsigned long long)test_dice(7));
    walked = kith_query_run(db, "indexed", &q, NULL);
    q.filter = &f;
    other = kith_query_run(db, "indexed", &q, NULL);
    same = walked && other && walked->count == other->count;
    for (size_t i = 0; same && i < walked->count; i++)
        same = fabsf(walked->hits[i].distance - other->hits[i].distance) < 1e-5f;
    if (!same)
        printf("     %s: \"%s\" among \"%s\" (%d)\n", when, text, a.texts[0], (int)a.f.kind);
    CHECK(same);
    kith_result_free(walked);
    kith_result_free(other);
}

static void ask_both(kith_db *db, const char *when)
{
    int some = 0;

    for (int i = 0; i < ASKED / 4 && is_scored(db); i++)
        ask_best(db, when);

    for (int i = 0; i < ASKED; i++) {
        struct asked a, b;
        kith_filter pair[2], not_b, f;
        int64_t with, without;
        random_condition(&a);
        random_condition(&b);
        not_b = (kith_filter){.kind = KITH_COND_NONE, .subs = &b.f, .subs_count = 1};
        pair[0] = a.f;
        pair[1] = test_dice(2) ? b.f : not_b;
        f = (kith_filter){.kind = test_dice(2) ? KITH_COND_ALL : KITH_COND_ANY, .subs = pair, .subs_count = 1 + test_dice(2)};
        with = kith_count(db, "indexed", &f, true, 0, NULL);
        without = kith_count(db, "plain", &f, true, 0, NULL);
        if (with != without)
            printf("     %s: condition %d on %s (and %d on %s): %lld, expected %lld\n", when, (int)a.f.kind, a.f.path,
                   (int)b.f.kind, b.f.path, (long long)with, (long long)without);
        CHECK(with == without);
        if (test_dice(2))
            ask_nearest(db, &f, with, when);
        else
            ask_nearest(db, &a.f, kith_count(db, "plain", &a.f, true, 0, NULL), when);
        some += with > 0;
    }
    CHECK(some > ASKED / 3);
}

static void index_all(kith_db *db, bool scored, bool phrases)
{
    for (int k = 0; k < KINDS; k++) {
        kith_field f = {.path = names[k], .index = kinds[k]};
        if (f.index == KITH_INDEX_TEXT)
            f.text = (kith_text){.scored = scored, .phrases = phrases};
        CHECK(kith_field_put(db, "indexed", &f, NULL) == 0);
    }
}

static void every_kind(bool scored, bool phrases)
{
    const kith_vector_params params = {.name = "", .dim = 2, .metric = KITH_EUCLID};
    const kith_schema none = {.vectors = &params, .vectors_count = 1};
    struct sim_world *w = sim_world_new(71);
    kith_db *db = open_sim(w, 4000, 1 << 20);

    CHECK(kith_create(db, "indexed", &none, NULL) == 0 && kith_create(db, "plain", &none, NULL) == 0);
    put_rows(db, 0, ROWS / 2);
    change_rows(db, ROWS / 2, 100);
    index_all(db, scored, phrases); /* over rows that are there, some of them changed */
    ask_both(db, "indexed later");
    put_rows(db, ROWS / 2, ROWS);
    ask_both(db, "growing");
    change_rows(db, ROWS, 30);
    ask_both(db, "growing, a few changed");
    change_rows(db, ROWS, 600);
    ask_both(db, "growing, many changed");
    kith_close(db);
    db = open_sim(w, 4000, 1 << 20);
    ask_both(db, "from the log");
    CHECK(kith_optimize(db, "indexed", NULL) == 0 && kith_optimize(db, "plain", NULL) == 0);
    ask_both(db, "sealed");
    change_rows(db, ROWS, 200);
    put_rows(db, ROWS, ROWS + 200);
    ask_both(db, "sealed and changed, more growing");
    kith_close(db);
    sim_world_free(w);
}

static void with_words(void)
{
    every_kind(false, false);
}

static void with_scores(void)
{
    every_kind(true, false);
}

static void with_positions(void)
{
    every_kind(false, true);
}

static void with_both(void)
{
    every_kind(true, true);
}

/* ---- asked while rows come ------------------------------------------------------------------------------------ */

enum { COMING = 6000, ASKERS = 3 };

struct coming {
    kith_db *db;
    atomic_bool done;
    atomic_int wrong, asked;
};

/* Row n has n at "n", its tenth at "tag", n % 7 twice at "many", and the terms n % 50 and 1000. */
static void put_coming(void *arg)
{
    struct coming *x = arg;

    for (uint64_t i = 0; i < COMING; i++) {
        uint32_t blob[4] = {(uint32_t)(i % 50), 1000};
        float values[2] = {1, (float)(i + 1) / COMING};
        kith_vector v = {"s", 2, blob, KITH_SPARSE, 0};
        char doc[80];
        int n = snprintf(doc, sizeof doc, "{\"n\":%llu,\"tag\":\"t%llu\",\"many\":[%llu,%llu]}", (unsigned long long)i,
                         (unsigned long long)i / 10, (unsigned long long)i % 7, (unsigned long long)i % 7 + 100);
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, (uint32_t)n, doc}, &v, 1};
        kith_op op = {.kind = KITH_UPSERT, .points = &p, .points_count = 1};
        memcpy(blob + 2, values, sizeof values);
        if (kith_write(x->db, "c", &op, 1, KITH_WAIT_APPLIED, NULL, NULL) < 0)
            atomic_fetch_add(&x->wrong, 1);
    }
    atomic_store(&x->done, true);
}

static int64_t count_in(kith_view *view, const kith_filter *f)
{
    kith_query q = {.kind = KITH_QUERY_SCROLL, .limit = COMING + 1, .filter = f};
    kith_result *r = kith_view_query(view, &q, NULL);
    int64_t n = r ? (int64_t)r->count : -1;

    kith_result_free(r);
    return n;
}

/* A view has the first so many rows: what a condition finds of them follows from their number. */
static void ask_coming(void *arg)
{
    struct coming *x = arg;

    while (!atomic_load(&x->done)) {
        uint32_t blob[2] = {1000};
        float one = 1;
        kith_view *view = kith_view_pin(x->db, "c", NULL);
        kith_value three = {.kind = KITH_VALUE_INT, .num = 3};
        kith_filter low = {.kind = KITH_COND_RANGE, .path = "n", .bounds = KITH_LT};
        kith_filter many = {.kind = KITH_COND_MATCH, .path = "many", .values = &three, .values_count = 1};
        kith_query q = {.kind = KITH_QUERY_NEAREST, .limit = 1, .vector = {"s", 1, blob, KITH_SPARSE, 0}, .using_vector = "s"};
        kith_result *r;
        int64_t rows, n;
        memcpy(blob + 1, &one, sizeof one);
        rows = count_in(view, NULL);
        low.range.lt = 1000;
        n = count_in(view, &low);
        if (n != (rows < 1000 ? rows : 1000))
            atomic_fetch_add(&x->wrong, 1);
        n = count_in(view, &many);
        if (n != rows / 7 + (rows % 7 > 3))
            atomic_fetch_add(&x->wrong, 1);
        r = kith_view_query(view, &q, NULL);
        if (!r || (rows && (!r->count || r->hits[0].id.as.num != (uint64_t)rows - 1))) /* the last has most of the term */
            atomic_fetch_add(&x->wrong, 1);
        kith_result_free(r);
        kith_view_unpin(view);
        atomic_fetch_add(&x->asked, 1);
    }
}

static void while_rows_come(void)
{
    kith_options o = {.threads = 2};
    kith_vector_params sparse = {.name = "s", .metric = KITH_DOT, .element = KITH_SPARSE};
    kith_field fields[] = {{.path = "n", .index = KITH_INDEX_INTEGER}, {.path = "tag", .index = KITH_INDEX_KEYWORD},
                           {.path = "many", .index = KITH_INDEX_INTEGER}};
    kith_schema schema = {&sparse, 1, fields, 3, NULL};
    struct os_thread *t[ASKERS + 1];
    char dir[] = "/tmp/kith-test-XXXXXX", command[64];
    struct coming x = {0};

    CHECK(mkdtemp(dir) != NULL);
    x.db = kith_open(dir, &o, NULL);
    CHECK(x.db && kith_create(x.db, "c", &schema, NULL) == 0);
    for (int i = 0; i <= ASKERS; i++)
        CHECK(os_linux()->thread(os_linux(), "test", false, i ? ask_coming : put_coming, &x, &t[i]) == 0);
    for (int i = 0; i <= ASKERS; i++)
        os_linux()->join(os_linux(), t[i]);
    printf("     asked %d times\n", atomic_load(&x.asked));
    CHECK(atomic_load(&x.wrong) == 0 && atomic_load(&x.asked) > 0);
    kith_close(x.db);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
}

/* A write that selects by words does so again as it did, whatever index the field has when the log is read. */
static void selected_again(void)
{
    static const char *const docs[] = {"{\"t\":\"Fox\"}", "{\"t\":\"fox\"}", "{\"t\":\"FOX x\"}"};
    kith_schema none = {0};
    kith_field cased = {.path = "t", .index = KITH_INDEX_TEXT, .text = {.keep_case = true}};
    kith_field lower = {.path = "t", .index = KITH_INDEX_TEXT};
    kith_value fox = {.kind = KITH_VALUE_STR, .str = "Fox", .size = 3};
    kith_filter f = {.kind = KITH_COND_TEXT, .path = "t", .values = &fox, .values_count = 1};
    kith_op drop = {.kind = KITH_DELETE, .filter = &f};
    struct sim_world *w = sim_world_new(72);
    kith_db *db = open_sim(w, 4000, 1 << 20);

    CHECK(kith_create(db, "c", &none, NULL) == 0 && kith_field_put(db, "c", &cased, NULL) == 0);
    for (uint64_t i = 0; i < 3; i++) {
        kith_point p = {kith_id_num(i), {KITH_DOC_JSON, (uint32_t)strlen(docs[i]), docs[i]}, NULL, 0};
        CHECK(kith_write(db, "c", &(kith_op){.kind = KITH_UPSERT, .points = &p, .points_count = 1}, 1, KITH_WAIT_APPLIED, NULL,
                         NULL) == 0);
    }
    CHECK(kith_write(db, "c", &drop, 1, KITH_WAIT_APPLIED, NULL, NULL) == 0);
    CHECK(kith_count(db, "c", NULL, true, 0, NULL) == 2);
    CHECK(kith_field_put(db, "c", &lower, NULL) == 0);
    CHECK(kith_count(db, "c", &f, true, 0, NULL) == 2);
    kith_close(db);
    sim_world_restart(w);
    db = open_sim(w, 4000, 1 << 20);
    CHECK(kith_count(db, "c", NULL, true, 0, NULL) == 2);
    kith_close(db);
    sim_world_free(w);
}

static const struct test tests[] = {
    {"fields: selected by words again", selected_again},
    {"fields: every kind of index says what the documents say", with_words},
    {"fields: the same, words scored", with_scores},
    {"fields: the same, with positions", with_positions},
    {"fields: the same, with both", with_both},
    {"fields: asked while rows come", while_rows_come},
};
TEST_MAIN(tests)
