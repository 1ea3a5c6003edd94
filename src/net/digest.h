/* digest.h - SHA-256, keyed or not, by OpenSSL; and the base64 of URLs. */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include "base/base.h"

enum { SHA256_SIZE = 32, SHA256_TEXT = 65 };

struct sha256;
struct sha256 *sha256_new(void); /* NULL when memory is short */
bool sha256_add(struct sha256 *s, const void *data, size_t size);
/* As 64 hexadecimal digits, and ends it; false: it could not be computed. */
bool sha256_end(struct sha256 *s, char text[SHA256_TEXT]);

bool hmac_sha256(const void *key, size_t key_size, const void *data, size_t size, uint8_t ret[SHA256_SIZE]);
/* RFC 4648, section 5, without padding. `to` has room for size * 3 / 4 + 3 bytes; how many came, or -1. */
int base64url_decode(const char *text, size_t size, uint8_t *to);

#endif
