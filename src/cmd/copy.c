/* copy.c - kith import --from-qdrant: the collections of a running server into another one, both by their REST
 * interface.
 *
 * How far it came stands in the metadata of the collection that is being made, so that the same command goes on after
 * whatever stopped it; what has no such mark is left alone. Writes are acknowledged before the mark moves. At the end
 * the two are compared: how many points, and some of them whole. */
#include "base/mem.h"
#include "cmd/options.h"
#include "codec/json.h"
#include "net/client.h"
#include "os/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 64, PAGE = 256, MARK_EVERY = 16 };
#define MARK "kith_import"

struct copying {
    struct ctx c;
    const char *from_url, *to_url, *from_key, *to_key;
    const char *names[NAMES_MAX]; /* none: all */
    size_t names_count;
    bool quiet;
    struct client *from, *to;
    struct buf answer, body;
};

static void help(void)
{
    printf("usage: kith import --from-qdrant URL [<options>]\n\n"
           "    --to URL          a running kith; http://127.0.0.1:6333 if not said\n"
           "    --from-key KEY    the source's api key\n"
           "    --to-key KEY      that of this one\n"
           "    --collection NAME only this one; may be repeated\n"
           "    --quiet           no progress\n\n"
           "Copies collections with their configuration, payload indexes, points and aliases, then compares them. The\n"
           "same command goes on where it was stopped. What is written to the source meanwhile may be missed.\n");
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

/* The result of a call, as a document that the caller frees; NULL: the context says why. */
static yyjson_doc *ask(struct copying *x, struct client *who, const char *method, const char *path, const char *body)
{
    yyjson_doc *doc = NULL;

    if (client_call(&x->c, who, method, path, body, &x->answer) < 0)
        return NULL;
    if (json_parse(&x->c, (const char *)x->answer.data, x->answer.size, &doc) < 0)
        (void)err_set(&x->c, KITH_INVALID, "%s: the answer is no JSON", path);
    return doc;
}

static yyjson_val *result_of(yyjson_doc *doc)
{
    return yyjson_obj_get(yyjson_doc_get_root(doc), "result");
}

/* NULL where it is absent or null. */
static yyjson_val *field(yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, name);

    return yyjson_is_null(v) ? NULL : v;
}

static int tell(struct copying *x, struct client *who, const char *method, const char *path, yyjson_mut_doc *body)
{
    const char *text = json_mut_text(&x->c, body);

    return text ? client_call(&x->c, who, method, path, text, &x->answer) : err_nomem(&x->c);
}

static const char *path_of(struct copying *x, const char *name, const char *rest)
{
    const char *escaped = client_escape(&x->c, name);
    size_t size = escaped ? strlen(escaped) + strlen(rest) + 16 : 0;
    char *path = escaped ? arena_alloc(&x->c.arena, size) : NULL;

    if (path)
        snprintf(path, size, "/collections/%s%s", escaped, rest);
    return path ? path : "";
}

/* ---- the collection itself ------------------------------------------------------------------------------------- */

/* Without what is null: it means "as usual". */
static yyjson_mut_val *said(yyjson_mut_doc *doc, yyjson_val *from)
{
    yyjson_mut_val *to;
    yyjson_val *key, *v;
    size_t i, count;

    if (!yyjson_is_obj(from))
        return yyjson_val_mut_copy(doc, from);
    to = yyjson_mut_obj(doc);
    yyjson_obj_foreach(from, i, count, key, v) {
        if (!yyjson_is_null(v))
            yyjson_mut_obj_add(to, yyjson_val_mut_copy(doc, key), said(doc, v));
    }
    return to;
}

static void carry(yyjson_mut_doc *doc, yyjson_mut_val *to, const char *name, yyjson_val *v)
{
    if (v && !yyjson_is_null(v))
        yyjson_mut_obj_add(to, yyjson_mut_str(doc, name), said(doc, v));
}

/* Progress, or, with `next` NULL, that there is none any more. */
static int mark(struct copying *x, const char *name, yyjson_val *next)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *metadata = yyjson_mut_obj_add_obj(doc, root, "metadata");
    yyjson_mut_val *state;
    int rc;

    yyjson_mut_doc_set_root(doc, root);
    if (next) {
        state = yyjson_mut_obj_add_obj(doc, metadata, MARK);
        yyjson_mut_obj_add_str(doc, state, "from", x->from_url);
        yyjson_mut_obj_add_val(doc, state, "next", yyjson_val_mut_copy(doc, next));
    } else {
        yyjson_mut_obj_add_null(doc, metadata, MARK);
    }
    rc = tell(x, x->to, "PATCH", path_of(x, name, ""), doc);
    yyjson_mut_doc_free(doc);
    return rc;
}

