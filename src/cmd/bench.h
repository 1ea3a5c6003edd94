/* bench.h - between the files of kith bench. */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include "cmd/cmd.h"
#include "cmd/data.h"

double bench_now(void); /* seconds, of a clock that never goes back */

/* The best of several passes over the same queries. */
struct timing {
    double total, p50, p99; /* seconds; total 0: none yet */
};
void timing_keep(struct timing *best, double *times, size_t n); /* sorts them */

/* Loads rows with documents of two numbers, `indexed` or not; searches of such rows under ranges of them. */
int bench_load_documents(kith_db *db, const struct matrix *base, const struct matrix *query, kith_metric metric,
                         bool indexed, kith_err *err);
int bench_filtered(kith_db *db, const struct matrix *query, kith_err *err);
int bench_drift(kith_db *db, const struct matrix *query, kith_err *err);
int bench_recall(kith_db *db, const struct matrix *base, const struct matrix *query, kith_err *err);
/* Rows that are loaded and questions about them (bench_rows.c): each makes one in the arena; false: no memory. */
struct bench_rows {
    uint64_t rows, questions;
    bool (*row)(void *arg, struct arena *a, uint64_t i, kith_point *p, kith_vector *v);
    bool (*question)(void *arg, struct arena *a, uint64_t i, kith_query *q);
    void *arg;
};
int bench_rows_load(kith_db *db, const kith_schema *schema, const struct bench_rows *r, kith_err *err);
int bench_rows_search(kith_db *db, const struct bench_rows *r, kith_err *err);
/* Opens the database of a step and runs it, unless `rc` is negative: what was to be read first, with `c`, could not be.
 * Ends the context; the exit status. */
int bench_step(struct ctx *c, int rc, const char *dir, const char *step, void *arg,
               int (*run)(kith_db *db, void *arg, const char *step, kith_err *err));
int bench_sparse(const char *dir, const char *base, const char *query, const char *step);
int bench_many(const char *dir, const char *base, const char *query, const char *step);
int bench_text(const char *dir, const char *base, const char *query, const char *step);
int bench_server(int argc, char **argv); /* what stands behind "server" */

#endif
