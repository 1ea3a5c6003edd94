/* id_list.h - ids in order: a skip list (Pugh 1990) whose links are atomics: one writer, any readers. Nodes keep the
 * newest row of their id. */
#ifndef SEGMENT_ID_LIST_H
#define SEGMENT_ID_LIST_H

#include "base/arena.h"
#include "base/id.h"

#include <stdatomic.h>

enum { ID_LEVELS = 12 };

struct id_node {
    kith_id id;
    _Atomic uint32_t row; /* newest */
    uint8_t levels;
    struct id_node *_Atomic next[];
};

struct id_list {
    struct arena *arena; /* nodes and string ids */
    struct id_node *head;
    uint64_t seed;
};

int id_list_init(struct id_list *l, struct arena *a, uint64_t seed);
/* The first node at or after `id` (NULL: the first); `before`, if not NULL, receives the last ones below it, level by
 * level. */
struct id_node *id_list_seek(const struct id_list *l, const kith_id *id, struct id_node **before);
/* The node of this id, made if there is none; NULL: no memory. It has no row until the caller gives it one. */
struct id_node *id_list_put(struct id_list *l, const kith_id *id);

static inline row_id id_node_row(const struct id_node *n)
{
    return n ? atomic_load_explicit(&((struct id_node *)(uintptr_t)n)->row, memory_order_acquire) : ROW_NONE;
}

#endif
