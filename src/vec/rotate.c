/* rotate.c - signs and butterflies. */
#include "vec/rotate.h"

#include "base/hash.h"

#include <math.h>

enum { ROUNDS = 3 };

static void hadamard(float *v, uint32_t n)
{
    float scale = 1 / sqrtf((float)n);

    for (uint32_t half = 1; half < n; half *= 2) {
        for (uint32_t i = 0; i < n; i += 2 * half) {
            float *restrict a = v + i, *restrict b = a + half;
            for (uint32_t j = 0; j < half; j++) {
                float x = a[j], y = b[j];
                a[j] = x + y;
                b[j] = x - y;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++)
        v[i] *= scale;
}

static void turn_signs(float *v, uint32_t dim, uint64_t *seed)
{
    for (uint32_t i = 0; i < dim; i += 64) {
        uint64_t bits = splitmix(seed);
        for (uint32_t j = i; j < MIN(i + 64, dim); j++, bits >>= 1)
            v[j] = bits & 1 ? -v[j] : v[j];
    }
}

void rotate(float *v, uint32_t dim)
{
    uint64_t seed = dim;
    uint32_t power = 1;

    while (power * 2 <= dim)
        power *= 2;
    for (int round = 0; round < ROUNDS; round++) {
        turn_signs(v, dim, &seed);
        hadamard(v, power);
        if (power < dim)
            hadamard(v + dim - power, power);
    }
}
