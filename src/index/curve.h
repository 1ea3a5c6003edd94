/* curve.h - how much of the truth a walk finds, by its width: measured when a graph is written, inverted when
 * it is asked. */
#ifndef INDEX_CURVE_H
#define INDEX_CURVE_H

#include "base/base.h"

enum { CURVE_EFS = 12, CURVE_KS = 3 };

/* Recall of the k nearest at each width; never falls with the width. probes 0: nothing was measured. */
struct recall_curve {
    uint32_t probes, unused;
    float recall[CURVE_KS][CURVE_EFS];
    uint32_t distances[CURVE_EFS]; /* computed for a probe, on average; 0: not known, the curve is an old one */
};
/* As it was before distances were counted. */
#define CURVE_SIZE_OLD offsetof(struct recall_curve, distances)

extern const uint32_t curve_efs[CURVE_EFS], curve_ks[CURVE_KS];
/* Which of the curve_ks k follows, the last excepted, and its share of the way to the next, on a logarithmic scale. */
size_t curve_between(double k, double *ret_share);
/* Sums of hits to shares, made monotonous. */
void curve_finish(struct recall_curve *x, uint32_t hits[CURVE_KS][CURVE_EFS], const uint64_t distances[CURVE_EFS],
                  uint32_t probes);
/* The width for a recall of `target` among the k nearest; `x` NULL or without probes: what is usual. */
uint32_t curve_ef(const struct recall_curve *x, double k, float target);
/* How many distances a walk of such a width computes. */
double curve_distances(const struct recall_curve *x, uint32_t ef);
float curve_recall(const struct recall_curve *x, double k, uint32_t ef);

#endif
