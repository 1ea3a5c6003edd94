/* kith.h - Kith, a vector database: the public interface and the request language.
 *
 * This header is the manual. It compiles as C99 and as C++11.
 *
 * A database is a directory, opened by one process at a time. It holds collections; a collection
 * holds points; a point is an id, a document (any JSON value that is an object) and named vectors.
 *
 * Rules that hold everywhere:
 *  - Functions return 0 or more on success and a negative kith_code on failure. The last argument
 *    `err` receives the code and a sentence; it is caller-owned and may be NULL. On failure no
 *    output argument is touched.
 *  - All handles may be used from any number of threads at once. Only kith_close wants to be alone.
 *  - `const` arguments are borrowed for the call. What a function returns is owned as its comment
 *    says and released by the function that the comment names.
 *  - Distances: smaller is nearer. Cosine and dot give the negated inner product, euclid the squared
 *    distance, manhattan the sum of absolute differences, hamming and jaccard what they are called. All are f32.
 *  - An LSN is the position of a change in the log; 0 is "before everything".
 */
#ifndef KITH_H
#define KITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_API
#endif

#define KITH_VERSION "0.1.0"

/* ---- errors -------------------------------------------------------------------------------- */

typedef enum kith_code {
    KITH_OK = 0,
    KITH_INVALID = -1,     /* the request is wrong; the text names field, expected form and value */
    KITH_NOT_FOUND = -2,   /* collection, point, alias or field index */
    KITH_EXISTS = -3,      /* the name is taken */
    KITH_CORRUPT = -4,     /* stored bytes fail their checksum; the text names file and range */
    KITH_IO = -5,          /* the operating system refused; the text names call and file */
    KITH_NOMEM = -6,       /* memory, or its budget, is used up */
    KITH_FULL = -7,        /* the disk is full: writes are refused, reads go on */
    KITH_LIMIT = -8,       /* too much at once: slow down and try again */
    KITH_BUSY = -9,        /* another process holds the directory */
    KITH_TIMEOUT = -10,    /* not done in time; a write may still complete */
    KITH_CLOSED = -11,     /* the database is closing, or was made read-only by a failed sync */
    KITH_UNSUPPORTED = -12 /* understood, and not there yet */
} kith_code;

typedef struct kith_err {
    int code;
    char text[256];
} kith_err;

/* ---- ids, vectors, documents ---------------------------------------------------------------- */

typedef enum kith_id_kind { KITH_ID_NUM = 0, KITH_ID_UUID = 1, KITH_ID_STR = 2 } kith_id_kind;

/* Ids order by kind (numbers, UUIDs, strings), then by value. Strings: 1 to 512 bytes of UTF-8. */
typedef struct kith_id {
    uint8_t kind;  /* kith_id_kind */
    uint16_t size; /* bytes of str */
    union {
        uint64_t num;
        uint8_t uuid[16];
        const char *str;
    } as;
} kith_id;

typedef enum kith_metric {
    KITH_COSINE = 1, /* vectors are normalised when stored, and read back so */
    KITH_DOT = 2,
    KITH_EUCLID = 3,
    KITH_MANHATTAN = 4,
    KITH_HAMMING = 5, /* bits only: how many differ */
    KITH_JACCARD = 6  /* bits only: 1 - (both set) / (either set); 0 where none is set */
} kith_metric;

typedef enum kith_element {
    KITH_F32 = 0,
    KITH_F16 = 1,  /* IEEE 754 half precision */
    KITH_BF16 = 2, /* the upper half of an f32 */
    KITH_I8 = 3,
    KITH_U8 = 4,
    KITH_BIT = 5,  /* eight to a byte; metrics: hamming, jaccard, dot (minus the number of bits both have) */
    KITH_SPARSE = 6, /* `dim` u32 indices, none twice, then as many f32 values; metric: dot. What has no index in
                        common with the query is not found */
    KITH_SCALED8 = 7, /* a byte an element, and a scale for each 32 of them (docs/format/record.md): a quarter of f32 */
    KITH_SCALED4 = 8  /* four bits an element, likewise: an eighth; about a twelfth of a length is lost */
} kith_element;

/* A named vector. The unnamed one is "". Writes and queries give f32, which becomes what the collection keeps
 * (halves and scaled ones are rounded to the nearest, integers toward zero, and what is out of range to the bound), or
 * the very elements it keeps; reads return those, and kith_vector_f32 makes f32 of them. Integer vectors are not
 * normalised for cosine: they are compared by angle all the same. */
typedef struct kith_vector {
    const char *name;
    uint32_t dim; /* elements */
    const void *data;
    kith_element element;
    uint32_t count; /* of a multi-vector: how many, of `dim` elements each, one right after the other; 0: one */
} kith_vector;

typedef enum kith_doc_form {
    KITH_DOC_NONE = 0,
    KITH_DOC_JSON = 1,  /* UTF-8 text */
    KITH_DOC_BINARY = 2 /* docs/format/document.md; what reads return */
} kith_doc_form;

typedef struct kith_doc {
    kith_doc_form form;
    uint32_t size; /* bytes */
    const void *data;
} kith_doc;

/* ---- schema --------------------------------------------------------------------------------- */

typedef enum kith_type {
    KITH_TYPE_ANY = 0,
    KITH_TYPE_BOOL,
    KITH_TYPE_INT8,
    KITH_TYPE_INT16,
    KITH_TYPE_INT32,
    KITH_TYPE_INT64,
    KITH_TYPE_FLOAT,
    KITH_TYPE_DOUBLE,
    KITH_TYPE_STRING,
    KITH_TYPE_JSON,
    KITH_TYPE_ARRAY,
    KITH_TYPE_DATETIME,
    KITH_TYPE_UUID
} kith_type;

