/* pages.c - anonymous maps with a wish for huge pages; small ones from the heap. */
#define _GNU_SOURCE
#include "os/pages.h"

#include "base/mem.h"

#include <malloc.h>
#include <sys/mman.h>

enum { HUGE = 2 << 20 };

static size_t mapped_size(size_t size)
{
    return (size_t)align_up(size, HUGE);
}

void *pages_alloc(size_t size)
{
    size_t whole = mapped_size(size);
    uint8_t *p, *start;

    if (size < HUGE)
        return mem_aligned(size);
    p = mmap(NULL, whole + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    start = p + ((size_t)HUGE - ((uintptr_t)p & (HUGE - 1))) % HUGE; /* cut what is before and behind */
    if (start > p)
        (void)munmap(p, (size_t)(start - p));
    if (start + whole < p + whole + HUGE)
        (void)munmap(start + whole, (size_t)(p + HUGE - start));
    (void)madvise(start, whole, MADV_HUGEPAGE); /* a wish: small pages serve as well */
    return start;
}

void pages_free(void *p, size_t size)
{
    if (!p || size < HUGE)
        mem_free_aligned(p);
    else
        (void)munmap(p, mapped_size(size));
}

void pages_return(void)
{
    (void)malloc_trim(0);
}
