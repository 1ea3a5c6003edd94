/* calibrate.h - measuring the recall of an index about to be written. */
#ifndef SEGMENT_CALIBRATE_H
#define SEGMENT_CALIBRATE_H

#include "segment/segment.h"

struct calibrate_input {
    const struct schema_vector *v;
    const struct kernels *kernels;
    const struct vector_index *shown; /* as it will be searched */
    const struct codes *codes;        /* 8-bit, of the same vectors */
    const uint32_t *rows;             /* of the codes */
    uint32_t threads;
    bool (*stop)(void *arg);
    void *stop_arg;
};
/* What probes by several threads found: the first that fails ends it for all. */
struct calibrate_tally {
    atomic_uint next; /* probe */
    atomic_int rc;
    atomic_uint hits[CURVE_KS][CURVE_EFS];
    atomic_ullong distances[CURVE_EFS];
};
void calibrate_fail(struct calibrate_tally *t, int rc); /* 0 or more: it did not */
int calibrate_finish(struct ctx *c, struct calibrate_tally *t, uint32_t probes, struct recall_curve *ret_curve);
int calibrate(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve);
/* Of multi-vectors: codes and rows are those of their single vectors. */
int calibrate_many(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve);
/* `idf`: queries will be weighed by how rare the terms are. */
int calibrate_sparse(struct ctx *c, const struct postings_source *from, const struct postings *p,
                     const struct kernels *kernels, bool idf, struct slack_curve *ret_curve);

#endif
