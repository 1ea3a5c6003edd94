/* digest.h - SHA-256, by OpenSSL. */
#ifndef NET_DIGEST_H
#define NET_DIGEST_H

#include "base/base.h"

enum { SHA256_TEXT = 65 };

struct sha256;
struct sha256 *sha256_new(void); /* NULL when memory is short */
bool sha256_add(struct sha256 *s, const void *data, size_t size);
/* As 64 hexadecimal digits, and ends it; false: it could not be computed. */
bool sha256_end(struct sha256 *s, char text[SHA256_TEXT]);

#endif
