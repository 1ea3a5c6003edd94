/* date.h - RFC 3339 and its usual shortenings to microseconds since 1970, UTC. */
#ifndef CODEC_DATE_H
#define CODEC_DATE_H

#include "base/base.h"

/* T or space between; fraction, seconds, offset and time optional; offset with or without colon. */
bool date_parse(const char *text, size_t size, int64_t *ret_us);
enum { DATE_TEXT = 32 };
/* RFC 3339 with microseconds, for years 0 to 9999. */
void date_text(int64_t us, char text[DATE_TEXT]);
/* For names of files: 2026-11-22-07-30-00-000, of milliseconds. */
enum { DATE_NAME = 24 };
void date_name(uint64_t ms, char name[DATE_NAME]);

#endif
