/* topk.h - the k nearest so far: a bounded max-heap of (distance, row), ties by smaller row. */
#ifndef BASE_TOPK_H
#define BASE_TOPK_H

#include "base/base.h"

struct scored {
    float distance;
    row_id row;
};

struct topk {
    struct scored *heap; /* the worst is at 0 once full */
    uint32_t size, capacity;
};

int topk_init(struct topk *t, struct arena *a, uint32_t capacity);
void topk_push_slow(struct topk *t, float distance, row_id row);

/* Nearest first; nothing is pushed after it. */
void topk_sort(struct topk *t);

static inline float topk_worst(const struct topk *t)
{
    return t->size < t->capacity ? __builtin_inff() : t->heap[0].distance;
}
static inline void topk_push(struct topk *t, float distance, row_id row)
{
    if (t->size < t->capacity || distance <= t->heap[0].distance)
        topk_push_slow(t, distance, row);
}

/* The nearest of many in no order, where they are asked for once, at the end: entries are gathered, and the farther half
 * is thrown away whenever there is no more room, which costs less than a heap does. */
struct shortlist {
    struct scored *at;
    uint32_t size, wanted, room;
    float bar; /* farther ones are not wanted */
};

int shortlist_init(struct shortlist *l, struct arena *a, uint32_t wanted);
void shortlist_cut(struct shortlist *l); /* at most `wanted` are left */
/* The same, nearest first. */
void shortlist_finish(struct shortlist *l);

/* What is not a number is as far away as can be. */
static inline void shortlist_push(struct shortlist *l, float distance, row_id row)
{
    if (distance != distance)
        distance = __builtin_inff();
    if (distance > l->bar)
        return;
    l->at[l->size++] = (struct scored){distance, row};
    if (l->size == l->room)
        shortlist_cut(l);
}

#endif
