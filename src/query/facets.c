/* facets.c - how many points have each value of a field: from the keys of sealed indexes where these hold, from the
 * documents elsewhere. */
#include "query/query.h"

#include "base/ctx.h"
#include "base/id.h"
#include "base/mem.h"
#include "os/os.h"

#include <math.h>
#include <stdlib.h>

struct counting {
    struct ctx *c;
    const struct runner *r;
    const struct schema_field *field;
    kith_facet *at;
    size_t count, capacity;
    size_t of_row; /* where the entries of the row at hand begin */
};

static int push(struct counting *n, kith_value value, uint64_t count)
{
    if (n->count == n->capacity) {
        size_t capacity = MAX(n->capacity * 2, (size_t)256);
        kith_facet *more = arena_alloc(&n->c->arena, capacity * sizeof *more);
        if (!more)
            return err_nomem(n->c);
        if (n->count)
            memcpy(more, n->at, n->count * sizeof *more);
        n->at = more;
        n->capacity = capacity;
    }
    n->at[n->count++] = (kith_facet){value, count};
    return 0;
}

static int by_value(const void *x, const void *y)
{
    const kith_value *a = &((const kith_facet *)x)->value, *b = &((const kith_facet *)y)->value;
    int order;

    if (a->kind == KITH_VALUE_BOOL)
        return (int)a->boolean - (int)b->boolean;
    if (a->kind == KITH_VALUE_INT)
        return a->num < b->num ? -1 : a->num > b->num;
    order = memcmp(a->str, b->str, MIN(a->size, b->size));
    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

static int by_count(const void *x, const void *y)
{
    const kith_facet *a = x, *b = y;

    return a->count != b->count ? (a->count > b->count ? -1 : 1) : by_value(x, y);
}

static kith_value text_value(const void *s, size_t size)
{
    return (kith_value){.kind = KITH_VALUE_STR, .str = s, .size = (uint32_t)size};
}

static int uuid_value(struct counting *n, const uint8_t uuid[16], kith_value *ret)
{
    char *text = arena_alloc(&n->c->arena, 37);

    if (!text)
        return err_nomem(n->c);
    uuid_text(uuid, text);
    *ret = text_value(text, 36);
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static int key_value(struct counting *n, const struct field_index *x, uint32_t key, kith_value *ret)
{
    int64_t number;

    if (x->kind == KITH_INDEX_UUID)
        return uuid_value(n, x->keys + (size_t)key * 16, ret);
    if (x->kind == KITH_INDEX_KEYWORD) {
        *ret = text_value(x->text + x->offsets[key], x->offsets[key + 1] - x->offsets[key]);
        return 0;
    }
    memcpy(&number, x->keys + (size_t)key * 8, 8);
    *ret = x->kind == KITH_INDEX_BOOL ? (kith_value){.kind = KITH_VALUE_BOOL, .boolean = number != 0}
                                      : (kith_value){.kind = KITH_VALUE_INT, .num = number};
    return 0;
}

static int count_keys(struct counting *n, const struct segment *s, const struct field_index *x, const struct bits *mask,
                      bool all)
{
    bool overlaid = atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) > 0;

    for (uint32_t key = 0; key < x->keys_count; key++) {
        uint64_t rows = x->starts[key + 1] - x->starts[key];
        kith_value value;
        if (key % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(n->c));
        for (uint32_t i = x->starts[key]; i < x->starts[key + 1] && (!all || overlaid); i++) {
            row_id row = x->row_list[i];
            rows -= !bits_get(mask, row) || (overlaid && s->ops->overlaid(s, row, n->r->snap->v));
        }
        if (!rows)
            continue;
        TRY(key_value(n, x, key, &value));
        TRY(push(n, value, rows));
    }
    return 0;
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

static bool value_of(const struct counting *n, struct val v, kith_value *ret, uint8_t uuid[16])
{
    struct bytes s = val_tag(v) == VAL_STR ? val_str(v) : (struct bytes){0};
    double d;

    switch (n->field->def.index) {
    case KITH_INDEX_KEYWORD:
        *ret = text_value(s.data, s.size);
        return val_tag(v) == VAL_STR;
    case KITH_INDEX_UUID:
        return val_tag(v) == VAL_STR && uuid_parse((const char *)s.data, s.size, uuid);
    case KITH_INDEX_BOOL:
        *ret = (kith_value){.kind = KITH_VALUE_BOOL, .boolean = val_tag(v) == VAL_TRUE};
        return val_is_bool(v);
    case KITH_INDEX_INTEGER:
        d = val_tag(v) == VAL_DOUBLE ? val_double(v) : 0.5;
        *ret = (kith_value){.kind = KITH_VALUE_INT, .num = val_tag(v) == VAL_INT ? val_int(v) : 0};
        if (val_tag(v) != VAL_INT && d <= floor(d) && fabs(d) < 9.2e18)
            ret->num = (int64_t)d;
        return val_tag(v) == VAL_INT || (d <= floor(d) && fabs(d) < 9.2e18);
    case KITH_INDEX_NONE: case KITH_INDEX_FLOAT: case KITH_INDEX_DATETIME: case KITH_INDEX_TEXT: case KITH_INDEX_GEO:
        break;
    }
    return false;
}

static int take_value(void *arg, struct val v)
{
    struct counting *n = arg;
    kith_facet one = {.count = 1};
    uint8_t uuid[16];

    if (!value_of(n, v, &one.value, uuid))
        return 0;
    if (n->field->def.index == KITH_INDEX_UUID)
        TRY(uuid_value(n, uuid, &one.value));
    for (size_t i = n->of_row; i < n->count; i++) {
        if (by_value(&n->at[i], &one) == 0)
            return 0; /* twice in one document */
    }
    if (n->field->def.index == KITH_INDEX_KEYWORD) { /* the document goes with the next one */
        one.value.str = arena_str(&n->c->arena, one.value.str, one.value.size);
        if (!one.value.str)
            return err_nomem(n->c);
    }
    return push(n, one.value, 1);
}

/* `only_overlaid`: the others are counted by their keys. */
static int count_documents(struct counting *n, const struct segment *s, const struct bits *mask, bool only_overlaid)
{
    struct doc_room room = {0};
    uint32_t done = 0;
    int rc = 0;

    for (row_id row = bits_next(mask, 0); row != ROW_NONE && rc >= 0; row = bits_next(mask, row + 1)) {
        struct bytes doc;
        lsn at;
        if (++done % LOOK_AT_CLOCK == 0 && (rc = os_in_time(n->c)) < 0)
            break;
        if (only_overlaid && !s->ops->overlaid(s, row, n->r->snap->v))
            continue;
        n->of_row = n->count;
        rc = s->ops->doc(n->c, s, row, n->r->snap->v, &room, &doc, &at);
        if (rc >= 0)
            rc = path_visit_items(&n->field->path, val_of(doc.data, doc.size), take_value, n);
    }
    doc_room_release(&room);
    return rc;
}

static int count_segment(struct counting *n, size_t segment, const struct pred *p)
{
    const struct segment *s = n->r->snap->segments[segment];
    const struct field_index *x = s->ops->field(s, n->field->id);
    struct bits mask;
    bool all;

    TRY(query_mask(n->c, n->r->snap, segment, p, &mask, &all));
    if (!x)
        return count_documents(n, s, &mask, false);
    TRY(count_keys(n, s, x, &mask, all));
    return atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) ? count_documents(n, s, &mask, true) : 0;
}

/* ---- the answer --------------------------------------------------------------------------------------------------- */

struct facets_box {
    kith_facets facets;
    struct arena arena;
};

void kith_facets_free(kith_facets *facets)
{
    struct facets_box *box = facets ? container_of(facets, struct facets_box, facets) : NULL;

    if (!box)
        return;
    arena_release(&box->arena);
    mem_free(box);
}

/* One entry a value. */
static void unite(struct counting *n)
{
    size_t kept = 0;

    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, by_value);
    for (size_t i = 0; i < n->count; i++) {
        if (kept && by_value(&n->at[kept - 1], &n->at[i]) == 0)
            n->at[kept - 1].count += n->at[i].count;
        else
            n->at[kept++] = n->at[i];
    }
    n->count = kept;
    if (n->count)
        qsort(n->at, n->count, sizeof *n->at, by_count);
}

