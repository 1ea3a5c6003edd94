/* grpc.h - gRPC over HTTP/2: one message each way, status in the trailers. As its protocol document has it. */
#ifndef NET_GRPC_H
#define NET_GRPC_H

#include "net/http.h"

enum grpc_code {
    GRPC_OK = 0, GRPC_INVALID_ARGUMENT = 3, GRPC_DEADLINE_EXCEEDED = 4, GRPC_NOT_FOUND = 5, GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7, GRPC_RESOURCE_EXHAUSTED = 8, GRPC_FAILED_PRECONDITION = 9, GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14, GRPC_UNAUTHENTICATED = 16
};

enum { GRPC_PREFIX = 5 }; /* bytes before a message */

bool grpc_is(const struct exchange *x);
/* The one message of a request, unpacked into the arena if it came packed (at most `most` bytes). KITH_INVALID,
 * KITH_LIMIT, KITH_UNSUPPORTED (an encoding other than gzip). */
int grpc_message(struct ctx *c, const struct exchange *x, size_t most, struct bytes *ret_message);
/* What is left of the caller's patience, in milliseconds; 0: no end was named. */
uint32_t grpc_timeout_ms(const struct exchange *x);
/* `message`: GRPC_PREFIX bytes that are filled in here, then the message; packed if the request was. */
void grpc_answer(struct exchange *x, struct buf *message);
void grpc_fail(struct exchange *x, enum grpc_code code, const char *text, const char *extra);

#endif
