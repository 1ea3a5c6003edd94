/* auth.c - keys, and JSON web tokens (RFC 7519) signed by HMAC-SHA-256, whose claims are the Qdrant ones: access, exp,
 * value_exists, sub or subject. */
#include "serve/auth.h"

#include "codec/json.h"
#include "net/digest.h"

enum { TOKEN_MAX = 16 << 10, LEEWAY_S = 30 };

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* Takes the same time wherever the difference is. */
static bool same(const void *given, size_t n, const void *key, size_t m)
{
    const uint8_t *a = given, *b = key;
    unsigned difference = n != m;

    for (size_t i = 0; i < m; i++)
        difference |= (unsigned)a[i < n ? i : 0] ^ b[i];
    return n > 0 && difference == 0;
}

static bool is_key(const char *given, const char *key)
{
    return key && same(given, strlen(given), key, strlen(key));
}

/* ---- tokens ------------------------------------------------------------------------------------------------- */

struct token {
    const char *head, *claims, *signature;
    size_t head_size, claims_size, signature_size, signed_size;
};

static bool split(const char *text, struct token *to)
{
    size_t n = strlen(text);
    const char *dot = memchr(text, '.', n), *second = dot ? memchr(dot + 1, '.', n - (size_t)(dot + 1 - text)) : NULL;

    if (!second || n > TOKEN_MAX || strchr(second + 1, '.'))
        return false;
    to->head = text;
    to->head_size = (size_t)(dot - text);
    to->claims = dot + 1;
    to->claims_size = (size_t)(second - to->claims);
    to->signature = second + 1;
    to->signature_size = n - (size_t)(to->signature - text);
    to->signed_size = (size_t)(second - text);
    return true;
}

/* A part as JSON in the arena's memory; NULL: it is none. */
static yyjson_doc *part(struct ctx *c, const char *text, size_t size)
{
    uint8_t *raw = arena_alloc(&c->arena, size * 3 / 4 + 3);
    int n = raw ? base64url_decode(text, size, raw) : -1;
    yyjson_doc *doc = NULL;

    if (n <= 0 || json_parse(c, (const char *)raw, (size_t)n, &doc) < 0)
        return NULL;
    if (yyjson_is_obj(yyjson_doc_get_root(doc)))
        return doc;
    yyjson_doc_free(doc);
    return NULL;
}

static bool is_signed(const struct token *t, const char *secret)
{
    uint8_t sum[SHA256_SIZE], given[SHA256_SIZE * 2];
    int n = t->signature_size <= SHA256_SIZE * 2 ? base64url_decode(t->signature, t->signature_size, given) : -1;

    return secret && n > 0 && hmac_sha256(secret, strlen(secret), t->head, t->signed_size, sum) &&
           same(given, (size_t)n, sum, sizeof sum);
}

static const char *keep(struct ctx *c, yyjson_val *text)
{
    return yyjson_is_str(text) ? arena_str(&c->arena, yyjson_get_str(text), yyjson_get_len(text)) : NULL;
}

/* "r", "m", or a list of {collection, access}. */
static bool read_access(struct ctx *c, yyjson_val *v, struct caller *to)
{
    size_t i, count, n = 0;
    struct grant *grants;
    yyjson_val *item;

    if (yyjson_is_str(v)) {
        to->scope = yyjson_equals_str(v, "m") ? MANAGER : yyjson_equals_str(v, "r") ? READER : NOBODY;
        return to->scope != NOBODY;
    }
    grants = arena_alloc(&c->arena, MAX(yyjson_arr_size(v), (size_t)1) * sizeof *grants);
    if (!yyjson_is_arr(v) || !grants)
        return false;
    yyjson_arr_foreach(v, i, count, item) {
        yyjson_val *access = yyjson_obj_get(item, "access"), *payload = yyjson_obj_get(item, "payload");
        bool points = yyjson_equals_str(access, "prw"), write = points || yyjson_equals_str(access, "rw");
        const char *collection = keep(c, yyjson_obj_get(item, "collection"));
        if (!collection || (!write && !yyjson_equals_str(access, "r")) || (payload && !yyjson_is_null(payload)))
            return false;
        grants[n++] = (struct grant){collection, write, points};
    }
    to->scope = GRANTED;
    to->grants = grants;
    to->grants_count = n;
    return true;
}

/* {collection, matches: [{key, value}]} */
static bool read_proof(struct ctx *c, yyjson_val *v, struct proof *to)
{
    yyjson_val *matches = yyjson_obj_get(v, "matches"), *item;
    size_t i, count, n = yyjson_arr_size(matches);
    kith_filter *all = arena_zalloc(&c->arena, sizeof *all);
    kith_filter *subs = arena_zalloc(&c->arena, MAX(n, (size_t)1) * sizeof *subs);
    kith_value *values = arena_zalloc(&c->arena, MAX(n, (size_t)1) * sizeof *values);

    to->collection = keep(c, yyjson_obj_get(v, "collection"));
    if (!to->collection || !yyjson_is_arr(matches) || !all || !subs || !values)
        return false;
    yyjson_arr_foreach(matches, i, count, item) {
        yyjson_val *value = yyjson_obj_get(item, "value");
        subs[i] = (kith_filter){.kind = KITH_COND_MATCH, .path = keep(c, yyjson_obj_get(item, "key")),
                                .values = &values[i], .values_count = 1};
        if (!subs[i].path || !(yyjson_is_str(value) || yyjson_is_int(value) || yyjson_is_bool(value)))
            return false;
        values[i].kind = yyjson_is_str(value) ? KITH_VALUE_STR : yyjson_is_int(value) ? KITH_VALUE_INT : KITH_VALUE_BOOL;
        values[i].boolean = yyjson_get_bool(value);
        values[i].num = yyjson_get_sint(value);
        values[i].str = keep(c, value);
        values[i].size = (uint32_t)yyjson_get_len(value);
    }
    *all = (kith_filter){.kind = KITH_COND_ALL, .subs = subs, .subs_count = n};
    to->filter = all;
    return true;
}

