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
