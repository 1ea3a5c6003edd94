/* path.c - parsing, walking, changing by path. */
#include "doc/path.h"

#include "base/ctx.h"

static bool plain_char(uint8_t ch)
{
    return ch >= 0x80 || (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
           ch == '_' || ch == '-';
}

static int bad(struct ctx *c, const char *text, size_t at)
{
    return err_set(c, KITH_INVALID, "path \"%.80s\": unexpected character at %zu, expected key, \"key\", .key or [n]",
                   text, at);
}

static int push(struct ctx *c, struct path *p, const char *text, struct step step)
{
    if (p->count == PATH_STEPS_MAX)
        return err_set(c, KITH_INVALID, "path \"%.80s\": more than %d steps", text, PATH_STEPS_MAX);
    p->steps[p->count++] = step;
    return 0;
}

int path_parse(struct ctx *c, const char *text, struct path *ret_path)
{
    size_t at = 0, size = strlen(text);

    ret_path->count = 0;
    if (!size)
        return err_set(c, KITH_INVALID, "path \"\": expected at least one key");
    for (;;) { /* at a key */
        struct step step = {STEP_KEY, {NULL, 0}, 0};
        size_t from = at;
        if (text[at] == '"') {
            from = ++at;
            while (at < size && text[at] != '"' && text[at] != '\\')
                at++;
            if (text[at] != '"')
                return bad(c, text, at);
            step.key.data = (const uint8_t *)text + from;
            step.key.size = at++ - from;
        } else {
            while (at < size && plain_char((uint8_t)text[at]))
                at++;
            if (at == from)
                return bad(c, text, at);
            step.key.data = (const uint8_t *)text + from;
            step.key.size = at - from;
        }
        TRY(push(c, ret_path, text, step));
        while (text[at] == '[') {
            struct step inner = {STEP_EACH, {NULL, 0}, 0};
            at++;
            if (text[at] >= '0' && text[at] <= '9') {
                inner.kind = STEP_INDEX;
                while (text[at] >= '0' && text[at] <= '9' && inner.index < UINT32_MAX)
                    inner.index = inner.index * 10 + (uint64_t)(text[at++] - '0');
            }
            if (text[at] != ']')
                return bad(c, text, at);
            at++;
            TRY(push(c, ret_path, text, inner));
        }
        if (at == size)
            return 0;
        if (text[at] != '.')
            return bad(c, text, at);
        at++;
    }
}

static int visit(const struct path *p, uint32_t i, struct val v, int (*each)(void *, struct val), void *arg)
{
    const struct step *s = &p->steps[i];
    struct val_iter it;
    struct bytes key;
    struct val item;
    uint64_t n = 0;

    if (i == p->count)
        return each(arg, v);
    if (s->kind == STEP_KEY)
        return val_get(v, (const char *)s->key.data, s->key.size, &item) ? visit(p, i + 1, item, each, arg) : 0;
    if (val_tag(v) != VAL_ARRAY)
        return 0;
    for (it = val_iter(v); val_next(&it, &key, &item); n++) {
        if (s->kind == STEP_EACH || n == s->index) {
            int rc = visit(p, i + 1, item, each, arg);
            if (rc)
                return rc;
        }
    }
    return 0;
}

int path_visit(const struct path *p, struct val doc, int (*each)(void *arg, struct val v), void *arg)
{
    return visit(p, 0, doc, each, arg);
}

struct opening {
    int (*each)(void *arg, struct val v);
    void *arg;
};

static int open_array(void *arg, struct val v)
{
    const struct opening *o = arg;
    struct val_iter it;
    struct bytes key;
    struct val item;

    if (val_tag(v) != VAL_ARRAY)
        return o->each(o->arg, v);
    for (it = val_iter(v); val_next(&it, &key, &item);) {
        int rc = o->each(o->arg, item);
        if (rc)
            return rc;
    }
    return 0;
}

int path_visit_items(const struct path *p, struct val doc, int (*each)(void *arg, struct val v), void *arg)
{
    struct opening o = {each, arg};

    return path_visit(p, doc, open_array, &o);
}

/* ---- changes ---------------------------------------------------------------------------------- */

static void append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

static void unlink_child(struct node *parent, struct node *previous, struct node *child)
{
    if (previous)
        previous->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = previous;
}

static struct node *child_named(struct node *parent, struct bytes key, struct node **ret_previous)
{
    struct node *previous = NULL;

    for (struct node *n = parent->first; n; previous = n, n = n->next) {
        if (n->key.size == key.size && memcmp(n->key.data, key.data, key.size) == 0) {
            *ret_previous = previous;
            return n;
        }
    }
    return NULL;
}

static void become(struct node *n, enum val_tag tag)
{
    n->tag = tag;
    n->first = n->last = NULL;
}

int node_merge(struct ctx *c, struct node *into, struct val from)
{
    struct val_iter it;
    struct bytes key;
    struct val item;

    if (into->tag != VAL_OBJECT)
        become(into, VAL_OBJECT);
    for (it = val_iter(from); val_next(&it, &key, &item);) {
        struct node *previous = NULL, *old = child_named(into, key, &previous), *made;
        if (val_tag(item) == VAL_NULL) {
            if (old)
                unlink_child(into, previous, old);
            continue;
        }
        TRY(node_from(c, item, &made));
        made->key = key;
        if (old) {
            made->next = old->next;
            *old = *made;
            if (!old->next)
                into->last = old;
        } else {
            append(into, made);
        }
    }
    return 0;
}

static int merge_from(struct ctx *c, struct node *n, const struct path *p, uint32_t i, struct val from)
{
    const struct step *s = &p->steps[i];

    if (i == p->count)
        return node_merge(c, n, from);
    if (s->kind == STEP_KEY) {
        struct node *previous, *child;
        if (n->tag != VAL_OBJECT)
            become(n, VAL_OBJECT);
        child = child_named(n, s->key, &previous);
        if (!child) {
            child = arena_zalloc(&c->arena, sizeof *child);
            if (!child)
                return err_nomem(c);
            child->tag = VAL_OBJECT;
            child->key = s->key;
            append(n, child);
        }
        return merge_from(c, child, p, i + 1, from);
    }
    if (n->tag != VAL_ARRAY) {
        become(n, VAL_ARRAY);
        return 0;
    }
    uint64_t at = 0;
    for (struct node *child = n->first; child; child = child->next, at++) {
        if (s->kind == STEP_EACH || at == s->index)
            TRY(merge_from(c, child, p, i + 1, from));
    }
    return 0;
}

int node_merge_at(struct ctx *c, struct node *root, const struct path *p, struct val from)
{
    return merge_from(c, root, p, 0, from);
}

static void remove_from(struct node *n, const struct path *p, uint32_t i)
{
    const struct step *s = &p->steps[i];
    bool last = i + 1 == p->count;
    uint64_t at = 0;

    if (s->kind == STEP_KEY) {
        struct node *previous, *child = n->tag == VAL_OBJECT ? child_named(n, s->key, &previous) : NULL;
        if (child && last)
            unlink_child(n, previous, child);
        else if (child)
            remove_from(child, p, i + 1);
        return;
    }
    if (n->tag != VAL_ARRAY)
        return;
    if (last) {
        if (s->kind == STEP_EACH)
            become(n, VAL_ARRAY);
        return;
    }
    for (struct node *child = n->first; child; child = child->next, at++) {
        if (s->kind == STEP_EACH || at == s->index)
            remove_from(child, p, i + 1);
    }
}

void node_remove(struct node *root, const struct path *p)
{
    remove_from(root, p, 0);
}

/* The trail of keys from the root; arrays leave STEP_EACH. */
struct trail {
    struct step steps[VAL_DEPTH_MAX];
    uint32_t count;
};

static bool step_eq(const struct step *pattern, const struct step *at)
{
    if (pattern->kind == STEP_KEY || at->kind == STEP_KEY)
        return pattern->kind == at->kind && pattern->key.size == at->key.size &&
               memcmp(pattern->key.data, at->key.data, at->key.size) == 0;
    return pattern->kind == STEP_EACH || pattern->index == at->index;
}

/* 0 differ, 1 the trail leads to the pattern, 2 the pattern covers the trail */
static int relation(const struct path *pattern, const struct trail *t)
{
    uint32_t n = MIN(pattern->count, t->count);

    for (uint32_t i = 0; i < n; i++) {
        if (!step_eq(&pattern->steps[i], &t->steps[i]))
            return 0;
    }
    return t->count >= pattern->count ? 2 : 1;
}

static void select_in(struct node *n, const struct path *paths, size_t count, bool include, struct trail *t)
{
    struct node *previous = NULL, *next;
    uint64_t at = 0;

    if (t->count == VAL_DEPTH_MAX)
        return;
    for (struct node *child = n->first; child; child = next, at++) {
        int best = 0;
        bool keep, container = child->tag == VAL_ARRAY || child->tag == VAL_OBJECT;
        struct step step = {n->tag == VAL_OBJECT ? STEP_KEY : STEP_INDEX, child->key, at};
        next = child->next;
        t->steps[t->count++] = step;
        for (size_t i = 0; i < count; i++)
            best = MAX(best, relation(&paths[i], t));
        if (include) {
            keep = best == 2 || (best == 1 && container);
            if (best == 1 && container) {
                select_in(child, paths, count, include, t);
                keep = child->first != NULL;
            }
        } else {
            keep = best != 2;
            if (best == 1 && container)
                select_in(child, paths, count, include, t);
        }
        t->count--;
        if (keep)
            previous = child;
        else
            unlink_child(n, previous, child);
    }
}

int node_select(struct ctx *c, struct node *root, const struct path *paths, size_t count, bool include)
{
    struct trail *t = arena_alloc(&c->arena, sizeof *t);

    if (!t)
        return err_nomem(c);
    t->count = 0;
    select_in(root, paths, count, include, t);
    return 0;
}
