/* text.h - text as words: what text conditions compare. */
#ifndef DOC_TEXT_H
#define DOC_TEXT_H

#include "base/base.h"

enum { WORD_MAX = 256 }; /* bytes; longer ones are cut */

/* Words are runs of letters and digits of any script, in lower case. */
struct words {
    struct bytes text; /* what is left */
    uint8_t word[WORD_MAX];
};
void words_of(struct words *w, struct bytes text);
/* The next word, good until the one after it. False: there is none. */
bool words_next(struct words *w, struct bytes *ret_word);

#endif
