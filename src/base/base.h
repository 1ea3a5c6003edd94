/* base.h - forward names, attributes and the few macros that every room uses. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <kith.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ctx;
struct arena;
struct buf;
struct os;

typedef uint64_t lsn;    /* era:16 | offset:48 */
typedef uint32_t row_id; /* position in a segment */

#define LSN_NONE 0
#define ROW_NONE UINT32_MAX

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Arguments are evaluated twice: no calls with effects in them (tools/tidy looks). */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define UNUSED(x) ((void)(x))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE __attribute__((warn_unused_result))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define container_of(p, type, member) ((type *)((uintptr_t)(p)-offsetof(type, member)))

/* Returns early with the failure of an int function. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_rc_ = (call);                                                                      \
        if (try_rc_ < 0)                                                                           \
            return try_rc_;                                                                        \
    } while (0)

/* Stays on in release builds: a broken invariant must not be written to disk. */
#define kassert(cond) ((cond) ? (void)0 : base_assert_failed(#cond, __FILE__, __LINE__))

_Noreturn void base_assert_failed(const char *what, const char *file, int line);

/* Faults planted by `make test-mutants`, to test the tests: MUTANT(x) is 0 in every other build. */
#ifdef KITH_MUTANT
#define MUTANT(which) (KITH_MUTANT == (which))
#else
#define MUTANT(which) 0
#endif
enum {
    MUTANT_ACK_BEFORE_SYNC = 1,
    MUTANT_SKIP_DIRECTORY_SYNC,
    MUTANT_NO_TORN_TAIL_RULE,
    MUTANT_RETRY_FAILED_SYNC,
    MUTANT_OLDER_LSN_WINS,
    MUTANT_SWAP_BEFORE_SYNC,
    MUTANT_TRIM_TOO_FAR,
    MUTANT_DROP_MARKS_IN_MANIFEST,
    MUTANT_LOSE_CARRIED_MARKS,
    MUTANT_PUBLISH_HALF_RECORD,
    MUTANT_REPLAY_TWICE_FROM_COVERS,
    MUTANT_FILTER_IGNORES_OVERLAYS,
    MUTANT_MERGE_DROPS_NEWER_DEATHS,
    MUTANT_SWEEP_NAMED_BLOBS,
    MUTANT_REUSE_SHARD_IDS,
    MUTANT_RANGE_END_INCLUSIVE,
    MUTANT_FEW_FORGET_THE_DEAD,
    MUTANT_FORGET_DURING_REOPEN,
    MUTANT_DROP_VECTORS_IN_MANIFEST,
    MUTANT_LOSE_CARRIED_VECTORS,
    MUTANT_GRAPH_IGNORES_VECTORS,
    MUTANT_READ_ERROR_IS_THE_END,
    MUTANT_RESTORE_KEEPS_THE_ERA,
    MUTANT_SNAPSHOT_HOLDS_NOTHING,
    MUTANT_COUNT
};

/* Bytes that somebody else owns. */
struct bytes {
    const uint8_t *data;
    size_t size;
};
static inline bool bytes_same(struct bytes a, struct bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static inline uint64_t align_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

#endif
