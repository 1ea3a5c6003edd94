/* schema.c - making, changing, storing schemas. */
#include "op/schema.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "codec/json.h"
#include "doc/text.h"

enum { LINKS_MIN = 16, LINKS_MAX = 64, WIDTH_MIN = 16, WIDTH_MAX = 1024, FORM = 5, LISTS_MAX = 65536 };

static bool name_allowed(const char *name, size_t max)
{
    if (strlen(name) > max)
        return false;
    for (const char *p = name; *p; p++) {
        if (strchr("<>:\"/\\|?*\x1f", *p))
            return false;
    }
    return true;
}

static struct schema *schema_empty(void)
{
    struct schema *s = mem_zalloc(sizeof *s);

    if (s) {
        atomic_init(&s->refs, 1);
        arena_init(&s->arena);
        s->next_id = 1;
        s->version = 1;
    }
    return s;
}

static const char *keep(struct schema *s, const char *text)
{
    return text ? arena_str(&s->arena, text, strlen(text)) : NULL;
}

static int check_elements(struct ctx *c, const kith_vector_params *v)
{
    if (v->metric < KITH_COSINE || v->metric > KITH_JACCARD)
        return err_set(c, KITH_INVALID, "vector \"%s\": unknown metric %d", v->name, (int)v->metric);
    if (!element_is_known(v->element))
        return err_set(c, KITH_INVALID, "vector \"%s\": unknown element %d", v->name, (int)v->element);
    if (v->element != KITH_SPARSE && v->idf)
        return err_set(c, KITH_INVALID, "vector \"%s\": idf is for sparse ones", v->name);
    if (v->element == KITH_SPARSE && v->multi)
        return err_set(c, KITH_INVALID, "vector \"%s\": there are no lists of sparse ones", v->name);
    if (v->element == KITH_SPARSE && (v->dim || v->metric != KITH_DOT))
        return err_set(c, KITH_INVALID, "vector \"%s\": sparse ones have no size, and are compared by dot", v->name);
    if (v->element == KITH_SPARSE)
        return 0;
    if (v->element == KITH_BIT ? v->metric != KITH_DOT && v->metric < KITH_HAMMING : v->metric >= KITH_HAMMING)
        return err_set(c, KITH_INVALID, "vector \"%s\": %s", v->name,
                       v->element == KITH_BIT ? "vectors of bits are compared by hamming, jaccard or dot"
                                              : "hamming and jaccard compare vectors of bits");
    if (v->dim < 1 || v->dim > (v->element == KITH_BIT ? BITS_MAX : DIM_MAX))
        return err_set(c, KITH_INVALID, "vector \"%s\": size %u, expected 1 to %d", v->name, v->dim,
                       v->element == KITH_BIT ? BITS_MAX : DIM_MAX);
    if (v->element == KITH_BIT && v->dim % 8)
        return err_set(c, KITH_INVALID, "vector \"%s\": %u bits, expected a multiple of 8", v->name, v->dim);
    return 0;
}

static int check_range(struct ctx *c, const char *name, const char *what, uint32_t n, uint32_t least, uint32_t most)
{
    if (!n || (n >= least && n <= most))
        return 0;
    return err_set(c, KITH_INVALID, "vector \"%s\": %u %s, expected 0, or %u to %u", name, n, what, least, most);
}

static int check_index(struct ctx *c, const kith_vector_params *v)
{
    const kith_vector_index *x = &v->index;

    if (x->method > KITH_METHOD_LISTS)
        return err_set(c, KITH_INVALID, "vector \"%s\": unknown method %d", v->name, (int)x->method);
    if (x->codes > KITH_CODES_PRODUCT)
        return err_set(c, KITH_INVALID, "vector \"%s\": unknown codes %d", v->name, (int)x->codes);
    if (x->codes && (!element_is_number(v->element) || (v->metric == KITH_MANHATTAN && x->codes != KITH_CODES_PRODUCT)))
        return err_set(c, KITH_INVALID, "vector \"%s\": these codes are not for %s", v->name,
                       element_is_number(v->element) ? "manhattan" : "such elements");
    TRY(check_range(c, v->name, "links", x->links, LINKS_MIN, LINKS_MAX));
    TRY(check_range(c, v->name, "of build width", x->build_width, WIDTH_MIN, WIDTH_MAX));
    TRY(check_range(c, v->name, "lists", x->lists, 1, LISTS_MAX));
    return check_range(c, v->name, "bytes a code", x->code_bytes, 1, v->dim);
}

