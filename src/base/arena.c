/* arena.c - bump allocation. */
#include "base/arena.h"

#include "base/mem.h"

enum { ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    size_t size;
};

#define ARENA_HEAD ((size_t)align_up(sizeof(struct arena_block), 16))

void arena_init(struct arena *a)
{
    memset(a, 0, sizeof *a);
}

void arena_release(struct arena *a)
{
    struct arena_block *block = a->blocks;

    while (block) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    arena_init(a);
}

struct arena_block *arena_release_but_one(struct arena *a, size_t most)
{
    struct arena_block *kept = NULL;

    for (struct arena_block *block = a->blocks, *next; block; block = next) {
        struct arena_block *less = block;
        next = block->next;
        if (block->size <= most && (!kept || block->size > kept->size)) {
            less = kept;
            kept = block;
        }
        mem_free(less);
    }
    arena_init(a);
    return kept;
}

void arena_take(struct arena *a, struct arena_block *block)
{
    if (!block)
        return;
    block->next = a->blocks;
    a->blocks = block;
    a->bytes += block->size;
    a->at = (uint8_t *)block + ARENA_HEAD;
    a->end = (uint8_t *)block + block->size;
}

void arena_block_free(struct arena_block *block)
{
    mem_free(block);
}

int arena_reserve(struct arena *a, size_t size)
{
    size_t want = a->blocks ? MIN(a->blocks->size * 2, (size_t)ARENA_LARGEST) : (size_t)ARENA_FIRST;
    struct arena_block *block;

    if ((size_t)(a->end - a->at) >= size)
        return 0;
    if (size > SIZE_MAX - ARENA_HEAD - 16)
        return KITH_NOMEM;
    want = MAX(want, size + ARENA_HEAD + 16);
    block = mem_alloc(want);
    if (!block)
        return KITH_NOMEM;
    block->next = a->blocks;
    block->size = want;
    a->blocks = block;
    a->bytes += want;
    a->at = (uint8_t *)block + ARENA_HEAD;
    a->end = (uint8_t *)block + want;
    return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p;

    if (size > SIZE_MAX - 32)
        return NULL;
    size = (size_t)align_up(MAX(size, (size_t)1), 16); /* nothing has an address too */
    if (arena_reserve(a, size) < 0)
        return NULL;
    p = a->at;
    a->at += size;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);

    if (p)
        memset(p, 0, size);
    return p;
}

void *arena_copy(struct arena *a, const void *data, size_t size)
{
    void *p = arena_alloc(a, size);

    if (p && size)
        memcpy(p, data, size);
    return p;
}

char *arena_str(struct arena *a, const char *s, size_t size)
{
    char *p = arena_alloc(a, size + 1);

    if (p) {
        memcpy(p, s, size);
        p[size] = 0;
    }
    return p;
}
