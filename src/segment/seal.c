/* seal.c - writing rows as the sections of a container (docs/format/segment.md). Rows are written in
 * id order: the id column is then its own index, and scrolling is reading along. */
#include "base/ctx.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"
#include "segment/calibrate.h"
#include "segment/sealed.h"

#include <lz4.h>

struct sealing {
    struct ctx *c;
    struct pack_writer *w;
    uint64_t owner;
    const struct schema *schema;
    const struct graph_plan *plan; /* NULL: it must be quick, and nothing is measured */
    struct picked *rows;
    uint32_t count;
    lsn v;
    bool with_rows; /* their ids and LSNs are written too */
};

/* ---- choosing the rows: a merge of id orders ----------------------------------------------------- */

struct cursor {
    const struct segment *s;
    row_id row;
};

static void cursor_settle(struct cursor *k, lsn v)
{
    while (k->row != ROW_NONE && !segment_visible(k->s, k->row, v))
        k->row = k->s->ops->after(k->s, k->row);
}

static int pick_rows(struct sealing *z, const struct seal_source *from)
{
    struct cursor *cursors = arena_alloc(&z->c->arena, MAX(from->count, (size_t)1) * sizeof *cursors);
    uint64_t total = 0;

    for (size_t i = 0; i < from->count; i++)
        total += from->segments[i]->ops->rows(from->segments[i]);
    z->rows = arena_alloc(&z->c->arena, (size_t)MAX(total, (uint64_t)1) * sizeof *z->rows);
    if (!cursors || !z->rows)
        return err_nomem(z->c);
    for (size_t i = 0; i < from->count; i++) {
        cursors[i].s = from->segments[i];
        cursors[i].row = cursors[i].s->ops->seek(cursors[i].s, NULL);
        cursor_settle(&cursors[i], z->v);
    }
    for (;;) {
        struct cursor *least = NULL;
        kith_id least_id = {0};
        for (size_t i = 0; i < from->count; i++) {
            kith_id id;
            if (cursors[i].row == ROW_NONE)
                continue;
            id = cursors[i].s->ops->id(cursors[i].s, cursors[i].row);
            if (!least || id_cmp(&id, &least_id) < 0) {
                least = &cursors[i];
                least_id = id;
            }
        }
        if (!least)
            return 0;
        kassert(z->count < total);
        z->rows[z->count++] = (struct picked){least->s, least->row};
        least->row = least->s->ops->after(least->s, least->row);
        cursor_settle(least, z->v);
    }
}

/* ---- sections --------------------------------------------------------------------------------------- */

static kith_id picked_id(const struct sealing *z, uint32_t i)
{
    return z->rows[i].s->ops->id(z->rows[i].s, z->rows[i].row);
}

static int write_ids(struct sealing *z, uint32_t *ret_form)
{
    struct buf ids, offsets;
    bool numbers = true;
    int rc;

    for (uint32_t i = 0; i < z->count && numbers; i++)
        numbers = picked_id(z, i).kind == KITH_ID_NUM;
    buf_init(&ids);
    buf_init(&offsets);
    for (uint32_t i = 0; i < z->count; i++) {
        kith_id id = picked_id(z, i);
        if (numbers) {
            buf_u64(&ids, id.as.num);
        } else {
            buf_u32(&offsets, (uint32_t)ids.size);
            id_put(&ids, &id);
        }
    }
    if (!numbers)
        buf_u32(&offsets, (uint32_t)ids.size);
    rc = ids.failed || offsets.failed ? err_nomem(z->c) : pack_begin(z->c, z->w, PACK_IDS, 0, z->owner);
    if (rc >= 0)
        rc = pack_write(z->c, z->w, offsets.data, offsets.size);
    if (rc >= 0)
        rc = pack_write(z->c, z->w, ids.data, ids.size);
    if (rc >= 0)
        rc = pack_end(z->c, z->w);
    buf_release(&ids);
    buf_release(&offsets);
    *ret_form = numbers ? IDS_NUMBERS : IDS_MIXED;
    return rc;
}

static int write_filter(struct sealing *z)
{
    uint32_t words = filter_words(z->count);
    uint64_t *filter = mem_zalloc((size_t)words * 8);
    int rc;

    if (!filter)
        return err_nomem(z->c);
    for (uint32_t i = 0; i < z->count; i++) {
        kith_id id = picked_id(z, i);
        filter_add(filter, words, id_hash(&id));
    }
    rc = pack_put(z->c, z->w, PACK_FILTER, 0, z->owner, filter, (size_t)words * 8);
    mem_free(filter);
    return rc;
}

