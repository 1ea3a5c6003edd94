/* blob.h - immutable named bytes: complete or absent, never overwritten. */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "base/base.h"

#include <stdatomic.h>

struct blob_store;
struct blob;
struct blob_writer;

struct blob_ops {
    const char *name;
    int (*create)(struct ctx *c, struct blob_store *s, const char *key, struct blob_writer **ret_writer);
    int (*append)(struct ctx *c, struct blob_writer *w, const void *data, size_t size);
    /* Durable under its key once this returns 0. Frees the writer either way. */
    int (*commit)(struct ctx *c, struct blob_writer *w);
    void (*abort)(struct blob_writer *w); /* NULL is fine */
    /* The whole of it, readable at `data` until close. KITH_NOT_FOUND if absent. */
    int (*open)(struct ctx *c, struct blob_store *s, const char *key, struct blob **ret_blob);
    void (*close)(struct blob *b); /* NULL is fine */
    int (*remove)(struct ctx *c, struct blob_store *s, const char *key); /* 0 also if absent */
    int (*list)(struct ctx *c, struct blob_store *s, int (*each)(void *arg, const char *key), void *arg);
    void (*free)(struct blob_store *s);
};

struct blob_store {
    const struct blob_ops *ops;
    atomic_ullong copied; /* bytes that readers hold in memory of their own; who copies counts them */
    uint64_t copied_max;  /* beyond it maps must do */
};

struct blob {
    const struct blob_ops *ops;
    const uint8_t *data;
    size_t size;
};

struct blob_writer {
    const struct blob_ops *ops;
    uint64_t written;
};

/* A whole one at once: durable under its key, or absent. */
int blob_put(struct ctx *c, struct blob_store *s, const char *key, struct bytes data);

/* Blobs as files of a directory. Left-over temporary files are removed when it is opened. */
int blob_dir_open(struct ctx *c, const char *dir, struct blob_store **ret_store);
int blob_mem_open(struct ctx *c, struct blob_store **ret_store);

#endif