typedef enum kith_index_kind {
    KITH_INDEX_NONE = 0,
    KITH_INDEX_KEYWORD,  /* strings, exact */
    KITH_INDEX_INTEGER,  /* integers, and floats that are whole */
    KITH_INDEX_FLOAT,    /* any number */
    KITH_INDEX_BOOL,
    KITH_INDEX_DATETIME, /* RFC 3339 and its common shortenings */
    KITH_INDEX_UUID,
    KITH_INDEX_TEXT,     /* words of strings, for text conditions */
    KITH_INDEX_GEO       /* {lon, lat} */
} kith_index_kind;

typedef enum kith_method {
    KITH_METHOD_AUTO = 0, /* a graph where there are rows enough for one */
    KITH_METHOD_FLAT = 1, /* no index: searches are exact scans */
    KITH_METHOD_LISTS = 2 /* an inverted file (IVF): built in half the time, no links in memory, slower */
} kith_method;

/* What an index keeps of each vector; the originals stay besides, and order what was found. */
typedef enum kith_codes {
    KITH_CODES_AUTO = 0, /* 8 bits an element, in two planes of 4 */
    KITH_CODES_BIT,      /* one bit an element and 8 bytes a vector */
    KITH_CODES_TWO_BITS, /* two, and 8 bytes */
    KITH_CODES_PRODUCT   /* product quantisation, code_bytes a vector */
} kith_codes;

/* How vectors are to be searched. All zero: as the engine thinks best. */
typedef struct kith_vector_index {
    kith_method method;
    uint32_t links;       /* graph: neighbours of a node, 16 to 64; 0 = 32 */
    uint32_t build_width; /* graph: search width while it is built, 16 to 1024; 0 = 160 */
    uint32_t lists;       /* lists: how many, to 65536; 0 = four times the root of the rows */
    bool spill;           /* lists: vectors stand in two of them */
    kith_codes codes;     /* of float and integer elements; manhattan: AUTO or PRODUCT */
    uint32_t code_bytes;  /* product: 1 to dim; 0 = dim / 4 */
} kith_vector_index;

typedef struct kith_vector_params {
    const char *name;
    uint32_t dim;         /* 1..65536; bits: to 524288 */
    kith_metric metric;
    const char *config;   /* JSON kept for whoever made the collection; may be NULL */
    kith_vector_index index; /* dense vectors */
    kith_element element; /* bits: dim is a multiple of 8; sparse: dim is 0 */
    bool idf;             /* sparse: a query's weight is multiplied by ln(1 + (n - df + 0.5) / (df + 0.5)), n points
                             with the vector, df of them with the index */
    bool multi;           /* a point has a list of such vectors (dense ones), and from a list of queries to it each query
                             counts as far as it is from the nearest of them */
} kith_vector_params;

/* How an index makes words of text, which its conditions then compare. */
typedef enum kith_tokens {
    KITH_TOKENS_WORDS = 0, /* runs of letters and digits */
    KITH_TOKENS_SPACES,    /* what stands between spaces */
    KITH_TOKENS_PREFIXES,  /* all beginnings of words; who asks names one */
    KITH_TOKENS_SCRIPTS,   /* by the rules and dictionaries of each script, also those without spaces */
    KITH_TOKENS_CODE       /* as words, and names are cut at their capitals: getHTTPCode is get, http, code */
} kith_tokens;
typedef struct kith_text {
    kith_tokens tokens;
    bool keep_case;
    uint32_t least, most; /* characters of a word, others are left out; of a beginning; 0: 1, and any number */
    bool fold;            /* letters lose their marks: cafe for café */
    const char *stem;     /* the language whose endings are cut off (Snowball's name: "english", ...); NULL: none */
    const char *stops;    /* words that are left out, between spaces, as they are after folding and in small letters */
    bool scored;          /* a text index: queries of kind text may score by it */
    bool phrases;         /* a text index: it keeps where words stand, so that phrases are told without the documents */
} kith_text;

/* A field of the document: declared (its type is checked on every write), indexed, or both. */
typedef struct kith_field {
    const char *path;      /* a.b, a[].b, "odd key".c */
    kith_type type;        /* KITH_TYPE_ANY: not declared, only indexed */
    kith_type element;     /* of an array */
    kith_index_kind index;
    kith_text text;        /* of a text index */
    bool nullable;         /* declared only: may be null or absent */
    uint32_t size_max;     /* strings: bytes; arrays: elements; 0 = no bound */
    const char *initial;   /* JSON: value used where a write leaves the field out; may be NULL */
    const char *config;    /* JSON kept for whoever made the index; may be NULL */
} kith_field;

typedef struct kith_schema {
    const kith_vector_params *vectors;
    size_t vectors_count; /* up to 64 */
    const kith_field *fields;
    size_t fields_count;  /* up to 256 */
    const char *config;   /* JSON kept for whoever made the collection; may be NULL */
} kith_schema;

/* ---- filters -------------------------------------------------------------------------------- */

