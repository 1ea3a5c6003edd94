/* text.c - by ICU's character properties. Text that is no UTF-8 is cut where it is not. */
#include "doc/text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

void words_of(struct words *w, struct bytes text, const kith_text *how, bool asked)
{
    w->text = text;
    w->how = how;
    w->asked = asked;
    w->given = w->size = w->chars = 0;
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

/* The next run of what words are made of. */
static bool next_run(struct words *w)
{
    w->size = w->chars = w->given = 0;
    while (w->text.size && w->size + U8_MAX_LENGTH <= sizeof w->word) {
        UChar32 c = take(w);
        int32_t at = (int32_t)w->size;
        UBool failed = false;
        uint32_t put;
        if (!belongs(w, c)) {
            if (w->size)
                break;
            continue;
        }
        put = (uint32_t)(w->how->keep_case ? c : u_tolower(c));
        U8_APPEND(w->word, at, WORD_MAX, put, failed);
        w->size = failed ? w->size : (uint32_t)at;
        w->chars += !failed;
    }
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
        if (!next_run(w))
            return false;
        if (how->tokens == KITH_TOKENS_PREFIXES)
            continue;
        if (w->chars < how->least || (how->most && w->chars > how->most))
            continue;
        *ret_word = (struct bytes){w->word, w->size};
        return true;
    }
}
