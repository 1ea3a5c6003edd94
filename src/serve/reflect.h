/* reflect.h - gRPC server reflection (grpc.reflection.v1, and v1alpha, which is the same on the wire). */
#ifndef SERVE_REFLECT_H
#define SERVE_REFLECT_H

#include "codec/pb.h"

bool reflect_is(const char *target);
/* Answers the whole messages at the front of what has come, each with its prefix; how many bytes those were. A message
 * that cannot be read is answered with an error, and all that came is taken. */
size_t reflect_hear(const struct pb_schema *s, struct bytes come, struct buf *say);

#endif
