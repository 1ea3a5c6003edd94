/* blob.c - what blob stores of all kinds have in common. */
#include "store/blob.h"

#include "base/ctx.h"

int blob_put(struct ctx *c, struct blob_store *s, const char *key, struct bytes data)
{
    struct blob_writer *w;
    int rc;

    TRY(s->ops->create(c, s, key, &w));
    rc = s->ops->append(c, w, data.data, data.size);
    if (rc >= 0)
        return s->ops->commit(c, w);
    s->ops->abort(w);
    return rc;
}
