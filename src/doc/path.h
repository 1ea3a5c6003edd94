/* path.h - addresses inside documents: a.b, a[0].b, a[].b, "odd key".b
 *
 * A plain key does not descend into arrays; [] visits all elements. */
#ifndef DOC_PATH_H
#define DOC_PATH_H

#include "doc/value.h"

enum { PATH_STEPS_MAX = 32 };

enum step_kind { STEP_KEY, STEP_INDEX, STEP_EACH };

struct step {
    enum step_kind kind;
    struct bytes key;
    uint64_t index;
};

struct path {
    struct step steps[PATH_STEPS_MAX];
    uint32_t count;
};

/* KITH_INVALID with the place of the mistake. Keys point into `text`, or into the arena. */
int path_parse(struct ctx *c, const char *text, struct path *ret_path);

/* Calls `each` for every value found; a non-zero answer stops and is returned. */
int path_visit(const struct path *p, struct val doc, int (*each)(void *arg, struct val v), void *arg);
/* The same with the items of an array in its place, one level deep. */
int path_visit_items(const struct path *p, struct val doc, int (*each)(void *arg, struct val v), void *arg);

/* ---- changes, on trees ---- */

/* Merges object `from` into `into`: keys replace, null removes. */
int node_merge(struct ctx *c, struct node *into, struct val from);
/* The same at a path; missing parents are made, wrong-typed ones replaced. */
int node_merge_at(struct ctx *c, struct node *root, const struct path *p, struct val from);
void node_remove(struct node *root, const struct path *p);
/* Keeps (or drops) what the paths name; arrays count as []. */
int node_select(struct ctx *c, struct node *root, const struct path *paths, size_t count, bool include);

#endif
