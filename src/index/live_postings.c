/* live_postings.c - a table of terms, and of each a chain of blocks. */
#include "index/live_postings.h"

#include "base/chunks.h"
#include "base/ctx.h"
#include "base/mem.h"

enum { TABLE_FIRST = 256, BLOCK_FIRST = 4, BLOCK_MOST = 512 };

struct entry {
    uint32_t row;
    float value;
};

struct block {
    struct block *_Atomic next;
    uint32_t room;
    struct entry entries[];
};

struct term {
    uint32_t dim;
    atomic_uint count; /* of entries */
    struct block *first;
    /* the writer's */
    struct block *last;
    uint32_t used, last_row; /* of the last block; the row of the last entry */
};

/* Open addressing, term number + 1. A larger one replaces it; readers may still look into the old one, which knows
 * all terms of the rows that they see. */
struct table {
    struct table *older;
    uint32_t size;
    atomic_uint slots[];
};

struct live_postings {
    struct arena arena; /* blocks */
    struct chunks terms, have; /* have: rows that have a vector */
    atomic_uint have_count;
    struct table *_Atomic table;
    uint32_t terms_count;
    uint64_t bytes;
};

static struct term *term_at(const struct live_postings *p, uint32_t i)
{
    return chunks_at(&p->terms, sizeof(struct term), i);
}

static uint32_t place_of(const struct table *t, uint32_t dim)
{
    return (uint32_t)(((uint64_t)dim * 0x9e3779b97f4a7c15ull) >> 32) & (t->size - 1);
}

static struct term *find(const struct live_postings *p, uint32_t dim)
{
    struct table *t = atomic_load_explicit(&((struct live_postings *)(uintptr_t)p)->table, memory_order_acquire);
    uint32_t n;

    for (uint32_t at = place_of(t, dim); (n = atomic_load_explicit(&t->slots[at], memory_order_acquire)) != 0;
         at = (at + 1) & (t->size - 1)) {
        if (term_at(p, n - 1)->dim == dim)
            return term_at(p, n - 1);
    }
    return NULL;
}

/* ---- the writer -------------------------------------------------------------------------------------------------- */

static int grow_table(struct live_postings *p)
{
    struct table *old = atomic_load_explicit(&p->table, memory_order_relaxed), *t;
    uint32_t size = old ? old->size * 2 : TABLE_FIRST;

    t = mem_zalloc(sizeof *t + (size_t)size * sizeof t->slots[0]);
    if (!t)
        return KITH_NOMEM;
    t->older = old;
    t->size = size;
    for (uint32_t i = 0; i < p->terms_count; i++) {
        uint32_t at = place_of(t, term_at(p, i)->dim);
        while (atomic_load_explicit(&t->slots[at], memory_order_relaxed))
            at = (at + 1) & (size - 1);
        atomic_store_explicit(&t->slots[at], i + 1, memory_order_relaxed);
    }
    p->bytes += sizeof *t + (size_t)size * sizeof t->slots[0];
    atomic_store_explicit(&p->table, t, memory_order_release);
    return 0;
}

int live_postings_new(struct ctx *c, struct live_postings **ret_postings)
{
    struct live_postings *p = mem_zalloc(sizeof *p);

    if (!p || grow_table(p) < 0) {
        mem_free(p);
        return err_nomem(c);
    }
    arena_init(&p->arena);
    *ret_postings = p;
    return 0;
}

void live_postings_free(struct live_postings *p)
{
    struct table *t = p ? atomic_load(&p->table) : NULL;

    while (t) {
        struct table *older = t->older;
        mem_free(t);
        t = older;
    }
    if (p) {
        chunks_release(&p->terms);
        chunks_release(&p->have);
        arena_release(&p->arena);
    }
    mem_free(p);
}

uint64_t live_postings_bytes(const struct live_postings *p)
{
    return p->bytes + p->arena.bytes;
}

static struct block *block_new(struct live_postings *p, uint32_t room)
{
    struct block *b = arena_zalloc(&p->arena, sizeof *b + room * sizeof b->entries[0]);

    if (b)
        b->room = room;
    return b;
}

static struct term *new_term(struct live_postings *p, uint32_t dim)
{
    uint32_t n = p->terms_count;
    struct table *t;
    struct term *x;
    int64_t more;

