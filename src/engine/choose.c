/* choose.c - what is worth doing on a shard: which segments to merge, fold, index. */
#include "engine/engine.h"

#include <stdlib.h>

enum { MERGE_MIN = 4, SEGMENTS_SOFT = 12, BUSY_ROWS = 2000 };
#define SEGMENT_BYTES_MAX (4ull << 30)

static uint64_t row_bytes(const struct schema *schema)
{
    uint64_t bytes = 256;

    for (size_t i = 0; i < schema->vectors_count; i++)
        bytes += schema->vectors[i].size;
    return bytes;
}

bool choose_graph(const struct shard *s, const struct segment *seg, const struct schema_vector **ret_vector)
{
    *ret_vector = seg->ops->rows(seg) < s->db->graph_rows_min ? NULL : segment_wants_index(seg, s->schema);
    return *ret_vector != NULL;
}

/* Rows whose documents are folded in at V. */
static uint32_t overlaid_at(const struct segment *seg, lsn v)
{
    uint32_t rows = seg->ops->rows(seg), n = 0;

    for (row_id row = 0; row < rows; row++)
        n += seg->ops->overlaid(seg, row, v);
    return n;
}

static bool much_overlaid(struct segment *seg)
{
    return atomic_load(&seg->overlaid_count) > seg->ops->rows(seg) / 4 + 16 ||
           atomic_load(&seg->overlay_bytes) > (16u << 20);
}

bool choose_freeze(const struct shard *s)
{
    for (size_t i = 0; i < s->sealed_count; i++) {
        struct segment *seg = s->sealed[i];
        if (atomic_load(&seg->revised_count) >= s->db->revised_many)
            return true;
        if (much_overlaid(seg) && overlaid_at(seg, s->covers) * 2ull < atomic_load(&seg->overlaid_count))
            return true;
    }
    return false;
}

bool choose_docs(const struct shard *s, struct segment *seg, bool all)
{
    uint32_t overlaid = atomic_load(&seg->overlaid_count);

    for (size_t i = 0; i < s->schema->fields_count; i++) {
        if (s->schema->fields[i].def.index != KITH_INDEX_NONE && !seg->ops->field(seg, s->schema->fields[i].id))
            return true;
    }
    if (!overlaid || (!all && !much_overlaid(seg)))
        return false;
    return overlaid_at(seg, s->covers) * 2ull >= (all ? 1 : overlaid); /* else it would be the same again */
}

static int by_rows(const void *a, const void *b)
{
    const struct segment *x = *(struct segment *const *)a, *y = *(struct segment *const *)b;
    uint32_t n = x->ops->rows(x), m = y->ops->rows(y);

    return n < m ? -1 : n > m;
}

static uint32_t dead_at(const struct segment *seg, lsn v)
{
    uint32_t rows = seg->ops->rows(seg), n = 0;

    for (row_id row = 0; row < rows; row++) {
        lsn dead = seg->ops->dead(seg, row);
        n += dead && dead <= v;
    }
    return n;
}

/* Versions of vectors that a merge at V folds in. */
static uint32_t revised_at(const struct shard *s, struct segment *seg, lsn v)
{
    uint32_t n = 0;

    for (size_t i = 0; i < s->schema->vectors_count && atomic_load(&seg->revised_count); i++) {
        for (const struct vecver *d = seg->ops->revised(seg, s->schema->vectors[i].id); d; d = d->next)
            n += d->lsn <= v;
    }
    return n;
}

static bool wants_folding(const struct shard *s, struct segment *seg, bool all)
{
    uint32_t n = atomic_load(&seg->revised_count), many = all ? 1 : s->db->revised_many;

    return n >= many && revised_at(s, seg, s->covers) >= (many + 1) / 2;
}

/* Rows come faster than graphs take them in: merging waits, it would take the processor from both. */
static bool is_busy(struct shard *s)
{
    bool busy;

    os_mutex_lock(&s->lock);
    busy = s->growing.segment && growing_unlinked(s->growing.segment) > BUSY_ROWS;
    os_mutex_unlock(&s->lock);
    return busy;
}

/* Size-tiered: the smallest ones, while each is not far larger than those before it together. */
size_t choose_merge(struct shard *s, bool all, struct segment **out)
{
    uint64_t row_size = row_bytes(s->schema), sum = 0;
    struct segment *sorted[SEALED_MAX];
    size_t n = 0;

    if (!all && s->sealed_count <= SEGMENTS_SOFT && is_busy(s))
        return 0;
    for (size_t i = 0; i < s->sealed_count; i++) {
        if (wants_folding(s, s->sealed[i], all)) {
            out[0] = s->sealed[i];
            return 1;
        }
    }
    for (size_t i = 0; i < s->sealed_count; i++) { /* many dead rows: rewritten alone */
        uint32_t rows = s->sealed[i]->ops->rows(s->sealed[i]), dead = atomic_load(&s->sealed[i]->dead_count);
        if (dead * 5ull > rows)
            dead = dead_at(s->sealed[i], s->covers); /* only those can be left out */
        if (dead * 5ull > rows && (dead >= 1000 || dead == rows || all)) {
            out[0] = s->sealed[i];
            return 1;
        }
    }
    memcpy(sorted, s->sealed, s->sealed_count * sizeof *sorted);
    qsort(sorted, s->sealed_count, sizeof *sorted, by_rows);
    for (size_t i = 0; i < s->sealed_count && n < MERGED_MAX; i++) {
        uint64_t rows = sorted[i]->ops->rows(sorted[i]);
        if ((sum + rows) * row_size > SEGMENT_BYTES_MAX)
            break;
        if (!all && n >= MERGE_MIN - 1 && rows > sum)
            break;
        out[n++] = sorted[i];
        sum += rows;
    }
    if (all)
        return n > 1 ? n : 0;
    return n >= MERGE_MIN || (s->sealed_count > SEGMENTS_SOFT && n > 1) ? n : 0;
}
