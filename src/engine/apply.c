/* apply.c - what a record means. A pure function of the shard's state and the record: no clock, no
 * randomness, no thread order. Operations fold in order; each sees what those before it did. What is
 * only known here - a missing point, a condition that does not hold - is an outcome, not an error. */
#include "engine/engine.h"

#include "base/id.h"
#include "base/mem.h"

struct applying {
    struct ctx *c;
    struct shard *s;
    lsn at;
    struct segment *segments[512];
    size_t count;
    kith_written *written;
    struct doc_room room;
};

struct place {
    struct segment *s;
    row_id row;
};

static bool find(struct applying *a, const kith_id *id, struct place *ret)
{
    for (size_t i = a->count; i-- > 0;) {
        lsn seen = MUTANT(MUTANT_OLDER_LSN_WINS) ? a->at - 1 : a->at; /* misses what this record did */
        row_id row = a->segments[i]->ops->find(a->segments[i], id, seen);
        if (row != ROW_NONE) {
            ret->s = a->segments[i];
            ret->row = row;
            return true;
        }
    }
    return false;
}

static int matches(struct applying *a, const struct pred *p, const struct place *at, const kith_id *id, bool *ret)
{
    struct row_look look = {at->s, a->s->schema, at->row, a->at};
    struct subject subject = {.id = id, .has_vector = row_has_vector, .arg = &look};
    struct ctx one;
    struct bytes doc;
    lsn doc_lsn;
    int rc;

    if (!p) {
        *ret = true;
        return 0;
    }
    ctx_init(&one, a->c->os);
    rc = at->s->ops->doc(&one, at->s, at->row, a->at, &a->room, &doc, &doc_lsn);
    if (rc >= 0) {
        subject.doc = val_of(doc.data, doc.size);
        *ret = pred_match(p, &subject);
    } else {
        err_set(a->c, rc, "%s", one.text);
    }
    ctx_release(&one);
    return rc;
}

static int compile(struct applying *a, const kith_filter *f, struct pred **ret)
{
    *ret = NULL;
    return f ? pred_compile(a->c, a->s->schema, f, ret) : 0;
}

static int kill_row(struct applying *a, const struct place *at)
{
    return at->s->ops->mark_dead(at->s, at->row, a->at) < 0 ? err_nomem(a->c) : 0;
}

static int add_row(struct applying *a, const kith_id *id, struct bytes doc, lsn doc_lsn,
                   const struct rec_vector *vectors, uint32_t count)
{
    row_id row;

    return growing_add(a->c, a->s->growing.segment, id, a->at, doc, doc_lsn, vectors, count, &row);
}

/* ---- upsert, delete --------------------------------------------------------------------------------- */

static const struct bytes *empty_doc(void)
{
    static const uint8_t object[9] = {VAL_OBJECT};
    static const struct bytes empty = {object, sizeof object};

    return &empty;
}

static int upsert(struct applying *a, const struct rec_op *op)
{
    struct pred *only_if;

    TRY(compile(a, op->only_if, &only_if));
    for (uint32_t i = 0; i < op->points_count; i++) {
        const struct rec_point *p = &op->points[i];
        struct place old;
        bool there = find(a, &p->id, &old), ok = true;
        if (there ? op->mode == KITH_MODE_INSERT_ONLY : op->mode == KITH_MODE_UPDATE_ONLY)
            continue;
        if (there)
            TRY(matches(a, only_if, &old, &p->id, &ok));
        if (!ok)
            continue;
        TRY(add_row(a, &p->id, p->doc.size ? p->doc : *empty_doc(), a->at, p->vectors, p->vectors_count));
        if (there)
            TRY(kill_row(a, &old));
        a->written->points++;
    }
    return 0;
}

/* ---- targets: ids, or a filter evaluated at this LSN --------------------------------------------------- */

typedef int (*change_fn)(struct applying *a, const struct rec_op *op, const kith_id *id, const struct place *at);