static lsn born_of(const struct sealing *z, uint32_t i)
{
    const struct segment *s = z->rows[i].s;
    const struct vecver *d = s->ops->revision(s, z->rows[i].row, 0, z->v);
    lsn born = s->ops->born(s, z->rows[i].row);

    return d && d->lsn > born ? d->lsn : born; /* its vectors are folded in: it is a row of then */
}

static int write_lsns(struct sealing *z)
{
    TRY(pack_begin(z->c, z->w, PACK_LSNS, 0, z->owner));
    for (uint32_t i = 0; i < z->count; i++) {
        lsn born = born_of(z, i);
        TRY(pack_write(z->c, z->w, &born, sizeof born));
    }
    return pack_end(z->c, z->w);
}

static int picked_vector(struct sealing *z, uint32_t i, uint32_t vector_id, const void **ret_data)
{
    return z->rows[i].s->ops->vector(z->c, z->rows[i].s, z->rows[i].row, z->v, vector_id, ret_data);
}

struct sparse_source {
    struct sealing *z;
    uint32_t vector_id;
};

static int sparse_at(void *arg, uint32_t i, const void **ret_kept)
{
    struct sparse_source *from = arg;

    return picked_vector(from->z, i, from->vector_id, ret_kept);
}

static int write_slack(struct sealing *z, const struct schema_vector *v, const struct postings_source *from,
                       struct bytes built)
{
    struct slack_curve curve;
    struct postings p;

    if (!z->plan)
        return 0;
    if (!postings_open(built, z->count, &p))
        return err_set(z->c, KITH_CORRUPT, "postings just built");
    TRY(calibrate_sparse(z->c, from, &p, z->plan->kernels, v->idf, &curve));
    return curve.probes ? pack_put(z->c, z->w, PACK_CURVE, v->id, z->owner, &curve, sizeof curve) : 0;
}

static int write_postings(struct sealing *z, const struct schema_vector *v)
{
    struct sparse_source arg = {z, v->id};
    struct postings_source from = {z->count, sparse_at, &arg};
    struct buf out;
    int rc;

    buf_init(&out);
    rc = postings_build(z->c, &from, &out);
    if (rc >= 0)
        rc = pack_put(z->c, z->w, PACK_POSTINGS, v->id, z->owner, out.data, out.size);
    if (rc >= 0)
        rc = write_slack(z, v, &from, (struct bytes){out.data, out.size});
    buf_release(&out);
    return rc;
}

/* As sealed.h has it, of different sizes. */
static int write_varying(struct sealing *z, const struct schema_vector *v)
{
    uint32_t *offsets = arena_zalloc(&z->c->arena, ((size_t)z->count + 1) * sizeof *offsets);
    const void *data;

    if (!offsets)
        return err_nomem(z->c);
    for (uint32_t i = 0; i < z->count; i++) {
        uint64_t next;
        TRY(picked_vector(z, i, v->id, &data));
        next = offsets[i] + (data ? vector_size(v, data) / 4 : 0);
        if (next > UINT32_MAX)
            return err_set(z->c, KITH_LIMIT, "vectors of one segment: more than 16 GiB");
        offsets[i + 1] = (uint32_t)next;
    }
    if (!offsets[z->count])
        return 0;
    TRY(pack_begin(z->c, z->w, PACK_VECTORS, v->id, z->owner));
    TRY(pack_write(z->c, z->w, offsets, ((size_t)z->count + 1) * sizeof *offsets));
    for (uint32_t i = 0; i < z->count; i++) {
        TRY(picked_vector(z, i, v->id, &data));
        if (data)
            TRY(pack_write(z->c, z->w, data, vector_size(v, data)));
    }
    TRY(pack_end(z->c, z->w));
    return v->element == KITH_SPARSE ? write_postings(z, v) : 0;
}

