/* record.c - checking, encoding and decoding writes. */
#include "op/record.h"

#include "base/ctx.h"
#include "base/id.h"
#include "codec/date.h"
#include "codec/json.h"
#include "doc/text.h"
#include "op/match.h"

#include <math.h>

enum { RECORD_FORM = 2, RECORD_OF_FLOATS = 1, COUNT_MAX = 1 << 24 };

struct encoder {
    struct ctx *c;
    const struct schema *schema;
    const struct kernels *kernels;
    struct buf *out;
    float *room; /* for elements on their way to another kind */
    uint32_t room_dim;
};

/* ---- encode: documents ------------------------------------------------------------------------ */

static const char *type_name(kith_type type)
{
    static const char *const names[] = {"any", "bool", "int8", "int16", "int32", "int64", "float", "double",
                                        "string", "json", "array", "datetime", "uuid"};
    return names[type];
}

static bool fits_int(struct val v, int64_t low, int64_t high)
{
    return val_tag(v) == VAL_INT && val_int(v) >= low && val_int(v) <= high;
}

static bool type_fits(const kith_field *f, kith_type type, struct val v)
{
    struct bytes s;
    int64_t t;
    uint8_t uuid[16];

    switch (type) {
    case KITH_TYPE_ANY: case KITH_TYPE_JSON: return true;
    case KITH_TYPE_BOOL: return val_is_bool(v);
    case KITH_TYPE_INT8: return fits_int(v, INT8_MIN, INT8_MAX);
    case KITH_TYPE_INT16: return fits_int(v, INT16_MIN, INT16_MAX);
    case KITH_TYPE_INT32: return fits_int(v, INT32_MIN, INT32_MAX);
    case KITH_TYPE_INT64: return val_tag(v) == VAL_INT;
    case KITH_TYPE_FLOAT: return val_is_num(v) && fabs(val_double(v)) <= 3.4028234663852886e38;
    case KITH_TYPE_DOUBLE: return val_is_num(v);
    case KITH_TYPE_STRING:
        return val_tag(v) == VAL_STR && (!f->size_max || val_str(v).size <= f->size_max);
    case KITH_TYPE_ARRAY:
        return val_tag(v) == VAL_ARRAY && (!f->size_max || val_count(v) <= f->size_max);
    case KITH_TYPE_DATETIME:
        s = val_str(v);
        return val_tag(v) == VAL_STR && date_parse((const char *)s.data, s.size, &t);
    case KITH_TYPE_UUID:
        s = val_str(v);
        return val_tag(v) == VAL_STR && uuid_parse((const char *)s.data, s.size, uuid);
    }
    return false;
}

struct checking {
    struct encoder *e;
    const kith_field *f;
    bool found;
};

static int check_value(void *arg, struct val v)
{
    struct checking *k = arg;
    const kith_field *f = k->f;
    struct val_iter it;
    struct bytes key;
    struct val item;

    k->found = true;
    if (val_tag(v) == VAL_NULL && f->nullable)
        return 0;
    if (!type_fits(f, f->type, v))
        return err_set(k->e->c, KITH_INVALID, "field \"%s\": the value does not fit type %s", f->path,
                       type_name(f->type));
    if (f->type == KITH_TYPE_ARRAY) {
        kith_field element = *f;
        element.size_max = 0;
        for (it = val_iter(v); val_next(&it, &key, &item);) {
            if (!type_fits(&element, f->element, item))
                return err_set(k->e->c, KITH_INVALID, "field \"%s\": an element does not fit type %s", f->path,
                               type_name(f->element));
        }
    }
    return 0;
}

