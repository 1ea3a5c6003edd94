/* formula.c - a score made of other scores and of what documents hold. */
#include "query/tree.h"

#include "base/ctx.h"
#include "codec/date.h"
#include "doc/geo.h"
#include "os/os.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64 };

struct compiled {
    const kith_expr *e;
    struct path path;
    struct pred *pred;
    struct compiled *args;
};

struct evaluating {
    struct tree *t;
    const double *scores; /* of each prefetch; NaN: it did not find the point */
    size_t scores_count;
    struct subject subject;
};

static int compile(struct tree *t, const kith_expr *e, uint32_t depth, struct compiled *to)
{
    if (depth == DEPTH_MAX)
        return err_set(t->c, KITH_INVALID, "formula: nested deeper than %d", DEPTH_MAX);
    *to = (struct compiled){.e = e};
    if (e->path)
        TRY(path_parse(t->c, e->path, &to->path));
    if (e->kind == KITH_EXPR_CONDITION)
        TRY(pred_compile(t->c, t->r->snap->schema, e->filter, &to->pred));
    to->args = arena_alloc(&t->c->arena, MAX(e->args_count, (size_t)1) * sizeof *to->args);
    if (!to->args)
        return err_nomem(t->c);
    for (size_t i = 0; i < e->args_count; i++)
        TRY(compile(t, &e->args[i], depth + 1, &to->args[i]));
    return 0;
}

/* ---- what documents hold -------------------------------------------------------------------------------------- */

struct only_one {
    struct val value;
    uint32_t count;
};

static int take_value(void *arg, struct val v)
{
    struct only_one *x = arg;

    x->value = v;
    x->count++;
    return 0;
}

static int wrong_value(struct evaluating *x, const struct compiled *f, uint32_t count)
{
    if (count > 1)
        return err_set(x->t->c, KITH_INVALID, "formula: several values at %s, expected one", f->e->path);
    return err_set(x->t->c, KITH_INVALID, "No value found for a variable `%s` in the payload nor defaults", f->e->path);
}

static bool as_number(const struct compiled *f, struct val v, double *ret)
{
    struct bytes text = val_tag(v) == VAL_STR ? val_str(v) : (struct bytes){0};
    int64_t us;

    if (f->e->kind == KITH_EXPR_DATETIME) {
        if (!text.data || !date_parse((const char *)text.data, text.size, &us))
            return false;
        *ret = (double)us / 1e6;
        return true;
    }
    if (!val_is_num(v))
        return false;
    *ret = val_double(v);
    return true;
}

static int field_value(struct evaluating *x, const struct compiled *f, double *ret)
{
    struct only_one one = {0};

    TRY(path_visit_items(&f->path, x->subject.doc, take_value, &one));
    if (one.count == 1 && as_number(f, one.value, ret))
        return 0;
    if (one.count > 1 || !f->e->has_number)
        return wrong_value(x, f, one.count);
    *ret = f->e->number;
    return 0;
}

static int geo_distance(struct evaluating *x, const struct compiled *f, double *ret)
{
    kith_geo_point here = {f->e->here_lon, f->e->here_lat};
    struct only_one one = {0};

    TRY(path_visit_items(&f->path, x->subject.doc, take_value, &one));
    if (!(one.count == 1 && geo_of(one.value, &here)) && (one.count > 1 || !f->e->has_number))
        return wrong_value(x, f, one.count);
    *ret = geo_metres((kith_geo_point){f->e->lon, f->e->lat}, here);
    return 0;
}

/* ---- evaluation ------------------------------------------------------------------------------------------------- */

static int eval(struct evaluating *x, const struct compiled *f, double *ret);

