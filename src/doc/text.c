/* text.c - words by ICU's character properties and word boundaries, stems by Snowball. Text that is no UTF-8 is cut
 * where it is not. */
#include "doc/text.h"

#include "doc_stops.h"

#include "base/arena.h"

#include <libstemmer.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

/* ---- what is left out ------------------------------------------------------------------------------------- */

static uint32_t stop_hash(const uint8_t *word, size_t size)
{
    return (word[0] * 31u + word[size - 1] * 7u + (uint32_t)size * 97u) & 255;
}

/* The words of a list that spaces separate. */
static bool next_stop(const char **at, const char **ret_word, size_t *ret_size)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    *ret_size = strcspn(*at, " ");
    *at += *ret_size;
    return *ret_size > 0;
}

static void note_stops(struct words *w)
{
    const char *at = w->how->stops, *word;
    size_t size;

    while (at && next_stop(&at, &word, &size)) {
        uint32_t h = stop_hash((const uint8_t *)word, size);
        w->stops[h / 64] |= (uint64_t)1 << (h % 64);
    }
}

static bool is_stop(const struct words *w)
{
    const char *at = w->how->stops, *word;
    uint32_t h = stop_hash(w->word, w->size);
    size_t size;

    if (!(w->stops[h / 64] >> (h % 64) & 1))
        return false;
    while (at && next_stop(&at, &word, &size)) {
        if (size == w->size && memcmp(word, w->word, size) == 0)
            return true;
    }
    return false;
}

/* ---- words as they stand -------------------------------------------------------------------------------------- */

void words_of(struct words *w, struct bytes text, const kith_text *how, bool asked)
{
    memset(w, 0, offsetof(struct words, word));
    w->text = text;
    w->how = how;
    w->asked = asked;
    if (how->stops && !(asked && how->tokens == KITH_TOKENS_PREFIXES))
        note_stops(w);
}

void words_end(struct words *w)
{
    sb_stemmer_delete(w->stemmer);
    if (w->breaks)
        ubrk_close(w->breaks);
    w->stemmer = w->breaks = NULL;
}

static UChar32 take(struct words *w)
{
    int32_t at = 0, size = (int32_t)MIN(w->text.size, (size_t)INT32_MAX);
    UChar32 c;

    U8_NEXT(w->text.data, at, size, c);
    w->text.data += at;
    w->text.size -= (size_t)at;
    return c;
}

static bool belongs(const struct words *w, UChar32 c)
{
    return c >= 0 && (w->how->tokens == KITH_TOKENS_SPACES ? !u_isUWhiteSpace(c) : u_isalnum(c));
}

/* For what one character may become. */
static bool has_room(const struct words *w)
{
    return w->size + (w->how->fold ? 4u : 1u) * U8_MAX_LENGTH <= sizeof w->word;
}

static void append_one(struct words *w, UChar32 c)
{
    uint32_t put = (uint32_t)(w->how->keep_case ? c : u_tolower(c));
    int32_t at = (int32_t)w->size;
    UBool failed = false;

    U8_APPEND(w->word, at, WORD_MAX, put, failed);
    w->size = failed ? w->size : (uint32_t)at;
    w->chars += !failed;
}

/* Latin letters that do not come apart into a plain one and a mark. */
static const struct {
    UChar32 c;
    const char *plain;
} odd[] = {{0xdf, "ss"}, {0x1e9e, "SS"}, {0xe6, "ae"}, {0xc6, "AE"}, {0x153, "oe"}, {0x152, "OE"}, {0xf8, "o"},
           {0xd8, "O"}, {0xf0, "d"}, {0xd0, "D"}, {0x111, "d"}, {0x110, "D"}, {0xfe, "th"}, {0xde, "TH"},
           {0x142, "l"}, {0x141, "L"}, {0x131, "i"}, {0x127, "h"}, {0x126, "H"}, {0x167, "t"}, {0x166, "T"},
           {0x14b, "n"}, {0x14a, "N"}};

static bool append_odd(struct words *w, UChar32 c)
{
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        if (odd[i].c != c)
            continue;
        for (const char *p = odd[i].plain; *p; p++)
            append_one(w, *p);
        return true;
    }
    return false;
}

