/* pack.h - the container that all immutable files share: sections, and a checksum per block.
 *
 * One file may carry the sections of many owners (a bundle). docs/format/pack.md has the tables. */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/buf.h"
#include "store/blob.h"

enum { PACK_BLOCK = 64 << 10, PACK_ALIGN = 4096, PACK_ALIGN_SMALL = 64 };

/* What a section is. Never renumbered. */
enum pack_kind {
    PACK_MANIFEST = 1,
    PACK_IDS = 2,      /* numbers, or offsets and bytes */
    PACK_LSNS = 3,
    PACK_FILTER = 4,   /* of ids */
    PACK_VECTORS = 5,  /* row by row; `tag` is the vector's id */
    PACK_PRESENT = 6,  /* rows that have the vector */
    PACK_DOCS = 7,     /* compressed blocks */
    PACK_DOC_MAP = 8,  /* where each block lies */
    PACK_DOC_LSNS = 9,
    PACK_FIELD = 10,   /* `tag` is the field's id */
    PACK_GRAPH = 11,   /* `tag` is the vector's id */
    PACK_CODES = 12,
    PACK_CODE_META = 13,
    PACK_SLOTS = 14,
    PACK_SEGMENT = 15, /* counts and kinds */
    PACK_LINKS = 16,
    PACK_GRID = 17,    /* bounds of each dimension */
    PACK_TOP = 18,     /* upper nibbles */
    PACK_REST = 19,    /* lower nibbles */
    PACK_NORMS = 20,   /* squared lengths */
    PACK_CURVE = 21,   /* recall by width of search */
    PACK_POSTINGS = 22, /* sparse vectors by index */
    PACK_PLANES = 23,  /* one or two bits an element: steps */
    PACK_PRODUCT = 24, /* books */
    PACK_LISTS = 25,   /* an inverted file: which slots */
    PACK_CENTRES = 26, /* its centres */
    PACK_SCORES = 27,  /* how often words stand in rows; `tag` is the field's id */
    PACK_POSITIONS = 28 /* where they stand there; as well */
};

struct pack_section {
    uint32_t kind, tag;
    uint64_t owner, offset, size;
};

struct pack_writer {
    struct blob_store *store;
    struct blob_writer *blob;
    struct buf sections; /* struct pack_section, one after the other */
    struct buf crcs;     /* u32 a block */
    uint8_t *block;
    size_t held;
    uint64_t at;
    struct pack_section open;
};

int pack_create(struct ctx *c, struct blob_store *store, const char *key, struct pack_writer *ret_writer);
int pack_begin(struct ctx *c, struct pack_writer *w, enum pack_kind kind, uint32_t tag, uint64_t owner);
int pack_write(struct ctx *c, struct pack_writer *w, const void *data, size_t size);
int pack_end(struct ctx *c, struct pack_writer *w);
/* A whole section at once. */
int pack_put(struct ctx *c, struct pack_writer *w, enum pack_kind kind, uint32_t tag, uint64_t owner,
             const void *data, size_t size);
/* Ends the writer either way. */
int pack_commit(struct ctx *c, struct pack_writer *w, uint64_t *ret_size);
void pack_abort(struct pack_writer *w);

struct pack {
    struct blob *blob;
    char *key;
    const struct pack_section *sections;
    uint32_t sections_count, blocks;
    const uint8_t *crcs;
    uint64_t body;               /* bytes that the block checksums cover */
    _Atomic uint64_t *verified;  /* bit set of blocks */
};

/* Checks header, footer and tables; the blocks are checked when first touched. */
int pack_open(struct ctx *c, struct blob_store *store, const char *key, struct pack **ret_pack);
void pack_close(struct pack *p); /* NULL is fine */
/* NULL if there is none */
const struct pack_section *pack_find(const struct pack *p, enum pack_kind kind, uint32_t tag, uint64_t owner);
/* Verifies the blocks under [offset, offset + size) of the section and returns its address. */
int pack_read(struct ctx *c, const struct pack *p, const struct pack_section *s, uint64_t offset, uint64_t size,
              const uint8_t **ret_data);
/* The whole section. Absent: KITH_CORRUPT. */
int pack_get(struct ctx *c, const struct pack *p, enum pack_kind kind, uint32_t tag, uint64_t owner,
             struct bytes *ret_bytes);
int pack_verify_all(struct ctx *c, const struct pack *p);
/* The whole container to another store, verified: how many bytes; 0: it is there already. */
int pack_copy(struct ctx *c, struct blob_store *from, const char *key, struct blob_store *to, uint64_t *ret_copied);

#endif
