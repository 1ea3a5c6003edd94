/* cmd.h - subcommands of the one binary. Each gets its own arguments and returns the exit status. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "cmd/config.h"

int cmd_serve(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_copy(int argc, char **argv); /* import --from-qdrant */
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* Prints "kith: text" to stderr and returns 1. */
int cmd_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
