/* pool.c - memory that searches use one after the other. */
#include "base/mem.h"
#include "query/query.h"

enum { BLOCK_MOST = 512 << 10 };

/* One that lies there, or NULL. */
static void *take(struct pool_places *p)
{
    void *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(p->at) && !found; i++)
        found = atomic_exchange(&p->at[i], NULL);
    return found;
}

/* False: there is no place left. */
static bool give(struct pool_places *p, void *x)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->at); i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong(&p->at[i], &none, x))
            return true;
    }
    return false;
}

static void scratch_free(struct graph_scratch *s)
{
    graph_scratch_release(s);
    mem_free(s);
}

void scratch_pool_release(struct scratch_pool *p)
{
    struct graph_scratch *s;
    struct arena_block *block;

    while ((s = take(&p->scratch)))
        scratch_free(s);
    while ((block = take(&p->blocks)))
        arena_block_free(block);
}

struct graph_scratch *scratch_take(struct scratch_pool *p)
{
    struct graph_scratch *s = take(&p->scratch);

    return s ? s : mem_zalloc(sizeof *s);
}

void scratch_give(struct scratch_pool *p, struct graph_scratch *s)
{
    if (!give(&p->scratch, s))
        scratch_free(s);
}

bool scratch_lend(struct scratch_pool *p, struct arena *a)
{
    if (a->blocks)
        return false;
    arena_take(a, take(&p->blocks));
    return true;
}

void scratch_take_back(struct scratch_pool *p, struct arena *a)
{
    struct arena_block *block = arena_release_but_one(a, BLOCK_MOST);

    if (block && !give(&p->blocks, block))
        arena_block_free(block);
}
