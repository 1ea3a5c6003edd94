/* fetch.h - a file by its http or https address, by libcurl. */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include "net/spill.h"

/* Into `to`. `api_key` may be NULL; `body`, unless NULL, is JSON to be posted. KITH_INVALID,
 * KITH_NOT_FOUND, KITH_IO: the context says what went wrong. */
int fetch(struct ctx *c, const char *url, const char *api_key, const char *body, struct spill *to);

#endif
