/* sched.c - the queues and the pool. */
#include "engine/sched.h"

#include "base/ctx.h"
#include "os/os.h"

void sched_init(struct sched *s, const struct os *os)
{
    memset(s, 0, sizeof *s);
    s->os = os;
    os_mutex_init(&s->mutex);
    os_cond_init(&s->work[0]);
    os_cond_init(&s->work[1]);
    os_cond_init(&s->quiet);
    s->tail[0] = &s->head[0];
    s->tail[1] = &s->head[1];
}

void sched_release(struct sched *s)
{
    os_mutex_release(&s->mutex);
    os_cond_release(&s->work[0]);
    os_cond_release(&s->work[1]);
    os_cond_release(&s->quiet);
}

void job_init(struct job *job, job_step step, bool urgent)
{
    memset(job, 0, sizeof *job);
    job->step = step;
    job->urgent = urgent;
}

static void enqueue(struct sched *s, struct job *job)
{
    job->state = JOB_QUEUED;
    job->next = NULL;
    *s->tail[job->urgent] = job;
    s->tail[job->urgent] = &job->next;
    s->queued[job->urgent]++;
}

void sched_post(struct sched *s, struct job *job, bool quiet)
{
    os_mutex_lock(&s->mutex);
    if (job->state == JOB_IDLE) {
        enqueue(s, job);
        if (!quiet)
            os_cond_signal(&s->work[job->urgent]);
    } else if (job->state == JOB_RUNNING) {
        job->state = JOB_AGAIN;
    }
    os_mutex_unlock(&s->mutex);
}

void sched_post_later(struct sched *s, struct job *job, uint32_t ms)
{
    bool now = s->threads_count == 0;

    os_mutex_lock(&s->mutex);
    if (!now && !job->waits && job->state != JOB_QUEUED) {
        job->waits = true;
        job->due_ns = s->os->mono_ns(s->os) + ms * 1000000ull;
        job->next_later = s->later;
        s->later = job;
        os_cond_signal(&s->work[0]); /* somebody has to wait for less long */
    }
    os_mutex_unlock(&s->mutex);
    if (now)
        sched_post(s, job, false);
}

static void forget_later(struct sched *s, struct job *job)
{
    struct job **at = &s->later;

    while (*at && *at != job)
        at = &(*at)->next_later;
    if (*at)
        *at = job->next_later;
    job->waits = false;
}

/* Queues what is due. How many milliseconds until the next. With the mutex held. */
static uint32_t post_due(struct sched *s)
{
    uint64_t now = s->later ? s->os->mono_ns(s->os) : 0, wait = 10000;

    for (struct job *job = s->later, *next; job; job = next) {
        next = job->next_later;
        if (job->due_ns > now) {
            wait = MIN(wait, (job->due_ns - now) / 1000000 + 1);
            continue;
        }
        forget_later(s, job);
        if (job->state == JOB_IDLE)
            enqueue(s, job);
        else if (job->state == JOB_RUNNING)
            job->state = JOB_AGAIN;
    }
    return (uint32_t)wait;
}

static struct job *take(struct sched *s, bool urgent_only, uint32_t pick)
{
    int which = s->head[1] ? 1 : 0;
    struct job **at, *job;

    if (urgent_only && !s->head[1])
        return NULL;
    if (!urgent_only && pick >= s->queued[1] && s->head[0]) {
        which = 0;
        pick -= s->queued[1];
    }
    at = &s->head[which];
    for (uint32_t i = 0; i < pick && *at && (*at)->next; i++)
        at = &(*at)->next;
    job = *at;
    if (!job)
        return NULL;
    *at = job->next;
    if (!*at)
        s->tail[which] = at;
    s->queued[which]--;
    job->state = JOB_RUNNING;
    s->running++;
    return job;
}

/* With the mutex held; it is let go while the job runs. */
static void run(struct sched *s, struct job *job)
{
    os_mutex_unlock(&s->mutex);
    job->step(job);
    os_mutex_lock(&s->mutex);
    s->running--;
    if (job->state == JOB_AGAIN)
        enqueue(s, job);
    else
        job->state = JOB_IDLE;
    if (s->waiting)
        os_cond_broadcast(&s->quiet);
}

bool sched_run(struct sched *s, bool urgent_only, uint32_t pick)
{
    struct job *job;

    os_mutex_lock(&s->mutex);
    job = take(s, urgent_only, pick);
    if (job)
        run(s, job);
    os_mutex_unlock(&s->mutex);
    return job != NULL;
}

