/* openapi.h - a description of a server's REST operations, from its route table and the types that this names. */
#ifndef SERVE_OPENAPI_H
#define SERVE_OPENAPI_H

#include "serve/serve.h"

/* An OpenAPI 3.1 document. `types` is a text of definitions, a line each:
 *   Name: field type; field* type       an object; * it must be there; Name!: there are no others
 *   Name = type / type                  one of them; Name = "a" "b": one of these words
 *   str u32 f64 bool any obj  [T]  map<T>  {field type, ...}  str(format);  T?: or null
 *   type [>=1 <=9 =2]                   bounds and the default; items>=1, len>=1: of lists and texts
 * Those of names behind the question mark, and in paths, are the fields of Asked.
 * A line that begins with a space goes on with the one before; # begins a comment. */
void openapi_write(const struct server *server, const char *title, struct bytes types, struct buf *out);

#endif
