/* kith_calls.h - what every call of the library does at its ends. */
#ifndef KITH_CALLS_H
#define KITH_CALLS_H

#include "base/ctx.h"

struct db;

static inline struct db *db_of(kith_db *db)
{
    return (struct db *)(void *)db;
}

/* Hands out the error and ends the context. */
static inline int finish(struct ctx *c, int rc, kith_err *err)
{
    err_give(c, rc < 0 ? rc : 0, err);
    ctx_release(c);
    return rc;
}

#endif
