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

#endif