typedef enum kith_cond {
    KITH_COND_ALL = 0,      /* every one of subs (none: true) */
    KITH_COND_ANY,          /* at least one of subs (none: false) */
    KITH_COND_NONE,         /* not one of subs */
    KITH_COND_AT_LEAST,     /* at least `least` of subs */
    KITH_COND_MATCH,        /* a value at path equals one of values */
    KITH_COND_EXCEPT,       /* a value at path is not null and equals none of values */
    KITH_COND_PREFIX,       /* a string at path begins with values[0] */
    KITH_COND_SUBSTRING,    /* a string at path contains values[0] */
    KITH_COND_RANGE,        /* a number at path lies in range */
    KITH_COND_DATETIME,     /* a datetime at path lies in times (microseconds since 1970, UTC) */
    KITH_COND_VALUES_COUNT, /* the number of values at path lies in range */
    KITH_COND_IS_EMPTY,     /* nothing at path but null and [] */
    KITH_COND_IS_NULL,      /* a null at path */
    KITH_COND_FIELD_EMPTY,  /* per value: null or [] (flag true), neither (flag false) */
    KITH_COND_FIELD_NULL,   /* per value: null or an array with a null (flag true), else not */
    KITH_COND_HAS_ID,       /* the id is one of ids */
    KITH_COND_HAS_VECTOR,   /* the point has the vector named path */
    KITH_COND_NESTED,       /* one element of the array at path satisfies subs[0] alone */
    KITH_COND_TEXT,         /* a string at path has every word of values[0], which has one (kith_text; without an index: its
                               defaults) */
    KITH_COND_TEXT_ANY,     /* a string at path has one of its words */
    KITH_COND_PHRASE,       /* a string at path has its words, one after the other */
    KITH_COND_GEO_BOX,      /* a {lon, lat} at path lies strictly between places[0], top left, and [1], bottom right */
    KITH_COND_GEO_RADIUS,   /* a {lon, lat} at path is less than `radius` metres from places[0] */
    KITH_COND_GEO_POLYGON,  /* a {lon, lat} at path lies in the first ring and in none of the others, nor on a line */
    KITH_COND_SLICE         /* SipHash-2-4 of the id, keyless, modulo `least` is `slice` */
} kith_cond;

typedef struct kith_geo_point {
    double lon, lat; /* degrees */
} kith_geo_point;
typedef struct kith_geo_ring { /* closed: the last point is the first one */
    const kith_geo_point *points;
    size_t count; /* at least 4 */
} kith_geo_ring;

typedef enum kith_value_kind { KITH_VALUE_BOOL = 1, KITH_VALUE_INT, KITH_VALUE_STR } kith_value_kind;

typedef struct kith_value {
    uint8_t kind; /* kith_value_kind */
    bool boolean;
    uint32_t size; /* bytes of str */
    int64_t num;
    const char *str;
} kith_value;

typedef struct kith_filter {
    kith_cond kind;
    const char *path;
    const struct kith_filter *subs;
    size_t subs_count;
    const kith_value *values;
    size_t values_count;
    const kith_id *ids;
    size_t ids_count;
    uint64_t least;
    bool flag;
    uint8_t bounds; /* which of the four ends are set: KITH_GT | KITH_GTE | KITH_LT | KITH_LTE */
    struct {
        double gt, gte, lt, lte;
    } range;
    struct {
        int64_t gt, gte, lt, lte;
    } times;
    const kith_text *how;         /* text conditions: NULL: as the index of the field has it, or its defaults */
    const kith_geo_point *places;
    double radius;
    const kith_geo_ring *rings;
    size_t rings_count;
    uint64_t slice;
} kith_filter;

enum { KITH_GT = 1, KITH_GTE = 2, KITH_LT = 4, KITH_LTE = 8 };

/* ---- writes --------------------------------------------------------------------------------- */

typedef enum kith_op_kind {
    KITH_UPSERT = 1,      /* points replace what has their ids */
    KITH_DELETE,          /* points by ids or filter */
    KITH_SET_DOC,         /* merge doc into the documents, or at path */
    KITH_OVERWRITE_DOC,   /* doc becomes the document */
    KITH_DELETE_KEYS,     /* remove the paths in names from the documents */
    KITH_CLEAR_DOC,       /* the document becomes {} */
    KITH_UPDATE_VECTORS,  /* points give the vectors to set; others and the document stay */
    KITH_DELETE_VECTORS   /* remove the vectors in names */
} kith_op_kind;

typedef enum kith_mode {
    KITH_MODE_UPSERT = 0,
    KITH_MODE_INSERT_ONLY = 1, /* existing points stay as they are */
    KITH_MODE_UPDATE_ONLY = 2  /* new points are dropped */
} kith_mode;

typedef struct kith_point {
    kith_id id;
    kith_doc doc; /* form NONE: {} */
    const kith_vector *vectors;
    size_t vectors_count;
} kith_point;

/* One operation. Targets are `points`, or `ids`, or else `filter`. */
typedef struct kith_op {
    kith_op_kind kind;
    kith_mode mode;             /* upsert */
    const kith_point *points;   /* upsert, update vectors */
    size_t points_count;
    const kith_id *ids;
    size_t ids_count;
    const kith_filter *filter;  /* NULL: none */
    const kith_filter *only_if; /* upsert, update vectors: existing points must match; NULL: none */
    kith_doc doc;
    const char *path;           /* set: where to merge; NULL: at the top */
    const char *const *names;   /* keys or vector names */
    size_t names_count;
} kith_op;

typedef enum kith_wait {
    KITH_WAIT_APPLIED = 0, /* until reads see it */
    KITH_WAIT_DURABLE = 1  /* until it cannot be lost */
} kith_wait;

/* What became of one write. Operations apply in order; one that names a missing point
 * fails alone with KITH_NOT_FOUND, and those after it in the same write are not applied. */
