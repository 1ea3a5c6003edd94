/* growing.c - rows in memory. One writer appends; readers see `rows` as published and never wait.
 *
 * Columns are chunks that never move (base/chunks.h), ids lie in a skip list (id_list.h). */
#include "base/ctx.h"
#include "base/chunks.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"
#include "field/column.h"
#include "segment/growing.h"
#include "segment/id_list.h"

struct grow_row {
    struct id_node *node;
    lsn born;
    _Atomic lsn dead;
    struct docver *_Atomic doc; /* newest; the last in the chain is the first document */
    row_id older;               /* of the same id */
    row_id nth_dead;            /* not of this row: who died as the n-th, n being this row's number */
};

struct grow_column {
    struct schema_vector v; /* names and configuration apart, which are the schema's */
    atomic_bool any;   /* some row has it */
    atomic_bool flat;  /* it has no graph, or not a longer one than now */
    struct growing_graph *_Atomic graph; /* NULL until there are rows enough */
    struct live_postings *postings;      /* sparse */
    atomic_ullong held; /* bytes of vectors */
    uint8_t *_Atomic data[CHUNKS];
    uint8_t *_Atomic present[CHUNKS];
};

/* Multi-vectors get their index when they are sealed. */
static bool is_flat(const struct schema_vector *v)
{
    return !schema_wants_index(v) || v->multi;
}

struct growing {
    struct segment base;
    struct arena arena; /* nodes and string ids */
    atomic_uint rows, deads;
    uint32_t capacity;  /* rows with chunks */
    uint32_t chunks;
    struct grow_row *_Atomic row_chunks[CHUNKS];
    struct grow_column *columns;
    uint32_t columns_count;
    struct column *_Atomic fields[FIELDS_MAX]; /* of indexed ones, in the order they came */
    atomic_uint fields_count;
    struct docver *_Atomic last_overlay; /* documents that replaced a row's first one, newest first */
    struct id_list ids;
    struct growing_limits limits;
    atomic_ullong bytes, doc_bytes; /* of everything; of documents among it */
};

static struct growing *grow_of(const struct segment *s)
{
    return container_of(s, struct growing, base);
}

static inline struct grow_row *row_at(const struct growing *g, row_id row)
{
    uint32_t at, k = chunk_of(row, &at);

    return atomic_load_explicit(&((struct growing *)(uintptr_t)g)->row_chunks[k], memory_order_acquire) + at;
}

/* ---- the read interface --------------------------------------------------------------------------- */

static uint32_t grow_rows(const struct segment *s)
{
    return atomic_load_explicit(&grow_of(s)->rows, memory_order_acquire);
}

static lsn grow_born(const struct segment *s, row_id row)
{
    return row_at(grow_of(s), row)->born;
}

static lsn grow_dead(const struct segment *s, row_id row)
{
    return atomic_load_explicit(&row_at(grow_of(s), row)->dead, memory_order_acquire);
}

/* LSNs ascend with rows: what is visible is the first so many, without the dead. */
static bool grow_live(const struct segment *s, lsn v, struct bits *out)
{
    const struct growing *g = grow_of(s);
    uint32_t deads = atomic_load_explicit(&((struct growing *)(uintptr_t)g)->deads, memory_order_acquire);
    uint32_t rows = out->size;
    bool all = true;

    bits_fill(out);
    for (; rows > 0 && row_at(g, rows - 1)->born > v; rows--) {
        bits_clear(out, rows - 1);
        all = false;
    }
    for (uint32_t i = 0; i < deads; i++) {
        row_id row = row_at(g, i)->nth_dead;
        if (row < rows && grow_dead(s, row) <= v) {
            bits_clear(out, row);
            all = false;
        }
    }
    return all;
}

static const struct docver *grow_overlays(const struct segment *s)
{
    return atomic_load_explicit(&grow_of(s)->last_overlay, memory_order_acquire);
}

static kith_id grow_id(const struct segment *s, row_id row)
{
    return row_at(grow_of(s), row)->node->id;
}

static row_id grow_find(const struct segment *s, const kith_id *id, lsn v)
{
    const struct growing *g = grow_of(s);
    struct id_node *n = id_list_seek(&g->ids, id, NULL);
    row_id row;

    if (!n || !id_eq(&n->id, id))
        return ROW_NONE;
    for (row = atomic_load_explicit(&n->row, memory_order_acquire); row != ROW_NONE; row = row_at(g, row)->older) {
        if (segment_visible(s, row, v))
            return row;
    }
    return ROW_NONE;
}

