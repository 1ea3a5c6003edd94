/* os.h - the world as a struct: files, maps, clock, random bytes, threads.
 *
 * os_linux() is the real one; tests/sim has a seeded one whose disk lies the way disks do. Nothing
 * outside this room makes a system call. Functions return 0 or more, or a negative errno value.
 *
 * What the engine may rely on: a write is durable after `sync` of its file, a name (created,
 * renamed, removed) after `sync_dir` of its directory, and nothing else is. A failed sync is
 * reported once; the file's unsynced content is then unknown for ever. */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/base.h"

struct os_file;
struct os_thread;

enum { OS_READ = 1, OS_WRITE = 2, OS_CREATE = 4, OS_EXCLUSIVE = 8, OS_TRUNCATE = 16 };

struct os_space {
    uint64_t total, available; /* bytes */
};

struct os {
    int (*open)(const struct os *os, const char *path, unsigned flags, struct os_file **ret_file);
    int (*rename)(const struct os *os, const char *from, const char *to);
    int (*remove)(const struct os *os, const char *path);
    int (*link)(const struct os *os, const char *from, const char *to);
    int (*mkdir)(const struct os *os, const char *path); /* 0 also if it is there */
    int (*sync_dir)(const struct os *os, const char *path);
    /* names without . and ..; each as `name`, in any order */
    int (*list)(const struct os *os, const char *path, int (*each)(void *arg, const char *name), void *arg);
    int (*exists)(const struct os *os, const char *path); /* 1 or 0 */
    int (*space)(const struct os *os, const char *path, struct os_space *ret_space);
    uint64_t (*wall_ns)(const struct os *os); /* since 1970 */
    uint64_t (*mono_ns)(const struct os *os);
    void (*random)(const struct os *os, void *data, size_t size);
    /* NULL where no threads exist: whoever opened the world steps it. A background thread yields the
     * processor to those that are not. */
    int (*thread)(const struct os *os, const char *name, bool background, void (*run)(void *), void *arg,
                  struct os_thread **ret_thread);
    void (*join)(const struct os *os, struct os_thread *thread);
    const struct os_file_ops *file;
    void *world;
};

struct os_file_ops {
    /* reads exactly `size` bytes unless the file ends first; ret_size says how many */
    int (*read)(struct os_file *f, uint64_t offset, void *data, size_t size, size_t *ret_size);
    int (*write)(struct os_file *f, uint64_t offset, const void *data, size_t size);
    int (*sync)(struct os_file *f);
    int (*size)(struct os_file *f, uint64_t *ret_size);
    int (*truncate)(struct os_file *f, uint64_t size);
    int (*lock)(struct os_file *f); /* exclusive, never waits; -EAGAIN if another has it */
    int (*map)(struct os_file *f, size_t size, const uint8_t **ret_data);
    void (*unmap)(struct os_file *f, const uint8_t *data, size_t size);
    void (*close)(struct os_file *f);
};

struct os_file {
    const struct os_file_ops *ops;
};

const struct os *os_linux(void);
unsigned os_cores(void);
uint64_t os_memory_bytes(void); /* of the machine, or of the cgroup if that is less */
uint64_t os_resident_bytes(void);
uint64_t os_anonymous_bytes(void); /* resident, and not of a file */
struct os_process {
    uint64_t threads, open_files, max_files, mappings, max_mappings;
    uint64_t minor_faults, major_faults; /* since the start */
};
/* What cannot be read stays 0. */
void os_process_look(struct os_process *ret_process);
/* Sleeps for so many microseconds. */
void os_pause(uint32_t us);
/* On a socket that does not block: how many bytes went, or a negative errno. No signal is raised. */
int os_send(int fd, const void *data, size_t size);
/* Waits at most `ms` for something to read: how many bytes came, 0 at the end, -EAGAIN if nothing did. */
int os_receive(int fd, void *data, size_t size, int ms);

/* Sets the context's error from a negative errno: `return os_error(c, rc, "write", path)`. */
int os_error(struct ctx *c, int rc, const char *call, const char *path);

/* KITH_TIMEOUT once the context's deadline has passed. */
int os_in_time(struct ctx *c);
void os_deadline_in(struct ctx *c, uint32_t ms); /* 0: none */

/* Whole-file helpers on top; errors are in the context. */
int os_write_file(struct ctx *c, const char *dir, const char *name, const void *data, size_t size);
/* In the arena, with a final 0 beyond the size. */
int os_read_file(struct ctx *c, const char *path, size_t size_max, struct bytes *ret_bytes);
/* Makes a directory if it is not there: 1 if it is empty, else 0. */
int os_make_dir(struct ctx *c, const char *path);
char *os_path(struct arena *a, const char *dir, const char *name);

#endif
