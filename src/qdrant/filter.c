/* filter.c - their filters into ours. */
#include "qdrant/dialect.h"

#include "codec/date.h"

#include <math.h>

enum { DEPTH_MAX = 32 };

static bool read_condition(struct call *call, yyjson_val *v, kith_filter *to, int depth);
static bool read_group(struct call *call, yyjson_val *v, kith_filter *to, int depth);

static kith_filter *subs_new(struct call *call, kith_filter *parent, size_t count)
{
    kith_filter *subs = arena_zalloc(&call->c.arena, MAX(count, (size_t)1) * sizeof *subs);

    parent->subs = subs;
    parent->subs_count = count;
    if (!subs)
        (void)read_fail(call, "out of memory");
    return subs;
}

/* One condition or a list of them. */
static bool read_list(struct call *call, yyjson_val *v, kith_filter *to, int depth)
{
    size_t i, count;
    yyjson_val *item;
    kith_filter *subs;

    if (yyjson_is_obj(v)) {
        subs = subs_new(call, to, 1);
        return subs && read_condition(call, v, subs, depth + 1);
    }
    if (!yyjson_is_arr(v))
        return read_fail(call, "filter: expected a condition or a list of conditions");
    subs = subs_new(call, to, yyjson_arr_size(v));
    if (!subs)
        return false;
    yyjson_arr_foreach(v, i, count, item) {
        if (!read_condition(call, item, &subs[i], depth + 1))
            return false;
    }
    return true;
}

static bool read_min_should(struct call *call, yyjson_val *v, kith_filter *to, int depth)
{
    yyjson_val *conditions = yyjson_obj_get(v, "conditions"), *least = yyjson_obj_get(v, "min_count");

    if (!yyjson_is_arr(conditions) || !least)
        return read_fail(call, "min_should: expected {\"conditions\": [...], \"min_count\": n}");
    to->kind = KITH_COND_AT_LEAST;
    return read_count(call, least, "filter.min_should.min_count", 1, 1, &to->least) &&
           read_list(call, conditions, to, depth);
}

static bool read_group(struct call *call, yyjson_val *v, kith_filter *to, int depth)
{
    static const char *const names[] = {"must", "should", "must_not", "min_should"};
    static const kith_cond kinds[] = {KITH_COND_ALL, KITH_COND_ANY, KITH_COND_NONE, KITH_COND_AT_LEAST};
    size_t i, count, n = 0;
    yyjson_val *key, *item;
    kith_filter *subs = subs_new(call, to, 4);

    if (!subs)
        return false;
    if (depth > DEPTH_MAX)
        return read_fail(call, "filter: nested deeper than %d", DEPTH_MAX);
    to->kind = KITH_COND_ALL;
    yyjson_obj_foreach(v, i, count, key, item) {
        size_t which = 0;
        while (which < 4 && !yyjson_equals_str(key, names[which]))
            which++;
        if (which == 4)
            return read_fail(call, "unknown field `%.60s`, expected one of `should`, `min_should`, `must`, `must_not`",
                             yyjson_get_str(key));
        if (yyjson_is_null(item) || (yyjson_is_arr(item) && yyjson_arr_size(item) == 0))
            continue;
        subs[n].kind = kinds[which];
        if (which == 3 ? !read_min_should(call, item, &subs[n], depth) : !read_list(call, item, &subs[n], depth))
            return false;
        n++;
    }
    to->subs_count = n;
    return true;
}

/* ---- field conditions ---------------------------------------------------------------------------------- */

static bool read_value(struct call *call, yyjson_val *v, kith_value *to, bool with_bool)
{
    if (yyjson_is_str(v)) {
        to->kind = KITH_VALUE_STR;
        to->str = yyjson_get_str(v);
        to->size = (uint32_t)yyjson_get_len(v);
    } else if (yyjson_is_int(v) && !(yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)) {
        to->kind = KITH_VALUE_INT;
        to->num = yyjson_get_sint(v);
    } else if (with_bool && yyjson_is_bool(v)) {
        to->kind = KITH_VALUE_BOOL;
        to->boolean = yyjson_get_bool(v);
    } else {
        return read_fail(call, "match: expected a string, an integer%s", with_bool ? " or a boolean" : "");
    }
    return true;
}

