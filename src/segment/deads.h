/* deads.h - which rows of a sealed segment are dead, since when; private to this room.
 *
 * One writer, any readers. A row is marked in three steps: its LSN, its place in a list, its bit. So whoever
 * copies the bits and then reads the list finds every row there whose bit it saw, and can put back those that
 * died after its V: all that was marked before the segment was published is older than any reader. */
#ifndef SEGMENT_DEADS_H
#define SEGMENT_DEADS_H

#include "base/bits.h"

#include <stdatomic.h>

struct deads {
    atomic_uint refs;    /* shared by all segments over the same rows */
    uint32_t rows;
    atomic_uint count;
    row_id *list;        /* in the order they were marked */
    atomic_ullong *gone; /* a bit a row */
    _Atomic lsn at[];    /* 0: alive */
};

struct deads *deads_new(uint32_t rows);
size_t deads_bytes(uint32_t rows);
void deads_unref(struct deads *d); /* NULL is fine */
/* True: it was alive. */
bool deads_mark(struct deads *d, row_id row, lsn at);
/* The rows alive at V. True: all are. */
bool deads_live(const struct deads *d, lsn v, struct bits *out);

#endif
