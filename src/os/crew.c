/* crew.c - threads that are started for one piece of work and end with it. */
#include "os/crew.h"

enum { CREW_MAX = 64 };

struct member {
    void (*work)(void *arg, uint32_t who);
    void *arg;
    uint32_t who;
};

static void member_main(void *arg)
{
    struct member *m = arg;

    m->work(m->arg, m->who);
}

void crew_run(const struct os *os, uint32_t count, void (*work)(void *arg, uint32_t who), void *arg)
{
    struct os_thread *threads[CREW_MAX];
    struct member members[CREW_MAX];
    uint32_t started = 0;

    for (uint32_t i = 1; os->thread && i < MIN(count, (uint32_t)CREW_MAX); i++) {
        members[started] = (struct member){work, arg, i};
        if (os->thread(os, "kith-crew", true, member_main, &members[started], &threads[started]) < 0)
            break;
        started++;
    }
    work(arg, 0);
    for (uint32_t i = 0; i < started; i++)
        os->join(os, threads[i]);
}
