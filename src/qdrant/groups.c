/* groups.c - the best points by what they hold, how often values occur, and distances within a sample. */
#include "qdrant/search.h"
#include "qdrant/strict.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* Where the points are that groups are named after. */
struct with_lookup {
    const char *collection; /* NULL: nobody asks */
    bool sharded;
    kith_select select;
};

static bool read_with_lookup(struct call *call, yyjson_val *v, struct with_lookup *to)
{
    yyjson_val *collection = yyjson_is_obj(v) ? yyjson_obj_get(v, "collection") : v;

    *to = (struct with_lookup){0};
    if (!v)
        return true;
    if (!yyjson_is_str(collection))
        return read_fail(call, "with_lookup: expected a collection, or an object with one");
    if (!call_reads(call, yyjson_get_str(collection)))
        return false;
    to->collection = yyjson_get_str(collection);
    to->sharded = shard_has_keys(call, to->collection);
    return read_with_payload(call, yyjson_is_obj(v) ? field_of(v, "with_payload", NULL) : NULL, 1, &to->select) &&
           read_with_vector(call, yyjson_is_obj(v) ? field_of(v, "with_vectors", "with_vector") : NULL, &to->select);
}

static void put_group_id(struct buf *out, const kith_value *id)
{
    if (id->kind == KITH_VALUE_INT)
        json_put_i64(out, id->num);
    else
        json_put_str(out, id->str, id->size);
}

/* False: answered with an error. */
static bool put_lookup(struct call *call, const struct with_lookup *w, const kith_value *value)
{
    char text[64];
    kith_result *r;
    kith_id id;
    kith_err err;

    buf_text(&call->out, ",\"lookup\":");
    if (value->kind == KITH_VALUE_STR)
        snprintf(text, sizeof text, "%.*s", (int)MIN(value->size, 63u), value->str);
    if (value->kind == KITH_VALUE_INT ? value->num < 0 : kith_id_uuid(text, &id) < 0) {
        buf_text(&call->out, "null");
        return true;
    }
    if (value->kind == KITH_VALUE_INT)
        id = kith_id_num((uint64_t)value->num);
    r = kith_get(call->server->db, w->collection, &id, 1, &w->select, 0, &err);
    if (!r) {
        fail_kith(call, &err);
        return false;
    }
    if (r->count) {
        buf_u8(&call->out, '{');
        put_point(&call->out, &r->hits[0], w->sharded, select_shows(&w->select), w->select.vectors != 0);
        buf_u8(&call->out, '}');
    } else {
        buf_text(&call->out, "null");
    }
    kith_result_free(r);
    return true;
}

static bool put_groups(struct call *call, const kith_groups *g, const struct search *s, const struct with_lookup *w)
{
    buf_text(&call->out, "{\"groups\":[");
    for (size_t i = 0; i < g->count; i++) {
        buf_text(&call->out, i ? ",{\"hits\":[" : "{\"hits\":[");
        for (size_t j = 0; j < g->groups[i].count; j++) {
            if (j)
                buf_u8(&call->out, ',');
            search_put(&call->out, s, &g->groups[i].hits[j]);
        }
        buf_text(&call->out, "],\"id\":");
        put_group_id(&call->out, &g->groups[i].id);
        if (w->collection && !put_lookup(call, w, &g->groups[i].id))
            return false;
        buf_u8(&call->out, '}');
    }
    buf_text(&call->out, "]}");
    return true;
}

typedef bool (*read_what)(struct call *call, yyjson_val *body, kith_query *q);

/* `old`: one of the older calls, which leave filter and params to us and must say their sizes. */
static void groups(struct call *call, read_what what, bool old)
{
    yyjson_val *body = want_object(call), *by;
    struct with_lookup lookup;
    struct search s = {0};
    uint64_t limit, size;
    kith_groups *g;
    kith_err err;

    if (!body)
        return;
    by = yyjson_obj_get(body, "group_by");
    if (!yyjson_is_str(by) || !yyjson_get_len(by)) {
        (void)read_fail(call, "group_by: expected a key");
        return;
    }
    if (old && (!field_of(body, "group_size", NULL) || !field_of(body, "limit", NULL))) {
        (void)read_fail(call, "missing field `%s`", field_of(body, "limit", NULL) ? "group_size" : "limit");
        return;
    }
    if (!what(call, body, &s.q) || (old && !query_read_filter_and_params(call, body, &s.q)) ||
        !search_read_top(call, body, &s) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 10, &limit) ||
        !read_count(call, field_of(body, "group_size", NULL), "group_size", 1, 3, &size) ||
        !read_with_lookup(call, field_of(body, "with_lookup", NULL), &lookup))
        return;
    s.q.limit = (uint32_t)MIN(limit, (uint64_t)UINT32_MAX);
    if (!search_finish(call, &s, size, yyjson_get_str(by)))
        return;
    g = kith_query_groups(call->server->db, call->params[0], &s.q, yyjson_get_str(by),
                          (uint32_t)MIN(size, (uint64_t)UINT32_MAX), &err);
    if (!g) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    if (put_groups(call, g, &s, &lookup))
        finish_ok(call);
    kith_groups_free(g);
}

