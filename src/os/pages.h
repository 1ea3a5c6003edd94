/* pages.h - large pieces of memory, on huge pages where the system grants them: what is read at random
 * then misses the address cache far less. */
#ifndef OS_PAGES_H
#define OS_PAGES_H

#include "base/base.h"

/* Zeroed, aligned to 64 bytes at least; NULL when memory is short. */
void *pages_alloc(size_t size) MUST_USE;
void pages_free(void *p, size_t size); /* the size that was asked for */
/* What the heap holds and nobody uses goes back to the system. Takes milliseconds. */
void pages_return(void);

#endif
