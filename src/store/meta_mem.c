/* meta_mem.c - meta in memory: what the conformance suite measures the others by. */
#include "store/meta.h"

#include "base/ctx.h"
#include "base/mem.h"

enum { FACTS_MAX = 4096, WATCHES_MAX = 16 };

struct fact {
    char *key;
    uint8_t *data;
    size_t size;
    uint64_t revision;
};

struct meta_mem {
    struct meta base;
    struct fact facts[FACTS_MAX]; /* sorted by key */
    size_t count;
    uint64_t revision;
    struct {
        char *prefix;
        meta_watch_fn fn;
        void *arg;
    } watches[WATCHES_MAX];
    size_t watches_count;
};

static struct meta_mem *mem_of(struct meta *m)
{
    return container_of(m, struct meta_mem, base);
}

static size_t lower(const struct meta_mem *m, const char *key)
{
    size_t i = 0;

    while (i < m->count && strcmp(m->facts[i].key, key) < 0)
        i++;
    return i;
}

static struct fact *find(struct meta_mem *m, const char *key)
{
    size_t i = lower(m, key);

    return i < m->count && strcmp(m->facts[i].key, key) == 0 ? &m->facts[i] : NULL;
}

static int mem_scan(struct ctx *c, struct meta *base, const char *prefix,
                    int (*each)(void *, const struct meta_item *), void *arg)
{
    struct meta_mem *m = mem_of(base);

    UNUSED(c);
    for (size_t i = lower(m, prefix); i < m->count && strncmp(m->facts[i].key, prefix, strlen(prefix)) == 0; i++) {
        struct meta_item item = {m->facts[i].key, {m->facts[i].data, m->facts[i].size}, m->facts[i].revision};
        TRY(each(arg, &item));
    }
    return 0;
}

static int mem_get(struct ctx *c, struct meta *base, const char *key, struct meta_item *ret_item)
{
    struct fact *f = find(mem_of(base), key);

    if (!f)
        return err_set(c, KITH_NOT_FOUND, "metadata: no %s", key);
    *ret_item = (struct meta_item){key, {arena_copy(&c->arena, f->data, f->size), f->size}, f->revision};
    return ret_item->value.data ? 0 : err_nomem(c);
}

static void fact_remove(struct meta_mem *m, const char *key)
{
    struct fact *f = find(m, key);

    if (!f)
        return;
    mem_free(f->key);
    mem_free(f->data);
    memmove(f, f + 1, (size_t)(m->facts + m->count - f - 1) * sizeof *f);
    m->count--;
}

static int fact_put(struct ctx *c, struct meta_mem *m, const struct meta_change *change)
{
    struct fact fresh = {mem_strdup(change->key), mem_alloc(change->value.size), change->value.size, m->revision};
    size_t i;

    if (!fresh.key || !fresh.data || m->count == FACTS_MAX) {
        mem_free(fresh.key);
        mem_free(fresh.data);
        return err_nomem(c);
    }
    if (fresh.size)
        memcpy(fresh.data, change->value.data, fresh.size);
    fact_remove(m, change->key);
    i = lower(m, change->key);
    memmove(m->facts + i + 1, m->facts + i, (m->count - i) * sizeof *m->facts);
    m->facts[i] = fresh;
    m->count++;
    return 0;
}

static int mem_swap(struct ctx *c, struct meta *base, const struct meta_compare *compares, size_t compares_count,
                    const struct meta_change *changes, size_t changes_count)
{
    struct meta_mem *m = mem_of(base);

    for (size_t i = 0; i < compares_count; i++) {
        struct fact *f = find(m, compares[i].key);
        if ((f ? f->revision : 0) != compares[i].revision)
            return err_set(c, KITH_BUSY, "metadata: %s changed meanwhile", compares[i].key);
    }
    m->revision++;
    for (size_t i = 0; i < changes_count; i++) {
        if (changes[i].remove)
            fact_remove(m, changes[i].key);
        else
            TRY(fact_put(c, m, &changes[i]));
    }
    for (size_t i = 0; i < changes_count; i++) {
        struct meta_item item = {changes[i].key, changes[i].value, 0};
        for (size_t j = 0; j < m->watches_count; j++) {
            if (strncmp(changes[i].key, m->watches[j].prefix, strlen(m->watches[j].prefix)) == 0)
                m->watches[j].fn(m->watches[j].arg, &item, changes[i].remove);
        }
    }
    return 0;
}

static int mem_watch(struct ctx *c, struct meta *base, const char *prefix, meta_watch_fn fn, void *arg)
{
    struct meta_mem *m = mem_of(base);
    char *copy = mem_strdup(prefix);

    if (!copy || m->watches_count == WATCHES_MAX) {
        mem_free(copy);
        return err_nomem(c);
    }
    m->watches[m->watches_count].prefix = copy;
    m->watches[m->watches_count].fn = fn;
    m->watches[m->watches_count++].arg = arg;
    return 0;
}

static int mem_check(struct ctx *c, struct meta *base)
{
    UNUSED(c);
    UNUSED(base);
    return 0;
}

static void mem_close(struct meta *base)
{
    struct meta_mem *m = mem_of(base);

    while (m->count)
        fact_remove(m, m->facts[0].key);
    for (size_t i = 0; i < m->watches_count; i++)
        mem_free(m->watches[i].prefix);
    mem_free(m);
}

static int mem_secure(struct ctx *c, struct meta *base)
{
    UNUSED(c);
    UNUSED(base);
    return 0;
}

static const struct meta_ops mem_ops = {
    .name = "memory",
    .scan = mem_scan,
    .get = mem_get,
    .swap = mem_swap,
    .watch = mem_watch,
    .secure = mem_secure,
    .check = mem_check,
    .close = mem_close,
};

int meta_mem_open(struct ctx *c, struct meta **ret_meta)
{
    struct meta_mem *m = mem_zalloc(sizeof *m);

    if (!m)
        return err_nomem(c);
    m->base.ops = &mem_ops;
    *ret_meta = &m->base;
    return 0;
}