static int add_vector(struct ctx *c, struct schema *s, const kith_vector_params *v, uint32_t id)
{
    struct schema_vector *to = &s->vectors[s->vectors_count];

    if (!v->name || !name_allowed(v->name, 200))
        return err_set(c, KITH_INVALID, "vector name \"%.64s\": expected at most 200 bytes without < > : \" / \\ | ? *",
                       v->name ? v->name : "(null)");
    TRY(check_elements(c, v));
    TRY(check_index(c, v));
    if (schema_vector(s, v->name))
        return err_set(c, KITH_INVALID, "vector \"%s\": named twice", v->name);
    *to = (struct schema_vector){.id = id, .dim = v->dim, .metric = v->metric, .name = keep(s, v->name),
                                 .config = keep(s, v->config), .index = v->index, .element = v->element,
                                 .idf = v->idf, .multi = v->multi,
                                 .size = v->element == KITH_SPARSE ? 0 : element_size(v->element, v->dim)};
    s->vectors_count++;
    return to->name ? 0 : err_nomem(c);
}

static int add_field(struct ctx *c, struct schema *s, const kith_field *f, uint32_t id)
{
    struct schema_field *to = &s->fields[s->fields_count];

    if (!f->path)
        return err_set(c, KITH_INVALID, "field: expected a path");
    if (f->type > KITH_TYPE_UUID || f->index > KITH_INDEX_GEO)
        return err_set(c, KITH_INVALID, "field \"%s\": unknown type or index", f->path);
    if (text_problem(&f->text))
        return err_set(c, KITH_INVALID, "field \"%s\": %s", f->path, text_problem(&f->text));
    if (f->initial) {
        yyjson_doc *doc;
        TRY(json_parse(c, f->initial, strlen(f->initial), &doc));
        yyjson_doc_free(doc);
    }
    to->def = *f;
    to->id = id;
    to->def.path = keep(s, f->path);
    to->def.initial = keep(s, f->initial);
    to->def.config = keep(s, f->config);
    to->def.text.stem = keep(s, f->text.stem);
    to->def.text.stops = keep(s, f->text.stops);
    if (!to->def.path || (f->text.stem && !to->def.text.stem) || (f->text.stops && !to->def.text.stops))
        return err_nomem(c);
    TRY(path_parse(c, to->def.path, &to->path));
    if (schema_field(s, f->path))
        return err_set(c, KITH_INVALID, "field \"%s\": named twice", f->path);
    s->fields_count++;
    return 0;
}

static int make_room(struct ctx *c, struct schema *s, size_t vectors, size_t fields)
{
    if (vectors > VECTORS_MAX)
        return err_set(c, KITH_INVALID, "vectors: %zu, at most %d", vectors, VECTORS_MAX);
    if (fields > FIELDS_MAX)
        return err_set(c, KITH_INVALID, "fields: %zu, at most %d", fields, FIELDS_MAX);
    s->vectors = arena_zalloc(&s->arena, vectors * sizeof *s->vectors);
    s->fields = arena_zalloc(&s->arena, fields * sizeof *s->fields);
    return s->vectors && s->fields ? 0 : err_nomem(c);
}