static int outcome_missing(struct applying *a, const kith_id *id)
{
    if (id->kind != KITH_ID_STR)
        a->written->missing = *id;
    return KITH_NOT_FOUND;
}

static int by_ids(struct applying *a, const struct rec_op *op, bool missing_fails, change_fn change)
{
    for (uint32_t i = 0; i < op->ids_count; i++) {
        struct place at;
        if (!find(a, &op->ids[i], &at)) {
            if (missing_fails)
                return outcome_missing(a, &op->ids[i]);
            continue;
        }
        TRY(change(a, op, &op->ids[i], &at));
        a->written->points++;
    }
    return 0;
}

static int by_filter(struct applying *a, const struct rec_op *op, change_fn change)
{
    struct snapshot snap = {a->segments, a->count, a->at, a->s->schema};
    struct bits *masks = arena_alloc(&a->c->arena, a->count * sizeof *masks);
    struct pred *p;

    TRY(compile(a, op->filter, &p));
    if (!masks)
        return err_nomem(a->c);
    for (size_t i = 0; i < a->count; i++) { /* all decided before anything changes */
        bool all;
        TRY(query_mask(a->c, &snap, i, p, &masks[i], &all));
    }
    for (size_t i = 0; i < a->count; i++) {
        for (row_id row = bits_next(&masks[i], 0); row != ROW_NONE; row = bits_next(&masks[i], row + 1)) {
            struct place at = {a->segments[i], row};
            kith_id id = at.s->ops->id(at.s, row);
            TRY(change(a, op, &id, &at));
            a->written->points++;
        }
    }
    return 0;
}

static int by_target(struct applying *a, const struct rec_op *op, bool missing_fails, change_fn change)
{
    if (op->ids_count || !op->filter)
        return by_ids(a, op, missing_fails, change);
    return by_filter(a, op, change);
}

static int change_delete(struct applying *a, const struct rec_op *op, const kith_id *id, const struct place *at)
{
    UNUSED(op);
    UNUSED(id);
    return kill_row(a, at);
}

/* ---- documents -------------------------------------------------------------------------------------------- */

static int put_doc(struct applying *a, const struct place *at, const void *data, size_t size)
{
    struct docver *d = docver_new(a->at, data, size), *old;

    if (!d || at->s->ops->put_doc(at->s, at->row, d, &old) < 0) {
        mem_free(d);
        return err_nomem(a->c);
    }
    return 0;
}

static int edit_doc(struct ctx *one, const struct rec_op *op, struct bytes doc, struct buf *out)
{
    struct node *root;
    struct path path;

    TRY(node_from(one, val_of(doc.data, doc.size), &root));
    if (op->kind == KITH_SET_DOC && op->path) {
        TRY(path_parse(one, op->path, &path));
        TRY(node_merge_at(one, root, &path, val_of(op->doc.data, op->doc.size)));
    } else if (op->kind == KITH_SET_DOC) {
        TRY(node_merge(one, root, val_of(op->doc.data, op->doc.size)));
    }
    for (uint32_t i = 0; i < op->names_count && op->kind == KITH_DELETE_KEYS; i++) {
        TRY(path_parse(one, op->names[i], &path));
        node_remove(root, &path);
    }
    node_encode(root, out);
    return out->failed ? err_nomem(one) : 0;
}

static int change_doc(struct applying *a, const struct rec_op *op, const kith_id *id, const struct place *at)
{
    struct ctx one;
    struct bytes doc;
    struct buf out;
    lsn doc_lsn;
    int rc;

    UNUSED(id);
    if (op->kind == KITH_OVERWRITE_DOC)
        return put_doc(a, at, op->doc.data, op->doc.size);
    if (op->kind == KITH_CLEAR_DOC)
        return put_doc(a, at, empty_doc()->data, empty_doc()->size);
    ctx_init(&one, a->c->os);
    buf_init(&out);
    rc = at->s->ops->doc(&one, at->s, at->row, a->at, &a->room, &doc, &doc_lsn);
    if (rc >= 0)
        rc = edit_doc(&one, op, doc, &out);
    if (rc >= 0)
        rc = put_doc(a, at, out.data, out.size);
    else
        err_set(a->c, rc, "%s", one.text);
    buf_release(&out);
    ctx_release(&one);
    return rc;
}