typedef struct kith_written {
    uint64_t lsn;
    bool applied;       /* false after KITH_WAIT_DURABLE */
    bool durable;       /* false only in a database opened with durability none */
    int code;           /* outcome of the first operation that failed, or 0 */
    uint32_t failed_op; /* its index */
    kith_id missing;    /* the point it did not find; numbers and UUIDs only */
    uint64_t points;    /* points changed */
} kith_written;

/* ---- queries -------------------------------------------------------------------------------- */

typedef enum kith_query_kind {
    KITH_QUERY_SCROLL = 0, /* by id, from `from` */
    KITH_QUERY_NEAREST,    /* to `vector`, or to the stored vector of point `like` */
    KITH_QUERY_ORDER_BY,   /* by the values at `order_path`, which needs a range index */
    KITH_QUERY_RECOMMEND,  /* like `positive`, unlike `negative`, by `strategy` */
    KITH_QUERY_DISCOVER,   /* on the positive side of as many of `pairs` as can be, then nearest to `vector` or `like` */
    KITH_QUERY_CONTEXT,    /* on the positive sides of `pairs`, or as near to them as can be */
    KITH_QUERY_FEEDBACK,   /* near `vector` or `like`, moved as `positive` and their `weights`, which say how good each
                              was, teach: with `feedback` a, b, c */
    KITH_QUERY_FUSION,     /* of the prefetches, by `fusion` */
    KITH_QUERY_SAMPLE,     /* at random, each once */
    KITH_QUERY_FORMULA,    /* of the prefetches: what `formula` makes of scores and documents, the higher the better */
    KITH_QUERY_TEXT        /* by the words of `text` at `text_path`, which needs a text index that is scored: BM25, counted
                              over all live points or those of `idf_corpus`; points with none of the words are not found */
} kith_query_kind;

typedef enum kith_expr_kind {
    KITH_EXPR_NUMBER = 0,   /* `number` */
    KITH_EXPR_SCORE,        /* of prefetch `index`; `number` where that did not find the point */
    KITH_EXPR_FIELD,        /* the number at `path` */
    KITH_EXPR_CONDITION,    /* 1 if `filter` holds, else 0 */
    KITH_EXPR_GEO_DISTANCE, /* metres from lon, lat to the {lon, lat} at `path` */
    KITH_EXPR_DATETIME,     /* seconds since 1970 of the datetime at `path` */
    KITH_EXPR_SUM,          /* of all args */
    KITH_EXPR_MULT,         /* up to the first that is 0 */
    KITH_EXPR_MAX,
    KITH_EXPR_MIN,
    KITH_EXPR_NEG,          /* of one: */
    KITH_EXPR_ABS,
    KITH_EXPR_SQRT,
    KITH_EXPR_EXP,
    KITH_EXPR_LOG10,
    KITH_EXPR_LN,
    KITH_EXPR_ACOSH,
    KITH_EXPR_DIV,          /* of two; `number`, if it has one, where the second is 0 and the first is not */
    KITH_EXPR_POW,          /* of two */
    KITH_EXPR_LIN_DECAY,    /* of x and target: 1 at the target, `midpoint` at `scale` from it */
    KITH_EXPR_EXP_DECAY,
    KITH_EXPR_GAUSS_DECAY
} kith_expr_kind;

/* Errors: a value that is missing and has no `number` (or here), several values, results that are not finite. */
typedef struct kith_expr {
    kith_expr_kind kind;
    uint32_t index;
    bool has_number; /* field, datetime, geo distance (from here lon and lat), div: there is a default */
    double number;
    const char *path;
    const kith_filter *filter;
    double lon, lat, here_lon, here_lat;
    double scale, midpoint;
    const struct kith_expr *args;
    size_t args_count;
} kith_expr;

/* A vector, or that of point `like`; that one is looked up in `collection` and under `name`, where these are not NULL. */
typedef struct kith_example {
    kith_vector vector;
    const kith_id *like;
    const char *collection, *name;
} kith_example;
typedef struct kith_pair {
    kith_example positive, negative;
} kith_pair;

typedef enum kith_strategy {
    KITH_AVERAGE = 0,  /* nearest to avg(positive) + (avg(positive) - avg(negative)); needs a positive one */
    KITH_BEST_SCORE,   /* by the most similar positive one, if it is more similar than any negative one */
    KITH_SUM_SCORES    /* sum of the similarities to the positive, less those to the negative */
} kith_strategy;

typedef enum kith_fusion {
    KITH_RRF = 1, /* reciprocal ranks: sum of 1 / ((place + 1) / weight + k - 1), places from 0 (Cormack et al. 2009) */
    KITH_DBSF     /* scores, normalised by mean and deviation of their source, summed */
} kith_fusion;

/* Which parts of the hits to return. */
typedef struct kith_select {
    uint8_t doc;                 /* 0 none, 1 whole, 2 only `paths`, 3 all but `paths` */
    uint8_t vectors;             /* 0 none, 1 all, 2 those in `names` */
    const char *const *paths;
    size_t paths_count;
    const char *const *names;
    size_t names_count;
} kith_select;