void sched_wait(struct sched *s, struct sched_done *d)
{
    os_mutex_lock(&s->mutex);
    while (!d->done) {
        struct job *job = take(s, true, 0);
        if (!job && !s->threads_count)
            job = take(s, false, 0);
        if (job)
            run(s, job);
        else
            os_cond_wait(&d->cond, &s->mutex);
    }
    if (s->head[1])
        os_cond_signal(&s->work[1]); /* somebody else's work was left behind */
    if (s->head[0])
        os_cond_signal(&s->work[0]);
    os_mutex_unlock(&s->mutex);
}

void sched_finish(struct sched *s, struct sched_done *d)
{
    os_mutex_lock(&s->mutex);
    d->done = true;
    os_cond_signal(&d->cond);
    os_mutex_unlock(&s->mutex);
}

void sched_drain(struct sched *s, struct job *job)
{
    os_mutex_lock(&s->mutex);
    forget_later(s, job);
    while (job->state != JOB_IDLE) {
        struct job *other = s->threads_count && !s->stopping ? NULL : take(s, false, 0);
        if (other) {
            run(s, other);
            continue;
        }
        s->waiting++;
        os_cond_wait(&s->quiet, &s->mutex);
        s->waiting--;
    }
    os_mutex_unlock(&s->mutex);
}

static void unqueue(struct sched *s, struct job *job)
{
    struct job **at = &s->head[job->urgent];

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (!*at)
        s->tail[job->urgent] = at;
    s->queued[job->urgent]--;
    job->state = JOB_IDLE;
}

bool sched_forget(struct sched *s, struct job *job)
{
    bool idle;

    os_mutex_lock(&s->mutex);
    forget_later(s, job);
    if (job->state == JOB_QUEUED)
        unqueue(s, job);
    idle = job->state == JOB_IDLE;
    os_mutex_unlock(&s->mutex);
    return idle;
}

void sched_pause(struct sched *s, uint32_t ms)
{
    os_mutex_lock(&s->mutex);
    s->waiting++;
    (void)os_cond_wait_ms(&s->quiet, &s->mutex, ms);
    s->waiting--;
    os_mutex_unlock(&s->mutex);
}

void sched_wake(struct sched *s)
{
    os_mutex_lock(&s->mutex);
    os_cond_broadcast(&s->quiet);
    os_mutex_unlock(&s->mutex);
}

void sched_every(struct sched *s, struct job *job, uint32_t seconds)
{
    s->regular = job;
    s->regular_ns = seconds * 1000000000ull;
}

/* With the mutex held. */
static void post_regular(struct sched *s)
{
    uint64_t now = s->os->mono_ns(s->os);

    if (!s->regular_next || now < s->regular_next) {
        s->regular_next = s->regular_next ? s->regular_next : now + s->regular_ns;
        return;
    }
    s->regular_next = now + s->regular_ns;
    if (s->regular->state == JOB_IDLE)
        enqueue(s, s->regular);
}

static void work(struct sched *s, int which)
{
    os_mutex_lock(&s->mutex);
    while (!s->stopping) { /* urgent jobs have a thread of their own: the others take what is not */
        uint32_t wait = which == 0 ? post_due(s) : 10000;
        if (which == 0 && s->regular)
            post_regular(s);
        struct job *job = !s->head[which] ? NULL : take(s, which == 1, which == 1 ? 0 : s->queued[1]);
        if (job)
            run(s, job);
        else
            (void)os_cond_wait_ms(&s->work[which], &s->mutex, wait);
    }
    os_mutex_unlock(&s->mutex);
}

static void background_main(void *arg)
{
    work(arg, 0);
}

static void urgent_main(void *arg)
{
    work(arg, 1);
}

int sched_start(struct ctx *c, struct sched *s, uint32_t background)
{
    background = MIN(background, (uint32_t)SCHED_THREADS_MAX - 1);
    if (!s->os->thread)
        return 0;
    for (uint32_t i = 0; i <= background; i++) {
        int rc = s->os->thread(s->os, i ? "kith-work" : "kith-write", i > 0, i ? background_main : urgent_main, s,
                               &s->threads[i]);
        if (rc < 0) {
            sched_stop(s);
            return os_error(c, rc, "start", "thread");
        }
        s->threads_count++;
    }
    return 0;
}

void sched_stop(struct sched *s)
{
    os_mutex_lock(&s->mutex);
    s->stopping = true;
    os_cond_broadcast(&s->work[0]);
    os_cond_broadcast(&s->work[1]);
    os_cond_broadcast(&s->quiet);
    os_mutex_unlock(&s->mutex);
    for (uint32_t i = 0; i < s->threads_count; i++)
        s->os->join(s->os, s->threads[i]);
    s->threads_count = 0;
}
