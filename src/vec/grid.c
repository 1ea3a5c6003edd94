/* grid.c - bounds, encoding, decoding. */
#include "vec/grid.h"

#include <math.h>

enum { LINE = 64, TRAIN_MAX = 1024, FINE_WEIGHT = 8 };

void grid_layout(struct grid *g, uint32_t dim)
{
    g->dim = dim;
    g->padded = (uint32_t)align_up(dim, 2 * LINE);
    g->stride = g->padded / 2;
}

/* ---- bounds --------------------------------------------------------------------------------------------- */

struct column {
    const float *data;
    size_t stride, count;
    float mean, deviation, least, most;
};

static struct column column_of(const float *data, size_t stride, size_t count)
{
    struct column x = {data, stride, count, 0, 0, INFINITY, -INFINITY};
    double sum = 0, squares = 0;

    for (size_t i = 0; i < count; i++) {
        float v = data[i * stride];
        sum += (double)v;
        squares += (double)v * (double)v;
        x.least = fminf(x.least, v);
        x.most = fmaxf(x.most, v);
    }
    x.mean = (float)(sum / (double)count);
    x.deviation = (float)sqrt(fmax(0, squares / (double)count - (sum / (double)count) * (sum / (double)count)));
    return x;
}

/* Squared error at 4 bits, and, weighed more, at 8: what is clipped is lost to both. */
static double error_at(const struct column *x, float low, float step)
{
    float inverse = step > 0 ? 1 / step : 0;
    double error = 0;

    for (size_t i = 0; i < x->count; i++) {
        float v = x->data[i * x->stride], code = fminf(255, fmaxf(0, floorf((v - low) * inverse)));
        float rough = v - (low + 16 * step * (floorf(code / 16) + 0.5f)), fine = v - (low + step * (code + 0.5f));
        error += (double)rough * (double)rough + FINE_WEIGHT * (double)fine * (double)fine;
    }
    return error;
}

void grid_train(const struct grid *g, const float *sample, size_t count, float *low, float *step)
{
    static const float widths[] = {2.6f, 2.9f, 3.2f, 3.6f, 4, 5, 7, 10, INFINITY};

    count = MIN(count, (size_t)TRAIN_MAX);
    for (uint32_t d = 0; d < g->dim; d++) {
        struct column x = column_of(sample + d, g->dim, count);
        double best = (double)INFINITY;
        for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
            float from = fmaxf(x.least, x.mean - widths[i] * x.deviation);
            float to = fminf(x.most, x.mean + widths[i] * x.deviation);
            float size = (to - from) / 256;
            double error = error_at(&x, from, size);
            if (error < best) {
                best = error;
                low[d] = from;
                step[d] = size;
            }
        }
    }
}

/* ---- records -------------------------------------------------------------------------------------------- */

static size_t byte_of(uint32_t d)
{
    return (size_t)(d / (2 * LINE)) * LINE + d % LINE;
}

static unsigned shift_of(uint32_t d)
{
    return d % (2 * LINE) < LINE ? 0 : 4;
}

void grid_encode(const struct grid *g, const float *v, uint8_t *top, uint8_t *rest)
{
    memset(top, 0, g->stride);
    if (rest)
        memset(rest, 0, g->stride);
    for (uint32_t d = 0; d < g->dim; d++) {
        float x = g->step[d] > 0 ? (v[d] - g->low[d]) / g->step[d] : 0;
        unsigned code = x <= 0 ? 0 : x >= 255 ? 255 : (unsigned)x;
        top[byte_of(d)] |= (uint8_t)(code >> 4 << shift_of(d));
        if (rest)
            rest[byte_of(d)] |= (uint8_t)((code & 15) << shift_of(d));
    }
}

void grid_decode(const struct grid *g, const uint8_t *top, const uint8_t *rest, float *v)
{
    for (uint32_t d = 0; d < g->dim; d++) {
        float code = (float)((top[byte_of(d)] >> shift_of(d) & 15) * 16);
        code += rest ? (float)(rest[byte_of(d)] >> shift_of(d) & 15) + 0.5f : 8;
        v[d] = g->low[d] + g->step[d] * code;
    }
}

struct grid_query grid_prepare(const struct grid *g, const struct kernels *k, const float *q, int8_t *query)
{
    struct grid_query r = {0, 0, 0};
    float largest = k->most_product(q, g->step, g->dim);

    r.offset = vec_dot(k, q, g->low, g->dim) + 8 * vec_dot(k, q, g->step, g->dim);
    r.factor = largest * 16 / 127;
    r.sum = k->round_product(q, g->step, largest > 0 ? 127 / largest : 0, g->dim, query, query + g->padded);
    memset(query + g->dim, 0, g->padded - g->dim);
    memset(query + g->padded + g->dim, 0, g->padded - g->dim);
    return r;
}
