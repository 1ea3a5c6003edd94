/* ctx.c - contexts, errors, and the end of the program when an invariant breaks. */
#include "base/ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void base_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "kith: broken invariant: %s (%s:%d)\n", what, file, line);
    abort();
}

void ctx_init(struct ctx *c, const struct os *os)
{
    c->os = os;
    c->deadline_ns = 0;
    c->code = 0;
    c->text[0] = 0;
    arena_init(&c->arena);
}

void ctx_release(struct ctx *c)
{
    arena_release(&c->arena);
}

int err_set(struct ctx *c, int code, const char *format, ...)
{
    va_list args;

    c->code = code;
    va_start(args, format);
    vsnprintf(c->text, sizeof c->text, format, args);
    va_end(args);
    return code;
}

int err_nomem(struct ctx *c)
{
    return err_set(c, KITH_NOMEM, "out of memory");
}

void err_give(const struct ctx *c, int code, kith_err *err)
{
    if (!err)
        return;
    err->code = code;
    if (c->code == code || code == 0)
        snprintf(err->text, sizeof err->text, "%s", code ? c->text : "");
    else
        snprintf(err->text, sizeof err->text, "error %d", code);
}
