/* strmap.h - string -> pointer or number, open addressing. Keys are copied. */
#ifndef BASE_STRMAP_H
#define BASE_STRMAP_H

#include "base/base.h"

struct strmap_entry {
    char *key; /* NULL: free */
    uint64_t value;
};

struct strmap {
    struct strmap_entry *entries;
    size_t capacity, count;
};

void strmap_release(struct strmap *m);
/* NULL if absent; valid until the next put or remove */
uint64_t *strmap_get(const struct strmap *m, const char *key);
/* Adds with value 0 if absent; NULL when memory is short. */
uint64_t *strmap_put(struct strmap *m, const char *key);
void strmap_remove(struct strmap *m, const char *key);

#endif
