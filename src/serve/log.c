/* log.c - lines to stderr. */
#include "serve/serve.h"

#include "os/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static const char *const names[] = {"off", "error", "warn", "info", "debug", "trace"};

int log_level_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcasecmp(text, names[i]) == 0)
            return (int)i;
    }
    return -1;
}

const char *log_level_name(unsigned level)
{
    return names[MIN(level, (unsigned)LOG_TRACE)];
}

void log_line(const struct logging *l, enum log_level level, const char *format, ...)
{
    char text[1024], stamp[40];
    struct buf line;
    uint64_t now;
    va_list args;

    if (level > l->level)
        return;
    now = os_linux()->wall_ns(os_linux());
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(stamp, sizeof stamp, "%llu.%03llu", (unsigned long long)(now / 1000000000),
             (unsigned long long)(now / 1000000 % 1000));
    buf_init(&line);
    if (l->json) {
        buf_printf(&line, "{\"time\":%s,\"level\":\"%s\",\"message\":", stamp, names[level]);
        json_put_str(&line, text, strlen(text));
        buf_text(&line, "}\n");
    } else {
        buf_printf(&line, "%s %-5s %s\n", stamp, names[level], text);
    }
    fwrite(line.data, 1, line.size, stderr);
    buf_release(&line);
}
