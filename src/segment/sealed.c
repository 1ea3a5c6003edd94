/* sealed.c - reading sealed segments. Ids, LSNs, links, codes and field indexes are verified when the
 * segment is opened; vectors and documents block by block, when first touched. */
#include "segment/deads.h"
#include "segment/revised.h"
#include "segment/sealed.h"

#include "base/ctx.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"

struct sealed_graph {
    uint32_t vector_id;
    struct part *part;
    struct vector_index g;
};

struct sealed_field {
    uint32_t id;
    struct field_index index;
    struct field_scores scores;
    bool scored;
};

struct sealed {
    struct segment base;
    struct sealed_files files;
    uint32_t rows;
    struct part *cols, *docs;
    const uint64_t *numbers;     /* ids, if all are numbers */
    const uint32_t *id_offsets;  /* else */
    const uint8_t *id_bytes;
    const uint64_t *filter;
    uint32_t filter_words;
    const lsn *born;
    struct doc_column column; /* documents */
    struct sealed_vector *vectors;
    uint32_t vectors_count;
    struct sealed_graph *graphs;
    uint32_t graphs_count;
    struct sealed_field *fields;
    uint32_t fields_count;
    struct deads *_Atomic deads;
    struct docver *_Atomic *_Atomic overlays; /* a pointer a row, made when first needed */
    struct docver *_Atomic last_overlay;
    struct revisions revisions; /* of vectors, in the order of `vectors` */
};

static struct sealed *sealed_of(const struct segment *s)
{
    return container_of(s, struct sealed, base);
}

/* ---- the read interface ------------------------------------------------------------------------- */

static uint32_t sealed_rows(const struct segment *s)
{
    return sealed_of(s)->rows;
}

static lsn sealed_born(const struct segment *s, row_id row)
{
    return sealed_of(s)->born[row];
}

static lsn sealed_dead(const struct segment *s, row_id row)
{
    struct deads *d = atomic_load_explicit(&sealed_of(s)->deads, memory_order_acquire);

    return d ? atomic_load_explicit(&d->at[row], memory_order_acquire) : 0;
}

static bool sealed_live(const struct segment *s, lsn v, struct bits *out)
{
    struct deads *d = atomic_load_explicit(&sealed_of(s)->deads, memory_order_acquire);

    if (d)
        return deads_live(d, v, out);
    bits_fill(out);
    return true;
}

static kith_id sealed_id(const struct segment *s, row_id row)
{
    const struct sealed *z = sealed_of(s);
    struct reader r;

    if (z->numbers)
        return kith_id_num(z->numbers[row]);
    r = reader_of(z->id_bytes + z->id_offsets[row], z->id_offsets[row + 1] - z->id_offsets[row]);
    return id_read(&r);
}

