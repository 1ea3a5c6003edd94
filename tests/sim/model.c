/* model.c - the twin's operations, written as plainly as can be, and apart from the engine's code. */
#include "model.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t dice(uint64_t *rng, uint64_t n)
{
    return splitmix(rng) % n;
}

void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
}

void model_reset(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->list[i]);
    m->count = 0;
    memset(&m->base, 0, sizeof m->base);
}

void model_release(struct model *m)
{
    model_reset(m);
}

/* ---- drawing ------------------------------------------------------------------------------------------ */

static struct model_doc draw_doc(uint64_t *rng)
{
    struct model_doc d = {0};

    d.a_state = (uint8_t)dice(rng, 4);
    d.s_state = (uint8_t)dice(rng, 4);
    d.a = (int)dice(rng, 10);
    d.a2 = (int)dice(rng, 10);
    d.s = (int)dice(rng, 5);
    d.s2 = (int)dice(rng, 5);
    return d;
}

static void draw_vectors(uint64_t *rng, struct model_single *o)
{
    for (int i = 0; i < 2; i++) {
        o->has[i] = dice(rng, 4) != 0;
        for (int j = 0; j < MODEL_DIM; j++)
            o->v[i][j] = (float)dice(rng, 100) / 10 - 5;
    }
}

struct model_op *model_draw(struct model *m, uint64_t *rng)
{
    static const kith_op_kind kinds[] = {KITH_UPSERT, KITH_UPSERT, KITH_UPSERT, KITH_UPSERT, KITH_DELETE, KITH_SET_DOC,
                                         KITH_SET_DOC, KITH_OVERWRITE_DOC, KITH_DELETE_KEYS, KITH_CLEAR_DOC,
                                         KITH_UPDATE_VECTORS, KITH_DELETE_VECTORS};
    struct model_op *op = calloc(1, sizeof *op);

    if (!op)
        abort();
    m->total++;
    op->count = dice(rng, 3) ? 1 : 1 + (int)dice(rng, MODEL_OPS_MAX);
    for (int i = 0; i < op->count; i++) {
        struct model_single *o = &op->one[i];
        o->kind = kinds[dice(rng, sizeof kinds / sizeof *kinds)];
        o->mode = o->kind == KITH_UPSERT && dice(rng, 5) == 0 ? (kith_mode)(1 + dice(rng, 2)) : KITH_MODE_UPSERT;
        o->ids_count = 1 + (int)dice(rng, 3);
        for (int j = 0; j < o->ids_count; j++)
            o->ids[j] = (int)dice(rng, MODEL_IDS);
        o->by_filter = o->kind != KITH_UPSERT && o->kind != KITH_UPDATE_VECTORS && dice(rng, 3) == 0;
        o->conditional = o->kind == KITH_UPSERT && dice(rng, 6) == 0;
        o->filter_kind = (int)dice(rng, 4);
        o->filter_value = (int)dice(rng, 10);
        o->doc = draw_doc(rng);
        draw_vectors(rng, o);
        o->vector = (int)dice(rng, 2);
    }
    return op;
}

/* ---- what the engine is given ----------------------------------------------------------------------------- */

static void put_key(char **at, const char *key, uint8_t state, int x, int y, bool text, bool *first)
{
    const char *quote = text ? "\"" : "";

    if (!state)
        return;
    *at += sprintf(*at, "%s\"%s\":", *first ? "" : ",", key);
    *first = false;
    if (state == 1)
        *at += sprintf(*at, "null");
    else if (state == 2)
        *at += sprintf(*at, "%s%d%s", quote, x, quote);
    else
        *at += sprintf(*at, "[%s%d%s,%s%d%s]", quote, x, quote, quote, y, quote);
}

static kith_doc json_of(const struct model_doc *d, struct arena *a)
{
    char *text = arena_alloc(a, 200), *at = text;
    bool first = true;

    *at++ = '{';
    put_key(&at, "a", d->a_state, d->a, d->a2, false, &first);
    put_key(&at, "s", d->s_state, d->s, d->s2, true, &first);
    *at++ = '}';
    return (kith_doc){KITH_DOC_JSON, (uint32_t)(at - text), text};
}

