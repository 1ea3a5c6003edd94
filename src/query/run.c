/* run.c - from a query to its result: collect per segment, merge, fetch what was asked for. */
#include "base/ctx.h"
#include "base/id.h"
#include "base/mem.h"
#include "os/os.h"
#include "query/tree.h"

#include <math.h>
#include <stdlib.h>

struct result_box {
    kith_result result;
    struct arena arena;
};

enum { LIMIT_MAX = 1000000 };

int hits_push(struct ctx *c, struct hit_list *l, struct hit_ref hit)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 64;
        struct hit_ref *at = arena_alloc(&c->arena, capacity * sizeof *at);
        if (!at)
            return err_nomem(c);
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->capacity = capacity;
    }
    l->at[l->count++] = hit;
    return 0;
}

int hit_by_place(const void *a, const void *b)
{
    const struct hit_ref *x = a, *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

void hits_once(struct hit_list *l)
{
    size_t n = 0;

    if (l->count)
        qsort(l->at, l->count, sizeof *l->at, hit_by_place);
    for (size_t i = 0; i < l->count; i++) {
        if (!n || hit_by_place(&l->at[n - 1], &l->at[i]) != 0)
            l->at[n++] = l->at[i];
    }
    l->count = n;
}

bool query_find(const struct snapshot *snap, const kith_id *id, size_t *ret_segment, row_id *ret_row)
{
    for (size_t i = snap->count; i-- > 0;) {
        row_id row = snap->segments[i]->ops->find(snap->segments[i], id, snap->v);
        if (row != ROW_NONE) {
            *ret_segment = i;
            *ret_row = row;
            return true;
        }
    }
    return false;
}

/* ---- sorting: a key made once, ids only for ties ---------------------------------------------------- */

struct sortable {
    struct hit_ref hit;
    kith_id id;
    bool descending, by_order;
};

static int cmp_hits(const void *x, const void *y)
{
    const struct sortable *a = x, *b = y;
    int order;

    if (a->by_order) {
        int sign = a->descending ? -1 : 1;
        if (a->hit.order_is_int && a->hit.order_int != b->hit.order_int)
            return a->hit.order_int < b->hit.order_int ? -sign : sign;
        if (a->hit.order < b->hit.order || a->hit.order > b->hit.order)
            return a->hit.order < b->hit.order ? -sign : sign;
        order = id_cmp(&a->id, &b->id);
        return order * sign;
    }
    if (a->hit.distance < b->hit.distance || a->hit.distance > b->hit.distance)
        return a->hit.distance < b->hit.distance ? -1 : 1;
    return id_cmp(&a->id, &b->id);
}

int hits_sort(struct ctx *c, const struct snapshot *snap, const kith_query *q, struct hit_list *l)
{
    struct sortable *s = arena_alloc(&c->arena, MAX(l->count, (size_t)1) * sizeof *s);

    if (!s)
        return err_nomem(c);
    for (size_t i = 0; i < l->count && i < 64; i++)
        snap->segments[l->at[i].segment]->ops->prefetch(snap->segments[l->at[i].segment], l->at[i].row);
    for (size_t i = 0; i < l->count; i++) {
        const struct segment *seg = snap->segments[l->at[i].segment];
        s[i].hit = l->at[i];
        s[i].id = seg->ops->id(seg, l->at[i].row);
        s[i].descending = q->descending;
        s[i].by_order = q->kind == KITH_QUERY_ORDER_BY;
    }
    qsort(s, l->count, sizeof *s, cmp_hits);
    for (size_t i = 0; i < l->count; i++)
        l->at[i] = s[i].hit;
    return 0;
}

/* ---- fetching ------------------------------------------------------------------------------------------ */

static int select_paths(struct ctx *c, const kith_select *select, struct path **ret_paths)
{
    struct path *paths = NULL;

    if (select->doc >= 2) {
        paths = arena_alloc(&c->arena, MAX(select->paths_count, (size_t)1) * sizeof *paths);
        if (!paths)
            return err_nomem(c);
        for (size_t i = 0; i < select->paths_count; i++)
            TRY(path_parse(c, select->paths[i], &paths[i]));
    }
    *ret_paths = paths;
    return 0;
}

static int fetch_doc(struct ctx *one, struct result_box *box, const kith_select *select, const struct path *paths,
                     struct bytes doc, kith_hit *hit)
{
    struct buf out;
    struct node *root;
    int rc = 0;

    hit->doc.form = KITH_DOC_BINARY;
    if (select->doc == 1) {
        hit->doc.size = (uint32_t)doc.size;
        hit->doc.data = arena_copy(&box->arena, doc.data, doc.size);
        return hit->doc.data ? 0 : err_nomem(one);
    }
    TRY(node_from(one, val_of(doc.data, doc.size), &root));
    TRY(node_select(one, root, paths, select->paths_count, select->doc == 2));
    buf_init(&out);
    node_encode(root, &out);
    hit->doc.size = (uint32_t)out.size;
    hit->doc.data = out.failed ? NULL : arena_copy(&box->arena, out.data, out.size);
    if (!hit->doc.data)
        rc = err_nomem(one);
    buf_release(&out);
    return rc;
}

static bool vector_wanted(const kith_select *select, const char *name)
{
    if (select->vectors == 1)
        return true;
    for (size_t i = 0; i < select->names_count && select->vectors == 2; i++) {
        if (strcmp(select->names[i], name) == 0)
            return true;
    }
    return false;
}

static int fetch_vectors(struct ctx *one, struct result_box *box, const struct snapshot *snap, const struct segment *s,
                         row_id row, const kith_select *select, kith_hit *hit)
{
    kith_vector *vectors;

    if (!select->vectors)
        return 0;
    vectors = arena_alloc(&box->arena, MAX(snap->schema->vectors_count, (size_t)1) * sizeof *vectors);
    if (!vectors)
        return err_nomem(one);
    hit->vectors = vectors;
    for (size_t i = 0; i < snap->schema->vectors_count; i++) {
        const struct schema_vector *v = &snap->schema->vectors[i];
        kith_vector *to = &vectors[hit->vectors_count];
        const void *data;
        if (!vector_wanted(select, v->name))
            continue;
        TRY(s->ops->vector(one, s, row, snap->v, v->id, &data));
        if (!data)
            continue;
        *to = vector_show(v, data);
        to->name = arena_str(&box->arena, v->name, strlen(v->name));
        to->data = arena_copy(&box->arena, to->data, kith_vector_size(to));
        if (!to->name || !to->data)
            return err_nomem(one);
        hit->vectors_count++;
    }
    return 0;
}

static int fetch_one(struct ctx *one, struct doc_room *room, struct result_box *box, const struct snapshot *snap,
                     const struct hit_ref *ref,
                     const kith_select *select, const struct path *paths, kith_hit *hit)
{
    const struct segment *s = snap->segments[ref->segment];
    struct bytes doc;
    kith_id id = s->ops->id(s, ref->row);

    if (id_copy(&box->arena, &id, &hit->id) < 0)
        return err_nomem(one);
    hit->distance = ref->distance;
    hit->order_value = ref->order;
    hit->order_int = ref->order_int;
    hit->order_integer = ref->order_is_int;
    hit->lsn = segment_changed(s, ref->row, snap->v);
    if (select->doc) {
        lsn unused;
        TRY(s->ops->doc(one, s, ref->row, snap->v, room, &doc, &unused));
        TRY(fetch_doc(one, box, select, paths, doc, hit));
    }
    return fetch_vectors(one, box, snap, s, ref->row, select, hit);
}

static int fetch(struct ctx *c, struct result_box *box, const struct snapshot *snap, const struct hit_ref *refs,
                 size_t count, const kith_select *select)
{
    struct doc_room room = {0};
    struct path *paths;
    int rc = 0;

    TRY(select_paths(c, select, &paths));
    box->result.hits = arena_zalloc(&box->arena, MAX(count, (size_t)1) * sizeof *box->result.hits);
    if (!box->result.hits)
        return err_nomem(c);
    box->result.count = count;
    box->result.lsn = snap->v;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        struct ctx one;
        rc = i % LOOK_AT_CLOCK == LOOK_AT_CLOCK - 1 ? os_in_time(c) : 0;
        if (rc < 0)
            break;
        ctx_init(&one, c->os);
        rc = fetch_one(&one, &room, box, snap, &refs[i], select, paths, &box->result.hits[i]);
        if (rc < 0)
            err_set(c, rc, "%s", one.text);
        ctx_release(&one);
    }
    doc_room_release(&room);
    return rc;
}

