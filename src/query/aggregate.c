/* aggregate.c - numbers over what the documents of all matching points hold: counts, extremes, sums, histograms; of all,
 * or group by group.
 *
 * Without groups, a sealed segment whose index has all there is at a path is measured by its keys, each once for all its
 * rows; elsewhere documents are read. Both count a value that stands several times in one document once. */
#include "query/query.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"
#include "codec/date.h"
#include "os/os.h"

#include <math.h>
#include <stdlib.h>

enum { MEASURES_MAX = 64, GROUPS_MAX = 1 << 16, BUCKETS_MAX = 1 << 16, SEEN_IN_ORDER = 1 << 10 };

/* ---- keys of bytes to numbers ------------------------------------------------------------------------------------ */

struct entry {
    struct bytes key; /* data NULL: free */
    uint64_t hash, value;
};

struct table {
    struct entry *at;
    size_t capacity, count;
};

static struct entry *place_of(const struct table *t, struct bytes key, uint64_t hash)
{
    for (size_t i = hash & (t->capacity - 1);; i = (i + 1) & (t->capacity - 1)) {
        struct entry *e = &t->at[i];
        if (!e->key.data || (e->hash == hash && e->key.size == key.size && memcmp(e->key.data, key.data, key.size) == 0))
            return e;
    }
}

static int widen(struct ctx *c, struct table *t)
{
    struct table more = {.capacity = MAX(t->capacity * 2, (size_t)64), .count = t->count};

    more.at = arena_zalloc(&c->arena, more.capacity * sizeof *more.at);
    if (!more.at)
        return err_nomem(c);
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->at[i].key.data)
            *place_of(&more, t->at[i].key, t->at[i].hash) = t->at[i];
    }
    *t = more;
    return 0;
}

/* The number of a key, which is copied if it is new: then it is `count` - 1. */
static int table_put(struct ctx *c, struct table *t, struct bytes key, struct entry **ret_entry)
{
    uint64_t hash = hash_bytes(key.data, key.size, 0);
    struct entry *e;

    if (t->count * 2 >= t->capacity)
        TRY(widen(c, t));
    e = place_of(t, key, hash);
    if (!e->key.data) {
        uint8_t *copy = arena_copy(&c->arena, key.data, key.size);
        if (!copy)
            return err_nomem(c);
        *e = (struct entry){{copy, key.size}, hash, t->count++};
    }
    *ret_entry = e;
    return 0;
}

/* ---- one measure ------------------------------------------------------------------------------------------------- */

/* A value that is measured. */
struct number {
    double d;
    int64_t i;
    bool integer;
};

struct state {
    uint64_t count;
    struct number least, most;
    double sum, lost; /* what the sum is too small by (Neumaier 1974) */
    int64_t whole;    /* the sum of integers, while it is one */
    bool inexact;
    struct table values; /* distinct: keys; histogram: numbers of buckets, with their counts */
};

struct measuring {
    struct ctx *c;
    const struct runner *r;
    const kith_measure *measures;
    struct path *paths;
    size_t measures_count;
    struct path by;
    bool grouped;
    struct table groups;
    struct group {
        kith_value id;
        uint64_t points;
        uint64_t row; /* number of the last row that was in it */
        struct state *states;
    } *at;
    size_t capacity;
    uint64_t row;       /* number of the one at hand, from 1; of it: */
    struct buf members; /* u32 groups */
    const kith_measure *now;
    struct state *state;
    struct buf seen;    /* keys of values, each after its size; of many of them: */
    struct ctx *many;   /* memory for, NULL: they are few; */
    struct table all_seen;
};

static bool is_above(const struct number *a, const struct number *b)
{
    return a->integer && b->integer ? a->i > b->i : a->d > b->d;
}

static void add_to_sum(struct state *s, const struct number *n, uint64_t times)
{
    double add = n->d * (double)times, sum = s->sum + add;
    int64_t whole;

    s->lost += fabs(s->sum) >= fabs(add) ? s->sum - sum + add : add - sum + s->sum;
    s->sum = sum;
    if (!n->integer || times > INT64_MAX || __builtin_mul_overflow(n->i, (int64_t)times, &whole) ||
        __builtin_add_overflow(s->whole, whole, &s->whole))
        s->inexact = true;
}