/* Limits come last: they are not meant for this. */
static int create(struct copying *x, const char *name, yyjson_val *config)
{
    static const char *const of_params[] = {"vectors", "sparse_vectors", "shard_number", "replication_factor",
                                            "write_consistency_factor", "on_disk_payload", "sharding_method"};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *metadata, *state;
    yyjson_val *params = yyjson_obj_get(config, "params"), *own = yyjson_obj_get(config, "metadata");
    int rc;

    yyjson_mut_doc_set_root(doc, root);
    for (size_t i = 0; i < ARRAY_SIZE(of_params); i++)
        carry(doc, root, of_params[i], yyjson_obj_get(params, of_params[i]));
    carry(doc, root, "hnsw_config", yyjson_obj_get(config, "hnsw_config"));
    carry(doc, root, "optimizers_config", yyjson_obj_get(config, "optimizer_config"));
    carry(doc, root, "wal_config", yyjson_obj_get(config, "wal_config"));
    carry(doc, root, "quantization_config", yyjson_obj_get(config, "quantization_config"));
    metadata = yyjson_is_obj(own) ? yyjson_val_mut_copy(doc, own) : yyjson_mut_obj(doc);
    yyjson_mut_obj_add_val(doc, root, "metadata", metadata);
    state = yyjson_mut_obj_add_obj(doc, metadata, MARK);
    yyjson_mut_obj_add_str(doc, state, "from", x->from_url);
    rc = tell(x, x->to, "PUT", path_of(x, name, ""), doc);
    yyjson_mut_doc_free(doc);
    return rc;
}

static int create_indexes(struct copying *x, const char *name, yyjson_val *schema)
{
    yyjson_val *key, *v;
    size_t i, count;

    yyjson_obj_foreach(schema, i, count, key, v) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_val *params = yyjson_obj_get(v, "params");
        int rc;
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_val(doc, root, "field_name", yyjson_val_mut_copy(doc, key));
        carry(doc, root, "field_schema", yyjson_is_obj(params) ? params : yyjson_obj_get(v, "data_type"));
        rc = tell(x, x->to, "PUT", path_of(x, name, "/index?wait=true"), doc);
        yyjson_mut_doc_free(doc);
        TRY(rc);
    }
    return 0;
}

static int create_shard_keys(struct copying *x, const char *name)
{
    yyjson_doc *there = ask(x, x->from, "GET", path_of(x, name, "/shards"), NULL);
    yyjson_val *list = field(result_of(there), "shard_keys"), *one;
    int rc = there ? 0 : x->c.code;
    size_t i, count;

    yyjson_arr_foreach(list, i, count, one) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
        carry(doc, root, "shard_key", yyjson_obj_get(one, "key"));
        if (rc >= 0)
            rc = tell(x, x->to, "PUT", path_of(x, name, "/shards"), doc);
        yyjson_mut_doc_free(doc);
    }
    yyjson_doc_free(there);
    return rc;
}

static int set_limits(struct copying *x, const char *name, yyjson_val *limits)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    int rc;

    if (!yyjson_is_obj(limits))
        return 0;
    doc = yyjson_mut_doc_new(NULL);
    root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    carry(doc, root, "strict_mode_config", limits);
    rc = tell(x, x->to, "PATCH", path_of(x, name, ""), doc);
    yyjson_mut_doc_free(doc);
    return rc;
}

/* ---- its points ------------------------------------------------------------------------------------------------- */

static int64_t count_of(struct copying *x, struct client *who, const char *name)
{
    yyjson_doc *doc = ask(x, who, "POST", path_of(x, name, "/points/count"), "{\"exact\":true}");
    int64_t n = doc ? yyjson_get_sint(yyjson_obj_get(result_of(doc), "count")) : -1;

    yyjson_doc_free(doc);
    return n;
}

static void show(const struct copying *x, const char *name, int64_t done, int64_t all, bool end)
{
    if (!x->quiet)
        fprintf(stderr, "\r%s: %lld of %lld points%s", name, (long long)done, (long long)all, end ? "\n" : "");
}