static int grow_doc(struct ctx *c, const struct segment *s, row_id row, lsn v, struct doc_room *room,
                    struct bytes *ret_doc, lsn *ret_lsn)
{
    struct docver *d = atomic_load_explicit(&row_at(grow_of(s), row)->doc, memory_order_acquire);

    UNUSED(c);
    UNUSED(room);
    while (d->lsn > v && d->older)
        d = d->older;
    ret_doc->data = d->data;
    ret_doc->size = d->size;
    *ret_lsn = d->lsn;
    return 0;
}

static lsn grow_doc_lsn(const struct segment *s, row_id row, lsn v)
{
    struct docver *d = atomic_load_explicit(&row_at(grow_of(s), row)->doc, memory_order_acquire);

    while (d->lsn > v && d->older)
        d = d->older;
    return d->lsn;
}

static const struct docver *grow_versions(const struct segment *s, row_id row)
{
    return atomic_load_explicit(&row_at(grow_of(s), row)->doc, memory_order_acquire);
}

static bool grow_overlaid(const struct segment *s, row_id row, lsn v)
{
    UNUSED(v);
    return atomic_load_explicit(&row_at(grow_of(s), row)->doc, memory_order_acquire)->lsn > grow_born(s, row);
}

static int grow_vector(struct ctx *c, const struct segment *s, row_id row, lsn v, uint32_t vector_id,
                       const void **ret_data)
{
    const struct growing *g = grow_of(s);
    uint32_t at, k = chunk_of(row, &at);

    UNUSED(c);
    UNUSED(v);
    *ret_data = NULL;
    for (uint32_t i = 0; i < g->columns_count; i++) {
        struct grow_column *col = &g->columns[i];
        if (col->v.id != vector_id)
            continue;
        if (atomic_load_explicit(&col->present[k], memory_order_acquire)[at])
            *ret_data = atomic_load_explicit(&col->data[k], memory_order_acquire) + (size_t)at * col->v.size;
        if (*ret_data && schema_varies(&col->v))
            memcpy(ret_data, *ret_data, sizeof *ret_data);
    }
    return 0;
}

static const struct vecver *grow_revision(const struct segment *s, row_id row, uint32_t vector_id, lsn v)
{
    UNUSED(s);
    UNUSED(row);
    UNUSED(vector_id);
    UNUSED(v);
    return NULL;
}

static const struct vecver *grow_revised(const struct segment *s, uint32_t vector_id)
{
    UNUSED(s);
    UNUSED(vector_id);
    return NULL;
}

static bool grow_any_vector(const struct segment *s, uint32_t vector_id)
{
    const struct growing *g = grow_of(s);

    for (uint32_t i = 0; i < g->columns_count; i++) {
        if (g->columns[i].v.id == vector_id)
            return atomic_load(&g->columns[i].any);
    }
    return false;
}

static row_id grow_seek(const struct segment *s, const kith_id *id)
{
    const struct growing *g = grow_of(s);

    struct id_node *n = id_list_seek(&g->ids, id, NULL);

    while (n && id_node_row(n) == ROW_NONE) /* a node is linked before it has its first row */
        n = atomic_load_explicit(&n->next[0], memory_order_acquire);
    return id_node_row(n);
}

/* Older versions of one id first, then the next id: every version is met once. */
static row_id grow_after(const struct segment *s, row_id row)
{
    const struct grow_row *r = row_at(grow_of(s), row);
    struct id_node *next;

    if (r->older != ROW_NONE)
        return r->older;
    do
        next = atomic_load_explicit(&r->node->next[0], memory_order_acquire);
    while (next && id_node_row(next) == ROW_NONE);
    return id_node_row(next);
}

static const struct vector_index *grow_graph(const struct segment *s, uint32_t vector_id)
{
    const struct growing *g = grow_of(s);

    for (uint32_t i = 0; i < g->columns_count; i++) {
        struct growing_graph *x = atomic_load_explicit(&g->columns[i].graph, memory_order_acquire);
        if (g->columns[i].v.id == vector_id)
            return x ? &x->shown : NULL;
    }
    return NULL;
}

