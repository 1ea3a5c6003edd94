/* segment.c - what growing and sealed segments share. */
#include "segment/segment.h"

#include "base/ctx.h"
#include "base/mem.h"

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void segment_unref(struct segment *s)
{
    if (s && atomic_fetch_sub(&s->refs, 1) == 1)
        s->ops->free(s);
}

struct docver *docver_new(lsn at, const void *data, size_t size)
{
    struct docver *d = mem_alloc(sizeof *d + size);

    if (!d)
        return NULL;
    d->lsn = at;
    d->older = d->next = NULL;
    d->row = 0;
    d->size = (uint32_t)size;
    memcpy(d->data, data, size);
    return d;
}

int segment_live(struct ctx *c, const struct segment *s, lsn v, struct bits *ret_bits, bool *ret_all)
{
    if (bits_new(&c->arena, s->ops->rows(s), ret_bits) < 0)
        return err_nomem(c);
    *ret_all = s->ops->live(s, v, ret_bits);
    return 0;
}

lsn segment_changed(const struct segment *s, row_id row, lsn v)
{
    const struct vecver *d = s->ops->revision(s, row, 0, v);
    lsn at = MAX(s->ops->doc_lsn(s, row, v), s->ops->born(s, row));

    return d && d->lsn > at ? d->lsn : at;
}

bool row_has_vector(void *arg, const char *name)
{
    struct row_look *look = arg;
    const struct schema_vector *v = schema_vector(look->schema, name);
    const void *data = NULL;
    struct ctx c;

    if (!v)
        return false;
    ctx_init(&c, NULL);
    if (look->s->ops->vector(&c, look->s, look->row, look->v, v->id, &data) < 0)
        data = NULL;
    ctx_release(&c);
    return data != NULL;
}

/* ---- carrying marks ----------------------------------------------------------------------------- */


int segment_copy_docs(struct ctx *c, const struct segment *from, row_id row, lsn v, struct segment *to, row_id there)
{
    const struct docver *newest = from->ops->versions(from, row);
    size_t count = 0;

    for (const struct docver *d = newest; d && d->lsn > v; d = d->older)
        count++;
    for (; count > 0; count--) { /* oldest first */
        const struct docver *d = newest;
        struct docver *copy, *old;
        for (size_t i = 1; i < count; i++)
            d = d->older;
        copy = docver_new(d->lsn, d->data, d->size);
        if (!copy || to->ops->put_doc(to, there, copy, &old) < 0) {
            mem_free(copy);
            return err_nomem(c);
        }
    }
    return 0;
}

int segment_copy_vectors(struct ctx *c, const struct segment *from, row_id row, lsn v, struct segment *to,
                         row_id there)
{
    const struct vecver *newest = from->ops->revision(from, row, 0, UINT64_MAX);
    size_t count = 0;

    for (const struct vecver *d = newest; d && d->lsn > v; d = d->older)
        count++;
    for (; count > 0; count--) { /* oldest first */
        const struct vecver *d = newest;
        struct vecver *copy;
        for (size_t i = 1; i < count; i++)
            d = d->older;
        copy = vecver_new(d->lsn, d->vector_id, d->data, d->size);
        if (!copy || to->ops->put_vector(to, there, copy) < 0) {
            mem_free(copy);
            return err_nomem(c);
        }
    }
    return 0;
}

int segment_carry(struct ctx *c, const struct segment *from, lsn v, struct segment *to)
{
    uint32_t rows = from->ops->rows(from);

    for (row_id row = 0; row < rows; row++) {
        lsn dead = from->ops->dead(from, row);
        kith_id id;
        row_id there;
        if (from->ops->born(from, row) > v || (dead && dead <= v))
            continue;
        if (!dead && !from->ops->overlaid(from, row, UINT64_MAX) && !from->ops->revision(from, row, 0, UINT64_MAX))
            continue;
        id = from->ops->id(from, row);
        there = to->ops->find(to, &id, v);
        if (there == ROW_NONE)
            return err_set(c, KITH_CORRUPT, "segment %llu: a row of segment %llu is missing",
                           (unsigned long long)to->id, (unsigned long long)from->id);
        TRY(segment_copy_docs(c, from, row, v, to, there));
        if (!MUTANT(MUTANT_LOSE_CARRIED_VECTORS))
            TRY(segment_copy_vectors(c, from, row, v, to, there));
        if (dead && !MUTANT(MUTANT_LOSE_CARRIED_MARKS) && to->ops->mark_dead(to, there, dead) < 0)
            return err_nomem(c);
    }
    return 0;
}

