/* sync.h - locks and signals between threads. Under the simulator one thread takes them all. */
#ifndef OS_SYNC_H
#define OS_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct os_mutex {
    pthread_mutex_t m;
};
struct os_cond {
    pthread_cond_t c;
};

void os_mutex_init(struct os_mutex *m);
void os_mutex_release(struct os_mutex *m);
void os_mutex_lock(struct os_mutex *m);
bool os_mutex_try(struct os_mutex *m);
void os_mutex_unlock(struct os_mutex *m);
void os_cond_init(struct os_cond *c);
void os_cond_release(struct os_cond *c);
void os_cond_wait(struct os_cond *c, struct os_mutex *m);
/* false when `ms` milliseconds passed without a signal */
bool os_cond_wait_ms(struct os_cond *c, struct os_mutex *m, uint32_t ms);
void os_cond_signal(struct os_cond *c);
void os_cond_broadcast(struct os_cond *c);

#endif