/* A page of points, read from `next` on (NULL: the first). */
static yyjson_doc *read_page(struct copying *x, const char *name, yyjson_val *next)
{
    char *offset = next ? yyjson_val_write(next, 0, NULL) : NULL;
    yyjson_doc *doc = NULL;

    x->body.size = 0;
    buf_printf(&x->body, "{\"limit\":%d,\"with_payload\":true,\"with_vector\":true", PAGE);
    if (offset)
        buf_printf(&x->body, ",\"offset\":%s", offset);
    buf_put(&x->body, "}", 2); /* with its end */
    free(offset);
    if (x->body.failed)
        (void)err_nomem(&x->c);
    else
        doc = ask(x, x->from, "POST", path_of(x, name, "/points/scroll"), (const char *)x->body.data);
    return doc;
}

static bool is_under(yyjson_val *point, yyjson_val *key)
{
    yyjson_val *own = field(point, "shard_key");

    return !own == !key && (!own || yyjson_equals(own, key));
}

/* The points of one shard key (NULL: of none). */
static int write_keyed(struct copying *x, const char *name, yyjson_val *points, yyjson_val *key, bool wait)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_obj_add_arr(doc, root, "points");
    size_t i, count;
    yyjson_val *p;
    char *text;
    int rc;

    yyjson_mut_doc_set_root(doc, root);
    yyjson_arr_foreach(points, i, count, p) {
        if (is_under(p, key))
            yyjson_mut_arr_append(list, yyjson_val_mut_copy(doc, p));
    }
    carry(doc, root, "shard_key", key);
    text = yyjson_mut_write(doc, 0, NULL); /* not in the arena: pages are many */
    yyjson_mut_doc_free(doc);
    rc = text ? client_call(&x->c, x->to, "PUT", path_of(x, name, wait ? "/points?wait=true" : "/points?wait=false"),
                            text, &x->answer) : err_nomem(&x->c);
    free(text);
    return rc;
}

/* Key by key; the last page waits until all are seen. */
static int write_page(struct copying *x, const char *name, yyjson_val *points, bool last)
{
    size_t i, count;
    yyjson_val *p;

    yyjson_arr_foreach(points, i, count, p) {
        size_t before = 0;
        while (before < i && !is_under(yyjson_arr_get(points, before), field(p, "shard_key")))
            before++;
        if (before == i) /* the first one of its key */
            TRY(write_keyed(x, name, points, field(p, "shard_key"), last));
    }
    return 0;
}

/* From `start` on (NULL: the first), which belongs to somebody else. */
static int copy_points(struct copying *x, const char *name, yyjson_val *start, int64_t done, int64_t all)
{
    yyjson_val *next = start;
    yyjson_doc *held = NULL; /* whose `next` is */
    int rc = 0, pages = 0;

    do {
        yyjson_doc *page = read_page(x, name, next);
        yyjson_val *points = yyjson_obj_get(result_of(page), "points");
        if (!page) {
            rc = x->c.code;
            break;
        }
        yyjson_doc_free(held);
        held = page;
        next = yyjson_obj_get(result_of(page), "next_page_offset");
        if (yyjson_arr_size(points))
            rc = write_page(x, name, points, !next || yyjson_is_null(next));
        done += (int64_t)yyjson_arr_size(points);
        if (rc >= 0 && ++pages % MARK_EVERY == 0 && next && !yyjson_is_null(next))
            rc = mark(x, name, next);
        show(x, name, done, all, false);
    } while (rc >= 0 && next && !yyjson_is_null(next));
    yyjson_doc_free(held);
    show(x, name, done, all, true);
    return rc;
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

/* Numbers may have been rounded to what is kept. */
static bool alike(yyjson_val *a, yyjson_val *b)
{
    yyjson_val *key, *v;
    size_t i, count;

    if (yyjson_is_num(a) && yyjson_is_num(b))
        return fabs(yyjson_get_num(a) - yyjson_get_num(b)) <= 1e-5 + 1e-3 * fabs(yyjson_get_num(a));
    if (yyjson_get_type(a) != yyjson_get_type(b))
        return false;
    if (yyjson_is_arr(a)) {
        if (yyjson_arr_size(a) != yyjson_arr_size(b))
            return false;
        yyjson_arr_foreach(a, i, count, v) {
            if (!alike(v, yyjson_arr_get(b, i)))
                return false;
        }
        return true;
    }
    if (!yyjson_is_obj(a))
        return yyjson_equals(a, b);
    yyjson_obj_foreach(a, i, count, key, v) {
        yyjson_val *other = yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key));
        if (!other || !alike(v, other))
            return false;
    }
    return yyjson_obj_size(a) == yyjson_obj_size(b);
}

static yyjson_val *by_id(yyjson_val *points, yyjson_val *id)
{
    yyjson_val *p;
    size_t i, count;

    yyjson_arr_foreach(points, i, count, p) {
        if (yyjson_equals(yyjson_obj_get(p, "id"), id))
            return p;
    }
    return NULL;
}

