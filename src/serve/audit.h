/* audit.h - who asked for what, and whether they got it: lines of JSON in files that are bounded in size and number.
 * Never what a request held. */
#ifndef SERVE_AUDIT_H
#define SERVE_AUDIT_H

#include "base/ctx.h"
#include "os/os.h"
#include "os/sync.h"

struct audit {
    struct os_mutex lock;
    const char *dir;
    struct os_file *file; /* NULL: none is open */
    uint64_t size, size_max;
    uint32_t files_max;   /* with the present one */
    bool reads;           /* they are noted too */
    bool failing;         /* the last line could not be written */
};

struct audit_entry {
    const char *subject, *peer, *method, *path; /* the route's */
    const char *collection, *request_id;        /* NULL: none */
    int status;
};

/* Goes on where the last file ends. */
int audit_open(struct ctx *c, const char *dir, uint64_t size_max, uint32_t files_max, bool reads,
               struct audit *ret_audit);
void audit_close(struct audit *a);
/* False: the first of lines that could not be written. */
bool audit_write(struct audit *a, const struct audit_entry *e);
/* What a file holds, in the context's arena: 0 the present one, 1 the one before it, ... 1; 0: there is no such file. */
int audit_read(struct ctx *c, struct audit *a, uint32_t number, struct bytes *ret_text);

#endif
