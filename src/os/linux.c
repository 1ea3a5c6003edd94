/* linux.c - the real world. */
#define _GNU_SOURCE
#include "os/os.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct linux_file {
    struct os_file base;
    int fd;
};

struct os_thread {
    pthread_t id;
    bool background;
    void (*run)(void *);
    void *arg;
};

static int fd_of(struct os_file *f)
{
    return container_of(f, struct linux_file, base)->fd;
}

static int linux_read(struct os_file *f, uint64_t offset, void *data, size_t size, size_t *ret_size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd_of(f), (char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_size = done;
    return 0;
}

static int linux_write(struct os_file *f, uint64_t offset, const void *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = pwrite(fd_of(f), (const char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int linux_sync(struct os_file *f)
{
    return fdatasync(fd_of(f)) < 0 ? -errno : 0; /* EINTR included: a failed sync is never repeated */
}

static int linux_size(struct os_file *f, uint64_t *ret_size)
{
    struct stat st;

    if (fstat(fd_of(f), &st) < 0)
        return -errno;
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static int linux_truncate(struct os_file *f, uint64_t size)
{
    return ftruncate(fd_of(f), (off_t)size) < 0 ? -errno : 0;
}

static int linux_lock(struct os_file *f)
{
    if (flock(fd_of(f), LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return 0;
}

static int linux_map(struct os_file *f, size_t size, const uint8_t **ret_data)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd_of(f), 0);

    if (p == MAP_FAILED)
        return -errno;
    *ret_data = p;
    return 0;
}

static void linux_unmap(struct os_file *f, const uint8_t *data, size_t size)
{
    UNUSED(f);
    if (data)
        munmap((void *)(uintptr_t)data, size);
}

static void linux_close(struct os_file *f)
{
    struct linux_file *file = container_of(f, struct linux_file, base);

    close(file->fd);
    mem_free(file);
}

static const struct os_file_ops linux_file_ops = {
    .read = linux_read,
    .write = linux_write,
    .sync = linux_sync,
    .size = linux_size,
    .truncate = linux_truncate,
    .lock = linux_lock,
    .map = linux_map,
    .unmap = linux_unmap,
    .close = linux_close,
};

static int linux_open(const struct os *os, const char *path, unsigned flags, struct os_file **ret_file)
{
    struct linux_file *file;
    int fd, mode = flags & OS_WRITE ? O_RDWR : O_RDONLY;

    UNUSED(os);
    mode |= O_CLOEXEC;
    mode |= flags & OS_CREATE ? O_CREAT : 0;
    mode |= flags & OS_EXCLUSIVE ? O_EXCL : 0;
    mode |= flags & OS_TRUNCATE ? O_TRUNC : 0;
    do
        fd = open(path, mode, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    file = mem_zalloc(sizeof *file);
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    file->base.ops = &linux_file_ops;
    file->fd = fd;
    *ret_file = &file->base;
    return 0;
}

static int linux_rename(const struct os *os, const char *from, const char *to)
{
    UNUSED(os);
    return rename(from, to) < 0 ? -errno : 0;
}

static int linux_remove(const struct os *os, const char *path)
{
    UNUSED(os);
    return remove(path) < 0 ? -errno : 0;
}

static int linux_link(const struct os *os, const char *from, const char *to)
{
    UNUSED(os);
    return link(from, to) < 0 ? -errno : 0;
}

static int linux_mkdir(const struct os *os, const char *path)
{
    UNUSED(os);
    return mkdir(path, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

static int linux_sync_dir(const struct os *os, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    UNUSED(os);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static int linux_list(const struct os *os, const char *path, int (*each)(void *, const char *), void *arg)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int rc = 0;

    UNUSED(os);
    if (!dir)
        return -errno;
    while (rc >= 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = each(arg, entry->d_name);
    }
    if (rc >= 0 && errno)
        rc = -errno;
    closedir(dir);
    return rc;
}

static int linux_exists(const struct os *os, const char *path)
{
    struct stat st;

    UNUSED(os);
    if (stat(path, &st) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

static int linux_space(const struct os *os, const char *path, struct os_space *ret_space)
{
    struct statvfs st;

    UNUSED(os);
    if (statvfs(path, &st) < 0)
        return -errno;
    ret_space->total = (uint64_t)st.f_blocks * st.f_frsize;
    ret_space->available = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t linux_wall_ns(const struct os *os)
{
    UNUSED(os);
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t linux_mono_ns(const struct os *os)
{
    UNUSED(os);
    return clock_ns(CLOCK_MONOTONIC);
}

static void linux_random(const struct os *os, void *data, size_t size)
{
    UNUSED(os);
    while (size > 0) {
        ssize_t n = getrandom(data, MIN(size, (size_t)256), 0);
        if (n < 0)
            continue; /* EINTR only: the pool is ready long before us */
        data = (char *)data + n;
        size -= (size_t)n;
    }
}

static void *thread_main(void *arg)
{
    struct os_thread *thread = arg;

    if (thread->background) /* a hint: nothing depends on it */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    thread->run(thread->arg);
    return NULL;
}

static int linux_thread(const struct os *os, const char *name, bool background, void (*run)(void *), void *arg,
                        struct os_thread **ret_thread)
{
    struct os_thread *thread = mem_zalloc(sizeof *thread);
    int rc;

    UNUSED(os);
    if (!thread)
        return -ENOMEM;
    thread->background = background;
    thread->run = run;
    thread->arg = arg;
    rc = pthread_create(&thread->id, NULL, thread_main, thread);
    if (rc) {
        mem_free(thread);
        return -rc;
    }
    pthread_setname_np(thread->id, name);
    *ret_thread = thread;
    return 0;
}

static void linux_join(const struct os *os, struct os_thread *thread)
{
    UNUSED(os);
    if (!thread)
        return;
    pthread_join(thread->id, NULL);
    mem_free(thread);
}

const struct os *os_linux(void)
{
    static const struct os world = {
        .open = linux_open,
        .rename = linux_rename,
        .remove = linux_remove,
        .link = linux_link,
        .mkdir = linux_mkdir,
        .sync_dir = linux_sync_dir,
        .list = linux_list,
        .exists = linux_exists,
        .space = linux_space,
        .wall_ns = linux_wall_ns,
        .mono_ns = linux_mono_ns,
        .random = linux_random,
        .thread = linux_thread,
        .join = linux_join,
        .file = &linux_file_ops,
    };
    return &world;
}

unsigned os_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : (unsigned)n;
}

static uint64_t number_in(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long n = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%llu", &n) != 1)
        n = 0;
    fclose(f);
    return n;
}

uint64_t os_memory_bytes(void)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = number_in("/sys/fs/cgroup/memory.max");

    return group && group < all ? group : all;
}

void os_pause(uint32_t us)
{
    struct timespec t = {us / 1000000, (long)(us % 1000000) * 1000};

    (void)nanosleep(&t, NULL);
}

int os_send(int fd, const void *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    return sent < 0 ? -errno : (int)sent;
}

int os_receive(int fd, void *data, size_t size, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (poll(&p, 1, ms) <= 0)
        return -EAGAIN;
    got = recv(fd, data, size, MSG_DONTWAIT);
    return got < 0 ? -errno : (int)got;
}

/* Pages in memory: all, and those of files. */
static void count_pages(unsigned long long *ret_all, unsigned long long *ret_of_files)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long size;

    *ret_all = *ret_of_files = 0;
    if (f && fscanf(f, "%llu %llu %llu", &size, ret_all, ret_of_files) != 3)
        *ret_all = *ret_of_files = 0;
    if (f)
        fclose(f);
}

uint64_t os_resident_bytes(void)
{
    unsigned long long all, of_files;

    count_pages(&all, &of_files);
    return all * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t os_anonymous_bytes(void)
{
    unsigned long long all, of_files;

    count_pages(&all, &of_files);
    return (all - of_files) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_entries(const char *path)
{
    DIR *d = opendir(path);
    uint64_t n = 0;

    for (const struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static uint64_t count_lines(const char *path)
{
    FILE *f = fopen(path, "re");
    uint64_t n = 0;

    for (int ch; f && (ch = getc(f)) != EOF;)
        n += ch == '\n';
    if (f)
        fclose(f);
    return n;
}

void os_process_look(struct os_process *ret)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    unsigned long long most = 0;
    struct rusage used = {0};
    struct rlimit files = {0};

    if (f && fscanf(f, "%llu", &most) != 1)
        most = 0;
    if (f)
        fclose(f);
    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &files);
    *ret = (struct os_process){.threads = count_entries("/proc/self/task"), .open_files = count_entries("/proc/self/fd"),
                               .max_files = files.rlim_cur, .mappings = count_lines("/proc/self/maps"),
                               .max_mappings = most, .minor_faults = (uint64_t)used.ru_minflt,
                               .major_faults = (uint64_t)used.ru_majflt};
}
