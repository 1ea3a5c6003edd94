/* text.c - how words are made of text, for indexes and for the model bm25; that model, which turns text into a sparse
 * vector without weights from elsewhere: which words there are, and how often. */
#include "qdrant/dialect.h"

#include "doc/text.h"

#include <stdlib.h>

/* ---- words ------------------------------------------------------------------------------------------------ */

static bool read_tokens(struct call *call, yyjson_val *v, kith_tokens *to)
{
    static const char *const names[] = {"word", "whitespace", "prefix", "multilingual", "code"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (v && yyjson_equals_str(v, names[i])) {
            *to = (kith_tokens)i;
            return true;
        }
    }
    if (v)
        call_fail(call, 400, "Bad request: tokenizer: expected word, whitespace, prefix, multilingual or code");
    return !v;
}

/* {"type": "snowball", "language": name}, {"type": "none"} */
static bool read_stemmer(struct call *call, yyjson_val *v, kith_text *to)
{
    yyjson_val *language = yyjson_obj_get(v, "language");

    if (!v)
        return true;
    to->stem = NULL;
    if (yyjson_equals_str(yyjson_obj_get(v, "type"), "none"))
        return true;
    to->stem = yyjson_get_str(language);
    return to->stem || read_fail(call, "stemmer: expected {\"type\": \"snowball\", \"language\": name} or {\"type\": "
                                       "\"none\"}");
}

static bool add_language(struct call *call, const char *name, struct buf *out)
{
    struct bytes words;

    if (name && text_stops(name, &words)) {
        buf_put(out, words.data, words.size);
        buf_u8(out, ' ');
        return true;
    }
    call_fail(call, 400, "Bad request: stopwords: there is no list for \"%.40s\"; name its words under custom",
              name ? name : "");
    return false;
}

/* "english", or {"languages": [...], "custom": [...]} */
static bool add_stops(struct call *call, yyjson_val *v, struct buf *out)
{
    yyjson_val *languages = field_of(v, "languages", NULL), *custom = field_of(v, "custom", NULL), *item;
    size_t i, count;

    if (yyjson_is_str(v))
        return add_language(call, yyjson_get_str(v), out);
    if (!yyjson_is_obj(v) || (languages && !yyjson_is_arr(languages)) || (custom && !yyjson_is_arr(custom)))
        return read_fail(call, "stopwords: expected a language, or {\"languages\": [...], \"custom\": [...]}");
    yyjson_arr_foreach(languages, i, count, item) {
        if (!add_language(call, yyjson_get_str(item), out))
            return false;
    }
    yyjson_arr_foreach(custom, i, count, item) {
        if (!yyjson_is_str(item))
            return read_fail(call, "stopwords.custom[%zu]: expected a word", i);
        buf_put(out, yyjson_get_str(item), yyjson_get_len(item));
        buf_u8(out, ' ');
    }
    return true;
}

/* They are compared with words as these are after folding and in small letters: so they are made. */
static char *plain_stops(struct call *call, const struct buf *list, const kith_text *like)
{
    kith_text how = {.tokens = KITH_TOKENS_SPACES, .keep_case = like->keep_case, .fold = like->fold};
    struct bytes word;
    struct words w;
    struct buf out;
    char *text;

    buf_init(&out);
    words_of(&w, (struct bytes){list->data, list->size}, &how, false);
    while (words_next(&w, &word)) {
        buf_put(&out, word.data, word.size);
        buf_u8(&out, ' ');
    }
    words_end(&w);
    text = out.failed ? NULL : arena_str(&call->c.arena, out.data ? (char *)out.data : "", out.size);
    buf_release(&out);
    return text;
}

/* As `v` says, or else those of a language; NULL: none. */
static bool read_stops(struct call *call, yyjson_val *v, const char *language, kith_text *to)
{
    struct buf list;
    bool ok;

    if (!v && !language)
        return true;
    buf_init(&list);
    ok = v ? add_stops(call, v, &list) : add_language(call, language, &list);
    if (ok) {
        to->stops = plain_stops(call, &list, to);
        ok = to->stops || read_fail(call, "out of memory");
        if (ok && !*to->stops)
            to->stops = NULL;
    }
    buf_release(&list);
    return ok;
}

