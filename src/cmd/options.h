/* options.h - what stands behind a command: --name value, and flags without one. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "cmd/cmd.h"

struct option_row {
    const char *name;  /* with its dashes */
    const char **to;   /* takes a value; with `count`, an array of `most` of them */
    size_t *count, most;
    bool *flag;        /* or takes none */
};

/* 0, or 1 after saying what is wrong. */
int options_read(const char *command, const struct option_row *rows, size_t n, int argc, char **argv);
bool options_have(int argc, char **argv, const char *name);
/* A whole number up to `most`; false: it is none. */
bool option_number(const char *text, uint64_t most, uint64_t *ret);

#endif