/* Declared fields: right types, defaults filled in. `whole`: absent fields count too. */
static int check_declared(struct encoder *e, struct buf *doc, bool whole)
{
    for (size_t i = 0; i < e->schema->fields_count; i++) {
        const struct schema_field *f = &e->schema->fields[i];
        struct checking k = {e, &f->def, false};
        if (f->def.type == KITH_TYPE_ANY)
            continue;
        TRY(path_visit(&f->path, val_of(doc->data, doc->size), check_value, &k));
        if (k.found || !whole)
            continue;
        if (f->def.initial && f->path.count == 1) {
            struct node *root;
            struct buf one;
            yyjson_doc *json;
            int rc = json_parse(e->c, f->def.initial, strlen(f->def.initial), &json);
            if (rc < 0)
                return rc;
            buf_init(&one);
            buf_u8(&one, VAL_OBJECT);
            buf_zero(&one, 8);
            buf_blob(&one, f->path.steps[0].key.data, f->path.steps[0].key.size);
            rc = val_from_json(e->c, yyjson_doc_get_root(json), &one);
            yyjson_doc_free(json);
            if (rc >= 0) {
                uint32_t size = (uint32_t)(one.size - 9), count = 1;
                uint8_t *copy;
                memcpy(one.data + 1, &size, 4);
                memcpy(one.data + 5, &count, 4);
                copy = arena_copy(&e->c->arena, doc->data, doc->size);
                rc = copy ? node_from(e->c, val_of(copy, doc->size), &root) : err_nomem(e->c);
                if (rc >= 0)
                    rc = node_merge(e->c, root, val_of(one.data, one.size));
                if (rc >= 0) {
                    doc->size = 0;
                    node_encode(root, doc);
                }
            }
            buf_release(&one);
            TRY(rc);
        } else if (!f->def.nullable) {
            return err_set(e->c, KITH_INVALID, "field \"%s\": missing, expected %s", f->def.path,
                           type_name(f->def.type));
        }
    }
    return 0;
}

static int doc_bytes(struct encoder *e, const kith_doc *doc, struct buf *ret)
{
    yyjson_doc *json;
    int rc;

    switch (doc->form) {
    case KITH_DOC_NONE:
        buf_u8(ret, VAL_OBJECT);
        buf_zero(ret, 8);
        return ret->failed ? err_nomem(e->c) : 0;
    case KITH_DOC_BINARY:
        if (!val_check(doc->data, doc->size))
            return err_set(e->c, KITH_INVALID, "document: malformed binary form");
        buf_put(ret, doc->data, doc->size);
        break;
    case KITH_DOC_JSON:
        rc = json_parse(e->c, doc->data, doc->size, &json);
        if (rc >= 0) {
            rc = val_from_json(e->c, yyjson_doc_get_root(json), ret);
            yyjson_doc_free(json);
        }
        TRY(rc);
        break;
    default:
        return err_set(e->c, KITH_INVALID, "document: unknown form %d", (int)doc->form);
    }
    if (ret->failed)
        return err_nomem(e->c);
    if (val_tag(val_of(ret->data, ret->size)) != VAL_OBJECT)
        return err_set(e->c, KITH_INVALID, "document: expected an object");
    return 0;
}

static int put_doc(struct encoder *e, const kith_doc *doc, bool whole)
{
    struct buf bytes;
    int rc;

    buf_init(&bytes);
    rc = doc_bytes(e, doc, &bytes);
    if (rc >= 0)
        rc = check_declared(e, &bytes, whole);
    if (rc >= 0)
        buf_blob(e->out, bytes.data, bytes.size);
    buf_release(&bytes);
    return rc;
}

/* ---- encode: the rest --------------------------------------------------------------------------- */

static int check_id(struct encoder *e, const kith_id *id)
{
    if (id->kind > KITH_ID_STR)
        return err_set(e->c, KITH_INVALID, "id: unknown kind %d", id->kind);
    if (id->kind == KITH_ID_STR && (id->size < 1 || id->size > ID_STR_MAX))
        return err_set(e->c, KITH_INVALID, "id: %d bytes, expected 1 to %d", id->size, ID_STR_MAX);
    return 0;
}

enum { MULTI = 0x80 }; /* beside the element */

static int make_room(struct encoder *e, uint32_t dim)
{
    if (e->room_dim >= dim)
        return 0;
    e->room = arena_alloc(&e->c->arena, (size_t)dim * sizeof *e->room);
    e->room_dim = e->room ? dim : 0;
    return e->room ? 0 : err_nomem(e->c);
}

