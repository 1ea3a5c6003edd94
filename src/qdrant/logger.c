/* logger.c - what is written to the log, and in which form; changed while the server runs. */
#include "qdrant/dialect.h"

#include <strings.h>

void logger_get(struct call *call)
{
    const struct logging *log = call->server->log;

    begin_ok(call);
    buf_printf(&call->out, "{\"log_level\":\"%s\",\"default\":{\"format\":\"%s\"},\"on_disk\":{\"enabled\":false}}",
               log_level_name(log->level), log->json ? "json" : "text");
    finish_ok(call);
}

static bool read_level(struct call *call, yyjson_val *v, uint8_t *level)
{
    int given = yyjson_is_str(v) ? log_level_of(yyjson_get_str(v)) : -1;

    if (v && given < 0)
        return read_fail(call, "log_level: expected off, error, warn, info, debug or trace");
    *level = v ? (uint8_t)given : *level;
    return true;
}

static bool read_form(struct call *call, yyjson_val *v, bool *json)
{
    const char *text = yyjson_get_str(v);

    if (v && (!text || (strcasecmp(text, "json") != 0 && strcasecmp(text, "text") != 0)))
        return read_fail(call, "default.format: expected text or json");
    *json = text ? strcasecmp(text, "json") == 0 : *json;
    return true;
}

void logger_set(struct call *call)
{
    struct logging *log = call->server->log;
    yyjson_val *body = want_object(call), *lines = field_of(body, "default", NULL);
    uint8_t level = log->level;
    bool json = log->json, on_disk;

    if (!body || !read_level(call, field_of(body, "log_level", NULL), &level) ||
        !read_level(call, field_of(lines, "log_level", NULL), &level) ||
        !read_form(call, field_of(lines, "format", NULL), &json) ||
        !read_bool(call, field_of(field_of(body, "on_disk", NULL), "enabled", NULL), "on_disk.enabled", false, &on_disk))
        return;
    if (on_disk) {
        call_fail(call, 400, "Bad request: on_disk.enabled: the log goes to standard error alone");
        return;
    }
    log->level = level;
    log->json = json;
    answer_true(call);
}