/* Letters without their marks. */
static void append(struct words *w, UChar32 c)
{
    UErrorCode rc = U_ZERO_ERROR;
    UChar parts[20];
    int32_t n, at = 0;

    if (!w->how->fold || c < 0x80) {
        append_one(w, c);
        return;
    }
    if (append_odd(w, c))
        return;
    n = unorm2_getDecomposition(unorm2_getNFKDInstance(&rc), c, parts, (int32_t)ARRAY_SIZE(parts), &rc);
    if (U_FAILURE(rc) || n <= 0) {
        append_one(w, c);
        return;
    }
    while (at < n) {
        uint32_t part = parts[at++];
        if (U16_IS_LEAD(part) && at < n)
            part = (uint32_t)U16_GET_SUPPLEMENTARY(part, parts[at++]);
        if (u_charType((UChar32)part) != U_NON_SPACING_MARK)
            append_one(w, (UChar32)part);
    }
}

/* Names of programs are words joined by capitals: getHTTPCode is get, HTTP, Code. */
static bool is_joint(const struct words *w, UChar32 before, UChar32 c)
{
    struct words ahead = {.text = w->text};

    if (w->how->tokens != KITH_TOKENS_CODE || !u_isUUppercase(c))
        return false;
    return !u_isUUppercase(before) || (ahead.text.size && u_isULowercase(take(&ahead)));
}

/* The next run of what words are made of. */
static bool next_run(struct words *w)
{
    UChar32 before = 0;

    w->size = w->chars = w->given = 0;
    while (w->text.size && has_room(w)) {
        struct bytes here = w->text;
        UChar32 c = take(w);
        if (!belongs(w, c)) {
            if (before)
                break;
            continue;
        }
        if (before && is_joint(w, before, c)) {
            w->text = here;
            break;
        }
        before = c;
        append(w, c);
    }
    return w->size > 0;
}

static bool open_breaks(struct words *w)
{
    UErrorCode rc = U_ZERO_ERROR;
    UText *text = utext_openUTF8(NULL, (const char *)w->text.data, (int64_t)MIN(w->text.size, (size_t)INT32_MAX), &rc);

    w->breaks = ubrk_open(UBRK_WORD, "", NULL, 0, &rc);
    if (w->breaks)
        ubrk_setUText(w->breaks, text, &rc);
    utext_close(text);
    return w->breaks && U_SUCCESS(rc);
}

/* The next word by the rules and dictionaries of its script (Unicode's annex 29, ICU). */
static bool next_by_script(struct words *w)
{
    int32_t end;

    w->size = w->chars = w->given = 0;
    if (!w->breaks && (!w->text.size || !open_breaks(w)))
        return false;
    while (w->size == 0 && (end = ubrk_next(w->breaks)) != UBRK_DONE) {
        int32_t at = w->at;
        bool word = ubrk_getRuleStatus(w->breaks) >= UBRK_WORD_NONE_LIMIT;
        w->at = end;
        while (word && at < end && has_room(w)) {
            UChar32 c;
            U8_NEXT(w->text.data, at, end, c);
            if (c >= 0)
                append(w, c);
        }
    }
    return w->size > 0;
}

/* ---- what becomes of them ---------------------------------------------------------------------------------------- */

static void cut_to_stem(struct words *w)
{
    const sb_symbol *stem;
    int32_t at = 0;

    if (!w->stemmer && !w->no_stemmer) {
        w->stemmer = sb_stemmer_new(w->how->stem, NULL);
        w->no_stemmer = !w->stemmer;
    }
    stem = w->stemmer ? sb_stemmer_stem(w->stemmer, w->word, (int)w->size) : NULL;
    if (!stem)
        return;
    w->size = (uint32_t)MIN(sb_stemmer_length(w->stemmer), WORD_MAX);
    memcpy(w->word, stem, w->size);
    for (w->chars = 0; at < (int32_t)w->size; w->chars++)
        U8_FWD_1(w->word, at, (int32_t)w->size);
}

/* False: it is left out. */
static bool refine(struct words *w)
{
    if (is_stop(w))
        return false;
    if (w->how->stem)
        cut_to_stem(w);
    return w->size > 0;
}

/* Bytes of so many characters. */
static size_t bytes_of(const struct words *w, uint32_t chars)
{
    int32_t at = 0;

    U8_FWD_N(w->word, at, (int32_t)w->size, (int32_t)chars);
    return (size_t)at;
}

