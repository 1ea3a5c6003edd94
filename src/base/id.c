/* id.c - point ids. */
#include "base/id.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"

#include <stdio.h>

int id_cmp(const kith_id *a, const kith_id *b)
{
    int order;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch ((kith_id_kind)a->kind) {
    case KITH_ID_NUM:
        return a->as.num < b->as.num ? -1 : a->as.num > b->as.num;
    case KITH_ID_UUID:
        return memcmp(a->as.uuid, b->as.uuid, 16);
    case KITH_ID_STR:
        break;
    }
    order = memcmp(a->as.str, b->as.str, MIN(a->size, b->size));
    return order ? order : (int)a->size - (int)b->size;
}

bool id_eq(const kith_id *a, const kith_id *b)
{
    return id_cmp(a, b) == 0;
}

uint64_t id_hash(const kith_id *id)
{
    switch ((kith_id_kind)id->kind) {
    case KITH_ID_NUM:
        return hash_bytes(&id->as.num, 8, 1);
    case KITH_ID_UUID:
        return hash_bytes(id->as.uuid, 16, 2);
    case KITH_ID_STR:
        break;
    }
    return hash_bytes(id->as.str, id->size, 3);
}

uint64_t id_siphash(const kith_id *id)
{
    uint8_t number[8];

    if (id->kind == KITH_ID_UUID)
        return siphash(id->as.uuid, 16);
    if (id->kind == KITH_ID_STR)
        return siphash(id->as.str, id->size);
    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)(id->as.num >> (8 * i));
    return siphash(number, 8);
}

int id_copy(struct arena *a, const kith_id *id, kith_id *ret_id)
{
    *ret_id = *id;
    if (id->kind == KITH_ID_STR) {
        ret_id->as.str = arena_str(a, id->as.str, id->size);
        if (!ret_id->as.str)
            return KITH_NOMEM;
    }
    return 0;
}

void id_put(struct buf *b, const kith_id *id)
{
    buf_u8(b, id->kind);
    switch ((kith_id_kind)id->kind) {
    case KITH_ID_NUM:
        buf_u64(b, id->as.num);
        break;
    case KITH_ID_UUID:
        buf_put(b, id->as.uuid, 16);
        break;
    case KITH_ID_STR:
        buf_blob(b, id->as.str, id->size);
        break;
    }
}

kith_id id_read(struct reader *r)
{
    kith_id id = {0};
    const uint8_t *p;
    struct bytes s;

    id.kind = read_u8(r);
    switch (id.kind) {
    case KITH_ID_NUM:
        id.as.num = read_u64(r);
        break;
    case KITH_ID_UUID:
        p = read_bytes(r, 16);
        if (p)
            memcpy(id.as.uuid, p, 16);
        break;
    case KITH_ID_STR:
        s = read_blob(r);
        if (s.size == 0 || s.size > ID_STR_MAX)
            r->failed = true;
        id.size = (uint16_t)s.size;
        id.as.str = (const char *)s.data;
        break;
    default:
        r->failed = true;
    }
    if (r->failed) {
        memset(&id, 0, sizeof id);
    }
    return id;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    if (ch >= 'A' && ch <= 'F')
        return ch - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, size_t size, uint8_t ret_uuid[16])
{
    uint8_t out[16];
    size_t at = 0;
    bool hyphens;

    if (size == 45 && memcmp(text, "urn:uuid:", 9) == 0)
        text += 9, size -= 9;
    else if (size == 38 && text[0] == '{' && text[37] == '}')
        text += 1, size -= 2;
    hyphens = size == 36;
    if (!hyphens && size != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        int high, low;
        if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10)) {
            if (text[at++] != '-')
                return false;
        }
        high = hex_digit(text[at++]);
        low = hex_digit(text[at++]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret_uuid, out, 16);
    return true;
}

void uuid_text(const uint8_t uuid[16], char text[37])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p = 0;
}

kith_id kith_id_num(uint64_t num)
{
    kith_id id = {0};

    id.kind = KITH_ID_NUM;
    id.as.num = num;
    return id;
}

int kith_id_uuid(const char *text, kith_id *ret_id)
{
    kith_id id = {0};

    id.kind = KITH_ID_UUID;
    if (!uuid_parse(text, strlen(text), id.as.uuid))
        return KITH_INVALID;
    *ret_id = id;
    return 0;
}

kith_id kith_id_str(const char *text)
{
    kith_id id = {0};

    id.kind = KITH_ID_STR;
    id.size = (uint16_t)MIN(strlen(text), (size_t)ID_STR_MAX + 1);
    id.as.str = text;
    return id;
}

void kith_id_text(const kith_id *id, char *text, size_t size)
{
    char uuid[37];

    switch ((kith_id_kind)id->kind) {
    case KITH_ID_NUM:
        snprintf(text, size, "%llu", (unsigned long long)id->as.num);
        return;
    case KITH_ID_UUID:
        uuid_text(id->as.uuid, uuid);
        snprintf(text, size, "%s", uuid);
        return;
    case KITH_ID_STR:
        break;
    }
    snprintf(text, size, "%.*s", (int)id->size, id->as.str);
}