/* true, or {"type": "bm25"} */
static bool read_scoring(struct call *call, yyjson_val *v, kith_text *to)
{
    to->scored = yyjson_is_true(v) || yyjson_equals_str(yyjson_obj_get(v, "type"), "bm25");
    return !v || to->scored || yyjson_is_false(v) ||
           read_fail(call, "scoring: expected a boolean or {\"type\": \"bm25\"}");
}

/* `language`: of a model, whose stop words it leaves out if nothing else is said; NULL: none. */
static bool read_how(struct call *call, yyjson_val *v, bool of_model, const char *language, kith_text *to)
{
    uint64_t least, most;
    bool lower;

    if (!read_tokens(call, field_of(v, "tokenizer", NULL), &to->tokens) ||
        !read_bool(call, field_of(v, "lowercase", NULL), "lowercase", true, &lower) ||
        !read_bool(call, field_of(v, "ascii_folding", NULL), "ascii_folding", false, &to->fold) ||
        !read_bool(call, field_of(v, "phrase_matching", NULL), "phrase_matching", false, &to->phrases) ||
        !read_count(call, field_of(v, "min_token_len", NULL), "min_token_len", 0, 0, &least) ||
        !read_count(call, field_of(v, "max_token_len", NULL), "max_token_len", 0, 0, &most))
        return false;
    to->keep_case = !lower;
    to->least = (uint32_t)MIN(least, (uint64_t)UINT32_MAX);
    to->most = (uint32_t)MIN(most, (uint64_t)UINT32_MAX);
    if (!of_model && !read_scoring(call, field_of(v, "scoring", NULL), to))
        return false;
    if (!read_stops(call, field_of(v, "stopwords", NULL), language, to) ||
        !read_stemmer(call, field_of(v, "stemmer", NULL), to))
        return false;
    if (!text_problem(to))
        return true;
    call_fail(call, 400, "Bad request: text: %s (%.40s)", text_problem(to), to->stem ? to->stem : "");
    return false;
}

bool text_read(struct call *call, yyjson_val *v, kith_text *to)
{
    return read_how(call, v, false, NULL, to);
}

/* ---- the model bm25 ------------------------------------------------------------------------------------------- */

/* What its options are if they say nothing. */
struct bm25 {
    double k, b, length; /* length: of a typical text, in words */
    kith_text how;
};

static bool read_number(struct call *call, yyjson_val *options, const char *name, double otherwise, double *ret)
{
    yyjson_val *v = field_of(options, name, NULL);

    *ret = v ? yyjson_get_num(v) : otherwise;
    return !v || (yyjson_is_num(v) && *ret >= 0) || read_fail(call, "options.%s: expected a number not below 0", name);
}

static bool read_options_of(struct call *call, yyjson_val *options, struct bm25 *to)
{
    yyjson_val *language = field_of(options, "language", NULL);
    const char *name = language ? yyjson_get_str(language) : "english";
    bool none = name && strcmp(name, "none") == 0;

    *to = (struct bm25){.how = {.stem = none ? NULL : name}};
    if ((options && !yyjson_is_obj(options)) || !name)
        return read_fail(call, "options: expected an object, and a name for language");
    if (!read_number(call, options, "k", 1.2, &to->k) || !read_number(call, options, "b", 0.75, &to->b) ||
        !read_number(call, options, "avg_len", 256, &to->length))
        return false;
    return read_how(call, options, true, none ? NULL : name, &to->how);
}

