/* spill.c - by the os seam; names are random. */
#include "net/spill.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>

struct spill {
    struct os_file *file;
    const uint8_t *map;
    uint64_t size;
    char path[512];
};

struct spill *spill_new(const char *dir)
{
    const struct os *os = os_linux();
    struct spill *s = mem_zalloc(sizeof *s);
    uint64_t name;

    if (!s)
        return NULL;
    os->random(os, &name, sizeof name);
    (void)os->mkdir(os, dir);
    snprintf(s->path, sizeof s->path, "%.480s/%016llx", dir, (unsigned long long)name);
    if (os->open(os, s->path, OS_READ | OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &s->file) < 0) {
        mem_free(s);
        return NULL;
    }
    return s;
}

bool spill_put(struct spill *s, const void *data, size_t size)
{
    if (s->file->ops->write(s->file, s->size, data, size) < 0)
        return false;
    s->size += size;
    return true;
}

bool spill_map(struct spill *s, struct bytes *ret)
{
    if (s->size && !s->map && s->file->ops->map(s->file, s->size, &s->map) < 0)
        return false;
    *ret = (struct bytes){s->map, s->size};
    return true;
}

void spill_end(struct spill *s)
{
    if (!s)
        return;
    if (s->map)
        s->file->ops->unmap(s->file, s->map, s->size);
    s->file->ops->close(s->file);
    (void)os_linux()->remove(os_linux(), s->path);
    mem_free(s);
}

static int remove_one(void *arg, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%.240s/%.240s", (const char *)arg, name);
    (void)os_linux()->remove(os_linux(), path);
    return 0;
}

void spill_clean(const char *dir)
{
    (void)os_linux()->list(os_linux(), dir, remove_one, (void *)(uintptr_t)dir);
}
