/* tar.c - headers of 512 bytes, numbers in octal digits. */
#include "engine/tar.h"

#include "base/ctx.h"

#include <stdio.h>

enum { NAME = 0, NAME_SIZE = 100, MODE = 100, UID = 108, GID = 116, SIZE = 124, TIME = 136, SUM = 148, TYPE = 156,
       MAGIC = 257, VERSION = 263 };

static void put_octal(uint8_t *to, size_t digits, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%0*llo", (int)digits, (unsigned long long)n);
    memcpy(to, text, digits);
}

static uint32_t sum_of(const uint8_t header[TAR_BLOCK])
{
    uint32_t sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + 8 ? ' ' : header[i];
    return sum;
}

void tar_member_init(struct tar_member *m, const char *name, struct bytes data, uint64_t seconds)
{
    uint8_t *h = m->header;

    memset(h, 0, TAR_BLOCK);
    memcpy(h + NAME, name, MIN(strlen(name), (size_t)NAME_SIZE));
    put_octal(h + MODE, 7, 0644);
    put_octal(h + UID, 7, 0);
    put_octal(h + GID, 7, 0);
    if (data.size < 1ull << 33) {
        put_octal(h + SIZE, 11, data.size);
    } else { /* the first bit says that it is binary, big end first */
        h[SIZE] = 0x80;
        for (int i = 0; i < 8; i++)
            h[SIZE + 4 + i] = (uint8_t)((uint64_t)data.size >> (56 - 8 * i));
    }
    put_octal(h + TIME, 11, seconds & ((1ull << 33) - 1));
    h[TYPE] = '0';
    memcpy(h + MAGIC, "ustar", 6);
    memcpy(h + VERSION, "00", 2);
    put_octal(h + SUM, 6, sum_of(h));
    h[SUM + 7] = ' ';
    m->data = data;
}

uint64_t tar_size(uint64_t data)
{
    return TAR_BLOCK + align_up(data, TAR_BLOCK);
}

uint64_t tar_total(const struct tar_member *members, size_t count)
{
    uint64_t total = TAR_END;

    for (size_t i = 0; i < count; i++)
        total += tar_size(members[i].data.size);
    return total;
}

/* `from` has `size` bytes at `at` of the whole: those of them that [offset, offset + most) wants. */
static size_t copy_part(const uint8_t *from, uint64_t size, uint64_t at, uint64_t offset, uint8_t *to, size_t most)
{
    uint64_t skip = offset > at ? offset - at : 0, n;

    if (skip >= size || at + skip >= offset + most)
        return 0;
    n = MIN(size - skip, offset + most - (at + skip));
    if (from)
        memcpy(to + (at + skip - offset), from + skip, n);
    else
        memset(to + (at + skip - offset), 0, n);
    return n;
}

size_t tar_read(const struct tar_member *members, size_t count, uint64_t offset, void *to, size_t most)
{
    uint64_t at = 0;
    size_t n = 0;

    for (size_t i = 0; i < count && at < offset + most; i++) {
        uint64_t data = members[i].data.size, size = tar_size(data);
        if (at + size > offset) {
            n += copy_part(members[i].header, TAR_BLOCK, at, offset, to, most);
            n += copy_part(members[i].data.data, data, at + TAR_BLOCK, offset, to, most);
            n += copy_part(NULL, size - TAR_BLOCK - data, at + TAR_BLOCK + data, offset, to, most);
        }
        at += size;
    }
    return n + copy_part(NULL, TAR_END, at, offset, to, most);
}

static bool read_octal(const uint8_t *from, size_t digits, uint64_t *ret)
{
    *ret = 0;
    if (from[0] & 0x80) {
        for (size_t i = digits - 7; i < digits + 1; i++)
            *ret = *ret << 8 | from[i];
        return true;
    }
    for (size_t i = 0; i < digits && from[i] && from[i] != ' '; i++) {
        if (from[i] < '0' || from[i] > '7')
            return false;
        *ret = *ret << 3 | (uint64_t)(from[i] - '0');
    }
    return true;
}

int tar_next(struct ctx *c, struct tar_reader *r, struct tar_entry *ret)
{
    const uint8_t *h = r->file.data + r->at;
    size_t left = r->file.size - r->at;
    uint64_t sum, size;

    if (left >= TAR_BLOCK && !h[0])
        return 0;
    if (left < TAR_BLOCK || memcmp(h + MAGIC, "ustar", 5) != 0 || !read_octal(h + SUM, 6, &sum) || sum != sum_of(h) ||
        !read_octal(h + SIZE, 11, &size) || size > left - TAR_BLOCK || align_up(size, TAR_BLOCK) > left - TAR_BLOCK)
        return err_set(c, KITH_CORRUPT, "the file is no snapshot, or cut short: no member begins at byte %zu", r->at);
    memcpy(ret->name, h + NAME, NAME_SIZE);
    ret->name[NAME_SIZE] = 0;
    ret->data = (struct bytes){h + TAR_BLOCK, size};
    r->at += TAR_BLOCK + align_up(size, TAR_BLOCK);
    return 1;
}
