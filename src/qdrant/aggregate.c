/* aggregate.c - POST points/aggregate, which the peer does not have: numbers over what matching points hold. */
#include "qdrant/shard_keys.h"
#include "qdrant/strict.h"

#include "codec/date.h"

#include <math.h>

enum { NAMED_MAX = 64, GROUPS_MOST = 10000 };

static const struct {
    const char *name;
    kith_measure_kind kind;
} kinds[] = {
    {"count", KITH_MEASURE_COUNT}, {"distinct", KITH_MEASURE_DISTINCT}, {"min", KITH_MEASURE_MIN},
    {"max", KITH_MEASURE_MAX}, {"sum", KITH_MEASURE_SUM}, {"avg", KITH_MEASURE_AVERAGE},
    {"histogram", KITH_MEASURE_HISTOGRAM},
};

struct asked {
    kith_measure measures[NAMED_MAX];
    const char *names[NAMED_MAX];
    size_t count;
    const char *group_by;
    const kith_filter *filter;
    uint64_t limit;
};

/* {"key" or "datetime_key", and, of a histogram, "interval", "offset"} */
static bool read_measure(struct call *call, const char *name, yyjson_val *v, kith_measure *to)
{
    yyjson_val *key = field_of(v, "key", NULL), *time = field_of(v, "datetime_key", NULL);
    yyjson_val *interval = field_of(v, "interval", NULL), *offset = field_of(v, "offset", NULL);

    if (!yyjson_is_obj(v) || (key && time) || (key && !yyjson_is_str(key)) || (time && !yyjson_is_str(time)))
        return read_fail(call, "aggregations.%.60s: expected an object with a `key` or a `datetime_key`", name);
    to->path = yyjson_get_str(key ? key : time);
    to->times = time != NULL;
    if (!to->path && to->kind != KITH_MEASURE_COUNT)
        return read_fail(call, "aggregations.%.60s: missing field `key`", name);
    if (to->times && to->kind == KITH_MEASURE_SUM)
        return read_invalid(call, "aggregations.%.60s: datetimes have no sum", name);
    if (to->kind != KITH_MEASURE_HISTOGRAM) {
        if (interval || offset)
            return read_fail(call, "aggregations.%.60s: only a histogram has an interval and an offset", name);
        return true;
    }
    if (!yyjson_is_num(interval) || !(yyjson_get_num(interval) > 0) || (offset && !yyjson_is_num(offset)))
        return read_fail(call, "aggregations.%.60s: a histogram needs an `interval` above 0, and may have an `offset`",
                         name);
    to->interval = yyjson_get_num(interval) * (to->times ? 1e6 : 1);
    to->origin = offset ? yyjson_get_num(offset) * (to->times ? 1e6 : 1) : 0;
    return true;
}

static bool read_measures(struct call *call, yyjson_val *v, struct asked *a)
{
    yyjson_val *name, *item, *what;
    size_t i, n;

    if (v && !yyjson_is_obj(v))
        return read_fail(call, "aggregations: expected an object by name");
    if (yyjson_obj_size(v) > NAMED_MAX)
        return read_invalid(call, "aggregations: at most %d, not %zu", NAMED_MAX, yyjson_obj_size(v));
    yyjson_obj_foreach(v, i, n, name, item) {
        size_t k = 0;
        a->names[a->count] = yyjson_get_str(name);
        while (k < ARRAY_SIZE(kinds) && !(what = yyjson_obj_get(item, kinds[k].name)))
            k++;
        if (k == ARRAY_SIZE(kinds) || yyjson_obj_size(item) != 1)
            return read_fail(call, "aggregations.%.60s: expected one of count, distinct, min, max, sum, avg, histogram",
                             yyjson_get_str(name));
        a->measures[a->count].kind = kinds[k].kind;
        if (!read_measure(call, a->names[a->count], what, &a->measures[a->count]))
            return false;
        a->count++;
    }
    return true;
}