void query_groups_call(struct call *call) { groups(call, query_read, false); }
void search_groups_call(struct call *call) { groups(call, query_read_search, true); }
void recommend_groups_call(struct call *call) { groups(call, query_read_recommend, true); }

/* ---- facets ------------------------------------------------------------------------------------------------------ */

void put_facet_value(struct buf *out, const kith_value *v)
{
    if (v->kind == KITH_VALUE_BOOL)
        buf_text(out, v->boolean ? "true" : "false");
    else
        put_group_id(out, v);
}

void facets_call(struct call *call)
{
    yyjson_val *body = want_object(call), *key;
    const kith_filter *filter;
    kith_facets *f;
    uint64_t limit;
    kith_err err;
    uint32_t ms;
    bool exact; /* they always are */

    if (!body)
        return;
    key = yyjson_obj_get(body, "key");
    if (!yyjson_is_str(key)) {
        (void)read_fail(call, "missing field `key`");
        return;
    }
    if (!read_options(call, &ms) || !shard_read_filter(call, body, &filter) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 10, &limit) ||
        !read_bool(call, field_of(body, "exact", NULL), "exact", false, &exact) ||
        !strict_read(call, limit, filter, yyjson_get_str(key)))
        return;
    f = kith_facet_count(call->server->db, call->params[0], yyjson_get_str(key), filter,
                         (uint32_t)MIN(limit, (uint64_t)UINT32_MAX), ms, &err);
    if (!f) {
        fail_kith(call, &err);
        return;
    }
    begin_ok(call);
    buf_text(&call->out, "{\"hits\":[");
    for (size_t i = 0; i < f->count; i++) {
        buf_text(&call->out, i ? ",{\"value\":" : "{\"value\":");
        put_facet_value(&call->out, &f->facets[i].value);
        buf_printf(&call->out, ",\"count\":%llu}", (unsigned long long)f->facets[i].count);
    }
    buf_text(&call->out, "]}");
    finish_ok(call);
    kith_facets_free(f);
}

/* ---- distances within a sample ------------------------------------------------------------------------------------ */

enum { SAMPLE_MAX = 10000 }; /* every one is compared to all others */

struct matrix { /* not in the call's arena, which goes with the answer */
    kith_result *sample;
    kith_id *ids;
    kith_result **nearest; /* of each */
};

static void matrix_free(struct matrix *m)
{
    for (size_t i = 0; m->nearest && m->sample && i < m->sample->count; i++)
        kith_result_free(m->nearest[i]);
    mem_free(m->nearest);
    mem_free(m->ids);
    kith_result_free(m->sample);
}

static int by_id(const void *x, const void *y)
{
    const kith_hit *a = x, *b = y;

    if (a->id.kind != b->id.kind)
        return a->id.kind < b->id.kind ? -1 : 1;
    if (a->id.kind == KITH_ID_NUM)
        return a->id.as.num < b->id.as.num ? -1 : a->id.as.num > b->id.as.num;
    return memcmp(a->id.as.uuid, b->id.as.uuid, sizeof a->id.as.uuid);
}

/* Points with the vector, under the filter. */
static bool draw_sample(struct call *call, const char *name, const kith_filter *filter, uint64_t size, uint32_t ms,
                        struct matrix *m)
{
    kith_filter both[2] = {{.kind = KITH_COND_HAS_VECTOR, .path = name}, {0}};
    kith_filter all = {.kind = KITH_COND_ALL, .subs = both, .subs_count = filter ? 2 : 1};
    kith_query q = {.kind = KITH_QUERY_SAMPLE, .filter = &all, .timeout_ms = ms};
    kith_err err;

    q.limit = (uint32_t)size;
    if (filter)
        both[1] = *filter;
    m->sample = kith_query_run(call->server->db, call->params[0], &q, &err);
    if (!m->sample) {
        fail_kith(call, &err);
        return false;
    }
    qsort(m->sample->hits, m->sample->count, sizeof *m->sample->hits, by_id);
    m->ids = mem_zalloc(MAX(m->sample->count, (size_t)1) * sizeof *m->ids);
    m->nearest = mem_zalloc(MAX(m->sample->count, (size_t)1) * sizeof(kith_result *));
    for (size_t i = 0; m->ids && i < m->sample->count; i++)
        m->ids[i] = m->sample->hits[i].id;
    return (m->ids && m->nearest) || read_fail(call, "out of memory");
}

