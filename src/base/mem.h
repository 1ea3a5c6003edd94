/* mem.h - the one door to the heap. Everything returns NULL when memory is short. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/base.h"

void *mem_alloc(size_t size) MUST_USE;
void *mem_zalloc(size_t size) MUST_USE;
void *mem_realloc(void *p, size_t size) MUST_USE;
/* Aligned to 64 bytes, zeroed; mem_free_aligned. For large pieces see os/pages.h. */
void *mem_aligned(size_t size) MUST_USE;
void mem_free_aligned(void *p);
void mem_free(void *p);
char *mem_strdup(const char *s) MUST_USE;

#endif