static bool read_values(struct call *call, yyjson_val *v, kith_filter *to)
{
    size_t i, count;
    yyjson_val *item;
    kith_value *values;

    if (!yyjson_is_arr(v))
        return read_fail(call, "match: expected a list");
    values = arena_zalloc(&call->c.arena, MAX(yyjson_arr_size(v), (size_t)1) * sizeof *values);
    if (!values)
        return read_fail(call, "out of memory");
    yyjson_arr_foreach(v, i, count, item) {
        if (!read_value(call, item, &values[i], false))
            return false;
        if (i && values[i].kind != values[0].kind)
            return read_fail(call, "match: a list holds either strings or integers");
    }
    to->values = values;
    to->values_count = yyjson_arr_size(v);
    return true;
}

static const struct {
    const char *name;
    kith_cond kind;
} text_conds[] = {{"text", KITH_COND_TEXT}, {"text_any", KITH_COND_TEXT_ANY}, {"phrase", KITH_COND_PHRASE}};

static bool read_match(struct call *call, yyjson_val *v, kith_filter *to)
{
    yyjson_val *x;
    kith_value *value = arena_zalloc(&call->c.arena, sizeof *value);

    if (!value || !yyjson_is_obj(v))
        return read_fail(call, "match: expected an object");
    to->kind = KITH_COND_MATCH;
    to->values = value;
    to->values_count = 1;
    if ((x = yyjson_obj_get(v, "value")))
        return read_value(call, x, value, true);
    if ((x = yyjson_obj_get(v, "any")))
        return read_values(call, x, to);
    if ((x = yyjson_obj_get(v, "except"))) {
        to->kind = KITH_COND_EXCEPT;
        return read_values(call, x, to);
    }
    if ((x = yyjson_obj_get(v, "prefix")) && yyjson_is_str(x)) {
        to->kind = KITH_COND_PREFIX;
        return read_value(call, x, value, false);
    }
    if ((x = yyjson_obj_get(v, "substring")) && yyjson_is_str(x)) {
        to->kind = KITH_COND_SUBSTRING;
        return read_value(call, x, value, false);
    }
    for (size_t i = 0; i < ARRAY_SIZE(text_conds); i++) {
        if ((x = yyjson_obj_get(v, text_conds[i].name)) && yyjson_is_str(x)) {
            to->kind = text_conds[i].kind;
            return read_value(call, x, value, false);
        }
    }
    return read_fail(call, "match: expected one of value, any, except, text, text_any, phrase, prefix, substring");
}

static const char *const bound_names[] = {"gt", "gte", "lt", "lte"};

static bool read_range(struct call *call, yyjson_val *v, kith_filter *to)
{
    bool dates = false;

    if (!yyjson_is_obj(v))
        return read_fail(call, "range: expected an object");
    for (int i = 0; i < 4; i++)
        dates = dates || yyjson_is_str(yyjson_obj_get(v, bound_names[i]));
    to->kind = dates ? KITH_COND_DATETIME : KITH_COND_RANGE;
    for (int i = 0; i < 4; i++) {
        yyjson_val *x = field_of(v, bound_names[i], NULL);
        double *number = &to->range.gt + i;
        int64_t *time = &to->times.gt + i;
        if (!x)
            continue;
        if (dates ? !yyjson_is_str(x) || !date_parse(yyjson_get_str(x), yyjson_get_len(x), time) : !yyjson_is_num(x))
            return read_fail(call, "range.%s: expected a number or a datetime such as 2024-05-17T09:30:00Z",
                             bound_names[i]);
        if (!dates)
            *number = yyjson_get_num(x);
        to->bounds |= (uint8_t)(1 << i);
    }
    return true;
}

static bool read_values_count(struct call *call, yyjson_val *v, kith_filter *to)
{
    to->kind = KITH_COND_VALUES_COUNT;
    if (!yyjson_is_obj(v))
        return read_fail(call, "values_count: expected an object");
    for (int i = 0; i < 4; i++) {
        yyjson_val *x = field_of(v, bound_names[i], NULL);
        double *number = &to->range.gt + i;
        if (!x)
            continue;
        if (!yyjson_is_uint(x))
            return read_fail(call, "values_count.%s: expected an unsigned integer", bound_names[i]);
        *number = (double)yyjson_get_uint(x);
        to->bounds |= (uint8_t)(1 << i);
    }
    return true;
}

/* ---- geo --------------------------------------------------------------------------------------------------- */