static bool in_time(yyjson_val *claims, int64_t now_s)
{
    yyjson_val *until = yyjson_obj_get(claims, "exp"), *from = yyjson_obj_get(claims, "nbf");

    if ((until && !yyjson_is_num(until)) || (from && !yyjson_is_num(from)))
        return false;
    return (!until || yyjson_get_num(until) + LEEWAY_S >= (double)now_s) &&
           (!from || yyjson_get_num(from) - LEEWAY_S <= (double)now_s);
}

/* What is wrong, or NULL. */
static const char *read_claims(struct ctx *c, const struct keys *keys, yyjson_val *claims, int64_t now_s,
                               struct caller *to)
{
    yyjson_val *access = yyjson_obj_get(claims, "access"), *proof = yyjson_obj_get(claims, "value_exists");
    yyjson_val *name = yyjson_obj_get(claims, "subject");

    if (!in_time(claims, now_s))
        return "Forbidden: the token has expired";
    to->name = keep(c, name ? name : yyjson_obj_get(claims, "sub"));
    to->name = to->name ? to->name : "token";
    to->scope = MANAGER;
    if (access && !yyjson_is_null(access)) {
        if (!read_access(c, access, to))
            return "Forbidden: the token's access claim is not understood";
    } else if (keys->tokens_narrow) {
        return "Forbidden: the token has no access claim";
    }
    if (proof && !yyjson_is_null(proof) && !read_proof(c, proof, &to->proof))
        return "Forbidden: the token's value_exists claim is not understood";
    return NULL;
}

/* 401: it is no token at all. */
static int read_token(struct ctx *c, const struct keys *keys, const char *given, int64_t now_s, struct caller *to,
                      const char **ret_why)
{
    yyjson_doc *head, *claims = NULL;
    struct token t;
    int status = 401;

    *ret_why = "Invalid API key or JWT";
    if (!keys->tokens || !split(given, &t) || !(head = part(c, t.head, t.head_size)))
        return 401;
    if (yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(head), "alg"), "HS256"))
        claims = part(c, t.claims, t.claims_size);
    if (claims) {
        status = 403;
        *ret_why = "Forbidden: the token's signature is wrong";
        if (is_signed(&t, keys->all) || is_signed(&t, keys->alternate)) {
            *ret_why = read_claims(c, keys, yyjson_doc_get_root(claims), now_s, to);
            status = *ret_why ? 403 : 0;
        }
    }
    yyjson_doc_free(claims);
    yyjson_doc_free(head);
    return status;
}

/* ---- who and what ------------------------------------------------------------------------------------------- */

int auth_identify(struct ctx *c, const struct keys *keys, const char *given, int64_t now_s, struct caller *ret_caller,
                  const char **ret_why)
{
    *ret_caller = (struct caller){.scope = ANYBODY, .name = "anybody"};
    if (!keys->all && !keys->alternate && !keys->read_only)
        return 0;
    *ret_caller = (struct caller){.scope = NOBODY, .name = "nobody"};
    if (!given) {
        *ret_why = "Must provide an API key or an Authorization bearer token";
        return 401;
    }
    if (is_key(given, keys->all) || is_key(given, keys->alternate)) {
        *ret_caller = (struct caller){.scope = MANAGER, .name = "api_key"};
        return 0;
    }
    if (is_key(given, keys->read_only)) {
        *ret_caller = (struct caller){.scope = READER, .name = "read_only_api_key"};
        return 0;
    }
    return read_token(c, keys, given, now_s, ret_caller, ret_why);
}

static bool grants(const struct caller *who, enum privilege needed, const char *collection)
{
    for (size_t i = 0; collection && i < who->grants_count; i++) {
        const struct grant *g = &who->grants[i];
        bool more = needed == READ_MORE || needed == WRITE_MORE, write = needed == WRITE || needed == WRITE_MORE;
        if (strcmp(g->collection, collection) == 0 && (g->write || !write) && !(g->points_only && more))
            return true;
    }
    return false;
}

bool auth_allows(const struct caller *who, enum privilege needed, const char *collection)
{
    if (needed == FREE)
        return true;
    switch (who->scope) {
    case ANYBODY: case MANAGER: return true;
    case READER: return needed == LIST || needed == READ || needed == READ_MORE || needed == WATCH;
    case GRANTED: return needed == LIST || (needed <= WRITE_MORE && grants(who, needed, collection));
    case NOBODY: break;
    }
    return false;
}