static row_id lower_bound(const struct sealed *z, const kith_id *id)
{
    row_id low = 0, high = z->rows;

    while (low < high) {
        row_id middle = low + (high - low) / 2;
        kith_id at = sealed_id(&z->base, middle);
        if (id_cmp(&at, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static row_id sealed_find(const struct segment *s, const kith_id *id, lsn v)
{
    const struct sealed *z = sealed_of(s);
    kith_id at;
    row_id row;

    if (!filter_has(z->filter, z->filter_words, id_hash(id)))
        return ROW_NONE;
    row = lower_bound(z, id);
    if (row == z->rows)
        return ROW_NONE;
    at = sealed_id(s, row);
    return id_eq(&at, id) && segment_visible(s, row, v) ? row : ROW_NONE;
}

static struct docver *overlay_of(const struct sealed *z, row_id row)
{
    struct docver *_Atomic *table = atomic_load_explicit(&((struct sealed *)(uintptr_t)z)->overlays,
                                                         memory_order_acquire);

    return table ? atomic_load_explicit(&table[row], memory_order_acquire) : NULL;
}

static struct docver *overlay_at(const struct sealed *z, row_id row, lsn v)
{
    struct docver *d = overlay_of(z, row);

    while (d && d->lsn > v)
        d = d->older;
    return d;
}

static lsn sealed_doc_lsn(const struct segment *s, row_id row, lsn v)
{
    struct docver *d = overlay_at(sealed_of(s), row, v);

    return d ? d->lsn : sealed_of(s)->column.lsns[row];
}

static const struct docver *sealed_overlays(const struct segment *s)
{
    return atomic_load_explicit(&sealed_of(s)->last_overlay, memory_order_acquire);
}

static const struct docver *sealed_versions(const struct segment *s, row_id row)
{
    return overlay_of(sealed_of(s), row);
}

static int sealed_doc(struct ctx *c, const struct segment *s, row_id row, lsn v, struct doc_room *room,
                      struct bytes *ret_doc, lsn *ret_lsn)
{
    const struct sealed *z = sealed_of(s);
    struct docver *d = overlay_at(z, row, v);

    if (d) {
        ret_doc->data = d->data;
        ret_doc->size = d->size;
        *ret_lsn = d->lsn;
        return 0;
    }
    *ret_lsn = z->column.lsns[row];
    return doc_column_read(c, &z->column, row, room, ret_doc);
}

static bool sealed_overlaid(const struct segment *s, row_id row, lsn v)
{
    return overlay_at(sealed_of(s), row, v) != NULL;
}

static const struct vecver *sealed_revision(const struct segment *s, row_id row, uint32_t vector_id, lsn v)
{
    return revisions_at(&sealed_of(s)->revisions, row, vector_id, v);
}

static const struct vecver *sealed_revised(const struct segment *s, uint32_t vector_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->vectors_count; i++) {
        if (z->vectors[i].id == vector_id)
            return revisions_of(&z->revisions, i);
    }
    return NULL;
}

static int sealed_vector(struct ctx *c, const struct segment *s, row_id row, lsn at, uint32_t vector_id,
                         const void **ret_data)
{
    const struct sealed *z = sealed_of(s);
    const struct vecver *d = revisions_at(&z->revisions, row, vector_id, at);

    *ret_data = d && d->size ? d->data : NULL;
    if (d)
        return 0;
    for (uint32_t i = 0; i < z->vectors_count; i++) {
        const struct sealed_vector *v = &z->vectors[i];
        if (v->id == vector_id && v->section)
            return sealed_vector_read(c, z->cols->pack, z->rows, v, row, ret_data);
    }
    return 0;
}

static const struct postings *sealed_postings(const struct segment *s, uint32_t vector_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->vectors_count; i++) {
        if (z->vectors[i].id == vector_id)
            return z->vectors[i].sparse && z->vectors[i].section ? &z->vectors[i].postings : NULL;
    }
    return NULL;
}

static row_id sealed_seek(const struct segment *s, const kith_id *id)
{
    const struct sealed *z = sealed_of(s);
    row_id row = id ? lower_bound(z, id) : 0;

    return row < z->rows ? row : ROW_NONE;
}

static row_id sealed_after(const struct segment *s, row_id row)
{
    return row + 1 < sealed_of(s)->rows ? row + 1 : ROW_NONE;
}

static bool sealed_any_vector(const struct segment *s, uint32_t vector_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->vectors_count; i++) {
        if (z->vectors[i].id == vector_id)
            return z->vectors[i].section != NULL;
    }
    return false;
}

static void sealed_prefetch(const struct segment *s, row_id row)
{
    const struct sealed *z = sealed_of(s);

    if (z->numbers)
        __builtin_prefetch(z->numbers + row);
    __builtin_prefetch(z->born + row);
    __builtin_prefetch(z->column.lsns + row);
}

static const struct vector_index *sealed_graph(const struct segment *s, uint32_t vector_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->graphs_count; i++) {
        if (z->graphs[i].vector_id == vector_id)
            return &z->graphs[i].g;
    }
    return NULL;
}

static const struct live_postings *sealed_live_postings(const struct segment *s, uint32_t vector_id)
{
    UNUSED(s);
    UNUSED(vector_id);
    return NULL;
}

static const struct column *sealed_column(const struct segment *s, uint32_t field_id)
{
    UNUSED(s);
    UNUSED(field_id);
    return NULL;
}

