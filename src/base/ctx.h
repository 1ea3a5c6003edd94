/* ctx.h - what every call carries: the world, an arena for the request, one error slot. */
#ifndef BASE_CTX_H
#define BASE_CTX_H

#include "base/arena.h"
#include "base/base.h"

struct ctx {
    const struct os *os;
    struct arena arena; /* freed in one go when the request ends */
    uint64_t deadline_ns; /* of the world's monotonic clock; 0: none (os_in_time) */
    int code;           /* the last error, and its sentence */
    char text[256];
};

void ctx_init(struct ctx *c, const struct os *os);
void ctx_release(struct ctx *c);

/* Sets the error and returns its code: `return err_set(c, KITH_INVALID, "...")`. */
int err_set(struct ctx *c, int code, const char *format, ...) PRINTF_LIKE(3, 4);
int err_nomem(struct ctx *c);
/* Copies the error slot for a caller outside; `err` may be NULL. */
void err_give(const struct ctx *c, int code, kith_err *err);

#endif
