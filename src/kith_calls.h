/* kith_calls.h - what every call of the library does at its ends. */
#ifndef KITH_CALLS_H
#define KITH_CALLS_H

#include "base/ctx.h"
#include "base/mem.h"

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

/* Room for one more of `one` bytes: where the list is now, or NULL, and it is as it was. */
static inline void *more_room(void *list, size_t count, size_t *room, size_t one)
{
    void *more = list;

    if (count < *room)
        return list;
    more = mem_realloc(list, MAX(*room * 2, (size_t)4) * one);
    if (more)
        *room = MAX(*room * 2, (size_t)4);
    return more;
}

#endif
