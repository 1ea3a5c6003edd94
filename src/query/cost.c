/* cost.c - what the strategies of a filtered search cost, in nanoseconds of a Zen 5 core. Only ratios matter: other
 * processors move them little, dimensions and the target much. README.md tells where the figures come from. */
#include "query/cost.h"

#include <math.h>

#define RECORD 3.0         /* to fetch one that was asked for ahead */
#define BYTE 0.042         /* of it */
#define SCANNED_RECORD 4.0 /* the same in the order of rows, further ahead */
#define SCANNED_BYTE 0.019
#define STEP 13.0          /* of a walk, a distance: the beam, the links */
#define HOP 3.3            /* a walk over matches alone, as a multiple of one over everything; the most it was, because a
                              scan misses nothing */

static double walked(const struct recall_curve *curve, uint32_t ef, size_t bytes)
{
    return curve_distances(curve, ef) * (RECORD + STEP + BYTE * (double)bytes);
}

double cost_scan(uint32_t matches, size_t bytes)
{
    return matches * (SCANNED_RECORD + SCANNED_BYTE * (double)bytes);
}

double cost_walk(const struct recall_curve *curve, uint32_t ef, size_t bytes, double share, bool hop)
{
    if (hop)
        return walked(curve, ef, bytes) * HOP;
    return walked(curve, (uint32_t)fmin((double)ef / share, GRAPH_EF_MAX), bytes);
}

bool cost_prefers_scan(double scan, double other)
{
    return scan <= other;
}