bool read_place(struct call *call, yyjson_val *v, const char *what, kith_geo_point *to)
{
    yyjson_val *lon = yyjson_obj_get(v, "lon"), *lat = yyjson_obj_get(v, "lat");

    if (!yyjson_is_num(lon) || !yyjson_is_num(lat))
        return read_fail(call, "%s: expected {\"lon\", \"lat\"}", what);
    *to = (kith_geo_point){yyjson_get_num(lon), yyjson_get_num(lat)};
    if (fabs(to->lon) > 180 || fabs(to->lat) > 90)
        return read_fail(call, "%s: lon %g, lat %g: expected -180 to 180, -90 to 90", what, to->lon, to->lat);
    return true;
}

static bool read_box(struct call *call, yyjson_val *v, kith_filter *to)
{
    kith_geo_point *places = arena_zalloc(&call->c.arena, 2 * sizeof *places);

    to->kind = KITH_COND_GEO_BOX;
    to->places = places;
    return places && read_place(call, yyjson_obj_get(v, "top_left"), "geo", &places[0]) &&
           read_place(call, yyjson_obj_get(v, "bottom_right"), "geo", &places[1]);
}

static bool read_radius(struct call *call, yyjson_val *v, kith_filter *to)
{
    kith_geo_point *place = arena_zalloc(&call->c.arena, sizeof *place);
    yyjson_val *radius = yyjson_obj_get(v, "radius");

    to->kind = KITH_COND_GEO_RADIUS;
    to->places = place;
    if (!yyjson_is_num(radius))
        return read_fail(call, "geo_radius: expected center and radius");
    to->radius = yyjson_get_num(radius);
    return place && read_place(call, yyjson_obj_get(v, "center"), "geo", place);
}

static bool read_ring(struct call *call, yyjson_val *v, kith_geo_ring *to)
{
    yyjson_val *list = yyjson_obj_get(v, "points"), *item;
    size_t i, count, n = yyjson_arr_size(list);
    kith_geo_point *points = arena_zalloc(&call->c.arena, MAX(n, (size_t)1) * sizeof *points);

    if (!yyjson_is_arr(list) || !points)
        return read_fail(call, "geo_polygon: expected a list of points");
    if (n < 4)
        return read_invalid(call, "geo_polygon: a ring of %zu points, must be at least 4", n);
    yyjson_arr_foreach(list, i, count, item) {
        if (!read_place(call, item, "geo", &points[i]))
            return false;
    }
    if (memcmp(&points[0], &points[n - 1], sizeof *points) != 0)
        return read_invalid(call, "geo_polygon: a ring is not closed, the first and last points must be the same");
    *to = (kith_geo_ring){points, n};
    return true;
}

static bool read_polygon(struct call *call, yyjson_val *v, kith_filter *to)
{
    yyjson_val *holes = field_of(v, "interiors", NULL), *item;
    size_t i, count, n = yyjson_arr_size(holes) + 1;
    kith_geo_ring *rings = arena_zalloc(&call->c.arena, n * sizeof *rings);

    to->kind = KITH_COND_GEO_POLYGON;
    to->rings = rings;
    to->rings_count = n;
    if (!rings || (holes && !yyjson_is_arr(holes)))
        return read_fail(call, "geo_polygon: expected exterior, and perhaps a list of interiors");
    if (!read_ring(call, yyjson_obj_get(v, "exterior"), &rings[0]))
        return false;
    yyjson_arr_foreach(holes, i, count, item) {
        if (!read_ring(call, item, &rings[i + 1]))
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct call *call, yyjson_val *v, kith_filter *to);
} element_tests[] = {
    {"match", read_match}, {"range", read_range}, {"geo_bounding_box", read_box}, {"geo_radius", read_radius},
    {"geo_polygon", read_polygon},
};

/* One of them; of several any will do, as upstream has it. */
static bool read_element_tests(struct call *call, yyjson_val *v, kith_filter *to)
{
    size_t n = 0;
    kith_filter *subs;

    for (size_t i = 0; i < ARRAY_SIZE(element_tests); i++)
        n += field_of(v, element_tests[i].name, NULL) != NULL;
    if (n == 0)
        return read_invalid(call, "filter: at least one field condition must be specified for \"%.60s\"", to->path);
    to->kind = KITH_COND_ANY;
    subs = n == 1 ? to : subs_new(call, to, n);
    if (!subs)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(element_tests); i++) {
        yyjson_val *x = field_of(v, element_tests[i].name, NULL);
        if (!x)
            continue;
        subs->path = to->path;
        if (!element_tests[i].read(call, x, subs++))
            return false;
    }
    return true;
}

