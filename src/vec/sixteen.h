/* sixteen.h - four vectors beside four others. Who includes it has defined, for its instruction set:
 *   FLOATS_OF_ROW, NO_FLOATS    the type of a register of floats, and one of zeros
 *   add(sum, x, y, s)           s with what the pairs of x and y add to it
 *   load_some(element, v, i, n) from i on, zeros behind the n-th
 *   reduce_four(a, b, c, d, out) what the floats of each come to, four sums */
#ifndef VEC_SIXTEEN_H
#define VEC_SIXTEEN_H

#include "vec/pairs.h"

#ifndef FLOATS_OF_ROW /* the header alone */
#define FLOATS_OF_ROW float
#define NO_FLOATS 0.0F
float add(enum sum kind, float x, float y, float s);
float load_some(kith_element e, const void *v, size_t i, size_t n);
void reduce_four(float a, float b, float c, float d, float out[4]);
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

/* Of `rows` vectors with four, 2 or 4: as many as there are registers for. */
static ALWAYS_INLINE void some_with_four(enum sum kind, kith_element e, int rows, size_t step, const void *const *a,
                                         const void *const b[4], size_t n, float out[][4])
{
    struct row r0 = {NO_FLOATS, NO_FLOATS, NO_FLOATS, NO_FLOATS}, r1 = r0, r2 = r0, r3 = r0;

    for (size_t i = 0; i < n; i += step) {
        struct row y = load_row(e, b, i, n);
        r0 = add_row(kind, load_some(e, a[0], i, n), y, r0);
        r1 = add_row(kind, load_some(e, a[1], i, n), y, r1);
        if (rows > 2) {
            r2 = add_row(kind, load_some(e, a[2], i, n), y, r2);
            r3 = add_row(kind, load_some(e, a[3], i, n), y, r3);
        }
    }
    reduce_four(r0.a, r0.b, r0.c, r0.d, out[0]);
    reduce_four(r1.a, r1.b, r1.c, r1.d, out[1]);
    if (rows > 2) {
        reduce_four(r2.a, r2.b, r2.c, r2.d, out[2]);
        reduce_four(r3.a, r3.b, r3.c, r3.d, out[3]);
    }
}

#endif