static const struct field_scores *sealed_scores(const struct segment *s, uint32_t field_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->fields_count; i++) {
        if (z->fields[i].id == field_id && z->fields[i].scored)
            return &z->fields[i].scores;
    }
    return NULL;
}

static const struct field_index *sealed_field(const struct segment *s, uint32_t field_id)
{
    const struct sealed *z = sealed_of(s);

    for (uint32_t i = 0; i < z->fields_count; i++) {
        if (z->fields[i].id == field_id)
            return &z->fields[i].index;
    }
    return NULL;
}

/* ---- the writer's part ---------------------------------------------------------------------------- */

static int sealed_mark_dead(struct segment *s, row_id row, lsn at)
{
    struct sealed *z = sealed_of(s);
    struct deads *d = atomic_load_explicit(&z->deads, memory_order_relaxed);

    if (!d) {
        d = deads_new(z->rows);
        if (!d)
            return KITH_NOMEM;
        atomic_store_explicit(&z->deads, d, memory_order_release);
    }
    if (deads_mark(d, row, at))
        atomic_fetch_add(&s->dead_count, 1);
    return 0;
}

static int sealed_put_doc(struct segment *s, row_id row, struct docver *d, struct docver **ret_old)
{
    struct sealed *z = sealed_of(s);
    struct docver *_Atomic *table = atomic_load_explicit(&z->overlays, memory_order_relaxed);
    struct docver *old;

    if (!table) {
        table = mem_zalloc((size_t)z->rows * sizeof *table);
        if (!table)
            return KITH_NOMEM;
        atomic_store_explicit(&z->overlays, table, memory_order_release);
    }
    old = atomic_load_explicit(&table[row], memory_order_relaxed);
    d->older = old;
    d->row = row;
    d->next = atomic_load_explicit(&z->last_overlay, memory_order_relaxed);
    if (!old)
        atomic_fetch_add(&s->overlaid_count, 1);
    atomic_fetch_add(&s->overlay_bytes, sizeof *d + d->size);
    atomic_store_explicit(&table[row], d, memory_order_release);
    atomic_store_explicit(&z->last_overlay, d, memory_order_release);
    *ret_old = old;
    return 0;
}

static int sealed_put_vector(struct segment *s, row_id row, struct vecver *d)
{
    struct sealed *z = sealed_of(s);
    uint32_t i = 0;

    while (i < z->vectors_count && z->vectors[i].id != d->vector_id)
        i++;
    if (i == z->vectors_count || !sealed_vector_fits(&z->vectors[i], d)) {
        mem_free(d); /* of a vector that is no more */
        return 0;
    }
    if (revisions_put(&z->revisions, row, i, d) < 0)
        return KITH_NOMEM;
    atomic_fetch_add(&s->revised_count, 1);
    atomic_fetch_add(&s->overlay_bytes, sizeof *d + d->size);
    return 0;
}

static void overlays_free(struct sealed *z)
{
    struct docver *d = atomic_load(&z->last_overlay);

    while (d) {
        struct docver *next = d->next;
        mem_free(d);
        d = next;
    }
    mem_free((void *)(uintptr_t)atomic_load(&z->overlays));
}

static void sealed_free(struct segment *s)
{
    struct sealed *z = sealed_of(s);
    struct deads *d = atomic_load(&z->deads);

    overlays_free(z);
    revisions_release(&z->revisions);
    deads_unref(d);
    for (uint32_t i = 0; i < z->graphs_count; i++)
        part_unref(z->graphs[i].part);
    part_unref(z->cols);
    part_unref(z->docs);
    mem_free(z->vectors);
    mem_free(z->graphs);
    for (uint32_t i = 0; i < z->fields_count; i++)
        field_close(&z->fields[i].index);
    mem_free(z->fields);
    mem_free(z);
}

