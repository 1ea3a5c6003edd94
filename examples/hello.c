/* hello.c - Kith as a library in twenty lines: cc hello.c -lkith */
#include <kith.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    kith_err err;
    kith_db *db = kith_open(argc > 1 ? argv[1] : "hello.kith", NULL, &err);
    kith_vector_params params = {.name = "", .dim = 3, .metric = KITH_COSINE};
    kith_schema schema = {&params, 1, NULL, 0, NULL};
    float data[] = {0.9f, 0.1f, 0.2f}, asked[] = {1.0f, 0.0f, 0.1f};
    kith_vector vector = {"", 3, data, KITH_F32, 0};
    kith_point point = {kith_id_num(42), {KITH_DOC_JSON, 16, "{\"name\":\"kith\"} "}, &vector, 1};
    kith_op op = {.kind = KITH_UPSERT, .points = &point, .points_count = 1};
    kith_query query = {.kind = KITH_QUERY_NEAREST};
    kith_result *result;

    if (!db || (kith_create(db, "things", &schema, &err) < 0 && err.code != KITH_EXISTS))
        return fprintf(stderr, "%s\n", err.text), 1;
    if (kith_write(db, "things", &op, 1, KITH_WAIT_APPLIED, NULL, &err) < 0)
        return fprintf(stderr, "%s\n", err.text), 1;
    query.vector.dim = 3;
    query.vector.data = asked;
    query.select.doc = 1;
    result = kith_query_run(db, "things", &query, &err);
    for (size_t i = 0; result && i < result->count; i++) {
        char *json = kith_doc_json(&result->hits[i].doc, NULL);
        printf("%llu  %.4f  %s\n", (unsigned long long)result->hits[i].id.as.num, (double)-result->hits[i].distance, json);
        kith_free(json);
    }
    kith_result_free(result);
    kith_close(db);
    return 0;
}
