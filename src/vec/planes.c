/* planes.c - steps, encoding. */
#include "vec/planes.h"

#include "vec/rotate.h"

#include <math.h>

void planes_layout(struct planes *p, uint32_t dim, uint32_t bits)
{
    p->dim = dim;
    p->padded = (uint32_t)align_up(dim, 64);
    p->bits = bits;
    p->plane = p->padded / 8;
    p->stride = (size_t)align_up(bits * p->plane + sizeof(struct plane_tail), 32);
}

static inline unsigned step_of(const struct planes *p, uint32_t d, float left)
{
    float most = p->bits == 1 ? 1 : 3, x = p->step[d] > 0 ? rintf((left - p->low[d]) / p->step[d]) : 0;

    return (unsigned)fminf(most, fmaxf(0, x));
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static double error_at(const float *column, size_t stride, size_t count, float low, float step, float most)
{
    double error = 0;

    for (size_t i = 0; i < count; i++) {
        float x = column[i * stride], code = step > 0 ? rintf((x - low) / step) : 0;
        float e = x - (low + step * fminf(most, fmaxf(0, code)));
        error += (double)e * (double)e;
    }
    return error;
}

/* One element: even steps around its mean, as wide as errs least; the mean becomes 0. The squared error, weighed by
 * the element's square: queries like the sample multiply it with that. (Plain errors do not tell a rotation's worth:
 * steps follow each element's deviation, and the sum of their squares stays.) */
static double fit(const struct planes *p, float *column, size_t count, float *centre, float *low, float *step)
{
    float most = p->bits == 1 ? 1 : 3;
    double sum = 0, squares = 0, best = (double)INFINITY;
    float deviation;

    for (size_t i = 0; i < count; i++)
        sum += (double)column[i * p->dim];
    *centre = (float)(sum / (double)count);
    for (size_t i = 0; i < count; i++) {
        column[i * p->dim] -= *centre;
        squares += (double)column[i * p->dim] * (double)column[i * p->dim];
    }
    deviation = (float)sqrt(squares / (double)count);
    for (int i = 2; i <= 10; i++) { /* 1.6 of a normal distribution's deviations for two steps, 1 for four */
        float width = deviation * (float)i * (p->bits == 1 ? 0.25f : 0.16f);
        double error = error_at(column, p->dim, count, -width * most / 2, width, most);
        if (error < best) {
            best = error;
            *low = -width * most / 2;
            *step = width;
        }
    }
    return best * (squares / (double)count + (double)*centre * (double)*centre);
}

static double fit_all(const struct planes *p, float *sample, size_t count, float *out)
{
    double error = 0;

    for (uint32_t d = 0; d < p->dim; d++)
        error += fit(p, sample + d, count, out + d, out + p->dim + d, out + 2 * (size_t)p->dim + d);
    return error;
}

void planes_train(struct planes *p, float *sample, size_t count, float *out)
{
    float *other = out + 3 * (size_t)p->dim;
    double plain = fit_all(p, sample, count, out), turned;

    for (size_t i = 0; i < count; i++) {
        float *v = sample + i * p->dim;
        for (uint32_t d = 0; d < p->dim; d++)
            v[d] += out[d]; /* the mean was taken off */
        rotate(v, p->dim);
    }
    turned = fit_all(p, sample, count, other);
    p->rotated = turned < 0.98 * plain;
    if (p->rotated)
        memcpy(out, other, 3 * (size_t)p->dim * sizeof *out);
    p->centre = out;
    p->low = out + p->dim;
    p->step = p->low + p->dim;
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

void planes_encode(const struct planes *p, const float *v, float norm2, float *room, uint8_t *record)
{
    struct plane_tail tail = {1, norm2};
    double square = 0, product = 0;

    memset(record, 0, p->stride);
    memcpy(room, v, p->dim * sizeof *room);
    if (p->rotated)
        rotate(room, p->dim);
    for (uint32_t d = 0; d < p->dim; d++) {
        float left = room[d] - p->centre[d];
        unsigned code = step_of(p, d, left);
        uint8_t bit = (uint8_t)(1u << (d & 7));
        record[d / 8] |= code >> (p->bits - 1) ? bit : 0;
        if (p->bits == 2)
            record[p->plane + d / 8] |= code & 1 ? bit : 0;
        square += (double)left * (double)left;
        product += (double)left * (double)(p->low[d] + p->step[d] * (float)code);
    }
    if (product > square / 16) /* else the code says next to nothing of it */
        tail.ratio = (float)(square / product);
    memcpy(record + p->bits * p->plane, &tail, sizeof tail);
}

void planes_query(const struct planes *p, const float *q, float *room)
{
    memcpy(room, q, p->dim * sizeof *room);
    if (p->rotated)
        rotate(room, p->dim);
}
