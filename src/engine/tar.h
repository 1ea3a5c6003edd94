/* tar.h - a flat container that everybody's tools can list: POSIX ustar, plain files only, sizes above 8 GiB as GNU
 * tar writes them. Nothing is kept: what is read is made on the way, at any offset. */
#ifndef ENGINE_TAR_H
#define ENGINE_TAR_H

#include "base/base.h"

enum { TAR_BLOCK = 512, TAR_END = 2 * TAR_BLOCK };

struct tar_member {
    uint8_t header[TAR_BLOCK];
    struct bytes data;
};

void tar_member_init(struct tar_member *m, const char *name, struct bytes data, uint64_t seconds);
uint64_t tar_size(uint64_t data); /* of one member: header, data, padding */
uint64_t tar_total(const struct tar_member *members, size_t count);
/* Bytes of the whole, from `offset` on: how many; 0 at the end. */
size_t tar_read(const struct tar_member *members, size_t count, uint64_t offset, void *to, size_t most);

struct tar_reader {
    struct bytes file;
    size_t at;
};
struct tar_entry {
    char name[101];
    struct bytes data;
};
/* 1: the next member; 0: the end; KITH_CORRUPT. */
int tar_next(struct ctx *c, struct tar_reader *r, struct tar_entry *ret);

#endif
