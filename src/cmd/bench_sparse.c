/* bench_sparse.c - kith bench, sparse vectors. */
#include "cmd/bench.h"
#include "os/os.h"

#include "base/arena.h"
#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>

/* As BigANN's files have it. */
struct csr {
    int64_t head[3]; /* rows, columns, entries */
    int64_t *starts;
    uint32_t *indices;
    float *values;
};

static bool read_all(FILE *f, void **ret, size_t count, size_t size)
{
    *ret = calloc(count ? count : 1, size);
    return *ret && fread(*ret, size, count, f) == count;
}

static bool csr_read(const char *path, struct csr *m)
{
    FILE *f = fopen(path, "rb");
    bool ok = f && fread(m->head, sizeof m->head, 1, f) == 1 && m->head[0] >= 0 && m->head[2] >= 0 &&
              read_all(f, (void **)&m->starts, (size_t)m->head[0] + 1, 8) &&
              read_all(f, (void **)&m->indices, (size_t)m->head[2], 4) &&
              read_all(f, (void **)&m->values, (size_t)m->head[2], 4);

    if (f)
        fclose(f);
    return ok;
}

static void csr_release(struct csr *m)
{
    free(m->starts);
    free(m->indices);
    free(m->values);
}

/* Row i as the library takes it; good as long as the arena. */
static bool csr_vector(struct arena *a, const struct csr *m, int64_t i, kith_vector *ret)
{
    size_t n = (size_t)(m->starts[i + 1] - m->starts[i]), from = (size_t)m->starts[i];
    uint32_t *blob = arena_alloc(a, n * 8);

    if (!blob)
        return false;
    memcpy(blob, m->indices + from, n * 4);
    memcpy(blob + n, m->values + from, n * 4);
    *ret = (kith_vector){"", (uint32_t)n, blob, KITH_SPARSE, 0};
    return true;
}

struct sparse_rows {
    const struct csr *m;
    float target;
};

static bool row(void *arg, struct arena *a, uint64_t i, kith_point *p, kith_vector *v)
{
    const struct sparse_rows *x = arg;

    p->vectors_count = 1;
    return csr_vector(a, x->m, (int64_t)i, v);
}

static bool question(void *arg, struct arena *a, uint64_t i, kith_query *q)
{
    const struct sparse_rows *x = arg;

    q->kind = KITH_QUERY_NEAREST;
    q->target_recall = x->target;
    return csr_vector(a, x->m, (int64_t)i, &q->vector);
}

static int run(kith_db *db, void *arg, const char *step, kith_err *err)
{
    const kith_vector_params params = {.name = "", .metric = KITH_DOT, .element = KITH_SPARSE};
    const kith_schema schema = {.vectors = &params, .vectors_count = 1};
    struct sparse_rows x = {arg, strncmp(step, "search=", 7) == 0 ? strtof(step + 7, NULL) : 0};
    const uint64_t n = (uint64_t)x.m->head[0];
    const struct bench_rows rows = {n, n, row, question, &x};

    if (strcmp(step, "load") == 0)
        return bench_rows_load(db, &schema, &rows, err);
    if (strcmp(step, "search") == 0 || (strncmp(step, "search=", 7) == 0 && x.target > 0))
        return bench_rows_search(db, &rows, err);
    snprintf(err->text, sizeof err->text, "step \"%.20s\": expected load or search[=TARGET]", step);
    return -1;
}

int bench_sparse(const char *dir, const char *base, const char *query, const char *step)
{
    const char *path = strcmp(step, "load") == 0 ? base : query;
    struct csr m = {0};
    struct ctx c;
    int rc;

    ctx_init(&c, os_linux());
    rc = csr_read(path, &m) ? 0 : err_set(&c, KITH_INVALID, "%s: not a .csr file", path);
    rc = bench_step(&c, rc, dir, step, &m, run);
    csr_release(&m);
    return rc;
}
