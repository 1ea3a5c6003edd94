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
/* Frees all but its largest block, if that is of at most `most` bytes, and returns it: for another, fresh arena. */
struct arena_block *arena_release_but_one(struct arena *a, size_t most);
void arena_take(struct arena *a, struct arena_block *block); /* NULL is fine */
void arena_block_free(struct arena_block *block);
/* 16-byte aligned; NULL when memory is short. Not cleared. */
void *arena_alloc(struct arena *a, size_t size) MUST_USE;
void *arena_zalloc(struct arena *a, size_t size) MUST_USE;
void *arena_copy(struct arena *a, const void *data, size_t size) MUST_USE;
/* Copies `size` bytes and adds a 0. */
char *arena_str(struct arena *a, const char *s, size_t size) MUST_USE;
/* Makes sure that the next `size` bytes come without asking the heap. 0 or KITH_NOMEM. */
int arena_reserve(struct arena *a, size_t size);

#endif
