/* quota.c - reading how full the machine is, and remembering the limits. */
#include "serve/quota.h"

#include "codec/json.h"
#include "os/os.h"

#include <stdio.h>

enum { MARGIN = 5, LOOK_NS = 250000000 };
#define FILE_NAME "quota.json"

static uint8_t percent_of(yyjson_val *v, uint8_t otherwise)
{
    return yyjson_is_uint(v) && yyjson_get_uint(v) <= 100 ? (uint8_t)yyjson_get_uint(v) : otherwise;
}

static int read_kept(struct ctx *c, struct quota *q)
{
    char *path = os_path(&c->arena, q->dir, FILE_NAME);
    struct bytes text;
    yyjson_doc *doc;
    yyjson_val *root;

    if (!path)
        return err_nomem(c);
    if (os_linux()->exists(os_linux(), path) != 1)
        return 0;
    TRY(os_read_file(c, path, 1 << 16, &text));
    TRY(json_parse(c, (const char *)text.data, text.size, &doc));
    root = yyjson_doc_get_root(doc);
    q->config.enabled = yyjson_get_bool(yyjson_obj_get(root, "enabled"));
    q->config.memory_percent = percent_of(yyjson_obj_get(root, "max_resident_memory_percent"), 0);
    q->config.disk_percent = percent_of(yyjson_obj_get(root, "max_disk_usage_percent"), 0);
    q->config.margin_percent = percent_of(yyjson_obj_get(root, "release_margin_percent"), MARGIN);
    yyjson_doc_free(doc);
    return 0;
}

int quota_open(struct ctx *c, const char *dir, struct quota *ret_quota)
{
    *ret_quota = (struct quota){.dir = dir, .config = {.margin_percent = MARGIN}};
    os_mutex_init(&ret_quota->lock);
    return read_kept(c, ret_quota);
}

void quota_close(struct quota *q)
{
    os_mutex_release(&q->lock);
}

int quota_set(struct ctx *c, struct quota *q, const struct quota_config *config)
{
    char text[256];
    int rc;

    snprintf(text, sizeof text, "{\"enabled\":%s,\"max_resident_memory_percent\":%u,\"max_disk_usage_percent\":%u,"
                                "\"release_margin_percent\":%u}\n", config->enabled ? "true" : "false",
             config->memory_percent, config->disk_percent, config->margin_percent);
    os_mutex_lock(&q->lock);
    rc = os_write_file(c, q->dir, FILE_NAME, text, strlen(text));
    if (rc >= 0) {
        q->config = *config;
        q->looked_ns = 0;
    }
    os_mutex_unlock(&q->lock);
    return rc;
}

static bool is_over(const struct quota_config *config, uint8_t limit, double now, bool was)
{
    return config->enabled && limit && now >= (double)limit - (was ? config->margin_percent : 0);
}

static void look(struct quota *q)
{
    struct os_space space = {0};

    q->state.memory_percent = 100 * (double)os_resident_bytes() / (double)os_memory_bytes();
    if (os_linux()->space(os_linux(), q->dir, &space) >= 0 && space.total)
        q->state.disk_percent = 100 * (1 - (double)space.available / (double)space.total);
    q->state.memory_over = is_over(&q->config, q->config.memory_percent, q->state.memory_percent, q->state.memory_over);
    q->state.disk_over = is_over(&q->config, q->config.disk_percent, q->state.disk_percent, q->state.disk_over);
}

void quota_look(struct quota *q, struct quota_config *ret_config, struct quota_state *ret_state)
{
    uint64_t now = os_linux()->mono_ns(os_linux());

    os_mutex_lock(&q->lock);
    if (!q->looked_ns || now - q->looked_ns > LOOK_NS) {
        look(q);
        q->looked_ns = now;
    }
    *ret_config = q->config;
    *ret_state = q->state;
    os_mutex_unlock(&q->lock);
}