static int add_to_bucket(struct measuring *m, struct state *s, const struct number *n, uint64_t times)
{
    double at = floor((n->d - m->now->origin) / m->now->interval);
    struct entry *e;
    size_t before = s->values.count;
    int64_t bucket;

    if (!(fabs(at) < 9e15))
        return err_set(m->c, KITH_INVALID, "histogram of `%.100s`: %g is too far away for buckets of %g", m->now->path,
                       n->d, m->now->interval);
    bucket = (int64_t)at;
    TRY(table_put(m->c, &s->values, (struct bytes){(const uint8_t *)&bucket, sizeof bucket}, &e));
    if (s->values.count > before)
        e->value = 0;
    if (s->values.count > BUCKETS_MAX)
        return err_set(m->c, KITH_LIMIT, "histogram of `%.100s`: more than %d buckets", m->now->path, BUCKETS_MAX);
    e->value += times;
    return 0;
}

static int add_number(struct measuring *m, struct state *s, struct number n, uint64_t times)
{
    if (!s->count || is_above(&s->least, &n))
        s->least = n;
    if (!s->count || is_above(&n, &s->most))
        s->most = n;
    s->count += times;
    add_to_sum(s, &n, times);
    return m->now->kind == KITH_MEASURE_HISTOGRAM ? add_to_bucket(m, s, &n, times) : 0;
}

/* Whole ones are integers, whatever they were written as: an index does not know. */
static struct number of_double(double d)
{
    bool whole = d <= floor(d) && fabs(d) < 9e15;

    return (struct number){d, whole ? (int64_t)d : 0, whole};
}

