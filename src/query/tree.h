/* tree.h - a query and its prefetches: between tree.c and those who order candidates. */
#ifndef QUERY_TREE_H
#define QUERY_TREE_H

#include "query/query.h"

struct tree {
    struct ctx *c;
    const struct runner *r;
    struct buf *explain;      /* NULL: nobody asks */
    const kith_id **excluded; /* points that examples are: they are not found */
    size_t excluded_count, excluded_capacity;
    bool as_given;             /* targets are not weighed by idf: what is made of them will be */
    const kith_filter *corpus; /* of the level at hand: where idf is counted */
};
/* Candidates of `q` in order, at most limit + offset. `outer`: what filters further up ask, or NULL. */
int tree_run(struct tree *t, const kith_query *q, const kith_filter *outer, struct hit_list *hits);

/* The vector of an example as searches want it. */
int tree_target(struct tree *t, const struct schema_vector *v, const kith_example *e, struct target *ret_target);
/* The nearest to it of all that match. */
int tree_nearest(struct tree *t, const kith_query *q, const struct schema_vector *v, const struct target *target,
                 const struct pred *p, struct hit_list *hits);
/* Sorts by distance and id, and drops what is excluded, and all but the first `most`. */
int tree_settle(struct tree *t, struct hit_list *hits, size_t most);
/* How one segment was searched, for who asked. */
void tree_note(struct buf *b, const struct segment *s, const struct plan_note *n);
/* The vector of a hit; NULL: it has none. */
int tree_vector(struct tree *t, const struct hit_ref *hit, const struct schema_vector *v, const void **ret_kept);

/* judge.c: by examples. With `given`, those candidates; else all that match. */
int judge_run(struct tree *t, const kith_query *q, const struct schema_vector *v, const struct pred *p,
              const struct hit_list *given, struct hit_list *hits);
/* fuse.c: several lists to one, by rank or by normalised scores. */
int fuse(struct tree *t, const kith_query *q, const struct hit_list *lists, struct hit_list *hits);
/* formula.c: the candidates by an expression over them; `lists` are their sources. */
int formula_run(struct tree *t, const kith_query *q, const struct hit_list *lists, const struct hit_list *candidates,
                struct hit_list *hits);
/* The score of a hit of `below` as users see it. */
double fuse_shown(const struct tree *t, const kith_query *below, float distance);
/* text.c: by the words at a path. With `given`, those candidates; else all that match. */
int text_run(struct tree *t, const kith_query *q, const struct pred *p, const struct hit_list *given, size_t want,
             struct hit_list *hits);
/* mmr.c: reorders hits that are nearest first. */
int mmr(struct tree *t, const kith_query *q, const struct schema_vector *v, struct hit_list *hits, size_t want);

#endif