/* MurmurHash3, 32 bits, seed 0 (Austin Appleby, public domain): words have these numbers in vectors of this model. */
static uint32_t murmur3(const uint8_t *data, size_t size)
{
    uint32_t h = 0, k;

    for (size_t i = 0; i < size; i += 4) {
        size_t n = MIN(size - i, (size_t)4);
        k = 0;
        memcpy(&k, data + i, n);
        k *= 0xcc9e2d51u;
        k = k << 15 | k >> 17;
        h ^= k * 0x1b873593u;
        if (n == 4)
            h = (h << 13 | h >> 19) * 5 + 0xe6546b64u;
    }
    h ^= (uint32_t)size;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

/* Of the hash as a signed number the size of it. */
static uint32_t number_of(struct bytes word)
{
    int32_t h = (int32_t)murmur3(word.data, word.size);

    return h < 0 ? (uint32_t)0 - (uint32_t)h : (uint32_t)h;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Words as numbers, in order; equal ones side by side. */
static bool count_words(struct call *call, struct bytes text, const kith_text *how, uint32_t **ret, size_t *ret_count)
{
    struct bytes word;
    struct words w;
    struct buf list;

    buf_init(&list);
    words_of(&w, text, how, false);
    while (words_next(&w, &word))
        buf_u32(&list, number_of(word));
    words_end(&w);
    *ret_count = list.size / sizeof(uint32_t);
    *ret = list.failed ? NULL : arena_copy(&call->c.arena, list.data ? list.data : (const void *)"", list.size);
    buf_release(&list);
    if (*ret)
        qsort(*ret, *ret_count, sizeof(uint32_t), by_number);
    return *ret || read_fail(call, "out of memory");
}

/* Weights of a text that is kept: how often a word is there, less and less; of a question: 1. */
static bool weigh(struct call *call, const struct bm25 *m, bool asked, const uint32_t *words, size_t count,
                  kith_vector *to)
{
    double rest = m->k * (1 - m->b + m->b * (double)count / MAX(m->length, 1e-9));
    uint32_t *blob = arena_alloc(&call->c.arena, MAX(count, (size_t)1) * 8), n = 0;
    float *values = arena_alloc(&call->c.arena, MAX(count, (size_t)1) * sizeof *values);

    if (!blob || !values)
        return read_fail(call, "out of memory");
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && words[next] == words[i];)
            next++;
        blob[n] = words[i];
        values[n++] = asked ? 1 : (float)((double)(next - i) * (m->k + 1) / ((double)(next - i) + rest));
    }
    memcpy(blob + n, values, n * sizeof *values);
    *to = (kith_vector){to->name, n, blob, KITH_SPARSE, 0};
    return true;
}

static bool is_bm25(const char *model)
{
    static const char name[] = "qdrant/bm25";
    const char *rest = name;

    for (int part = 0; part < 2; part++, rest = name + 7) {
        size_t i = 0;
        while (rest[i] && (model[i] | 32) == (rest[i] | 32))
            i++;
        if (!rest[i] && !model[i])
            return true;
    }
    return false;
}

bool is_inference(yyjson_val *v)
{
    return yyjson_is_obj(v) && yyjson_is_str(yyjson_obj_get(v, "model"));
}

bool text_infer(struct call *call, yyjson_val *v, bool asked, kith_vector *to)
{
    const char *model = yyjson_get_str(yyjson_obj_get(v, "model"));
    yyjson_val *text = yyjson_obj_get(v, "text");
    struct bm25 m;
    uint32_t *words;
    size_t count;

    if (!model || !is_bm25(model)) {
        call_fail(call, 500, "Service internal error: the model %.80s is not here, and no inference service is "
                             "configured; qdrant/bm25 is here, or send the numbers", model ? model : "");
        return false;
    }
    if (!yyjson_is_str(text))
        return read_fail(call, "text: the model %.40s takes text only", model);
    return read_options_of(call, field_of(v, "options", NULL), &m) &&
           count_words(call, (struct bytes){(const uint8_t *)yyjson_get_str(text), yyjson_get_len(text)}, &m.how, &words,
                       &count) &&
           weigh(call, &m, asked, words, count, to);
}