static const struct postings *grow_postings(const struct segment *s, uint32_t vector_id)
{
    UNUSED(s);
    UNUSED(vector_id);
    return NULL;
}

static const struct live_postings *grow_live_postings(const struct segment *s, uint32_t vector_id)
{
    const struct growing *g = grow_of(s);

    for (uint32_t i = 0; i < g->columns_count; i++) {
        if (g->columns[i].v.id == vector_id)
            return g->columns[i].postings;
    }
    return NULL;
}

static const struct column *grow_column(const struct segment *s, uint32_t field_id)
{
    struct growing *g = grow_of(s);
    uint32_t n = atomic_load_explicit(&g->fields_count, memory_order_acquire);

    for (uint32_t i = 0; i < n; i++) {
        const struct column *x = atomic_load_explicit(&g->fields[i], memory_order_relaxed);
        if (column_field(x) == field_id)
            return x;
    }
    return NULL;
}

static const struct field_index *grow_field(const struct segment *s, uint32_t field_id)
{
    UNUSED(s);
    UNUSED(field_id);
    return NULL;
}

static const struct field_scores *grow_scores(const struct segment *s, uint32_t field_id)
{
    UNUSED(s);
    UNUSED(field_id);
    return NULL;
}

/* ---- the writer's part ---------------------------------------------------------------------------- */

static int grow_mark_dead(struct segment *s, row_id row, lsn at)
{
    struct growing *g = grow_of(s);
    struct grow_row *r = row_at(g, row);
    uint32_t n = atomic_load_explicit(&g->deads, memory_order_relaxed);
    bool alive = atomic_load_explicit(&r->dead, memory_order_relaxed) == 0;

    atomic_store_explicit(&r->dead, at, memory_order_release);
    if (!alive)
        return 0;
    row_at(g, n)->nth_dead = row;
    atomic_store_explicit(&g->deads, n + 1, memory_order_release);
    atomic_fetch_add(&s->dead_count, 1);
    return 0;
}

static int grow_put_doc(struct segment *s, row_id row, struct docver *d, struct docver **ret_old)
{
    struct grow_row *r = row_at(grow_of(s), row);
    struct docver *old = atomic_load_explicit(&r->doc, memory_order_relaxed);

    d->older = old;
    d->row = row;
    d->next = atomic_load_explicit(&grow_of(s)->last_overlay, memory_order_relaxed);
    atomic_store_explicit(&r->doc, d, memory_order_release);
    if (!old->older) { /* those that come after it are of the same row */
        atomic_store_explicit(&grow_of(s)->last_overlay, d, memory_order_release);
        atomic_fetch_add(&s->overlaid_count, 1);
    }
    atomic_fetch_add(&grow_of(s)->bytes, sizeof *d + d->size);
    atomic_fetch_add(&grow_of(s)->doc_bytes, sizeof *d + d->size);
    *ret_old = NULL; /* kept until the segment goes: it is bounded anyway */
    return 0;
}

static void chunk_free(struct growing *g, uint32_t k)
{
    mem_free(atomic_load(&g->row_chunks[k]));
    for (uint32_t i = 0; i < g->columns_count; i++) {
        mem_free_aligned(atomic_load(&g->columns[i].data[k]));
        mem_free(atomic_load(&g->columns[i].present[k]));
    }
}

static void grow_free(struct segment *s)
{
    struct growing *g = grow_of(s);
    uint32_t rows = grow_rows(s);

    for (uint32_t i = 0; i < g->columns_count; i++) {
        growing_graph_free(atomic_load(&g->columns[i].graph));
        live_postings_free(g->columns[i].postings);
    }
    for (row_id row = 0; row < rows; row++) {
        struct docver *d = atomic_load(&row_at(g, row)->doc);
        while (d) {
            struct docver *older = d->older;
            mem_free(d);
            d = older;
        }
    }
    for (uint32_t k = 0; k < CHUNKS; k++)
        chunk_free(g, k);
    for (uint32_t i = 0; i < atomic_load(&g->fields_count); i++)
        column_free(atomic_load(&g->fields[i]));
    arena_release(&g->arena);
    mem_free(g->columns);
    mem_free(g);
}

static void grow_prefetch(const struct segment *s, row_id row)
{
    UNUSED(s);
    UNUSED(row);
}

