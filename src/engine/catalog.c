/* catalog.c - which collections there are, by name and by number. */
#include "engine/engine.h"

#include "base/mem.h"

struct shard *catalog_find(struct db *db, const char *name)
{
    uint64_t *alias = strmap_get(&db->aliases, name), *found;

    found = strmap_get(&db->names, alias ? (const char *)(uintptr_t)*alias : name);
    return found ? (struct shard *)(uintptr_t)*found : NULL;
}

/* By id; there is room. */
static void list_add(struct db *db, struct shard *s)
{
    size_t i;

    for (i = db->shards_count++; i > 0 && db->shards[i - 1]->id > s->id; i--)
        db->shards[i] = db->shards[i - 1];
    db->shards[i] = s;
}

static void list_remove(struct db *db, struct shard *s)
{
    for (size_t i = 0; i < db->shards_count; i++) {
        if (db->shards[i] == s) {
            memmove(db->shards + i, db->shards + i + 1, (db->shards_count - i - 1) * sizeof *db->shards);
            db->shards_count--;
            break;
        }
    }
}

int catalog_add(struct ctx *c, struct db *db, struct shard *s)
{
    uint64_t *slot;

    if (db->shards_count == db->shards_capacity) {
        size_t capacity = db->shards_capacity ? db->shards_capacity * 2 : 16;
        struct shard **shards = mem_realloc(db->shards, capacity * sizeof *shards);
        if (!shards)
            return err_nomem(c);
        db->shards = shards;
        db->shards_capacity = capacity;
    }
    slot = strmap_put(&db->names, s->name);
    if (!slot)
        return err_nomem(c);
    *slot = (uint64_t)(uintptr_t)s;
    list_add(db, s);
    return 0;
}

void catalog_remove(struct db *db, struct shard *s)
{
    strmap_remove(&db->names, s->name);
    list_remove(db, s);
}

void catalog_swap(struct db *db, struct shard *old, struct shard *s)
{
    *strmap_get(&db->names, s->name) = (uint64_t)(uintptr_t)s;
    list_remove(db, old);
    list_add(db, s);
}
