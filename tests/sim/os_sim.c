/* os_sim.c - the seeded world. */
#include "os_sim.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR = 512, CLEAN = 0, DIRTY = 1, DOOMED = 2, PATH_LEN = 256 };

const char *const injection_names[INJECT_KINDS] = {
    "crash", "sector lost", "sector kept", "sector garbled", "name lost", "name kept", "sync error", "write error",
    "no space", "read error",
};

struct inode {
    char path[64]; /* first name, for traces */
    uint8_t *now, *durable;
    size_t size, durable_size, capacity;
    uint8_t *sectors; /* state of each */
    uint32_t refs;    /* names, open files, undo entries */
    bool locked;
};

struct name {
    char path[PATH_LEN];
    struct inode *inode;
};

/* One change of a directory that is not durable yet: how to undo it. */
struct undo {
    char path[PATH_LEN];
    struct inode *before; /* NULL: the name was not there */
    bool with_next;       /* a rename is undone as a whole */
};

struct sim_world {
    struct os os;
    uint64_t rng, clock;
    struct name *names;
    size_t names_count, names_capacity;
    struct undo *undos;
    size_t undos_count, undos_capacity;
    uint64_t ops, crash_at;
    bool dead;
    uint32_t fail_sync, fail_write, fail_space, fail_read;
    uint64_t injected[INJECT_KINDS];
    uint32_t generation; /* open files of an earlier one are gone */
    void (*interlude)(void *arg);
    void *interlude_arg;
};

struct sim_file {
    struct os_file base;
    struct sim_world *w;
    struct inode *inode;
    uint32_t generation;
};

static struct sim_world *world_of(const struct os *os)
{
    return os->world;
}

static uint64_t dice(struct sim_world *w, uint64_t n)
{
    return splitmix(&w->rng) % n;
}

static bool inject(struct sim_world *w, uint32_t one_in, enum injection kind)
{
    if (!one_in || dice(w, one_in) != 0)
        return false;
    w->injected[kind]++;
    return true;
}

/* Counts an operation that changes the disk; 0, or -EIO once the machine is off. */
static void trace(const struct sim_world *w, const char *what, const char *path, uint64_t n)
{
    if (getenv("SIM_TRACE"))
        fprintf(stderr, "%llu %s %s %llu%s\n", (unsigned long long)w->ops, what, path, (unsigned long long)n,
                w->dead ? " (off)" : "");
}

static int change(struct sim_world *w)
{
    if (w->dead)
        return -EIO;
    w->ops++;
    if (w->crash_at && w->ops >= w->crash_at) {
        w->dead = true;
        return -EIO;
    }
    return 0;
}

/* ---- inodes ------------------------------------------------------------------------------------------- */

static void *must(void *p)
{
    if (!p)
        abort(); /* the simulator's own memory */
    return p;
}

static void inode_unref(struct inode *n)
{
    if (!n || --n->refs)
        return;
    free(n->now);
    free(n->durable);
    free(n->sectors);
    free(n);
}

static size_t sectors_of(size_t size)
{
    return (size + SECTOR - 1) / SECTOR;
}

static void inode_grow(struct inode *n, size_t size)
{
    if (size > n->capacity) {
        size_t capacity = (size_t)align_up(MAX(size, n->capacity * 2), SECTOR), old = sectors_of(n->capacity);
        n->now = must(realloc(n->now, capacity));
        n->durable = must(realloc(n->durable, capacity));
        n->sectors = must(realloc(n->sectors, sectors_of(capacity)));
        memset(n->now + n->capacity, 0, capacity - n->capacity);
        memset(n->durable + n->capacity, 0, capacity - n->capacity);
        memset(n->sectors + old, CLEAN, sectors_of(capacity) - old);
        n->capacity = capacity;
    }
    n->size = MAX(n->size, size);
}

static void inode_sync(struct inode *n)
{
    for (size_t i = 0; i < sectors_of(n->capacity); i++) {
        if (n->sectors[i] == DIRTY) {
            memcpy(n->durable + i * SECTOR, n->now + i * SECTOR, SECTOR);
            n->sectors[i] = CLEAN;
        }
    }
    n->durable_size = n->size;
}

