/* four_scalar.h - one query against four codes at a time: plain C, the reference for the others. */
#ifndef VEC_FOUR_SCALAR_H
#define VEC_FOUR_SCALAR_H

#include "base/base.h"

#include <stdlib.h>

static inline void four_dot8(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i++)
            s += q[i] * (int8_t)v[j][i];
        out[j] = s;
    }
}

static inline void four_l1(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i++)
            s += abs(q[i] - 128 - (int8_t)v[j][i]);
        out[j] = s;
    }
}

static inline void four_dot4(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i += 64) {
            for (size_t b = 0; b < 64; b++)
                s += (v[j][i + b] & 15) * q[2 * i + b] + (v[j][i + b] >> 4) * q[2 * i + 64 + b];
        }
        out[j] = s;
    }
}

static inline void four_dot1(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < 8 * n; i++)
            s += v[j][i >> 3] >> (i & 7) & 1 ? q[i] : 0;
        out[j] = s;
    }
}

static inline void four_and(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i += 8) {
            uint64_t x, y;
            memcpy(&x, q + i, sizeof x);
            memcpy(&y, v[j] + i, sizeof y);
            s += __builtin_popcountll(x & y);
        }
        out[j] = s;
    }
}

#endif