int schema_new(struct ctx *c, const kith_schema *from, struct schema **ret_schema)
{
    struct schema *s = schema_empty();
    int rc = s ? make_room(c, s, from->vectors_count, from->fields_count) : err_nomem(c);

    for (size_t i = 0; i < from->vectors_count && rc >= 0; i++)
        rc = add_vector(c, s, &from->vectors[i], s->next_id++);
    for (size_t i = 0; i < from->fields_count && rc >= 0; i++)
        rc = add_field(c, s, &from->fields[i], s->next_id++);
    if (rc >= 0)
        s->config = keep(s, from->config);
    if (rc < 0) {
        schema_unref(s);
        return rc;
    }
    *ret_schema = s;
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Only what it was made with may differ: its index goes on. */
static bool same_field(const kith_field *a, const kith_field *b)
{
    return a->type == b->type && a->element == b->element && a->index == b->index && text_same(&a->text, &b->text) &&
           a->text.scored == b->text.scored && a->text.phrases == b->text.phrases && a->nullable == b->nullable &&
           a->size_max == b->size_max && same_text(a->initial, b->initial);
}

static int copy_changed(struct ctx *c, const struct schema *from, const struct schema_change *change, struct schema *s)
{
    const struct schema_field *same = change->field && change->field->path ? schema_field(from, change->field->path)
                                                                           : NULL;

    s->version = from->version + 1;
    s->next_id = from->next_id;
    s->config = keep(s, change->config ? change->config : from->config);
    TRY(make_room(c, s, from->vectors_count + (change->add_vector != NULL), from->fields_count + 1));
    if (change->add_vector && change->add_vector->name && schema_vector(from, change->add_vector->name))
        return err_set(c, KITH_EXISTS, "vector \"%.80s\" exists already", change->add_vector->name);
    if (change->drop_vector && !schema_vector(from, change->drop_vector))
        return err_set(c, KITH_NOT_FOUND, "Not existing vector name error: %.80s", change->drop_vector);
    for (size_t i = 0; i < from->vectors_count; i++) {
        const struct schema_vector *v = &from->vectors[i];
        if (change->drop_vector && strcmp(change->drop_vector, v->name) == 0)
            continue;
        const kith_vector_params *to = change->vector;
        kith_vector_params p = {v->name, v->dim, v->metric, v->config, v->index, v->element, v->idf, v->multi};
        if (to && strcmp(to->name, v->name) == 0) {
            p = *to;
            p.dim = v->dim;
            p.metric = v->metric;
            p.element = v->element;
            p.idf = v->element == KITH_SPARSE && to->idf;
            p.multi = v->multi;
            p.config = to->config ? to->config : v->config;
        }
        TRY(add_vector(c, s, &p, v->id));
    }
    if (change->add_vector)
        TRY(add_vector(c, s, change->add_vector, s->next_id++));
    for (size_t i = 0; i < from->fields_count; i++) {
        const struct schema_field *f = &from->fields[i];
        if (f == same || (change->drop_path && strcmp(change->drop_path, f->def.path) == 0))
            continue;
        TRY(add_field(c, s, &f->def, f->id));
    }
    if (!change->field)
        return 0;
    return add_field(c, s, change->field, same && same_field(&same->def, change->field) ? same->id : s->next_id++);
}

int schema_change(struct ctx *c, const struct schema *from, const struct schema_change *change,
                  struct schema **ret_schema)
{
    struct schema *s = schema_empty();
    int rc = s ? copy_changed(c, from, change, s) : err_nomem(c);

    if (rc < 0) {
        schema_unref(s);
        return rc;
    }
    *ret_schema = s;
    return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static void put_text(struct buf *b, const char *s)
{
    buf_u8(b, s != NULL);
    if (s)
        buf_str(b, s);
}

static char *read_text(struct reader *r, struct arena *a)
{
    return read_u8(r) ? read_str(r, a) : NULL;
}

void schema_encode(const struct schema *s, struct buf *out)
{
    buf_u8(out, FORM);
    buf_varint(out, s->version);
    buf_varint(out, s->next_id);
    put_text(out, s->config);
    buf_varint(out, s->vectors_count);
    for (size_t i = 0; i < s->vectors_count; i++) {
        const struct schema_vector *v = &s->vectors[i];
        buf_varint(out, v->id);
        buf_varint(out, v->dim);
        buf_u8(out, (uint8_t)v->metric);
        buf_str(out, v->name);
        put_text(out, v->config);
        buf_u8(out, (uint8_t)v->index.method);
        buf_varint(out, v->index.links);
        buf_varint(out, v->index.build_width);
        buf_u8(out, (uint8_t)v->element);
        buf_u8(out, v->idf);
        buf_varint(out, v->index.lists);
        buf_u8(out, v->index.spill);
        buf_u8(out, (uint8_t)v->index.codes);
        buf_varint(out, v->index.code_bytes);
        buf_u8(out, v->multi);
    }
    buf_varint(out, s->fields_count);
    for (size_t i = 0; i < s->fields_count; i++) {
        const kith_field *f = &s->fields[i].def;
        buf_varint(out, s->fields[i].id);
        buf_str(out, f->path);
        buf_u8(out, (uint8_t)f->type);
        buf_u8(out, (uint8_t)f->element);
        buf_u8(out, (uint8_t)f->index);
        buf_u8(out, f->nullable);
        buf_varint(out, f->size_max);
        put_text(out, f->initial);
        put_text(out, f->config);
        text_encode(&f->text, out);
    }
}

static int decode_into(struct ctx *c, struct reader *r, struct schema *s)
{
    uint64_t vectors, fields;
    uint8_t form = read_u8(r);

    s->version = read_varint(r);
    s->next_id = (uint32_t)read_varint(r);
    s->config = read_text(r, &s->arena);
    vectors = read_varint(r);
    if (form < 1 || form > FORM || r->failed || vectors > VECTORS_MAX)
        return err_set(c, KITH_CORRUPT, "schema: unreadable");
    TRY(make_room(c, s, vectors, FIELDS_MAX));
    for (uint64_t i = 0; i < vectors; i++) {
        uint32_t id = (uint32_t)read_varint(r);
        kith_vector_params p = {.dim = (uint32_t)read_varint(r), .metric = (kith_metric)read_u8(r)};
        p.name = read_str(r, &s->arena);
        p.config = read_text(r, &s->arena);
        if (form >= 2) {
            p.index.method = (kith_method)read_u8(r);
            p.index.links = (uint32_t)read_varint(r);
            p.index.build_width = (uint32_t)read_varint(r);
            p.element = (kith_element)read_u8(r);
            p.idf = read_u8(r);
        }
        if (form >= 3) {
            p.index.lists = (uint32_t)read_varint(r);
            p.index.spill = read_u8(r);
            p.index.codes = (kith_codes)read_u8(r);
            p.index.code_bytes = (uint32_t)read_varint(r);
        }
        if (form >= 5)
            p.multi = read_u8(r);
        if (r->failed)
            break;
        TRY(add_vector(c, s, &p, id));
    }
    fields = read_varint(r);
    for (uint64_t i = 0; i < fields && i < FIELDS_MAX && !r->failed; i++) {
        uint32_t id = (uint32_t)read_varint(r);
        kith_field f = {.path = read_str(r, &s->arena)};
        f.type = (kith_type)read_u8(r);
        f.element = (kith_type)read_u8(r);
        f.index = (kith_index_kind)read_u8(r);
        f.nullable = read_u8(r);
        f.size_max = (uint32_t)read_varint(r);
        f.initial = read_text(r, &s->arena);
        f.config = read_text(r, &s->arena);
        if (form >= 4 && !text_decode(r, &s->arena, &f.text))
            break;
        if (!r->failed)
            TRY(add_field(c, s, &f, id));
    }
    return r->failed ? err_set(c, KITH_CORRUPT, "schema: unreadable") : 0;
}

int schema_decode(struct ctx *c, struct bytes data, struct schema **ret_schema)
{
    struct reader r = reader_of(data.data, data.size);
    struct schema *s = schema_empty();
    int rc = s ? decode_into(c, &r, s) : err_nomem(c);

    if (rc < 0) {
        schema_unref(s);
        return rc;
    }
    *ret_schema = s;
    return 0;
}

struct schema *schema_ref(struct schema *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void schema_unref(struct schema *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    arena_release(&s->arena);
    mem_free(s);
}

const struct schema_vector *schema_vector(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->vectors_count; i++) {
        if (strcmp(s->vectors[i].name, name) == 0)
            return &s->vectors[i];
    }
    return NULL;
}

const struct schema_vector *schema_vector_by_id(const struct schema *s, uint32_t id)
{
    for (size_t i = 0; i < s->vectors_count; i++) {
        if (s->vectors[i].id == id)
            return &s->vectors[i];
    }
    return NULL;
}

const struct schema_field *schema_field(const struct schema *s, const char *path)
{
    for (size_t i = 0; i < s->fields_count; i++) {
        if (strcmp(s->fields[i].def.path, path) == 0)
            return &s->fields[i];
    }
    return NULL;
}

struct export {
    char *at;
};

static const char *export_text(struct export *e, const char *text)
{
    char *to = e->at;
    size_t size;

    if (!text)
        return NULL;
    size = strlen(text) + 1;
    memcpy(to, text, size);
    e->at += size;
    return to;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

int schema_export(struct ctx *c, const struct schema *s, kith_schema *ret_schema)
{
    size_t size = s->vectors_count * sizeof(kith_vector_params) + s->fields_count * sizeof(kith_field) + 1;
    kith_vector_params *vectors;
    kith_field *fields;
    struct export e;

    size += text_size(s->config);
    for (size_t i = 0; i < s->vectors_count; i++)
        size += text_size(s->vectors[i].name) + text_size(s->vectors[i].config);
    for (size_t i = 0; i < s->fields_count; i++) {
        const kith_field *f = &s->fields[i].def;
        size += text_size(f->path) + text_size(f->initial) + text_size(f->config) + text_size(f->text.stem) +
                text_size(f->text.stops);
    }
    vectors = mem_alloc(size);
    if (!vectors)
        return err_nomem(c);
    fields = (kith_field *)(vectors + s->vectors_count);
    e.at = (char *)(fields + s->fields_count);
    for (size_t i = 0; i < s->vectors_count; i++) {
        const struct schema_vector *v = &s->vectors[i];
        vectors[i].name = export_text(&e, v->name);
        vectors[i].dim = v->dim;
        vectors[i].metric = v->metric;
        vectors[i].config = export_text(&e, v->config);
        vectors[i].index = v->index;
        vectors[i].element = v->element;
        vectors[i].idf = v->idf;
        vectors[i].multi = v->multi;
    }
    for (size_t i = 0; i < s->fields_count; i++) {
        fields[i] = s->fields[i].def;
        fields[i].path = export_text(&e, fields[i].path);
        fields[i].initial = export_text(&e, fields[i].initial);
        fields[i].config = export_text(&e, fields[i].config);
        fields[i].text.stem = export_text(&e, fields[i].text.stem);
        fields[i].text.stops = export_text(&e, fields[i].text.stops);
    }
    ret_schema->config = export_text(&e, s->config);
    ret_schema->vectors = vectors;
    ret_schema->vectors_count = s->vectors_count;
    ret_schema->fields = fields;
    ret_schema->fields_count = s->fields_count;
    return 0;
}
