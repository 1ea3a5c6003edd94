/* mask.c - a filter as the set of rows of one segment.
 *
 * Indexed conditions come from the field indexes. What they cannot answer - no index, values an index
 * leaves out, documents replaced since the index was made - is read, and only for the rows that are
 * still in question. So every path gives the rows that op/match.h defines. */
#include "base/ctx.h"
#include "os/os.h"
#include "query/query.h"

struct masking {
    struct ctx *c;
    const struct snapshot *snap;
    const struct segment *s;
    struct bits overlaid; /* rows whose document is newer than the field indexes */
    bool any_overlaid;
    struct doc_room room;
};

static int eval(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out);

static int look_at(struct masking *m, const struct pred *p, row_id row, bool *ret_match)
{
    struct row_look look = {m->s, m->snap->schema, row, m->snap->v};
    struct subject subject = {.has_vector = row_has_vector, .arg = &look};
    struct bytes doc;
    kith_id id = m->s->ops->id(m->s, row);
    lsn at;

    TRY(m->s->ops->doc(m->c, m->s, row, m->snap->v, &m->room, &doc, &at));
    subject.id = &id;
    subject.doc = val_of(doc.data, doc.size);
    *ret_match = pred_match(p, &subject);
    return 0;
}

static int look_at_all(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    uint32_t n = 0;

    for (row_id row = bits_next(among, 0); row != ROW_NONE; row = bits_next(among, row + 1)) {
        bool match = false;
        if (++n % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(m->c));
        TRY(look_at(m, p, row, &match));
        if (match)
            bits_set(out, row);
    }
    return 0;
}

static int has_id(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    for (size_t i = 0; i < p->f->ids_count; i++) {
        row_id row = m->s->ops->find(m->s, &p->f->ids[i], m->snap->v);
        if (row != ROW_NONE && bits_get(among, row))
            bits_set(out, row);
    }
    return 0;
}

/* 1: answered; 0: nothing here can. */
static int by_index(struct masking *m, const struct pred *p, struct bits *sure, struct bits *maybe)
{
    const struct field_index *x = m->s->ops->field(m->s, p->field->id);
    const struct column *y = m->s->ops->column(m->s, p->field->id);

    return y ? column_match(m->c, y, p, sure, maybe) : x && field_match(x, p, sure, maybe);
}

/* Only what indexes leave over is looked at. */
static int by_hint(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    struct bits candidates;

    if (bits_new(&m->c->arena, among->size, &candidates) < 0)
        return err_nomem(m->c);
    TRY(eval(m, p->hint, among, &candidates));
    return look_at_all(m, p, &candidates, out);
}

static int leaf(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    struct bits maybe;
    int rc;

    if (p->f->kind == KITH_COND_HAS_ID)
        return has_id(m, p, among, out);
    if (p->hint)
        return by_hint(m, p, among, out);
    if (!p->field)
        return look_at_all(m, p, among, out);
    if (bits_new(&m->c->arena, among->size, &maybe) < 0)
        return err_nomem(m->c);
    rc = by_index(m, p, out, &maybe);
    if (rc <= 0)
        return rc < 0 ? rc : look_at_all(m, p, among, out);
    bits_minus(&maybe, out);
    if (m->any_overlaid && !MUTANT(MUTANT_FILTER_IGNORES_OVERLAYS)) {
        bits_minus(out, &m->overlaid);
        bits_or(&maybe, &m->overlaid);
    }
    bits_and(out, among);
    bits_and(&maybe, among);
    return look_at_all(m, p, &maybe, out);
}

static bool indexed(const struct masking *m, const struct pred *p)
{
    if (p->f->kind == KITH_COND_HAS_ID)
        return true;
    if (p->hint)
        return indexed(m, p->hint);
    if (p->f->subs_count && p->f->kind != KITH_COND_NESTED) {
        for (size_t i = 0; i < p->f->subs_count; i++) {
            if (!indexed(m, &p->subs[i]))
                return false;
        }
        return true;
    }
    return p->field && (m->s->ops->field(m->s, p->field->id) || m->s->ops->column(m->s, p->field->id));
}

/* The indexed ones first: they leave fewer rows to be read by the others. */
static int eval_all(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    memcpy(out->words, among->words, (size_t)bits_words(out->size) * 8);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < p->f->subs_count; i++) {
            struct bits sub;
            if (indexed(m, &p->subs[i]) != (turn == 0))
                continue;
            if (bits_new(&m->c->arena, out->size, &sub) < 0)
                return err_nomem(m->c);
            TRY(eval(m, &p->subs[i], out, &sub));
            bits_and(out, &sub);
        }
    }
    return 0;
}

static int eval_any(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    struct bits left;

    if (bits_new(&m->c->arena, out->size, &left) < 0)
        return err_nomem(m->c);
    memcpy(left.words, among->words, (size_t)bits_words(out->size) * 8);
    for (size_t i = 0; i < p->f->subs_count; i++) {
        struct bits sub;
        if (bits_new(&m->c->arena, out->size, &sub) < 0)
            return err_nomem(m->c);
        TRY(eval(m, &p->subs[i], &left, &sub));
        bits_or(out, &sub);
        bits_minus(&left, &sub);
    }
    return 0;
}

