/* digest.c - the door to libcrypto. */
#include "net/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();

    if (m && EVP_DigestInit_ex(m, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(m);
        m = NULL;
    }
    return (struct sha256 *)(void *)m;
}

bool sha256_add(struct sha256 *s, const void *data, size_t size)
{
    return EVP_DigestUpdate((EVP_MD_CTX *)(void *)s, data, size) == 1;
}

bool sha256_end(struct sha256 *s, char text[SHA256_TEXT])
{
    uint8_t sum[32];
    unsigned size = 0;
    bool ok = EVP_DigestFinal_ex((EVP_MD_CTX *)(void *)s, sum, &size) == 1 && size == sizeof sum;

    EVP_MD_CTX_free((EVP_MD_CTX *)(void *)s);
    for (size_t i = 0; ok && i < sizeof sum; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return ok;
}
