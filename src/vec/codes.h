/* codes.h - 8-bit codes of vectors, and the scorer over them: all that a graph knows of vectors.
 *
 * A record is [dim bytes, padded with zeros to 64][norm2, scale, shift: f32], padded to 64 bytes. A
 * vector is about scale * code. Manhattan uses one scale for all, the others one for each. Of a vector of bits
 * it is the bits themselves; norm2 is how many are set. */
#ifndef VEC_CODES_H
#define VEC_CODES_H

#include "base/topk.h"
#include "vec/blocks.h"
#include "vec/grid.h"
#include "vec/planes.h"
#include "vec/product.h"

struct code_tail {
    float norm2; /* of the original */
    float scale;
    float shift; /* scale * 128 * sum of the code: what the query's bias adds */
    float unused;
};

struct codes {
    const uint8_t *base;
    size_t stride;
    uint32_t dim, padded; /* elements; bytes, rounded up to 64 */
    uint32_t count;
    kith_metric metric;
    bool bits;
    float common_scale; /* manhattan */
};

void codes_layout(struct codes *codes, kith_metric metric, kith_element e, uint32_t dim);
/* Writes one record of `stride` bytes. `v`: as vec_plain says. */
void codes_encode(const struct codes *codes, const struct kernels *k, const void *v, uint8_t *record);

/* What the record of a slot says: dim floats; bits as 0 and 1. */
void codes_decode(const struct codes *codes, uint32_t slot, float *v);

/* How a record is read. */
enum code_form {
    CODE_BYTES,   /* struct codes, by inner product */
    CODE_L1,      /* struct codes, by absolute differences */
    CODE_NIBBLES, /* the upper plane of a grid, by inner product */
    CODE_BITS,    /* struct codes of bits, by what is common */
    CODE_PLANES,  /* one or two bits an element, by inner product */
    CODE_PRODUCT, /* product quantisation, by table */
    CODE_FORMS
};

/* A query against records: all that a walk knows of vectors. Distances are approximate and ordered like
 * the true ones. */
struct scorer {
    enum code_form form;
    const uint8_t *base; /* record of slot i: base + i * stride */
    size_t stride, length; /* length: bytes of a record that the kernel reads */
    const uint8_t *rest; /* nibbles: the lower plane; may be NULL */
    const float *norms;  /* nibbles, euclid: squared length of each; else NULL */
    uint8_t *query;      /* bytes: biased to unsigned; nibbles, planes: signed; bits */
    float *table;        /* product */
    struct block_query blocks; /* planes of one bit in blocks; table NULL: single records */
    uint32_t planes;     /* how many bits an element */
    float factor, norm_factor, offset, rest_offset;
    float shift;         /* planes: what the lowest step says */
    float list;          /* planes: of the centre that vectors were taken off before they were encoded */
    kith_metric metric;  /* bits; offset: how many of the query are set */
    const struct kernels *kernels;
    const struct codes *codes; /* bytes, L1, bits */
};

int scorer_init(struct scorer *s, struct arena *a, const struct codes *codes, const struct kernels *k);
void scorer_query(struct scorer *s, const void *query); /* as vec_plain says */
/* The query is the record of `slot`. */
void scorer_slot(struct scorer *s, uint32_t slot);
/* Queries against the upper plane of a grid. `norms` as above, needed for euclid. */
int scorer_grid_init(struct scorer *s, struct arena *a, const struct grid *g, const uint8_t *top, const uint8_t *rest,
                     const float *norms, kith_metric metric, const struct kernels *k);
void scorer_grid_query(struct scorer *s, const struct grid *g, const float *query);
/* Against planes. Where each list has a centre of its own, `list` is to be set to its inner product with the query,
 * times norm_factor + 1. */
int scorer_planes(struct scorer *s, struct arena *a, const struct planes *p, const uint8_t *records, kith_metric metric,
                  const float *query, const struct kernels *k);
/* The same against blocks, of one bit; only scorer_block is for them. */
int scorer_blocks(struct scorer *s, struct arena *a, const struct planes *p, const uint8_t *blocks, kith_metric metric,
                  const float *query, const struct kernels *k);
void scorer_block(const struct scorer *s, size_t block, float out[BLOCK_ROWS]);
int scorer_product(struct scorer *s, struct arena *a, const struct product *p, const uint8_t *records,
                   kith_metric metric, const float *query, const struct kernels *k);
/* Puts right, by the lower plane, the distances that scorer_four or a walk gave for up to 4 slots. */
void scorer_refine(const struct scorer *s, const uint32_t slots[4], float distances[4]);
/* Up to 4 slots; unused places repeat another. */
void scorer_four(const struct scorer *s, const uint32_t slots[4], float out[4]);
/* The best of the first `count` slots. */
void scorer_scan(const struct scorer *s, uint32_t count, struct topk *best);

/* From the kernel's sum to the distance; `record` is what it was taken of. */
static inline float scorer_distance(const struct scorer *s, enum code_form form, uint32_t slot, const uint8_t *record,
                                    int32_t sum)
{
    struct code_tail tail;

    if (form == CODE_L1)
        return (float)sum;
    if (form == CODE_NIBBLES)
        return (s->norms ? s->norms[slot] : 0) - (s->offset + s->factor * (float)sum);
    memcpy(&tail, record + s->length, sizeof tail);
    if (form == CODE_BITS && s->metric == KITH_JACCARD) {
        float either = s->offset + tail.norm2 - (float)sum;
        return either > 0 ? 1 - (float)sum / either : 0;
    }
    if (form == CODE_BITS)
        return s->metric == KITH_HAMMING ? s->offset + tail.norm2 - 2 * (float)sum : -(float)sum;
    return s->norm_factor * tail.norm2 - s->factor * (tail.scale * (float)sum - tail.shift);
}

static inline float scorer_planes_distance(const struct scorer *s, const uint8_t *record, int32_t sum)
{
    struct plane_tail tail;

    memcpy(&tail, record + s->planes * s->length, sizeof tail);
    return s->norm_factor * tail.norm2 - s->offset - s->list - tail.ratio * (s->shift + s->factor * (float)sum);
}

static inline const uint8_t *codes_at(const struct codes *codes, uint32_t slot)
{
    return codes->base + (size_t)slot * codes->stride;
}

#endif
