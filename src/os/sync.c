/* sync.c - pthreads behind plain names. */
#define _GNU_SOURCE
#include "os/sync.h"

#include <errno.h>
#include <time.h>

void os_mutex_init(struct os_mutex *m)
{
    pthread_mutex_init(&m->m, NULL);
}
void os_mutex_release(struct os_mutex *m)
{
    pthread_mutex_destroy(&m->m);
}
void os_mutex_lock(struct os_mutex *m)
{
    pthread_mutex_lock(&m->m);
}
bool os_mutex_try(struct os_mutex *m)
{
    return pthread_mutex_trylock(&m->m) == 0;
}
void os_mutex_unlock(struct os_mutex *m)
{
    pthread_mutex_unlock(&m->m);
}
void os_cond_init(struct os_cond *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->c, &attr);
    pthread_condattr_destroy(&attr);
}
void os_cond_release(struct os_cond *c)
{
    pthread_cond_destroy(&c->c);
}
void os_cond_wait(struct os_cond *c, struct os_mutex *m)
{
    pthread_cond_wait(&c->c, &m->m);
}
bool os_cond_wait_ms(struct os_cond *c, struct os_mutex *m, uint32_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_cond_timedwait(&c->c, &m->m, &until) != ETIMEDOUT;
}
void os_cond_signal(struct os_cond *c)
{
    pthread_cond_signal(&c->c);
}
void os_cond_broadcast(struct os_cond *c)
{
    pthread_cond_broadcast(&c->c);
}
