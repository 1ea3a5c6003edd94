/* geo.h - places on the earth: is one inside a box, near a point, in a polygon. Degrees, metres. */
#ifndef DOC_GEO_H
#define DOC_GEO_H

#include "doc/value.h"

/* Of an object with numbers lon and lat, -180 to 180 and -90 to 90. */
bool geo_of(struct val v, kith_geo_point *ret);
/* By the haversine formula, on a sphere of the mean radius 6,371,008.8 m. */
double geo_metres(kith_geo_point a, kith_geo_point b);
/* Strictly inside; a box whose left side lies east of its right one crosses the 180th meridian. */
bool geo_in_box(kith_geo_point top_left, kith_geo_point bottom_right, kith_geo_point p);
/* Inside the first ring and in none of the others; what lies on a line is not inside. Rings are closed. */
bool geo_in_polygon(const kith_geo_ring *rings, size_t count, kith_geo_point p);

/* The earth as bands of latitude, each of as many cells: 0.18 degrees a side. */
enum { GEO_BANDS = 1024, GEO_COLUMNS = 2048 };
int64_t geo_cell(kith_geo_point p); /* band * GEO_COLUMNS + column */
/* Cells that places satisfying a geo condition lie in: bands and columns, ends included; one or two spans. */
struct geo_span {
    uint32_t bands[2], columns[2];
};
uint32_t geo_spans(const kith_filter *f, struct geo_span spans[2]);
/* True: every place in the cell satisfies it. False: perhaps not. */
bool geo_covers(const kith_filter *f, int64_t cell);

#endif
