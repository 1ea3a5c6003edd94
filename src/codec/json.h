/* json.h - numbers and strings as JSON text. Parsing is yyjson's; callers use its reader directly. */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/buf.h"

#include <yyjson.h>

/* Parses `size` bytes. On failure the context says where and what; KITH_INVALID. yyjson_doc_free. */
int json_parse(struct ctx *c, const char *text, size_t size, yyjson_doc **ret_doc);
void json_put_str(struct buf *b, const char *s, size_t size); /* with quotes and escapes */
void json_put_f32(struct buf *b, float v);                    /* shortest text that reads back the same */
void json_put_f64(struct buf *b, double v);
void json_put_u64(struct buf *b, uint64_t v);
void json_put_i64(struct buf *b, int64_t v);
/* The text of a document being changed, in the arena; NULL when memory is short. */
char *json_mut_text(struct ctx *c, yyjson_mut_doc *doc);
void json_put_val(struct buf *b, yyjson_val *v); /* the value as it was parsed, minified */

#endif