int segment_follow(struct ctx *c, const struct segment *from, lsn since, struct segment *to)
{
    uint32_t rows = from->ops->rows(from);

    for (row_id row = 0; row < rows; row++) {
        lsn dead = from->ops->dead(from, row);
        if (dead && !to->ops->dead(to, row) && to->ops->mark_dead(to, row, dead) < 0)
            return err_nomem(c);
        TRY(segment_copy_docs(c, from, row, since, to, row));
        TRY(segment_copy_vectors(c, from, row, since, to, row));
    }
    atomic_store(&to->dead_count, atomic_load(&((struct segment *)(uintptr_t)from)->dead_count));
    return 0;
}

/* Of each vector of a row the version at V. */
static uint32_t encode_vectors(const struct segment *s, row_id row, lsn v, struct buf *out)
{
    uint32_t seen[VECTORS_MAX], count = 0;

    for (const struct vecver *d = s->ops->revision(s, row, 0, v); d; d = d->older) {
        uint32_t i = 0;
        while (i < count && seen[i] != d->vector_id)
            i++;
        if (i < count || count == VECTORS_MAX)
            continue;
        seen[count++] = d->vector_id;
        buf_u32(out, row);
        buf_u64(out, d->lsn);
        buf_u32(out, d->vector_id);
        buf_blob(out, d->data, d->size);
    }
    return count;
}

int segment_marks_encode(struct ctx *c, const struct segment *s, lsn docs_lsn, lsn v, struct buf *out)
{
    uint32_t rows = s->ops->rows(s), dead_count = 0, docs_count = 0, vectors_count = 0;
    size_t at = out->size;
    lsn doc_lsn;

    buf_zero(out, 12);
    for (row_id row = 0; row < rows && atomic_load(&s->dead_count); row++) {
        lsn dead = s->ops->dead(s, row);
        if (dead && dead <= v && !MUTANT(MUTANT_DROP_MARKS_IN_MANIFEST)) {
            buf_u32(out, row);
            buf_u64(out, dead);
            dead_count++;
        }
    }
    for (row_id row = 0; row < rows && atomic_load(&s->overlaid_count); row++) {
        struct bytes doc;
        lsn dead = s->ops->dead(s, row);
        if ((dead && dead <= v) || !s->ops->overlaid(s, row, v))
            continue;
        TRY(s->ops->doc(c, s, row, v, NULL, &doc, &doc_lsn));
        if (doc_lsn <= docs_lsn)
            continue;
        buf_u32(out, row);
        buf_u64(out, doc_lsn);
        buf_blob(out, doc.data, doc.size);
        docs_count++;
    }
    for (row_id row = 0; row < rows && atomic_load(&s->revised_count); row++) {
        lsn dead = s->ops->dead(s, row);
        if ((!dead || dead > v) && !MUTANT(MUTANT_DROP_VECTORS_IN_MANIFEST))
            vectors_count += encode_vectors(s, row, v, out);
    }
    if (out->failed)
        return err_nomem(c);
    memcpy(out->data + at, &dead_count, 4);
    memcpy(out->data + at + 4, &docs_count, 4);
    memcpy(out->data + at + 8, &vectors_count, 4);
    return 0;
}

static int decode_vector(struct ctx *c, struct segment *s, struct reader *r)
{
    row_id row = read_u32(r);
    lsn at = read_u64(r);
    uint32_t id = read_u32(r);
    struct bytes data = read_blob(r);
    struct vecver *d;

    r->failed = r->failed || row >= s->ops->rows(s) || data.size > DIM_MAX * sizeof(float);
    if (r->failed)
        return 0;
    d = vecver_new(at, id, data.data, data.size);
    if (!d || s->ops->put_vector(s, row, d) < 0) {
        mem_free(d);
        return err_nomem(c);
    }
    return 0;
}

int segment_marks_decode(struct ctx *c, struct segment *s, struct reader *r, bool vectors)
{
    uint32_t rows = s->ops->rows(s), dead_count = read_u32(r), docs_count = read_u32(r);
    uint32_t vectors_count = vectors ? read_u32(r) : 0;

    for (uint32_t i = 0; i < dead_count && !r->failed; i++) {
        row_id row = read_u32(r);
        lsn dead = read_u64(r);
        if (row >= rows)
            r->failed = true;
        else if (s->ops->mark_dead(s, row, dead) < 0)
            return err_nomem(c);
    }
    for (uint32_t i = 0; i < docs_count && !r->failed; i++) {
        row_id row = read_u32(r);
        lsn at = read_u64(r);
        struct bytes doc = read_blob(r);
        struct docver *d, *old;
        if (r->failed || row >= rows || !val_check(doc.data, doc.size)) {
            r->failed = true;
            break;
        }
        d = docver_new(at, doc.data, doc.size);
        if (!d || s->ops->put_doc(s, row, d, &old) < 0) {
            mem_free(d);
            return err_nomem(c);
        }
    }
    for (uint32_t i = 0; i < vectors_count && !r->failed; i++)
        TRY(decode_vector(c, s, r));
    return r->failed ? err_set(c, KITH_CORRUPT, "manifest: marks of segment %llu are malformed",
                               (unsigned long long)s->id)
                     : 0;
}

