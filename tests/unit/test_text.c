/* test_text.c - numbers and dates as text; paths; documents. */
#include "test.h"

#include "codec/date.h"
#include "codec/json.h"
#include "doc/path.h"

#include <math.h>

static void floats_read_back(void)
{
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)splitmix(&test_seed);
        struct buf b;
        float v;
        buf_init(&b);
        memcpy(&v, &bits, 4);
        if (i % 2)
            v = (float)test_dice(2000001) / 1000000 - 1;
        if (isfinite(v)) {
            json_put_f32(&b, v);
            buf_u8(&b, 0);
            CHECK(strtof((char *)b.data, NULL) == v);
        }
        buf_release(&b);
    }
}

static void dates(void)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0}, {"1970-01-01", 0}, {"1970-01-02 00:00", 86400000000},
        {"2024-02-29T12:00:00.5+02:00", 1709200800500000}, {"1969-12-31T23:59:59Z", -1000000},
        {"2000-01-01T00:00:00+0130", 946679400000000},
    };
    int64_t us;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK(date_parse(cases[i].text, strlen(cases[i].text), &us) && us == cases[i].us);
    for (const char *const *bad = (const char *const[]){"", "2024", "2023-02-29", "2024-13-01", "2024-01-01T25:00",
                                                        "2024-01-01x", NULL};
         *bad; bad++)
        CHECK(!date_parse(*bad, strlen(*bad), &us));
}

static void edit(const char *doc, const char *path, const char *merge, const char *want)
{
    struct buf a, b, out, text;
    struct node *root;
    struct path p;
    yyjson_doc *j;
    struct ctx c;

    ctx_init(&c, os_linux());
    buf_init(&a), buf_init(&b), buf_init(&out), buf_init(&text);
    CHECK(json_parse(&c, doc, strlen(doc), &j) == 0 && val_from_json(&c, yyjson_doc_get_root(j), &a) == 0);
    yyjson_doc_free(j);
    CHECK(val_check(a.data, a.size));
    CHECK(node_from(&c, val_of(a.data, a.size), &root) == 0);
    CHECK(path_parse(&c, path, &p) == 0);
    if (merge) {
        CHECK(json_parse(&c, merge, strlen(merge), &j) == 0 && val_from_json(&c, yyjson_doc_get_root(j), &b) == 0);
        yyjson_doc_free(j);
        CHECK(node_merge_at(&c, root, &p, val_of(b.data, b.size)) == 0);
    } else {
        node_remove(root, &p);
    }
    node_encode(root, &out);
    CHECK(val_check(out.data, out.size));
    val_to_json(val_of(out.data, out.size), &text);
    buf_u8(&text, 0);
    if (strcmp((char *)text.data, want) != 0)
        printf("%s\n", (char *)text.data);
    CHECK(strcmp((char *)text.data, want) == 0);
    buf_release(&a), buf_release(&b), buf_release(&out), buf_release(&text);
    ctx_release(&c);
}

static void documents(void)
{
    edit("{\"a\":{\"b\":1,\"c\":2}}", "a.b", NULL, "{\"a\":{\"c\":2}}");
    edit("{\"a\":[{\"b\":1},{\"b\":2,\"c\":3}]}", "a[].b", NULL, "{\"a\":[{},{\"c\":3}]}");
    edit("{\"a\":1}", "x.y", "{\"z\":18446744073709551615}", "{\"a\":1,\"x\":{\"y\":{\"z\":18446744073709551615}}}");
    edit("{\"a\":[{},{}]}", "a[1]", "{\"k\":-9223372036854775808}", "{\"a\":[{},{\"k\":-9223372036854775808}]}");
    edit("{\"odd key\":{\"x\":1.5}}", "\"odd key\".x", NULL, "{\"odd key\":{}}");
    edit("{\"a\":1,\"a\":2,\"b\":\"\\u00e9\\n\"}", "c", NULL, "{\"a\":2,\"b\":\"\xc3\xa9\\n\"}");
}

static void garbage_documents(void)
{
    uint8_t data[64];

    for (int i = 0; i < 200000; i++) { /* never reads beyond the end, whatever it is given */
        size_t n = test_dice(sizeof data);
        struct buf out;
        for (size_t j = 0; j < n; j++)
            data[j] = (uint8_t)(test_dice(3) ? test_dice(10) : test_dice(256));
        buf_init(&out);
        if (val_check(data, n))
            val_to_json(val_of(data, n), &out);
        buf_release(&out);
    }
}

static const struct test tests[] = {
    {"codec: floats read back the same", floats_read_back},
    {"codec: dates", dates},
    {"doc: changes by path", documents},
    {"doc: garbage is refused", garbage_documents},
};
TEST_MAIN(tests)