/* ---- the query ------------------------------------------------------------------------------------------- */

double runner_effort(const struct runner *r, uint32_t vector_id)
{
    const atomic_uint *at = r->efforts ? &r->efforts[vector_id % VECTORS_MAX] : NULL;

    return at ? (double)atomic_load_explicit(at, memory_order_relaxed) / 1000 : 1;
}

static int scroll(struct ctx *c, const struct runner *r, const kith_query *q, struct hit_list *hits,
                  struct result_box *box)
{
    size_t want = (size_t)q->limit + q->offset;
    struct pred *p = NULL;

    if (q->filter)
        TRY(pred_compile(c, r->snap->schema, q->filter, &p));
    TRY(scroll_collect(c, r, q, p, want + 1, hits));
    if (hits->count > want) {
        const struct segment *s = r->snap->segments[hits->at[want].segment];
        kith_id next = s->ops->id(s, hits->at[want].row);
        box->result.has_next = true;
        if (id_copy(&box->arena, &next, &box->result.next) < 0)
            return err_nomem(c);
    }
    hits->count = MIN(hits->count, want);
    return 0;
}

static int collect(struct ctx *c, const struct runner *r, const kith_query *q, struct hit_list *hits,
                   struct buf *explain, struct result_box *box)
{
    struct tree t = {.c = c, .r = r, .explain = q->explain ? explain : NULL};

