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
int calibrate(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve);
/* Of multi-vectors: codes and rows are those of their single vectors. */
int calibrate_many(struct ctx *c, const struct calibrate_input *in, struct recall_curve *ret_curve);
/* `idf`: queries will be weighed by how rare the terms are. */
int calibrate_sparse(struct ctx *c, const struct postings_source *from, const struct postings *p,
                     const struct kernels *kernels, bool idf, struct slack_curve *ret_curve);

#endif