static int give(struct counting *n, uint32_t limit, kith_facets **ret_facets)
{
    struct facets_box *box = mem_zalloc(sizeof *box);
    size_t count = MIN(n->count, (size_t)(limit ? limit : 10));

    if (!box)
        return err_nomem(n->c);
    arena_init(&box->arena);
    *ret_facets = &box->facets;
    box->facets.facets = arena_copy(&box->arena, n->at, MAX(count, (size_t)1) * sizeof *box->facets.facets);
    for (size_t i = 0; box->facets.facets && i < count; i++, box->facets.count++) {
        kith_value *v = &box->facets.facets[i].value;
        if (v->kind == KITH_VALUE_STR && !(v->str = arena_str(&box->arena, v->str, v->size)))
            break;
    }
    if (box->facets.count == count && (box->facets.facets || !count))
        return 0;
    kith_facets_free(&box->facets);
    return err_nomem(n->c);
}

int query_facets(struct ctx *c, const struct runner *r, const char *path, const kith_filter *f, uint32_t limit,
                 kith_facets **ret_facets)
{
    struct counting n = {.c = c, .r = r, .field = schema_field(r->snap->schema, path)};
    kith_index_kind kind = n.field ? n.field->def.index : KITH_INDEX_NONE;
    struct pred *p = NULL;

    if (kind != KITH_INDEX_KEYWORD && kind != KITH_INDEX_INTEGER && kind != KITH_INDEX_BOOL && kind != KITH_INDEX_UUID)
        return err_set(c, KITH_INVALID,
                       "No appropriate index for faceting: `%s`. Please create one to facet on this field. "
                       "Keyword, integer, uuid and bool payloads can be faceted", path);
    if (f)
        TRY(pred_compile(c, r->snap->schema, f, &p));
    n.at = arena_alloc(&c->arena, sizeof *n.at); /* none is a list too */
    if (!n.at)
        return err_nomem(c);
    for (size_t i = 0; i < r->snap->count; i++)
        TRY(count_segment(&n, i, p));
    unite(&n);
    return give(&n, limit, ret_facets);
}
