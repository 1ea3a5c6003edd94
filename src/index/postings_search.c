/* postings_search.c - the best rows for some weighted terms, window by window.
 *
 * In each window of rows the entries of the essential terms are added up, in units so small that no sum
 * overflows 16 bits, every step rounded up: a sum is an upper bound. Terms that cannot lift a row over the bar
 * all together are left out of the sums (MAXSCORE, Turtle and Flood 1995); the bar, the score of the k-th best so
 * far, only rises. Rows whose bound reaches it are taken, best first, until the bar is above the rest.
 * (Windows with sums in the nearest cache: as SINDI, Lei et al. 2025, and others do.) */
#include "index/postings.h"

#include "base/ctx.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define LEAVE_SHARE 0.25
#define SLACK_SHARE 2.0
enum { WINDOW = 16384, TERMS_MAX = 4000, SUM_MAX = 65000 };

struct term {
    const uint32_t *rows, *end;
    const uint8_t *impacts;
    double bound;       /* most that it adds to a score */
    double best[2];     /* the 10th, 100th best of it alone */
    uint16_t units[256]; /* of an impact */
};

struct searching {
    const struct postings *p;
    struct postings_search *s;
    const struct kernels *kernels;
    struct term *terms; /* by bound, the least first */
    uint32_t count;
    uint32_t left_out;  /* the first so many are not added up */
    double left_bound;  /* what they can add together */
    double unit;
    float bar;
    uint16_t *sums;
    uint32_t *found;
};

static int by_bound(const void *a, const void *b)
{
    const struct term *x = a, *y = b;

    return x->bound < y->bound ? -1 : x->bound > y->bound;
}

/* The terms that the query and the rows have in common. False: some weight or value is negative, or sums may
 * leave the range of f32, and are no bounds. */
static bool choose_terms(struct searching *g)
{
    const struct sparse *q = g->s->query;
    double all = 0;

    for (uint32_t i = 0; i < q->count; i++) {
        const struct posting_term *t = postings_term(g->p, q->indices[i]);
        double w = (double)q->values[i];
        struct term *to = &g->terms[g->count];
        if (!t)
            continue;
        if (w < 0 || t->min < 0)
            return false;
        to->rows = g->p->rows + t->start;
        to->end = to->rows + t->count;
        to->impacts = g->p->impacts + t->start;
        to->bound = w * (double)t->max;
        to->best[0] = w * (double)t->tenth;
        to->best[1] = w * (double)t->hundredth;
        all += to->bound;
        g->count++;
    }
    qsort(g->terms, g->count, sizeof *g->terms, by_bound);
    return all <= (double)FLT_MAX;
}

static void set_units(struct searching *g)
{
    double all = 0;

    for (uint32_t i = 0; i < g->count; i++)
        all += g->terms[i].bound;
    g->unit = all > 0 ? all / (SUM_MAX - g->count) : 1;
    for (uint32_t i = 0; i < g->count; i++) {
        for (uint32_t j = 0; j < 256; j++)
            g->terms[i].units[j] = (uint16_t)fmax(1, ceil(g->terms[i].bound * j / 255 / g->unit)); /* it is there */
    }
}

/* What one term alone gives to so many rows, all rows give together at least. */
static float first_bar(const struct searching *g)
{
    double bar = 0;

    if (g->s->allow || g->s->k > 100)
        return 0;
    for (uint32_t i = 0; i < g->count; i++)
        bar = fmax(bar, g->terms[i].best[g->s->k > 10]);
    return (float)(bar * (1 - 1e-6) / fmax(1, (double)g->s->excess));
}

/* As many of the least terms as cannot reach a share of the bar together: rows of the others would else all be
 * looked at. With slack more of them, for so much is not expected of them. */
static void leave_out(struct searching *g)
{
    double most = (double)g->bar * LEAVE_SHARE * (1 + SLACK_SHARE * (double)g->s->slack);

    while (g->left_out < g->count && g->left_bound + g->terms[g->left_out].bound < most)
        g->left_bound += g->terms[g->left_out++].bound;
}

