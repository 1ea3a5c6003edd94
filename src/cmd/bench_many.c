/* bench_many.c - kith bench, multi-vectors by max-sim. */
#include "base/arena.h"
#include "cmd/bench.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

/* All vectors side by side, and how many each row has: X.npy and X.npy.rows.npy. */
struct manies {
    struct matrix vectors, counts;
    uint64_t *starts; /* of rows, and the number of vectors */
    float target;
    uint32_t ef;
};

static void manies_release(struct manies *m)
{
    matrix_release(&m->vectors);
    matrix_release(&m->counts);
    free(m->starts);
}

static int manies_read(struct ctx *c, const char *path, struct manies *m)
{
    char counts[1100];

    snprintf(counts, sizeof counts, "%.1000s.rows.npy", path);
    TRY(matrix_read(c, path, &m->vectors));
    TRY(matrix_read(c, counts, &m->counts));
    m->starts = calloc(m->counts.rows + 1, sizeof *m->starts);
    if (!m->starts)
        return err_nomem(c);
    for (uint64_t i = 0; i < m->counts.rows; i++)
        m->starts[i + 1] = m->starts[i] + (uint64_t)m->counts.data[i * m->counts.columns];
    if (m->starts[m->counts.rows] == m->vectors.rows)
        return 0;
    return err_set(c, KITH_INVALID, "%s has not as many vectors as its rows", path);
}

static kith_vector many_of_row(const struct manies *m, uint64_t i)
{
    return (kith_vector){"", m->vectors.columns, m->vectors.data + m->starts[i] * m->vectors.columns, KITH_F32,
                         (uint32_t)(m->starts[i + 1] - m->starts[i])};
}

static bool row(void *arg, struct arena *a, uint64_t i, kith_point *p, kith_vector *v)
{
    const struct manies *m = arg;

    UNUSED(a);
    *v = many_of_row(m, i);
    p->vectors_count = v->count > 0;
    return true;
}

static bool question(void *arg, struct arena *a, uint64_t i, kith_query *q)
{
    const struct manies *m = arg;

    UNUSED(a);
    q->kind = KITH_QUERY_NEAREST;
    q->vector = many_of_row(m, i);
    q->exact = m->ef == 1;
    q->ef = m->ef > 1 ? m->ef : 0;
    q->target_recall = m->target;
    return true;
}

static int run(kith_db *db, void *arg, const char *step, kith_err *err)
{
    struct manies *m = arg;
    const kith_vector_params params = {.name = "", .dim = m->vectors.columns, .metric = KITH_DOT, .multi = true};
    const kith_schema schema = {.vectors = &params, .vectors_count = 1};
    const struct bench_rows rows = {m->counts.rows, m->counts.rows, row, question, m};

    if (strcmp(step, "load") == 0)
        return bench_rows_load(db, &schema, &rows, err);
    m->target = strncmp(step, "search=", 7) == 0 ? strtof(step + 7, NULL) : 0;
    m->ef = strcmp(step, "exact") == 0 ? 1 : strncmp(step, "ef=", 3) == 0 ? (uint32_t)strtoul(step + 3, NULL, 10) : 0;
    if (strcmp(step, "search") == 0 || m->target > 0 || m->ef)
        return bench_rows_search(db, &rows, err);
    snprintf(err->text, sizeof err->text, "step \"%.20s\": expected load, exact, search[=TARGET] or ef=N", step);
    return -1;
}

int bench_many(const char *dir, const char *base, const char *query, const char *step)
{
    struct manies m = {.ef = 0};
    struct ctx c;
    int rc;

    ctx_init(&c, os_linux());
    rc = manies_read(&c, strcmp(step, "load") == 0 ? base : query, &m);
    rc = bench_step(&c, rc, dir, step, &m, run);
    manies_release(&m);
    return rc;
}
