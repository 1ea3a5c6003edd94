/* positions.h - where words stand in rows: of every entry of an index of words its places, as numbers of words from the
 * row's first, ascending. By them phrases are proven without the documents. */
#ifndef FIELD_POSITIONS_H
#define FIELD_POSITIONS_H

#include "base/buf.h"

struct positions {
    uint32_t width;       /* bytes of a place: 1, 2 or 4; 0: no places are kept */
    const uint8_t *times; /* of the entries: how many places; TIMES_MAX: the first so many are kept */
    const uint64_t *from; /* of every POSITIONS_STEP-th entry: its first place */
    const uint8_t *at;
};
enum { POSITIONS_STEP = 32, TIMES_MAX = 255 };

/* While an index is built. `times` must stay. */
struct positions_writer {
    const uint8_t *times;
    uint64_t entries, count;
    uint64_t *next; /* where each entry's next place goes */
    uint32_t *at;
    uint8_t *left;  /* how many each yet wants */
    uint32_t longest;
};
int positions_begin(struct ctx *c, const uint8_t *times, uint64_t entries, struct positions_writer *ret_writer);
/* Those of an entry come in order; what is more than its times is passed over. */
void positions_put(struct positions_writer *w, uint64_t entry, uint32_t at);
/* The section's bytes (docs/format/field.md), with the times if nothing else has them. Releases the writer. */
int positions_end(struct ctx *c, struct positions_writer *w, bool with_times, struct buf *out);

/* `times`: of another section; NULL: they are here. */
int positions_open(struct ctx *c, struct bytes data, uint64_t entries, const uint8_t *times, struct positions *ret);

/* Whether words of a row, as entries, stand one after the other: 1, 0; -1: not all of their places are kept. */
int positions_phrase(const struct positions *p, const uint32_t *entries, uint32_t count);

#endif