static int eval_many(struct evaluating *x, const struct compiled *f, double *ret)
{
    kith_expr_kind kind = f->e->kind;
    double v;

    *ret = kind == KITH_EXPR_MULT;
    if (kind == KITH_EXPR_MAX || kind == KITH_EXPR_MIN)
        *ret = kind == KITH_EXPR_MAX ? -(double)INFINITY : (double)INFINITY;
    for (size_t i = 0; i < f->e->args_count; i++) {
        TRY(eval(x, &f->args[i], &v));
        if (kind == KITH_EXPR_SUM)
            *ret += v;
        else if (kind == KITH_EXPR_MULT)
            *ret *= v;
        else
            *ret = kind == KITH_EXPR_MAX ? fmax(*ret, v) : fmin(*ret, v);
        if (kind == KITH_EXPR_MULT && fpclassify(*ret) == FP_ZERO)
            break;
    }
    return 0;
}

static double decay(const kith_expr *e, double x, double target)
{
    double away = fabs(x - target);

    if (e->kind == KITH_EXPR_LIN_DECAY)
        return fmax(0, 1 - (1 - e->midpoint) / e->scale * away);
    if (e->kind == KITH_EXPR_EXP_DECAY)
        return exp(log(e->midpoint) / e->scale * away);
    return exp(log(e->midpoint) / (e->scale * e->scale) * away * away);
}

static int divide(struct evaluating *x, const kith_expr *e, double a, double b, double *ret)
{
    bool zero = fpclassify(b) == FP_ZERO;

    if (fpclassify(a) == FP_ZERO) {
        *ret = 0;
        return 0;
    }
    if (zero && !e->has_number)
        return err_set(x->t->c, KITH_INVALID, "formula: division by zero, and no by_zero_default");
    *ret = zero ? e->number : a / b;
    return 0;
}

/* Of one or two arguments. */
static int eval_few(struct evaluating *x, const struct compiled *f, double *ret)
{
    double a = 0, b = 0;

    if (f->e->args_count > 0)
        TRY(eval(x, &f->args[0], &a));
    if (f->e->args_count > 1)
        TRY(eval(x, &f->args[1], &b));
    switch (f->e->kind) {
    case KITH_EXPR_NEG: *ret = -a; break;
    case KITH_EXPR_ABS: *ret = fabs(a); break;
    case KITH_EXPR_SQRT: *ret = sqrt(a); break;
    case KITH_EXPR_EXP: *ret = exp(a); break;
    case KITH_EXPR_LOG10: *ret = log10(a); break;
    case KITH_EXPR_LN: *ret = log(a); break;
    case KITH_EXPR_ACOSH: *ret = acosh(a); break;
    case KITH_EXPR_POW: *ret = pow(a, b); break;
    case KITH_EXPR_DIV: return divide(x, f->e, a, b, ret);
    case KITH_EXPR_LIN_DECAY: case KITH_EXPR_EXP_DECAY: case KITH_EXPR_GAUSS_DECAY:
        *ret = decay(f->e, a, b);
        break;
    case KITH_EXPR_NUMBER: case KITH_EXPR_SCORE: case KITH_EXPR_FIELD: case KITH_EXPR_CONDITION:
    case KITH_EXPR_GEO_DISTANCE: case KITH_EXPR_DATETIME: case KITH_EXPR_SUM: case KITH_EXPR_MULT: case KITH_EXPR_MAX:
    case KITH_EXPR_MIN:
        break;
    }
    return isfinite(*ret) ? 0 : err_set(x->t->c, KITH_INVALID, "formula: a result is not a finite number");
}

static int eval(struct evaluating *x, const struct compiled *f, double *ret)
{
    *ret = 0;
    switch (f->e->kind) {
    case KITH_EXPR_NUMBER:
        *ret = f->e->number;
        return 0;
    case KITH_EXPR_SCORE:
        *ret = f->e->index < x->scores_count && !isnan(x->scores[f->e->index]) ? x->scores[f->e->index] : f->e->number;
        return 0;
    case KITH_EXPR_FIELD: case KITH_EXPR_DATETIME:
        return field_value(x, f, ret);
    case KITH_EXPR_CONDITION:
        *ret = pred_match(f->pred, &x->subject);
        return 0;
    case KITH_EXPR_GEO_DISTANCE:
        return geo_distance(x, f, ret);
    case KITH_EXPR_SUM: case KITH_EXPR_MULT: case KITH_EXPR_MAX: case KITH_EXPR_MIN:
        return eval_many(x, f, ret);
    case KITH_EXPR_NEG: case KITH_EXPR_ABS: case KITH_EXPR_SQRT: case KITH_EXPR_EXP: case KITH_EXPR_LOG10:
    case KITH_EXPR_LN: case KITH_EXPR_ACOSH: case KITH_EXPR_DIV: case KITH_EXPR_POW: case KITH_EXPR_LIN_DECAY:
    case KITH_EXPR_EXP_DECAY: case KITH_EXPR_GAUSS_DECAY:
        break;
    }
    return eval_few(x, f, ret);
}

