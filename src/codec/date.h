/* date.h - RFC 3339 and its usual shortenings to microseconds since 1970, UTC. */
#ifndef CODEC_DATE_H
#define CODEC_DATE_H

#include "base/base.h"

/* T or space between; fraction, seconds, offset and time optional; offset with or without colon. */
bool date_parse(const char *text, size_t size, int64_t *ret_us);

#endif
