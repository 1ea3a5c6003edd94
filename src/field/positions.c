/* positions.c - writing, opening and asking where words stand. */
#include "field/positions.h"

#include "base/ctx.h"
#include "base/mem.h"

struct positions_head {
    uint64_t entries, count;
    uint32_t width, with_times;
};

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void release(struct positions_writer *w)
{
    mem_free(w->next);
    mem_free(w->at);
    mem_free(w->left);
}

int positions_begin(struct ctx *c, const uint8_t *times, uint64_t entries, struct positions_writer *ret_writer)
{
    struct positions_writer w = {.times = times, .entries = entries};

    for (uint64_t i = 0; i < entries; i++)
        w.count += times[i];
    w.next = mem_alloc(MAX(entries, (uint64_t)1) * sizeof *w.next);
    w.left = mem_alloc(MAX(entries, (uint64_t)1));
    w.at = mem_alloc(MAX(w.count, (uint64_t)1) * sizeof *w.at);
    if (!w.next || !w.at || !w.left) {
        release(&w);
        return err_nomem(c);
    }
    for (uint64_t i = 0, at = 0; i < entries; at += times[i++])
        w.next[i] = at;
    memcpy(w.left, times, entries);
    *ret_writer = w;
    return 0;
}

void positions_put(struct positions_writer *w, uint64_t entry, uint32_t at)
{
    if (!w->left[entry])
        return;
    w->left[entry]--;
    w->at[w->next[entry]++] = at;
    w->longest = MAX(w->longest, at);
}

int positions_end(struct ctx *c, struct positions_writer *w, bool with_times, struct buf *out)
{
    struct positions_head h = {w->entries, w->count, w->longest <= UINT8_MAX ? 1 : w->longest <= UINT16_MAX ? 2 : 4,
                               with_times};
    uint64_t at = 0;

    buf_put(out, &h, sizeof h);
    for (uint64_t i = 0; i < w->entries; at += w->times[i++]) {
        if (i % POSITIONS_STEP == 0)
            buf_u64(out, at);
    }
    for (uint64_t i = 0; i < w->count; i++)
        buf_put(out, &w->at[i], h.width); /* the low bytes come first */
    if (with_times)
        buf_put(out, w->times, w->entries);
    release(w);
    return out->failed ? err_nomem(c) : 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool in_order(const struct positions *p, const struct positions_head *h)
{
    uint64_t at = 0;

    for (uint64_t i = 0; i < h->entries; at += p->times[i++]) {
        if (i % POSITIONS_STEP == 0 && p->from[i / POSITIONS_STEP] != at)
            return false;
    }
    return at == h->count;
}

int positions_open(struct ctx *c, struct bytes data, uint64_t entries, const uint8_t *times, struct positions *ret)
{
    struct reader r = reader_of(data.data, data.size);
    struct positions p = {.times = times};
    struct positions_head h = {0};
    const uint8_t *head = read_bytes(&r, sizeof h);

    if (head)
        memcpy(&h, head, sizeof h);
    if (!head || h.entries != entries || (h.width != 1 && h.width != 2 && h.width != 4) || h.count > UINT64_MAX / 4)
        return err_set(c, KITH_CORRUPT, "positions of words: malformed");
    p.width = h.width;
    p.from = (const void *)read_bytes(&r, (entries + POSITIONS_STEP - 1) / POSITIONS_STEP * sizeof *p.from);
    p.at = read_bytes(&r, h.count * h.width);
    if (h.with_times)
        p.times = read_bytes(&r, entries);
    if (r.failed || r.at != r.end || !p.times || !in_order(&p, &h))
        return err_set(c, KITH_CORRUPT, "positions of words: malformed");
    *ret = p;
    return 0;
}

static inline uint32_t place_at(const struct positions *p, uint64_t i)
{
    uint32_t v;
    uint16_t u;

    if (p->width == 1)
        return p->at[i];
    if (p->width == 2) {
        memcpy(&u, p->at + i * 2, 2);
        return u;
    }
    memcpy(&v, p->at + i * 4, 4);
    return v;
}

static uint64_t first_place(const struct positions *p, uint32_t entry)
{
    uint64_t at = p->from[entry / POSITIONS_STEP];

    for (uint32_t i = entry / POSITIONS_STEP * POSITIONS_STEP; i < entry; i++)
        at += p->times[i];
    return at;
}

static bool stands_at(const struct positions *p, uint64_t from, uint32_t times, uint32_t place)
{
    for (uint32_t i = 0; i < times; i++) {
        uint32_t at = place_at(p, from + i);
        if (at >= place)
            return at == place;
    }
    return false;
}

/* Whether the phrase that begins at `start` is whole. */
static bool goes_on(const struct positions *p, const uint32_t *entries, uint32_t count, uint32_t start)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!stands_at(p, first_place(p, entries[i]), p->times[entries[i]], start + i))
            return false;
    }
    return true;
}

int positions_phrase(const struct positions *p, const uint32_t *entries, uint32_t count)
{
    uint32_t rarest = 0;
    uint64_t from;

    for (uint32_t i = 0; i < count; i++) {
        if (p->times[entries[i]] == TIMES_MAX)
            return -1;
        if (p->times[entries[i]] < p->times[entries[rarest]])
            rarest = i;
    }
    from = first_place(p, entries[rarest]);
    for (uint32_t i = 0; i < p->times[entries[rarest]]; i++) {
        uint32_t place = place_at(p, from + i);
        if (place >= rarest && goes_on(p, entries, count, place - rarest))
            return 1;
    }
    return 0;
}
