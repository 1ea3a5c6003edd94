/* formula.c - reading the expressions of a formula query. */
#include "qdrant/query.h"

#include "codec/date.h"

#include <stdlib.h>

struct reading {
    struct call *call;
    yyjson_val *defaults;
};

enum { DEPTH_MAX = 64 };

static bool read_expr(struct reading *r, yyjson_val *v, uint32_t depth, kith_expr *to);

static bool read_args(struct reading *r, yyjson_val *const *from, size_t n, uint32_t depth, kith_expr *to)
{
    kith_expr *args = arena_zalloc(&r->call->c.arena, MAX(n, (size_t)1) * sizeof *args);

    if (!args)
        return read_fail(r->call, "out of memory");
    to->args = args;
    to->args_count = n;
    for (size_t i = 0; i < n; i++) {
        if (!read_expr(r, from[i], depth + 1, &args[i]))
            return false;
    }
    return true;
}

static bool read_list(struct reading *r, yyjson_val *v, uint32_t depth, kith_expr *to)
{
    size_t i, count, n = yyjson_arr_size(v);
    yyjson_val **items = arena_alloc(&r->call->c.arena, MAX(n, (size_t)1) * sizeof *items), *item;

    if (!yyjson_is_arr(v) || !items)
        return read_fail(r->call, "formula: expected a list of expressions");
    yyjson_arr_foreach(v, i, count, item)
        items[i] = item;
    return read_args(r, items, n, depth, to);
}

/* "$score", "$score[i]", or a path with what stands for it where it is missing. */
static bool read_variable(struct reading *r, const char *name, kith_expr *to)
{
    yyjson_val *otherwise = r->defaults ? yyjson_obj_get(r->defaults, name) : NULL;
    char *end = NULL;

    if (!otherwise && r->defaults && strcmp(name, "$score[0]") == 0) /* two names of one thing */
        otherwise = yyjson_obj_get(r->defaults, "$score");
    if (!otherwise && r->defaults && strcmp(name, "$score") == 0)
        otherwise = yyjson_obj_get(r->defaults, "$score[0]");
    if (otherwise && !yyjson_is_num(otherwise))
        return read_fail(r->call, "formula: defaults.%s: expected a number", name);
    to->has_number = otherwise != NULL;
    to->number = otherwise ? yyjson_get_num(otherwise) : 0;
    if (name[0] != '$') {
        to->kind = KITH_EXPR_FIELD;
        to->path = name;
        return true;
    }
    to->kind = KITH_EXPR_SCORE;
    if (strcmp(name, "$score") == 0)
        return true;
    if (strncmp(name, "$score[", 7) != 0 || name[7] < '0' || name[7] > '9')
        return read_fail(r->call, "formula: unknown variable %s", name);
    to->index = (uint32_t)strtoul(name + 7, &end, 10);
    return strcmp(end, "]") == 0 || read_fail(r->call, "formula: unknown variable %s", name);
}

static bool read_datetime(struct reading *r, yyjson_val *v, kith_expr *to)
{
    int64_t us;

    to->kind = KITH_EXPR_NUMBER;
    if (!yyjson_is_str(v) || !date_parse(yyjson_get_str(v), yyjson_get_len(v), &us))
        return read_fail(r->call, "formula: datetime: expected a datetime");
    to->number = (double)us / 1e6;
    return true;
}

static bool read_datetime_key(struct reading *r, yyjson_val *v, kith_expr *to)
{
    yyjson_val *otherwise = yyjson_is_str(v) && r->defaults ? yyjson_obj_get(r->defaults, yyjson_get_str(v)) : NULL;
    kith_expr constant = {0};

    if (!yyjson_is_str(v))
        return read_fail(r->call, "formula: datetime_key: expected a key");
    to->kind = KITH_EXPR_DATETIME;
    to->path = yyjson_get_str(v);
    if (!otherwise)
        return true;
    to->has_number = true;
    if (!read_datetime(r, otherwise, &constant))
        return false;
    to->number = constant.number;
    return true;
}

static bool read_geo(struct reading *r, yyjson_val *v, kith_expr *to)
{
    yyjson_val *key = yyjson_obj_get(v, "to");
    yyjson_val *otherwise = yyjson_is_str(key) && r->defaults ? yyjson_obj_get(r->defaults, yyjson_get_str(key)) : NULL;
    kith_geo_point origin, here = {0};

    to->kind = KITH_EXPR_GEO_DISTANCE;
    if (!yyjson_is_str(key))
        return read_fail(r->call, "formula: geo_distance: expected origin and to");
    to->path = yyjson_get_str(key);
    to->has_number = otherwise != NULL;
    if (!read_place(r->call, yyjson_obj_get(v, "origin"), "formula", &origin) ||
        (otherwise && !read_place(r->call, otherwise, "formula", &here)))
        return false;
    to->lon = origin.lon;
    to->lat = origin.lat;
    to->here_lon = here.lon;
    to->here_lat = here.lat;
    return true;
}

static bool read_div(struct reading *r, yyjson_val *v, uint32_t depth, kith_expr *to)
{
    yyjson_val *const two[] = {yyjson_obj_get(v, "left"), yyjson_obj_get(v, "right")};
    yyjson_val *otherwise = field_of(v, "by_zero_default", NULL);

    to->kind = KITH_EXPR_DIV;
    if (!two[0] || !two[1] || (otherwise && !yyjson_is_num(otherwise)))
        return read_fail(r->call, "formula: div: expected left, right, and perhaps a number for by_zero_default");
    to->has_number = otherwise != NULL;
    to->number = otherwise ? yyjson_get_num(otherwise) : 0;
    return read_args(r, two, 2, depth, to);
}

