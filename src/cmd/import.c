/* import.c - kith import: JSON lines and a NumPy matrix into a collection of a directory. */
#include "base/mem.h"
#include "cmd/data.h"
#include "cmd/options.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500 };

struct import {
    const char *data, *collection, *docs, *vectors, *metric, *keyword[16], *integer[16];
    size_t keywords, integers;
    bool quiet;
};

static void help(void)
{
    printf("usage: kith import --data DIR --collection NAME --docs FILE [--vectors FILE.npy] [<options>]\n\n"
           "    --docs FILE      a JSON object a line, .zst or plain; line n becomes point n\n"
           "    --vectors FILE   a row a line: NumPy, <f4, <f2 or |i1\n"
           "    --metric NAME    cosine (default), dot, euclid, manhattan\n"
           "    --keyword PATH   index this field as keyword; may be repeated\n"
           "    --integer PATH   index this field as integer; may be repeated\n"
           "    --quiet          no progress\n\n"
           "The collection is made anew. The directory must not be in use.\n\n"
           "kith import --from-qdrant URL copies the collections of a running server: --from-qdrant --help says how.\n");
}

static int read_args(int argc, char **argv, struct import *im)
{
    const struct option_row rows[] = {
        {"--data", &im->data, NULL, 0, NULL},
        {"--collection", &im->collection, NULL, 0, NULL},
        {"--docs", &im->docs, NULL, 0, NULL},
        {"--vectors", &im->vectors, NULL, 0, NULL},
        {"--metric", &im->metric, NULL, 0, NULL},
        {"--keyword", im->keyword, &im->keywords, ARRAY_SIZE(im->keyword), NULL},
        {"--integer", im->integer, &im->integers, ARRAY_SIZE(im->integer), NULL},
        {"--quiet", NULL, NULL, 0, &im->quiet},
    };

    im->metric = "cosine";
    if (options_read("import", rows, ARRAY_SIZE(rows), argc, argv))
        return 1;
    return im->data && im->collection && im->docs ? 0 : cmd_fail("import: --data, --collection and --docs are needed");
}

static int make_collection(kith_db *db, const struct import *im, const struct matrix *m, kith_err *err)
{
    kith_vector_params params = {.name = "", .dim = m->columns, .metric = metric_named(im->metric)};
    kith_schema schema = {0};
    kith_field fields[32];

    memset(fields, 0, sizeof fields);
    for (size_t i = 0; i < im->keywords; i++)
        fields[schema.fields_count++] = (kith_field){.path = im->keyword[i], .index = KITH_INDEX_KEYWORD};
    for (size_t i = 0; i < im->integers; i++)
        fields[schema.fields_count++] = (kith_field){.path = im->integer[i], .index = KITH_INDEX_INTEGER};
    schema.fields = fields;
    if (m->rows) {
        schema.vectors = &params;
        schema.vectors_count = 1;
    }
    if (kith_drop(db, im->collection, err) < 0)
        return -1;
    return kith_create(db, im->collection, &schema, err);
}

static void progress(const struct import *im, size_t done, size_t total)
{
    enum { WIDTH = 40 };
    size_t filled = total ? done * WIDTH / total : WIDTH;

    if (im->quiet)
        return;
    fprintf(stderr, "\r[");
    for (size_t i = 0; i < WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %zu/%zu", done, total);
    if (done == total)
        fputc('\n', stderr);
}

static int load(kith_db *db, const struct import *im, const struct lines *docs, const struct matrix *m, kith_err *err)
{
    kith_point *points = calloc(BATCH, sizeof *points);
    kith_vector *vectors = calloc(BATCH, sizeof *vectors);
    int rc = points && vectors ? 0 : -1;

    for (size_t at = 0; at < docs->count && rc >= 0; at += BATCH) {
        kith_op op = {.kind = KITH_UPSERT, .points = points, .points_count = MIN((size_t)BATCH, docs->count - at)};
        for (size_t i = 0; i < op.points_count; i++) {
            points[i].id = kith_id_num(at + i);
            points[i].doc = (kith_doc){KITH_DOC_JSON, (uint32_t)docs->at[at + i].size, docs->at[at + i].data};
            vectors[i] = (kith_vector){"", m->columns, m->data + (at + i) * m->columns, KITH_F32, 0};
            points[i].vectors = &vectors[i];
            points[i].vectors_count = m->rows ? 1 : 0;
        }
        rc = kith_write(db, im->collection, &op, 1, KITH_WAIT_APPLIED, NULL, err);
        progress(im, at + op.points_count, docs->count);
    }
    free(points);
    free(vectors);
    return rc;
}

int cmd_import(int argc, char **argv)
{
    struct import im = {0};
    struct matrix m = {0};
    struct lines docs = {0};
    kith_err err = {0};
    kith_db *db = NULL;
    struct ctx c;
    int rc;

    if (options_have(argc, argv, "--from-qdrant"))
        return cmd_copy(argc, argv);
    if (options_have(argc, argv, "--help"))
        return help(), 0;
    if (read_args(argc, argv, &im))
        return 1;
    if (!metric_named(im.metric))
        return cmd_fail("import: --metric %s: expected cosine, dot, euclid or manhattan", im.metric);
    ctx_init(&c, os_linux());
    rc = lines_read(&c, im.docs, &docs);
    if (rc >= 0 && im.vectors)
        rc = matrix_read(&c, im.vectors, &m);
    if (rc >= 0 && im.vectors && m.rows != docs.count)
        rc = err_set(&c, KITH_INVALID, "%s has %llu rows, %s has %zu lines", im.vectors, (unsigned long long)m.rows,
                     im.docs, docs.count);
    err_give(&c, rc < 0 ? rc : 0, &err);
    if (rc >= 0) {
        db = kith_open(im.data, NULL, &err);
        rc = db ? make_collection(db, &im, &m, &err) : -1;
    }
    if (rc >= 0)
        rc = load(db, &im, &docs, &m, &err);
    if (rc >= 0)
        rc = kith_optimize(db, im.collection, &err);
    kith_close(db);
    lines_release(&docs);
    matrix_release(&m);
    ctx_release(&c);
    return rc < 0 ? cmd_fail("import: %s", err.text) : 0;
}
