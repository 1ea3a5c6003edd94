/* schema.h - the schema of a collection as the engine keeps it: checked, with ids that are never
 * reused. Immutable once made and counted, so that a reader's view keeps the one it began with. */
#ifndef OP_SCHEMA_H
#define OP_SCHEMA_H

#include "base/arena.h"
#include "doc/path.h"
#include "vec/element.h"

#include <stdatomic.h>

enum { VECTORS_MAX = 64, FIELDS_MAX = 256, DIM_MAX = 65536, BITS_MAX = 8 * DIM_MAX };

struct schema_vector {
    uint32_t id, dim;
    kith_metric metric;
    const char *name;
    const char *config; /* NULL: none */
    kith_vector_index index;
    kith_element element;
    bool idf, multi;
    size_t size; /* bytes of one, of a multi-vector of each; sparse: 0, they differ */
};
/* Whether those of different points may differ in size. */
static inline bool schema_varies(const struct schema_vector *v)
{
    return v->multi || v->element == KITH_SPARSE;
}

/* Whether segments large enough shall have an index of it. */
static inline bool schema_wants_index(const struct schema_vector *v)
{
    return v->index.method != KITH_METHOD_FLAT && v->element != KITH_SPARSE && !(v->multi && v->element == KITH_BIT);
}

/* Whether it is lists: of multi-vectors always, whose single vectors stand in them. */
static inline bool schema_has_lists(const struct schema_vector *v)
{
    return v->multi || v->index.method == KITH_METHOD_LISTS;
}
static inline bool schema_spills(const struct schema_vector *v)
{
    return v->index.spill && !v->multi;
}

struct schema_field {
    uint32_t id;
    kith_field def; /* its strings are the schema's */
    struct path path;
};

struct schema {
    atomic_uint refs;
    struct arena arena;
    uint64_t version;
    uint32_t next_id;
    const char *config;
    struct schema_vector *vectors;
    size_t vectors_count;
    struct schema_field *fields;
    size_t fields_count;
};

/* Checks and copies; KITH_INVALID names what is wrong. */
int schema_new(struct ctx *c, const kith_schema *from, struct schema **ret_schema);
/* A changed copy with the next version; `field` replaces one of the same path, `drop_path` removes one. KITH_EXISTS,
 * KITH_NOT_FOUND: of vectors. */
struct schema_change {
    const kith_field *field;
    const char *drop_path;
    const char *config;
    const kith_vector_params *vector; /* how it is searched; it is there */
    const kith_vector_params *add_vector;
    const char *drop_vector;
};
int schema_change(struct ctx *c, const struct schema *from, const struct schema_change *change,
                  struct schema **ret_schema);
void schema_encode(const struct schema *s, struct buf *out);
int schema_decode(struct ctx *c, struct bytes data, struct schema **ret_schema);
struct schema *schema_ref(struct schema *s);
void schema_unref(struct schema *s); /* NULL is fine */

const struct schema_vector *schema_vector(const struct schema *s, const char *name);
const struct schema_vector *schema_vector_by_id(const struct schema *s, uint32_t id);
const struct schema_field *schema_field(const struct schema *s, const char *path);
/* The schema as kith.h shows it, in one allocation that mem_free releases. */
int schema_export(struct ctx *c, const struct schema *s, kith_schema *ret_schema);

#endif