    if (n >= atomic_load_explicit(&p->table, memory_order_relaxed)->size / 2 && grow_table(p) < 0)
        return NULL;
    more = chunks_reserve(&p->terms, sizeof *x, n);
    if (more < 0)
        return NULL;
    p->bytes += (uint64_t)more;
    x = term_at(p, n);
    *x = (struct term){.dim = dim, .first = block_new(p, BLOCK_FIRST), .last_row = UINT32_MAX};
    x->last = x->first;
    if (!x->first)
        return NULL;
    t = atomic_load_explicit(&p->table, memory_order_relaxed);
    for (uint32_t at = place_of(t, dim);; at = (at + 1) & (t->size - 1)) {
        if (!atomic_load_explicit(&t->slots[at], memory_order_relaxed)) {
            atomic_store_explicit(&t->slots[at], n + 1, memory_order_release);
            break;
        }
    }
    p->terms_count++;
    return x;
}

static int append(struct live_postings *p, struct term *x, uint32_t row, float value)
{
    if (x->last_row == row) /* added before, when something else failed */
        return 0;
    if (x->used == x->last->room) {
        struct block *b = block_new(p, MIN(x->last->room * 2, (uint32_t)BLOCK_MOST));
        if (!b)
            return KITH_NOMEM;
        atomic_store_explicit(&x->last->next, b, memory_order_release);
        x->last = b;
        x->used = 0;
    }
    x->last->entries[x->used++] = (struct entry){row, value};
    x->last_row = row;
    atomic_store_explicit(&x->count, atomic_load_explicit(&x->count, memory_order_relaxed) + 1, memory_order_release);
    return 0;
}

static int note_row(struct live_postings *p, uint32_t row)
{
    uint32_t n = atomic_load_explicit(&p->have_count, memory_order_relaxed);
    int64_t more = chunks_reserve(&p->have, sizeof row, n);

    if (more < 0)
        return KITH_NOMEM;
    p->bytes += (uint64_t)more;
    if (n && *(uint32_t *)chunks_at(&p->have, sizeof row, n - 1) == row)
        return 0;
    *(uint32_t *)chunks_at(&p->have, sizeof row, n) = row;
    atomic_store_explicit(&p->have_count, n + 1, memory_order_release);
    return 0;
}

int live_postings_add(struct ctx *c, struct live_postings *p, uint32_t row, const struct sparse *v)
{
    if (note_row(p, row) < 0)
        return err_nomem(c);
    for (uint32_t i = 0; i < v->count; i++) {
        struct term *x = find(p, v->indices[i]);
        if (!x)
            x = new_term(p, v->indices[i]);
        if (!x || append(p, x, row, v->values[i]) < 0)
            return err_nomem(c);
    }
    return 0;
}

/* ---- readers ------------------------------------------------------------------------------------------------------ */

/* The entries of a term, block by block. */
struct reading {
    const struct block *b;
    uint32_t left; /* entries from this block on */
};

static struct reading read_term(struct term *x)
{
    return (struct reading){x->first, atomic_load_explicit(&x->count, memory_order_acquire)};
}

static uint32_t next_block(struct reading *r, const struct entry **ret_entries)
{
    uint32_t n = r->left ? MIN(r->left, r->b->room) : 0;

    *ret_entries = r->b->entries;
    r->left -= n;
    if (r->left)
        r->b = atomic_load_explicit(&((struct block *)(uintptr_t)r->b)->next, memory_order_acquire);
    return n;
}

uint32_t live_postings_rows(const struct live_postings *p, uint32_t rows)
{
    uint32_t low = 0;
    uint32_t high = atomic_load_explicit(&((struct live_postings *)(uintptr_t)p)->have_count, memory_order_acquire);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (*(uint32_t *)chunks_at(&p->have, sizeof rows, middle) < rows)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t live_postings_count(const struct live_postings *p, uint32_t dim, uint32_t rows)
{
    struct term *x = find(p, dim);
    struct reading r;
    const struct entry *e;
    uint32_t count = 0, n;

    if (!x)
        return 0;
    for (r = read_term(x); (n = next_block(&r, &e)) != 0 && e[0].row < rows;) {
        while (n && e[n - 1].row >= rows)
            n--;
        count += n;
    }
    return count;
}

void live_postings_sum(const struct live_postings *p, const struct sparse *query, uint32_t rows, float *sums,
                       struct bits *some)
{
    for (uint32_t i = 0; i < query->count; i++) {
        struct term *x = find(p, query->indices[i]);
        float weight = query->values[i];
        struct reading r;
        const struct entry *e;
        uint32_t n;
        if (!x)
            continue;
        for (r = read_term(x); (n = next_block(&r, &e)) != 0;) {
            for (uint32_t j = 0; j < n && e[j].row < rows; j++) {
                sums[e[j].row] += weight * e[j].value;
                bits_set(some, e[j].row);
            }
        }
    }
}
