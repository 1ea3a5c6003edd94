/* alias.c - other names of collections: all changes of a call, or none. */
#include "engine/engine.h"

#include "base/mem.h"

static int alias_target(struct ctx *c, struct db *db, const struct strmap *now, const kith_alias_change *a,
                        const char **ret_target)
{
    uint64_t *old;

    if (a->renamed) {
        old = strmap_get(now, a->alias);
        if (!old)
            return err_set(c, KITH_NOT_FOUND, "Alias %.180s does not exists!", a->alias);
        *ret_target = (const char *)(uintptr_t)*old;
    } else {
        *ret_target = a->target;
        if (a->target && !strmap_get(&db->names, a->target))
            return db_not_found(c, a->target);
    }
    return 0;
}

static int change_alias(struct ctx *c, struct db *db, struct strmap *now, const kith_alias_change *a,
                        struct meta_change *out, size_t *count)
{
    const char *target, *alias = a->renamed ? a->renamed : a->alias;
    uint64_t *slot;

    TRY(alias_target(c, db, now, a, &target));
    if (!target || a->renamed) {
        out[*count].key = os_path(&c->arena, "alias", a->alias);
        out[(*count)++].remove = true;
        strmap_remove(now, a->alias);
    }
    if (!target)
        return 0;
    TRY(db_check_name(c, alias));
    if (strmap_get(&db->names, alias))
        return err_set(c, KITH_EXISTS, "Collection `%.180s` already exists!", alias);
    slot = strmap_put(now, alias);
    out[*count].key = os_path(&c->arena, "alias", alias);
    out[*count].value.data = (const uint8_t *)target;
    out[*count].value.size = strlen(target);
    if (!slot || !out[*count].key)
        return err_nomem(c);
    *slot = (uint64_t)(uintptr_t)target;
    (*count)++;
    return 0;
}

void alias_release_all(struct strmap *aliases)
{
    for (size_t i = 0; i < aliases->capacity; i++) {
        if (aliases->entries[i].key)
            mem_free((void *)(uintptr_t)aliases->entries[i].value);
    }
    strmap_release(aliases);
}

/* Takes over the names in `now`, with texts of its own. */
static int adopt_aliases(struct ctx *c, struct db *db, const struct strmap *now)
{
    struct strmap fresh = {0};

    for (size_t i = 0; i < now->capacity; i++) {
        uint64_t *slot = now->entries[i].key ? strmap_put(&fresh, now->entries[i].key) : NULL;
        char *copy = slot ? mem_strdup((const char *)(uintptr_t)now->entries[i].value) : NULL;
        if (slot)
            *slot = (uint64_t)(uintptr_t)copy;
        if (now->entries[i].key && !copy) {
            alias_release_all(&fresh);
            return err_nomem(c);
        }
    }
    alias_release_all(&db->aliases);
    db->aliases = fresh;
    return 0;
}

int db_alias(struct ctx *c, struct db *db, const kith_alias_change *changes, size_t count)
{
    struct meta_change *puts = arena_zalloc(&c->arena, MAX(count, (size_t)1) * 2 * sizeof *puts);
    struct strmap now = {0};
    size_t n = 0;
    int rc = puts ? 0 : err_nomem(c);

    os_mutex_lock(&db->catalog);
    for (size_t i = 0; i < db->aliases.capacity && rc >= 0; i++) {
        const struct strmap_entry *e = &db->aliases.entries[i];
        uint64_t *slot = e->key ? strmap_put(&now, e->key) : NULL;
        if (slot)
            *slot = e->value;
        else if (e->key)
            rc = err_nomem(c);
    }
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = change_alias(c, db, &now, &changes[i], puts, &n);
    if (rc >= 0 && n)
        rc = db->meta->ops->swap(c, db->meta, NULL, 0, puts, n);
    if (rc >= 0)
        rc = adopt_aliases(c, db, &now);
    os_mutex_unlock(&db->catalog);
    strmap_release(&now);
    return rc;
}
