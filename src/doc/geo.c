/* geo.c - see geo.h. */
#include "doc/geo.h"

#include <math.h>

#define EARTH 6371008.8
#define RADIANS (3.14159265358979323846 / 180)

bool geo_of(struct val v, kith_geo_point *ret)
{
    struct val lon, lat;

    if (val_tag(v) != VAL_OBJECT || !val_get(v, "lon", 3, &lon) || !val_get(v, "lat", 3, &lat) || !val_is_num(lon) ||
        !val_is_num(lat))
        return false;
    *ret = (kith_geo_point){val_double(lon), val_double(lat)};
    return fabs(ret->lon) <= 180 && fabs(ret->lat) <= 90;
}

double geo_metres(kith_geo_point a, kith_geo_point b)
{
    double north = sin((b.lat - a.lat) * RADIANS / 2), east = sin((b.lon - a.lon) * RADIANS / 2);
    double h = north * north + cos(a.lat * RADIANS) * cos(b.lat * RADIANS) * east * east;

    return 2 * EARTH * asin(sqrt(fmin(h, 1)));
}

bool geo_in_box(kith_geo_point top_left, kith_geo_point bottom_right, kith_geo_point p)
{
    bool between = p.lon > top_left.lon && p.lon < bottom_right.lon;

    if (top_left.lon > bottom_right.lon)
        between = p.lon > top_left.lon || p.lon < bottom_right.lon;
    return between && p.lat < top_left.lat && p.lat > bottom_right.lat;
}

static bool on_line(kith_geo_point a, kith_geo_point b, kith_geo_point p)
{
    double cross = (b.lon - a.lon) * (p.lat - a.lat) - (b.lat - a.lat) * (p.lon - a.lon);

    return fabs(cross) <= 0 && p.lon >= fmin(a.lon, b.lon) && p.lon <= fmax(a.lon, b.lon) &&
           p.lat >= fmin(a.lat, b.lat) && p.lat <= fmax(a.lat, b.lat);
}

/* How often a ray to the east meets the ring: odd is inside. `ret_edge`: the point lies on it. */
static bool in_ring(const kith_geo_ring *r, kith_geo_point p, bool *ret_edge)
{
    bool inside = false;

    *ret_edge = false;
    for (size_t i = 0; i + 1 < r->count; i++) {
        kith_geo_point a = r->points[i], b = r->points[i + 1];
        *ret_edge = *ret_edge || on_line(a, b, p);
        if ((a.lat > p.lat) != (b.lat > p.lat) && p.lon < (b.lon - a.lon) * (p.lat - a.lat) / (b.lat - a.lat) + a.lon)
            inside = !inside;
    }
    return inside;
}

bool geo_in_polygon(const kith_geo_ring *rings, size_t count, kith_geo_point p)
{
    bool edge;

    for (size_t i = 0; i < count; i++) {
        bool inside = in_ring(&rings[i], p, &edge);
        if (edge || inside != (i == 0))
            return false;
    }
    return count > 0;
}

/* ---- cells ------------------------------------------------------------------------------------------------------ */

static uint32_t part_of(double x, double low, double width, uint32_t count)
{
    double at = floor((x - low) / width * count);

    return at < 0 ? 0 : at >= count ? count - 1 : (uint32_t)at;
}

int64_t geo_cell(kith_geo_point p)
{
    return (int64_t)part_of(p.lat, -90, 180, GEO_BANDS) * GEO_COLUMNS + part_of(p.lon, -180, 360, GEO_COLUMNS);
}

/* A little wider than it is, for roundings. */
static struct geo_span span_of(double west, double east, double south, double north)
{
    const double more = 1e-6;

    return (struct geo_span){
        {part_of(south - more, -90, 180, GEO_BANDS), part_of(north + more, -90, 180, GEO_BANDS)},
        {part_of(west - more, -180, 360, GEO_COLUMNS), part_of(east + more, -180, 360, GEO_COLUMNS)}};
}

/* West may be below -180, east above 180: then it is two. */
static uint32_t spans_of(double west, double east, double south, double north, struct geo_span spans[2])
{
    if (east - west >= 360) {
        spans[0] = span_of(-180, 180, south, north);
        return 1;
    }
    if (west >= -180 && east <= 180) {
        spans[0] = span_of(west, east, south, north);
        return 1;
    }
    spans[0] = span_of(west < -180 ? west + 360 : west, 180, south, north);
    spans[1] = span_of(-180, east > 180 ? east - 360 : east, south, north);
    return 2;
}

static uint32_t circle_spans(kith_geo_point at, double radius, struct geo_span spans[2])
{
    double angle = radius / EARTH, north = at.lat + angle / RADIANS, south = at.lat - angle / RADIANS, wide;

    if (!(radius > 0))
        return 0;
    if (north >= 90 || south <= -90 || angle >= 1.5)
        return spans_of(-180, 180, fmax(south, -90), fmin(north, 90), spans);
    wide = asin(fmin(1, sin(angle) / cos(at.lat * RADIANS))) / RADIANS;
    return spans_of(at.lon - wide, at.lon + wide, south, north, spans);
}

uint32_t geo_spans(const kith_filter *f, struct geo_span spans[2])
{
    double west = 180, east = -180, south = 90, north = -90;

    if (f->kind == KITH_COND_GEO_RADIUS)
        return circle_spans(f->places[0], f->radius, spans);
    if (f->kind == KITH_COND_GEO_BOX) {
        west = f->places[0].lon;
        east = f->places[1].lon + (f->places[1].lon < west ? 360 : 0);
        return spans_of(west, east, f->places[1].lat, f->places[0].lat, spans);
    }
    for (size_t i = 0; f->rings_count && i < f->rings[0].count; i++) {
        const kith_geo_point *p = &f->rings[0].points[i];
        west = fmin(west, p->lon);
        east = fmax(east, p->lon);
        south = fmin(south, p->lat);
        north = fmax(north, p->lat);
    }
    return spans_of(west, east, south, north, spans);
}

bool geo_covers(const kith_filter *f, int64_t cell)
{
    double lat = -90 + (double)(cell / GEO_COLUMNS) * 180 / GEO_BANDS;
    double lon = -180 + (double)(cell % GEO_COLUMNS) * 360 / GEO_COLUMNS;
    kith_geo_point corners[4] = {{lon, lat}, {lon + 360.0 / GEO_COLUMNS, lat}, {lon, lat + 180.0 / GEO_BANDS},
                                 {lon + 360.0 / GEO_COLUMNS, lat + 180.0 / GEO_BANDS}};
    bool box = f->kind == KITH_COND_GEO_BOX && f->places[0].lon < f->places[1].lon;

    for (int i = 0; i < 4; i++) {
        if (box && !geo_in_box(f->places[0], f->places[1], corners[i]))
            return false;
        /* sides along a parallel bend: by far less than that */
        if (f->kind == KITH_COND_GEO_RADIUS && geo_metres(f->places[0], corners[i]) + 2000 >= f->radius)
            return false;
    }
    return box || f->kind == KITH_COND_GEO_RADIUS;
}
