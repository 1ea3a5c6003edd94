/* backup.h - a directory of backups, as making and restoring share it (docs/format/backup.md). */
#ifndef ENGINE_BACKUP_H
#define ENGINE_BACKUP_H

#include "store/blob.h"
#include "store/log.h"
#include "store/meta.h"

/* One of them, as its file has it. */
struct backup {
    char name[32];
    uint64_t created_ms;
    uint64_t lineage; /* of the database; a restored one has another */
    uint64_t upto;    /* the last record it covers: what its facts do not cover is in the log */
    uint64_t from;    /* the first record that they do not: none before it is needed */
    uint64_t run;     /* the run of the log that has it, by its first record */
    struct meta_change *facts;
    size_t facts_count;
    const char **blobs;
    size_t blobs_count;
};

/* The directory, held by its lock. */
struct backup_dir {
    char *path, *backups, *log; /* in the arena */
    struct os_file *lock;
    struct blob_store *blobs;
    struct backup *list; /* oldest first */
    size_t count;
};
/* Everything is in the arena of `c`. KITH_NOT_FOUND: no backups are there, and `make` is false. */
int backup_dir_open(struct ctx *c, const char *path, bool make, struct backup_dir *ret_dir);
void backup_dir_close(struct backup_dir *d);
int backup_dir_list(struct ctx *c, struct backup_dir *d); /* reads the list anew */
/* One run, as a log: what was copied without a gap. */
int backup_run_open(struct ctx *c, const struct backup_dir *d, uint64_t run, struct log **ret_log);
char *backup_run_path(struct ctx *c, const struct backup_dir *d, uint64_t run);
enum { BACKUP_LOG_FILE = 256 << 20 };

int backup_write(struct ctx *c, const struct backup_dir *d, const struct backup *b);

#endif