static yyjson_doc *retrieve(struct copying *x, struct client *who, const char *name, yyjson_val *points)
{
    yyjson_val *p;
    size_t i, count;

    x->body.size = 0;
    buf_text(&x->body, "{\"with_payload\":true,\"with_vector\":true,\"ids\":[");
    yyjson_arr_foreach(points, i, count, p) {
        char *id = yyjson_val_write(yyjson_obj_get(p, "id"), 0, NULL);
        buf_printf(&x->body, "%s%s", i ? "," : "", id ? id : "0");
        free(id);
    }
    buf_put(&x->body, "]}", 3);
    return ask(x, who, "POST", path_of(x, name, "/points"), (const char *)x->body.data);
}

/* Some points drawn at random, whole. */
static int compare_some(struct copying *x, const char *name, size_t *ret_compared)
{
    static const char draw[] = "{\"query\":{\"sample\":\"random\"},\"limit\":200,\"with_payload\":false}";
    yyjson_doc *drawn = ask(x, x->from, "POST", path_of(x, name, "/points/query"), draw);
    yyjson_val *some = yyjson_obj_get(result_of(drawn), "points"), *p, *there;
    yyjson_doc *from = drawn ? retrieve(x, x->from, name, some) : NULL;
    yyjson_doc *to = from ? retrieve(x, x->to, name, some) : NULL;
    size_t i, count;
    int rc = to ? 0 : x->c.code;

    yyjson_arr_foreach(result_of(from), i, count, p) {
        yyjson_val *id = yyjson_obj_get(p, "id");
        there = to ? by_id(result_of(to), id) : NULL;
        if (rc >= 0 && (!there || !alike(yyjson_obj_get(p, "payload"), yyjson_obj_get(there, "payload")) ||
                        !alike(yyjson_obj_get(p, "vector"), yyjson_obj_get(there, "vector")))) {
            char *text = yyjson_val_write(id, 0, NULL);
            rc = err_set(&x->c, KITH_CORRUPT, "%s: point %s is not the same here", name, text ? text : "");
            free(text);
        }
        *ret_compared += rc >= 0;
    }
    yyjson_doc_free(drawn);
    yyjson_doc_free(from);
    yyjson_doc_free(to);
    return rc;
}

static int compare(struct copying *x, const char *name)
{
    int64_t theirs = count_of(x, x->from, name), ours = theirs < 0 ? -1 : count_of(x, x->to, name);
    size_t compared = 0;

    if (ours < 0)
        return x->c.code;
    if (theirs != ours)
        return err_set(&x->c, KITH_CORRUPT, "%s: %lld points there, %lld here", name, (long long)theirs,
                       (long long)ours);
    if (theirs)
        TRY(compare_some(x, name, &compared));
    printf("%s: %lld points, %zu compared\n", name, (long long)ours, compared);
    return 0;
}

/* ---- one collection, and all ------------------------------------------------------------------------------------- */

enum { NOT_HERE, BEGUN, FINISHED };

/* What the mark of a collection says; NULL: it has none. */
static yyjson_val *state_of(yyjson_doc *collection)
{
    return yyjson_obj_get(yyjson_obj_get(yyjson_obj_get(result_of(collection), "config"), "metadata"), MARK);
}

/* `ret_here` says how far a begun one is. */
static int look_here(struct copying *x, const char *name, yyjson_doc **ret_here)
{
    yyjson_doc *doc = ask(x, x->to, "GET", path_of(x, name, ""), NULL);
    yyjson_val *state = state_of(doc);

    *ret_here = doc;
    if (!doc)
        return x->c.code == KITH_NOT_FOUND ? NOT_HERE : x->c.code;
    if (!state && compare(x, name) >= 0)
        return FINISHED;
    if (!state)
        return err_set(&x->c, KITH_EXISTS, "%s: is here already, is not the same, and was not begun by an import", name);
    if (!yyjson_equals_str(yyjson_obj_get(state, "from"), x->from_url))
        return err_set(&x->c, KITH_EXISTS, "%s: is here already, half-way from %.200s", name,
                       yyjson_get_str(yyjson_obj_get(state, "from")));
    return BEGUN;
}