static void sealed_uses(const struct segment *s, use_report report, void *arg)
{
    const struct sealed *z = sealed_of(s);
    uint64_t changes = atomic_load(&((struct segment *)(uintptr_t)s)->overlay_bytes);
    const struct part *seen[VECTORS_MAX + 2] = {z->cols, z->docs};
    size_t n = 2;

    part_uses(z->cols, z->base.id, z->docs == z->cols, report, arg);
    if (z->docs != z->cols)
        part_uses(z->docs, z->base.id, true, report, arg);
    for (uint32_t i = 0; i < z->graphs_count; i++) {
        const struct part *p = z->graphs[i].part;
        bool known = false;
        for (size_t j = 0; j < n; j++)
            known = known || seen[j] == p;
        if (!known && n < ARRAY_SIZE(seen))
            part_uses(seen[n++] = p, z->base.id, false, report, arg);
        report(arg, USE_INDEX, z->graphs[i].vector_id, 0, part_copied(p, z->graphs[i].vector_id));
    }
    for (uint32_t i = 0; i < z->fields_count; i++)
        report(arg, USE_FIELD, z->fields[i].id, 0, field_held(&z->fields[i].index));
    if (atomic_load(&((struct sealed *)(uintptr_t)z)->deads))
        changes += deads_bytes(z->rows);
    if (atomic_load(&((struct sealed *)(uintptr_t)z)->overlays))
        changes += (uint64_t)z->rows * sizeof(void *);
    report(arg, USE_CHANGES, 0, 0, changes);
}

static const struct segment_ops sealed_ops = {
    .rows = sealed_rows,
    .born = sealed_born,
    .dead = sealed_dead,
    .live = sealed_live,
    .overlays = sealed_overlays,
    .id = sealed_id,
    .find = sealed_find,
    .doc = sealed_doc,
    .doc_lsn = sealed_doc_lsn,
    .versions = sealed_versions,
    .overlaid = sealed_overlaid,
    .vector = sealed_vector,
    .revision = sealed_revision,
    .revised = sealed_revised,
    .seek = sealed_seek,
    .after = sealed_after,
    .any_vector = sealed_any_vector,
    .prefetch = sealed_prefetch,
    .index = sealed_graph,
    .postings = sealed_postings,
    .field = sealed_field,
    .scores = sealed_scores,
    .live_postings = sealed_live_postings,
    .column = sealed_column,
    .uses = sealed_uses,
    .mark_dead = sealed_mark_dead,
    .put_doc = sealed_put_doc,
    .put_vector = sealed_put_vector,
    .free = sealed_free,
};

/* ---- opening ---------------------------------------------------------------------------------------- */

static int malformed(struct ctx *c, const struct sealed *z, const char *what)
{
    return err_set(c, KITH_CORRUPT, "blob %s: segment %llu: malformed %s", z->files.base,
                   (unsigned long long)z->base.id, what);
}

static int open_ids(struct ctx *c, struct sealed *z, uint32_t form)
{
    struct bytes ids, filter;

    TRY(pack_get(c, z->cols->pack, PACK_IDS, 0, z->base.id, &ids));
    TRY(pack_get(c, z->cols->pack, PACK_FILTER, 0, z->base.id, &filter));
    z->filter = (const void *)filter.data;
    z->filter_words = filter_words(z->rows);
    if (filter.size != (size_t)z->filter_words * 8)
        return malformed(c, z, "id filter");
    if (form == IDS_NUMBERS) {
        if (ids.size != (size_t)z->rows * 8)
            return malformed(c, z, "ids");
        z->numbers = (const void *)ids.data;
        return 0;
    }
    if (ids.size < ((size_t)z->rows + 1) * 4)
        return malformed(c, z, "ids");
    z->id_offsets = (const void *)ids.data;
    z->id_bytes = ids.data + ((size_t)z->rows + 1) * 4;
    for (uint32_t i = 0; i < z->rows; i++) {
        if (z->id_offsets[i] > z->id_offsets[i + 1])
            return malformed(c, z, "ids");
    }
    return z->id_offsets[z->rows] == ids.size - ((size_t)z->rows + 1) * 4 ? 0 : malformed(c, z, "ids");
}

