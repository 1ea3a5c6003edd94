/* postings.c - building and reading. */
#include "index/postings.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

size_t postings_size(const struct postings_head *head)
{
    return sizeof *head + head->terms * sizeof(struct posting_term) + head->entries * 5;
}

bool postings_open(struct bytes data, uint32_t rows, struct postings *ret_postings)
{
    struct postings p = {0};
    uint64_t next = 0;

    if (data.size < sizeof p.head)
        return false;
    memcpy(&p.head, data.data, sizeof p.head);
    if (p.head.entries > data.size || postings_size(&p.head) != data.size)
        return false;
    p.terms = (const void *)(data.data + sizeof p.head);
    p.rows = (const void *)(p.terms + p.head.terms);
    p.impacts = (const void *)(p.rows + p.head.entries);
    for (uint32_t i = 0; i < p.head.terms; i++) {
        const struct posting_term *t = &p.terms[i];
        if (t->start != next || (i && t->dim <= p.terms[i - 1].dim) || t->count > p.head.entries - next)
            return false;
        next += t->count;
    }
    for (uint64_t i = 0; i < p.head.entries; i++) {
        if (p.rows[i] >= rows)
            return false;
    }
    *ret_postings = p;
    return next == p.head.entries;
}

const struct posting_term *postings_term(const struct postings *p, uint32_t dim)
{
    uint32_t low = 0, high = p->head.terms;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->terms[middle].dim < dim)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->head.terms && p->terms[low].dim == dim ? &p->terms[low] : NULL;
}

/* ---- building: count, sort the terms, fill -------------------------------------------------------------- */

struct building {
    struct ctx *c;
    const struct postings_source *from;
    struct posting_term *terms; /* in the order they were met, later by dim */
    uint32_t terms_count, terms_capacity;
    uint32_t *table; /* hash of a dim -> its term + 1 */
    uint32_t table_size;
    uint32_t have;
    uint64_t entries;
    uint32_t *rows;
    float *values;
};

static void index_terms(struct building *b)
{
    memset(b->table, 0, b->table_size * sizeof *b->table);
    for (uint32_t i = 0; i < b->terms_count; i++) {
        uint32_t at = (uint32_t)hash_bytes(&b->terms[i].dim, 4, 0) & (b->table_size - 1);
        while (b->table[at])
            at = (at + 1) & (b->table_size - 1);
        b->table[at] = i + 1;
    }
}

static int make_room(struct building *b)
{
    uint32_t capacity = MAX(b->terms_capacity * 2, 1024u);
    struct posting_term *terms = mem_realloc(b->terms, capacity * sizeof *terms);
    uint32_t *table = terms ? mem_realloc(b->table, capacity * 2 * sizeof *table) : NULL;

    if (terms)
        b->terms = terms;
    if (!table)
        return err_nomem(b->c);
    b->table = table;
    b->terms_capacity = capacity;
    b->table_size = capacity * 2;
    index_terms(b);
    return 0;
}

static struct posting_term *term_of(struct building *b, uint32_t dim)
{
    uint32_t at;

    if (b->terms_count == b->terms_capacity && make_room(b) < 0)
        return NULL;
    at = (uint32_t)hash_bytes(&dim, 4, 0) & (b->table_size - 1);
    while (b->table[at] && b->terms[b->table[at] - 1].dim != dim)
        at = (at + 1) & (b->table_size - 1);
    if (!b->table[at]) {
        b->terms[b->terms_count] = (struct posting_term){.dim = dim};
        b->table[at] = ++b->terms_count;
    }
    return &b->terms[b->table[at] - 1];
}

/* Every entry of every vector, row by row; `have` counts the vectors. */
static int each_entry(struct building *b, int (*take)(struct building *b, uint32_t row, uint32_t dim, float value))
{
    b->have = 0;
    for (uint32_t row = 0; row < b->from->rows; row++) {
        const void *kept;
        struct sparse v;
        TRY(b->from->vector(b->from->arg, row, &kept));
        if (!kept)
            continue;
        v = sparse_of(kept);
        b->have++;
        for (uint32_t i = 0; i < v.count; i++)
            TRY(take(b, row, v.indices[i], v.values[i]));
    }
    return 0;
}

