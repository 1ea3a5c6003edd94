/* k_scalar.c - the reference that every other kernel is tested against. */
#include "vec/kernel.h"

#include <math.h>

static float dot(const float *a, const float *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += (double)a[i] * (double)b[i];
    return (float)s;
}

static float l2(const float *a, const float *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        s += d * d;
    }
    return (float)s;
}

static float l1(const float *a, const float *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += fabs((double)a[i] - (double)b[i]);
    return (float)s;
}

static void dot8x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i++)
            s += q[i] * v[j][i];
        out[j] = s;
    }
}

static void l1x4(const uint8_t *q, const int8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32_t s = 0;
        for (size_t i = 0; i < n; i++) {
            int d = (int)q[i] - 128 - v[j][i];
            s += d < 0 ? -d : d;
        }
        out[j] = s;
    }
}

const struct kernels kernels_scalar = {
    .name = "scalar", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = dot8x4, .l1x4 = l1x4};
