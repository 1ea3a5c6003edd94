/* mmr.c - maximal marginal relevance (Carbonell and Goldstein 1998): each next one is near the query, and unlike those
 * chosen before. */
#include "query/tree.h"

#include "base/ctx.h"

#include "os/os.h"

#include <math.h>

enum { MMR_MAX = 16384 }; /* every one chosen is compared to all that are left */

int mmr(struct tree *t, const kith_query *q, const struct schema_vector *v, struct hit_list *hits, size_t want)
{
    const void **vectors = arena_alloc(&t->c->arena, MAX(hits->count, (size_t)1) * sizeof *vectors);
    float *nearest = arena_alloc(&t->c->arena, MAX(hits->count, (size_t)1) * sizeof *nearest); /* to a chosen one */
    double relevance = 1 - (double)q->diversity;

    if (hits->count > MMR_MAX)
        return err_set(t->c, KITH_INVALID, "mmr: %zu candidates, at most %d", hits->count, MMR_MAX);
    if (!vectors || !nearest)
        return err_nomem(t->c);
    for (size_t i = 0; i < hits->count; i++) {
        TRY(tree_vector(t, &hits->at[i], v, &vectors[i]));
        nearest[i] = -INFINITY;
    }
    want = MIN(want, hits->count);
    for (size_t chosen = 0; chosen < want; chosen++) {
        size_t best = chosen;
        double most = -(double)INFINITY;
        struct hit_ref hit;
        const void *vector;
        float near;
        TRY(os_in_time(t->c));
        for (size_t i = chosen; i < hits->count; i++) {
            double score = chosen ? relevance * -(double)hits->at[i].distance - (1 - relevance) * (double)nearest[i]
                                  : -(double)hits->at[i].distance;
            if (score > most) {
                most = score;
                best = i;
            }
        }
        hit = hits->at[best];
        vector = vectors[best];
        near = nearest[best];
        for (size_t i = best; i > chosen; i--) { /* the others stay in order */
            hits->at[i] = hits->at[i - 1];
            vectors[i] = vectors[i - 1];
            nearest[i] = nearest[i - 1];
        }
        hits->at[chosen] = hit;
        vectors[chosen] = vector;
        nearest[chosen] = near;
        for (size_t i = chosen + 1; i < hits->count; i++)
            nearest[i] = fmaxf(nearest[i], -vector_distance(t->r->kernels, v, vectors[i], vector, NULL));
    }
    hits->count = want;
    return 0;
}
