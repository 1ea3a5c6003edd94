/* pb.h - protobuf messages as trees of JSON values, and back, by their descriptors.
 *
 * A dialect that has a JSON form needs one decoder only: its protobuf messages become the trees that its JSON
 * bodies are. The .proto files say what there is (protoc makes a FileDescriptorSet of them, which is part of the
 * program); rows of pb_rule say where the two forms differ. Floats of `raw` fields stay packed: a value of yyjson's
 * raw type, 4 bytes each. Strings are checked to be UTF-8 and keep their zeros.
 *
 * Source: the wire format as protobuf.dev documents it. */
#ifndef CODEC_PB_H
#define CODEC_PB_H

#include "base/buf.h"

#include <yyjson.h>

enum { PB_FIELDS_MAX = 48, PB_DEPTH_MAX = 100 };

enum pb_wire { PB_VARINT = 0, PB_EIGHT = 1, PB_SIZED = 2, PB_FOUR = 5 }; /* bytes, or how many are told */

enum pb_type { /* as descriptors number them */
    PB_DOUBLE = 1, PB_FLOAT = 2, PB_INT64 = 3, PB_UINT64 = 4, PB_INT32 = 5, PB_FIXED64 = 6, PB_FIXED32 = 7,
    PB_BOOL = 8, PB_STRING = 9, PB_GROUP = 10, PB_MESSAGE = 11, PB_BYTES = 12, PB_UINT32 = 13, PB_ENUM = 14,
    PB_SFIXED32 = 15, PB_SFIXED64 = 16, PB_SINT32 = 17, PB_SINT64 = 18
};

struct pb_value { /* of an enum */
    const char *name; /* in the tree: CamelCase as snake_case, unless a rule says otherwise */
    int32_t number;
};

struct pb_file;

struct pb_enum {
    const char *full_name;
    const struct pb_file *file;
    struct pb_value *values;
    size_t count;
};

enum pb_how {
    PB_NAMED = 0, /* a member under a name of its own */
    PB_VALUE,     /* what the whole message stands for */
    PB_SPREAD     /* its members are the message's */
};

struct pb_message;

struct pb_field {
    const char *name; /* in the tree */
    uint32_t number;
    enum pb_type type;
    enum pb_how how;
    bool repeated;
    bool implicit;  /* absent on the wire means zero */
    bool raw;       /* repeated floats, kept packed */
    bool always;    /* an empty list or map is there too */
    uint32_t oneof; /* 0: of none */
    const struct pb_message *message;
    const struct pb_enum *values;
    const char *type_name, *own_name;
};

struct pb_reading {
    struct ctx *c;
    yyjson_mut_doc *doc;
    uint32_t depth;
};

/* Replaces the tree of one message; NULL: the context says why not. */
typedef yyjson_mut_val *(*pb_shape)(struct pb_reading *r, yyjson_mut_val *tree);
/* Writes the fields of one message from a tree. */
typedef void (*pb_unshape)(struct buf *out, const struct pb_message *m, yyjson_val *tree);

struct pb_message {
    const char *full_name;
    const struct pb_file *file;
    struct pb_field *fields; /* by number */
    size_t count;
    bool map; /* an entry of a map: fields key and value */
    pb_shape shape;
    pb_unshape unshape;
};

struct pb_method {
    const struct pb_file *file;
    const char *path; /* /package.Service/Method */
    const char *in_name, *out_name;
    const struct pb_message *in, *out;
    bool streams;
};

struct pb_file {
    const char *name, *package;
    struct bytes descriptor; /* as reflection hands it out */
};

struct pb_schema {
    struct pb_message *messages;
    struct pb_enum *enums;
    struct pb_method *methods;
    struct pb_file *files;
    size_t messages_count, enums_count, methods_count, files_count;
};

static inline enum pb_wire pb_wire(enum pb_type type)
{
    switch (type) {
    case PB_DOUBLE: case PB_FIXED64: case PB_SFIXED64: return PB_EIGHT;
    case PB_FLOAT: case PB_FIXED32: case PB_SFIXED32: return PB_FOUR;
    case PB_STRING: case PB_BYTES: case PB_MESSAGE: return PB_SIZED;
    case PB_INT64: case PB_UINT64: case PB_INT32: case PB_BOOL: case PB_UINT32: case PB_ENUM: case PB_SINT32:
    case PB_SINT64: case PB_GROUP: break;
    }
    return PB_VARINT;
}

/* Where a field and its place in the tree differ; or the name of an enum's value (`field`: in snake case). */
struct pb_rule {
    const char *message, *field; /* without the package */
    enum pb_how how;
    const char *name;            /* NULL: as in the .proto */
    enum { PB_RAW = 1, PB_ALWAYS = 2 } flags;
};

/* The set lives as long as the schema, which is in the context's arena. */
int pb_load(struct ctx *c, struct bytes set, struct pb_schema *ret_schema);
int pb_apply(struct ctx *c, struct pb_schema *s, const struct pb_rule *rules, size_t count);
struct pb_message *pb_message_named(struct pb_schema *s, const char *full_name); /* NULL: none */
struct pb_enum *pb_enum_named(struct pb_schema *s, const char *full_name);
const struct pb_method *pb_method_at(const struct pb_schema *s, const char *path);

/* KITH_INVALID: the context says what is wrong, and in which field. yyjson_doc_free. */
int pb_to_tree(struct ctx *c, const struct pb_message *m, struct bytes wire, yyjson_doc **ret_doc);
/* The fields of `m`, as far as the tree has them. */
void pb_from_tree(struct buf *out, const struct pb_message *m, yyjson_val *tree);

/* ---- writing by hand ---- */

void pb_put_varint(struct buf *out, uint32_t number, uint64_t v);
void pb_put_float(struct buf *out, uint32_t number, float v);
void pb_put_double(struct buf *out, uint32_t number, double v);
void pb_put_bytes(struct buf *out, uint32_t number, const void *data, size_t size);
/* What is written between the two is one message (or packed list). */
size_t pb_begin(struct buf *out, uint32_t number);
void pb_end(struct buf *out, size_t mark);

#endif
