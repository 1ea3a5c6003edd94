/* client.h - JSON calls to another server over http or https, by libcurl. One thread at a time. */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "base/buf.h"

struct ctx;
struct client;

/* `base`: such as http://host:6333; `api_key` may be NULL. Both must stay. */
int client_new(struct ctx *c, const char *base, const char *api_key, struct client **ret_client);
void client_free(struct client *x); /* NULL is fine */
/* Its answers may take as long as they take; else nothing may be silent for two minutes. */
void client_wait(struct client *x);
/* `body` NULL: none. The answer is in `out`, which is emptied first. What is busy (429, 503) is asked again for a while.
 * KITH_NOT_FOUND for 404, KITH_INVALID for other answers from 400 on, with what the server says; KITH_IO where there was
 * none. */
int client_call(struct ctx *c, struct client *x, const char *method, const char *path, const char *body,
                struct buf *out);
/* `text` with what paths cannot hold written as %xx, in the arena. */
const char *client_escape(struct ctx *c, const char *text);

#endif