typedef struct kith_query {
    kith_query_kind kind;
    const char *using_vector;  /* NULL: "" */
    kith_vector vector;        /* nearest: name unused */
    const kith_id *like;       /* nearest: instead of vector; that point is left out */
    const kith_filter *filter; /* NULL: none */
    bool has_threshold;
    float threshold;           /* distances must be below it */
    uint32_t limit;            /* 1..; 0 = 10 */
    uint32_t offset;
    uint32_t ef;               /* search width of graphs; of lists a quarter of it is looked at; 0 = from target_recall */
    uint32_t probes;           /* how many lists are looked at; 0 = from target_recall */
    float target_recall;       /* share of the true nearest to find, 0.5 to 0.999; 0 = 0.95, sparse: all */
    bool exact;
    bool indexed_only;         /* leave out what would be scanned because it has no graph yet */
    float oversampling;        /* find so many times the limit before ordering by the originals; 0 = 1 */
    bool by_codes;             /* order by the index's codes, where there are any: no original is read */
    bool explain;              /* fill kith_result.explain */
    float hop_below;           /* filtered walks visit matching rows only, if less than this share matches; at least 0.55 */
    uint32_t timeout_ms;       /* KITH_TIMEOUT after so long; 0 = never */
    const kith_id *from;       /* scroll: first id, inclusive; NULL: from the start */
    const char *order_path;
    bool descending;
    bool has_start;            /* order by: start_from, inclusive */
    double start;
    kith_select select;
    const char *like_collection, *like_name; /* where `like` is looked up; NULL: here, under using_vector */
    const kith_filter *idf_corpus; /* idf: counted over the points that match; NULL: over all */
    bool mmr;                  /* nearest: of `candidates` nearest those that are also unlike each other */
    float diversity;           /* 0 to 1 */
    uint32_t candidates;       /* 0: as many as are wanted */
    const kith_example *positive, *negative;
    size_t positive_count, negative_count;
    kith_strategy strategy;
    const kith_pair *pairs;
    size_t pairs_count;
    const float *weights;      /* rrf: one a prefetch, NULL: 1; feedback: one a positive */
    struct {
        float a, b, c;
    } feedback;
    kith_fusion fusion;
    uint32_t rrf_k;            /* 0: 2 */
    const kith_expr *formula;
    const char *text_path, *text;
    uint32_t text_size;
    struct {
        bool given;            /* else k 1.2, b 0.75 */
        float k, b;            /* not below 0; 0 to 1 */
    } bm25;
    const struct kith_query *prefetch; /* whose results this query orders anew; filters hold for those below too */
    size_t prefetch_count;
} kith_query;

typedef struct kith_hit {
    kith_id id;
    float distance;       /* of other kinds than nearest: their score, negated */
    uint64_t lsn;         /* of the point's last change */
    double order_value;   /* order by */
    bool order_integer;   /* order_value is a whole number: order_int */
    int64_t order_int;
    kith_doc doc;         /* form NONE if not asked for, else BINARY */
    const kith_vector *vectors;
    size_t vectors_count;
} kith_hit;

/* All of it is owned by the result and lives until kith_result_free. */
typedef struct kith_result {
    kith_hit *hits;
    size_t count;
    bool has_next;       /* scroll: there is more, from `next` */
    kith_id next;
    uint64_t lsn;        /* the state that was read */
    const char *explain; /* JSON: one plan per segment; NULL if not asked for */
} kith_result;

/* ---- databases ------------------------------------------------------------------------------ */

typedef struct kith_db kith_db;

typedef enum kith_durability {
    KITH_DURABLE_GROUP = 0, /* one sync for all writers of a moment; the default */
    KITH_DURABLE_NONE = 1   /* a crash of the machine may lose what was just acknowledged */
} kith_durability;

typedef struct kith_options {
    kith_durability durability;
    uint32_t threads;           /* background threads; 0 = one per core */
    uint64_t memory_bytes;      /* bounds growing data (1/16 a segment) and graphs (1/2); 0 = half of RAM */
    uint32_t growing_rows_max;  /* rows in memory before they are sealed; 0 = 50,000 */
    uint64_t log_file_bytes;    /* 0 = 64 MiB */
    uint64_t log_keep_bytes;    /* so much of the log stays when nothing needs it but backups to come (kith_backup_make) */
} kith_options;

typedef struct kith_collection_info {
    char *name;
    uint64_t id;
    uint64_t points;
    uint64_t indexed_vectors; /* those reached by a graph */
    uint64_t segments;
    uint64_t backlog_rows;    /* rows waiting for a graph */
    uint64_t lsn;
    bool optimizing;
    char *problem;            /* NULL, or why the collection does not take writes */
    kith_schema schema;       /* owned by the info */
    uint64_t *field_points;   /* per schema field: points that have an indexed value */
    uint64_t created_ms;      /* since 1970 */
} kith_collection_info;

typedef struct kith_names {
    char **names;
    size_t count;
} kith_names;

typedef struct kith_stats {
    uint64_t collections, loaded; /* all; those in memory: idle ones are not */
    uint64_t log_lsn, log_bytes, memory_bytes, memory_budget_bytes;
    uint64_t commits, records, seals, merges, graph_builds, graph_links;
    bool durable; /* false: opened with durability none */
} kith_stats;

/* Opens the database in directory `dir`, which is made if missing. `options` may be NULL.
 * Returns NULL on failure: KITH_BUSY if another process holds it, KITH_CORRUPT, KITH_IO, ... */
KITH_API kith_db *kith_open(const char *dir, const kith_options *options, kith_err *err);
/* Waits for running calls' effects, writes what a quick start wants, and frees db. NULL is fine. */
KITH_API void kith_close(kith_db *db);
KITH_API const char *kith_version(void);
/* A fixed word for a code, such as "invalid". */
KITH_API const char *kith_code_name(int code);

/* Makes a collection. KITH_EXISTS if the name is a collection or an alias. */
KITH_API int kith_create(kith_db *db, const char *name, const kith_schema *schema, kith_err *err);
/* Drops it and its aliases. Returns 1 if it was there, 0 if not. */
KITH_API int kith_drop(kith_db *db, const char *name, kith_err *err);
/* 1 if the name is a collection or an alias, else 0. */
KITH_API int kith_exists(kith_db *db, const char *name, kith_err *err);
/* For those who watch a collection in memory. Recall is what the monitor found by running some of the
 * searches that named neither a width nor exact again, exactly; low and high bound it at 95 %. */
