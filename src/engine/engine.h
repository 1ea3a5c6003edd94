/* engine.h - databases, collections, shards: the log and what is derived from it.
 *
 * Lock order: db.catalog, shard.lock, sched.mutex, db.blobs_lock; db.timed_lock alone. A shard's `lock` is held while a
 * record is applied and while segments are swapped; readers take none of them but `catalog`, for the
 * look-up of a name. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/ctx.h"
#include "base/strmap.h"
#include "engine/epoch.h"
#include "engine/sched.h"
#include "op/record.h"
#include "os/os.h"
#include "query/query.h"
#include "store/blob.h"
#include "store/log.h"
#include "store/meta.h"

struct db;
struct shard;

/* What readers pin: segments, oldest first, and the LSN up to which they are whole. */
struct view {
    struct epoch_item retired;
    atomic_uint refs;
    atomic_ullong v;
    struct schema *schema;
    size_t count;
    struct segment *segments[];
};

/* One write on its way. */
struct request {
    struct log_wait log;
    struct shard *shard;
    struct buf record;
    kith_wait wait;
    kith_done _Atomic done; /* called once, by whoever takes it away */
    void *arg;
    kith_written written;
    uint64_t offset;
    struct request *next;
    uint64_t due_ns; /* 0: its caller waits as long as it takes */
    struct request *next_timed, **timed_at; /* in db.timed */
};

/* Rows in memory that one manifest will cover. */
struct unsealed {
    struct segment *segment; /* growing */
    lsn upto;                /* frozen at; 0: still the one that grows */
    uint64_t first_offset;   /* of its first record; 0: none yet */
};

/* Segments of a shard: from SEALED_MANY on they are merged before another one is sealed. */
enum { FROZEN_MAX = 16, SEALED_MANY = 128, SEALED_MAX = 1024, MERGED_MAX = 256 };

/* What searches really found (monitor.c). */
struct gauge {
    atomic_ullong queries, samples, hits, wanted;
    atomic_ullong asked;   /* sum of targets, thousandths of a hit */
    atomic_ullong squares; /* of the shares found, in millionths */
};
struct monitor { /* by vector id, modulo: two that meet share what is learnt */
    struct gauge gauges[VECTORS_MAX];
    atomic_uint efforts[VECTORS_MAX]; /* thousandths */
    struct checked *_Atomic pending; /* the newest first */
    struct checked *taken;           /* of them, by the job */
    atomic_uint waiting;
    struct job job;
};
struct measured {
    uint64_t samples;
    double recall, low, high, effort;
};

struct shard {
    struct db *db;
    uint64_t id;
    atomic_uint refs;
    char *name;             /* of the collection; under catalog */
    uint64_t created_ms;
    uint64_t used_ns;       /* somebody asked for it then; under catalog */
    atomic_bool dropped;
    atomic_bool leaving;    /* about to be: background work gives way */

    struct os_mutex lock;
    bool loaded;
    char problem[200];      /* not empty: quarantined, reads of what is there go on */
    struct schema *_Atomic schema;
    struct schema **old_schemas; /* a job may still be reading them */
    size_t old_schemas_count;
    struct view *_Atomic view;
    struct segment *sealed[SEALED_MAX];
    size_t sealed_count;
    struct unsealed frozen[FROZEN_MAX];
    _Atomic size_t frozen_count; /* appended under the lock; taken away only by the maintaining job */
    struct unsealed growing;
    _Atomic uint64_t segment_seq; /* for segment ids: apply and the maintaining job both make them */
    lsn applied, covers;
    uint64_t held_offset;   /* quarantined: records from here on were not applied */
    uint64_t meta_revision;
    char manifest[48];      /* blob key; empty: none yet */
    uint64_t owner;         /* whose it is in that blob: another shard's, if it was restored and not changed since */
    uint64_t era;           /* of LSNs to come; restored ones begin another, so that they are above all there are */
    uint64_t era_offset;    /* records of that era lie beyond this one */
    struct strmap blobs;    /* named by the manifest */

