/* id.h - point ids: order, equality, hash, text, bytes. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/base.h"

enum { ID_STR_MAX = 512 };

int id_cmp(const kith_id *a, const kith_id *b);
bool id_eq(const kith_id *a, const kith_id *b);
uint64_t id_hash(const kith_id *id);
/* Of the 8 bytes of a number, little-endian, the 16 of a UUID, or those of a text. */
uint64_t id_siphash(const kith_id *id);
/* Copies a string id's text into the arena. */
int id_copy(struct arena *a, const kith_id *id, kith_id *ret_id);
void id_put(struct buf *b, const kith_id *id);
struct reader;
/* String ids point into what is read. */
kith_id id_read(struct reader *r);
/* Text of a UUID in any of its usual forms. */
bool uuid_parse(const char *text, size_t size, uint8_t ret_uuid[16]);
void uuid_text(const uint8_t uuid[16], char text[37]);

#endif