typedef struct kith_watched {
    uint64_t points, backlog;  /* live points; rows that wait for a graph */
    uint64_t recall_samples;   /* searches checked since the effort was last changed */
    double recall, recall_low, recall_high;
    double effort;             /* factor of all widths, 1 unless the monitor had to correct */
} kith_watched;
/* 1; 0 if it is not there, or idle. Loads nothing, and does not count as use. */
KITH_API int kith_watch(kith_db *db, const char *name, kith_watched *ret_watched);
/* The names of all collections, sorted; kith_names_free. */
KITH_API int kith_list(kith_db *db, kith_names *ret_names, kith_err *err);
KITH_API void kith_names_free(kith_names *names);
/* kith_info_free releases what is in it. */
KITH_API int kith_info(kith_db *db, const char *name, kith_collection_info *ret_info, kith_err *err);
KITH_API void kith_info_free(kith_collection_info *info);
/* What a collection takes, part by part: "ids" (with their versions), "documents", "field", "vectors", "index",
 * "postings", "changes" (deletions and documents over sealed rows), "growing" (of rows not sealed yet: all else). `name`: of the
 * field or vector, else "". */
typedef struct kith_memory_part {
    const char *what;
    char *name;
    uint64_t stored; /* bytes in files, which are mapped: the system keeps of them what is used */
    uint64_t held;   /* bytes of memory beside them */
} kith_memory_part;
typedef struct kith_memory {
    kith_memory_part *parts;
    size_t count;
} kith_memory;
/* Loads the collection if it is idle. kith_memory_free releases what is in it. */
KITH_API int kith_memory_get(kith_db *db, const char *name, kith_memory *ret_memory, kith_err *err);
KITH_API void kith_memory_free(kith_memory *memory);
/* The schema alone, without counting anything; free with kith_schema_free. */
KITH_API int kith_schema_get(kith_db *db, const char *name, kith_schema *ret_schema, kith_err *err);
KITH_API void kith_schema_free(kith_schema *schema);
/* Replaces the kept configuration text. */
KITH_API int kith_configure(kith_db *db, const char *name, const char *config, kith_err *err);
/* Replaces config (NULL: leaves it as it is), index and, of a sparse one, idf of the vector `params->name`; what else is
 * in `params` is not looked at. What has no index yet, or one of another method, other codes or another number of lists,
 * gets it in the background, and is searched as it is until then; other links and build width count from the next merge
 * on. Under KITH_METHOD_FLAT indexes are no longer used. */
KITH_API int kith_configure_vector(kith_db *db, const char *name, const kith_vector_params *params, kith_err *err);

/* Another vector, which no point has yet. KITH_EXISTS. */
KITH_API int kith_vector_add(kith_db *db, const char *name, const kith_vector_params *params, kith_err *err);
/* Takes it from all points at once; its place in files comes free as they are merged. KITH_NOT_FOUND. */
KITH_API int kith_vector_drop(kith_db *db, const char *name, const char *vector, kith_err *err);

typedef struct kith_alias_change {
    const char *alias;
    const char *target;  /* a collection; NULL: remove the alias */
    const char *renamed; /* a new name for the alias; target is then unused */
} kith_alias_change;
/* All changes or none, in order. */
KITH_API int kith_alias(kith_db *db, const kith_alias_change *changes, size_t count, kith_err *err);
/* Pairs alias, collection, alias, collection, ... sorted by alias; kith_names_free. */
KITH_API int kith_aliases(kith_db *db, kith_names *ret_pairs, kith_err *err);

/* Adds or replaces one field (its index is built in the background; answers are exact meanwhile). */
KITH_API int kith_field_put(kith_db *db, const char *name, const kith_field *field, kith_err *err);
/* Returns 1 if there was such a field, else 0. */
KITH_API int kith_field_drop(kith_db *db, const char *name, const char *path, kith_err *err);

/* Applies `count` operations as one atomic record. Blocks as `wait` says.
 * A failure found while applying is in ret_written (which may be NULL) and is also returned. */
KITH_API int kith_write(kith_db *db, const char *name, const kith_op *ops, size_t count, kith_wait wait,
                        kith_written *ret_written, kith_err *err);
/* The same without blocking: `done` is called once, from any thread, when the wait is over, unless
 * this function itself fails. It must not block. After `timeout_ms` (0: never; it is looked at four times a second)
 * the code is KITH_TIMEOUT; the write goes on. */
typedef void (*kith_done)(void *arg, int code, const kith_written *written);
KITH_API int kith_write_async(kith_db *db, const char *name, const kith_op *ops, size_t count, kith_wait wait,
                              uint32_t timeout_ms, kith_done done, void *arg, kith_err *err);

/* Runs a query. The result is the caller's: kith_result_free. */
KITH_API kith_result *kith_query_run(kith_db *db, const char *name, const kith_query *query, kith_err *err);
/* The best points by what they hold at `group_by`: whole numbers and strings, each of an array's, are groups, of which
 * query->limit (0 = 10) are found, the one with the best point first, and of each the `group_size` (0 = 3) best points.
 * The query's offset is not looked at. kith_groups_free. */
typedef struct kith_group {
    kith_value id;
    const kith_hit *hits;
    size_t count;
} kith_group;
typedef struct kith_groups {
    kith_group *groups;
    size_t count;
} kith_groups;
KITH_API kith_groups *kith_query_groups(kith_db *db, const char *name, const kith_query *query, const char *group_by,
                                        uint32_t group_size, kith_err *err);
