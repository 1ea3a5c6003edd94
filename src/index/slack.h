/* slack.h - how much of the truth a search of postings finds when it trusts less than the worst case: measured when
 * they are written, inverted when it is asked. */
#ifndef INDEX_SLACK_H
#define INDEX_SLACK_H

#include "index/curve.h"

enum { SLACKS = 6 };

/* Recall of the curve_ks best at each slack, falling. probes 0: nothing was measured. */
struct slack_curve {
    uint32_t probes, unused;
    float recall[CURVE_KS][SLACKS];
};

extern const float slack_levels[SLACKS]; /* rising */
/* Sums of hits to shares, made monotonous; `wanted`: how many there were to find. */
void slack_finish(struct slack_curve *x, uint32_t hits[CURVE_KS][SLACKS], const uint32_t wanted[CURVE_KS],
                  uint32_t probes);
/* The most slack that leaves a recall of `target` among the k best; 0 where nothing was measured. */
float slack_for(const struct slack_curve *x, double k, float target);
float slack_recall(const struct slack_curve *x, double k, float slack);

#endif
