/* client.c - one connection that is used again and again. */
#include "net/client.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"

#include <curl/curl.h>
#include <stdio.h>

enum { TRIES = 30, WAIT_S = 5 };

struct client {
    CURL *curl;
    struct curl_slist *headers;
    const char *base;
    bool waits; /* however long */
};

int client_new(struct ctx *c, const char *base, const char *api_key, struct client **ret_client)
{
    struct client *x = mem_zalloc(sizeof *x);
    char header[512];

    if (!x || !(x->curl = curl_easy_init())) {
        mem_free(x);
        return err_nomem(c);
    }
    x->base = base;
    x->headers = curl_slist_append(NULL, "content-type: application/json");
    if (api_key) {
        snprintf(header, sizeof header, "api-key: %.480s", api_key);
        x->headers = curl_slist_append(x->headers, header);
    }
    *ret_client = x;
    return 0;
}

void client_free(struct client *x)
{
    if (!x)
        return;
    curl_slist_free_all(x->headers);
    curl_easy_cleanup(x->curl);
    mem_free(x);
}

static size_t take(char *data, size_t one, size_t size, void *arg)
{
    buf_put(arg, data, one * size);
    return ((struct buf *)arg)->failed ? 0 : one * size;
}

static CURLcode perform(struct client *x, const char *method, const char *url, const char *body, struct buf *out,
                        char *why, long *ret_status)
{
    CURLcode rc;

    out->size = 0;
    curl_easy_reset(x->curl);
    curl_easy_setopt(x->curl, CURLOPT_URL, url);
    curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_TIME, x->waits ? 0L : 120L);
    curl_easy_setopt(x->curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, out);
    if (body) {
        curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    }
    rc = curl_easy_perform(x->curl);
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return rc;
}

void client_wait(struct client *x)
{
    x->waits = true;
}

int client_call(struct ctx *c, struct client *x, const char *method, const char *path, const char *body,
                struct buf *out)
{
    char why[CURL_ERROR_SIZE] = "", url[2048];
    long status = 0;
    CURLcode rc;

    snprintf(url, sizeof url, "%.1000s%.1000s", x->base, path);
    for (int tries = 0; tries < TRIES; tries++) {
        curl_off_t wait = 0;
        rc = perform(x, method, url, body, out, why, &status);
        if (rc != CURLE_OK)
            return err_set(c, KITH_IO, "%s %.200s: %.200s", method, url, why[0] ? why : curl_easy_strerror(rc));
        if (status != 429 && status != 503)
            break;
        curl_easy_getinfo(x->curl, CURLINFO_RETRY_AFTER, &wait);
        os_pause((uint32_t)(MIN(MAX(wait, (curl_off_t)1), (curl_off_t)WAIT_S) * 1000000));
    }
    if (status < 400)
        return out->failed ? err_nomem(c) : 0;
    return err_set(c, status == 404 ? KITH_NOT_FOUND : KITH_INVALID, "%s %.200s: %ld: %.*s", method, url, status,
                   (int)MIN(out->size, (size_t)400), (const char *)out->data);
}

const char *client_escape(struct ctx *c, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0), *copy;

    copy = escaped ? arena_str(&c->arena, escaped, strlen(escaped)) : NULL;
    curl_free(escaped);
    return copy;
}