/* Even numbers are number ids, odd ones UUIDs. */
static kith_id id_of(int i)
{
    kith_id id = kith_id_num((uint64_t)i);

    if (i % 2) {
        memset(&id, 0, sizeof id);
        id.kind = KITH_ID_UUID;
        id.as.uuid[0] = (uint8_t)(i * 7);
        id.as.uuid[15] = (uint8_t)i;
    }
    return id;
}

static int index_of(const kith_id *id)
{
    return id->kind == KITH_ID_NUM ? (int)id->as.num : id->as.uuid[15];
}

static kith_filter *filter_of(int kind, int value, struct arena *a)
{
    kith_filter *f = arena_zalloc(a, sizeof *f), *sub;
    kith_value *v = arena_zalloc(a, sizeof *v);
    char *text = arena_alloc(a, 16);

    f->values = v;
    f->values_count = 1;
    f->path = "a";
    v->kind = KITH_VALUE_INT;
    v->num = value;
    f->kind = KITH_COND_MATCH;
    switch (kind) {
    case 1:
        f->kind = KITH_COND_RANGE;
        f->bounds = KITH_LT;
        f->range.lt = value;
        break;
    case 2:
        f->path = "s";
        v->kind = KITH_VALUE_STR;
        v->size = (uint32_t)sprintf(text, "%d", value % 5);
        v->str = text;
        break;
    case 3:
        sub = filter_of(0, value, a);
        f->kind = KITH_COND_NONE;
        f->subs = sub;
        f->subs_count = 1;
        f->values_count = 0;
        break;
    default:
        break;
    }
    return f;
}

/* The three numbers as a sparse vector, whose indices were given in no order. */
static kith_vector sparse_of_model(const char *name, const float *v, struct arena *a)
{
    static const uint32_t indices[MODEL_DIM] = {7, 2, 90000};
    uint8_t *blob = arena_alloc(a, sizeof indices + MODEL_DIM * sizeof *v);

    memcpy(blob, indices, sizeof indices);
    for (int i = 0; i < MODEL_DIM; i++) /* kept by index: 2, 7, 90000 */
        memcpy(blob + sizeof indices + (size_t)i * sizeof *v, &v[i == 0 ? 1 : i == 1 ? 0 : i], sizeof *v);
    return (kith_vector){name, MODEL_DIM, blob, KITH_SPARSE, 0};
}

static uint32_t times_of(const float *v)
{
    return 1 + (uint32_t)fabsf(v[0] * 10) % 3;
}

static kith_vector multi_of_model(const char *name, const float *v, struct arena *a)
{
    uint32_t n = times_of(v);
    float *all = arena_alloc(a, n * MODEL_DIM * sizeof *all);

    for (uint32_t i = 0; i < n; i++)
        memcpy(all + i * MODEL_DIM, v, MODEL_DIM * sizeof *v);
    return (kith_vector){name, MODEL_DIM, all, KITH_F32, n};
}

static kith_vector vector_of(const char *name, enum model_second kind, const float *v, struct arena *a)
{
    switch (kind) {
    case SECOND_SPARSE: return sparse_of_model(name, v, a);
    case SECOND_MULTI: return multi_of_model(name, v, a);
    case SECOND_DENSE: break;
    }
    return (kith_vector){name, MODEL_DIM, v, KITH_F32, 0};
}

kith_vector model_query(enum model_second kind, const float *v, struct arena *a)
{
    kith_vector q = vector_of("", kind, v, a);

    q.count = kind == SECOND_MULTI; /* its distance is that of the first vectors */
    return q;
}

