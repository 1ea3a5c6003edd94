/* segment.h - one unit of points, as everything above reads it.
 *
 * A row is one version of a point: id, birth LSN, and its parts: a document and vectors. Each part may be
 * replaced alone while the row lives, by versions laid over it, newest first (vectors: of sealed rows only). A
 * row is visible at V if it was born at or before V and is not dead at or before V. One writer (apply) marks
 * and overlays; readers take no lock: marks are atomics, and what is replaced stays readable for those who may
 * still look. */
#ifndef SEGMENT_SEGMENT_H
#define SEGMENT_SEGMENT_H

#include "base/bits.h"
#include "field/column.h"
#include "field/field.h"
#include "field/scores.h"
#include "index/curve.h"
#include "index/graph.h"
#include "index/live_postings.h"
#include "index/lists.h"
#include "index/postings.h"
#include "op/record.h"

#include <stdatomic.h>

struct segment;

/* One version of a document. The bytes follow. */
struct docver {
    lsn lsn;
    struct docver *older; /* NULL: the row's first document comes next */
    struct docver *next;  /* that replaced another: of whichever row, older */
    row_id row;           /* of those */
    uint32_t size;
    uint8_t data[];
};

/* One later version of one vector of a row. */
struct vecver {
    lsn lsn;
    struct vecver *older; /* of the row, whichever vector */
    struct vecver *next;  /* of the vector, whichever row */
    row_id row;
    uint32_t vector_id, size; /* bytes; 0: the row no longer has the vector */
    uint8_t data[];
};

/* A vector index as a segment carries it: a graph or lists, over codes of one form. */
struct vector_index {
    struct graph graph;        /* of lists it has the count only: of slots */
    struct lists lists;        /* count 0: a graph */
    const uint32_t *slots;     /* slot -> row */
    enum code_form form;
    struct codes codes;        /* bytes, L1, bits */
    struct grid grid;          /* nibbles */
    struct planes planes;
    struct product product;
    const uint8_t *records;    /* nibbles: the upper ones; planes, product */
    const uint8_t *rest;       /* nibbles: the lower ones */
    const float *norms;        /* nibbles, euclid */
    uint32_t asked_lists, asked_bytes; /* as the schema said */
    uint32_t points;           /* of multi-vectors, each of whose vectors has a slot: how many rows they are of */
    struct recall_curve curve; /* probes 0: not measured */
    struct graph_builder *live; /* growing: links come while it is searched */
    atomic_uint *live_count;    /* slots that are linked */
    atomic_uint *live_rows;     /* rows before this one are linked, or lack the vector */
};
/* The form that a vector's index is to have, and whether one is as the schema wants it. */
enum code_form vector_index_form(const struct schema_vector *v);
bool vector_index_fits(const struct vector_index *x, const struct schema_vector *v);
/* The first vector that is to have an index here and has none, or one that does not fit; NULL: none is wanted. */
const struct schema_vector *segment_wants_index(const struct segment *s, const struct schema *schema);
/* Of what was found by codes, how many the originals are to order, so that k are right. */
uint32_t vector_index_ranked(const struct vector_index *x, uint32_t k);
/* How many lists a width of the curve stands for. */
static inline uint32_t vector_index_probes(uint32_t width)
{
    return (width + 3) / 4;
}
/* Searches the lists; the query as vec_plain says. */
int vector_index_lists(struct ctx *c, const struct vector_index *x, const struct schema_vector *v, const void *query,
                       struct scorer *s, struct graph_scratch *scratch, struct lists_search *search, struct found *out);
/* The same for a multi-vector, in its kept form, over an index of multi-vectors: rows in place of slots (many.c). */
int vector_index_many(struct ctx *c, const struct vector_index *x, const struct schema_vector *v, const void *query,
                      const struct kernels *k, struct graph_scratch *scratch, struct lists_search *search,
                      struct found *out);
/* How many of what it finds are to be ordered by the originals, so that k are right. */
static inline uint32_t vector_index_many_ranked(uint32_t k)
{
    return k * 5 + 60;
}
/* Whether the index covers all rows of the segment. */
bool segment_index_whole(const struct segment *s, uint32_t vector_id);
/* A scorer of the query, given as vec_plain says, over the slots. */
int segment_scorer(struct arena *a, const struct vector_index *x, const struct schema_vector *v, const void *query,
                   const struct kernels *k, struct scorer *ret_scorer);

/* Sealed documents lie in packed blocks. Who reads row after row keeps the blocks last unpacked, one for each of a few
 * segments; what was read is good until the next read. All zero at first. */
enum { DOC_ROOM = 16 };
struct doc_room {
    struct doc_place {
        const void *of; /* whose */
        uint32_t block, size;
        uint8_t *raw;
    } places[DOC_ROOM];
};
void doc_room_release(struct doc_room *r);

