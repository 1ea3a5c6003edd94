/* data.h - reading data sets: NumPy arrays and JSON lines, plain or zstd. */
#ifndef CMD_DATA_H
#define CMD_DATA_H

#include "base/ctx.h"

/* A matrix of f32, whatever the file holds (f4, f2, i1). */
struct matrix {
    float *data;
    uint64_t rows;
    uint32_t columns;
};

int matrix_read(struct ctx *c, const char *path, struct matrix *ret);
void matrix_release(struct matrix *m);

/* Of vectors of f32; 0: there is none of that name. */
kith_metric metric_named(const char *name);

/* All lines of a file; `.zst` is unpacked. */
struct lines {
    char *text;
    size_t size;
    struct bytes *at;
    size_t count;
};
int lines_read(struct ctx *c, const char *path, struct lines *ret);
void lines_release(struct lines *l);

#endif
