/* curve.c - between the measured points both the width and the number wanted are taken on logarithmic scales. */
#include "index/curve.h"

#include <math.h>

/* Misses of real queries as a share of the probes': 0.76 to 0.85 on 200,000 sentences, 0.5 on 58,593 package
 * descriptions. */
#define CORRECTION 0.85f

const uint32_t curve_efs[CURVE_EFS] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
const uint32_t curve_ks[CURVE_KS] = {1, 10, 100};

/* Of 200,000 sentences, 384 dimensions: for graphs that nobody has measured. */
static const struct recall_curve usual = {1, 0, {
    {0.84f, 0.90f, 0.93f, 0.95f, 0.965f, 0.975f, 0.985f, 0.99f, 0.994f, 0.996f, 0.998f, 0.999f},
    {0.78f, 0.85f, 0.89f, 0.92f, 0.945f, 0.961f, 0.976f, 0.984f, 0.99f, 0.993f, 0.995f, 0.996f},
    {0.09f, 0.15f, 0.22f, 0.30f, 0.45f, 0.60f, 0.80f, 0.92f, 0.96f, 0.975f, 0.985f, 0.99f}},
    {450, 557, 683, 808, 1057, 1295, 1766, 2226, 3108, 3955, 5577, 7128}};

void curve_finish(struct recall_curve *x, uint32_t hits[CURVE_KS][CURVE_EFS], const uint64_t distances[CURVE_EFS],
                  uint32_t probes)
{
    x->probes = probes;
    x->unused = 0; /* a point left out of its own graph is harder to find than a query: see CORRECTION */
    for (size_t e = 0; e < CURVE_EFS; e++)
        x->distances[e] = (uint32_t)MIN(distances[e] / MAX(probes, 1u), (uint64_t)UINT32_MAX);
    for (size_t k = 0; k < CURVE_KS; k++) {
        float most = 0;
        for (size_t e = 0; e < CURVE_EFS; e++) {
            float share = (float)hits[k][e] / (float)(MAX(probes, 1u) * curve_ks[k]);
            share = 1 - CORRECTION * (1 - share);
            most = MAX(most, share);
            x->recall[k][e] = most;
        }
    }
}

size_t curve_between(double k, double *ret_share)
{
    size_t low = 0;

    k = fmin(fmax(k, curve_ks[0]), curve_ks[CURVE_KS - 1]);
    while (low + 2 < CURVE_KS && k > curve_ks[low + 1])
        low++;
    *ret_share = (log(k) - log(curve_ks[low])) / (log(curve_ks[low + 1]) - log(curve_ks[low]));
    return low;
}

/* The curve of one k, between the two that were measured. */
static void curve_at(const struct recall_curve *x, double k, float out[CURVE_EFS])
{
    double share;
    size_t low = curve_between(k, &share);

    if (!x || !x->probes)
        x = &usual;
    for (size_t e = 0; e < CURVE_EFS; e++)
        out[e] = (float)((1 - share) * (double)x->recall[low][e] + share * (double)x->recall[low + 1][e]);
}

uint32_t curve_ef(const struct recall_curve *x, double k, float target)
{
    float at[CURVE_EFS];

    curve_at(x, k, at);
    if (at[0] >= target)
        return curve_efs[0];
    for (size_t e = 1; e < CURVE_EFS; e++) {
        double share;
        if (at[e] < target)
            continue;
        share = (double)((target - at[e - 1]) / (at[e] - at[e - 1]));
        return (uint32_t)ceil(exp((1 - share) * log(curve_efs[e - 1]) + share * log(curve_efs[e])));
    }
    return curve_efs[CURVE_EFS - 1] * 2; /* beyond what was measured */
}

double curve_distances(const struct recall_curve *x, uint32_t ef)
{
    const uint32_t *at = x && x->distances[0] ? x->distances : usual.distances;

    for (size_t e = 1; e < CURVE_EFS; e++) {
        double share = ((double)ef - curve_efs[e - 1]) / (double)(curve_efs[e] - curve_efs[e - 1]);
        if (ef <= curve_efs[e] || e == CURVE_EFS - 1) /* beyond: as between the last two */
            return at[e - 1] + fmax(share, 0) * ((double)at[e] - at[e - 1]);
    }
    return at[0];
}

float curve_recall(const struct recall_curve *x, double k, uint32_t ef)
{
    float at[CURVE_EFS];

    curve_at(x, k, at);
    if (ef <= curve_efs[0])
        return at[0];
    for (size_t e = 1; e < CURVE_EFS; e++) {
        double share;
        if (ef > curve_efs[e])
            continue;
        share = (log(ef) - log(curve_efs[e - 1])) / (log(curve_efs[e]) - log(curve_efs[e - 1]));
        return (float)((1 - share) * (double)at[e - 1] + share * (double)at[e]);
    }
    return at[CURVE_EFS - 1];
}
