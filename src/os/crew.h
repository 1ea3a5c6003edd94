/* crew.h - a few threads for one piece of work. */
#ifndef OS_CREW_H
#define OS_CREW_H

#include "os/os.h"

/* Calls work(arg, who) in `count` threads, one of them the caller's, and returns when all are done. Fewer
 * if they cannot be had; only the caller where the world has none. */
void crew_run(const struct os *os, uint32_t count, void (*work)(void *arg, uint32_t who), void *arg);

#endif
