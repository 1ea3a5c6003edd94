/* json.c - writing JSON fast: most of an answer is numbers. */
#include "codec/json.h"

#include "base/ctx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int json_parse(struct ctx *c, const char *text, size_t size, yyjson_doc **ret_doc)
{
    yyjson_read_err err;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, size, YYJSON_READ_NOFLAG, NULL, &err);

    if (!doc) {
        if (err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return err_nomem(c);
        return err_set(c, KITH_INVALID, "%s at byte %zu", err.msg, err.pos);
    }
    *ret_doc = doc;
    return 0;
}

void json_put_str(struct buf *b, const char *s, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t start = 0;

    buf_u8(b, '"');
    for (size_t i = 0; i < size; i++) {
        uint8_t ch = (uint8_t)s[i];
        if (ch >= 0x20 && ch != '"' && ch != '\\')
            continue;
        buf_put(b, s + start, i - start);
        start = i + 1;
        buf_u8(b, '\\');
        switch (ch) {
        case '"': case '\\': buf_u8(b, ch); break;
        case '\n': buf_u8(b, 'n'); break;
        case '\r': buf_u8(b, 'r'); break;
        case '\t': buf_u8(b, 't'); break;
        case '\b': buf_u8(b, 'b'); break;
        case '\f': buf_u8(b, 'f'); break;
        default:
            buf_text(b, "u00");
            buf_u8(b, (uint8_t)hex[ch >> 4]);
            buf_u8(b, (uint8_t)hex[ch & 15]);
        }
    }
    buf_put(b, s + start, size - start);
    buf_u8(b, '"');
}

void json_put_u64(struct buf *b, uint64_t v)
{
    char text[24], *p = text + sizeof text;

    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    buf_put(b, p, (size_t)(text + sizeof text - p));
}

void json_put_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_u8(b, '-');
    json_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* Fixed notation with as few decimals as read back to the same f32. The products and quotients below
 * are exact enough in f64 for magnitudes in [1e-5, 1e6); the comparison decides, not the hope. */
static bool put_fixed(struct buf *b, float v)
{
    static const double power[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13};
    double a = fabs((double)v);
    int first = a >= 1 ? 0 : a >= 1e-3 ? 5 : 8;

    if (!(a >= 1e-5 && a < 1e6))
        return false;
    while (first > 0) { /* a short one? start from no decimals then */
        double n = nearbyint(a * power[first - 1]);
        if ((float)(n / power[first - 1]) != (float)a)
            break;
        first--;
    }
    for (int d = first; d < (int)ARRAY_SIZE(power); d++) {
        double n = nearbyint(a * power[d]);
        if ((float)(n / power[d]) == (float)a) {
            uint64_t whole = (uint64_t)n, unit = (uint64_t)power[d];
            char decimals[16];
            if (v < 0)
                buf_u8(b, '-');
            json_put_u64(b, whole / unit);
            buf_u8(b, '.');
            whole %= unit;
            for (int i = d - 1; i >= 0; i--) {
                decimals[i] = (char)('0' + whole % 10);
                whole /= 10;
            }
            buf_put(b, d ? decimals : "0", d ? (size_t)d : 1);
            return true;
        }
    }
    return false;
}

void json_put_f32(struct buf *b, float v)
{
    char text[40];

    if (!isfinite(v)) {
        buf_text(b, "null");
        return;
    }
    if (v == 0) {
        buf_text(b, signbit(v) ? "-0.0" : "0.0");
        return;
    }
    if (put_fixed(b, v))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    buf_text(b, text);
    if (!strpbrk(text, ".e"))
        buf_text(b, ".0");
}

/* Few digits after the point, as most numbers have that people wrote: n and 10^k are exact, so n / 10^k is the number
 * next to the decimal one, as reading it would find. */
static bool put_short(struct buf *b, double v)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double size = fabs(v);

    for (size_t k = 0; k < ARRAY_SIZE(powers) && size < 1e9; k++) {
        uint64_t n = (uint64_t)(size * powers[k] + 0.5), whole;
        char text[8] = "000000";
        if ((double)n / powers[k] != size)
            continue;
        whole = k ? n / (uint64_t)powers[k] : n;
        n -= whole * (uint64_t)powers[k];
        for (size_t i = k; i > 0; i--, n /= 10)
            text[i - 1] = (char)('0' + n % 10);
        if (signbit(v))
            buf_u8(b, '-');
        json_put_u64(b, whole);
        buf_u8(b, '.');
        buf_put(b, text, MAX(k, (size_t)1));
        return true;
    }
    return false;
}

void json_put_f64(struct buf *b, double v)
{
    char text[40];

    if (!isfinite(v)) {
        buf_text(b, "null");
        return;
    }
    if (put_short(b, v))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_text(b, text);
    if (!strpbrk(text, ".e"))
        buf_text(b, ".0");
}

void json_put_val(struct buf *b, yyjson_val *v)
{
    size_t size;
    char *text = yyjson_val_write(v, YYJSON_WRITE_NOFLAG, &size);

    if (!text) {
        b->failed = true;
        return;
    }
    buf_put(b, text, size);
    free(text);
}

char *json_mut_text(struct ctx *c, yyjson_mut_doc *doc)
{
    size_t size;
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size), *copy;

    copy = text ? arena_str(&c->arena, text, size) : NULL;
    free(text);
    return copy;
}
