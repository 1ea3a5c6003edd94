/* cost.h - estimates by which nearest.c chooses a strategy. */
#ifndef QUERY_COST_H
#define QUERY_COST_H

#include "index/curve.h"
#include "index/graph.h"

/* To look at so many rows, each a record of so many bytes somewhere in memory. */
double cost_scan(uint32_t matches, size_t bytes);
/* To walk a graph of such records where a share of the rows matches; `hop`: over these alone. */
double cost_walk(const struct recall_curve *curve, uint32_t ef, size_t bytes, double share, bool hop);
/* Whether looking at all that match, which misses nothing, costs no more than another way. */
bool cost_prefers_scan(double scan, double other);

#endif
