/* model.h - the naive twin: an array of points, changed one operation at a time. */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "base/arena.h"

enum { MODEL_IDS = 40, MODEL_DIM = 3, MODEL_OPS_MAX = 4, MODEL_WRITES = 4096 };

/* A document of the model: each key absent (0), null (1), or a value. */
struct model_doc {
    uint8_t a_state, s_state; /* 0 absent, 1 null, 2 value, 3 list of two values */
    int a, s, a2, s2;
};

struct model_point {
    bool there;
    struct model_doc doc;
    bool has[2];
    float v[2][MODEL_DIM];
};

struct model_state {
    struct model_point points[MODEL_IDS];
};

struct model_single {
    kith_op_kind kind;
    kith_mode mode;
    int ids[3];
    int ids_count;
    bool by_filter;
    int filter_kind, filter_value;
    struct model_doc doc;
    bool has[2];
    float v[2][MODEL_DIM];
    int vector; /* dropped or updated */
    bool conditional;
};

struct model_op {
    struct model_single one[MODEL_OPS_MAX];
    int count;
};

enum model_fate { SUBMITTED, ANSWERED, REFUSED, FAILED };

struct model {
    struct model_state base; /* before the list */
    struct model_op *list[MODEL_WRITES];
    enum model_fate fate[MODEL_WRITES];
    size_t count;
    uint64_t total;
    bool created;
};

void model_init(struct model *m);
void model_release(struct model *m);
void model_reset(struct model *m);
struct model_op *model_draw(struct model *m, uint64_t *rng);
/* What the second vector is. Multi: one to three times the same, as its numbers say. */
enum model_second { SECOND_DENSE, SECOND_SPARSE, SECOND_MULTI };
size_t model_kith_ops(const struct model_op *op, enum model_second second, struct arena *a, kith_op *out);
/* Of the second vector, or (SECOND_DENSE) the first. */
kith_vector model_query(enum model_second kind, const float *v, struct arena *a);
size_t model_submitted(struct model *m, struct model_op *op); /* takes it over */
void model_answered(struct model *m, size_t at, bool ok, bool applied);
void model_refused(struct model *m, size_t at);
bool model_faulted(const struct model *m); /* some write failed: its fate is open */
struct model_state *model_applied(const struct model *m);
size_t model_candidates(const struct model *m);
struct model_state *model_candidate(const struct model *m, size_t i);
void model_rebase(struct model *m, struct model_state *found); /* takes it over */
void model_state_free(struct model_state *s);

bool model_compare(const struct model_state *want, enum model_second second, const kith_result *got, char *why, size_t size);
kith_filter *model_draw_filter(uint64_t *rng, struct arena *a);
int64_t model_count(const struct model_state *s, const kith_filter *f);
bool model_check_nearest(const struct model_state *s, const kith_filter *f, int vector, const float *v, const kith_result *got,
                         char *why, size_t size);
/* By the words `one` and `two` of s: the seven best by BM25. */
bool model_check_words(const struct model_state *s, const kith_filter *f, int one, int two, const kith_result *got,
                       char *why, size_t size);

#endif
