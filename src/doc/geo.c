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