KITH_API void kith_groups_free(kith_groups *groups);
/* How many points have each value of an indexed field (keyword, integer, bool, uuid), under a filter (NULL: all): the
 * `limit` (0 = 10) most frequent, ties by value. Exact. kith_facets_free. */
typedef struct kith_facet {
    kith_value value;
    uint64_t count;
} kith_facet;
typedef struct kith_facets {
    kith_facet *facets;
    size_t count;
} kith_facets;
KITH_API kith_facets *kith_facet_count(kith_db *db, const char *name, const char *path, const kith_filter *filter,
                                       uint32_t limit, uint32_t timeout_ms, kith_err *err);
KITH_API void kith_facets_free(kith_facets *facets);
/* What is to be known of the values at a path: numbers, or (times) datetimes, as microseconds since 1970; of counts and
 * distinct any but null. Each item of an array counts, and what stands several times in a document once. */
typedef enum kith_measure_kind {
    KITH_MEASURE_COUNT = 0, KITH_MEASURE_DISTINCT, KITH_MEASURE_MIN, KITH_MEASURE_MAX, KITH_MEASURE_SUM,
    KITH_MEASURE_AVERAGE, KITH_MEASURE_HISTOGRAM
} kith_measure_kind;
typedef struct kith_measure {
    kith_measure_kind kind;
    const char *path; /* NULL: of a count: the points themselves */
    bool times;
    double interval, origin; /* histogram: how wide a bucket is, above 0; where one of them begins */
} kith_measure;
typedef struct kith_bucket {
    double from;
    uint64_t count;
} kith_bucket;
typedef struct kith_measured {
    uint64_t count;    /* values */
    uint64_t distinct; /* different ones; of KITH_MEASURE_DISTINCT only */
    double value;      /* min, max, sum, average; NAN: there were no values (a sum is 0) */
    bool integer;      /* it is `num`, exactly */
    int64_t num;
    kith_bucket *buckets; /* those with values, ascending */
    size_t buckets_count;
} kith_measured;
typedef struct kith_aggregated {
    kith_value id; /* of a group; else of kind 0 */
    uint64_t points;
    kith_measured *measured; /* one a measure */
} kith_aggregated;
typedef struct kith_aggregates {
    kith_aggregated *groups; /* the largest first, ties by id */
    size_t count;
} kith_aggregates;
/* Up to 64 measures over the points that match `filter` (NULL: all); or, with `group_by`, over those of each value there
 * (whole numbers, strings, booleans; each of an array's), `limit` (0 = 10) groups of at most 65,536. Exact.
 * `timeout_ms` as in a query. kith_aggregates_free. */
KITH_API kith_aggregates *kith_aggregate(kith_db *db, const char *name, const kith_measure *measures, size_t count,
                                         const char *group_by, const kith_filter *filter, uint32_t limit,
                                         uint32_t timeout_ms, kith_err *err);
KITH_API void kith_aggregates_free(kith_aggregates *aggregates);
/* Points by id, in the order asked; missing ones are skipped. `select` NULL: documents, no vectors.
 * `timeout_ms` as in a query. */
KITH_API kith_result *kith_get(kith_db *db, const char *name, const kith_id *ids, size_t count,
                               const kith_select *select, uint32_t timeout_ms, kith_err *err);
KITH_API void kith_result_free(kith_result *result);
/* Points that match; filter NULL: all. `exact` false may answer from estimates. Negative on failure. */
KITH_API int64_t kith_count(kith_db *db, const char *name, const kith_filter *filter, bool exact,
                            uint32_t timeout_ms, kith_err *err);

/* A pinned state: reads through it see one LSN whatever is written meanwhile. */
typedef struct kith_view kith_view;
KITH_API kith_view *kith_view_pin(kith_db *db, const char *name, kith_err *err);
KITH_API void kith_view_unpin(kith_view *view);
KITH_API kith_result *kith_view_query(kith_view *view, const kith_query *query, kith_err *err);

/* ---- snapshots ------------------------------------------------------------------------------ */

/* A state of a collection, or of all of them with the aliases, kept under a name. Nothing is copied: it shares its
 * files with the collection, and holds those that this one lets go of. Collections that are dropped leave theirs. */
typedef struct kith_snapshot {
    char *name; /* <collection>-1-<time>.snapshot; full-snapshot-<time>.snapshot */
    uint64_t created_ms; /* since 1970 */
    uint64_t size;       /* bytes of its file */
} kith_snapshot;
typedef struct kith_snapshots {
    kith_snapshot *snapshots; /* by name */
    size_t count;
} kith_snapshots;
/* In all of them `collection` NULL means: of all collections. Holds what was acknowledged before the call; one
 * collection is caught after the other. `ret_made` has one; kith_snapshots_free. */
KITH_API int kith_snapshot_create(kith_db *db, const char *collection, kith_snapshots *ret_made, kith_err *err);
KITH_API int kith_snapshot_list(kith_db *db, const char *collection, kith_snapshots *ret_snapshots, kith_err *err);
KITH_API void kith_snapshots_free(kith_snapshots *snapshots);
/* 1, or 0 if there was none. */
KITH_API int kith_snapshot_drop(kith_db *db, const char *collection, const char *name, kith_err *err);
/* The state becomes that of collection `to`, which is made, or replaced at once; `to` NULL: of those it was made of,
 * with the aliases. Versions of later writes lie above all restored ones. */
KITH_API int kith_snapshot_restore(kith_db *db, const char *collection, const char *name, const char *to,
                                   kith_err *err);