static void inode_crash(struct sim_world *w, struct inode *n)
{
    size_t size = n->durable_size;

    if (n->size != n->durable_size && dice(w, 2))
        size = n->size;
    for (size_t i = 0; i < sectors_of(n->capacity); i++) {
        uint64_t fate = dice(w, 10);
        if (n->sectors[i] == CLEAN)
            continue;
        if (n->sectors[i] == DIRTY && fate < 4) {
            memcpy(n->durable + i * SECTOR, n->now + i * SECTOR, SECTOR);
            w->injected[INJECT_SECTOR_KEPT]++;
        } else if (n->sectors[i] == DIRTY && fate < 5) {
            for (size_t j = 0; j < SECTOR; j += 8) {
                uint64_t noise = splitmix(&w->rng);
                memcpy(n->durable + i * SECTOR + j, &noise, 8);
            }
            w->injected[INJECT_SECTOR_GARBLED]++;
        } else {
            w->injected[INJECT_SECTOR_LOST]++;
        }
        n->sectors[i] = CLEAN;
    }
    if (n->capacity)
        memcpy(n->now, n->durable, n->capacity);
    if (size < n->capacity) {
        memset(n->now + size, 0, n->capacity - size);
        memset(n->durable + size, 0, n->capacity - size);
    }
    n->size = n->durable_size = size;
    n->locked = false;
}

/* ---- names ----------------------------------------------------------------------------------------------- */

static struct name *lookup(struct sim_world *w, const char *path)
{
    for (size_t i = 0; i < w->names_count; i++) {
        if (strcmp(w->names[i].path, path) == 0)
            return &w->names[i];
    }
    return NULL;
}

static void name_set(struct sim_world *w, const char *path, struct inode *inode)
{
    struct name *n = lookup(w, path);

    if (inode)
        inode->refs++;
    if (n) {
        inode_unref(n->inode);
        n->inode = inode;
        if (!inode)
            *n = w->names[--w->names_count];
        return;
    }
    if (!inode)
        return;
    if (w->names_count == w->names_capacity) {
        w->names_capacity = w->names_capacity ? w->names_capacity * 2 : 64;
        w->names = must(realloc(w->names, w->names_capacity * sizeof *w->names));
    }
    snprintf(w->names[w->names_count].path, PATH_LEN, "%s", path);
    w->names[w->names_count++].inode = inode;
}

static void undo_push(struct sim_world *w, const char *path, bool with_next)
{
    struct name *n = lookup(w, path);
    struct undo *u;

    if (w->undos_count == w->undos_capacity) {
        w->undos_capacity = w->undos_capacity ? w->undos_capacity * 2 : 64;
        w->undos = must(realloc(w->undos, w->undos_capacity * sizeof *w->undos));
    }
    u = &w->undos[w->undos_count++];
    snprintf(u->path, PATH_LEN, "%s", path);
    u->before = n ? n->inode : NULL;
    if (u->before)
        u->before->refs++;
    u->with_next = with_next;
}