size_t model_kith_ops(const struct model_op *op, enum model_second second, struct arena *a, kith_op *out)
{
    static const char *const names[] = {"", "second"}, *const keys[] = {"a", "s"};

    memset(out, 0, sizeof *out * (size_t)op->count);
    for (int i = 0; i < op->count; i++) {
        const struct model_single *o = &op->one[i];
        kith_op *k = &out[i];
        k->kind = o->kind;
        k->mode = o->mode;
        k->doc = json_of(&o->doc, a);
        if (o->conditional)
            k->only_if = filter_of(o->filter_kind, o->filter_value, a);
        if (o->kind == KITH_DELETE_KEYS) {
            k->names = &keys[o->vector];
            k->names_count = 1;
        } else if (o->kind == KITH_DELETE_VECTORS) {
            k->names = &names[o->vector];
            k->names_count = 1;
        }
        if (o->kind == KITH_UPSERT || o->kind == KITH_UPDATE_VECTORS) {
            kith_point *p = arena_zalloc(a, sizeof *p * 3);
            kith_vector *v = arena_zalloc(a, sizeof *v * 2);
            size_t n = 0;
            for (int j = 0; j < 2; j++) {
                if (o->has[j])
                    v[n++] = vector_of(names[j], j ? second : SECOND_DENSE, o->v[j], a);
            }
            for (int j = 0; j < o->ids_count; j++)
                p[j] = (kith_point){id_of(o->ids[j]), k->doc, v, n};
            k->points = p;
            k->points_count = (size_t)o->ids_count;
        } else if (o->by_filter) {
            k->filter = filter_of(o->filter_kind, o->filter_value, a);
        } else {
            kith_id *ids = arena_zalloc(a, sizeof *ids * 3);
            for (int j = 0; j < o->ids_count; j++)
                ids[j] = id_of(o->ids[j]);
            k->ids = ids;
            k->ids_count = (size_t)o->ids_count;
        }
    }
    return (size_t)op->count;
}

/* ---- what it means ------------------------------------------------------------------------------------------ */

static bool doc_matches(const struct model_doc *d, int kind, int value)
{
    switch (kind) {
    case 0:
        return d->a_state >= 2 && (d->a == value || (d->a_state == 3 && d->a2 == value));
    case 1:
        return d->a_state >= 2 && (d->a < value || (d->a_state == 3 && d->a2 < value));
    case 2:
        return d->s_state >= 2 && (d->s == value % 5 || (d->s_state == 3 && d->s2 == value % 5));
    default:
        return !doc_matches(d, 0, value);
    }
}

static void merge(struct model_doc *into, const struct model_doc *from)
{
    if (from->a_state) {
        into->a_state = from->a_state == 1 ? 0 : from->a_state;
        into->a = from->a;
        into->a2 = from->a2;
    }
    if (from->s_state) {
        into->s_state = from->s_state == 1 ? 0 : from->s_state;
        into->s = from->s;
        into->s2 = from->s2;
    }
}

static void change(struct model_point *p, const struct model_single *o)
{
    switch (o->kind) {
    case KITH_DELETE: memset(p, 0, sizeof *p); break;
    case KITH_SET_DOC: merge(&p->doc, &o->doc); break;
    case KITH_OVERWRITE_DOC: p->doc = o->doc; break;
    case KITH_CLEAR_DOC: memset(&p->doc, 0, sizeof p->doc); break;
    case KITH_DELETE_KEYS: *(o->vector ? &p->doc.s_state : &p->doc.a_state) = 0; break;
    case KITH_DELETE_VECTORS: p->has[o->vector] = false; break;
    case KITH_UPDATE_VECTORS:
        for (int i = 0; i < 2; i++) {
            if (o->has[i]) {
                p->has[i] = true;
                memcpy(p->v[i], o->v[i], sizeof p->v[i]);
            }
        }
        break;
    case KITH_UPSERT: break;
    }
}

static void upsert(struct model_state *s, const struct model_single *o)
{
    for (int i = 0; i < o->ids_count; i++) {
        struct model_point *p = &s->points[o->ids[i]];
        if (p->there ? o->mode == KITH_MODE_INSERT_ONLY : o->mode == KITH_MODE_UPDATE_ONLY)
            continue;
        if (p->there && o->conditional && !doc_matches(&p->doc, o->filter_kind, o->filter_value))
            continue;
        memset(p, 0, sizeof *p);
        p->there = true;
        p->doc = o->doc;
        memcpy(p->has, o->has, sizeof p->has);
        memcpy(p->v, o->v, sizeof p->v);
    }
}