static int copy_with(struct copying *x, const char *name, yyjson_val *info, yyjson_doc *here, bool begun)
{
    yyjson_val *config = yyjson_obj_get(info, "config");
    yyjson_val *state = state_of(here);
    yyjson_val *next = yyjson_obj_get(state, "next");
    int64_t all = count_of(x, x->from, name), done = 0;

    if (all < 0)
        return x->c.code;
    if (!begun)
        TRY(create(x, name, config));
    if (!begun && yyjson_equals_str(yyjson_obj_get(yyjson_obj_get(config, "params"), "sharding_method"), "custom"))
        TRY(create_shard_keys(x, name));
    TRY(create_indexes(x, name, yyjson_obj_get(info, "payload_schema")));
    if (next)
        done = count_of(x, x->to, name);
    TRY(copy_points(x, name, next, done, all));
    TRY(compare(x, name));
    TRY(set_limits(x, name, yyjson_obj_get(config, "strict_mode_config")));
    return mark(x, name, NULL);
}

static int copy_one(struct copying *x, const char *name)
{
    yyjson_doc *info = ask(x, x->from, "GET", path_of(x, name, ""), NULL), *here = NULL;
    int rc = info ? look_here(x, name, &here) : x->c.code;

    if (rc == NOT_HERE || rc == BEGUN)
        rc = copy_with(x, name, result_of(info), here, rc == BEGUN);
    yyjson_doc_free(info);
    yyjson_doc_free(here);
    return rc;
}

static bool is_wanted(const struct copying *x, const char *name)
{
    bool wanted = !x->names_count;

    for (size_t i = 0; i < x->names_count; i++)
        wanted = wanted || strcmp(x->names[i], name) == 0;
    return wanted;
}

static int copy_aliases(struct copying *x)
{
    yyjson_doc *doc = ask(x, x->from, "GET", "/aliases", NULL);
    yyjson_val *list = yyjson_obj_get(result_of(doc), "aliases"), *a;
    size_t i, count;
    int rc = doc ? 0 : x->c.code;

    yyjson_arr_foreach(list, i, count, a) {
        yyjson_mut_doc *change = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(change), *actions = yyjson_mut_obj_add_arr(change, root, "actions");
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(change, actions);
        yyjson_mut_doc_set_root(change, root);
        yyjson_mut_obj_add_val(change, one, "create_alias", yyjson_val_mut_copy(change, a));
        if (rc >= 0 && is_wanted(x, yyjson_get_str(yyjson_obj_get(a, "collection_name"))))
            rc = tell(x, x->to, "POST", "/collections/aliases", change);
        yyjson_mut_doc_free(change);
    }
    yyjson_doc_free(doc);
    return rc;
}

static int copy_all(struct copying *x)
{
    yyjson_doc *doc = x->names_count ? NULL : ask(x, x->from, "GET", "/collections", NULL);
    yyjson_val *list = yyjson_obj_get(result_of(doc), "collections"), *v;
    size_t i, count;
    int rc = x->names_count || doc ? 0 : x->c.code;

    for (i = 0; i < x->names_count && rc >= 0; i++)
        rc = copy_one(x, x->names[i]);
    yyjson_arr_foreach(list, i, count, v) {
        if (rc >= 0)
            rc = copy_one(x, yyjson_get_str(yyjson_obj_get(v, "name")));
    }
    yyjson_doc_free(doc);
    return rc < 0 ? rc : copy_aliases(x);
}

static int read_args(int argc, char **argv, struct copying *x)
{
    const struct option_row rows[] = {
        {"--from-qdrant", &x->from_url, NULL, 0, NULL},
        {"--to", &x->to_url, NULL, 0, NULL},
        {"--from-key", &x->from_key, NULL, 0, NULL},
        {"--to-key", &x->to_key, NULL, 0, NULL},
        {"--collection", x->names, &x->names_count, NAMES_MAX, NULL},
        {"--quiet", NULL, NULL, 0, &x->quiet},
    };

    x->to_url = "http://127.0.0.1:6333";
    return options_read("import", rows, ARRAY_SIZE(rows), argc, argv);
}

int cmd_copy(int argc, char **argv)
{
    struct copying x = {0};
    int rc;

    if (options_have(argc, argv, "--help"))
        return help(), 0;
    if (read_args(argc, argv, &x))
        return 1;
    ctx_init(&x.c, os_linux());
    buf_init(&x.answer);
    buf_init(&x.body);
    rc = client_new(&x.c, x.from_url, x.from_key, &x.from);
    if (rc >= 0)
        rc = client_new(&x.c, x.to_url, x.to_key, &x.to);
    if (rc >= 0)
        rc = copy_all(&x);
    if (rc < 0)
        (void)cmd_fail("import: %s", x.c.text);
    client_free(x.from);
    client_free(x.to);
    buf_release(&x.answer);
    buf_release(&x.body);
    ctx_release(&x.c);
    return rc < 0;
}
