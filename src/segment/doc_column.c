/* doc_column.c - documents in packed blocks: those of a sealed segment, in the order of its rows. */
#include "base/ctx.h"
#include "base/mem.h"
#include "segment/sealed.h"

#include <lz4.h>

int doc_column_open(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows, const lsn *born,
                    struct doc_column *ret_column)
{
    struct bytes map, lsns = {(const void *)born, (size_t)rows * sizeof *born};
    uint32_t next = 0;

    ret_column->pack = p;
    ret_column->section = pack_find(p, PACK_DOCS, 0, owner);
    TRY(pack_get(c, p, PACK_DOC_MAP, 0, owner, &map));
    if (pack_find(p, PACK_DOC_LSNS, 0, owner)) /* else none was changed since its row was made */
        TRY(pack_get(c, p, PACK_DOC_LSNS, 0, owner, &lsns));
    ret_column->blocks = (const void *)map.data;
    ret_column->count = (uint32_t)(map.size / sizeof *ret_column->blocks);
    ret_column->lsns = (const void *)lsns.data;
    for (uint32_t i = 0; i < ret_column->count; i++) {
        if (ret_column->blocks[i].first_row != next || ret_column->blocks[i].rows == 0)
            break;
        next += ret_column->blocks[i].rows;
    }
    if (!ret_column->section || lsns.size != (size_t)rows * 8 || map.size % sizeof *ret_column->blocks || next != rows)
        return err_set(c, KITH_CORRUPT, "blob %s: segment %llu: malformed documents", p->key, (unsigned long long)owner);
    return 0;
}

static uint32_t block_of(const struct doc_column *x, row_id row)
{
    uint32_t low = 0, high = x->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (x->blocks[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int unpack(struct ctx *c, const struct doc_column *x, const struct doc_block *b, uint8_t *raw)
{
    const uint8_t *packed;

    TRY(pack_read(c, x->pack, x->section, b->offset, b->size, &packed));
    if (b->raw_size < (b->rows + 1) * 4 ||
        LZ4_decompress_safe((const char *)packed, (char *)raw, (int)b->size, (int)b->raw_size) != (int)b->raw_size)
        return err_set(c, KITH_CORRUPT, "blob %s: a block of documents does not unpack", x->pack->key);
    return 0;
}

/* The block, unpacked: in its place of the room, perhaps since the last call. */
static int raw_block(struct ctx *c, const struct doc_column *x, uint32_t block, struct doc_room *room,
                     const uint8_t **ret_raw)
{
    const struct doc_block *b = &x->blocks[block];
    struct doc_place *at = room ? &room->places[((uintptr_t)x->blocks >> 12) % DOC_ROOM] : NULL;
    uint8_t *raw = at ? at->raw : arena_alloc(&c->arena, b->raw_size);

    if (at && at->of == x && at->block == block) {
        *ret_raw = at->raw;
        return 0;
    }
    if (at)
        at->of = NULL;
    if (at && at->size < b->raw_size) {
        mem_free(at->raw);
        at->raw = raw = mem_alloc(b->raw_size);
        at->size = raw ? b->raw_size : 0;
    }
    if (!raw)
        return err_nomem(c);
    TRY(unpack(c, x, b, raw));
    if (at) {
        at->of = x;
        at->block = block;
    }
    *ret_raw = raw;
    return 0;
}

int doc_column_read(struct ctx *c, const struct doc_column *x, row_id row, struct doc_room *room, struct bytes *ret_doc)
{
    uint32_t block = block_of(x, row), from, to, head;
    const struct doc_block *b = &x->blocks[block];
    const uint8_t *raw;

    TRY(raw_block(c, x, block, room, &raw));
    head = (b->rows + 1) * 4;
    memcpy(&from, raw + (row - b->first_row) * 4, 4);
    memcpy(&to, raw + (row - b->first_row) * 4 + 4, 4);
    if (row - b->first_row >= b->rows || from > to || to > b->raw_size - head)
        return err_set(c, KITH_CORRUPT, "blob %s: a document is out of bounds", x->pack->key);
    ret_doc->data = raw + head + from;
    ret_doc->size = to - from;
    return 0;
}

void doc_room_release(struct doc_room *r)
{
    for (size_t i = 0; i < DOC_ROOM; i++)
        mem_free(r->places[i].raw);
    memset(r, 0, sizeof *r);
}
