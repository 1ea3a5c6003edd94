/* chunks.c - making and freeing chunks. */
#include "base/chunks.h"

#include "base/mem.h"

int64_t chunks_reserve(struct chunks *c, size_t size, uint32_t i)
{
    uint32_t at, k = chunk_of(i, &at);
    uint64_t bytes = ((uint64_t)CHUNK_FIRST << k) * size;
    uint8_t *data;

    if (k >= CHUNKS)
        return KITH_NOMEM;
    if (atomic_load_explicit(&c->data[k], memory_order_relaxed))
        return 0;
    data = mem_zalloc(bytes);
    if (!data)
        return KITH_NOMEM;
    atomic_store_explicit(&c->data[k], data, memory_order_release);
    return (int64_t)bytes;
}

void chunks_release(struct chunks *c)
{
    for (uint32_t k = 0; k < CHUNKS; k++)
        mem_free(atomic_load(&c->data[k]));
}
