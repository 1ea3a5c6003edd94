/* reflect.c - what services there are, and the files that describe them. */
#include "serve/reflect.h"

#include "net/grpc.h"

enum { FILE_BY_NAME = 3, FILE_OF_SYMBOL = 4, FILE_OF_EXTENSION = 5, EXTENSIONS_OF = 6, LIST_SERVICES = 7 };

bool reflect_is(const char *target)
{
    return strcmp(target, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo") == 0 ||
           strcmp(target, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") == 0;
}

static bool same(struct bytes a, const char *b)
{
    return strlen(b) == a.size && memcmp(a.data, b, a.size) == 0;
}

/* /package.Service/Method */
static struct bytes service_of(const struct pb_method *m)
{
    const char *name = m->path + 1;

    return (struct bytes){(const uint8_t *)name, strcspn(name, "/")};
}

/* A service, a method with a dot before it, a message or an enum. */
static bool is_method(const struct pb_method *m, struct bytes symbol)
{
    struct bytes service = service_of(m);
    const char *method = m->path + service.size + 2;

    if (symbol.size < service.size || memcmp(symbol.data, service.data, service.size) != 0)
        return false;
    return symbol.size == service.size ||
           (symbol.data[service.size] == '.' &&
            same((struct bytes){symbol.data + service.size + 1, symbol.size - service.size - 1}, method));
}

static const struct pb_file *file_of(const struct pb_schema *s, struct bytes symbol)
{
    for (size_t i = 0; i < s->methods_count; i++) {
        if (is_method(&s->methods[i], symbol))
            return s->methods[i].file;
    }
    for (size_t i = 0; i < s->messages_count; i++) {
        if (same(symbol, s->messages[i].full_name))
            return s->messages[i].file;
    }
    for (size_t i = 0; i < s->enums_count; i++) {
        if (same(symbol, s->enums[i].full_name))
            return s->enums[i].file;
    }
    return NULL;
}

static const struct pb_file *file_named(const struct pb_schema *s, struct bytes name)
{
    for (size_t i = 0; i < s->files_count; i++) {
        if (same(name, s->files[i].name))
            return &s->files[i];
    }
    return NULL;
}

static void put_error(struct buf *out, uint64_t code, const char *text)
{
    size_t mark = pb_begin(out, 7);

    pb_put_varint(out, 1, code);
    pb_put_bytes(out, 2, text, strlen(text));
    pb_end(out, mark);
}

static void put_file(struct buf *out, const struct pb_file *file)
{
    size_t mark;

    if (!file) {
        put_error(out, GRPC_NOT_FOUND, "not found");
        return;
    }
    mark = pb_begin(out, 4);
    pb_put_bytes(out, 1, file->descriptor.data, file->descriptor.size);
    pb_end(out, mark);
}

/* Methods of a service stand together. */
static void put_services(const struct pb_schema *s, struct buf *out)
{
    size_t mark = pb_begin(out, 6);

    for (size_t i = 0; i < s->methods_count; i++) {
        struct bytes name = service_of(&s->methods[i]), last = i ? service_of(&s->methods[i - 1]) : (struct bytes){0};
        size_t inner;
        if (name.size == last.size && memcmp(name.data, last.data, name.size) == 0)
            continue;
        inner = pb_begin(out, 1);
        pb_put_bytes(out, 1, name.data, name.size);
        pb_end(out, inner);
    }
    pb_end(out, mark);
}

struct request {
    struct bytes host, text;
    uint64_t kind;
};

static bool read_request(struct bytes message, struct request *to)
{
    struct reader r = reader_of(message.data, message.size);

    *to = (struct request){0};
    while (r.at < r.end && !r.failed) {
        uint64_t tag = read_varint(&r);
        struct bytes b;
        if ((tag & 7) != PB_SIZED) /* all that there is has a size */
            return false;
        b = read_blob(&r);
        if (tag >> 3 == 1) {
            to->host = b;
        } else {
            to->kind = tag >> 3;
            to->text = b;
        }
    }
    return !r.failed;
}

static void respond(const struct pb_schema *s, struct bytes message, struct buf *out)
{
    struct request q;
    bool ok = read_request(message, &q);

    pb_put_bytes(out, 1, q.host.data, q.host.size);
    pb_put_bytes(out, 2, message.data, message.size);
    if (ok && q.kind == LIST_SERVICES)
        put_services(s, out);
    else if (ok && q.kind == FILE_BY_NAME)
        put_file(out, file_named(s, q.text));
    else if (ok && q.kind == FILE_OF_SYMBOL)
        put_file(out, file_of(s, q.text));
    else if (ok && (q.kind == FILE_OF_EXTENSION || q.kind == EXTENSIONS_OF))
        put_error(out, GRPC_NOT_FOUND, "there are no extensions");
    else
        put_error(out, GRPC_INVALID_ARGUMENT, "the request is not understood");
}

size_t reflect_hear(const struct pb_schema *s, struct bytes come, struct buf *say)
{
    size_t at = 0;

    while (come.size - at >= GRPC_PREFIX) {
        const uint8_t *p = come.data + at;
        size_t size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4], mark = say->size;
        struct bytes message = {p + GRPC_PREFIX, size};
        if (come.size - at - GRPC_PREFIX < size)
            break;
        buf_zero(say, GRPC_PREFIX);
        if (p[0])
            message.size = 0; /* packed: nobody does */
        respond(s, message, say);
        if (say->failed)
            break;
        size = say->size - mark - GRPC_PREFIX;
        for (int i = 0; i < 4; i++)
            say->data[mark + 1 + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
        at += GRPC_PREFIX + message.size;
        if (p[0])
            return come.size;
    }
    return at;
}