static bool read_asked(struct call *call, yyjson_val *body, struct asked *a)
{
    yyjson_val *by = field_of(body, "group_by", NULL);

    if (by && (!yyjson_is_str(by) || !yyjson_get_len(by)))
        return read_fail(call, "group_by: expected a path");
    a->group_by = yyjson_get_str(by);
    if (!shard_read_filter(call, body, &a->filter) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 10, &a->limit))
        return false;
    if (a->limit > GROUPS_MOST)
        return read_invalid(call, "limit: value %llu invalid, must be at most %d", (unsigned long long)a->limit,
                            GROUPS_MOST);
    return read_measures(call, field_of(body, "aggregations", NULL), a);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void put_number(struct buf *out, const kith_measure *what, double value, bool integer, int64_t num)
{
    char stamp[DATE_TEXT];

    if (isnan(value))
        buf_text(out, "null");
    else if (what->times)
        date_text(integer ? num : (int64_t)value, stamp), buf_printf(out, "\"%s\"", stamp);
    else if (integer)
        json_put_i64(out, num);
    else
        json_put_f64(out, value);
}

static void put_measured(struct buf *out, const kith_measure *what, const kith_measured *m)
{
    if (what->kind == KITH_MEASURE_HISTOGRAM) {
        buf_text(out, "{\"buckets\":[");
        for (size_t i = 0; i < m->buckets_count; i++) {
            buf_text(out, i ? ",{\"from\":" : "{\"from\":");
            put_number(out, what, m->buckets[i].from, false, 0);
            buf_printf(out, ",\"count\":%llu}", (unsigned long long)m->buckets[i].count);
        }
        buf_text(out, "]}");
        return;
    }
    buf_text(out, "{\"value\":");
    if (what->kind == KITH_MEASURE_COUNT || what->kind == KITH_MEASURE_DISTINCT)
        json_put_u64(out, what->kind == KITH_MEASURE_COUNT ? m->count : m->distinct);
    else
        put_number(out, what, m->value, m->integer, m->num);
    buf_u8(out, '}');
}

static void put_group(struct buf *out, const struct asked *a, const kith_aggregated *g)
{
    buf_printf(out, "\"count\":%llu,\"aggregations\":{", (unsigned long long)g->points);
    for (size_t i = 0; i < a->count; i++) {
        if (i)
            buf_u8(out, ',');
        json_put_str(out, a->names[i], strlen(a->names[i]));
        buf_u8(out, ':');
        put_measured(out, &a->measures[i], &g->measured[i]);
    }
    buf_u8(out, '}');
}

static void put_groups(struct buf *out, const struct asked *a, const kith_aggregates *r)
{
    buf_text(out, "{\"groups\":[");
    for (size_t i = 0; i < r->count; i++) {
        buf_text(out, i ? ",{\"id\":" : "{\"id\":");
        put_facet_value(out, &r->groups[i].id);
        buf_u8(out, ',');
        put_group(out, a, &r->groups[i]);
        buf_u8(out, '}');
    }
    buf_text(out, "]}");
}

void aggregate_call(struct call *call)
{
    yyjson_val *body = want_object(call);
    struct asked a = {0};
    kith_aggregates *r;
    kith_err err;
    uint32_t ms;

    if (!body || !read_options(call, &ms) || !read_asked(call, body, &a) || !strict_read(call, a.limit, a.filter, NULL))
        return;
    r = kith_aggregate(call->server->db, call->params[0], a.measures, a.count, a.group_by, a.filter, (uint32_t)a.limit,
                       ms, &err);
    if (!r) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    if (a.group_by) {
        put_groups(&call->out, &a, r);
    } else {
        buf_u8(&call->out, '{');
        put_group(&call->out, &a, &r->groups[0]);
        buf_u8(&call->out, '}');
    }
    kith_aggregates_free(r);
    finish_ok(call);
}