enum use_kind {
    USE_IDS, USE_DOCUMENTS, USE_FIELD, USE_VECTORS, USE_INDEX, USE_POSTINGS, USE_CHANGES, USE_GROWING, USE_KINDS
};
/* `tag`: the id of the field or vector, else 0. `stored`: bytes in files, which are mapped; `held`: in memory of our
 * own. */
typedef void (*use_report)(void *arg, enum use_kind kind, uint32_t tag, uint64_t stored, uint64_t held);

struct segment_ops {
    uint32_t (*rows)(const struct segment *s);
    lsn (*born)(const struct segment *s, row_id row);
    lsn (*dead)(const struct segment *s, row_id row); /* 0: alive */
    /* the rows visible at V, of as many as `out` has room for. True: all of them */
    bool (*live)(const struct segment *s, lsn v, struct bits *out);
    kith_id (*id)(const struct segment *s, row_id row);
    /* the row of this id visible at V, or ROW_NONE */
    row_id (*find)(const struct segment *s, const kith_id *id, lsn v);
    /* the document visible at V; bytes in place, in the room, or, if that is NULL, in the arena */
    int (*doc)(struct ctx *c, const struct segment *s, row_id row, lsn v, struct doc_room *room, struct bytes *ret_doc,
               lsn *ret_lsn);
    lsn (*doc_lsn)(const struct segment *s, row_id row, lsn v); /* its LSN, without reading it */
    /* the newest version and, through `older`, all before it; NULL: only the stored one */
    const struct docver *(*versions)(const struct segment *s, row_id row);
    /* true: the document visible at V is not the one the field indexes were made from */
    bool (*overlaid)(const struct segment *s, row_id row, lsn v);
    /* all documents that replaced one (growing: a row's first one), through `next`; NULL: none */
    const struct docver *(*overlays)(const struct segment *s);
    /* in place, at V; NULL: the row has no such vector. Checks what it touches for the first time. */
    int (*vector)(struct ctx *c, const struct segment *s, row_id row, lsn v, uint32_t vector_id,
                  const void **ret_data);
    bool (*any_vector)(const struct segment *s, uint32_t vector_id); /* false: no row was born with it */
    /* the version at V of one vector of a row, or the newest of any (vector id 0); NULL: it is as it was born */
    const struct vecver *(*revision)(const struct segment *s, row_id row, uint32_t vector_id, lsn v);
    /* all versions of a vector, through `next`: what its graph does not know. NULL: none */
    const struct vecver *(*revised)(const struct segment *s, uint32_t vector_id);
    /* rows in id order: the first at or after `id` (NULL: the first), and the one after a row;
     * growing segments may give dead versions in between */
    row_id (*seek)(const struct segment *s, const kith_id *id);
    row_id (*after)(const struct segment *s, row_id row);
    void (*prefetch)(const struct segment *s, row_id row); /* id and LSNs will be asked for soon */
    const struct vector_index *(*index)(const struct segment *s, uint32_t vector_id);
    const struct postings *(*postings)(const struct segment *s, uint32_t vector_id); /* sparse, sealed; else NULL */
    const struct live_postings *(*live_postings)(const struct segment *s, uint32_t vector_id); /* sparse, growing */
    const struct field_index *(*field)(const struct segment *s, uint32_t field_id);
    const struct field_scores *(*scores)(const struct segment *s, uint32_t field_id); /* NULL: there are none */
    const struct column *(*column)(const struct segment *s, uint32_t field_id); /* growing; NULL: there is none */
    /* what it takes, part by part */
    void (*uses)(const struct segment *s, use_report report, void *arg);
    /* the writer's part */
    int (*mark_dead)(struct segment *s, row_id row, lsn at);
    /* takes over `d`; ret_old is the version it replaces, or NULL */
    int (*put_doc)(struct segment *s, row_id row, struct docver *d, struct docver **ret_old);
    /* takes over `d`. NULL: vectors of this segment do not change alone, rows move */
    int (*put_vector)(struct segment *s, row_id row, struct vecver *d);
    void (*free)(struct segment *s);
};

struct segment {
    const struct segment_ops *ops;
    atomic_uint refs;
    uint64_t id;
    atomic_uint dead_count, overlaid_count, revised_count; /* the last: versions, not rows */
    atomic_ullong overlay_bytes;
};

static inline bool segment_visible(const struct segment *s, row_id row, lsn v)
{
    lsn dead;

    if (s->ops->born(s, row) > v)
        return false;
    dead = s->ops->dead(s, row);
    return dead == 0 || dead > v;
}
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s); /* NULL is fine */
/* Rows visible at V, as bits. `ret_all`: every row is. */
int segment_live(struct ctx *c, const struct segment *s, lsn v, struct bits *ret_bits, bool *ret_all);
struct docver *docver_new(lsn at, const void *data, size_t size);
/* size 0: taken away */
struct vecver *vecver_new(lsn at, uint32_t vector_id, const void *data, size_t size);
/* When the row last changed, as seen at V. */
lsn segment_changed(const struct segment *s, row_id row, lsn v);

