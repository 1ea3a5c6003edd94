/* sched.h - who runs what, when. All work is a job with a step; the pool steps them, callers that
 * wait help with the urgent ones, and the simulator picks by its seed. A job never runs twice at the
 * same time; posting it while it runs makes it run once more. */
#ifndef ENGINE_SCHED_H
#define ENGINE_SCHED_H

#include "base/base.h"
#include "os/sync.h"

struct job;
typedef void (*job_step)(struct job *job);

enum job_state { JOB_IDLE, JOB_QUEUED, JOB_RUNNING, JOB_AGAIN };

struct job {
    job_step step;
    bool urgent;           /* writes wait for it */
    enum job_state state;
    struct job *next;
    bool waits;            /* among `later` */
    uint64_t due_ns;
    struct job *next_later;
};

enum { SCHED_THREADS_MAX = 64 };

struct sched {
    const struct os *os;
    struct os_mutex mutex;
    struct os_cond work[2];   /* something was posted: background, urgent */
    struct os_cond quiet;     /* a job ended, or something else that others wait for */
    uint32_t waiting;         /* on quiet */
    struct job *head[2], **tail[2]; /* background, urgent */
    uint32_t queued[2], running;
    struct os_thread *threads[SCHED_THREADS_MAX];
    uint32_t threads_count;
    struct job *later;        /* to be posted when their time comes */
    struct job *regular;      /* posted every so often */
    uint64_t regular_ns, regular_next;
    bool stopping;
};

/* Each waiter sleeps on a signal of its own, so that a commit wakes those it serves and nobody else. */
struct sched_done {
    bool done; /* under the mutex */
    struct os_cond cond;
};

void sched_init(struct sched *s, const struct os *os);
/* `background` threads, and one for urgent jobs. 0 threads where the world has none. */
int sched_start(struct ctx *c, struct sched *s, uint32_t background);
/* Before the start: posts `job` every `seconds`. A world without threads has nobody to do so. */
void sched_every(struct sched *s, struct job *job, uint32_t seconds);
/* Ends the threads; what is queued stays queued. */
void sched_stop(struct sched *s);
void sched_release(struct sched *s);
void job_init(struct job *job, job_step step, bool urgent);
/* `quiet`: the caller is about to help, so nobody is woken. */
void sched_post(struct sched *s, struct job *job, bool quiet);
/* The same in `ms`, unless it is posted before; at once where there are no threads. */
void sched_post_later(struct sched *s, struct job *job, uint32_t ms);
/* Steps one queued job: any (pick counts from the front of both queues), or an urgent one. */
bool sched_run(struct sched *s, bool urgent_only, uint32_t pick);
/* Helps until `d` is done. */
void sched_wait(struct sched *s, struct sched_done *d);
void sched_finish(struct sched *s, struct sched_done *d);
/* Waits until `job` neither runs nor is queued; with no threads, runs it. */
void sched_drain(struct sched *s, struct job *job);
/* Takes back what was posted. False: it is running. */
bool sched_forget(struct sched *s, struct job *job);
/* Sleeps until a job ends, at most `ms`. */
void sched_pause(struct sched *s, uint32_t ms);
void sched_wake(struct sched *s);

#endif