    struct os_mutex queue_lock;
    struct request *queue, **queue_tail;
    struct job apply, maintain, link;
    struct shard *next_dead; /* of db.dead */
    struct monitor monitor;
    bool want_checkpoint, want_all; /* asked for by a caller */
    bool link_failed;       /* sealing does not wait for it then */
    bool maintain_worked; /* since it last had nothing to do: its own */
    bool maintain_failed;
    char maintain_error[160];
    atomic_uint backlog;    /* rows without a graph */
    atomic_bool choked;     /* nothing more fits before a seal succeeds */
};

struct db {
    const struct os *os;
    kith_options options;
    char *dir;
    struct os_file *lock_file;
    const struct kernels *kernels;
    struct log *log;
    struct blob_store *blobs;
    struct meta *meta;
    struct scratch_pool scratch;
    struct epoch epoch;
    struct sched sched;
    struct job commit, trim, idle, reap;
    struct shard *_Atomic dead; /* nobody refers to them; freed once their jobs stand still */

    struct os_mutex timed_lock;
    struct request *timed; /* whose callers wait only so long */
    struct job late;

    struct os_mutex catalog;
    struct strmap names;    /* collection -> struct shard */
    struct strmap aliases;  /* alias -> char * (collection) */
    struct shard **shards;  /* sorted by id; every one that is not dropped */
    size_t shards_count, shards_capacity;
    uint64_t next_shard;

    struct os_mutex blobs_lock;
    struct strmap blob_refs; /* key -> manifests that name it */
    atomic_ullong durable_end; /* last log offset that has reached its shard's queue */
    atomic_bool closing;
    atomic_uint log_held; /* by those who read it: it is not trimmed */
    uint64_t log_soft_bytes;
    atomic_ullong commits, records, seals, merges, graph_builds, graph_links;
    uint32_t graph_rows_min; /* smaller segments are scanned */
    uint32_t revised_many, revised_max; /* versions of vectors over a sealed segment: so many are folded in, and
                                           more there cannot be */
};

enum { LSN_OFFSET_BITS = 48 };

static inline lsn lsn_of(const struct shard *s, uint64_t offset)
{
    return s->era << LSN_OFFSET_BITS | offset;
}

/* Where its records begin that are not in its manifest. */
static inline uint64_t shard_replay_from(const struct shard *s)
{
    bool same = s->covers >> LSN_OFFSET_BITS == s->era;

    return (same ? s->covers & (((uint64_t)1 << LSN_OFFSET_BITS) - 1) : s->era_offset) + 1;
}

/* ---- db.c: open, close, names ---- */
int db_open(struct ctx *c, const struct os *os, const char *dir, const kith_options *options, struct db **ret_db);
void db_close(struct db *db);
/* Reads everything in a closed database; the number of problems, or a negative code. */
int db_check(struct ctx *c, const struct os *os, const char *dir, kith_report report, void *arg);
/* Steps one queued job in a world without threads. False: nothing to do. */
bool db_step(struct db *db, uint32_t pick);
/* Referenced; shard_unref. KITH_NOT_FOUND. Loads it if needed. */
int db_shard(struct ctx *c, struct db *db, const char *name, struct shard **ret_shard);
int db_check_name(struct ctx *c, const char *name);
int db_create(struct ctx *c, struct db *db, const char *name, const kith_schema *schema);
int db_drop(struct ctx *c, struct db *db, const char *name);
/* Puts the restored shard `s`, in memory and named by nobody, in the place of what has its name. */
int db_replace(struct ctx *c, struct db *db, struct shard *s, struct bytes pointer);
/* catalog.c: all with db->catalog held. */
struct shard *catalog_find(struct db *db, const char *name); /* a collection or an alias; NULL: none */
int catalog_add(struct ctx *c, struct db *db, struct shard *s);
void catalog_remove(struct db *db, struct shard *s);
void catalog_swap(struct db *db, struct shard *old, struct shard *s); /* of one name */
int db_not_found(struct ctx *c, const char *name);
/* alias.c */
int db_alias(struct ctx *c, struct db *db, const kith_alias_change *changes, size_t count);
void alias_release_all(struct strmap *aliases);
int db_change_schema(struct ctx *c, struct db *db, const char *name, const struct schema_change *change);
bool db_has_name(struct db *db, const char *name);
/* NULL if it is not in memory; view_unpin. Does not count as use. */
struct view *db_pin_loaded(struct db *db, const char *name, struct measured *ret_measured);