/* ---- vectors: a version over a sealed row; else the row moves, its document comes along --------------------- */

struct vector_change {
    const struct rec_vector *set;
    uint32_t set_count;
    const uint32_t *drop;
    uint32_t drop_count;
};

/* Searches scan what was laid over: where it is much already, rows move, and get their place in a graph soon. */
static bool may_revise(const struct applying *a, const struct place *at, const struct vector_change *w)
{
    return at->s->ops->put_vector &&
           atomic_load(&at->s->revised_count) + w->set_count + w->drop_count <= a->s->db->revised_max;
}

static int put_vector(struct applying *a, const struct place *at, uint32_t id, const void *data, size_t size)
{
    struct vecver *d = vecver_new(a->at, id, data, size);

    if (!d || at->s->ops->put_vector(at->s, at->row, d) < 0) {
        mem_free(d);
        return err_nomem(a->c);
    }
    if (atomic_load(&at->s->revised_count) % a->s->db->revised_many == 0)
        sched_post(&a->s->db->sched, &a->s->maintain, false); /* it folds them */
    return 0;
}

static int revise(struct applying *a, const struct place *at, const struct vector_change *w)
{
    for (uint32_t i = 0; i < w->drop_count; i++)
        TRY(put_vector(a, at, w->drop[i], NULL, 0));
    for (uint32_t i = 0; i < w->set_count; i++)
        TRY(put_vector(a, at, w->set[i].id, w->set[i].data, w->set[i].size));
    return 0;
}

static int move_row(struct applying *a, const kith_id *given, const struct place *at, const struct vector_change *w)
{
    const struct schema *schema = a->s->schema;
    struct rec_vector vectors[VECTORS_MAX];
    uint32_t count = 0;
    struct bytes doc;
    struct ctx one;
    kith_id id;
    lsn doc_lsn;
    int rc;

    ctx_init(&one, a->c->os);
    rc = id_copy(&one.arena, given, &id) < 0 ? err_nomem(&one)
                                             : at->s->ops->doc(&one, at->s, at->row, a->at, &a->room, &doc, &doc_lsn);
    for (size_t i = 0; i < schema->vectors_count && rc >= 0; i++) {
        const struct schema_vector *v = &schema->vectors[i];
        const void *data = NULL;
        rc = at->s->ops->vector(&one, at->s, at->row, a->at, v->id, &data);
        for (uint32_t j = 0; j < w->drop_count; j++)
            data = w->drop[j] == v->id ? NULL : data;
        for (uint32_t j = 0; j < w->set_count; j++) {
            const struct rec_vector *x = &w->set[j];
            data = x->id == v->id && x->element == v->element && x->multi == v->multi ? x->data : data;
        }
        if (data)
            vectors[count++] = (struct rec_vector){v->id, v->dim, v->element, vector_size(v, data), data, v->multi};
    }
    if (rc >= 0)
        rc = growing_reserve(&one, a->s->growing.segment, 1);
    if (rc >= 0)
        rc = add_row(a, &id, doc, doc_lsn, vectors, count);
    if (rc >= 0)
        rc = kill_row(a, at);
    if (rc < 0 && one.code == rc)
        err_set(a->c, rc, "%s", one.text);
    ctx_release(&one);
    return rc;
}