static int eval_at_least(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    uint32_t *hits = arena_zalloc(&m->c->arena, (size_t)MAX(out->size, 1u) * sizeof *hits);

    if (!hits)
        return err_nomem(m->c);
    for (size_t i = 0; i < p->f->subs_count; i++) {
        struct bits sub;
        if (bits_new(&m->c->arena, out->size, &sub) < 0)
            return err_nomem(m->c);
        TRY(eval(m, &p->subs[i], among, &sub));
        for (row_id row = bits_next(&sub, 0); row != ROW_NONE; row = bits_next(&sub, row + 1))
            hits[row]++;
    }
    for (row_id row = bits_next(among, 0); row != ROW_NONE; row = bits_next(among, row + 1)) {
        if (hits[row] >= p->f->least)
            bits_set(out, row);
    }
    return 0;
}

/* `out` is clear; it becomes the rows of `among` that satisfy p. */
static int eval(struct masking *m, const struct pred *p, const struct bits *among, struct bits *out)
{
    struct bits any;

    switch (p->f->kind) {
    case KITH_COND_ALL:
        return eval_all(m, p, among, out);
    case KITH_COND_ANY:
        return eval_any(m, p, among, out);
    case KITH_COND_NONE:
        if (bits_new(&m->c->arena, out->size, &any) < 0)
            return err_nomem(m->c);
        TRY(eval_any(m, p, among, &any));
        memcpy(out->words, among->words, (size_t)bits_words(out->size) * 8);
        bits_minus(out, &any);
        return 0;
    case KITH_COND_AT_LEAST:
        return eval_at_least(m, p, among, out);
    case KITH_COND_MATCH: case KITH_COND_EXCEPT: case KITH_COND_PREFIX: case KITH_COND_SUBSTRING:
    case KITH_COND_RANGE: case KITH_COND_DATETIME: case KITH_COND_VALUES_COUNT: case KITH_COND_IS_EMPTY:
    case KITH_COND_IS_NULL: case KITH_COND_FIELD_EMPTY: case KITH_COND_FIELD_NULL: case KITH_COND_HAS_ID:
    case KITH_COND_HAS_VECTOR: case KITH_COND_NESTED: case KITH_COND_SLICE: case KITH_COND_TEXT: case KITH_COND_TEXT_ANY:
    case KITH_COND_PHRASE: case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        break;
    }
    return leaf(m, p, among, out);
}

/* Few: one by one; many: the table, row by row. (A growing row's document may have been replaced by the very record
 * that made it: only the list says so.) */
static void find_overlaid(const struct segment *s, lsn v, struct bits *out)
{
    if (!segment_is_growing(s) && atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) > out->size / 16) {
        for (row_id row = 0; row < out->size; row++) {
            if (s->ops->overlaid(s, row, v))
                bits_set(out, row);
        }
        return;
    }
    for (const struct docver *d = s->ops->overlays(s); d; d = d->next) {
        if (d->lsn <= v && d->row < out->size)
            bits_set(out, d->row);
    }
}

int query_overlaid(struct ctx *c, const struct segment *s, lsn v, uint32_t rows, struct bits *ret_rows, bool *ret_any)
{
    *ret_any = atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count) > 0;
    if (!*ret_any)
        return 0;
    if (bits_new(&c->arena, rows, ret_rows) < 0)
        return err_nomem(c);
    find_overlaid(s, v, ret_rows);
    return 0;
}

int query_few(struct ctx *c, const struct snapshot *snap, size_t segment, const struct pred *p, uint32_t most,
              struct row_set *ret_rows)
{
    struct segment *s = snap->segments[segment];
    const struct field_index *x;
    const row_id *rows;
    row_id *alive;
    uint32_t count;

    while (p && p->f->kind == KITH_COND_ALL && p->f->subs_count == 1)
        p = &p->subs[0];
    if (!p || !p->field || p->f->subs_count || segment_is_growing(s) || atomic_load(&s->overlaid_count))
        return 0;
    x = s->ops->field(s, p->field->id);
    if (!x || !field_rows(x, p, &rows, &count) || count > most)
        return 0;
    *ret_rows = (struct row_set){.list = rows, .count = count};
    if (!atomic_load(&s->dead_count) || MUTANT(MUTANT_FEW_FORGET_THE_DEAD))
        return 1;
    alive = arena_alloc(&c->arena, MAX(count, 1u) * sizeof *alive);
    if (!alive)
        return err_nomem(c);
    *ret_rows = (struct row_set){.list = alive};
    for (uint32_t i = 0; i < count; i++) {
        lsn dead = s->ops->dead(s, rows[i]);
        if (!dead || dead > snap->v)
            alive[ret_rows->count++] = rows[i];
    }
    return 1;
}

int query_mask(struct ctx *c, const struct snapshot *snap, size_t segment, const struct pred *p,
               struct bits *ret_mask, bool *ret_all)
{
    struct segment *s = snap->segments[segment];
    struct masking m = {.c = c, .snap = snap, .s = s};
    struct bits live, mask;
    int rc;

    TRY(segment_live(c, s, snap->v, &live, ret_all));
    if (!p || (p->f->kind == KITH_COND_ALL && !p->f->subs_count)) {
        *ret_mask = live;
        return 0;
    }
    *ret_all = false;
    if (bits_new(&c->arena, live.size, &mask) < 0)
        return err_nomem(c);
    TRY(query_overlaid(c, s, snap->v, live.size, &m.overlaid, &m.any_overlaid));
    rc = eval(&m, p, &live, &mask);
    doc_room_release(&m.room);
    *ret_mask = mask;
    return rc;
}