/* ---- the candidates ----------------------------------------------------------------------------------------------- */

/* The lists by place, so that a candidate is found in them. */
static int sort_lists(struct tree *t, const kith_query *q, const struct hit_list *lists, struct hit_list **ret)
{
    struct hit_list *own = arena_zalloc(&t->c->arena, q->prefetch_count * sizeof *own);

    if (!own)
        return err_nomem(t->c);
    for (size_t i = 0; i < q->prefetch_count; i++) {
        own[i].at = arena_copy(&t->c->arena, lists[i].at, MAX(lists[i].count, (size_t)1) * sizeof *own[i].at);
        own[i].count = lists[i].count;
        if (!own[i].at)
            return err_nomem(t->c);
        qsort(own[i].at, own[i].count, sizeof *own[i].at, hit_by_place);
    }
    *ret = own;
    return 0;
}

static int judge(struct evaluating *x, const struct compiled *f, struct doc_room *room, struct hit_ref *hit)
{
    struct tree *t = x->t;
    const struct segment *s = t->r->snap->segments[hit->segment];
    struct row_look look = {s, t->r->snap->schema, hit->row, t->r->snap->v};
    kith_id id = s->ops->id(s, hit->row);
    struct bytes doc;
    double score;
    lsn at;

    TRY(s->ops->doc(t->c, s, hit->row, t->r->snap->v, room, &doc, &at));
    x->subject = (struct subject){.id = &id, .doc = val_of(doc.data, doc.size), .has_vector = row_has_vector};
    x->subject.arg = &look;
    TRY(eval(x, f, &score));
    hit->distance = (float)-score;
    if (!isfinite(hit->distance))
        return err_set(t->c, KITH_INVALID, "formula: the score is not a finite number");
    return 0;
}

int formula_run(struct tree *t, const kith_query *q, const struct hit_list *lists, const struct hit_list *candidates,
                struct hit_list *hits)
{
    double *scores = arena_alloc(&t->c->arena, q->prefetch_count * sizeof *scores);
    struct evaluating x = {.t = t, .scores = scores, .scores_count = q->prefetch_count};
    struct doc_room room = {0};
    struct hit_list *sorted;
    struct compiled f;
    int rc = 0;

    if (!scores)
        return err_nomem(t->c);
    if (!q->formula)
        return err_set(t->c, KITH_INVALID, "a formula query has no formula");
    TRY(compile(t, q->formula, 0, &f));
    TRY(sort_lists(t, q, lists, &sorted));
    for (size_t i = 0; i < candidates->count && rc >= 0; i++) {
        struct hit_ref hit = candidates->at[i];
        if (i % LOOK_AT_CLOCK == 0 && (rc = os_in_time(t->c)) < 0)
            break;
        for (size_t j = 0; j < q->prefetch_count; j++) {
            const struct hit_ref *found = bsearch(&hit, sorted[j].at, sorted[j].count, sizeof hit, hit_by_place);
            scores[j] = found ? fuse_shown(t, &q->prefetch[j], found->distance) : (double)NAN;
        }
        rc = judge(&x, &f, &room, &hit);
        if (rc >= 0)
            rc = hits_push(t->c, hits, hit);
    }
    doc_room_release(&room);
    return rc < 0 ? rc : tree_settle(t, hits, hits->count);
}