/* Least sum that may reach the bar: with slack, if the terms left out add less than they could. */
static uint16_t bar_in_units(const struct searching *g)
{
    double rest = g->left_bound * (1 - (double)g->s->slack), units = ((double)g->bar * (1 - 1e-6) - rest) / g->unit;

    return units < 1 ? 1 : units > SUM_MAX ? SUM_MAX : (uint16_t)units;
}

static uint32_t add_up(struct searching *g, uint32_t from)
{
    uint32_t end = from + WINDOW, added = 0;

    for (uint32_t i = g->left_out; i < g->count; i++) {
        struct term *t = &g->terms[i];
        const uint32_t *rows = t->rows, *stop = t->end;
        const uint8_t *impacts = t->impacts;
        for (; rows < stop && *rows < end; rows++, impacts++)
            g->sums[*rows - from] = (uint16_t)(g->sums[*rows - from] + t->units[*impacts]);
        added += (uint32_t)(rows - t->rows);
        t->rows = rows;
        t->impacts = impacts;
    }
    return added;
}

static int take(struct searching *g, uint32_t row)
{
    if (g->s->allow && !bits_get(g->s->allow, row))
        return 0;
    g->s->taken++;
    return g->s->take(g->s->arg, row, &g->bar);
}

/* The sum that about `want` of the found reach. */
static uint16_t middle_bar(const struct searching *g, uint32_t found, uint32_t want)
{
    uint32_t counts[256] = {0}, n = 0;
    int at = 255;

    for (uint32_t i = 0; i < found; i++)
        counts[g->sums[g->found[i]] >> 8]++;
    while (at > 0 && (n += counts[at]) < want)
        at--;
    return (uint16_t)(at << 8);
}

static int take_window(struct searching *g, uint32_t from)
{
    uint32_t rows = MIN((uint32_t)WINDOW, g->s->rows - from);
    uint32_t found = g->kernels->collect(g->sums, rows, bar_in_units(g), g->found), want = 2 * g->s->k;
    uint16_t middle = found > 2 * want ? middle_bar(g, found, want) : 0;

    for (uint32_t i = 0; i < found && middle; i++) { /* the best first: they raise the bar */
        if (g->sums[g->found[i]] >= middle)
            TRY(take(g, from + g->found[i]));
    }
    for (uint32_t i = 0; i < found; i++) {
        uint16_t sum = g->sums[g->found[i]];
        if ((!middle || sum < middle) && sum >= bar_in_units(g))
            TRY(take(g, from + g->found[i]));
    }
    memset(g->sums, 0, WINDOW * sizeof *g->sums);
    return 0;
}

/* Every row with one of the terms, once. */
static int take_all(struct ctx *c, struct searching *g)
{
    struct bits seen;

    if (bits_new(&c->arena, g->s->rows, &seen) < 0)
        return err_nomem(c);
    for (uint32_t i = 0; i < g->s->query->count; i++) {
        const struct posting_term *t = postings_term(g->p, g->s->query->indices[i]);
        for (uint32_t j = 0; t && j < t->count; j++) {
            uint32_t row = g->p->rows[t->start + j];
            if (bits_get(&seen, row))
                continue;
            bits_set(&seen, row);
            TRY(take(g, row));
        }
    }
    return 0;
}

int postings_search(struct ctx *c, const struct postings *p, const struct kernels *k, struct postings_search *s)
{
    struct searching g = {.p = p, .s = s, .kernels = k, .bar = -INFINITY};

    s->taken = 0;
    s->entries = 0;
    if (s->query->count > TERMS_MAX)
        return take_all(c, &g);
    g.terms = arena_alloc(&c->arena, MAX(s->query->count, 1u) * sizeof *g.terms);
    g.sums = arena_zalloc(&c->arena, WINDOW * sizeof *g.sums);
    g.found = arena_alloc(&c->arena, (WINDOW + 64) * sizeof *g.found);
    if (!g.terms || !g.sums || !g.found)
        return err_nomem(c);
    if (!choose_terms(&g))
        return take_all(c, &g);
    set_units(&g);
    g.bar = first_bar(&g);
    for (uint32_t from = 0; from < s->rows; from += WINDOW) {
        uint32_t added;
        leave_out(&g);
        if (g.left_out == g.count)
            break;
        added = add_up(&g, from);
        s->entries += added;
        if (added)
            TRY(take_window(&g, from));
    }
    return 0;
}
