/* buf.c - growing bytes and bounded reading. */
#include "base/buf.h"

#include "base/arena.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *b)
{
    memset(b, 0, sizeof *b);
}

void buf_release(struct buf *b)
{
    mem_free(b->data);
    buf_init(b);
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t want = b->capacity ? b->capacity * 2 : 256;
    uint8_t *data;

    if (b->failed)
        return KITH_NOMEM;
    if (b->capacity - b->size >= more)
        return 0;
    want = MAX(want, b->size + more);
    data = mem_realloc(b->data, want);
    if (!data) {
        b->failed = true;
        return KITH_NOMEM;
    }
    b->data = data;
    b->capacity = want;
    return 0;
}

void buf_put(struct buf *b, const void *data, size_t size)
{
    if (!size || buf_reserve(b, size) < 0)
        return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void buf_zero(struct buf *b, size_t size)
{
    if (!size || buf_reserve(b, size) < 0)
        return;
    memset(b->data + b->size, 0, size);
    b->size += size;
}

void buf_u8(struct buf *b, uint8_t v)
{
    if (buf_reserve(b, 1) == 0)
        b->data[b->size++] = v;
}

void buf_u32(struct buf *b, uint32_t v)
{
    buf_put(b, &v, sizeof v);
}

void buf_u64(struct buf *b, uint64_t v)
{
    buf_put(b, &v, sizeof v);
}

void buf_f64(struct buf *b, double v)
{
    buf_put(b, &v, sizeof v);
}

void buf_varint(struct buf *b, uint64_t v)
{
    if (buf_reserve(b, 10) < 0)
        return;
    while (v >= 0x80) {
        b->data[b->size++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    b->data[b->size++] = (uint8_t)v;
}

void buf_blob(struct buf *b, const void *data, size_t size)
{
    buf_varint(b, size);
    buf_put(b, data, size);
}

void buf_str(struct buf *b, const char *s)
{
    buf_blob(b, s, s ? strlen(s) : 0);
}

void buf_text(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || buf_reserve(b, (size_t)size + 1) < 0)
        return;
    va_start(args, format);
    vsnprintf((char *)b->data + b->size, (size_t)size + 1, format, args);
    va_end(args);
    b->size += (size_t)size;
}

void buf_align(struct buf *b, size_t to)
{
    buf_zero(b, (size_t)align_up(b->size, to) - b->size);
}

const uint8_t *read_bytes(struct reader *r, uint64_t size)
{
    const uint8_t *p = r->at;

    if (r->failed || (uint64_t)(r->end - r->at) < size) {
        r->failed = true;
        return NULL;
    }
    r->at += size;
    return p;
}

uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 1);
    return p ? *p : 0;
}

uint32_t read_u32(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 4);
    uint32_t v = 0;

    if (p)
        memcpy(&v, p, 4);
    return v;
}

uint64_t read_u64(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    uint64_t v = 0;

    if (p)
        memcpy(&v, p, 8);
    return v;
}

double read_f64(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    double v = 0;

    if (p)
        memcpy(&v, p, 8);
    return v;
}

uint64_t read_varint(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return r->failed ? 0 : v;
    }
    r->failed = true;
    return 0;
}

struct bytes read_blob(struct reader *r)
{
    uint64_t size = read_varint(r);
    const uint8_t *p = read_bytes(r, size);
    struct bytes b = {p, p ? (size_t)size : 0};

    return b;
}

char *read_str(struct reader *r, struct arena *a)
{
    struct bytes b = read_blob(r);
    char *s = b.data ? arena_str(a, (const char *)b.data, b.size) : NULL;

    if (!s)
        r->failed = true;
    return s;
}