/* A longer beginning than the last one; of a question the longest. */
static bool next_beginning(struct words *w, struct bytes *ret_word)
{
    uint32_t least = MAX(w->how->least, 1u), most = w->how->most ? MIN(w->how->most, w->chars) : w->chars;
    uint32_t next = w->asked && !w->given ? most : w->given ? w->given + 1 : least;

    if (next > most || next < least || (w->asked && w->given))
        return false;
    w->given = next;
    *ret_word = (struct bytes){w->word, bytes_of(w, next)};
    return true;
}

bool words_next(struct words *w, struct bytes *ret_word)
{
    const kith_text *how = w->how;

    for (;;) {
        if (how->tokens == KITH_TOKENS_PREFIXES && w->size && next_beginning(w, ret_word))
            return true;
        if (how->tokens == KITH_TOKENS_SCRIPTS ? !next_by_script(w) : !next_run(w))
            return false;
        if (!refine(w)) {
            w->size = 0;
            continue;
        }
        if (how->tokens == KITH_TOKENS_PREFIXES)
            continue;
        if (w->chars < how->least || (how->most && w->chars > how->most))
            continue;
        *ret_word = (struct bytes){w->word, w->size};
        return true;
    }
}

/* ---- how words are made, as such -------------------------------------------------------------------- */

const char *text_problem(const kith_text *how)
{
    struct sb_stemmer *s;

    if (how->tokens > KITH_TOKENS_CODE)
        return "unknown tokens";
    if (how->most && how->most < how->least)
        return "the longest word is shorter than the shortest";
    if (!how->stem)
        return NULL;
    s = sb_stemmer_new(how->stem, NULL);
    sb_stemmer_delete(s);
    return s ? NULL : "no stems of this language are known";
}

static bool same_string(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool text_same(const kith_text *a, const kith_text *b)
{
    return a->tokens == b->tokens && a->keep_case == b->keep_case && a->least == b->least && a->most == b->most &&
           a->fold == b->fold && same_string(a->stem, b->stem) && same_string(a->stops, b->stops);
}

enum { KEEP_CASE = 1, FOLD = 2, STRINGS = 4, SCORED = 8, PHRASES = 16 }; /* the first release wrote 0 or 1 */

void text_encode(const kith_text *how, struct buf *out)
{
    bool strings = how->stem || how->stops;

    buf_u8(out, (uint8_t)how->tokens);
    buf_u8(out, (uint8_t)((how->keep_case ? KEEP_CASE : 0) | (how->fold ? FOLD : 0) | (strings ? STRINGS : 0) |
                          (how->scored ? SCORED : 0) | (how->phrases ? PHRASES : 0)));
    buf_varint(out, how->least);
    buf_varint(out, how->most);
    if (strings) {
        buf_str(out, how->stem);
        buf_str(out, how->stops);
    }
}

bool text_decode(struct reader *r, struct arena *a, kith_text *to)
{
    uint8_t flags;

    *to = (kith_text){.tokens = (kith_tokens)read_u8(r)};
    flags = read_u8(r);
    to->keep_case = flags & KEEP_CASE;
    to->fold = flags & FOLD;
    to->scored = flags & SCORED;
    to->phrases = flags & PHRASES;
    to->least = (uint32_t)read_varint(r);
    to->most = (uint32_t)read_varint(r);
    if (flags & STRINGS) {
        to->stem = read_str(r, a);
        to->stops = read_str(r, a);
        to->stem = to->stem && *to->stem ? to->stem : NULL;
        to->stops = to->stops && *to->stops ? to->stops : NULL;
    }
    return !r->failed && to->tokens <= KITH_TOKENS_CODE;
}

/* ---- words that say little --------------------------------------------------------------------------- */

static struct bytes line_at(struct bytes text, size_t at)
{
    size_t end = at;

    while (end < text.size && text.data[end] != '\n')
        end++;
    return (struct bytes){text.data + at, end - at};
}

/* A paragraph begins with its language; an empty line ends it. */
bool text_stops(const char *language, struct bytes *ret_words)
{
    struct bytes text = {doc_stops, sizeof doc_stops}, line;
    size_t size = strlen(language), from;

    for (size_t at = 0; at < text.size; at += line.size + 1) {
        line = line_at(text, at);
        if (line.size <= size || memcmp(line.data, language, size) != 0 || line.data[size] != ':')
            continue;
        from = at + size + 1;
        while (line.size) {
            at += line.size + 1;
            line = line_at(text, MIN(at, text.size));
        }
        *ret_words = (struct bytes){text.data + from, MIN(at, text.size) - from};
        return true;
    }
    return false;
}
