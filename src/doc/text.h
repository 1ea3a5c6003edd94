/* text.h - text as words: what text conditions compare. */
#ifndef DOC_TEXT_H
#define DOC_TEXT_H

#include "base/base.h"

enum { WORD_MAX = 256 }; /* bytes; longer ones are cut */

struct words {
    struct bytes text; /* what is left */
    const kith_text *how;
    bool asked;        /* words of a question: of a beginning only the longest */
    uint32_t given;    /* of the word at hand: characters of the last beginning */
    uint32_t size, chars;
    uint8_t word[WORD_MAX];
};
/* `how` must stay. */
void words_of(struct words *w, struct bytes text, const kith_text *how, bool asked);
/* The next word, good until the one after it. False: there is none. */
bool words_next(struct words *w, struct bytes *ret_word);

#endif