static bool number_of(const kith_measure *what, struct val v, struct number *ret)
{
    struct bytes s;
    int64_t us;

    if (what->times) {
        s = val_tag(v) == VAL_STR ? val_str(v) : (struct bytes){0};
        if (!s.data || !date_parse((const char *)s.data, s.size, &us))
            return false;
        *ret = (struct number){(double)us, us, true};
        return true;
    }
    if (val_is_num(v))
        *ret = val_tag(v) == VAL_INT ? (struct number){val_double(v), val_int(v), true} : of_double(val_double(v));
    return val_is_num(v);
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static void forget_seen(struct measuring *m)
{
    m->seen.size = 0;
    if (m->many)
        ctx_release(m->many);
    mem_free(m->many);
    m->many = NULL;
    m->all_seen = (struct table){0};
}

/* Few are looked through, many go into a table. */
static int see_many(struct measuring *m)
{
    struct reader r = reader_of(m->seen.data, m->seen.size);
    struct entry *e;

    m->many = mem_zalloc(sizeof *m->many);
    if (!m->many)
        return err_nomem(m->c);
    ctx_init(m->many, m->c->os);
    while (r.at < r.end) {
        if (table_put(m->many, &m->all_seen, read_blob(&r), &e) < 0)
            return err_nomem(m->c);
    }
    return 0;
}

/* 1: the row had it before; 0: it has it now. */
static int is_seen(struct measuring *m, struct bytes key)
{
    struct reader r = reader_of(m->seen.data, m->seen.size);
    size_t before = m->all_seen.count;
    struct entry *e;

    if (m->many)
        return table_put(m->many, &m->all_seen, key, &e) < 0 ? err_nomem(m->c) : m->all_seen.count == before;
    while (r.at < r.end) {
        struct bytes old = read_blob(&r);
        if (old.size == key.size && memcmp(old.data, key.data, key.size) == 0)
            return 1;
    }
    buf_blob(&m->seen, key.data, key.size);
    return m->seen.failed ? err_nomem(m->c) : m->seen.size > SEEN_IN_ORDER ? see_many(m) : 0;
}

/* What two values that are the same have in common: numbers of any kind their value. */
static void put_key(struct buf *to, struct val v)
{
    to->size = 0;
    if (val_is_num(v) && (val_tag(v) == VAL_INT || of_double(val_double(v)).integer)) {
        buf_u8(to, VAL_INT);
        buf_u64(to, (uint64_t)(val_tag(v) == VAL_INT ? val_int(v) : of_double(val_double(v)).i));
    } else {
        buf_put(to, v.at, val_size(v));
    }
}

static int measure_value(void *arg, struct val v)
{
    struct measuring *m = arg;
    struct state *s = m->state;
    struct number n = {0};
    struct entry *e;
    struct buf key;
    int rc;

    if (val_tag(v) == VAL_NULL || val_tag(v) == VAL_ARRAY || val_tag(v) == VAL_OBJECT)
        return 0;
    if (m->now->kind != KITH_MEASURE_COUNT && m->now->kind != KITH_MEASURE_DISTINCT && !number_of(m->now, v, &n))
        return 0;
    buf_init(&key);
    put_key(&key, v);
    rc = key.failed ? err_nomem(m->c) : is_seen(m, (struct bytes){key.data, key.size});
    if (rc == 0) {
        if (m->now->kind == KITH_MEASURE_DISTINCT)
            rc = table_put(m->c, &s->values, (struct bytes){key.data, key.size}, &e);
        if (m->now->kind == KITH_MEASURE_COUNT || m->now->kind == KITH_MEASURE_DISTINCT)
            s->count++;
        else
            rc = add_number(m, s, n, 1);
    }
    buf_release(&key);
    return rc < 0 ? rc : 0;
}

static int new_group(struct measuring *m, const kith_value *id)
{
    size_t n = m->groups.count - 1;

    if (n == GROUPS_MAX)
        return err_set(m->c, KITH_LIMIT, "more than %d groups", GROUPS_MAX);
    if (n == m->capacity) {
        size_t capacity = MAX(m->capacity * 2, (size_t)16);
        struct group *more = arena_alloc(&m->c->arena, capacity * sizeof *more);
        if (!more)
            return err_nomem(m->c);
        if (n)
            memcpy(more, m->at, n * sizeof *more);
        m->at = more;
        m->capacity = capacity;
    }
    m->at[n] = (struct group){.id = *id, .states = arena_zalloc(&m->c->arena, MAX(m->measures_count, (size_t)1) *
                                                                                  sizeof(struct state))};
    return m->at[n].states ? 0 : err_nomem(m->c);
}

/* A value of the row is one of the groups that it is in. */
static int join_group(void *arg, struct val v)
{
    struct measuring *m = arg;
    enum val_tag tag = val_tag(v);
    kith_value id = {0};
    struct entry *e;
    struct buf key;
    size_t before = m->groups.count;
    int rc;

    if (tag != VAL_INT && tag != VAL_STR && !val_is_bool(v))
        return 0;
    buf_init(&key);
    put_key(&key, v);
    rc = key.failed ? err_nomem(m->c) : table_put(m->c, &m->groups, (struct bytes){key.data, key.size}, &e);
    buf_release(&key);
    TRY(rc);
    if (tag == VAL_STR) { /* its key is the copy: what stands before the text is its tag and size */
        struct bytes s = val_str(val_of(e->key.data, e->key.size));
        id = (kith_value){.kind = KITH_VALUE_STR, .str = (const char *)s.data, .size = (uint32_t)s.size};
    } else {
        id = (kith_value){.kind = tag == VAL_INT ? KITH_VALUE_INT : KITH_VALUE_BOOL, .boolean = tag == VAL_TRUE,
                          .num = tag == VAL_INT ? val_int(v) : 0};
    }
    if (m->groups.count > before)
        TRY(new_group(m, &id));
    if (m->at[e->value].row == m->row)
        return 0;
    m->at[e->value].row = m->row;
    buf_u32(&m->members, (uint32_t)e->value);
    return m->members.failed ? err_nomem(m->c) : 0;
}

static int measure_in(struct measuring *m, struct group *g, struct val doc, const uint64_t *done)
{
    for (size_t i = 0; i < m->measures_count; i++) {
        m->now = &m->measures[i];
        m->state = &g->states[i];
        forget_seen(m);
        if (done && (*done >> i & 1))
            continue;
        if (!m->now->path)
            m->state->count++;
        else
            TRY(path_visit_items(&m->paths[i], doc, measure_value, m));
    }
    return 0;
}

static int measure_row(struct measuring *m, struct val doc, const uint64_t *done)
{
    struct reader members;

    m->row++;
    m->members.size = 0;
    if (m->grouped)
        TRY(path_visit_items(&m->by, doc, join_group, m));
    else
        buf_u32(&m->members, 0);
    if (m->members.failed)
        return err_nomem(m->c);
    members = reader_of(m->members.data, m->members.size);
    while (members.at < members.end) {
        struct group *g = &m->at[read_u32(&members)];
        g->points++;
        TRY(measure_in(m, g, doc, done));
    }
    return 0;
}

/* `done`: a bit a measure that was taken from its index already, of rows that are not newer than the index. */
static int measure_documents(struct measuring *m, const struct segment *s, const struct bits *mask, const uint64_t *done)
{
    lsn at = m->r->snap->v;
    struct doc_room room = {0};
    uint32_t looked = 0;
    int rc = 0;

    for (row_id row = bits_next(mask, 0); row != ROW_NONE && rc >= 0; row = bits_next(mask, row + 1)) {
        struct bytes doc;
        lsn version;
        if (++looked % LOOK_AT_CLOCK == 0 && (rc = os_in_time(m->c)) < 0)
            break;
        rc = s->ops->doc(m->c, s, row, at, &room, &doc, &version);
        if (rc >= 0)
            rc = measure_row(m, val_of(doc.data, doc.size), done && !s->ops->overlaid(s, row, at) ? done : NULL);
    }
    doc_room_release(&room);
    return rc;
}

/* ---- indexes ----------------------------------------------------------------------------------------------------- */

/* The index that has all numbers, or datetimes, at the path; NULL: none. */
static const struct field_index *index_for(struct measuring *m, const struct segment *s, const kith_measure *what)
{
    const struct schema_field *f = what->path ? schema_field(m->r->snap->schema, what->path) : NULL;
    const struct field_index *x = f ? s->ops->field(s, f->id) : NULL;

    if (!x || !x->whole || what->kind == KITH_MEASURE_COUNT || what->kind == KITH_MEASURE_DISTINCT)
        return NULL;
    if (what->times)
        return x->kind == KITH_INDEX_DATETIME ? x : NULL;
    return x->kind == KITH_INDEX_INTEGER || x->kind == KITH_INDEX_FLOAT ? x : NULL;
}

static int measure_keys(struct measuring *m, const struct segment *s, const struct field_index *x,
                        const struct bits *mask, bool all)
{
    bool overlaid = atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) > 0;

    for (uint32_t key = 0; key < x->keys_count; key++) {
        uint64_t rows = x->starts[key + 1] - x->starts[key];
        struct number n = {0};
        if (key % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(m->c));
        for (uint32_t i = x->starts[key]; i < x->starts[key + 1] && (!all || overlaid); i++) {
            row_id row = x->row_list[i];
            rows -= !bits_get(mask, row) || (overlaid && s->ops->overlaid(s, row, m->r->snap->v));
        }
        if (!rows)
            continue;
        n.d = field_key_number(x, key, &n.i, &n.integer);
        TRY(add_number(m, m->state, n.integer ? n : of_double(n.d), rows));
    }
    return 0;
}

