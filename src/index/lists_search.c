/* lists_search.c - the nearest centres, then their lists, one after the other. */
#include "index/lists.h"

#include "base/ctx.h"

enum { TURN = 64, FETCH = 4096 };

struct scanning {
    const struct lists *l;
    struct scorer *s;
    struct lists_search *search;
    uint8_t *seen; /* a bit a row; NULL: no row stands twice */
    struct topk best;
    struct found *out; /* of all: where they go */
    uint32_t out_count;
    uint32_t slots[TURN + 3], n;
};

/* True: the row of this slot was kept before, from another list. */
static bool is_twice(struct scanning *x, uint32_t slot)
{
    uint32_t row = x->search->rows[slot];
    uint8_t bit = (uint8_t)(1u << (row & 7));
    bool twice = x->seen[row >> 3] & bit;

    x->seen[row >> 3] |= bit;
    return twice;
}

static void put(struct scanning *x, float distance, uint32_t slot)
{
    if (x->out_count < x->search->keep)
        x->out[x->out_count++] = (struct found){distance, slot};
}

static void score_turn(struct scanning *x)
{
    for (uint32_t i = x->n; i % 4; i++)
        x->slots[i] = x->slots[0];
    for (uint32_t i = 0; i < x->n; i += 4) {
        float d[4];
        scorer_four(x->s, x->slots + i, d);
        for (uint32_t j = 0; j < MIN(x->n - i, 4u); j++) {
            if (x->out)
                put(x, d[j], x->slots[i + j]);
            else if (d[j] < topk_worst(&x->best) && !(x->seen && is_twice(x, x->slots[i + j])))
                topk_push(&x->best, d[j], x->slots[i + j]);
        }
    }
    x->search->distances += x->n;
    x->n = 0;
}

static bool is_wanted(const struct lists_search *search, uint32_t row)
{
    return row != search->absent && (!search->allow || (row < search->allow->size && bits_get(search->allow, row)));
}

static void scan_blocks(struct scanning *x, uint32_t list)
{
    uint32_t slot = x->l->starts[list], end = x->l->starts[list + 1];

    for (uint32_t block = x->l->blocks[list]; slot < end; block++, slot += BLOCK_ROWS) {
        uint32_t n = MIN(end - slot, (uint32_t)BLOCK_ROWS);
        float d[BLOCK_ROWS], worst = topk_worst(&x->best);
        scorer_block(x->s, block, d);
        for (uint32_t i = 0; i < n && x->out; i++) {
            if (is_wanted(x->search, x->search->rows[slot + i]))
                put(x, d[i], slot + i);
        }
        for (uint32_t i = 0; i < n && !x->out; i++) {
            if (d[i] >= worst || !is_wanted(x->search, x->search->rows[slot + i]) || (x->seen && is_twice(x, slot + i)))
                continue;
            topk_push(&x->best, d[i], slot + i);
            worst = topk_worst(&x->best);
        }
        x->search->distances += n;
    }
}

/* The beginning of a list is on its way while the one before it is scanned; the rest follows by itself. */
static void fetch_list(const struct scanning *x, uint32_t list)
{
    size_t first = x->l->blocks ? x->l->blocks[list] : x->l->starts[list];
    const uint8_t *at = x->s->base + first * x->s->stride;

    for (size_t i = 0; i < FETCH; i += 64)
        __builtin_prefetch(at + i);
    __builtin_prefetch(x->search->rows + x->l->starts[list]);
}

static void scan_list(struct scanning *x, uint32_t list)
{
    struct lists_search *search = x->search;

    search->scanned++;
    if (x->l->blocks) {
        scan_blocks(x, list);
        return;
    }

    for (uint32_t slot = x->l->starts[list]; slot < x->l->starts[list + 1]; slot++) {
        if (!is_wanted(search, search->rows[slot]))
            continue;
        x->slots[x->n++] = slot;
        if (x->n == TURN)
            score_turn(x);
    }
    score_turn(x);
}

/* What a centre adds to the inner products of what was encoded without it. */
static float of_centre(const struct lists *l, const struct scorer *centres, const struct scored *near)
{
    struct code_tail tail;

    if (l->centres.metric != KITH_EUCLID)
        return -near->distance;
    memcpy(&tail, codes_at(&l->centres, near->row) + l->centres.padded, sizeof tail);
    return (tail.norm2 * centres->norm_factor - near->distance) / 2;
}

int lists_search(struct ctx *c, const struct lists *l, const struct scorer *centres, struct scorer *s,
                 struct graph_scratch *scratch, struct lists_search *search, struct found *out)
{
    struct scanning x = {.l = l, .s = s, .search = search, .out = search->all ? out : NULL};
    struct topk near;

    search->distances = l->count;
    search->scanned = 0;
    if (topk_init(&near, &c->arena, MIN(MAX(search->probes, 1u), l->count)) < 0 ||
        topk_init(&x.best, &c->arena, search->all ? 1 : MAX(search->keep, 1u)) < 0)
        return err_nomem(c);
    scorer_scan(centres, l->count, &near);
    topk_sort(&near);
    if (l->spilled) {
        if (graph_scratch_seen(scratch, search->rows_count) < 0)
            return err_nomem(c);
        x.seen = scratch->seen;
    }
    for (uint32_t i = 0; i < near.size; i++) {
        if (i + 1 < near.size)
            fetch_list(&x, near.heap[i + 1].row);
        s->list = (s->norm_factor + 1) * of_centre(l, centres, &near.heap[i]);
        scan_list(&x, near.heap[i].row);
    }
    if (search->all)
        return (int)x.out_count;
    topk_sort(&x.best);
    for (uint32_t i = 0; i < x.best.size; i++)
        out[i] = (struct found){x.best.heap[i].distance, x.best.heap[i].row};
    return (int)x.best.size;
}

static uint32_t blocks_of(const struct lists *l, uint32_t list)
{
    return (l->starts[list + 1] - l->starts[list] + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

bool lists_check(const struct lists *l, uint32_t slots)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->starts[i] > l->starts[i + 1])
            return false;
        if (l->blocks && l->blocks[i + 1] - l->blocks[i] != blocks_of(l, i))
            return false;
    }
    if (l->blocks && l->blocks[0])
        return false;
    return l->starts[0] == 0 && l->starts[l->count] == slots;
}

void lists_number_blocks(const struct lists *l, uint32_t *blocks)
{
    blocks[0] = 0;
    for (uint32_t i = 0; i < l->count; i++)
        blocks[i + 1] = blocks[i] + blocks_of(l, i);
}