    if (q->kind == KITH_QUERY_SCROLL && !q->prefetch_count)
        return scroll(c, r, q, hits, box);
    return tree_run(&t, q, NULL, hits);
}

static struct result_box *box_new(void)
{
    struct result_box *box = mem_zalloc(sizeof *box);

    if (box)
        arena_init(&box->arena);
    return box;
}

int hits_fetch(struct ctx *c, const struct snapshot *snap, const struct hit_ref *refs, size_t count,
               const kith_select *select, kith_result **ret_result)
{
    struct result_box *box = box_new();
    int rc = box ? fetch(c, box, snap, refs, count, select) : err_nomem(c);

    if (rc < 0 && box)
        kith_result_free(&box->result);
    *ret_result = rc < 0 ? NULL : &box->result;
    return rc;
}

/* Limits filled in. */
int query_check(struct ctx *c, kith_query *q)
{
    if (q->kind > KITH_QUERY_TEXT)
        return err_set(c, KITH_INVALID, "query: unknown kind %d", (int)q->kind);
    if (q->target_recall < 0 || q->target_recall > 0.999f || (q->target_recall > 0 && q->target_recall < 0.5f))
        return err_set(c, KITH_INVALID, "target_recall %g: expected 0, or 0.5 to 0.999", (double)q->target_recall);
    if (!(q->oversampling >= 0 && q->hop_below >= 0 && q->hop_below <= 1))
        return err_set(c, KITH_INVALID, "query: oversampling %g, hop_below %g: expected 0 or more, 0 to 1",
                       (double)q->oversampling, (double)q->hop_below);
    q->limit = MIN(q->limit ? q->limit : 10, (uint32_t)LIMIT_MAX);
    q->offset = MIN(q->offset, UINT32_MAX / 4);
    return 0;
}

static int run(struct ctx *c, const struct runner *r, const kith_query *given, kith_result **ret_result)
{
    kith_query q = *given;
    struct result_box *box;
    struct hit_list hits = {0};
    struct buf explain;
    size_t skip;
    int rc;

    TRY(query_check(c, &q));
    box = box_new();
    if (!box)
        return err_nomem(c);
    buf_init(&explain);
    if (q.explain)
        buf_u8(&explain, '[');
    rc = collect(c, r, &q, &hits, &explain, box);
    skip = MIN((size_t)q.offset, hits.count);
    if (rc >= 0)
        rc = fetch(c, box, r->snap, hits.at ? hits.at + skip : NULL, hits.count - skip, &q.select);
    if (rc >= 0 && q.explain) {
        buf_u8(&explain, ']');
        box->result.explain = explain.failed ? NULL : arena_str(&box->arena, (char *)explain.data, explain.size);
    }
    buf_release(&explain);
    if (rc < 0) {
        kith_result_free(&box->result);
        return rc;
    }
    *ret_result = &box->result;
    return 0;
}

int query_run(struct ctx *c, const struct runner *r, const kith_query *given, kith_result **ret_result)
{
    bool lent = scratch_lend(r->pool, &c->arena);
    int rc = run(c, r, given, ret_result);

    if (lent)
        scratch_take_back(r->pool, &c->arena);
    return rc;
}

int query_get(struct ctx *c, const struct runner *r, const kith_id *ids, size_t count, const kith_select *select,
              kith_result **ret_result)
{
    static const kith_select whole = {.doc = 1};
    struct hit_list hits = {0};
    struct result_box *box = box_new();
    int rc = box ? 0 : err_nomem(c);

    for (size_t i = 0; i < count && rc >= 0; i++) {
        size_t segment;
        row_id row;
        if (query_find(r->snap, &ids[i], &segment, &row)) {
            struct hit_ref hit = {.segment = (uint32_t)segment, .row = row};
            rc = hits_push(c, &hits, hit);
        }
    }
    if (rc >= 0)
        rc = fetch(c, box, r->snap, hits.at, hits.count, select ? select : &whole);
    if (rc < 0) {
        if (box)
            kith_result_free(&box->result);
        return rc;
    }
    *ret_result = &box->result;
    return 0;
}

static int count(struct ctx *c, const struct runner *r, const kith_filter *f, uint64_t *ret_count)
{
    struct pred *p = NULL;
    uint64_t n = 0;

    if (f)
        TRY(pred_compile(c, r->snap->schema, f, &p));
    for (size_t i = 0; i < r->snap->count; i++) {
        struct bits mask;
        bool all;
        TRY(query_mask(c, r->snap, i, p, &mask, &all));
        n += bits_count(&mask);
    }
    *ret_count = n;
    return 0;
}

int query_count(struct ctx *c, const struct runner *r, const kith_filter *f, uint64_t *ret_count)
{
    bool lent = scratch_lend(r->pool, &c->arena);
    int rc = count(c, r, f, ret_count);

    if (lent)
        scratch_take_back(r->pool, &c->arena);
    return rc;
}

void kith_result_free(kith_result *result)
{
    struct result_box *box;

    if (!result)
        return;
    box = container_of(result, struct result_box, result);
    arena_release(&box->arena);
    mem_free(box);
}
