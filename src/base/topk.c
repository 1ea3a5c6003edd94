/* topk.c - bounded max-heap. */
#include "base/topk.h"

#include "base/arena.h"

#include <stdlib.h>

static bool worse(struct scored a, struct scored b)
{
    return a.distance > b.distance || (a.distance == b.distance && a.row > b.row);
}

int topk_init(struct topk *t, struct arena *a, uint32_t capacity)
{
    t->heap = arena_alloc(a, (size_t)MAX(capacity, 1u) * sizeof *t->heap);
    t->size = 0;
    t->capacity = capacity;
    return t->heap ? 0 : KITH_NOMEM;
}

static void sift_down(struct topk *t)
{
    uint32_t at = 0;
    struct scored moved = t->heap[0];

    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= t->size)
            break;
        if (child + 1 < t->size && worse(t->heap[child + 1], t->heap[child]))
            child++;
        if (!worse(t->heap[child], moved))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = moved;
}

void topk_push_slow(struct topk *t, float distance, row_id row)
{
    struct scored item = {distance, row};
    uint32_t at;

    if (t->capacity == 0)
        return;
    if (t->size == t->capacity) {
        if (!worse(t->heap[0], item))
            return;
        t->heap[0] = item;
        sift_down(t);
        return;
    }
    at = t->size++;
    while (at > 0 && worse(item, t->heap[(at - 1) / 2])) {
        t->heap[at] = t->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->heap[at] = item;
}

static int by_distance(const void *x, const void *y)
{
    const struct scored *a = x, *b = y;

    return worse(*b, *a) ? -1 : worse(*a, *b);
}

void topk_sort(struct topk *t)
{
    qsort(t->heap, t->size, sizeof *t->heap, by_distance);
}

/* ---- a shortlist ------------------------------------------------------------------------------------------- */

int shortlist_init(struct shortlist *l, struct arena *a, uint32_t wanted)
{
    *l = (struct shortlist){.wanted = MAX(wanted, 1u), .bar = __builtin_inff()};
    l->room = l->wanted * 2 + 32;
    l->at = arena_alloc(a, (size_t)l->room * sizeof *l->at);
    return l->at ? 0 : KITH_NOMEM;
}

static float middle_of(float a, float b, float c)
{
    return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

/* How many are nearer than `pivot`: they come first. No branch depends on the data (Lomuto's scheme). */
static uint32_t part(struct scored *at, uint32_t low, uint32_t high, float pivot, bool or_equal)
{
    uint32_t to = low;

    for (uint32_t i = low; i < high; i++) {
        struct scored x = at[i];
        at[i] = at[to];
        at[to] = x;
        to += or_equal ? x.distance <= pivot : x.distance < pivot;
    }
    return to;
}

/* Quickselect (Hoare 1961): the nearest `n` come first. */
static void select_first(struct scored *at, uint32_t size, uint32_t n)
{
    uint32_t low = 0, high = size;

    while (high - low > 1) {
        float pivot = middle_of(at[low].distance, at[low + (high - low) / 2].distance, at[high - 1].distance);
        uint32_t nearer = part(at, low, high, pivot, false), upto;
        if (n == nearer)
            return;
        if (n < nearer) {
            high = nearer;
            continue;
        }
        upto = nearer == low ? part(at, low, high, pivot, true) : nearer; /* equal ones must not go round forever */
        if (n <= upto && upto > nearer)
            return;
        low = upto;
    }
}

void shortlist_cut(struct shortlist *l)
{
    if (l->size <= l->wanted)
        return;
    select_first(l->at, l->size, l->wanted);
    l->size = l->wanted;
    l->bar = l->at[0].distance;
    for (uint32_t i = 1; i < l->size; i++)
        l->bar = MAX(l->bar, l->at[i].distance);
}

void shortlist_finish(struct shortlist *l)
{
    shortlist_cut(l);
    if (l->size > 128) {
        qsort(l->at, l->size, sizeof *l->at, by_distance);
        return;
    }
    for (uint32_t i = 1; i < l->size; i++) {
        struct scored x = l->at[i];
        uint32_t j = i;
        for (; j > 0 && worse(l->at[j - 1], x); j--)
            l->at[j] = l->at[j - 1];
        l->at[j] = x;
    }
}