/* How many of the measures the indexes answer: a bit each. */
static int measure_indexes(struct measuring *m, const struct segment *s, const struct bits *mask, bool all,
                           uint64_t *ret_done)
{
    *ret_done = 0;
    for (size_t i = 0; i < m->measures_count && !m->grouped; i++) {
        const struct field_index *x = index_for(m, s, &m->measures[i]);
        if (!x)
            continue;
        m->now = &m->measures[i];
        m->state = &m->at[0].states[i];
        TRY(measure_keys(m, s, x, mask, all));
        *ret_done |= 1ull << i;
    }
    return 0;
}

/* Without groups, what asks for points only needs no document. */
static bool is_answered(const struct measuring *m, const struct segment *s, uint64_t done)
{
    if (m->grouped || atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) > 0)
        return false;
    for (size_t i = 0; i < m->measures_count; i++) {
        if (m->measures[i].path && !(done >> i & 1))
            return false;
    }
    return true;
}

static int measure_segment(struct measuring *m, size_t segment, const struct pred *p)
{
    const struct segment *s = m->r->snap->segments[segment];
    struct bits mask;
    uint64_t done, rows;
    bool all;

    TRY(query_mask(m->c, m->r->snap, segment, p, &mask, &all));
    TRY(measure_indexes(m, s, &mask, all, &done));
    if (!is_answered(m, s, done))
        return measure_documents(m, s, &mask, &done);
    rows = bits_count(&mask);
    m->at[0].points += rows;
    for (size_t i = 0; i < m->measures_count; i++)
        m->at[0].states[i].count += m->measures[i].path ? 0 : rows;
    return 0;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

struct aggregates_box {
    kith_aggregates aggregates;
    struct arena arena;
};

void kith_aggregates_free(kith_aggregates *aggregates)
{
    struct aggregates_box *box = aggregates ? container_of(aggregates, struct aggregates_box, aggregates) : NULL;

    if (!box)
        return;
    arena_release(&box->arena);
    mem_free(box);
}

static int by_from(const void *x, const void *y)
{
    const kith_bucket *a = x, *b = y;

    return a->from < b->from ? -1 : a->from > b->from;
}

static bool give_buckets(struct arena *a, const kith_measure *what, const struct table *t, kith_measured *to)
{
    to->buckets = arena_alloc(a, MAX(t->count, (size_t)1) * sizeof *to->buckets);
    if (!to->buckets)
        return false;
    for (size_t i = 0; i < t->capacity; i++) {
        int64_t bucket;
        if (!t->at[i].key.data)
            continue;
        memcpy(&bucket, t->at[i].key.data, sizeof bucket);
        to->buckets[to->buckets_count++] = (kith_bucket){what->origin + (double)bucket * what->interval, t->at[i].value};
    }
    if (to->buckets_count)
        qsort(to->buckets, to->buckets_count, sizeof *to->buckets, by_from);
    return true;
}

static void give_number(const struct number *n, kith_measured *to)
{
    to->value = n->d;
    to->integer = n->integer;
    to->num = n->i;
}

static bool give_measured(struct arena *a, const kith_measure *what, const struct state *s, kith_measured *to)
{
    struct number sum = {s->sum + s->lost, s->whole, !s->inexact};

    *to = (kith_measured){.count = s->count, .value = (double)NAN};
    if (what->kind == KITH_MEASURE_HISTOGRAM)
        return give_buckets(a, what, &s->values, to);
    if (what->kind == KITH_MEASURE_DISTINCT)
        to->distinct = s->values.count;
    else if (what->kind == KITH_MEASURE_SUM)
        give_number(&sum, to);
    else if (s->count && what->kind == KITH_MEASURE_AVERAGE)
        to->value = sum.d / (double)s->count;
    else if (s->count && (what->kind == KITH_MEASURE_MIN || what->kind == KITH_MEASURE_MAX))
        give_number(what->kind == KITH_MEASURE_MIN ? &s->least : &s->most, to);
    return true;
}

static int by_points(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    int order;

    if (a->points != b->points)
        return a->points > b->points ? -1 : 1;
    if (a->id.kind != b->id.kind)
        return a->id.kind - b->id.kind;
    if (a->id.kind == KITH_VALUE_STR) {
        order = memcmp(a->id.str, b->id.str, MIN(a->id.size, b->id.size));
        return order ? order : a->id.size < b->id.size ? -1 : a->id.size > b->id.size;
    }
    if (a->id.kind == KITH_VALUE_BOOL)
        return (int)a->id.boolean - (int)b->id.boolean;
    return a->id.num < b->id.num ? -1 : a->id.num > b->id.num;
}

static bool give_group(struct arena *a, const struct measuring *m, const struct group *g, kith_aggregated *to)
{
    *to = (kith_aggregated){.id = g->id, .points = g->points};
    if (g->id.kind == KITH_VALUE_STR && !(to->id.str = arena_str(a, g->id.str, g->id.size)))
        return false;
    to->measured = arena_alloc(a, MAX(m->measures_count, (size_t)1) * sizeof *to->measured);
    for (size_t i = 0; to->measured && i < m->measures_count; i++) {
        if (!give_measured(a, &m->measures[i], &g->states[i], &to->measured[i]))
            return false;
    }
    return to->measured != NULL;
}

static int give(struct measuring *m, uint32_t limit, kith_aggregates **ret)
{
    struct aggregates_box *box = mem_zalloc(sizeof *box);
    size_t count = m->grouped ? MIN(m->groups.count, (size_t)(limit ? limit : 10)) : 1;
    kith_aggregates *to;

    if (!box)
        return err_nomem(m->c);
    arena_init(&box->arena);
    to = &box->aggregates;
    if (m->groups.count && m->grouped)
        qsort(m->at, m->groups.count, sizeof *m->at, by_points);
    to->groups = arena_alloc(&box->arena, MAX(count, (size_t)1) * sizeof *to->groups);
    while (to->groups && to->count < count && give_group(&box->arena, m, &m->at[to->count], &to->groups[to->count]))
        to->count++;
    if (to->count == count) {
        *ret = to;
        return 0;
    }
    kith_aggregates_free(to);
    return err_nomem(m->c);
}

/* ---- running it -------------------------------------------------------------------------------------------------- */

static int check(struct measuring *m, const char *group_by)
{
    if (m->measures_count > MEASURES_MAX)
        return err_set(m->c, KITH_INVALID, "at most %d measures, not %zu", MEASURES_MAX, m->measures_count);
    m->paths = arena_alloc(&m->c->arena, MAX(m->measures_count, (size_t)1) * sizeof *m->paths);
    if (!m->paths)
        return err_nomem(m->c);
    for (size_t i = 0; i < m->measures_count; i++) {
        const kith_measure *what = &m->measures[i];
        if (!what->path && what->kind != KITH_MEASURE_COUNT)
            return err_set(m->c, KITH_INVALID, "only counts need no path");
        if (what->kind == KITH_MEASURE_HISTOGRAM &&
            !(what->interval > 0 && isfinite(what->interval) && isfinite(what->origin)))
            return err_set(m->c, KITH_INVALID, "histogram of `%.100s`: the interval is above 0, not %g", what->path,
                           what->interval);
        if (what->path)
            TRY(path_parse(m->c, what->path, &m->paths[i]));
    }
    return m->grouped ? path_parse(m->c, group_by, &m->by) : 0;
}

int query_aggregate(struct ctx *c, const struct runner *r, const kith_measure *measures, size_t count,
                    const char *group_by, const kith_filter *f, uint32_t limit, kith_aggregates **ret_aggregates)
{
    struct measuring m = {.c = c, .r = r, .measures = measures, .measures_count = count, .grouped = group_by != NULL};
    static const uint8_t all[] = "all";
    struct pred *p = NULL;
    struct entry *e;
    int rc = 0;

    TRY(check(&m, group_by));
    if (f)
        TRY(pred_compile(c, r->snap->schema, f, &p));
    if (!m.grouped) {
        TRY(table_put(c, &m.groups, (struct bytes){all, sizeof all}, &e));
        TRY(new_group(&m, &(kith_value){0}));
    }
    buf_init(&m.seen);
    buf_init(&m.members);
    for (size_t i = 0; i < r->snap->count && rc >= 0; i++)
        rc = measure_segment(&m, i, p);
    forget_seen(&m);
    buf_release(&m.seen);
    buf_release(&m.members);
    return rc < 0 ? rc : give(&m, limit, ret_aggregates);
}
