/* digest.c - the door to libcrypto. */
#include "net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
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

bool hmac_sha256(const void *key, size_t key_size, const void *data, size_t size, uint8_t ret[SHA256_SIZE])
{
    unsigned n = 0;

    return key_size <= INT32_MAX && HMAC(EVP_sha256(), key, (int)key_size, data, size, ret, &n) && n == SHA256_SIZE;
}

static int digit_of(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A';
    if (ch >= 'a' && ch <= 'z')
        return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9')
        return ch - '0' + 52;
    return ch == '-' ? 62 : ch == '_' ? 63 : -1;
}

int base64url_decode(const char *text, size_t size, uint8_t *to)
{
    uint32_t bits = 0;
    int n = 0;

    if (size % 4 == 1 || size > INT32_MAX)
        return -1;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4)
            to[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return n;
}
