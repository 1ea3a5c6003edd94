/* scroll.c - points in id order, and points in the order of a field. */
#include "base/ctx.h"
#include "base/id.h"
#include "codec/date.h"
#include "query/query.h"

#include <math.h>
#include <stdlib.h>

struct cursor {
    uint32_t segment;
    const struct segment *s;
    struct bits mask;
    row_id row;
    kith_id id;
};

static void settle(struct cursor *k)
{
    while (k->row != ROW_NONE && (k->row >= k->mask.size || !bits_get(&k->mask, k->row)))
        k->row = k->s->ops->after(k->s, k->row);
    if (k->row != ROW_NONE)
        k->id = k->s->ops->id(k->s, k->row);
}

int scroll_collect(struct ctx *c, const struct runner *r, const kith_query *q, const struct pred *p, size_t want,
                   struct hit_list *out)
{
    const struct snapshot *snap = r->snap;
    struct cursor *cursors = arena_alloc(&c->arena, MAX(snap->count, (size_t)1) * sizeof *cursors);

    if (!cursors)
        return err_nomem(c);
    for (size_t i = 0; i < snap->count; i++) {
        bool all;
        cursors[i].segment = (uint32_t)i;
        cursors[i].s = snap->segments[i];
        TRY(query_mask(c, snap, i, p, &cursors[i].mask, &all));
        cursors[i].row = cursors[i].s->ops->seek(cursors[i].s, q->from);
        settle(&cursors[i]);
    }
    while (out->count < want) {
        struct cursor *least = NULL;
        struct hit_ref hit = {0};
        for (size_t i = 0; i < snap->count; i++) {
            if (cursors[i].row != ROW_NONE && (!least || id_cmp(&cursors[i].id, &least->id) < 0))
                least = &cursors[i];
        }
        if (!least)
            return 0;
        hit.segment = least->segment;
        hit.row = least->row;
        TRY(hits_push(c, out, hit));
        least->row = least->s->ops->after(least->s, least->row);
        settle(least);
    }
    return 0;
}

/* ---- order by ------------------------------------------------------------------------------------- */

struct ordering {
    struct ctx *c;
    const kith_query *q;
    const struct schema_field *field;
    struct hit_list *out;
    uint32_t segment;
    row_id row;
    struct doc_room room;
};

static bool wanted(const struct ordering *o, double v)
{
    return !o->q->has_start || (o->q->descending ? v <= o->q->start : v >= o->q->start);
}

static int push_value(struct ordering *o, row_id row, double v, int64_t i, bool is_int)
{
    struct hit_ref hit = {.segment = o->segment, .row = row, .order = v, .order_int = i, .order_is_int = is_int};

    return wanted(o, v) ? hits_push(o->c, o->out, hit) : 0;
}

static int one_value(void *arg, struct val v)
{
    struct ordering *o = arg;
    struct bytes s;
    int64_t t;
    double d;

    switch (o->field->def.index) {
    case KITH_INDEX_INTEGER:
        if (val_tag(v) == VAL_INT)
            return push_value(o, o->row, (double)val_int(v), val_int(v), true);
        d = val_tag(v) == VAL_DOUBLE ? val_double(v) : 0.5;
        return d == floor(d) && fabs(d) < 9.2e18 ? push_value(o, o->row, d, (int64_t)d, true) : 0;
    case KITH_INDEX_FLOAT:
        return val_is_num(v) ? push_value(o, o->row, val_double(v), 0, false) : 0;
    case KITH_INDEX_DATETIME:
        s = val_str(v);
        if (val_tag(v) == VAL_STR && date_parse((const char *)s.data, s.size, &t))
            return push_value(o, o->row, (double)t, t, true);
        return 0;
    case KITH_INDEX_NONE: case KITH_INDEX_KEYWORD: case KITH_INDEX_BOOL: case KITH_INDEX_UUID: case KITH_INDEX_TEXT:
    case KITH_INDEX_GEO:
        break;
    }
    return 0;
}

static int order_row(struct ordering *o, const struct segment *s, row_id row, lsn v)
{
    struct bytes doc;
    lsn at;

    TRY(s->ops->doc(o->c, s, row, v, &o->room, &doc, &at));
    o->row = row;
    return path_visit_items(&o->field->path, val_of(doc.data, doc.size), one_value, o);
}

/* Keys in the asked order until `want` values are found; a key's rows are taken whole. */
static int order_indexed(struct ordering *o, const struct snapshot *snap, const struct field_index *x,
                         const struct bits *mask, size_t want)
{
    const struct segment *s = snap->segments[o->segment];
    size_t before = o->out->count;
    uint32_t n = x->keys_count, from = 0;

    if (o->q->has_start)
        from = o->q->descending ? n - field_key_from(x, o->q->start, true) : field_key_from(x, o->q->start, false);
    for (uint32_t i = from; i < n && o->out->count - before < want; i++) {
        uint32_t key = o->q->descending ? n - 1 - i : i;
        bool is_int;
        int64_t value;
        double number = field_key_number(x, key, &value, &is_int);
        for (uint32_t j = x->starts[key]; j < x->starts[key + 1]; j++) {
            row_id row = x->row_list[j];
            if (bits_get(mask, row) && !s->ops->overlaid(s, row, snap->v))
                TRY(push_value(o, row, number, value, is_int));
        }
    }
    return 0;
}

static int order_segment(struct ordering *o, const struct snapshot *snap, const struct pred *p, size_t want)
{
    const struct segment *s = snap->segments[o->segment];
    const struct field_index *x = s->ops->field(s, o->field->id);
    struct bits mask;
    bool all;

    TRY(query_mask(o->c, snap, o->segment, p, &mask, &all));
    if (x)
        TRY(order_indexed(o, snap, x, &mask, want));
    if (x && !atomic_load(&s->overlaid_count))
        return 0;
    for (row_id row = bits_next(&mask, 0); row != ROW_NONE; row = bits_next(&mask, row + 1)) {
        if (!x || s->ops->overlaid(s, row, snap->v))
            TRY(order_row(o, s, row, snap->v));
    }
    return 0;
}

int order_collect(struct ctx *c, const struct runner *r, const kith_query *q, const struct pred *p, size_t want,
                  struct hit_list *out)
{
    const struct snapshot *snap = r->snap;
    struct ordering o = {.c = c, .q = q, .out = out};
    int rc = 0;

    o.field = schema_field(snap->schema, q->order_path ? q->order_path : "");
    if (!o.field || (o.field->def.index != KITH_INDEX_INTEGER && o.field->def.index != KITH_INDEX_FLOAT &&
                     o.field->def.index != KITH_INDEX_DATETIME))
        return err_set(c, KITH_INVALID,
                       "No range index for `order_by` key: `%s`. Please create one to use `order_by`. "
                       "Integer, float and datetime payloads can have range indexes",
                       q->order_path ? q->order_path : "");
    for (; o.segment < snap->count && rc >= 0; o.segment++)
        rc = order_segment(&o, snap, p, want);
    doc_room_release(&o.room);
    return rc;
}