static int put_vector(struct encoder *e, const kith_vector *v)
{
    const struct schema_vector *s = schema_vector(e->schema, v->name ? v->name : "");
    size_t at;

    if (!s)
        return err_set(e->c, KITH_INVALID, "Not existing vector name error: %s", v->name ? v->name : "");
    TRY(vector_check(e->c, s, v));
    if (s->element != KITH_F32 && element_is_number(s->element))
        TRY(make_room(e, s->dim));
    buf_varint(e->out, s->id);
    buf_varint(e->out, s->element == KITH_SPARSE ? v->dim : s->dim);
    buf_u8(e->out, (uint8_t)(s->element | (s->multi ? MULTI : 0)));
    if (s->multi)
        buf_varint(e->out, MAX(v->count, 1u));
    buf_align(e->out, 4);
    at = e->out->size;
    if (buf_reserve(e->out, vector_size_of(s, v)) < 0)
        return err_nomem(e->c);
    e->out->size += vector_size_of(s, v);
    return vector_take(e->c, s, e->kernels, v, e->room, e->out->data + at);
}

static int put_point(struct encoder *e, const kith_point *p, bool with_doc)
{
    TRY(check_id(e, &p->id));
    id_put(e->out, &p->id);
    buf_u8(e->out, with_doc);
    if (with_doc)
        TRY(put_doc(e, &p->doc, true));
    if (p->vectors_count > VECTORS_MAX)
        return err_set(e->c, KITH_INVALID, "point: %zu vectors, at most %d", p->vectors_count, VECTORS_MAX);
    buf_varint(e->out, p->vectors_count);
    for (size_t i = 0; i < p->vectors_count; i++)
        TRY(put_vector(e, &p->vectors[i]));
    return 0;
}

static size_t places_of(const kith_filter *f)
{
    return f->kind == KITH_COND_GEO_BOX ? 2 : f->kind == KITH_COND_GEO_RADIUS ? 1 : 0;
}

/* What the first release's conditions do not have. How words are made is written down: when the record is read again the
 * field may have another index. */
static void put_filter_more(struct buf *b, const kith_filter *f, const struct pred *p)
{
    if (p->text) {
        text_encode(p->text, b);
    }
    buf_varint(b, f->slice);
    buf_put(b, &f->radius, sizeof f->radius);
    if (places_of(f))
        buf_put(b, f->places, places_of(f) * sizeof *f->places);
    buf_varint(b, f->rings_count);
    for (size_t i = 0; i < f->rings_count; i++) {
        buf_varint(b, f->rings[i].count);
        buf_put(b, f->rings[i].points, f->rings[i].count * sizeof *f->rings[i].points);
    }
}

static int put_filter(struct encoder *e, const kith_filter *f, const struct pred *p)
{
    struct buf *b = e->out;

    buf_u8(b, (uint8_t)f->kind);
    buf_str(b, f->path);
    buf_varint(b, f->subs_count);
    for (size_t i = 0; i < f->subs_count; i++)
        TRY(put_filter(e, &f->subs[i], &p->subs[i]));
    buf_varint(b, f->values_count);
    for (size_t i = 0; i < f->values_count; i++) {
        const kith_value *v = &f->values[i];
        buf_u8(b, v->kind);
        if (v->kind == KITH_VALUE_STR)
            buf_blob(b, v->str, v->size);
        else
            buf_u64(b, v->kind == KITH_VALUE_BOOL ? v->boolean : (uint64_t)v->num);
    }
    buf_varint(b, f->ids_count);
    for (size_t i = 0; i < f->ids_count; i++) {
        TRY(check_id(e, &f->ids[i]));
        id_put(b, &f->ids[i]);
    }
    buf_varint(b, f->least);
    buf_u8(b, f->flag);
    buf_u8(b, f->bounds);
    buf_put(b, &f->range, sizeof f->range);
    buf_put(b, &f->times, sizeof f->times);
    if (f->kind > KITH_COND_NESTED)
        put_filter_more(b, f, p);
    return 0;
}

static int put_optional_filter(struct encoder *e, const kith_filter *f)
{
    struct pred *p;

    buf_u8(e->out, f != NULL);
    if (!f)
        return 0;
    TRY(pred_compile(e->c, e->schema, f, &p)); /* the checks are wanted, here and not at apply */
    return put_filter(e, f, p);
}