static bool read_field(struct call *call, yyjson_val *v, kith_filter *to)
{
    yyjson_val *key = yyjson_obj_get(v, "key"), *x;

    if (!yyjson_is_str(key))
        return read_fail(call, "filter: key: expected a string");
    to->path = yyjson_get_str(key);
    if ((x = field_of(v, "values_count", NULL)))
        return read_values_count(call, x, to);
    if ((x = field_of(v, "is_empty", NULL)) || (x = field_of(v, "is_null", NULL))) {
        to->kind = field_of(v, "is_empty", NULL) ? KITH_COND_FIELD_EMPTY : KITH_COND_FIELD_NULL;
        return read_bool(call, x, "is_empty", true, &to->flag);
    }
    return read_element_tests(call, v, to);
}

/* ---- conditions ------------------------------------------------------------------------------------------- */

static bool read_keyed(struct call *call, yyjson_val *v, kith_filter *to, kith_cond kind)
{
    yyjson_val *key = yyjson_obj_get(v, "key");

    if (!yyjson_is_str(key))
        return read_fail(call, "filter: expected {\"key\": path}");
    to->kind = kind;
    to->path = yyjson_get_str(key);
    return true;
}

static bool read_nested(struct call *call, yyjson_val *v, kith_filter *to, int depth)
{
    yyjson_val *filter = yyjson_obj_get(v, "filter");
    kith_filter *sub;

    if (!read_keyed(call, v, to, KITH_COND_NESTED))
        return false;
    if (!yyjson_is_obj(filter))
        return read_fail(call, "nested: expected {\"key\": path, \"filter\": {...}}");
    sub = subs_new(call, to, 1);
    return sub && read_group(call, filter, sub, depth + 1);
}

static bool read_slice(struct call *call, yyjson_val *v, kith_filter *to)
{
    if (!yyjson_is_obj(v))
        return read_fail(call, "slice: expected an object");
    to->kind = KITH_COND_SLICE;
    if (!read_count(call, yyjson_obj_get(v, "total"), "slice.total", 1, 0, &to->least) ||
        !read_count(call, yyjson_obj_get(v, "index"), "slice.index", 0, 0, &to->slice))
        return false;
    if (!to->least || to->slice >= to->least)
        return read_invalid(call, "slice.index: value %llu invalid, must be below total", (unsigned long long)to->slice);
    return true;
}

static bool read_condition(struct call *call, yyjson_val *v, kith_filter *to, int depth)
{
    yyjson_val *x;

    if (depth > DEPTH_MAX)
        return read_fail(call, "filter: nested deeper than %d", DEPTH_MAX);
    if (!yyjson_is_obj(v))
        return read_fail(call, "filter: a condition is an object");
    if (yyjson_obj_get(v, "key"))
        return read_field(call, v, to);
    if ((x = yyjson_obj_get(v, "is_empty")))
        return read_keyed(call, x, to, KITH_COND_IS_EMPTY);
    if ((x = yyjson_obj_get(v, "is_null")))
        return read_keyed(call, x, to, KITH_COND_IS_NULL);
    if ((x = yyjson_obj_get(v, "has_id"))) {
        to->kind = KITH_COND_HAS_ID;
        return read_ids(call, x, "has_id", &to->ids, &to->ids_count);
    }
    if ((x = yyjson_obj_get(v, "has_vector"))) {
        if (!yyjson_is_str(x))
            return read_fail(call, "has_vector: expected a name");
        to->kind = KITH_COND_HAS_VECTOR;
        to->path = yyjson_get_str(x);
        return true;
    }
    if ((x = yyjson_obj_get(v, "nested")))
        return read_nested(call, x, to, depth);
    if ((x = yyjson_obj_get(v, "slice")))
        return read_slice(call, x, to);
    return read_group(call, v, to, depth + 1);
}

bool read_filter(struct call *call, yyjson_val *v, const kith_filter **ret)
{
    kith_filter *f;

    *ret = NULL;
    if (!v)
        return true;
    if (!yyjson_is_obj(v))
        return read_fail(call, "filter: expected an object");
    f = arena_zalloc(&call->c.arena, sizeof *f);
    if (!f)
        return read_fail(call, "out of memory");
    *ret = f;
    return read_group(call, v, f, 0);
}

bool read_one_condition(struct call *call, yyjson_val *v, kith_filter *to)
{
    return read_condition(call, v, to, 0);
}