/* ---- shard.c: state of one shard ---- */
struct manifest_pointer {
    char key[48];
    lsn covers;
    uint64_t owner, era, era_offset; /* as in struct shard; owner 0: its own */
};
struct shard *shard_new(struct db *db, uint64_t id, const char *name);
void shard_take_pointer(struct shard *s, const struct manifest_pointer *p);
/* NULL is fine. The last one leaves it to a job: the caller may be one of the shard's own. */
void shard_unref(struct shard *s);
void shard_reap_step(struct job *job);
int shard_load(struct ctx *c, struct shard *s); /* with s->lock held */
/* Puts a view of the present segments in place; with s->lock held. */
int shard_publish(struct ctx *c, struct shard *s);
void view_retire(struct shard *s, struct view *view); /* freed when its last reader has gone */
struct view *shard_pin(struct shard *s);
/* The revision of its pointer in meta, which the next publication compares. */
int shard_learn_revision(struct ctx *c, struct shard *s);
void view_unpin(struct view *view);
struct snapshot view_snapshot(struct view *view);
/* Rows that wait for their place in a graph. */
uint32_t view_backlog(const struct view *view, uint32_t graph_rows_min);
int shard_growing_new(struct ctx *c, struct shard *s, struct segment **ret_segment);
uint64_t shard_dirty_from(struct shard *s); /* first log offset it still needs; 0: none */

/* ---- write.c ---- */
int write_submit(struct ctx *c, struct db *db, const char *name, const kith_op *ops, size_t count, kith_wait wait,
                 bool quiet, uint32_t timeout_ms, kith_done done, void *arg);
void write_late_step(struct job *job);
void write_commit_step(struct job *job);
void write_apply_step(struct job *job);
void write_trim_step(struct job *job);
int write_replay(struct ctx *c, struct db *db);

/* ---- apply.c: the log's meaning; with s->lock held ---- */
int apply_record(struct ctx *c, struct shard *s, const struct record *record, lsn at, kith_written *written);

/* ---- manifest.c ---- */
int manifest_load(struct ctx *c, struct shard *s);
/* Writes the sections of s's manifest at `covers` into w. */
struct manifest_segment {
    uint64_t id;
    const struct sealed_files *files;
    const struct segment *marks; /* NULL: none */
};
int manifest_write(struct ctx *c, struct pack_writer *w, const struct shard *s, lsn covers,
                   const struct manifest_segment *segments, size_t count);
/* The value of the shard's pointer in meta. */
int manifest_pointer(struct ctx *c, const struct shard *s, const char *key, lsn covers,
                     const struct manifest_segment *segments, size_t count, struct buf *out);
int manifest_pointer_read(struct ctx *c, struct bytes value, struct manifest_pointer *ret, struct strmap *ret_blobs);
/* What another one says, for a shard that takes its state over. */
int manifest_pointer_restored(struct ctx *c, const struct manifest_pointer *p, const struct strmap *blobs,
                              struct buf *out);
void shard_key(const struct shard *s, char key[40]);
void blob_key(struct db *db, uint64_t id, char key[48]);
int blobs_hold(struct ctx *c, struct db *db, const struct strmap *keys);
void blobs_let_go(struct db *db, const struct strmap *keys);

/* ---- optimize.c: background work on one shard ---- */
void optimize_step(struct job *job);
/* Does all there is to do, or only what a checkpoint needs; returns when done. */
int optimize_all(struct ctx *c, struct shard *s, bool only_checkpoint);
/* Freezes what grows; with s->lock held. */
int optimize_freeze(struct ctx *c, struct shard *s);
/* Keeps the shard's own job away while another works on it. */
bool optimize_claim(struct shard *s);
void optimize_give_back(struct shard *s);
int optimize_bundle(struct ctx *c, struct db *db, uint64_t before_offset);

/* Waits until no other job works on it, and keeps them away. */
void optimize_hold(struct shard *s);