static void grow_uses(const struct segment *s, use_report report, void *arg)
{
    const struct growing *g = grow_of(s);
    uint64_t rest = atomic_load(&g->bytes), docs = atomic_load(&g->doc_bytes);

    report(arg, USE_DOCUMENTS, 0, 0, docs);
    rest -= MIN(rest, docs);
    for (uint32_t i = 0; i < g->columns_count; i++) {
        uint64_t held = atomic_load(&g->columns[i].held);
        if (held)
            report(arg, USE_VECTORS, g->columns[i].v.id, 0, held);
        rest -= MIN(rest, held);
    }
    report(arg, USE_GROWING, 0, 0, rest);
}

static const struct segment_ops grow_ops = {
    .rows = grow_rows,
    .born = grow_born,
    .dead = grow_dead,
    .live = grow_live,
    .overlays = grow_overlays,
    .id = grow_id,
    .find = grow_find,
    .doc = grow_doc,
    .doc_lsn = grow_doc_lsn,
    .versions = grow_versions,
    .overlaid = grow_overlaid,
    .vector = grow_vector,
    .revision = grow_revision,
    .revised = grow_revised,
    .seek = grow_seek,
    .after = grow_after,
    .any_vector = grow_any_vector,
    .prefetch = grow_prefetch,
    .index = grow_graph,
    .postings = grow_postings,
    .live_postings = grow_live_postings,
    .field = grow_field,
    .scores = grow_scores,
    .column = grow_column,
    .uses = grow_uses,
    .mark_dead = grow_mark_dead,
    .put_doc = grow_put_doc,
    .free = grow_free,
};

bool segment_is_growing(const struct segment *s)
{
    return s->ops == &grow_ops;
}

uint64_t growing_bytes(const struct segment *s)
{
    return atomic_load(&grow_of(s)->bytes);
}

static void make_fields(struct ctx *c, struct growing *g, const struct schema *schema);

int growing_new(struct ctx *c, uint64_t id, const struct schema *schema, const struct growing_limits *limits,
                struct segment **ret_segment)
{
    struct growing *g = mem_zalloc(sizeof *g);
    int rc = 0;

    if (!g)
        return err_nomem(c);
    g->base.ops = &grow_ops;
    atomic_init(&g->base.refs, 1);
    g->base.id = id;
    g->limits = *limits;
    arena_init(&g->arena);
    g->columns = mem_zalloc(MAX(schema->vectors_count, 1u) * sizeof *g->columns);
    g->columns_count = g->columns ? (uint32_t)schema->vectors_count : 0;
    if (!g->columns || id_list_init(&g->ids, &g->arena, id) < 0) {
        grow_free(&g->base);
        return err_nomem(c);
    }
    for (uint32_t i = 0; i < g->columns_count && rc >= 0; i++) {
        g->columns[i].v = schema->vectors[i];
        g->columns[i].v.name = g->columns[i].v.config = NULL;
        atomic_init(&g->columns[i].flat, is_flat(&schema->vectors[i]));
        if (schema_varies(&g->columns[i].v))
            g->columns[i].v.size = sizeof(void *); /* of what lies in the arena */
        if (g->columns[i].v.element == KITH_SPARSE)
            rc = live_postings_new(c, &g->columns[i].postings);
    }
    if (rc < 0) {
        grow_free(&g->base);
        return rc;
    }
    make_fields(c, g, schema);
    *ret_segment = &g->base;
    return 0;
}

static int chunk_add(struct growing *g)
{
    uint32_t k = g->chunks, rows = (uint32_t)CHUNK_FIRST << k;
    bool ok;

    if (k == CHUNKS)
        return KITH_NOMEM;
    atomic_store(&g->row_chunks[k], mem_zalloc((size_t)rows * sizeof(struct grow_row)));
    ok = atomic_load(&g->row_chunks[k]) != NULL;
    for (uint32_t i = 0; i < g->columns_count && ok; i++) {
        struct grow_column *col = &g->columns[i];
        atomic_store(&col->data[k], mem_aligned((size_t)rows * col->v.size));
        atomic_store(&col->present[k], mem_zalloc(rows));
        ok = atomic_load(&col->data[k]) && atomic_load(&col->present[k]);
        atomic_fetch_add(&g->bytes, (uint64_t)rows * (col->v.size + 1));
    }
    if (!ok) {
        chunk_free(g, k);
        atomic_store(&g->row_chunks[k], NULL);
        for (uint32_t i = 0; i < g->columns_count; i++) {
            atomic_store(&g->columns[i].data[k], NULL);
            atomic_store(&g->columns[i].present[k], NULL);
        }
        return KITH_NOMEM;
    }
    atomic_fetch_add(&g->bytes, (uint64_t)rows * sizeof(struct grow_row));
    g->chunks++;
    g->capacity += rows;
    return 0;
}

