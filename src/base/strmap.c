/* strmap.c - linear probing, at most two thirds full, deletion by shifting back. */
#include "base/strmap.h"

#include "base/hash.h"
#include "base/mem.h"

static size_t home(const struct strmap *m, const char *key)
{
    return hash_bytes(key, strlen(key), 0) & (m->capacity - 1);
}

static size_t find(const struct strmap *m, const char *key)
{
    size_t i = home(m, key);

    while (m->entries[i].key && strcmp(m->entries[i].key, key) != 0)
        i = (i + 1) & (m->capacity - 1);
    return i;
}

void strmap_release(struct strmap *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        mem_free(m->entries[i].key);
    mem_free(m->entries);
    memset(m, 0, sizeof *m);
}

uint64_t *strmap_get(const struct strmap *m, const char *key)
{
    size_t i;

    if (!m->capacity)
        return NULL;
    i = find(m, key);
    return m->entries[i].key ? &m->entries[i].value : NULL;
}

static bool grow(struct strmap *m)
{
    struct strmap bigger = {.capacity = m->capacity ? m->capacity * 2 : 16};

    bigger.entries = mem_zalloc(bigger.capacity * sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->entries[i].key)
            bigger.entries[find(&bigger, m->entries[i].key)] = m->entries[i];
    }
    mem_free(m->entries);
    m->entries = bigger.entries;
    m->capacity = bigger.capacity;
    return true;
}

uint64_t *strmap_put(struct strmap *m, const char *key)
{
    uint64_t *value = strmap_get(m, key);
    size_t i;

    if (value)
        return value;
    if (m->count * 3 >= m->capacity * 2 && !grow(m))
        return NULL;
    i = find(m, key);
    m->entries[i].key = mem_strdup(key);
    if (!m->entries[i].key)
        return NULL;
    m->entries[i].value = 0;
    m->count++;
    return &m->entries[i].value;
}

void strmap_remove(struct strmap *m, const char *key)
{
    size_t i, j;

    if (!strmap_get(m, key))
        return;
    i = find(m, key);
    mem_free(m->entries[i].key);
    m->entries[i].key = NULL;
    m->count--;
    for (j = (i + 1) & (m->capacity - 1); m->entries[j].key; j = (j + 1) & (m->capacity - 1)) {
        size_t from = home(m, m->entries[j].key);
        if (((j - from) & (m->capacity - 1)) >= ((j - i) & (m->capacity - 1))) {
            m->entries[i] = m->entries[j];
            m->entries[j].key = NULL;
            i = j;
        }
    }
}
