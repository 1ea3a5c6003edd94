/* sqlite_vfs.h - SQLite's files through struct os, so that the lying disk lies to it too. */
#ifndef STORE_SQLITE_VFS_H
#define STORE_SQLITE_VFS_H

#include "base/base.h"

struct sqlite_vfs;

/* Registers a file system of its own for each open database; `dir` is synced after deletions. */
int sqlite_vfs_new(struct ctx *c, const char *dir, struct sqlite_vfs **ret_vfs);
const char *sqlite_vfs_name(const struct sqlite_vfs *v);
void sqlite_vfs_free(struct sqlite_vfs *v); /* NULL is fine */

#endif
