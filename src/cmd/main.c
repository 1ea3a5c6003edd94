/* main.c - kith <command>. */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"serve", cmd_serve, "run the server"},
    {"import", cmd_import, "load documents and vectors into a running server's database or a directory"},
    {"backup", cmd_backup, "back up a database, or what a running server holds; list backups"},
    {"restore", cmd_restore, "make a database of a backup, as of any moment that its log has"},
    {"info", cmd_info, "say what a database holds"},
    {"check", cmd_check, "verify every checksum and invariant of a closed database"},
    {"bench", cmd_bench, "measure load, search and durable writes through the library"},
};

int cmd_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("kith: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

static int usage(FILE *to)
{
    fprintf(to, "usage: kith <command> [<options>]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(to, "    %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "    %-10s %s\n\n'kith <command> --help' tells the options of a command.\n", "version",
            "print the version");
    return to == stderr;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("kith %s\n", kith_version());
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    return cmd_fail("'%s' is not a command; see 'kith --help'", argv[1]);
}
