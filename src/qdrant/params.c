/* params.c - what stands behind the ? of a request: numbers, flags, and those that many calls have. */
#include "qdrant/dialect.h"

#include <stdlib.h>

bool param_flag(struct call *call, const char *name, bool *ret)
{
    const char *text = call_query(call, name);

    *ret = text && strcmp(text, "true") == 0;
    if (!text || *ret || strcmp(text, "false") == 0)
        return true;
    call_fail(call, 400, "Query deserialize error: %s: expected true or false, not \"%.40s\"", name, text);
    return false;
}

bool param_count(struct call *call, const char *name, uint64_t most, uint64_t otherwise, uint64_t *ret)
{
    const char *text = call_query(call, name);
    size_t digits = text ? strspn(text, "0123456789") : 0;

    *ret = otherwise;
    if (!text)
        return true;
    *ret = digits && digits < 19 && !text[digits] ? strtoull(text, NULL, 10) : UINT64_MAX;
    if (*ret <= most)
        return true;
    call_fail(call, 400, "Query deserialize error: %s: expected a number from 0 to %llu, not \"%.40s\"", name,
              (unsigned long long)most, text);
    return false;
}

static bool is_consistency(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return !*text || (digits && !text[digits] && strspn(text, "0") < digits) || strcmp(text, "majority") == 0 ||
           strcmp(text, "quorum") == 0 || strcmp(text, "all") == 0;
}

/* A number of seconds from the request's start as milliseconds from now. */
static uint32_t left_of(const struct call *call, double seconds)
{
    double left = seconds - call_seconds(call);

    return left > 0.001 ? (uint32_t)MIN(left * 1000, 4e9) : 1;
}

bool read_timeout(struct call *call, uint32_t *ret_ms)
{
    uint32_t patience = call->rpc ? grpc_timeout_ms(call->x) : 0;
    uint64_t seconds;

    *ret_ms = patience ? left_of(call, patience / 1e3) : 0;
    if (!param_count(call, "timeout", 999999999, UINT64_MAX, &seconds))
        return false;
    if (seconds == UINT64_MAX)
        return true;
    if (seconds == 0) {
        call_fail(call, 422, "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]");
        return false;
    }
    *ret_ms = *ret_ms ? MIN(*ret_ms, left_of(call, (double)seconds)) : left_of(call, (double)seconds);
    return true;
}

bool read_options(struct call *call, uint32_t *ret_ms)
{
    const char *consistency = call_query(call, "consistency");

    if (consistency && !is_consistency(consistency)) {
        call_fail(call, 400, "Deserialize error in query parameters: consistency: expected a number of 1 or more, "
                             "majority, quorum or all, not \"%.40s\"", consistency);
        return false;
    }
    return read_timeout(call, ret_ms);
}
