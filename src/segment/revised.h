/* revised.h - vectors that changed after their row was sealed; private to this room.
 *
 * Each version hangs in two lists: of its row, newest first, where reads of one row look, and of its vector,
 * where searches find the rows that the vector's graph is wrong about. One writer, any readers; nothing is
 * taken out while the segment lives. */
#ifndef SEGMENT_REVISED_H
#define SEGMENT_REVISED_H

#include "segment/segment.h"

struct revisions {
    struct vecver *_Atomic *_Atomic rows;  /* a pointer a row, made when first needed */
    struct vecver *_Atomic *_Atomic heads; /* a pointer a vector */
    uint32_t rows_count, vectors_count;
};
/* Takes over `d`, of the vector at place `vector`. */
int revisions_put(struct revisions *r, row_id row, uint32_t vector, struct vecver *d);
/* The newest version at or before V of that vector of a row, or of any (vector id 0); NULL: as it was sealed. */
const struct vecver *revisions_at(const struct revisions *r, row_id row, uint32_t vector_id, lsn v);
const struct vecver *revisions_row(const struct revisions *r, row_id row);
const struct vecver *revisions_of(const struct revisions *r, uint32_t vector);
void revisions_release(struct revisions *r);

#endif