/* Which vectors a segment's row has, for subjects of filters. */
struct row_look {
    const struct segment *s;
    const struct schema *schema;
    row_id row;
    lsn v;
};
bool row_has_vector(void *arg, const char *name);

/* ---- growing: in memory, one writer ------------------------------------------------------------ */

struct growing;
struct growing_limits {
    uint32_t rows_max, graph_rows_min;
};
int growing_new(struct ctx *c, uint64_t id, const struct schema *schema, const struct growing_limits *limits,
                struct segment **ret_segment);
/* Makes room for `rows` more, so that adding them cannot fail. */
int growing_reserve(struct ctx *c, struct segment *s, uint64_t rows);
/* A new row; visible once the view's LSN reaches `born`. `vectors` may repeat an id: the last counts.
 * Vectors of other segments may be given by their data. */
int growing_add(struct ctx *c, struct segment *s, const kith_id *id, lsn born, struct bytes doc, lsn doc_lsn,
                const struct rec_vector *vectors, uint32_t count, row_id *ret_row);
uint64_t growing_bytes(const struct segment *s);
/* The methods of vectors and the indexed fields as they are now. The writer must stand still. */
void growing_configure(struct ctx *c, struct segment *s, const struct schema *schema);
/* Links up to `most` more rows into the graphs of a growing segment; how many. By one thread at a time. */
int growing_link(struct ctx *c, struct segment *s, const struct kernels *k, uint32_t most);
/* Rows that no graph has yet and one should. */
uint32_t growing_unlinked(const struct segment *s);
bool segment_is_growing(const struct segment *s);

/* ---- sealed: immutable files, read through maps ------------------------------------------------- */

struct pack;
struct sealed_files {
    char base[48], docs[48]; /* blob keys: ids and vectors; documents and field indexes */
    uint64_t docs_lsn;       /* the documents are those of this LSN */
    struct {
        uint32_t vector_id;
        char key[48];
    } graphs[VECTORS_MAX];
    uint32_t graphs_count;
};

/* Writes the rows of `from` visible at V into one container (sections of owner `id`), in id order. */
struct seal_source {
    struct segment *const *segments;
    size_t count;
};
struct pack_writer;
struct graph_plan {
    const struct kernels *kernels;
    uint32_t threads, rows_min; /* fewer rows have no graph */
    bool (*stop)(void *arg);    /* as in graph_build */
    void *arg;
};
struct sealed_graphs {
    uint32_t vectors[VECTORS_MAX];
    uint32_t count;
};
int seal_write(struct ctx *c, struct pack_writer *w, uint64_t id, const struct schema *schema,
               const struct seal_source *from, lsn v, const struct graph_plan *plan, uint32_t *ret_rows,
               struct sealed_graphs *ret_graphs);
/* Only documents and field indexes of the rows of `s`, at V. */
int seal_write_docs(struct ctx *c, struct pack_writer *w, const struct schema *schema, const struct segment *s, lsn v);
/* The index of one vector. Returns 0, or 1 if no row has the vector. */
int seal_write_index(struct ctx *c, struct pack_writer *w, const struct schema_vector *v, const struct segment *s,
                     const struct graph_plan *plan);

struct blob_store;
int sealed_open(struct ctx *c, struct blob_store *blobs, const struct schema *schema, uint64_t id,
                const struct sealed_files *files, struct segment **ret_segment);
/* A segment over the same rows with other files: shares what is equal, marks included; overlays above
 * `files->docs_lsn` are copied. The writer must stand still. */
int sealed_reopen(struct ctx *c, struct blob_store *blobs, const struct schema *schema, const struct segment *old,
                  const struct sealed_files *files, struct segment **ret_segment);
const struct sealed_files *sealed_files(const struct segment *s);
/* Copies the versions of a row's parts that are newer than V, all of them: a manifest may yet be made of a
 * state in between. */
int segment_copy_docs(struct ctx *c, const struct segment *from, row_id row, lsn v, struct segment *to, row_id there);
int segment_copy_vectors(struct ctx *c, const struct segment *from, row_id row, lsn v, struct segment *to,
                         row_id there);
/* Carries marks and overlays of `from` that are newer than V over to the rows of `to`, by id. */
int segment_carry(struct ctx *c, const struct segment *from, lsn v, struct segment *to);
/* The same for segments over the same rows: what came to `from` since `to` was opened at LSN `since`. */
int segment_follow(struct ctx *c, const struct segment *from, lsn since, struct segment *to);
/* Marks at or below V, documents above `docs_lsn` and vectors, at or below V, for a manifest; and back
 * (`vectors` false: a form without). */
int segment_marks_encode(struct ctx *c, const struct segment *s, lsn docs_lsn, lsn v, struct buf *out);
int segment_marks_decode(struct ctx *c, struct segment *s, struct reader *r, bool vectors);
int sealed_verify(struct ctx *c, const struct segment *s);

#endif