static int put_names(struct encoder *e, const kith_op *op)
{
    struct path path;

    buf_varint(e->out, op->kind == KITH_DELETE_VECTORS ? 0 : op->names_count);
    for (size_t i = 0; i < op->names_count && op->kind != KITH_DELETE_VECTORS; i++) {
        TRY(path_parse(e->c, op->names[i], &path));
        buf_str(e->out, op->names[i]);
    }
    buf_varint(e->out, op->kind == KITH_DELETE_VECTORS ? op->names_count : 0);
    for (size_t i = 0; i < op->names_count && op->kind == KITH_DELETE_VECTORS; i++) {
        const struct schema_vector *v = schema_vector(e->schema, op->names[i]);
        if (!v)
            return err_set(e->c, KITH_INVALID, "Not existing vector name error: %s", op->names[i]);
        buf_varint(e->out, v->id);
    }
    return 0;
}

static int put_op(struct encoder *e, const kith_op *op)
{
    bool has_doc = op->kind == KITH_SET_DOC || op->kind == KITH_OVERWRITE_DOC;
    struct path path;

    if (op->kind < KITH_UPSERT || op->kind > KITH_DELETE_VECTORS || op->mode > KITH_MODE_UPDATE_ONLY)
        return err_set(e->c, KITH_INVALID, "operation: unknown kind %d or mode %d", (int)op->kind, (int)op->mode);
    if (op->points_count > COUNT_MAX || op->ids_count > COUNT_MAX)
        return err_set(e->c, KITH_LIMIT, "operation: more than %d points", COUNT_MAX);
    buf_u8(e->out, (uint8_t)op->kind);
    buf_u8(e->out, (uint8_t)op->mode);
    buf_varint(e->out, op->points_count);
    for (size_t i = 0; i < op->points_count; i++)
        TRY(put_point(e, &op->points[i], op->kind == KITH_UPSERT));
    buf_varint(e->out, op->ids_count);
    for (size_t i = 0; i < op->ids_count; i++) {
        TRY(check_id(e, &op->ids[i]));
        id_put(e->out, &op->ids[i]);
    }
    TRY(put_optional_filter(e, op->filter));
    TRY(put_optional_filter(e, op->only_if));
    buf_u8(e->out, has_doc);
    if (has_doc)
        TRY(put_doc(e, &op->doc, op->kind == KITH_OVERWRITE_DOC));
    if (op->path)
        TRY(path_parse(e->c, op->path, &path));
    buf_u8(e->out, op->path != NULL);
    if (op->path)
        buf_str(e->out, op->path);
    return put_names(e, op);
}

int record_encode(struct ctx *c, const struct schema *schema, const struct kernels *k, uint64_t shard,
                  uint64_t time_ms, const kith_op *ops, size_t count, struct buf *out)
{
    struct encoder e = {.c = c, .schema = schema, .kernels = k, .out = out};

    if (!count || count > 10000)
        return err_set(c, KITH_INVALID, "write: %zu operations, expected 1 to 10000", count);
    buf_u8(out, RECORD_FORM);
    buf_varint(out, shard);
    buf_varint(out, time_ms);
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++)
        TRY(put_op(&e, &ops[i]));
    return out->failed ? err_nomem(c) : 0;
}

/* ---- decode ------------------------------------------------------------------------------------- */

struct decoder {
    struct reader r;
    const uint8_t *start;
    struct arena *arena;
    struct record *record;
    uint8_t form;
};

static void *take(struct decoder *d, uint64_t count, size_t size)
{
    void *p;

    if (d->r.failed || count > (uint64_t)(d->r.end - d->r.at) + 1) { /* each item has at least a byte */
        d->r.failed = true;
        return NULL;
    }
    p = arena_zalloc(d->arena, (size_t)count * size);
    if (!p)
        d->r.failed = true;
    return p;
}

static void read_vector(struct decoder *d, struct rec_vector *v)
{
    uint64_t many;
    uint8_t kind;
    size_t at, one;

    v->id = (uint32_t)read_varint(&d->r);
    v->dim = (uint32_t)read_varint(&d->r);
    kind = d->form == RECORD_OF_FLOATS ? KITH_F32 : read_u8(&d->r);
    v->multi = kind & MULTI;
    v->element = (kith_element)(kind & ~MULTI);
    many = v->multi ? read_varint(&d->r) : 1;
    if (!element_is_known(v->element) || (v->multi && v->element == KITH_SPARSE) || v->dim > BITS_MAX || many < 1 ||
        many > MANY_ELEMENTS) {
        d->r.failed = true;
        return;
    }
    at = (size_t)(d->r.at - d->start);
    (void)read_bytes(&d->r, align_up(at, 4) - at);
    one = element_size(v->element, v->dim);
    v->size = v->multi ? many_size(one, (uint32_t)many) : v->element == KITH_SPARSE ? sparse_size(v->dim) : one;
    v->data = read_bytes(&d->r, v->size);
    if (!d->r.failed && ((v->element == KITH_SPARSE && sparse_of(v->data).count != v->dim) ||
                         (v->multi && many_of(v->data).count != many)))
        d->r.failed = true;
}