/* Of vectors that were dropped since, nothing is left: nor does a point change by what happens to them. */
static int change_vectors(struct applying *a, const kith_id *id, const struct place *at, const struct vector_change *w)
{
    const struct schema *schema = a->s->schema;
    struct rec_vector set[VECTORS_MAX];
    uint32_t drop[VECTORS_MAX];
    struct vector_change known = {.set = set, .drop = drop};

    for (uint32_t i = 0; i < w->set_count && known.set_count < VECTORS_MAX; i++) {
        if (schema_vector_by_id(schema, w->set[i].id))
            set[known.set_count++] = w->set[i];
    }
    for (uint32_t i = 0; i < w->drop_count && known.drop_count < VECTORS_MAX; i++) {
        if (schema_vector_by_id(schema, w->drop[i]))
            drop[known.drop_count++] = w->drop[i];
    }
    if (!known.set_count && !known.drop_count) /* wherever its row is: nothing changes */
        return 0;
    return may_revise(a, at, &known) ? revise(a, at, &known) : move_row(a, id, at, &known);
}

static int update_vectors(struct applying *a, const struct rec_op *op)
{
    struct pred *only_if;

    TRY(compile(a, op->only_if, &only_if));
    for (uint32_t i = 0; i < op->points_count; i++) {
        const struct rec_point *p = &op->points[i];
        struct vector_change w = {.set = p->vectors, .set_count = p->vectors_count};
        struct place at;
        bool ok;
        if (!find(a, &p->id, &at))
            return outcome_missing(a, &p->id);
        TRY(matches(a, only_if, &at, &p->id, &ok));
        if (!ok)
            continue;
        TRY(change_vectors(a, &p->id, &at, &w));
        a->written->points++;
    }
    return 0;
}

static int change_drop_vectors(struct applying *a, const struct rec_op *op, const kith_id *id, const struct place *at)
{
    struct vector_change w = {.drop = op->vector_ids, .drop_count = op->vector_ids_count};

    return change_vectors(a, id, at, &w);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static int apply_op(struct applying *a, const struct rec_op *op)
{
    switch (op->kind) {
    case KITH_UPSERT:
        return upsert(a, op);
    case KITH_DELETE:
        return by_target(a, op, false, change_delete);
    case KITH_SET_DOC: case KITH_OVERWRITE_DOC: case KITH_DELETE_KEYS: case KITH_CLEAR_DOC:
        return by_target(a, op, true, change_doc);
    case KITH_UPDATE_VECTORS:
        return update_vectors(a, op);
    case KITH_DELETE_VECTORS:
        return by_target(a, op, true, change_drop_vectors);
    }
    return err_set(a->c, KITH_CORRUPT, "log record: unknown operation %d", (int)op->kind);
}

int apply_record(struct ctx *c, struct shard *s, const struct record *record, lsn at, kith_written *written)
{
    struct applying a = {.c = c, .s = s, .at = at, .written = written};
    int rc = 0;

    written->points = 0;
    written->code = 0;
    if (!s->growing.segment) {
        TRY(shard_growing_new(c, s, &s->growing.segment));
        rc = shard_publish(c, s);
        if (rc < 0) { /* rows must never go where readers do not look */
            segment_unref(s->growing.segment);
            s->growing.segment = NULL;
            return rc;
        }
    }
    TRY(growing_reserve(c, s->growing.segment, record->points));
    for (size_t i = 0; i < s->sealed_count; i++)
        a.segments[a.count++] = s->sealed[i];
    for (size_t i = 0; i < s->frozen_count; i++)
        a.segments[a.count++] = s->frozen[i].segment;
    a.segments[a.count++] = s->growing.segment;
    for (uint32_t i = 0; i < record->ops_count && rc >= 0; i++) {
        rc = apply_op(&a, &record->ops[i]);
        if (rc == KITH_NOT_FOUND) { /* an outcome: the rest of the record is not applied */
            written->code = rc;
            written->failed_op = i;
        }
    }
    doc_room_release(&a.room);
    return rc == KITH_NOT_FOUND ? 0 : rc;
}
