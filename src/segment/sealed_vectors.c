/* sealed_vectors.c - the columns of vectors in files (seal.c writes them). */
#include "base/ctx.h"
#include "segment/sealed.h"

static int malformed(struct ctx *c, const struct pack *p, const char *what)
{
    return err_set(c, KITH_CORRUPT, "blob %s: malformed %s", p->key, what);
}

static bool varies(const struct sealed_vector *v)
{
    return v->sparse || v->multi;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Postings made before the curve was measured have none. */
static int open_slack(struct ctx *c, const struct pack *p, uint64_t owner, struct sealed_vector *v)
{
    struct bytes data;

    if (!pack_find(p, PACK_CURVE, v->id, owner))
        return 0;
    TRY(pack_get(c, p, PACK_CURVE, v->id, owner, &data));
    if (data.size != sizeof v->postings.slack)
        return malformed(c, p, "slack curve");
    memcpy(&v->postings.slack, data.data, data.size);
    return 0;
}

static int open_postings(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows, struct sealed_vector *v)
{
    struct bytes postings;

    TRY(pack_get(c, p, PACK_POSTINGS, v->id, owner, &postings));
    if (!postings_open(postings, rows, &v->postings))
        return malformed(c, p, "sparse vectors");
    return open_slack(c, p, owner, v);
}

static int open_present(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows, struct sealed_vector *v)
{
    struct bytes present;

    if (!pack_find(p, PACK_PRESENT, v->id, owner))
        return 0;
    TRY(pack_get(c, p, PACK_PRESENT, v->id, owner, &present));
    if (present.size != (size_t)bits_words(rows) * 8)
        return malformed(c, p, "vector presence");
    v->present = (const void *)present.data;
    return 0;
}

int sealed_vector_open(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows,
                       const struct schema_vector *from, struct sealed_vector *v)
{
    *v = (struct sealed_vector){.id = from->id, .size = from->size, .sparse = from->element == KITH_SPARSE,
                                .multi = from->multi, .section = pack_find(p, PACK_VECTORS, from->id, owner)};
    if (!v->section)
        return 0;
    if (varies(v) ? v->section->size < ((uint64_t)rows + 1) * 4 : v->section->size != (uint64_t)rows * v->size)
        return malformed(c, p, "vectors");
    if (v->sparse)
        return open_postings(c, p, owner, rows, v);
    return v->multi ? 0 : open_present(c, p, owner, rows, v);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static size_t kept_size(const struct sealed_vector *v, const void *kept)
{
    return v->multi ? many_size(v->size, many_of(kept).count) : sparse_size(sparse_of(kept).count);
}

static int read_varying(struct ctx *c, const struct pack *p, uint32_t rows, const struct sealed_vector *v, row_id row,
                        const void **ret_data)
{
    uint64_t start = ((uint64_t)rows + 1) * 4;
    const uint8_t *data;
    uint32_t at[2];

    TRY(pack_read(c, p, v->section, row * 4ull, sizeof at, &data));
    memcpy(at, data, sizeof at);
    if (at[0] == at[1])
        return 0;
    if (at[1] < at[0] || start + at[1] * 4ull > v->section->size)
        return err_set(c, KITH_CORRUPT, "blob %s: a vector is out of bounds", p->key);
    TRY(pack_read(c, p, v->section, start + at[0] * 4ull, (at[1] - at[0]) * 4ull, &data));
    if (kept_size(v, data) != (at[1] - at[0]) * 4ull)
        return malformed(c, p, "vector");
    *ret_data = data;
    return 0;
}

int sealed_vector_read(struct ctx *c, const struct pack *p, uint32_t rows, const struct sealed_vector *v, row_id row,
                       const void **ret_data)
{
    const uint8_t *data;

    if (varies(v))
        return read_varying(c, p, rows, v, row, ret_data);
    if (v->present && !(v->present[row >> 6] >> (row & 63) & 1))
        return 0;
    TRY(pack_read(c, p, v->section, row * (uint64_t)v->size, v->size, &data));
    *ret_data = data;
    return 0;
}

bool sealed_vector_fits(const struct sealed_vector *v, const struct vecver *d)
{
    if (!d->size || v->sparse)
        return true;
    return d->size == (v->multi ? many_size(v->size, many_of(d->data).count) : v->size);
}