/* The snapshot as a file (docs/format/snapshot.md): `most` of its bytes from `offset` on, how many is returned; 0 at
 * its end. It stays readable if the snapshot is dropped. One thread at a time; kith_snapshot_close. */
typedef struct kith_snapshot_file kith_snapshot_file;
KITH_API kith_snapshot_file *kith_snapshot_open(kith_db *db, const char *collection, const char *name, kith_err *err);
KITH_API uint64_t kith_snapshot_size(const kith_snapshot_file *file);
KITH_API size_t kith_snapshot_read(kith_snapshot_file *file, uint64_t offset, void *to, size_t most);
KITH_API void kith_snapshot_close(kith_snapshot_file *file);
/* The parts of such a file: they never change, and no other database gives theirs the same names. Whoever restored an
 * earlier state, or this one, has many of them; kith_names_free. */
KITH_API int kith_snapshot_parts(const kith_snapshot_file *file, kith_names *ret_parts, kith_err *err);
/* Before anything is read: leaves out the parts of these names, because the receiver has them. How many are left. */
KITH_API int kith_snapshot_omit(kith_snapshot_file *file, const kith_names *parts, size_t *ret_left, kith_err *err);
/* Restores from such a file, of this database or another one. Checksums are verified before anything changes. Parts that
 * it lacks must be here: those of any collection or snapshot that stays meanwhile; else KITH_INVALID names one. */
KITH_API int kith_snapshot_import(kith_db *db, const void *data, size_t size, const char *to, kith_err *err);

/* ---- backups -------------------------------------------------------------------------------- */

/* A directory of backups of one database: what is in files is copied once, whatever the number of backups, and the log
 * goes on from one to the next, so that between them any record can be the last one restored. Names, aliases and schemas
 * are those of the backup. */
typedef struct kith_backup {
    char *name;          /* 2026-11-22-07-30-00-000 */
    uint64_t created_ms; /* since 1970 */
    uint64_t lsn;        /* the last record that it has */
    uint64_t reach;      /* in a list: the last one up to which it can be restored */
    uint64_t copied;     /* one just made: bytes of files that were not there yet */
} kith_backup;
typedef struct kith_backups {
    kith_backup *backups; /* oldest first */
    size_t count;
} kith_backups;
/* Backs up all collections into `dir`, which is made if it is not there; writes go on. The `keep` newest stay (0: all).
 * `ret_made` has one; kith_backups_free. KITH_INVALID: `dir` has another database's; KITH_BUSY: another is at work there;
 * KITH_CORRUPT: a collection or a file is damaged, and nothing was made. */
KITH_API int kith_backup_make(kith_db *db, const char *dir, uint32_t keep, kith_backups *ret_made, kith_err *err);
KITH_API int kith_backup_list(const char *dir, kith_backups *ret_backups, kith_err *err);
KITH_API void kith_backups_free(kith_backups *backups);
/* Makes a database in `to`, which is empty or not there: the newest backup in `dir` that is not after `lsn` and `time_ms`
 * (each 0: any), or the one of this name (NULL: any), and the log up to `lsn` or `time_ms` (of the server's clock when a
 * record was written); without either as the backup was. `ret_lsn`, which may be NULL: the last record it has. It is then
 * another database: its own backups need another directory. KITH_NOT_FOUND, KITH_EXISTS. */
KITH_API int kith_backup_restore(const char *dir, const char *name, uint64_t lsn, uint64_t time_ms, const char *to,
                                 uint64_t *ret_lsn, kith_err *err);

/* ---- upkeep --------------------------------------------------------------------------------- */

/* Seals growing data, builds missing graphs and indexes, publishes; returns when all is done. */
KITH_API int kith_optimize(kith_db *db, const char *name, kith_err *err);
/* Writes a manifest of the present state so that the log can be trimmed. */
KITH_API int kith_checkpoint(kith_db *db, const char *name, kith_err *err);
/* 128-bit sum over the live points' ids, LSNs and contents: equal states have equal digests. */
KITH_API int kith_digest(kith_db *db, const char *name, uint64_t ret_digest[2], kith_err *err);
KITH_API void kith_stats_get(kith_db *db, kith_stats *ret_stats);
/* Reads everything in a closed database and reports each problem by `report`.
 * Returns the number of problems, or a negative code. */
typedef void (*kith_report)(void *arg, const char *text);
KITH_API int kith_check(const char *dir, kith_report report, void *arg, kith_err *err);

/* ---- small helpers -------------------------------------------------------------------------- */

/* The JSON text of a document; free with kith_free. NULL when memory is short. */
KITH_API char *kith_doc_json(const kith_doc *doc, size_t *ret_size);
KITH_API void kith_free(void *p);
/* Fixed words, such as "cosine" and "f32". */
KITH_API const char *kith_metric_name(kith_metric metric);
KITH_API const char *kith_element_name(kith_element element);
KITH_API size_t kith_vector_size(const kith_vector *v); /* bytes of its data */
/* The elements as f32, a bit as 0 or 1; `to` has room for all of them. Not for sparse vectors. */
KITH_API void kith_vector_f32(const kith_vector *v, float *to);
KITH_API kith_id kith_id_num(uint64_t num);
/* Reads 36-character, 32-digit, urn: and braced forms. Returns 0 or KITH_INVALID. */
KITH_API int kith_id_uuid(const char *text, kith_id *ret_id);
KITH_API kith_id kith_id_str(const char *text);
/* Writes the usual text of an id, at most `size` bytes with the final 0. */
KITH_API void kith_id_text(const kith_id *id, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