int growing_reserve(struct ctx *c, struct segment *s, uint64_t rows)
{
    struct growing *g = grow_of(s);

    while (g->capacity < (uint64_t)grow_rows(s) + rows) {
        if (chunk_add(g) < 0)
            return err_nomem(c);
    }
    return 0;
}

static int add_postings(struct ctx *c, struct growing *g, struct grow_column *col, row_id row, const void *kept)
{
    struct sparse v = sparse_of(kept);
    uint64_t before = live_postings_bytes(col->postings);

    TRY(live_postings_add(c, col->postings, row, &v));
    atomic_fetch_add(&g->bytes, live_postings_bytes(col->postings) - before);
    return 0;
}

/* The last of `vectors` that is of this column, if one is. */
static int column_put(struct growing *g, struct grow_column *col, uint32_t k, uint32_t at,
                      const struct rec_vector *vectors, uint32_t count, const void **ret_varying)
{
    uint8_t *present = atomic_load_explicit(&col->present[k], memory_order_relaxed) + at;
    uint8_t *to = atomic_load_explicit(&col->data[k], memory_order_relaxed) + (size_t)at * col->v.size;
    bool varies = schema_varies(&col->v);

    *present = 0;
    for (uint32_t j = 0; j < count; j++) {
        const struct rec_vector *v = &vectors[j];
        const void *copy;
        if (v->id != col->v.id || v->element != col->v.element || v->multi != col->v.multi || !v->data ||
            (!varies && v->size != col->v.size))
            continue;
        copy = varies ? arena_copy(&g->arena, v->data, v->size) : v->data;
        if (!copy)
            return KITH_NOMEM;
        memcpy(to, varies ? (const void *)&copy : copy, col->v.size);
        *present = 1;
        atomic_fetch_add(&col->held, v->size);
        if (varies) {
            *ret_varying = copy;
            atomic_fetch_add(&g->bytes, v->size);
        }
        if (!atomic_load_explicit(&col->any, memory_order_relaxed))
            atomic_store(&col->any, true);
    }
    return 0;
}

static int add_fields(struct ctx *c, struct growing *g, row_id row, struct bytes doc)
{
    uint32_t n = atomic_load_explicit(&g->fields_count, memory_order_relaxed);

    for (uint32_t i = 0; i < n; i++) {
        struct column *x = atomic_load_explicit(&g->fields[i], memory_order_relaxed);
        uint64_t before = column_bytes(x);
        TRY(column_add(c, x, row, val_of(doc.data, doc.size)));
        atomic_fetch_add(&g->bytes, column_bytes(x) - before);
    }
    return 0;
}

/* A column of the rows there are, of their first documents. */
static int new_field(struct ctx *c, struct growing *g, const struct schema_field *f)
{
    uint32_t n = atomic_load_explicit(&g->fields_count, memory_order_relaxed), rows = grow_rows(&g->base);
    struct column *x;
    int rc = 0;

    if (n == FIELDS_MAX)
        return 0; /* fields came and went: documents are read */
    TRY(column_new(c, f, &x));
    for (row_id row = 0; row < rows && rc >= 0; row++) {
        const struct docver *d = grow_versions(&g->base, row);
        while (d->older)
            d = d->older;
        rc = column_add(c, x, row, val_of(d->data, d->size));
    }
    if (rc < 0) {
        column_free(x);
        return rc;
    }
    atomic_fetch_add(&g->bytes, column_bytes(x));
    atomic_store_explicit(&g->fields[n], x, memory_order_relaxed);
    atomic_store_explicit(&g->fields_count, n + 1, memory_order_release);
    return 0;
}

