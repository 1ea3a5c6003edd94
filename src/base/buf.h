/* buf.h - bytes that grow, and a reader over bytes that never runs past their end.
 *
 * A buf that could not grow stays `failed`; one check at the end is enough. Integers are
 * little-endian; varints are 7 bits a byte, low ones first. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
};

void buf_init(struct buf *b);
void buf_release(struct buf *b);
int buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, const void *data, size_t size);
void buf_zero(struct buf *b, size_t size);
void buf_u8(struct buf *b, uint8_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_f64(struct buf *b, double v);
void buf_varint(struct buf *b, uint64_t v);
/* varint size, then the bytes */
void buf_blob(struct buf *b, const void *data, size_t size);
void buf_str(struct buf *b, const char *s); /* NULL is written as "" */
void buf_text(struct buf *b, const char *s); /* the characters alone */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_align(struct buf *b, size_t to);

struct reader {
    const uint8_t *at, *end;
    bool failed; /* something was missing; every later read gives 0 */
};

static inline struct reader reader_of(const void *data, size_t size)
{
    struct reader r = {data, data ? (const uint8_t *)data + size : NULL, false};
    return r;
}
uint8_t read_u8(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
double read_f64(struct reader *r);
uint64_t read_varint(struct reader *r);
/* `size` bytes in place, or NULL */
const uint8_t *read_bytes(struct reader *r, uint64_t size);
struct bytes read_blob(struct reader *r);
/* a copy with a final 0 in the arena; NULL if missing */
char *read_str(struct reader *r, struct arena *a);

#endif