/* False: a point was missing, and the rest of the write is void. */
static bool apply_single(struct model_state *s, const struct model_single *o)
{
    if (o->kind == KITH_UPSERT) {
        upsert(s, o);
        return true;
    }
    if (o->by_filter) {
        bool hit[MODEL_IDS];
        for (int i = 0; i < MODEL_IDS; i++)
            hit[i] = s->points[i].there && doc_matches(&s->points[i].doc, o->filter_kind, o->filter_value);
        for (int i = 0; i < MODEL_IDS; i++) {
            if (hit[i])
                change(&s->points[i], o);
        }
        return true;
    }
    for (int i = 0; i < o->ids_count; i++) {
        struct model_point *p = &s->points[o->ids[i]];
        if (!p->there && o->kind == KITH_DELETE)
            continue;
        if (!p->there)
            return false;
        change(p, o);
    }
    return true;
}

static void apply(struct model_state *s, const struct model_op *op)
{
    for (int i = 0; i < op->count; i++) {
        if (!apply_single(s, &op->one[i]))
            return;
    }
}

/* ---- fates ---------------------------------------------------------------------------------------------------- */

size_t model_submitted(struct model *m, struct model_op *op)
{
    if (m->count == MODEL_WRITES)
        abort();
    m->list[m->count] = op;
    m->fate[m->count] = SUBMITTED;
    return m->count++;
}

void model_answered(struct model *m, size_t at, bool ok, bool applied)
{
    (void)applied;
    m->fate[at] = ok ? ANSWERED : FAILED;
}

void model_refused(struct model *m, size_t at)
{
    m->fate[at] = REFUSED;
}

bool model_faulted(const struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->fate[i] == FAILED || m->fate[i] == SUBMITTED)
            return true;
    }
    return false;
}

static struct model_state *copy(const struct model_state *s)
{
    struct model_state *out = malloc(sizeof *out);

    if (!out)
        abort();
    *out = *s;
    return out;
}

struct model_state *model_applied(const struct model *m)
{
    struct model_state *s = copy(&m->base);

    for (size_t i = 0; i < m->count; i++) {
        if (m->fate[i] == ANSWERED)
            apply(s, m->list[i]);
    }
    return s;
}

enum { MASKED_MAX = 10 };

static size_t last_answered(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->count; i++)
        n = m->fate[i] == ANSWERED ? i + 1 : n;
    return n;
}

/* What was open at the crash: with nothing failed, some first part of it reached the disk. A write that
 * failed (no space, a bad sync) may be missing while a later one is there: then any part may be. */
size_t model_candidates(const struct model *m)
{
    size_t last = last_answered(m), open = m->count - last;
    bool any_failed = false;

    for (size_t i = last; i < m->count; i++)
        any_failed = any_failed || m->fate[i] == FAILED;
    if (!any_failed)
        return open + 1;
    return open <= MASKED_MAX ? (size_t)1 << open : (open + 1) * (open + 1);
}

/* Whether the i-th open write is among those of candidate n. */
static bool is_chosen(size_t open, size_t candidates, size_t n, size_t i)
{
    if (candidates == open + 1)
        return i < n;
    if (open <= MASKED_MAX)
        return n >> i & 1;
    return i >= n / (open + 1) && i < n / (open + 1) + n % (open + 1); /* a run of them */
}

/* Everything answered, and what candidate `n` takes of the rest. What failed before an answer did not
 * happen. */
struct model_state *model_candidate(const struct model *m, size_t n)
{
    struct model_state *s = copy(&m->base);
    size_t last = last_answered(m), open = m->count - last, candidates = model_candidates(m);

    for (size_t j = 0; j < m->count; j++) {
        if (j < last ? m->fate[j] == ANSWERED : m->fate[j] != REFUSED && is_chosen(open, candidates, n, j - last))
            apply(s, m->list[j]);
    }
    return s;
}

void model_rebase(struct model *m, struct model_state *found)
{
    model_reset(m);
    m->base = *found;
    free(found);
}

