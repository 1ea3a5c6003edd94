/* arena.h - memory that is freed in one go. Blocks grow by doubling up to 1 MiB. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    uint8_t *at, *end;
    size_t bytes; /* held from the heap */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* 16-byte aligned; NULL when memory is short. Not cleared. */
void *arena_alloc(struct arena *a, size_t size) MUST_USE;
void *arena_zalloc(struct arena *a, size_t size) MUST_USE;
void *arena_copy(struct arena *a, const void *data, size_t size) MUST_USE;
/* Copies `size` bytes and adds a 0. */
char *arena_str(struct arena *a, const char *s, size_t size) MUST_USE;
/* Makes sure that the next `size` bytes come without asking the heap. 0 or KITH_NOMEM. */
int arena_reserve(struct arena *a, size_t size);

#endif
