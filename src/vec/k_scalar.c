/* k_scalar.c - the reference that every other kernel is tested against. */
#include "vec/four_scalar.h"
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

static float most_product(const float *a, const float *b, size_t n)
{
    float most = 0;

    for (size_t i = 0; i < n; i++) {
        float w = fabsf(a[i] * b[i]);
        most = w > most ? w : most;
    }
    return most;
}

static float round_product(const float *a, const float *b, float scale, size_t n, int8_t *whole, int8_t *fine)
{
    int64_t sum = 0, sum_fine = 0;

    for (size_t i = 0; i < n; i++) {
        float x = a[i] * b[i] * scale;
        whole[i] = (int8_t)rintf(x);
        fine[i] = (int8_t)rintf((x - (float)whole[i]) * GRID_FINE);
        sum += whole[i];
        sum_fine += fine[i];
    }
    return (float)((double)sum + (double)sum_fine / GRID_FINE);
}

const struct kernels kernels_scalar = {
    .name = "scalar", .dot = dot, .l2 = l2, .l1 = l1, .dot8x4 = four_dot8, .l1x4 = four_l1,
    .dot4x4 = four_dot4, .most_product = most_product, .round_product = round_product};
