/* kernel.h - distance kernels: one table per instruction set, filled in by one file each.
 *
 * Kernels of whole vectors take any length and alignment. Those of codes take lengths that are multiples of 64,
 * of bits (dot1x4) of 8 (codes are padded with zeros); `q` is biased by 128 to unsigned, `v` is signed. */
#ifndef VEC_KERNEL_H
#define VEC_KERNEL_H

#include "vec/element.h"

/* of two vectors of n elements, both of the same kind; bits: n is a multiple of 8 */
typedef float (*kernel_pair)(const void *a, const void *b, size_t n);
/* the same of each of four with each of four others: every element is loaded once for four sums */
typedef void (*kernel_sixteen)(const void *const a[4], const void *const b[4], size_t n, float out[4][4]);
struct pair_kernels {
    kernel_pair dot;   /* bits: how many both have */
    kernel_pair l2;    /* squared; bits: how many differ */
    kernel_pair l1;    /* not of bits */
    kernel_pair ratio; /* i8, u8, scaled ones: the cosine; bits: both over either; others: none */
    kernel_sixteen dots, l2s; /* f32, f16, scaled ones; others: none */
};
/* inner products of one biased query with four codes of signed bytes, bias not yet removed */
typedef void (*kernel_dot8x4)(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4]);
/* sums of absolute differences of (q - 128) and v */
typedef void (*kernel_l1x4)(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4]);
/* inner products of one query of signed bytes with four records of nibbles (grid.h), n bytes each */
typedef void (*kernel_dot4x4)(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4]);
/* inner products of one query of signed bytes with four records of bits, n bytes each: what stands at set bits */
typedef void (*kernel_dot1x4)(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4]);
/* bits that one query and each of four have in common */
typedef void (*kernel_and4)(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4]);

/* of 32 vectors (blocks.h) the sums of what a table of 16 bytes a group says; `groups` is a multiple of 16 */
typedef void (*kernel_look_up)(const uint8_t *codes, const uint8_t *table, size_t groups, uint16_t out[32]);

/* the largest |a * b| of n products */
typedef float (*kernel_most_product)(const float *a, const float *b, size_t n);
/* a * b * scale rounded to signed bytes, and what is left of it in units of 1 / GRID_FINE; returns the sum of
 * what was written */
enum { GRID_FINE = 254 };
typedef float (*kernel_round_product)(const float *a, const float *b, float scale, size_t n, int8_t *whole,
                                      int8_t *fine);

/* places of `sums` that reach `bar`; `out` has room for n + 32. How many. */
typedef uint32_t (*kernel_collect)(const uint16_t *sums, size_t n, uint16_t bar, uint32_t *out);

struct kernels {
    const char *name;
    struct pair_kernels of[ELEMENTS];
    kernel_dot8x4 dot8x4;
    kernel_l1x4 l1x4;
    kernel_dot4x4 dot4x4;
    kernel_dot1x4 dot1x4;
    kernel_and4 and4;
    kernel_look_up look_up;
    kernel_most_product most_product;
    kernel_round_product round_product;
    kernel_collect collect;
};

extern const struct kernels kernels_scalar;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512, kernels_avx512_popcount;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
#endif

/* The fastest table that this processor runs. `name` NULL, or for tests "scalar", "avx2", "avx512",
 * "avx512 popcount", "neon": NULL is returned when the processor lacks it. */
const struct kernels *kernels_best(const char *name);

static inline float vec_dot(const struct kernels *k, const float *a, const float *b, uint32_t dim)
{
    return k->of[KITH_F32].dot(a, b, dim);
}
/* Distance of two vectors, smaller is nearer (see kith.h). */
float vec_distance(const struct kernels *k, kith_metric metric, kith_element e, const void *a, const void *b,
                   uint32_t dim);
/* Divides by the length; a zero vector stays. */
void vec_normalise(const struct kernels *k, float *v, uint32_t dim);
/* As codes are made of it: bits as they are, all else as f32, of unit length for cosine. What is given, or it is
 * written to `room`, of dim floats. */
const void *vec_plain(const struct kernels *k, kith_metric metric, kith_element e, const void *v, uint32_t dim,
                      float *room);

#endif