static int write_vector(struct sealing *z, const struct schema_vector *v)
{
    void *zeros = arena_zalloc(&z->c->arena, v->size);
    struct bits present;
    uint32_t have = 0;

    if (!zeros || bits_new(&z->c->arena, z->count, &present) < 0)
        return err_nomem(z->c);
    TRY(pack_begin(z->c, z->w, PACK_VECTORS, v->id, z->owner));
    for (uint32_t i = 0; i < z->count; i++) {
        const void *data;
        TRY(picked_vector(z, i, v->id, &data));
        if (data) {
            bits_set(&present, i);
            have++;
        }
        TRY(pack_write(z->c, z->w, data ? data : zeros, v->size));
    }
    if (!have) /* nothing of it: an empty section says so */
        return 0;
    TRY(pack_end(z->c, z->w));
    if (have < z->count)
        TRY(pack_put(z->c, z->w, PACK_PRESENT, v->id, z->owner, present.words, (size_t)bits_words(z->count) * 8));
    return 0;
}

/* ---- documents ---------------------------------------------------------------------------------------- */

struct doc_blocks {
    struct buf raw, offsets, map, lsns;
    void *packed;
    size_t packed_size;
    uint64_t at;
    uint32_t first_row;
    struct doc_room room;
    bool changed; /* some, since their rows were made */
};

static int flush_docs(struct sealing *z, struct doc_blocks *d, uint32_t next_row)
{
    int bound, n;
    size_t size;
    struct doc_block block = {0};

    if (!d->offsets.size)
        return 0;
    block.first_row = d->first_row;
    block.rows = next_row - d->first_row;
    block.raw_size = (uint32_t)d->raw.size;
    buf_u32(&d->offsets, (uint32_t)d->raw.size);
    buf_put(&d->offsets, d->raw.data, d->raw.size); /* offsets, then the documents */
    if (d->offsets.failed)
        return err_nomem(z->c);
    size = d->offsets.size;
    if (size > LZ4_MAX_INPUT_SIZE)
        return err_set(z->c, KITH_LIMIT, "a block of documents is larger than %d bytes", LZ4_MAX_INPUT_SIZE);
    bound = LZ4_compressBound((int)size);
    if ((size_t)bound > d->packed_size) {
        mem_free(d->packed);
        d->packed = mem_alloc((size_t)bound);
        d->packed_size = d->packed ? (size_t)bound : 0;
        if (!d->packed)
            return err_nomem(z->c);
    }
    n = LZ4_compress_default((const char *)d->offsets.data, d->packed, (int)size, bound);
    if (n <= 0)
        return err_nomem(z->c);
    block.offset = d->at;
    block.size = (uint32_t)n;
    block.raw_size = (uint32_t)size;
    TRY(pack_write(z->c, z->w, d->packed, (size_t)n));
    d->at += (uint64_t)n;
    buf_put(&d->map, &block, sizeof block);
    d->raw.size = d->offsets.size = 0;
    d->first_row = next_row;
    return 0;
}

static int write_doc_sections(struct sealing *z, struct doc_blocks *d, struct field_builder **fields)
{
    TRY(pack_begin(z->c, z->w, PACK_DOCS, 0, z->owner));
    for (uint32_t i = 0; i < z->count; i++) {
        struct bytes doc;
        lsn at;
        TRY(z->rows[i].s->ops->doc(z->c, z->rows[i].s, z->rows[i].row, z->v, &d->room, &doc, &at));
        buf_u32(&d->offsets, (uint32_t)d->raw.size);
        buf_put(&d->raw, doc.data, doc.size);
        buf_u64(&d->lsns, at);
        d->changed = d->changed || at != born_of(z, i);
        for (size_t f = 0; f < z->schema->fields_count; f++) {
            if (fields[f])
                TRY(field_builder_add(z->c, fields[f], i, val_of(doc.data, doc.size)));
        }
        if (d->raw.size >= DOC_BLOCK)
            TRY(flush_docs(z, d, i + 1));
    }
    TRY(flush_docs(z, d, z->count));
    if (d->map.failed || d->lsns.failed)
        return err_nomem(z->c);
    TRY(pack_end(z->c, z->w));
    TRY(pack_put(z->c, z->w, PACK_DOC_MAP, 0, z->owner, d->map.data, d->map.size));
    if (z->with_rows && !d->changed)
        return 0;
    return pack_put(z->c, z->w, PACK_DOC_LSNS, 0, z->owner, d->lsns.data, d->lsns.size);
}

static int put_section(struct sealing *z, enum pack_kind kind, uint32_t field, const struct buf *b)
{
    return b->size ? pack_put(z->c, z->w, kind, field, z->owner, b->data, b->size) : 0;
}