void model_state_free(struct model_state *s)
{
    free(s);
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

static bool same_json(const struct model_doc *want, const kith_doc *got, char *why, size_t size)
{
    struct arena a;
    kith_doc expected;
    char *text, other[200];
    struct model_doc swapped = *want;
    bool same;

    arena_init(&a);
    expected = json_of(want, &a);
    text = kith_doc_json(got, NULL);
    same = text && strlen(text) == expected.size && memcmp(text, expected.data, expected.size) == 0;
    if (!same && text) { /* keys may stand the other way round after a merge */
        char *at = other;
        bool first = true;
        *at++ = '{';
        put_key(&at, "s", swapped.s_state, swapped.s, swapped.s2, true, &first);
        put_key(&at, "a", swapped.a_state, swapped.a, swapped.a2, false, &first);
        *at++ = '}';
        *at = 0;
        same = strcmp(text, other) == 0;
    }
    if (!same)
        snprintf(why, size, "document %s, expected %.*s", text ? text : "?", (int)expected.size,
                 (const char *)expected.data);
    kith_free(text);
    arena_release(&a);
    return same;
}

static bool same_vector(const kith_vector *got, enum model_second kind, const float *v)
{
    const float *data = got->data;

    if (got->count != (kind == SECOND_MULTI ? times_of(v) : 0))
        return false;
    if (kind == SECOND_SPARSE)
        data += MODEL_DIM;
    for (uint32_t i = 0; i < MAX(got->count, 1u); i++) {
        if (memcmp(data + i * MODEL_DIM, v, MODEL_DIM * sizeof *v) != 0)
            return false;
    }
    return true;
}

bool model_compare(const struct model_state *want, enum model_second second, const kith_result *got, char *why, size_t size)
{
    static const char *const names[] = {"", "second"};
    int there = 0;

    for (int i = 0; i < MODEL_IDS; i++)
        there += want->points[i].there;
    if ((size_t)there != got->count) {
        snprintf(why, size, "%zu points, expected %d", got->count, there);
        return false;
    }
    for (size_t i = 0; i < got->count; i++) {
        const kith_hit *h = &got->hits[i];
        int index = index_of(&h->id);
        const struct model_point *p;
        int have = 0;
        if (index >= MODEL_IDS || !want->points[index].there) {
            snprintf(why, size, "point %d should not be there", index);
            return false;
        }
        p = &want->points[index];
        if (!same_json(&p->doc, &h->doc, why, size))
            return false;
        for (int j = 0; j < 2; j++) {
            bool found = false;
            have += p->has[j];
            for (size_t k = 0; k < h->vectors_count; k++) {
                if (strcmp(h->vectors[k].name, names[j]) == 0)
                    found = p->has[j] && same_vector(&h->vectors[k], j ? second : SECOND_DENSE, p->v[j]);
            }
            if (p->has[j] != found) {
                snprintf(why, size, "point %d: vector \"%s\" differs", index, names[j]);
                return false;
            }
        }
        if ((size_t)have != h->vectors_count) {
            snprintf(why, size, "point %d: %zu vectors, expected %d", index, h->vectors_count, have);
            return false;
        }
    }
    return true;
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

kith_filter *model_draw_filter(uint64_t *rng, struct arena *a)
{
    kith_filter *f;

    if (dice(rng, 3) == 0) {
        kith_filter *subs = arena_zalloc(a, sizeof *subs * 2);
        subs[0] = *filter_of((int)dice(rng, 4), (int)dice(rng, 10), a);
        subs[1] = *filter_of((int)dice(rng, 4), (int)dice(rng, 10), a);
        f = arena_zalloc(a, sizeof *f);
        f->kind = dice(rng, 2) ? KITH_COND_ALL : KITH_COND_ANY;
        f->subs = subs;
        f->subs_count = 2;
        return f;
    }
    return filter_of((int)dice(rng, 4), (int)dice(rng, 10), a);
}

static bool filter_matches(const struct model_doc *d, const kith_filter *f)
{
    bool one, two;

    if (f->kind == KITH_COND_MATCH)
        return f->path[0] == 'a' ? doc_matches(d, 0, (int)f->values[0].num) : doc_matches(d, 2, atoi(f->values[0].str));
    if (f->kind == KITH_COND_RANGE)
        return doc_matches(d, 1, (int)f->range.lt);
    one = filter_matches(d, &f->subs[0]);
    if (f->kind == KITH_COND_NONE)
        return !one;
    two = filter_matches(d, &f->subs[1]);
    return f->kind == KITH_COND_ALL ? one && two : one || two;
}

int64_t model_count(const struct model_state *s, const kith_filter *f)
{
    int64_t n = 0;

    for (int i = 0; i < MODEL_IDS; i++)
        n += s->points[i].there && filter_matches(&s->points[i].doc, f);
    return n;
}

bool model_check_nearest(const struct model_state *s, const kith_filter *f, int vector, const float *v,
                         const kith_result *got, char *why, size_t size)
{
    float best[MODEL_IDS];
    size_t n = 0;

    for (int i = 0; i < MODEL_IDS; i++) {
        const struct model_point *p = &s->points[i];
        float d = 0;
        size_t at;
        if (!p->there || !p->has[vector] || !filter_matches(&p->doc, f))
            continue;
        for (int j = 0; j < MODEL_DIM; j++)
            d -= p->v[vector][j] * v[j];
        for (at = n++; at > 0 && best[at - 1] > d; at--)
            best[at] = best[at - 1];
        best[at] = d;
    }
    if (got->count != (n < 5 ? n : 5)) {
        snprintf(why, size, "nearest: %zu hits, expected %zu", got->count, n < 5 ? n : 5);
        return false;
    }
    for (size_t i = 0; i < got->count; i++) {
        if (fabsf(got->hits[i].distance - best[i]) > 1e-3f) {
            snprintf(why, size, "nearest: hit %zu at %g, expected %g", i, (double)got->hits[i].distance,
                     (double)best[i]);
            return false;
        }
    }
    return true;
}

/* How often a word stands in s; `ret_length`: words there. */
static int times_in(const struct model_point *p, int word, int *ret_length)
{
    const struct model_doc *d = &p->doc;

    *ret_length = p->there && d->s_state >= 2 ? d->s_state - 1 : 0;
    return (*ret_length > 0 && d->s == word) + (*ret_length > 1 && d->s2 == word);
}

bool model_check_words(const struct model_state *s, const kith_filter *f, int one, int two, const kith_result *got,
                       char *why, size_t size)
{
    int words[2] = {one, two}, docs = 0, total = 0, df[2] = {0}, length;
    double best[MODEL_IDS];
    size_t n = 0;

    for (int i = 0; i < MODEL_IDS; i++) {
        for (int w = 0; w < 2; w++)
            df[w] += times_in(&s->points[i], words[w], &length) > 0;
        docs += length > 0;
        total += length;
    }
    for (int i = 0; i < MODEL_IDS; i++) {
        double score = 0;
        size_t at;
        if (!s->points[i].there || !filter_matches(&s->points[i].doc, f))
            continue;
        for (int w = 0; w < 1 + (one != two); w++) {
            double tf = times_in(&s->points[i], words[w], &length), average = (double)total / docs;
            if (tf > 0)
                score += log(1 + (docs - df[w] + 0.5) / (df[w] + 0.5)) * 2.2 * tf /
                         (tf + 1.2 * (0.25 + 0.75 * length / average));
        }
        for (at = n; score > 0 && at > 0 && best[at - 1] < score; at--)
            best[at] = best[at - 1];
        if (score > 0) {
            best[at] = score;
            n++;
        }
    }
    if (got->count != (n < 7 ? n : 7)) {
        snprintf(why, size, "words: %zu hits, expected %zu", got->count, n < 7 ? n : 7);
        return false;
    }
    for (size_t i = 0; i < got->count; i++) {
        if (fabs(-(double)got->hits[i].distance - best[i]) > 1e-4) {
            snprintf(why, size, "words %d, %d: hit %zu scores %g, expected %g", one, two, i,
                     -(double)got->hits[i].distance, best[i]);
            return false;
        }
    }
    return true;
}