static int open_columns(struct ctx *c, struct sealed *z, const struct schema *schema)
{
    struct bytes head_bytes, lsns;
    struct segment_head head;

    TRY(pack_get(c, z->cols->pack, PACK_SEGMENT, 0, z->base.id, &head_bytes));
    if (head_bytes.size != sizeof head)
        return malformed(c, z, "head");
    memcpy(&head, head_bytes.data, sizeof head);
    z->rows = head.rows;
    TRY(open_ids(c, z, head.ids_form));
    TRY(pack_get(c, z->cols->pack, PACK_LSNS, 0, z->base.id, &lsns));
    if (lsns.size != (size_t)z->rows * 8)
        return malformed(c, z, "LSNs");
    z->born = (const void *)lsns.data;
    z->vectors = mem_zalloc(MAX(schema->vectors_count, (size_t)1) * sizeof *z->vectors);
    if (!z->vectors)
        return err_nomem(c);
    z->revisions.rows_count = z->rows;
    z->revisions.vectors_count = (uint32_t)schema->vectors_count;
    for (size_t i = 0; i < schema->vectors_count; i++) {
        struct sealed_vector *v = &z->vectors[z->vectors_count++];
        TRY(sealed_vector_open(c, z->cols->pack, z->base.id, z->rows, &schema->vectors[i], v));
    }
    return 0;
}

static int open_scores(struct ctx *c, const struct sealed *z, struct sealed_field *f)
{
    const struct pack *p = z->docs->pack;
    struct bytes data;

    f->scored = pack_find(p, PACK_SCORES, f->id, z->base.id) != NULL;
    if (!f->scored)
        return 0;
    TRY(pack_get(c, p, PACK_SCORES, f->id, z->base.id, &data));
    return field_scores_open(c, data, &f->index, &f->scores);
}

static int open_positions(struct ctx *c, const struct sealed *z, struct sealed_field *f)
{
    const struct pack *p = z->docs->pack;
    struct bytes data;

    if (!pack_find(p, PACK_POSITIONS, f->id, z->base.id))
        return 0;
    TRY(pack_get(c, p, PACK_POSITIONS, f->id, z->base.id, &data));
    return positions_open(c, data, f->index.entries, f->scored ? f->scores.times : NULL, &f->index.positions);
}

static int open_docs(struct ctx *c, struct sealed *z, const struct schema *schema)
{
    const struct pack *p = z->docs->pack;

    TRY(doc_column_open(c, p, z->base.id, z->rows, z->born, &z->column));
    z->fields = mem_zalloc(MAX(schema->fields_count, (size_t)1) * sizeof *z->fields);
    if (!z->fields)
        return err_nomem(c);
    for (size_t i = 0; i < schema->fields_count; i++) {
        uint32_t id = schema->fields[i].id;
        struct bytes data;
        if (!pack_find(p, PACK_FIELD, id, z->base.id))
            continue;
        TRY(pack_get(c, p, PACK_FIELD, id, z->base.id, &data));
        TRY(field_open(c, data, &z->fields[z->fields_count].index));
        z->fields[z->fields_count++].id = id;
        if (z->fields[z->fields_count - 1].index.rows != z->rows)
            return malformed(c, z, "field index");
        TRY(open_scores(c, z, &z->fields[z->fields_count - 1]));
        TRY(open_positions(c, z, &z->fields[z->fields_count - 1]));
    }
    return 0;
}

static int open_all(struct ctx *c, struct blob_store *blobs, const struct schema *schema, struct sealed *z,
                    const struct sealed *old)
{
    struct part *known[VECTORS_MAX + 4];
    size_t count = 0;

    if (old) {
        known[count++] = old->cols;
        known[count++] = old->docs;
        for (uint32_t i = 0; i < old->graphs_count; i++)
            known[count++] = old->graphs[i].part;
    }
    TRY(part_take(c, blobs, z->files.base, known, count, &z->cols));
    known[count++] = z->cols;
    TRY(part_take(c, blobs, z->files.docs, known, count, &z->docs));
    TRY(open_columns(c, z, schema));
    TRY(open_docs(c, z, schema));
    z->graphs = mem_zalloc(MAX(z->files.graphs_count, 1u) * sizeof *z->graphs);
    if (!z->graphs)
        return err_nomem(c);
    for (uint32_t i = 0; i < z->files.graphs_count; i++) {
        const struct schema_vector *v = schema_vector_by_id(schema, z->files.graphs[i].vector_id);
        struct sealed_graph *x = &z->graphs[z->graphs_count];
        if (!v)
            continue;
        x->vector_id = v->id;
        TRY(part_take(c, blobs, z->files.graphs[i].key, known, count, &x->part));
        z->graphs_count++;
        TRY(sealed_index_open(c, x->part, z->base.id, z->rows, v, &x->g));
    }
    return 0;
}