static bool in_dir(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void undos_drop(struct sim_world *w, const char *dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->undos_count; i++) {
        if (!dir || in_dir(w->undos[i].path, dir))
            inode_unref(w->undos[i].before);
        else
            w->undos[kept++] = w->undos[i];
    }
    w->undos_count = kept;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static struct sim_file *file_of(struct os_file *f)
{
    return container_of(f, struct sim_file, base);
}

static bool gone(const struct sim_file *f)
{
    return f->w->dead || f->generation != f->w->generation;
}

static int sim_read(struct os_file *base, uint64_t offset, void *data, size_t size, size_t *ret_size)
{
    struct sim_file *f = file_of(base);
    size_t n;

    if (gone(f) || inject(f->w, f->w->fail_read, INJECT_READ_ERROR))
        return -EIO;
    n = offset >= f->inode->size ? 0 : MIN(size, f->inode->size - (size_t)offset);
    if (n)
        memcpy(data, f->inode->now + offset, n);
    *ret_size = n;
    return 0;
}

static void interlude(struct sim_file *f)
{
    if (f->w->interlude && !strstr(f->inode->path, "/log/"))
        f->w->interlude(f->w->interlude_arg);
}

static int sim_write(struct os_file *base, uint64_t offset, const void *data, size_t size)
{
    struct sim_file *f = file_of(base);
    size_t done = 0;

    interlude(f);
    if (gone(f))
        return -EIO;
    if (inject(f->w, f->w->fail_space, INJECT_NO_SPACE))
        return -ENOSPC;
    /* a crash may come in the middle: what was written so far is there, unsynced */
    while (done < size) {
        size_t piece = (size_t)SECTOR * (1 + dice(f->w, 8)), n = MIN(size - done, piece);
        TRY(change(f->w));
        if (inject(f->w, f->w->fail_write, INJECT_WRITE_ERROR))
            return -EIO;
        trace(f->w, "write", f->inode->path, offset + done);
        inode_grow(f->inode, (size_t)offset + done + n);
        memcpy(f->inode->now + offset + done, (const char *)data + done, n);
        for (size_t i = ((size_t)offset + done) / SECTOR; i <= ((size_t)offset + done + n - 1) / SECTOR; i++)
            f->inode->sectors[i] = DIRTY;
        done += n;
    }
    return 0;
}

static int sim_sync(struct os_file *base)
{
    struct sim_file *f = file_of(base);

    interlude(f);
    if (gone(f))
        return -EIO;
    TRY(change(f->w));
    trace(f->w, "sync", f->inode->path, f->inode->size);
    if (inject(f->w, f->w->fail_sync, INJECT_SYNC_ERROR)) {
        for (size_t i = 0; i < sectors_of(f->inode->capacity); i++) {
            if (f->inode->sectors[i] == DIRTY)
                f->inode->sectors[i] = DOOMED;
        }
        return -EIO;
    }
    inode_sync(f->inode);
    return 0;
}

static int sim_size(struct os_file *base, uint64_t *ret_size)
{
    *ret_size = file_of(base)->inode->size;
    return gone(file_of(base)) ? -EIO : 0;
}

static int sim_truncate(struct os_file *base, uint64_t size)
{
    struct sim_file *f = file_of(base);

    if (gone(f))
        return -EIO;
    TRY(change(f->w));
    if (size < f->inode->size) {
        memset(f->inode->now + size, 0, f->inode->size - (size_t)size);
        for (size_t i = (size_t)size / SECTOR; i < sectors_of(f->inode->size); i++)
            f->inode->sectors[i] = DIRTY;
        f->inode->size = (size_t)size;
    } else {
        inode_grow(f->inode, (size_t)size);
    }
    return 0;
}

static int sim_lock(struct os_file *base)
{
    struct sim_file *f = file_of(base);

    if (f->inode->locked)
        return -EAGAIN;
    f->inode->locked = true;
    return 0;
}

static int sim_map(struct os_file *base, size_t size, const uint8_t **ret_data)
{
    struct sim_file *f = file_of(base);
    uint8_t *copy;

    if (gone(f))
        return -EIO;
    copy = aligned_alloc(64, (size_t)align_up(size ? size : 1, 64));
    if (!copy)
        return -ENOMEM;
    memcpy(copy, f->inode->now, MIN(size, f->inode->size));
    *ret_data = copy;
    return 0;
}

static void sim_unmap(struct os_file *f, const uint8_t *data, size_t size)
{
    UNUSED(f);
    UNUSED(size);
    free((void *)(uintptr_t)data);
}

static void sim_close(struct os_file *base)
{
    struct sim_file *f = file_of(base);

    if (f->generation == f->w->generation)
        f->inode->locked = false;
    inode_unref(f->inode);
    free(f);
}

static const struct os_file_ops sim_file_ops = {
    .read = sim_read, .write = sim_write, .sync = sim_sync, .size = sim_size, .truncate = sim_truncate,
    .lock = sim_lock, .map = sim_map, .unmap = sim_unmap, .close = sim_close,
};

/* ---- the world ------------------------------------------------------------------------------------------------ */

static int sim_open(const struct os *os, const char *path, unsigned flags, struct os_file **ret_file)
{
    struct sim_world *w = world_of(os);
    struct name *n = lookup(w, path);
    struct sim_file *f;
    struct inode *inode;

    if (w->dead)
        return -EIO;
    if (!n && !(flags & OS_CREATE))
        return -ENOENT;
    if (n && flags & OS_EXCLUSIVE)
        return -EEXIST;
    if (!n) {
        TRY(change(w));
        undo_push(w, path, false);
        inode = must(calloc(1, sizeof *inode));
        snprintf(inode->path, sizeof inode->path, "%s", path);
        name_set(w, path, inode);
        n = lookup(w, path);
    } else if (flags & OS_TRUNCATE) {
        struct sim_file tmp = {{&sim_file_ops}, w, n->inode, w->generation};
        TRY(sim_truncate(&tmp.base, 0));
    }
    f = must(calloc(1, sizeof *f));
    f->base.ops = &sim_file_ops;
    f->w = w;
    f->inode = n->inode;
    f->inode->refs++;
    f->generation = w->generation;
    *ret_file = &f->base;
    return 0;
}

static int sim_rename(const struct os *os, const char *from, const char *to)
{
    struct sim_world *w = world_of(os);
    struct name *n = lookup(w, from);
    struct inode *inode;

    TRY(change(w));
    trace(w, "rename", to, 0);
    if (!n)
        return -ENOENT;
    inode = n->inode;
    inode->refs++;
    undo_push(w, to, true);
    undo_push(w, from, false);
    name_set(w, to, inode);
    name_set(w, from, NULL);
    inode_unref(inode);
    return 0;
}

static int sim_remove(const struct os *os, const char *path)
{
    struct sim_world *w = world_of(os);

    TRY(change(w));
    trace(w, "remove", path, 0);
    if (!lookup(w, path))
        return -ENOENT;
    undo_push(w, path, false);
    name_set(w, path, NULL);
    return 0;
}

static int sim_link(const struct os *os, const char *from, const char *to)
{
    struct sim_world *w = world_of(os);

    TRY(change(w));
    if (!lookup(w, from))
        return -ENOENT;
    undo_push(w, to, false);
    name_set(w, to, lookup(w, from)->inode);
    return 0;
}

static int sim_mkdir(const struct os *os, const char *path)
{
    UNUSED(path);
    return change(world_of(os)); /* directories are prefixes of names */
}

static int sim_sync_dir(const struct os *os, const char *path)
{
    struct sim_world *w = world_of(os);

    TRY(change(w));
    trace(w, "sync_dir", path, 0);
    if (inject(w, w->fail_sync, INJECT_SYNC_ERROR))
        return -EIO;
    undos_drop(w, path);
    return 0;
}

static int sim_list(const struct os *os, const char *path, int (*each)(void *, const char *), void *arg)
{
    struct sim_world *w = world_of(os);
    size_t n = strlen(path), count = 0;
    char (*found)[PATH_LEN] = must(calloc(w->names_count + 1, PATH_LEN));
    int rc = 0;

    for (size_t i = 0; i < w->names_count && !w->dead; i++) {
        if (in_dir(w->names[i].path, path))
            snprintf(found[count++], PATH_LEN, "%s", w->names[i].path + n + 1);
    }
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = each(arg, found[i]);
    free(found);
    return w->dead ? -EIO : rc;
}

static int sim_exists(const struct os *os, const char *path)
{
    return world_of(os)->dead ? -EIO : lookup(world_of(os), path) != NULL;
}

static int sim_space(const struct os *os, const char *path, struct os_space *ret)
{
    UNUSED(os);
    UNUSED(path);
    ret->total = ret->available = 1ull << 40;
    return 0;
}

static uint64_t sim_clock(const struct os *os)
{
    return world_of(os)->clock += 1000 + dice(world_of(os), 1000000);
}

static void sim_random(const struct os *os, void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)dice(world_of(os), 256);
}

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *w = must(calloc(1, sizeof *w));

    w->rng = seed;
    w->clock = 1700000000000000000ull;
    w->generation = 1;
    w->os = (struct os){
        .open = sim_open, .rename = sim_rename, .remove = sim_remove, .link = sim_link, .mkdir = sim_mkdir,
        .sync_dir = sim_sync_dir, .list = sim_list, .exists = sim_exists, .space = sim_space, .wall_ns = sim_clock,
        .mono_ns = sim_clock, .random = sim_random, .file = &sim_file_ops, .world = w,
    };
    return w;
}

