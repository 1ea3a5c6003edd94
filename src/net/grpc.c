/* grpc.c - messages out of bodies and into them; gzip by zlib. */
#include "net/grpc.h"

#include "base/ctx.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 };

bool grpc_is(const struct exchange *x)
{
    static const char type[] = "application/grpc";
    const char *given = x->http2 ? http_header(x, "content-type") : NULL;

    return given && strncmp(given, type, sizeof type - 1) == 0 && strchr("+;", given[sizeof type - 1]);
}

static int unpack(struct ctx *c, struct bytes from, size_t most, struct bytes *ret)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)from.data, .avail_in = (uInt)from.size};
    struct buf out;
    int rc = inflateInit2(&z, GZIP_WINDOW);

    buf_init(&out);
    while (rc == Z_OK && out.size < most) {
        size_t room;
        if (buf_reserve(&out, 16 << 10) < 0)
            break;
        room = MIN(out.capacity, most) - out.size;
        z.next_out = out.data + out.size;
        z.avail_out = (uInt)room;
        rc = inflate(&z, Z_NO_FLUSH);
        out.size += room - z.avail_out;
    }
    (void)inflateEnd(&z);
    if (out.failed)
        rc = err_nomem(c);
    else if (rc == Z_OK)
        rc = err_set(c, KITH_LIMIT, "the unpacked message is larger than %zu bytes", most);
    else if (rc != Z_STREAM_END)
        rc = err_set(c, KITH_INVALID, "the message does not unpack");
    else
        rc = 0;
    *ret = (struct bytes){rc == 0 ? arena_copy(&c->arena, out.data, out.size) : NULL, out.size};
    buf_release(&out);
    return rc < 0 || ret->data ? rc : err_nomem(c);
}

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

int grpc_message(struct ctx *c, const struct exchange *x, size_t most, struct bytes *ret_message)
{
    const char *encoding = http_header(x, "grpc-encoding");
    const uint8_t *at = x->body.data;
    struct bytes message;

    if (x->too_large || x->body.size > most + GRPC_PREFIX)
        return err_set(c, KITH_LIMIT, "the message is larger than %zu bytes", most);
    if (x->body.size < GRPC_PREFIX || big_endian(at + 1) != x->body.size - GRPC_PREFIX || at[0] > 1)
        return err_set(c, KITH_INVALID, "expected one message, %zu bytes came", x->body.size);
    message = (struct bytes){at + GRPC_PREFIX, x->body.size - GRPC_PREFIX};
    if (at[0] && (!encoding || strcmp(encoding, "gzip") != 0))
        return err_set(c, KITH_UNSUPPORTED, "grpc-encoding \"%.40s\": expected gzip", encoding ? encoding : "");
    if (at[0])
        return unpack(c, message, most, ret_message);
    *ret_message = message;
    return 0;
}

uint32_t grpc_timeout_ms(const struct exchange *x)
{
    static const struct {
        char unit;
        double ms;
    } units[] = {{'H', 3600e3}, {'M', 60e3}, {'S', 1e3}, {'m', 1}, {'u', 1e-3}, {'n', 1e-6}};
    const char *text = http_header(x, "grpc-timeout");
    char *end;
    double n = text ? strtod(text, &end) : 0;

    for (size_t i = 0; text && i < ARRAY_SIZE(units); i++) {
        if (*end == units[i].unit)
            return (uint32_t)MAX(1, MIN(n * units[i].ms, 4e9));
    }
    return 0;
}

/* Replaces what follows the prefix by its packed form; false: it stays as it is. */
static bool pack(struct buf *message)
{
    z_stream z = {.next_in = message->data + GRPC_PREFIX, .avail_in = (uInt)(message->size - GRPC_PREFIX)};
    struct buf out;
    bool ok;

    if (deflateInit2(&z, 1, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    buf_init(&out);
    ok = buf_reserve(&out, GRPC_PREFIX + deflateBound(&z, z.avail_in)) == 0;
    if (ok) {
        z.next_out = out.data + GRPC_PREFIX;
        z.avail_out = (uInt)(out.capacity - GRPC_PREFIX);
        ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
        out.size = GRPC_PREFIX + z.total_out;
    }
    (void)deflateEnd(&z);
    if (ok) {
        buf_release(message);
        *message = out;
    } else {
        buf_release(&out);
    }
    return ok;
}

void grpc_answer(struct exchange *x, struct buf *message)
{
    bool packed = x->body.size && x->body.data[0] == 1 && pack(message);
    uint32_t size = (uint32_t)(message->size - GRPC_PREFIX);
    struct answer a = {.status = 200, .type = "application/grpc", .trailers = "grpc-status: 0\r\n", .body = message,
                       .extra = packed ? "grpc-encoding: gzip\r\n" : "grpc-accept-encoding: gzip\r\n"};

    if (message->failed) {
        buf_release(message);
        grpc_fail(x, GRPC_INTERNAL, "out of memory", NULL);
        return;
    }
    message->data[0] = packed;
    for (int i = 0; i < 4; i++)
        message->data[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    x->answer(x, &a);
}

void grpc_fail(struct exchange *x, enum grpc_code code, const char *text, const char *extra)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buf empty = {0}, trailers = {0};
    struct answer a = {.status = 200, .type = "application/grpc", .body = &empty};

    buf_printf(&trailers, "grpc-status: %d\r\ngrpc-message: ", (int)code);
    for (const char *at = text; *at; at++) {
        uint8_t ch = (uint8_t)*at;
        bool at_edge = at == text || !at[1]; /* where values of headers may have no space (RFC 9113, 8.2.1) */
        if (ch >= ' ' + at_edge && ch <= '~' && ch != '%')
            buf_u8(&trailers, ch);
        else
            buf_printf(&trailers, "%%%c%c", hex[ch >> 4], hex[ch & 15]);
    }
    buf_text(&trailers, "\r\n");
    if (extra)
        buf_text(&trailers, extra);
    buf_u8(&trailers, 0);
    a.trailers = trailers.failed ? "grpc-status: 13\r\n" : (char *)trailers.data;
    x->answer(x, &a);
    buf_release(&trailers);
}
