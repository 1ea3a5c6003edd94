/* utf8.h - is it UTF-8? As RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include "base/base.h"

bool utf8_ok(const void *text, size_t size);

#endif
