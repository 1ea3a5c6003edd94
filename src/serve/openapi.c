/* openapi.c - routes and types as an OpenAPI document. The types are the program's own text: what is wrong in it shows
 * in the document, which a test reads. */
#include "serve/openapi.h"

#include "base/ctx.h"

enum { TYPES_MAX = 40, TYPE_DEPTH = 16 };

/* ---- types ------------------------------------------------------------------------------------------------------ */

struct text {
    const char *at, *end;
    uint32_t depth;
};

static bool takes(struct text *t, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

static void skip(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n'))
        t->at++;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static struct bytes word_of(struct text *t)
{
    const char *from = t->at;

    while (t->at < t->end && is_letter(*t->at))
        t->at++;
    return (struct bytes){(const uint8_t *)from, (size_t)(t->at - from)};
}

static bool is_word(struct bytes w, const char *what)
{
    return w.size == strlen(what) && memcmp(w.data, what, w.size) == 0;
}

static void put_type(struct text *t, struct buf *out);

/* Behind the brace: fields up to its other one, or to the end. */
static void put_fields(struct text *t, bool closed, struct buf *out)
{
    struct buf required;
    bool first = true;

    buf_init(&required);
    buf_text(out, "{\"type\":\"object\",\"properties\":{");
    for (skip(t); t->at < t->end && *t->at != '}'; skip(t), first = false) {
        struct bytes name = word_of(t);
        if (takes(t, "*")) {
            buf_text(&required, required.size ? "," : "");
            json_put_str(&required, (const char *)name.data, name.size);
        }
        buf_text(out, first ? "" : ",");
        json_put_str(out, (const char *)name.data, name.size);
        buf_u8(out, ':');
        skip(t);
        put_type(t, out);
        skip(t);
        if (!takes(t, ";") && !takes(t, ",") && t->at < t->end && *t->at != '}')
            t->at = t->end;
    }
    (void)takes(t, "}");
    buf_u8(out, '}');
    if (required.size) {
        buf_text(out, ",\"required\":[");
        buf_put(out, required.data, required.size);
        buf_u8(out, ']');
    }
    buf_text(out, closed ? ",\"additionalProperties\":false}" : "}");
    buf_release(&required);
}

static void put_named(struct text *t, struct buf *out)
{
    static const struct {
        const char *word, *schema;
    } plain[] = {
        {"u8", "{\"type\":\"integer\",\"minimum\":0}"}, {"u32", "{\"type\":\"integer\",\"minimum\":0}"},
        {"u64", "{\"type\":\"integer\",\"minimum\":0}"}, {"i64", "{\"type\":\"integer\"}"},
        {"f32", "{\"type\":\"number\"}"}, {"f64", "{\"type\":\"number\"}"}, {"bool", "{\"type\":\"boolean\"}"},
        {"any", "{}"}, {"obj", "{\"type\":\"object\"}"},
    };
    struct bytes name = word_of(t), format;

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (is_word(name, plain[i].word)) {
            buf_text(out, plain[i].schema);
            return;
        }
    }
    if (!is_word(name, "str")) {
        buf_printf(out, "{\"$ref\":\"#/components/schemas/%.*s\"}", (int)name.size, (const char *)name.data);
        return;
    }
    buf_text(out, "{\"type\":\"string\"");
    if (takes(t, "(")) {
        format = word_of(t);
        buf_printf(out, ",\"format\":\"%.*s\"", (int)format.size, (const char *)format.data);
        (void)takes(t, ")");
    }
    buf_u8(out, '}');
}

static void put_words(struct text *t, struct buf *out)
{
    bool first = true;

    buf_text(out, "{\"enum\":[");
    for (; takes(t, "\""); skip(t), first = false) {
        struct bytes word = word_of(t);
        buf_printf(out, "%s\"%.*s\"", first ? "" : ",", (int)word.size, (const char *)word.data);
        (void)takes(t, "\"");
    }
    buf_text(out, "]}");
}

/* [>=1 <=9 =2], into the object that was just written. */
static void put_bounds(struct text *t, struct buf *out)
{
    static const struct {
        const char *sign, *key;
    } bounds[] = {
        {">=", "minimum"}, {"<=", "maximum"}, {"items>=", "minItems"}, {"len>=", "minLength"}, {"=", "default"},
    };

    out->size--; /* its brace */
    while (t->at < t->end && !takes(t, "]")) {
        size_t i = 0;
        while (i < ARRAY_SIZE(bounds) && !takes(t, bounds[i].sign))
            i++;
        if (i == ARRAY_SIZE(bounds)) {
            t->at = t->end;
            break;
        }
        buf_printf(out, "%s\"%s\":", out->size && out->data[out->size - 1] == '{' ? "" : ",", bounds[i].key);
        for (; t->at < t->end && *t->at != ' ' && *t->at != ']'; t->at++)
            buf_u8(out, (uint8_t)*t->at);
        skip(t);
    }
    buf_u8(out, '}');
}

/* Behind a type no other one can begin. */
static bool has_bounds(struct text *t)
{
    skip(t);
    return takes(t, "[");
}

static void put_one(struct text *t, struct buf *out)
{
    if (t->depth == TYPE_DEPTH || t->at == t->end) {
        t->at = t->end;
        buf_text(out, "{}");
        return;
    }
    t->depth++;
    if (takes(t, "[")) {
        buf_text(out, "{\"type\":\"array\",\"items\":");
        put_type(t, out);
        (void)takes(t, "]");
        buf_u8(out, '}');
    } else if (takes(t, "map<")) {
        buf_text(out, "{\"type\":\"object\",\"additionalProperties\":");
        put_type(t, out);
        (void)takes(t, ">");
        buf_u8(out, '}');
    } else if (takes(t, "{")) {
        put_fields(t, true, out);
    } else if (*t->at == '"') {
        put_words(t, out);
    } else {
        put_named(t, out);
    }
    t->depth--;
}

/* One of several, perhaps null. */
static void put_type(struct text *t, struct buf *out)
{
    struct buf all;
    bool null = false;
    size_t n = 0;

    buf_init(&all);
    for (; n < TYPES_MAX; n++) {
        buf_text(&all, n ? "," : "");
        put_one(t, &all);
        null = takes(t, "?") || null;
        if (has_bounds(t))
            put_bounds(t, &all);
        skip(t);
        if (!takes(t, "/"))
            break;
        skip(t);
    }
    if (n || null)
        buf_text(out, "{\"anyOf\":[");
    buf_put(out, all.data, all.size);
    if (n || null)
        buf_text(out, null ? ",{\"type\":\"null\"}]}" : "]}");
    buf_release(&all);
}

/* The definition at hand ends where a line begins with something else than a space. */
static struct text next_definition(struct text *t)
{
    struct text one;

    while (t->at < t->end && (*t->at == '#' || *t->at == '\n')) {
        while (t->at < t->end && *t->at != '\n')
            t->at++;
        t->at += t->at < t->end;
    }
    one = *t;
    while (t->at < t->end && !(*t->at == '\n' && (t->at + 1 == t->end || t->at[1] != ' ')))
        t->at++;
    one.end = t->at;
    return one;
}

static void put_types(struct bytes types, struct buf *out)
{
    struct text t = {(const char *)types.data, (const char *)types.data + types.size, 0};
    bool first = true;

    for (struct text one = next_definition(&t); one.at < one.end; one = next_definition(&t), first = false) {
        struct bytes name = word_of(&one);
        bool closed = takes(&one, "!");
        buf_printf(out, "%s\"%.*s\":", first ? "" : ",", (int)name.size, (const char *)name.data);
        if (takes(&one, ":")) {
            put_fields(&one, closed, out);
        } else {
            (void)takes(&one, " = ");
            put_type(&one, out);
        }
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void put_schema(const char *type, struct buf *out)
{
    struct text t = {type, type + strlen(type), 0};

    put_type(&t, out);
}

static void put_param(const char *name, size_t size, bool in_path, bool *first, struct buf *out)
{
    buf_printf(out, "%s{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":{\"$ref\":"
                    "\"#/components/schemas/Asked/properties/%.*s\"}}", *first ? "" : ",", (int)size, name,
               in_path ? "path" : "query", in_path ? "true" : "false", (int)size, name);
    *first = false;
}

static void put_params(const struct route *r, struct buf *out)
{
    bool first = true;

    buf_text(out, ",\"parameters\":[");
    for (const char *at = strchr(r->path, '{'); at; at = strchr(at + 1, '{'))
        put_param(at + 1, strcspn(at + 1, "}"), true, &first, out);
    for (const char *at = r->asks ? r->asks : ""; *at;) {
        size_t size = strcspn(at, " ");
        put_param(at, size, false, &first, out);
        at += size + (at[size] == ' ');
    }
    buf_u8(out, ']');
}

static void put_body(const struct route *r, struct buf *out)
{
    bool form = strncmp(r->takes, "form ", 5) == 0;

    buf_printf(out, ",\"requestBody\":{\"content\":{\"%s\":{\"schema\":",
               form ? "multipart/form-data" : "application/json");
    put_schema(r->takes + (form ? 5 : 0), out);
    buf_text(out, "}}}");
}

static void put_answer(const struct route *r, struct buf *out)
{
    if (strcmp(r->gives, "text") == 0 || strcmp(r->gives, "bytes") == 0) {
        buf_printf(out, "{\"%s\":{\"schema\":{\"type\":\"string\"}}}",
                   *r->gives == 't' ? "text/plain" : "application/octet-stream");
        return;
    }
    buf_text(out, "{\"application/json\":{\"schema\":");
    if (strncmp(r->gives, "bare ", 5) == 0) {
        put_schema(r->gives + 5, out);
    } else {
        buf_text(out, "{\"type\":\"object\",\"properties\":{\"time\":{\"type\":\"number\"},"
                      "\"status\":{\"enum\":[\"ok\"]},\"result\":");
        put_schema(r->gives, out);
        buf_text(out, "},\"required\":[\"time\",\"status\",\"result\"],\"additionalProperties\":false}");
    }
    buf_text(out, "}}");
}

static void put_method(const struct route *r, struct buf *out)
{
    for (const char *at = r->method; *at; at++)
        buf_u8(out, (uint8_t)(*at - 'A' + 'a'));
}

/* get_collections_name: what the method and the path are made of. */
static void put_id(const struct route *r, struct buf *out)
{
    put_method(r, out);
    for (const char *at = r->path; *at; at++) {
        if (is_letter(*at))
            buf_u8(out, (uint8_t)*at);
        else if (*at == '/')
            buf_u8(out, '_');
    }
}

static void put_operation(const struct route *r, struct buf *out)
{
    bool later = r->asks && strncmp(r->asks, "wait", 4) == 0 && strstr(r->path, "snapshots");

    buf_u8(out, '"');
    put_method(r, out);
    buf_text(out, "\":{\"operationId\":\"");
    put_id(r, out);
    buf_u8(out, '"');
    put_params(r, out);
    if (r->takes)
        put_body(r, out);
    buf_text(out, ",\"responses\":{\"200\":{\"description\":\"done\",\"content\":");
    put_answer(r, out);
    buf_u8(out, '}');
    if (later)
        buf_text(out, ",\"202\":{\"description\":\"on its way\",\"content\":{\"application/json\":{\"schema\":"
                      "{\"$ref\":\"#/components/schemas/Accepted\"}}}}");
    buf_text(out, ",\"default\":{\"description\":\"refused\",\"content\":{\"application/json\":{\"schema\":"
                  "{\"$ref\":\"#/components/schemas/Refused\"}}}}}");
    buf_text(out, r->privilege == FREE ? ",\"security\":[]}" : "}");
}

static bool is_new_path(const struct server *server, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(server->routes[i].path, server->routes[at].path) == 0)
            return false;
    }
    return true;
}

static void put_paths(const struct server *server, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < server->routes_count; i++) {
        const struct route *r = &server->routes[i];
        bool first_method = true;
        if (route_is_rpc(r) || !r->gives || !is_new_path(server, i))
            continue;
        buf_printf(out, "%s\"%s\":{", first ? "" : ",", r->path);
        first = false;
        for (size_t j = i; j < server->routes_count; j++) {
            if (route_is_rpc(&server->routes[j]) || strcmp(server->routes[j].path, r->path) != 0)
                continue;
            buf_text(out, first_method ? "" : ",");
            put_operation(&server->routes[j], out);
            first_method = false;
        }
        buf_u8(out, '}');
    }
}

void openapi_write(const struct server *server, const char *title, struct bytes types, struct buf *out)
{
    buf_printf(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"%s\",\"version\":\"%s\"},\"paths\":{", title,
               server->version);
    put_paths(server, out);
    buf_text(out, "},\"components\":{\"schemas\":{");
    put_types(types, out);
    buf_text(out, "},\"securitySchemes\":{"
                  "\"api-key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"api-key\"},"
                  "\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}},"
                  "\"security\":[{\"api-key\":[]},{\"bearer\":[]}]}");
}