static bool find_nearest(struct call *call, const char *name, uint64_t limit, uint32_t ms, struct matrix *m)
{
    const kith_filter among = {.kind = KITH_COND_HAS_ID, .ids = m->ids, .ids_count = m->sample->count};
    kith_err err;

    for (size_t i = 0; i < m->sample->count; i++) {
        kith_query q = {.kind = KITH_QUERY_NEAREST, .using_vector = name, .like = &m->ids[i], .filter = &among,
                        .limit = (uint32_t)MIN(limit, 100000ull), .exact = true, .timeout_ms = ms};
        m->nearest[i] = kith_query_run(call->server->db, call->params[0], &q, &err);
        if (!m->nearest[i]) {
            fail_kith(call, &err);
            return false;
        }
    }
    return true;
}

static void put_pairs(struct buf *out, const struct matrix *m, struct search *s)
{
    bool first = true;

    buf_text(out, "{\"pairs\":[");
    for (size_t i = 0; i < m->sample->count; i++) {
        for (size_t j = 0; j < m->nearest[i]->count; j++, first = false) {
            buf_text(out, first ? "{\"a\":" : ",{\"a\":");
            put_id(out, &m->ids[i]);
            buf_text(out, ",\"b\":");
            put_id(out, &m->nearest[i]->hits[j].id);
            buf_text(out, ",\"score\":");
            json_put_f32(out, search_score(s, &m->nearest[i]->hits[j]));
            buf_u8(out, '}');
        }
    }
    buf_text(out, "]}");
}

static size_t place_of(const struct matrix *m, const kith_hit *hit)
{
    const kith_hit *at = bsearch(hit, m->sample->hits, m->sample->count, sizeof *hit, by_id);

    return at ? (size_t)(at - m->sample->hits) : 0;
}

static void put_offsets(struct buf *out, const struct matrix *m, struct search *s)
{
    static const char *const lists[] = {"{\"offsets_row\":[", "],\"offsets_col\":[", "],\"scores\":["};

    for (int list = 0; list < 3; list++) {
        bool first = true;
        buf_text(out, lists[list]);
        for (size_t i = 0; i < m->sample->count; i++) {
            for (size_t j = 0; j < m->nearest[i]->count; j++, first = false) {
                const kith_hit *h = &m->nearest[i]->hits[j];
                if (!first)
                    buf_u8(out, ',');
                if (list == 2)
                    json_put_f32(out, search_score(s, h));
                else
                    json_put_u64(out, list ? place_of(m, h) : i);
            }
        }
    }
    buf_text(out, "],\"ids\":[");
    for (size_t i = 0; i < m->sample->count; i++) {
        if (i)
            buf_u8(out, ',');
        put_id(out, &m->ids[i]);
    }
    buf_text(out, "]}");
}

static void matrix(struct call *call, void (*put)(struct buf *out, const struct matrix *m, struct search *s))
{
    yyjson_val *body = want_object(call), *using_vector;
    struct search s = {.q = {.kind = KITH_QUERY_NEAREST}};
    struct matrix m = {0};
    uint64_t size, limit;

    if (!body)
        return;
    using_vector = field_of(body, "using", NULL);
    if (using_vector && !yyjson_is_str(using_vector)) {
        (void)read_fail(call, "using: expected a vector name");
        return;
    }
    s.q.using_vector = using_vector ? yyjson_get_str(using_vector) : "";
    if (!read_options(call, &s.q.timeout_ms) || !query_read_filter_and_params(call, body, &s.q) ||
        !read_count(call, field_of(body, "sample", NULL), "sample", 2, 10, &size) ||
        !read_count(call, field_of(body, "limit", NULL), "limit", 1, 3, &limit))
        return;
    if (size > SAMPLE_MAX) {
        (void)read_invalid(call, "sample: value %llu invalid, must be at most %d", (unsigned long long)size, SAMPLE_MAX);
        return;
    }
    s.q.limit = (uint32_t)MIN(limit, (uint64_t)UINT32_MAX);
    if (!search_finish(call, &s, 1, NULL))
        return;
    if (!s.metric) {
        call_fail(call, 400, "Bad request: Not existing vector name error: %.80s", s.q.using_vector);
        return;
    }
    if (draw_sample(call, s.q.using_vector, s.q.filter, size, s.q.timeout_ms, &m) &&
        find_nearest(call, s.q.using_vector, limit, s.q.timeout_ms, &m)) {
        begin_ok(call);
        put(&call->out, &m, &s);
        finish_ok(call);
    }
    matrix_free(&m);
}

void matrix_pairs_call(struct call *call) { matrix(call, put_pairs); }
void matrix_offsets_call(struct call *call) { matrix(call, put_offsets); }