static void read_point(struct decoder *d, struct rec_point *p)
{
    struct rec_vector *vectors;
    uint64_t count;

    p->id = id_read(&d->r);
    if (read_u8(&d->r)) {
        p->doc = read_blob(&d->r);
        d->record->bytes += p->doc.size;
    }
    count = read_varint(&d->r);
    vectors = take(d, count, sizeof *vectors);
    for (uint64_t i = 0; i < count && !d->r.failed; i++)
        read_vector(d, &vectors[i]);
    p->vectors = vectors;
    p->vectors_count = (uint32_t)count;
    d->record->points++;
}

/* They need not be aligned where they lie. */
static const kith_geo_point *read_places(struct decoder *d, uint64_t count)
{
    kith_geo_point *places = take(d, count, sizeof *places);
    const uint8_t *p = places ? read_bytes(&d->r, count * sizeof *places) : NULL;

    if (p)
        memcpy(places, p, (size_t)count * sizeof *places);
    return places;
}

static void read_filter_more(struct decoder *d, kith_filter *f)
{
    bool text = f->kind == KITH_COND_TEXT || f->kind == KITH_COND_TEXT_ANY || f->kind == KITH_COND_PHRASE;
    kith_text *how = text ? take(d, 1, sizeof *how) : NULL;
    kith_geo_ring *rings;
    const uint8_t *p;

    if (how) {
        f->how = how;
        d->r.failed = !text_decode(&d->r, d->arena, how) || text_problem(how);
    }
    f->slice = read_varint(&d->r);
    if ((p = read_bytes(&d->r, sizeof f->radius)))
        memcpy(&f->radius, p, sizeof f->radius);
    if (places_of(f))
        f->places = read_places(d, places_of(f));
    f->rings_count = (size_t)read_varint(&d->r);
    f->rings = rings = take(d, f->rings_count, sizeof *rings);
    for (size_t i = 0; i < f->rings_count && !d->r.failed; i++) {
        rings[i].count = (size_t)read_varint(&d->r);
        rings[i].points = read_places(d, rings[i].count);
    }
}

static const kith_filter *read_filter(struct decoder *d, kith_filter *f, int depth)
{
    struct bytes s;
    kith_filter *subs;
    kith_value *values;
    kith_id *ids;
    const uint8_t *p;

    if (depth > 40)
        d->r.failed = true;
    f->kind = (kith_cond)read_u8(&d->r);
    f->path = read_str(&d->r, d->arena);
    f->subs_count = (size_t)read_varint(&d->r);
    f->subs = subs = take(d, f->subs_count, sizeof *subs);
    for (size_t i = 0; i < f->subs_count && !d->r.failed; i++)
        (void)read_filter(d, &subs[i], depth + 1);
    f->values_count = (size_t)read_varint(&d->r);
    f->values = values = take(d, f->values_count, sizeof *values);
    for (size_t i = 0; i < f->values_count && !d->r.failed; i++) {
        values[i].kind = read_u8(&d->r);
        if (values[i].kind == KITH_VALUE_STR) {
            s = read_blob(&d->r);
            values[i].str = (const char *)s.data;
            values[i].size = (uint32_t)s.size;
        } else {
            values[i].num = (int64_t)read_u64(&d->r);
            values[i].boolean = values[i].num != 0;
        }
    }
    f->ids_count = (size_t)read_varint(&d->r);
    f->ids = ids = take(d, f->ids_count, sizeof *ids);
    for (size_t i = 0; i < f->ids_count && !d->r.failed; i++)
        ids[i] = id_read(&d->r);
    f->least = read_varint(&d->r);
    f->flag = read_u8(&d->r);
    f->bounds = read_u8(&d->r);
    if ((p = read_bytes(&d->r, sizeof f->range)))
        memcpy(&f->range, p, sizeof f->range);
    if ((p = read_bytes(&d->r, sizeof f->times)))
        memcpy(&f->times, p, sizeof f->times);
    if (f->kind > KITH_COND_NESTED)
        read_filter_more(d, f);
    return f;
}

