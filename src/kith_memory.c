/* kith_memory.c - what can be seen of a collection: what it takes, part by part, and what the monitor found. */
#include "base/ctx.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "kith_calls.h"

static const char *const words[USE_KINDS] = {[USE_IDS] = "ids",         [USE_DOCUMENTS] = "documents",
                                             [USE_FIELD] = "field",     [USE_VECTORS] = "vectors",
                                             [USE_INDEX] = "index",     [USE_POSTINGS] = "postings",
                                             [USE_CHANGES] = "changes", [USE_GROWING] = "growing"};

struct adding {
    const struct schema *schema;
    kith_memory *to;
    size_t room;
    bool failed;
};

/* NULL: it is not in the schema any more. */
static const char *name_of(const struct schema *s, enum use_kind kind, uint32_t tag)
{
    const struct schema_vector *v;

    if (kind == USE_FIELD) {
        for (size_t i = 0; i < s->fields_count; i++) {
            if (s->fields[i].id == tag)
                return s->fields[i].def.path;
        }
        return NULL;
    }
    if (kind != USE_VECTORS && kind != USE_INDEX && kind != USE_POSTINGS)
        return "";
    v = schema_vector_by_id(s, tag);
    return !v || (v->element == KITH_SPARSE && kind == USE_INDEX) ? NULL : v->name;
}

static kith_memory_part *part_of(struct adding *a, enum use_kind kind, const char *name)
{
    kith_memory *m = a->to;
    kith_memory_part *more;

    for (size_t i = 0; i < m->count; i++) {
        if (m->parts[i].what == words[kind] && strcmp(m->parts[i].name, name) == 0)
            return &m->parts[i];
    }
    more = more_room(m->parts, m->count, &a->room, sizeof *more);
    if (!more)
        return NULL;
    m->parts = more;
    m->parts[m->count] = (kith_memory_part){.what = words[kind], .name = mem_strdup(name)};
    return m->parts[m->count].name ? &m->parts[m->count++] : NULL;
}

static void add(void *arg, enum use_kind kind, uint32_t tag, uint64_t stored, uint64_t held)
{
    struct adding *a = arg;
    const char *name = name_of(a->schema, kind, tag);
    kith_memory_part *p;

    if (!name || (!stored && !held))
        return;
    p = part_of(a, kind, name);
    a->failed = a->failed || !p;
    if (!p)
        return;
    p->stored += stored;
    p->held += held;
}

void kith_memory_free(kith_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++)
        mem_free(memory->parts[i].name);
    mem_free(memory->parts);
    *memory = (kith_memory){0};
}

static int add_all(struct ctx *c, struct shard *s, kith_memory *to)
{
    struct view *view = shard_pin(s);
    struct snapshot snap;
    struct adding a = {.to = to};

    if (!view)
        return err_set(c, KITH_NOT_FOUND, "collection: it was dropped");
    snap = view_snapshot(view);
    a.schema = snap.schema;
    for (size_t i = 0; i < snap.count; i++)
        snap.segments[i]->ops->uses(snap.segments[i], add, &a);
    view_unpin(view);
    return a.failed ? err_nomem(c) : 0;
}

int kith_memory_get(kith_db *db, const char *name, kith_memory *ret_memory, kith_err *err)
{
    struct db *inner = (struct db *)(void *)db;
    struct shard *s = NULL;
    struct ctx c;
    int rc;

    *ret_memory = (kith_memory){0};
    ctx_init(&c, inner->os);
    rc = db_shard(&c, inner, name, &s);
    if (rc >= 0)
        rc = add_all(&c, s, ret_memory);
    if (rc < 0)
        kith_memory_free(ret_memory);
    shard_unref(s);
    err_give(&c, rc < 0 ? rc : 0, err);
    ctx_release(&c);
    return rc;
}

int kith_watch(kith_db *handle, const char *name, kith_watched *ret_watched)
{
    struct db *db = (struct db *)(void *)handle;
    struct measured m;
    struct snapshot snap;
    struct runner r;
    struct view *view = db_pin_loaded(db, name, &m);
    struct ctx c;
    int rc;

    memset(ret_watched, 0, sizeof *ret_watched);
    if (!view)
        return 0;
    ctx_init(&c, db->os);
    snap = view_snapshot(view);
    r = (struct runner){&snap, db->kernels, &db->scratch, NULL};
    rc = query_count(&c, &r, NULL, &ret_watched->points);
    ctx_release(&c);
    ret_watched->backlog = view_backlog(view, db->graph_rows_min);
    ret_watched->recall_samples = m.samples;
    ret_watched->recall = m.recall;
    ret_watched->recall_low = m.low;
    ret_watched->recall_high = m.high;
    ret_watched->effort = m.effort;
    view_unpin(view);
    return rc < 0 ? 0 : 1;
}
