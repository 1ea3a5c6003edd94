/* mem.c - the heap. */
#include "base/mem.h"

#include <stdlib.h>

void *mem_alloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
    return calloc(1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
    return realloc(p, size ? size : 1);
}

void *mem_aligned(size_t size)
{
    size_t rounded = (size_t)align_up(size ? size : 1, 64);
    void *p = aligned_alloc(64, rounded);

    if (p)
        memset(p, 0, rounded);
    return p;
}

void mem_free_aligned(void *p)
{
    free(p);
}

void mem_free(void *p)
{
    free(p);
}

char *mem_strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = mem_alloc(size);

    if (copy)
        memcpy(copy, s, size);
    return copy;
}