static const kith_filter *read_optional_filter(struct decoder *d)
{
    kith_filter *f = read_u8(&d->r) ? take(d, 1, sizeof *f) : NULL;

    return f ? read_filter(d, f, 0) : NULL;
}

static void read_op(struct decoder *d, struct rec_op *op)
{
    struct rec_point *points;
    kith_id *ids;
    const char **names;
    uint32_t *vector_ids;

    op->kind = (kith_op_kind)read_u8(&d->r);
    op->mode = (kith_mode)read_u8(&d->r);
    op->points_count = (uint32_t)read_varint(&d->r);
    op->points = points = take(d, op->points_count, sizeof *points);
    for (uint32_t i = 0; i < op->points_count && !d->r.failed; i++)
        read_point(d, &points[i]);
    op->ids_count = (uint32_t)read_varint(&d->r);
    op->ids = ids = take(d, op->ids_count, sizeof *ids);
    for (uint32_t i = 0; i < op->ids_count && !d->r.failed; i++)
        ids[i] = id_read(&d->r);
    op->filter = read_optional_filter(d);
    op->only_if = read_optional_filter(d);
    if (read_u8(&d->r))
        op->doc = read_blob(&d->r);
    if (read_u8(&d->r))
        op->path = read_str(&d->r, d->arena);
    op->names_count = (uint32_t)read_varint(&d->r);
    op->names = names = take(d, op->names_count, sizeof *names);
    for (uint32_t i = 0; i < op->names_count && !d->r.failed; i++)
        names[i] = read_str(&d->r, d->arena);
    op->vector_ids_count = (uint32_t)read_varint(&d->r);
    op->vector_ids = vector_ids = take(d, op->vector_ids_count, sizeof *vector_ids);
    for (uint32_t i = 0; i < op->vector_ids_count && !d->r.failed; i++)
        vector_ids[i] = (uint32_t)read_varint(&d->r);
}

static bool read_head(struct reader *r, struct record *record, uint8_t *ret_form)
{
    uint8_t form = *ret_form = read_u8(r);

    record->shard = read_varint(r);
    record->time_ms = read_varint(r);
    return !r->failed && (form == RECORD_FORM || form == RECORD_OF_FLOATS);
}

static int head_of(struct ctx *c, struct bytes data, struct record *ret)
{
    struct reader r = reader_of(data.data, data.size);
    uint8_t form;

    return read_head(&r, ret, &form) ? 0 : err_set(c, KITH_CORRUPT, "log record: unreadable head");
}

int record_shard(struct ctx *c, struct bytes data, uint64_t *ret_shard)
{
    struct record record;

    TRY(head_of(c, data, &record));
    *ret_shard = record.shard;
    return 0;
}

int record_time(struct ctx *c, struct bytes data, uint64_t *ret_ms)
{
    struct record record;

    TRY(head_of(c, data, &record));
    *ret_ms = record.time_ms;
    return 0;
}

int record_decode(struct ctx *c, struct bytes data, struct record *ret_record)
{
    struct record record = {0};
    struct decoder d = {.r = reader_of(data.data, data.size), .start = data.data, .arena = &c->arena,
                        .record = &record};
    struct rec_op *ops;
    uint64_t count;

    if (!read_head(&d.r, &record, &d.form))
        return err_set(c, KITH_CORRUPT, "log record: unreadable head");
    count = read_varint(&d.r);
    record.ops = ops = take(&d, count, sizeof *ops);
    for (uint64_t i = 0; i < count && !d.r.failed; i++)
        read_op(&d, &ops[i]);
    if (d.r.failed || d.r.at != d.r.end)
        return err_set(c, KITH_CORRUPT, "log record: malformed");
    record.ops_count = (uint32_t)count;
    record.bytes += data.size;
    *ret_record = record;
    return 0;
}
