/* varying_column.c - vectors of different sizes, found by offsets (seal.c writes them). */
#include "base/ctx.h"
#include "segment/sealed.h"

static size_t kept_size(const uint8_t *kept, size_t one)
{
    return one ? many_size(one, many_of(kept).count) : sparse_size(sparse_of(kept).count);
}

int varying_column_read(struct ctx *c, const struct pack *p, const struct pack_section *section, uint32_t rows,
                        row_id row, size_t one, const void **ret_data)
{
    uint64_t start = ((uint64_t)rows + 1) * 4;
    const uint8_t *data;
    uint32_t at[2];

    TRY(pack_read(c, p, section, row * 4ull, sizeof at, &data));
    memcpy(at, data, sizeof at);
    if (at[0] == at[1])
        return 0;
    if (at[1] < at[0] || start + at[1] * 4ull > section->size)
        return err_set(c, KITH_CORRUPT, "blob %s: a vector is out of bounds", p->key);
    TRY(pack_read(c, p, section, start + at[0] * 4ull, (at[1] - at[0]) * 4ull, &data));
    if (kept_size(data, one) != (at[1] - at[0]) * 4ull)
        return err_set(c, KITH_CORRUPT, "blob %s: a vector is malformed", p->key);
    *ret_data = data;
    return 0;
}
