/* slack.c - between the measured points the slack is taken as it is, the number wanted on a logarithmic scale. */
#include "index/slack.h"

#include <math.h>

/* Misses of real queries as a multiple of the probes': 0.9 to 1.4 on 914,111 short texts. */
#define CORRECTION 1.4f

const float slack_levels[SLACKS] = {0.15f, 0.3f, 0.45f, 0.6f, 0.8f, 1.0f};

void slack_finish(struct slack_curve *x, uint32_t hits[CURVE_KS][SLACKS], const uint32_t wanted[CURVE_KS],
                  uint32_t probes)
{
    *x = (struct slack_curve){.probes = probes};
    for (size_t k = 0; k < CURVE_KS; k++) {
        float least = 1;
        for (size_t i = 0; i < SLACKS; i++) {
            float missed = 1 - (float)hits[k][i] / (float)MAX(wanted[k], 1u);
            least = fminf(least, fmaxf(0, 1 - CORRECTION * missed));
            x->recall[k][i] = least;
        }
    }
}

/* The curve of one k, between the two that were measured; the first point is no slack. */
static void curve_at(const struct slack_curve *x, double k, float out[SLACKS + 1])
{
    double share;
    size_t low = curve_between(k, &share);

    out[0] = 1;
    for (size_t i = 0; i < SLACKS; i++)
        out[i + 1] = (float)((1 - share) * (double)x->recall[low][i] + share * (double)x->recall[low + 1][i]);
}

static float level(size_t i)
{
    return i ? slack_levels[i - 1] : 0;
}

float slack_for(const struct slack_curve *x, double k, float target)
{
    float at[SLACKS + 1];
    size_t i = 0;

    if (!x->probes)
        return 0;
    curve_at(x, k, at);
    while (i < SLACKS && at[i + 1] >= target)
        i++;
    if (i == SLACKS)
        return level(SLACKS);
    return at[i] > at[i + 1] ? level(i) + (level(i + 1) - level(i)) * (at[i] - target) / (at[i] - at[i + 1]) : level(i);
}

float slack_recall(const struct slack_curve *x, double k, float slack)
{
    float at[SLACKS + 1];
    size_t i = 0;

    if (!x->probes || slack <= 0)
        return 1;
    curve_at(x, k, at);
    while (i + 1 < SLACKS && level(i + 1) < slack)
        i++;
    return at[i] + (at[i + 1] - at[i]) * fminf(1, (slack - level(i)) / (level(i + 1) - level(i)));
}
