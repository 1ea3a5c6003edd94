/* data.c - data sets. The NumPy format is an ASCII dictionary and raw numbers. */
#include "cmd/data.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

static float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
    float f;

    if (exponent == 0) {
        f = (float)mantissa / 16777216.0f;
        return sign ? -f : f;
    }
    bits = exponent == 31 ? sign | 0x7f800000u | mantissa << 13 : sign | (exponent + 112) << 23 | mantissa << 13;
    memcpy(&f, &bits, 4);
    return f;
}

static int convert(struct ctx *c, const uint8_t *from, size_t size, char type, struct matrix *m)
{
    size_t n = (size_t)(m->rows * m->columns), width = type == 'f' ? 4 : type == 'h' ? 2 : 1;

    if (size < n * width)
        return err_set(c, KITH_INVALID, "the file is shorter than its shape says");
    m->data = mem_aligned(n * sizeof(float));
    if (!m->data)
        return err_nomem(c);
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        if (type == 'f') {
            memcpy(&m->data[i], from + i * 4, 4);
        } else if (type == 'h') {
            memcpy(&h, from + i * 2, 2);
            m->data[i] = half_to_float(h);
        } else {
            m->data[i] = (float)(int8_t)from[i];
        }
    }
    return 0;
}

int matrix_read(struct ctx *c, const char *path, struct matrix *ret)
{
    struct matrix m = {0};
    unsigned long long rows, columns;
    struct bytes file;
    size_t head;
    char *shape, type;
    uint16_t size;

    TRY(os_read_file(c, path, (size_t)16 << 30, &file));
    if (file.size < 12 || memcmp(file.data, "\x93NUMPY\x01", 7) != 0)
        return err_set(c, KITH_INVALID, "%s: not a NumPy array of format 1", path);
    memcpy(&size, file.data + 8, 2);
    head = 10u + size;
    if (head > file.size)
        return err_set(c, KITH_INVALID, "%s: the header is cut off", path);
    shape = arena_str(&c->arena, (const char *)file.data + 10, size);
    if (!shape)
        return err_nomem(c);
    type = strstr(shape, "'<f4'") ? 'f' : strstr(shape, "'<f2'") ? 'h' : strstr(shape, "'|i1'") ? 'b' : 0;
    if (!type || strstr(shape, "'fortran_order': True") || !strstr(shape, "'shape': (") ||
        sscanf(strstr(shape, "'shape': (") + 10, "%llu, %llu", &rows, &columns) != 2 || columns > 65536)
        return err_set(c, KITH_INVALID, "%s: expected a matrix of <f4, <f2 or |i1 in C order", path);
    m.rows = rows;
    m.columns = (uint32_t)columns;
    TRY(convert(c, file.data + head, file.size - head, type, &m));
    *ret = m;
    return 0;
}

kith_metric metric_named(const char *name)
{
    for (int m = KITH_COSINE; m <= KITH_MANHATTAN; m++) {
        if (strcmp(kith_metric_name((kith_metric)m), name) == 0)
            return (kith_metric)m;
    }
    return (kith_metric)0;
}

void matrix_release(struct matrix *m)
{
    mem_free_aligned(m->data);
    memset(m, 0, sizeof *m);
}

static int unpack(struct ctx *c, struct bytes file, struct lines *l)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {file.data, file.size, 0};
    size_t capacity = file.size * 4 + 65536, rc = 1;

    l->text = mem_alloc(capacity);
    while (z && l->text && (in.pos < in.size || rc != 0)) {
        ZSTD_outBuffer out = {l->text, capacity, l->size};
        if (capacity - l->size < 65536) {
            char *more = mem_realloc(l->text, capacity *= 2);
            if (!more)
                break;
            l->text = more;
            continue;
        }
        rc = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(rc) || (out.pos == l->size && in.pos == in.size))
            break;
        l->size = out.pos;
    }
    ZSTD_freeDStream(z);
    return rc == 0 ? 0 : err_set(c, KITH_INVALID, "the zstd stream does not unpack");
}

int lines_read(struct ctx *c, const char *path, struct lines *ret)
{
    size_t n = strlen(path), at = 0, capacity = 0;
    struct lines l = {0};
    struct bytes file;
    int rc;

    TRY(os_read_file(c, path, (size_t)8 << 30, &file));
    if (n > 4 && strcmp(path + n - 4, ".zst") == 0) {
        rc = unpack(c, file, &l);
    } else {
        l.text = mem_alloc(file.size);
        l.size = file.size;
        rc = l.text ? 0 : err_nomem(c);
        if (rc == 0)
            memcpy(l.text, file.data, file.size);
    }
    while (rc >= 0 && at < l.size) {
        const char *end = memchr(l.text + at, '\n', l.size - at);
        size_t size = end ? (size_t)(end - l.text) - at : l.size - at;
        if (l.count == capacity) {
            struct bytes *more = mem_realloc(l.at, (capacity = capacity ? capacity * 2 : 1024) * sizeof *more);
            if (!more) {
                rc = err_nomem(c);
                break;
            }
            l.at = more;
        }
        if (size)
            l.at[l.count++] = (struct bytes){(const uint8_t *)l.text + at, size};
        at += size + 1;
    }
    if (rc < 0) {
        lines_release(&l);
        return rc;
    }
    *ret = l;
    return 0;
}

void lines_release(struct lines *l)
{
    mem_free(l->text);
    mem_free(l->at);
    memset(l, 0, sizeof *l);
}
