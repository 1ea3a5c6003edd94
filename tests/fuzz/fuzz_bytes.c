/* fuzz_bytes.c - decoders of bytes from outside, by themselves: FUZZ_TARGET names one, or else the first byte picks it. */
#include "base/ctx.h"
#include "doc/path.h"
#include "doc/text.h"
#include "doc/value.h"
#include "net/digest.h"
#include "op/record.h"
#include "os/os.h"
#include "qdrant/rpc.h"
#include "serve/auth.h"
#include "serve/reflect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pb_schema schema;
static struct ctx always;

/* As it is, and signed, so that its claims are looked at. */
static void token(struct ctx *c, const uint8_t *data, size_t size)
{
    static const struct keys keys = {.all = "secret", .tokens = true};
    char *text = arena_str(&c->arena, (const char *)data, size);
    struct caller caller;
    const char *why;

    (void)auth_identify(c, &keys, text, 1700000000, &caller, &why);
    if (auth_identify(c, &keys, text, 1700000000, &caller, &why) == 0)
        (void)auth_allows(&caller, WRITE, "c");
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put64(struct buf *out, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += 3) {
        uint32_t n = (uint32_t)data[i] << 16 | (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0) | (i + 2 < size ? data[i + 2] : 0);
        for (size_t j = 0; j < 4 && (j < 2 || i + j - 1 < size); j++)
            buf_u8(out, (uint8_t)digits[n >> (18 - 6 * j) & 63]);
    }
}

/* The bytes as claims of a token whose signature is right. */
static void claims(struct ctx *c, const uint8_t *data, size_t size)
{
    uint8_t sum[SHA256_SIZE];
    struct buf text;

    buf_init(&text);
    put64(&text, (const uint8_t *)"{\"alg\":\"HS256\"}", 15);
    buf_u8(&text, '.');
    put64(&text, data, size);
    if (!hmac_sha256("secret", 6, text.data, text.size, sum))
        abort();
    buf_u8(&text, '.');
    put64(&text, sum, sizeof sum);
    token(c, text.data, text.size);
    buf_release(&text);
}

static void message(struct ctx *c, const uint8_t *data, size_t size)
{
    const struct pb_message *m;
    struct buf back;
    yyjson_doc *doc;

    if (size < 2)
        return;
    m = &schema.messages[((size_t)data[0] | (size_t)data[1] << 8) % schema.messages_count];
    if (pb_to_tree(c, m, (struct bytes){data + 2, size - 2}, &doc) < 0)
        return;
    buf_init(&back);
    pb_from_tree(&back, m, yyjson_doc_get_root(doc));
    buf_release(&back);
    yyjson_doc_free(doc);
}

static void words(const uint8_t *data, size_t size)
{
    kith_text how = {.tokens = (kith_tokens)(data[0] % 5), .fold = data[0] & 8, .keep_case = data[0] & 16,
                     .stem = data[0] & 32 ? "english" : NULL, .stops = data[0] & 64 ? "the of and a" : NULL, .most = 9};
    struct bytes word;
    struct words w;

    for (words_of(&w, (struct bytes){data + 1, size - 1}, &how, data[0] & 128); words_next(&w, &word);) {
        if (!word.size || word.size > WORD_MAX)
            abort();
    }
    words_end(&w);
}

static void record(struct ctx *c, const uint8_t *data, size_t size)
{
    uint64_t *aligned = arena_alloc(&c->arena, size + 8);
    struct record r;

    memcpy(aligned, data, size);
    (void)record_decode(c, (struct bytes){(const uint8_t *)aligned, size}, &r);
}

/* Which of the cases below; -1: any. */
static int wanted(void)
{
    static const char *const names[] = {"tokens", "claims", "messages", "reflection", "words", "records"};
    const char *name = getenv("FUZZ_TARGET");

    for (int i = 0; name && i < (int)ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    if (name)
        abort();
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int target = -2;
    struct ctx c;
    struct buf said;

    if (target == -2)
        target = wanted();
    if (!schema.messages_count) {
        ctx_init(&always, os_linux());
        if (qdrant_rpc_schema(&always, &schema) < 0)
            abort();
    }
    if (size < 2)
        return 0;
    ctx_init(&c, os_linux());
    switch (target >= 0 ? target : data[0] % 6) {
    case 0: token(&c, data + 1, size - 1); break;
    case 1: claims(&c, data + 1, size - 1); break;
    case 2: message(&c, data + 1, size - 1); break;
    case 3:
        buf_init(&said);
        if (reflect_hear(&schema, (struct bytes){data + 1, size - 1}, &said) > size - 1)
            abort();
        buf_release(&said);
        break;
    case 4: words(data + 1, size - 1); break;
    default: record(&c, data + 1, size - 1); break;
    }
    ctx_release(&c);
    return 0;
}
