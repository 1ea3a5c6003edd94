/* pool.c - memory that searches use one after the other. */
#include "base/mem.h"
#include "query/query.h"

enum { BLOCK_MOST = 512 << 10 };

void scratch_pool_release(struct scratch_pool *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *s = atomic_load(&p->free[i]);
        if (s)
            graph_scratch_release(s);
        mem_free(s);
        arena_block_free(atomic_load(&p->blocks[i]));
    }
}

struct graph_scratch *scratch_take(struct scratch_pool *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *s = atomic_exchange(&p->free[i], NULL);
        if (s)
            return s;
    }
    return mem_zalloc(sizeof(struct graph_scratch));
}

void scratch_give(struct scratch_pool *p, struct graph_scratch *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->free); i++) {
        struct graph_scratch *none = NULL;
        if (atomic_compare_exchange_strong(&p->free[i], &none, s))
            return;
    }
    graph_scratch_release(s);
    mem_free(s);
}

bool scratch_lend(struct scratch_pool *p, struct arena *a)
{
    if (a->blocks)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(p->blocks); i++) {
        struct arena_block *block = atomic_exchange(&p->blocks[i], NULL);
        if (block) {
            arena_take(a, block);
            break;
        }
    }
    return true;
}

void scratch_take_back(struct scratch_pool *p, struct arena *a)
{
    struct arena_block *block = arena_release_but_one(a, BLOCK_MOST);

    for (size_t i = 0; i < ARRAY_SIZE(p->blocks) && block; i++) {
        struct arena_block *none = NULL;
        if (atomic_compare_exchange_strong(&p->blocks[i], &none, block))
            block = NULL;
    }
    arena_block_free(block);
}
