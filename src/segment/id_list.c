/* id_list.c - the skip list. */
#include "segment/id_list.h"

#include "base/hash.h"

static struct id_node *node_new(struct id_list *l, const kith_id *id, uint8_t levels)
{
    struct id_node *n = arena_zalloc(l->arena, sizeof *n + levels * sizeof n->next[0]);

    if (!n)
        return NULL;
    n->levels = levels;
    atomic_init(&n->row, ROW_NONE);
    if (id && id_copy(l->arena, id, &n->id) < 0)
        return NULL;
    return n;
}

int id_list_init(struct id_list *l, struct arena *a, uint64_t seed)
{
    l->arena = a;
    l->seed = seed;
    l->head = node_new(l, NULL, ID_LEVELS);
    return l->head ? 0 : KITH_NOMEM;
}

struct id_node *id_list_seek(const struct id_list *l, const kith_id *id, struct id_node **before)
{
    struct id_node *at = l->head;

    for (int level = ID_LEVELS - 1; level >= 0 && id; level--) {
        struct id_node *next;
        while ((next = atomic_load_explicit(&at->next[level], memory_order_acquire)) && id_cmp(&next->id, id) < 0)
            at = next;
        if (before)
            before[level] = at;
    }
    return atomic_load_explicit(&at->next[0], memory_order_acquire);
}

struct id_node *id_list_put(struct id_list *l, const kith_id *id)
{
    struct id_node *before[ID_LEVELS], *found = id_list_seek(l, id, before), *n;
    uint8_t levels = 1;

    if (found && id_eq(&found->id, id))
        return found;
    for (uint64_t r = splitmix(&l->seed); levels < ID_LEVELS && (r & 3) == 0; r >>= 2)
        levels++;
    n = node_new(l, id, levels);
    if (!n)
        return NULL;
    for (uint8_t i = 0; i < levels; i++) {
        atomic_store_explicit(&n->next[i], atomic_load_explicit(&before[i]->next[i], memory_order_relaxed),
                              memory_order_relaxed);
        atomic_store_explicit(&before[i]->next[i], n, memory_order_release);
    }
    return n;
}
