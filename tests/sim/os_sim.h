/* os_sim.h - a world from a seed: a disk that lies the way disks do, a clock, dice.
 *
 * What a crash may do to what was not synced: sectors of 512 bytes are lost, kept or garbled one by
 * one; names created, renamed or removed without a sync of their directory are undone, newest first.
 * A sync may fail: that is reported once, and what it should have saved is never saved again. */
#ifndef TESTS_SIM_OS_SIM_H
#define TESTS_SIM_OS_SIM_H

#include "os/os.h"

enum injection {
    INJECT_CRASH,
    INJECT_SECTOR_LOST,
    INJECT_SECTOR_KEPT,
    INJECT_SECTOR_GARBLED,
    INJECT_NAME_LOST,
    INJECT_NAME_KEPT,
    INJECT_SYNC_ERROR,
    INJECT_WRITE_ERROR,
    INJECT_NO_SPACE,
    INJECT_READ_ERROR,
    INJECT_KINDS
};
extern const char *const injection_names[INJECT_KINDS];

struct sim_world;
struct sim_world *sim_world_new(uint64_t seed);
void sim_world_free(struct sim_world *w);
const struct os *sim_world_os(struct sim_world *w);
/* From now on the machine is off after `ops` more operations that change the disk (0: never). */
void sim_world_crash_after(struct sim_world *w, uint64_t ops);
bool sim_world_dead(const struct sim_world *w);
/* Turns it off now, if it is not off, and on again: unsynced state is resolved by the dice. */
void sim_world_restart(struct sim_world *w);
/* One in `n` operations of that kind fails (0: none). */
void sim_world_faults(struct sim_world *w, uint32_t sync, uint32_t write, uint32_t space, uint32_t read);
/* `run` is called now and then between disk operations of background work (writes and syncs outside the
 * log): there other threads would run, and the log and the shards would move on. */
void sim_world_interlude(struct sim_world *w, void (*run)(void *arg), void *arg);
uint64_t sim_world_ops(const struct sim_world *w); /* that changed the disk so far */
const uint64_t *sim_world_injected(const struct sim_world *w);
/* For corruption tests: the durable bytes of a file, NULL if absent. */
uint8_t *sim_world_file(struct sim_world *w, const char *path, size_t *ret_size);
int sim_world_list(struct sim_world *w, int (*each)(void *arg, const char *path), void *arg);

#endif