void sim_world_free(struct sim_world *w)
{
    undos_drop(w, NULL);
    while (w->names_count)
        name_set(w, w->names[0].path, NULL);
    free(w->names);
    free(w->undos);
    free(w);
}

const struct os *sim_world_os(struct sim_world *w)
{
    return &w->os;
}

void sim_world_crash_after(struct sim_world *w, uint64_t ops)
{
    w->crash_at = ops ? w->ops + ops : 0;
}

bool sim_world_dead(const struct sim_world *w)
{
    return w->dead;
}

void sim_world_restart(struct sim_world *w)
{
    size_t keep = w->undos_count ? dice(w, w->undos_count + 1) : 0;

    w->injected[INJECT_CRASH]++;
    trace(w, "restart", "", w->undos_count);
    while (keep < w->undos_count && keep > 0 && w->undos[keep - 1].with_next)
        keep++; /* a rename happens or it does not */
    w->injected[INJECT_NAME_KEPT] += keep;
    while (w->undos_count > keep) {
        struct undo *u = &w->undos[--w->undos_count];
        name_set(w, u->path, u->before);
        inode_unref(u->before);
        w->injected[INJECT_NAME_LOST]++;
    }
    undos_drop(w, NULL);
    for (size_t i = 0; i < w->names_count; i++)
        inode_crash(w, w->names[i].inode);
    w->dead = false;
    w->crash_at = 0;
    w->generation++;
}

void sim_world_faults(struct sim_world *w, uint32_t sync, uint32_t write, uint32_t space, uint32_t read)
{
    w->fail_sync = sync;
    w->fail_write = write;
    w->fail_space = space;
    w->fail_read = read;
}

uint64_t sim_world_ops(const struct sim_world *w)
{
    return w->ops;
}

const uint64_t *sim_world_injected(const struct sim_world *w)
{
    return w->injected;
}

void sim_world_interlude(struct sim_world *w, void (*run)(void *arg), void *arg)
{
    w->interlude = run;
    w->interlude_arg = arg;
}

uint8_t *sim_world_file(struct sim_world *w, const char *path, size_t *ret_size)
{
    struct name *n = lookup(w, path);

    if (!n)
        return NULL;
    *ret_size = n->inode->size;
    return n->inode->now;
}

int sim_world_list(struct sim_world *w, int (*each)(void *arg, const char *path), void *arg)
{
    for (size_t i = 0; i < w->names_count; i++)
        TRY(each(arg, w->names[i].path));
    return 0;
}