static bool read_pow(struct reading *r, yyjson_val *v, uint32_t depth, kith_expr *to)
{
    yyjson_val *const two[] = {yyjson_obj_get(v, "base"), yyjson_obj_get(v, "exponent")};

    to->kind = KITH_EXPR_POW;
    if (!two[0] || !two[1])
        return read_fail(r->call, "formula: pow: expected base and exponent");
    return read_args(r, two, 2, depth, to);
}

static bool read_decay(struct reading *r, yyjson_val *v, kith_expr_kind kind, uint32_t depth, kith_expr *to)
{
    yyjson_val *const two[] = {yyjson_obj_get(v, "x"), field_of(v, "target", NULL)};
    yyjson_val *scale = field_of(v, "scale", NULL), *midpoint = field_of(v, "midpoint", NULL);
    bool ends = kind == KITH_EXPR_LIN_DECAY;

    to->kind = kind;
    if (!two[0] || (scale && !yyjson_is_num(scale)) || (midpoint && !yyjson_is_num(midpoint)))
        return read_fail(r->call, "formula: decay: expected x, and perhaps target, scale and midpoint");
    to->scale = scale ? yyjson_get_num(scale) : 1;
    to->midpoint = midpoint ? yyjson_get_num(midpoint) : 0.5;
    if (!(to->scale > 0))
        return read_fail(r->call, "formula: decay: scale %g, expected more than 0", to->scale);
    if (!(ends ? to->midpoint >= 0 && to->midpoint <= 1 : to->midpoint > 0 && to->midpoint < 1))
        return read_fail(r->call, "formula: decay: midpoint %g, expected between 0 and 1", to->midpoint);
    return read_args(r, two, two[1] ? 2 : 1, depth, to);
}

static const struct {
    const char *name;
    kith_expr_kind kind;
    char form; /* one, list, decay */
} functions[] = {
    {"sum", KITH_EXPR_SUM, 'l'},     {"mult", KITH_EXPR_MULT, 'l'},     {"max", KITH_EXPR_MAX, 'l'},
    {"min", KITH_EXPR_MIN, 'l'},     {"neg", KITH_EXPR_NEG, 'o'},       {"abs", KITH_EXPR_ABS, 'o'},
    {"sqrt", KITH_EXPR_SQRT, 'o'},   {"exp", KITH_EXPR_EXP, 'o'},       {"log10", KITH_EXPR_LOG10, 'o'},
    {"ln", KITH_EXPR_LN, 'o'},       {"acosh", KITH_EXPR_ACOSH, 'o'},   {"lin_decay", KITH_EXPR_LIN_DECAY, 'd'},
    {"exp_decay", KITH_EXPR_EXP_DECAY, 'd'}, {"gauss_decay", KITH_EXPR_GAUSS_DECAY, 'd'},
};

static bool read_function(struct reading *r, yyjson_val *v, size_t function, uint32_t depth, kith_expr *to)
{
    to->kind = functions[function].kind;
    if (functions[function].form == 'l')
        return read_list(r, v, depth, to);
    if (functions[function].form == 'd')
        return read_decay(r, v, to->kind, depth, to);
    return read_args(r, &v, 1, depth, to);
}

static bool read_condition_expr(struct reading *r, yyjson_val *v, kith_expr *to)
{
    kith_filter *f = arena_zalloc(&r->call->c.arena, sizeof *f);

    if (!f)
        return read_fail(r->call, "out of memory");
    to->kind = KITH_EXPR_CONDITION;
    to->filter = f;
    return read_one_condition(r->call, v, f);
}

static bool read_expr(struct reading *r, yyjson_val *v, uint32_t depth, kith_expr *to)
{
    yyjson_val *inside;

    *to = (kith_expr){0};
    if (depth == DEPTH_MAX)
        return read_fail(r->call, "formula: nested deeper than %d", DEPTH_MAX);
    if (yyjson_is_num(v)) {
        to->number = yyjson_get_num(v);
        return true;
    }
    if (yyjson_is_str(v))
        return read_variable(r, yyjson_get_str(v), to);
    if (!yyjson_is_obj(v))
        return read_fail(r->call, "formula: expected a number, a variable or an expression");
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        if ((inside = yyjson_obj_get(v, functions[i].name)))
            return read_function(r, inside, i, depth, to);
    }
    if ((inside = yyjson_obj_get(v, "div")))
        return read_div(r, inside, depth, to);
    if ((inside = yyjson_obj_get(v, "pow")))
        return read_pow(r, inside, depth, to);
    if ((inside = yyjson_obj_get(v, "geo_distance")))
        return read_geo(r, inside, to);
    if ((inside = yyjson_obj_get(v, "datetime")))
        return read_datetime(r, inside, to);
    if ((inside = yyjson_obj_get(v, "datetime_key")))
        return read_datetime_key(r, inside, to);
    return read_condition_expr(r, v, to);
}

bool formula_read(struct call *call, yyjson_val *v, yyjson_val *defaults, const kith_expr **ret)
{
    struct reading r = {call, defaults};
    kith_expr *e = arena_zalloc(&call->c.arena, sizeof *e);

    *ret = e;
    if (defaults && !yyjson_is_obj(defaults))
        return read_fail(call, "defaults: expected an object");
    return e ? read_expr(&r, v, 0, e) : read_fail(call, "out of memory");
}
