/* bench_text.c - kith bench, full text: BM25 over one text index, for any of the words, for all, for a phrase. */
#include "base/ctx.h"
#include "cmd/bench.h"
#include "codec/json.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { K = 10, BATCH = 1000 };

/* {"t": text}, in the arena; NULL: no memory. */
static bool doc_of(struct arena *a, struct bytes text, kith_doc *ret)
{
    struct buf out;

    buf_init(&out);
    buf_text(&out, "{\"t\":");
    json_put_str(&out, (const char *)text.data, text.size);
    buf_u8(&out, '}');
    *ret = (kith_doc){KITH_DOC_JSON, (uint32_t)out.size, out.failed ? NULL : arena_copy(a, out.data, out.size)};
    buf_release(&out);
    return ret->data != NULL;
}

static int load(kith_db *db, const struct lines *texts, kith_err *err)
{
    static kith_point points[BATCH];
    const kith_field field = {.path = "t", .index = KITH_INDEX_TEXT, .text = {.scored = true, .phrases = true}};
    const kith_schema schema = {.fields = &field, .fields_count = 1};
    double start = bench_now(), put;

    if (kith_create(db, "bench", &schema, err) < 0)
        return -1;
    for (size_t row = 0; row < texts->count;) {
        kith_op op = {.kind = KITH_UPSERT, .points = points};
        struct arena a;
        int rc = 0;
        arena_init(&a);
        for (; rc >= 0 && op.points_count < BATCH && row < texts->count; row++, op.points_count++) {
            points[op.points_count] = (kith_point){.id = kith_id_num(row)};
            rc = doc_of(&a, texts->at[row], &points[op.points_count].doc) ? 0 : KITH_NOMEM;
        }
        if (rc >= 0)
            rc = kith_write(db, "bench", &op, 1, KITH_WAIT_APPLIED, NULL, err);
        arena_release(&a);
        if (rc < 0)
            return rc;
    }
    put = bench_now();
    if (kith_optimize(db, "bench", err) < 0)
        return -1;
    printf("{\"insert_per_s\": %.0f, \"load_s\": %.2f}\n", (double)texts->count / (put - start), bench_now() - start);
    return 0;
}

/* One pass; with `show`, what was found is printed: ids and scores. */
static int pass(kith_db *db, const struct lines *asked, kith_cond how, double *times, bool show, kith_err *err)
{
    for (size_t i = 0; i < asked->count; i++) {
        const kith_value words = {.kind = KITH_VALUE_STR, .str = (const char *)asked->at[i].data,
                                  .size = (uint32_t)asked->at[i].size};
        const kith_filter filter = {.kind = how, .path = "t", .values = &words, .values_count = 1};
        const kith_query q = {.kind = KITH_QUERY_TEXT, .limit = K, .text = words.str, .text_size = words.size,
                              .text_path = "t", .filter = how == KITH_COND_TEXT_ANY ? NULL : &filter};
        double start = bench_now();
        kith_result *r = kith_query_run(db, "bench", &q, err);
        times[i] = bench_now() - start;
        if (!r)
            return -1;
        for (size_t j = 0; show && j < r->count; j++)
            printf("%s[%llu, %.6g]", j ? ", " : i ? "], [" : "[", (unsigned long long)r->hits[j].id.as.num,
                   -(double)r->hits[j].distance);
        if (show && !r->count)
            printf("%s", i ? "], [" : "[");
        kith_result_free(r);
    }
    return 0;
}

static int search(kith_db *db, const struct lines *asked, kith_cond how, kith_err *err)
{
    double *times = calloc(asked->count + 1, sizeof *times);
    struct timing best = {0};
    int rc = times ? pass(db, asked, how, times, false, err) : -1; /* warms up */

    for (int turn = 0; turn < 3 && rc >= 0; turn++) {
        rc = pass(db, asked, how, times, false, err);
        timing_keep(&best, times, asked->count);
    }
    printf("{\"qps\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"found\": [", (double)asked->count / best.total,
           best.p50 * 1e6, best.p99 * 1e6);
    if (rc >= 0)
        rc = pass(db, asked, how, times, true, err);
    printf("]]}\n");
    free(times);
    return rc;
}

static int run(kith_db *db, const struct lines *l, const char *step, kith_err *err)
{
    static const struct {
        const char *name;
        kith_cond how;
    } kinds[] = {{"union", KITH_COND_TEXT_ANY}, {"intersection", KITH_COND_TEXT}, {"phrase", KITH_COND_PHRASE}};

    if (strcmp(step, "load") == 0)
        return load(db, l, err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(step, kinds[i].name) == 0)
            return search(db, l, kinds[i].how, err);
    }
    snprintf(err->text, sizeof err->text, "step \"%.20s\": expected load, union, intersection or phrase", step);
    return -1;
}

int bench_text(const char *dir, const char *base, const char *query, const char *step)
{
    bool loads = strcmp(step, "load") == 0;
    struct lines l = {0};
    kith_err err = {0};
    kith_db *db = NULL;
    struct ctx c;
    int rc;

    if (loads && os_linux()->exists(os_linux(), dir) == 1)
        return cmd_fail("bench: %s exists", dir);
    ctx_init(&c, os_linux());
    rc = lines_read(&c, loads ? base : query, &l);
    err_give(&c, rc < 0 ? rc : 0, &err);
    if (rc >= 0)
        db = kith_open(dir, NULL, &err);
    rc = db ? run(db, &l, step, &err) : -1;
    kith_close(db);
    lines_release(&l);
    ctx_release(&c);
    return rc < 0 ? cmd_fail("bench: %s", err.text) : 0;
}
