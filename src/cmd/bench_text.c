/* bench_text.c - kith bench, full text: BM25 over one text index, for any of the words, for all, for a phrase. */
#include "base/ctx.h"
#include "cmd/bench.h"
#include "codec/json.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

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

struct texts {
    const struct lines *lines;
    kith_cond how;
};

static bool row(void *arg, struct arena *a, uint64_t i, kith_point *p, kith_vector *v)
{
    const struct texts *x = arg;

    UNUSED(v);
    return doc_of(a, x->lines->at[i], &p->doc);
}

/* The ten best by words that they have any of, all of, or one after the other. */
static bool question(void *arg, struct arena *a, uint64_t i, kith_query *q)
{
    const struct texts *x = arg;
    kith_value *words = arena_zalloc(a, sizeof *words);
    kith_filter *filter = arena_zalloc(a, sizeof *filter);

    if (!words || !filter)
        return false;
    *words = (kith_value){.kind = KITH_VALUE_STR, .str = (const char *)x->lines->at[i].data,
                          .size = (uint32_t)x->lines->at[i].size};
    *filter = (kith_filter){.kind = x->how, .path = "t", .values = words, .values_count = 1};
    q->kind = KITH_QUERY_TEXT;
    q->text = words->str;
    q->text_size = words->size;
    q->text_path = "t";
    q->filter = x->how == KITH_COND_TEXT_ANY ? NULL : filter;
    return true;
}

static int run(kith_db *db, void *arg, const char *step, kith_err *err)
{
    static const struct {
        const char *name;
        kith_cond how;
    } kinds[] = {{"union", KITH_COND_TEXT_ANY}, {"intersection", KITH_COND_TEXT}, {"phrase", KITH_COND_PHRASE}};
    const struct lines *l = arg;
    const kith_field field = {.path = "t", .index = KITH_INDEX_TEXT, .text = {.scored = true, .phrases = true}};
    const kith_schema schema = {.fields = &field, .fields_count = 1};
    struct texts x = {.lines = l};
    const struct bench_rows rows = {l->count, l->count, row, question, &x};

    if (strcmp(step, "load") == 0)
        return bench_rows_load(db, &schema, &rows, err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        x.how = kinds[i].how;
        if (strcmp(step, kinds[i].name) == 0)
            return bench_rows_search(db, &rows, err);
    }
    snprintf(err->text, sizeof err->text, "step \"%.20s\": expected load, union, intersection or phrase", step);
    return -1;
}

int bench_text(const char *dir, const char *base, const char *query, const char *step)
{
    struct lines l = {0};
    struct ctx c;
    int rc;

    ctx_init(&c, os_linux());
    rc = lines_read(&c, strcmp(step, "load") == 0 ? base : query, &l);
    rc = bench_step(&c, rc, dir, step, &l, run);
    lines_release(&l);
    return rc;
}
