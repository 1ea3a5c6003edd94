/* sixteen.h - four vectors beside four others. Who includes it has defined, for its instruction set:
 *   FLOATS_OF_ROW               the type of a register of floats
 *   add(sum, x, y, s)           s with what the pairs of x and y add to it
 *   load_some(element, v, i, n) from i on, zeros behind the n-th */
#ifndef VEC_SIXTEEN_H
#define VEC_SIXTEEN_H

#include "vec/pairs.h"

#ifndef FLOATS_OF_ROW /* the header alone */
#define FLOATS_OF_ROW float
float add(enum sum kind, float x, float y, float s);
float load_some(kith_element e, const void *v, size_t i, size_t n);
#endif

/* Sums of one vector beside four; members, not an array, so that they stay in registers. */
struct row {
    FLOATS_OF_ROW a, b, c, d;
};

static ALWAYS_INLINE struct row load_row(kith_element e, const void *const v[4], size_t i, size_t n)
{
    return (struct row){load_some(e, v[0], i, n), load_some(e, v[1], i, n), load_some(e, v[2], i, n),
                        load_some(e, v[3], i, n)};
}

static ALWAYS_INLINE struct row add_row(enum sum kind, FLOATS_OF_ROW x, struct row y, struct row s)
{
    return (struct row){add(kind, x, y.a, s.a), add(kind, x, y.b, s.b), add(kind, x, y.c, s.c), add(kind, x, y.d, s.d)};
}

#endif