/* ---- choose.c: what is worth doing; `all`: whatever can be done ---- */
/* Segments to merge, at most MERGED_MAX: how many. One alone is rewritten without what is dead, changes folded in. */
size_t choose_merge(struct shard *s, bool all, struct segment **out);
bool choose_docs(const struct shard *s, struct segment *seg, bool all);
/* Much was laid over sealed rows, too little of it at a state that is in files: only a later one lets it be folded
 * in. */
bool choose_freeze(const struct shard *s);
bool choose_graph(const struct shard *s, const struct segment *seg, const struct schema_vector **ret_vector);

/* ---- snapshot.c: states with names ---- */
struct snapshot_info {
    char name[300];
    uint64_t created_ms, size; /* bytes of its file form */
};
/* Of one collection, or (NULL) of all. */
int snapshot_create(struct ctx *c, struct db *db, const char *collection, struct snapshot_info *ret_info);
int snapshot_each(struct ctx *c, struct db *db, const char *collection,
                  int (*each)(void *arg, const struct snapshot_info *info), void *arg);
int snapshot_drop(struct ctx *c, struct db *db, const char *collection, const char *name); /* 1, or 0: none */
/* As the collection `to` (NULL: of all, under their own names). */
int snapshot_restore(struct ctx *c, struct db *db, const char *collection, const char *name, const char *to);
int snapshot_import(struct ctx *c, struct db *db, struct bytes file, const char *to);
struct snapshot_file;
int snapshot_open(struct ctx *c, struct db *db, const char *collection, const char *name,
                  struct snapshot_file **ret_file);
uint64_t snapshot_size(const struct snapshot_file *f);
size_t snapshot_read(struct snapshot_file *f, uint64_t offset, void *to, size_t most); /* how many; 0: the end */
/* Names of the blobs in it; those named are left out: how many stay. Before anything is read. */
int snapshot_parts(const struct snapshot_file *f, int (*each)(void *arg, const char *part), void *arg);
size_t snapshot_omit(struct snapshot_file *f, const struct strmap *parts);
void snapshot_close(struct snapshot_file *f);
/* Blobs that snapshots name, at start. */
int snapshot_hold_all(struct ctx *c, struct db *db);

/* ---- backup.c, restore.c: states in a directory of their own, with the log between them ---- */
struct backup_info {
    char name[32];
    uint64_t created_ms;
    uint64_t lsn;    /* log offset: all up to it is in it */
    uint64_t reach;  /* listed ones: up to this it can be restored as of any record */
    uint64_t copied; /* a new one: bytes of blobs that were not there */
};
#define LINEAGE_KEY "lineage"
/* Of the older ones `keep` stay; 0: all. */
int backup_make(struct ctx *c, struct db *db, const char *dir, uint32_t keep, struct backup_info *ret_info);
int backup_each(struct ctx *c, const char *dir, int (*each)(void *arg, const struct backup_info *info), void *arg);
struct backup_point { /* the newest backup for which all of these hold that are given; then the log, to lsn or time */
    const char *name;
    uint64_t lsn, time_ms;
};
int backup_restore(struct ctx *c, const char *from, const struct backup_point *at, const char *dir, uint64_t *ret_lsn);

/* ---- link.c: graphs of growing segments ---- */
void link_step(struct job *job);
/* Posts the job if there is enough to do; with s->lock held. */
void link_post(struct shard *s);

/* ---- monitor.c ---- */
void monitor_init(struct monitor *m);
void monitor_release(struct monitor *m);
/* How much effort queries of this vector need by now, in thousandths of the usual. */
uint32_t monitor_effort(struct monitor *m, uint32_t vector_id);
/* A query was answered with so much effort: perhaps it will be run again, exactly. */
void monitor_note(struct shard *s, const struct schema_vector *v, uint32_t effort, const kith_query *q,
                  const kith_result *r);
void monitor_read(struct monitor *m, struct measured *ret); /* of all vectors; the largest effort */
void monitor_renew(struct monitor *m); /* an index was made */
void monitor_step(struct job *job);

/* ---- idle.c ---- */
#define IDLE_NS (300ull * 1000000000)
void idle_step(struct job *job);
/* Unloads what was last asked for before then: how many. */
uint32_t idle_sweep(struct db *db, uint64_t before_ns);

#endif
