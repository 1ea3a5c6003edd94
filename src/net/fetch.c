/* fetch.c - one transfer, given up when nothing comes for a minute. */
#include "net/fetch.h"

#include "base/ctx.h"

#include <curl/curl.h>
#include <stdio.h>

static size_t take(char *data, size_t one, size_t size, void *arg)
{
    return spill_put(arg, data, one * size) ? one * size : 0;
}

int fetch(struct ctx *c, const char *url, const char *api_key, const char *body, struct spill *to)
{
    char why[CURL_ERROR_SIZE] = "", header[512];
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    long status = 0;
    CURLcode rc;

    if (!curl)
        return err_nomem(c);
    if (api_key) {
        snprintf(header, sizeof header, "api-key: %.480s", api_key);
        headers = curl_slist_append(NULL, header);
    }
    if (body) {
        headers = curl_slist_append(headers, "content-type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
    rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (rc == CURLE_OK)
        return 0;
    return err_set(c, status == 404 ? KITH_NOT_FOUND : rc == CURLE_WRITE_ERROR ? KITH_FULL : KITH_INVALID,
                   "%.120s: %.100s", url, why[0] ? why : curl_easy_strerror(rc));
}