static int sealed_make(struct ctx *c, struct blob_store *blobs, const struct schema *schema, uint64_t id,
                       const struct sealed_files *files, const struct sealed *old, struct sealed **ret)
{
    struct sealed *z = mem_zalloc(sizeof *z);
    int rc;

    if (!z)
        return err_nomem(c);
    z->base.ops = &sealed_ops;
    atomic_init(&z->base.refs, 1);
    z->base.id = id;
    z->files = *files;
    rc = open_all(c, blobs, schema, z, old);
    if (rc < 0) {
        sealed_free(&z->base);
        return rc;
    }
    *ret = z;
    return 0;
}

int sealed_open(struct ctx *c, struct blob_store *blobs, const struct schema *schema, uint64_t id,
                const struct sealed_files *files, struct segment **ret_segment)
{
    struct sealed *z;

    TRY(sealed_make(c, blobs, schema, id, files, NULL, &z));
    *ret_segment = &z->base;
    return 0;
}

static int copy_overlays(struct ctx *c, const struct sealed *old, struct sealed *z)
{
    for (row_id row = 0; row < z->rows; row++) {
        TRY(segment_copy_docs(c, &old->base, row, z->files.docs_lsn, &z->base, row));
        TRY(segment_copy_vectors(c, &old->base, row, 0, &z->base, row));
    }
    return 0;
}

int sealed_reopen(struct ctx *c, struct blob_store *blobs, const struct schema *schema, const struct segment *old_base,
                  const struct sealed_files *files, struct segment **ret_segment)
{
    const struct sealed *old = sealed_of(old_base);
    struct deads *d = atomic_load(&sealed_of(old_base)->deads);
    struct sealed *z;
    int rc;

    TRY(sealed_make(c, blobs, schema, old_base->id, files, old, &z));
    rc = z->rows == old->rows ? copy_overlays(c, old, z) : malformed(c, z, "row count");
    if (rc < 0) {
        sealed_free(&z->base);
        return rc;
    }
    if (d) {
        atomic_fetch_add(&d->refs, 1);
        atomic_store(&z->deads, d);
        atomic_store(&z->base.dead_count, atomic_load(&((struct segment *)(uintptr_t)old_base)->dead_count));
    }
    *ret_segment = &z->base;
    return 0;
}

const struct sealed_files *sealed_files(const struct segment *s)
{
    return &sealed_of(s)->files;
}

static int verify_row(struct ctx *c, const struct segment *s, row_id row, struct doc_room *room)
{
    const struct sealed *z = sealed_of(s);
    struct bytes doc;
    lsn at;

    TRY(sealed_doc(c, s, row, UINT64_MAX, room, &doc, &at));
    if (!val_check(doc.data, doc.size))
        return err_set(c, KITH_CORRUPT, "blob %s: the document of row %u is malformed", z->files.docs, row);
    if (row) {
        kith_id a = sealed_id(s, row - 1), b = sealed_id(s, row);
        if (id_cmp(&a, &b) >= 0)
            return malformed(c, z, "id order");
    }
    return 0;
}

int sealed_verify(struct ctx *c, const struct segment *s)
{
    const struct sealed *z = sealed_of(s);
    struct doc_room room = {0};
    int rc = 0;

    TRY(pack_verify_all(c, z->cols->pack));
    TRY(pack_verify_all(c, z->docs->pack));
    for (uint32_t i = 0; i < z->graphs_count; i++)
        TRY(pack_verify_all(c, z->graphs[i].part->pack));
    for (row_id row = 0; row < z->rows && rc >= 0; row++)
        rc = verify_row(c, s, row, &room);
    doc_room_release(&room);
    return rc;
}
