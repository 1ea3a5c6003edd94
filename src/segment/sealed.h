/* sealed.h - the layout that seal.c writes and sealed.c reads; private to this room. */
#ifndef SEGMENT_SEALED_H
#define SEGMENT_SEALED_H

#include "segment/segment.h"
#include "store/pack.h"

enum { IDS_NUMBERS = 0, IDS_MIXED = 1, DOC_BLOCK = 8 << 10 };

struct segment_head {
    uint32_t rows, ids_form, unused[6];
};

struct doc_block {
    uint64_t offset; /* in PACK_DOCS */
    uint32_t size, raw_size;
    uint32_t first_row, rows;
};

struct doc_column {
    const struct pack *pack;
    const struct pack_section *section;
    const struct doc_block *blocks;
    uint32_t count;
    const lsn *lsns;
};
/* `born`: the LSNs of rows whose documents have none of their own. */
int doc_column_open(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows, const lsn *born,
                    struct doc_column *ret_column);
/* In the room, or, if that is NULL, in the arena. */
int doc_column_read(struct ctx *c, const struct doc_column *x, row_id row, struct doc_room *room,
                    struct bytes *ret_doc);

enum { INDEX_BYTES = 0, INDEX_GRID = 1, INDEX_PLANES = 2, INDEX_PRODUCT = 3 }; /* what searches read */

struct index_head {
    uint32_t dim, metric, count, entries_count;
    float common_scale;
    uint32_t form, degree, lists; /* degree 0: 32; lists 1: a section says them */
    uint32_t entries[GRAPH_ENTRIES];
};
struct planes_head {
    uint32_t bits, rotated;
};
struct product_head {
    uint32_t parts, asked;
};
struct lists_head {
    uint32_t count, asked, spilled, blocks; /* blocks 1: their numbers come after the starts */
};

/* A container shared by segments that have rows in common. */
struct part {
    atomic_uint refs;
    struct pack *pack;
    struct blob_store *store;
    struct copied *copies;
};
/* The one of this key among `known`, or opened anew. */
int part_take(struct ctx *c, struct blob_store *blobs, const char *key, struct part *const *known, size_t count,
              struct part **ret_part);
struct part *part_ref(struct part *p);
void part_unref(struct part *p); /* NULL is fine */
/* A copy of part of the file, made once; the file's own bytes if there is no memory for one, or
 * the store's readers may not hold more. */
const void *part_copy(struct part *p, uint32_t vector_id, const void *data, size_t size);
/* The bytes of the copies made for that vector. */
uint64_t part_copied(const struct part *p, uint32_t vector_id);
/* Of one container what belongs to a segment; `docs`: documents and fields too, which another one may have replaced. */
void part_uses(const struct part *p, uint64_t owner, bool docs, use_report report, void *arg);

/* A row of a segment to be, where it is now. */
struct picked {
    const struct segment *s;
    row_id row;
};
/* Builds and writes the index of one vector over the picked rows as they are at `at`, beginning with what their
 * segments know. 1: no row has the vector. */
int seal_index(struct ctx *c, struct pack_writer *w, uint64_t owner, const struct schema_vector *v,
               const struct picked *picked, uint32_t count, lsn at, const struct graph_plan *plan);

/* The index of a vector of segment `owner`, which has `rows` rows. */
int sealed_index_open(struct ctx *c, struct part *p, uint64_t owner, uint32_t rows, const struct schema_vector *v,
                      struct vector_index *ret_index);

/* The column of one vector: vectors alike row by row, with bits that say which rows have one; or of different sizes:
 * offsets in words, one a row and one more, equal where a row has none, then the vectors in their kept form. */
struct sealed_vector {
    uint32_t id;
    bool sparse, multi;
    size_t size; /* bytes, of a multi-vector of each; not of sparse ones */
    const struct pack_section *section; /* NULL: no row has it */
    const uint64_t *present;            /* NULL: every row has it */
    struct postings postings;           /* sparse */
};
int sealed_vector_open(struct ctx *c, const struct pack *p, uint64_t owner, uint32_t rows,
                       const struct schema_vector *from, struct sealed_vector *v);
/* ret_data stays as it is if the row has none. */
int sealed_vector_read(struct ctx *c, const struct pack *p, uint32_t rows, const struct sealed_vector *v, row_id row,
                       const void **ret_data);
bool sealed_vector_fits(const struct sealed_vector *v, const struct vecver *d);

/* A blocked Bloom filter: one 64-bit word an id, five bits in it; 12 bits a row. */
static inline uint32_t filter_words(uint32_t rows)
{
    return rows * 12 / 64 + 1;
}
static inline uint64_t filter_mask(uint64_t hash)
{
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63) | 1ull << (hash >> 18 & 63) |
           1ull << (hash >> 24 & 63);
}
static inline uint32_t filter_word(uint32_t words, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * words >> 32);
}
static inline void filter_add(uint64_t *filter, uint32_t words, uint64_t hash)
{
    filter[filter_word(words, hash)] |= filter_mask(hash);
}
static inline bool filter_has(const uint64_t *filter, uint32_t words, uint64_t hash)
{
    return (filter[filter_word(words, hash)] & filter_mask(hash)) == filter_mask(hash);
}

#endif
