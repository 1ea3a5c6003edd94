/* text.c - by ICU's character properties. Text that is no UTF-8 is cut where it is not. */
#include "doc/text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

void words_of(struct words *w, struct bytes text)
{
    w->text = text;
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

bool words_next(struct words *w, struct bytes *ret_word)
{
    size_t n = 0;

    while (w->text.size && n + U8_MAX_LENGTH <= sizeof w->word) {
        UChar32 c = take(w);
        int32_t at = (int32_t)n;
        UBool failed = false;
        uint32_t lower;
        if (c < 0 || !u_isalnum(c)) {
            if (n)
                break;
            continue;
        }
        lower = (uint32_t)u_tolower(c);
        U8_APPEND(w->word, at, WORD_MAX, lower, failed);
        n = failed ? n : (size_t)at;
    }
    *ret_word = (struct bytes){w->word, n};
    return n > 0;
}