bool segment_index_whole(const struct segment *s, uint32_t vector_id)
{
    const struct vector_index *x = s->ops->index(s, vector_id);

    return x && (!x->live || atomic_load(x->live_rows) >= s->ops->rows(s));
}

int segment_scorer(struct arena *a, const struct vector_index *x, const struct schema_vector *v, const void *query,
                   const struct kernels *k, struct scorer *ret_scorer)
{
    switch (x->form) {
    case CODE_NIBBLES:
        TRY(scorer_grid_init(ret_scorer, a, &x->grid, x->records, x->rest, x->norms, v->metric, k));
        scorer_grid_query(ret_scorer, &x->grid, query);
        return 0;
    case CODE_PLANES:
        if (x->lists.blocks)
            return scorer_blocks(ret_scorer, a, &x->planes, x->records, v->metric, query, k);
        return scorer_planes(ret_scorer, a, &x->planes, x->records, v->metric, query, k);
    case CODE_PRODUCT:
        return scorer_product(ret_scorer, a, &x->product, x->records, v->metric, query, k);
    case CODE_BYTES: case CODE_L1: case CODE_BITS: case CODE_FORMS:
        break;
    }
    TRY(scorer_init(ret_scorer, a, &x->codes, k));
    scorer_query(ret_scorer, query);
    return 0;
}

enum code_form vector_index_form(const struct schema_vector *v)
{
    if (v->element == KITH_BIT)
        return CODE_BITS;
    if (v->index.codes == KITH_CODES_PRODUCT)
        return CODE_PRODUCT;
    if (v->metric == KITH_MANHATTAN)
        return CODE_L1;
    return v->index.codes == KITH_CODES_AUTO ? CODE_NIBBLES : CODE_PLANES;
}

bool vector_index_fits(const struct vector_index *x, const struct schema_vector *v)
{
    const kith_vector_index *want = &v->index;

    if (x->live)
        return true;
    if (schema_has_lists(v) != (x->lists.count > 0))
        return false;
    if (x->lists.count && (x->asked_lists != want->lists || x->lists.spilled != schema_spills(v)))
        return false;
    if (x->form == CODE_BYTES) /* of the first release */
        return want->codes == KITH_CODES_AUTO;
    if (x->form != vector_index_form(v) || (x->form == CODE_PRODUCT && x->asked_bytes != want->code_bytes))
        return false;
    return x->form != CODE_PLANES || x->planes.bits == (want->codes == KITH_CODES_BIT ? 1u : 2u);
}

const struct schema_vector *segment_wants_index(const struct segment *s, const struct schema *schema)
{
    for (size_t i = 0; i < schema->vectors_count; i++) {
        const struct schema_vector *v = &schema->vectors[i];
        const struct vector_index *x = s->ops->index(s, v->id);
        if (schema_wants_index(v) && s->ops->any_vector(s, v->id) && !(x && vector_index_fits(x, v)))
            return v;
    }
    return NULL;
}

uint32_t vector_index_ranked(const struct vector_index *x, uint32_t k)
{
    if (x->form == CODE_PLANES && x->planes.bits == 1)
        return k * 10 + 96;
    if (x->form == CODE_PLANES || x->form == CODE_PRODUCT)
        return k * 5 + 64;
    return k * (x->form == CODE_NIBBLES ? 3 : 2) + 32;
}

int vector_index_lists(struct ctx *c, const struct vector_index *x, const struct schema_vector *v, const void *query,
                       struct scorer *s, struct graph_scratch *scratch, struct lists_search *search, struct found *out)
{
    const void *floats = query;
    struct scorer centres;

    if (v->element == KITH_BIT) {
        float *room = arena_alloc(&c->arena, v->dim * sizeof *room);
        if (!room)
            return err_nomem(c);
        element_widen(KITH_BIT, query, room, v->dim);
        floats = room;
    }
    if (scorer_init(&centres, &c->arena, &x->lists.centres, s->kernels) < 0)
        return err_nomem(c);
    scorer_query(&centres, floats);
    search->rows = x->slots;
    return lists_search(c, &x->lists, &centres, s, scratch, search, out);
}