static int write_fields(struct sealing *z, struct field_builder **fields)
{
    for (size_t i = 0; i < z->schema->fields_count; i++) {
        uint32_t id = z->schema->fields[i].id;
        struct field_sections s;
        int rc;
        if (!fields[i])
            continue;
        rc = field_builder_finish(z->c, fields[i], z->count, &s);
        if (rc >= 0)
            rc = put_section(z, PACK_FIELD, id, &s.index);
        if (rc >= 0)
            rc = put_section(z, PACK_SCORES, id, &s.scores);
        if (rc >= 0)
            rc = put_section(z, PACK_POSITIONS, id, &s.positions);
        field_sections_release(&s);
        TRY(rc);
    }
    return 0;
}

static int write_docs(struct sealing *z)
{
    struct doc_blocks d = {0};
    struct field_builder **fields = arena_zalloc(&z->c->arena, MAX(z->schema->fields_count, (size_t)1) * sizeof *fields);
    int rc = 0;

    if (!fields)
        rc = err_nomem(z->c);
    for (size_t i = 0; i < z->schema->fields_count && rc >= 0; i++) {
        if (z->schema->fields[i].def.index != KITH_INDEX_NONE)
            rc = field_builder_new(z->c, &z->schema->fields[i], &fields[i]);
    }
    if (rc >= 0)
        rc = write_doc_sections(z, &d, fields);
    if (rc >= 0)
        rc = write_fields(z, fields);
    for (size_t i = 0; fields && i < z->schema->fields_count; i++)
        field_builder_free(fields[i]);
    buf_release(&d.raw);
    buf_release(&d.offsets);
    buf_release(&d.map);
    buf_release(&d.lsns);
    mem_free(d.packed);
    doc_room_release(&d.room);
    return rc;
}

/* With a plan, graphs too: of every vector if the rows come from sealed segments, of those whose graph is
 * whole already if not, because sealing must be quick. */
static int write_graphs(struct sealing *z, const struct seal_source *from, const struct graph_plan *plan,
                        struct sealed_graphs *ret_graphs)
{
    ret_graphs->count = 0;
    if (!plan || z->count < plan->rows_min)
        return 0;
    for (size_t i = 0; i < z->schema->vectors_count; i++) {
        const struct schema_vector *v = &z->schema->vectors[i];
        bool known = true;
        int rc;
        for (size_t j = 0; j < from->count; j++)
            known = known && (!segment_is_growing(from->segments[j]) || segment_index_whole(from->segments[j], v->id));
        if (!known || !schema_wants_index(v))
            continue;
        rc = seal_index(z->c, z->w, z->owner, v, z->rows, z->count, z->v, plan);
        if (rc == 0)
            ret_graphs->vectors[ret_graphs->count++] = v->id;
        TRY(rc);
    }
    return 0;
}

int seal_write(struct ctx *c, struct pack_writer *w, uint64_t id, const struct schema *schema,
               const struct seal_source *from, lsn v, const struct graph_plan *plan, uint32_t *ret_rows,
               struct sealed_graphs *ret_graphs)
{
    struct sealing z = {.c = c, .w = w, .owner = id, .schema = schema, .plan = plan, .v = v, .with_rows = true};
    struct segment_head head = {0};

    TRY(pick_rows(&z, from));
    head.rows = z.count;
    ret_graphs->count = 0;
    if (z.count) {
        TRY(write_ids(&z, &head.ids_form));
        TRY(write_filter(&z));
        TRY(write_lsns(&z));
        for (size_t i = 0; i < schema->vectors_count; i++)
            TRY((schema_varies(&schema->vectors[i]) ? write_varying : write_vector)(&z, &schema->vectors[i]));
        TRY(write_docs(&z));
        TRY(write_graphs(&z, from, plan, ret_graphs));
        TRY(pack_put(c, w, PACK_SEGMENT, 0, id, &head, sizeof head));
    }
    *ret_rows = z.count;
    return 0;
}

int seal_write_docs(struct ctx *c, struct pack_writer *w, const struct schema *schema, const struct segment *s, lsn v)
{
    struct sealing z = {.c = c, .w = w, .owner = s->id, .schema = schema, .v = v};

    z.count = s->ops->rows(s);
    z.rows = arena_alloc(&c->arena, MAX(z.count, 1u) * sizeof *z.rows);
    if (!z.rows)
        return err_nomem(c);
    for (row_id row = 0; row < z.count; row++)
        z.rows[row] = (struct picked){s, row};
    return write_docs(&z);
}