static int count_entry(struct building *b, uint32_t row, uint32_t dim, float value)
{
    struct posting_term *t = term_of(b, dim);

    UNUSED(row);
    UNUSED(value);
    if (!t)
        return KITH_NOMEM;
    t->count++;
    b->entries++;
    return 0;
}

static int place_entry(struct building *b, uint32_t row, uint32_t dim, float value)
{
    struct posting_term *t = term_of(b, dim);
    uint64_t at = t->start + t->count++;

    b->rows[at] = row;
    b->values[at] = value;
    return 0;
}

static int by_dim(const void *a, const void *b)
{
    const struct posting_term *x = a, *y = b;

    return x->dim < y->dim ? -1 : x->dim > y->dim;
}

static int fill(struct building *b)
{
    uint64_t next = 0;

    qsort(b->terms, b->terms_count, sizeof *b->terms, by_dim);
    index_terms(b);
    for (uint32_t i = 0; i < b->terms_count; i++) {
        b->terms[i].start = next;
        next += b->terms[i].count;
        b->terms[i].count = 0;
    }
    return each_entry(b, place_entry);
}

/* The n-th largest: a heap of the n largest, the least of them on top. */
static float nth_largest(const float *values, uint32_t count, uint32_t n, float *heap)
{
    uint32_t size = 0;

    if (count < n)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at;
        float x = values[i];
        if (size < n) {
            for (at = size++; at > 0 && x < heap[(at - 1) / 2]; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        } else if (x > heap[0]) {
            for (at = 0;;) {
                uint32_t child = 2 * at + 1;
                if (child >= n)
                    break;
                child += child + 1 < n && heap[child + 1] < heap[child];
                if (heap[child] >= x)
                    break;
                heap[at] = heap[child];
                at = child;
            }
        } else {
            continue;
        }
        heap[at] = x;
    }
    return heap[0];
}

static uint8_t impact_of(float value, float max)
{
    float x = max > 0 ? ceilf(value / max * 255) : 0;

    return (uint8_t)fminf(255, fmaxf(0, x));
}

void posting_term_finish(struct posting_term *t, const float *values, uint8_t *ret_impacts)
{
    float heap[100];

    t->max = -INFINITY;
    t->min = INFINITY;
    for (uint32_t i = 0; i < t->count; i++) {
        t->max = fmaxf(t->max, values[i]);
        t->min = fminf(t->min, values[i]);
    }
    t->tenth = nth_largest(values, t->count, 10, heap);
    t->hundredth = nth_largest(values, t->count, 100, heap);
    for (uint32_t i = 0; i < t->count; i++)
        ret_impacts[i] = impact_of(values[i], t->max);
}

static int write_out(struct building *b, struct buf *out)
{
    struct postings_head head = {b->terms_count, b->have, b->entries};
    uint8_t *impacts = mem_alloc((size_t)MAX(b->entries, (uint64_t)1));

    if (!impacts)
        return err_nomem(b->c);
    for (uint32_t i = 0; i < b->terms_count; i++)
        posting_term_finish(&b->terms[i], b->values + b->terms[i].start, impacts + b->terms[i].start);
    buf_put(out, &head, sizeof head);
    buf_put(out, b->terms, b->terms_count * sizeof *b->terms);
    buf_put(out, b->rows, b->entries * sizeof *b->rows);
    buf_put(out, impacts, b->entries);
    mem_free(impacts);
    return out->failed ? err_nomem(b->c) : 0;
}

int postings_build(struct ctx *c, const struct postings_source *from, struct buf *out)
{
    struct building b = {.c = c, .from = from};
    int rc = make_room(&b);

    if (rc >= 0)
        rc = each_entry(&b, count_entry);
    if (rc >= 0) {
        b.rows = mem_alloc((size_t)MAX(b.entries, (uint64_t)1) * sizeof *b.rows);
        b.values = mem_alloc((size_t)MAX(b.entries, (uint64_t)1) * sizeof *b.values);
        rc = b.rows && b.values ? fill(&b) : err_nomem(c);
    }
    if (rc >= 0)
        rc = write_out(&b, out);
    mem_free(b.terms);
    mem_free(b.table);
    mem_free(b.rows);
    mem_free(b.values);
    return rc;
}
