/* text.h - text as words: what text conditions compare, and what scores count. Words are cut out, folded, put into small
 * letters, left out if they say little, and cut down to their stems, in this order. */
#ifndef DOC_TEXT_H
#define DOC_TEXT_H

#include "base/buf.h"

enum { WORD_MAX = 256 }; /* bytes; longer ones are cut */

struct words {
    struct bytes text; /* what is left */
    const kith_text *how;
    bool asked;        /* words of a question: of a beginning only the longest */
    uint32_t given;    /* of the word at hand: characters of the last beginning */
    uint32_t size, chars;
    uint64_t stops[4]; /* which hashes words to leave out have */
    void *stemmer, *breaks; /* Snowball's and ICU's; made when they are needed */
    int32_t at;             /* of the breaks */
    bool no_stemmer;
    uint8_t word[WORD_MAX];
};
/* `how` and `text` must stay. words_end. */
void words_of(struct words *w, struct bytes text, const kith_text *how, bool asked);
/* The next word, good until the one after it. False: there is none. */
bool words_next(struct words *w, struct bytes *ret_word);
void words_end(struct words *w);

/* NULL, or what is wrong with it. */
const char *text_problem(const kith_text *how);
bool text_same(const kith_text *a, const kith_text *b);
/* The words of a language that say little, between spaces and ends of lines; false: there is no such list. */
bool text_stops(const char *language, struct bytes *ret_words);
/* As bytes and back; strings are the arena's. */
void text_encode(const kith_text *how, struct buf *out);
bool text_decode(struct reader *r, struct arena *a, kith_text *to);

#endif