/* Without memory a field goes without, and documents are read. */
static void make_fields(struct ctx *c, struct growing *g, const struct schema *schema)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *f = &schema->fields[i];
        if (f->def.index != KITH_INDEX_NONE && !grow_column(&g->base, f->id))
            (void)new_field(c, g, f);
    }
}

int growing_add(struct ctx *c, struct segment *s, const kith_id *id, lsn born, struct bytes doc, lsn doc_lsn,
                const struct rec_vector *vectors, uint32_t count, row_id *ret_row)
{
    struct growing *g = grow_of(s);
    row_id row = grow_rows(s);
    uint32_t at, k = chunk_of(row, &at);
    struct grow_row *r;
    struct docver *d;
    struct id_node *node;

    TRY(growing_reserve(c, s, 1));
    d = docver_new(doc_lsn, doc.data, doc.size);
    node = d ? id_list_put(&g->ids, id) : NULL;
    if (!node) {
        mem_free(d);
        return err_nomem(c);
    }
    r = row_at(g, row);
    r->node = node;
    r->born = born;
    atomic_store_explicit(&r->dead, 0, memory_order_relaxed);
    atomic_store_explicit(&r->doc, d, memory_order_relaxed);
    r->older = atomic_load_explicit(&node->row, memory_order_relaxed);
    for (uint32_t i = 0; i < g->columns_count; i++) {
        const void *varying = NULL;
        if (column_put(g, &g->columns[i], k, at, vectors, count, &varying) < 0 ||
            (varying && g->columns[i].postings && add_postings(c, g, &g->columns[i], row, varying) < 0)) {
            mem_free(d);
            return err_nomem(c);
        }
    }
    if (add_fields(c, g, row, doc) < 0) {
        mem_free(d);
        return KITH_NOMEM;
    }
    atomic_fetch_add(&g->bytes, sizeof *d + d->size + sizeof *node + 32);
    atomic_fetch_add(&g->doc_bytes, sizeof *d + d->size);
    atomic_store_explicit(&g->rows, row + 1, memory_order_release);
    atomic_store_explicit(&node->row, row, memory_order_release);
    *ret_row = row;
    return 0;
}

/* ---- graphs --------------------------------------------------------------------------------------- */

void growing_configure(struct ctx *c, struct segment *s, const struct schema *schema)
{
    struct growing *g = grow_of(s);

    make_fields(c, g, schema);
    for (uint32_t i = 0; i < g->columns_count; i++) {
        const struct schema_vector *v = schema_vector_by_id(schema, g->columns[i].v.id);
        if (v)
            atomic_store(&g->columns[i].flat, is_flat(v));
    }
}

uint32_t growing_unlinked(const struct segment *s)
{
    const struct growing *g = grow_of(s);
    uint32_t rows = grow_rows(s), most = 0;

    for (uint32_t i = 0; i < g->columns_count && rows >= g->limits.graph_rows_min; i++) {
        struct growing_graph *x = atomic_load(&g->columns[i].graph);
        if (!atomic_load(&g->columns[i].any) || atomic_load(&g->columns[i].flat))
            continue;
        most = MAX(most, x ? rows - atomic_load(&x->rows) : rows);
        if (x && atomic_load(&x->count) == x->capacity)
            most = 0; /* full: the rest is scanned */
    }
    return most;
}

int growing_link(struct ctx *c, struct segment *s, const struct kernels *k, uint32_t most)
{
    struct growing *g = grow_of(s);
    int done = 0;

    for (uint32_t i = 0; i < g->columns_count && grow_rows(s) >= g->limits.graph_rows_min; i++) {
        struct grow_column *col = &g->columns[i];
        struct growing_graph *x = atomic_load(&col->graph);
        int n;
        if (!atomic_load(&col->any) || atomic_load(&col->flat))
            continue;
        if (!x) {
            TRY(growing_graph_new(c, s, &col->v, k,
                                  MAX(g->limits.rows_max + g->limits.rows_max / 8, grow_rows(s)), &x));
            atomic_store_explicit(&col->graph, x, memory_order_release);
            atomic_fetch_add(&g->bytes, x->records_size + (uint64_t)x->capacity * GRAPH_DEGREE * sizeof(uint32_t));
        }
        n = growing_graph_link(c, s, &col->v, x, most);
        if (n < 0)
            return n;
        done += n;
    }
    return done;
}
