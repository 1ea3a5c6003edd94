/* options.c - reading the arguments of a command. */
#include "cmd/options.h"

#include <stdlib.h>

static const struct option_row *row_of(const struct option_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

int options_read(const char *command, const struct option_row *rows, size_t n, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const struct option_row *row = row_of(rows, n, argv[i]);
        if (!row)
            return cmd_fail("%s: %s: unknown option", command, argv[i]);
        if (row->flag) {
            *row->flag = true;
            continue;
        }
        if (i + 1 == argc)
            return cmd_fail("%s: %s: expected a value", command, argv[i]);
        if (row->count && *row->count == row->most)
            return cmd_fail("%s: %s: at most %zu times", command, argv[i], row->most);
        i++;
        row->to[row->count ? (*row->count)++ : 0] = argv[i];
    }
    return 0;
}

bool options_have(int argc, char **argv, const char *name)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return false;
}

bool option_number(const char *text, uint64_t most, uint64_t *ret)
{
    size_t digits = strspn(text, "0123456789");

    if (!digits || digits > 18 || text[digits])
        return false;
    *ret = strtoull(text, NULL, 10);
    return *ret <= most;
}
