/* utf8.c - eight plain characters at a time, others one by one. */
#include "codec/utf8.h"

/* How many bytes follow the first one; -1: it begins nothing. `least` and `most` bound the second one. */
static int followers(uint8_t first, uint8_t *least, uint8_t *most)
{
    *least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 0;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

bool utf8_ok(const void *text, size_t size)
{
    const uint8_t *at = text, *end = text ? at + size : at;

    while (at < end) {
        uint64_t eight;
        uint8_t least, most;
        int more;
        while (end - at >= 8 && (memcpy(&eight, at, 8), !(eight & 0x8080808080808080u)))
            at += 8;
        if (at == end)
            break;
        more = followers(*at++, &least, &most);
        if (more < 0 || end - at < more)
            return false;
        for (int i = 0; i < more; i++, at++) {
            if (*at < (i ? 0x80 : least) || *at > (i ? 0xbf : most))
                return false;
        }
    }
    return true;
}
