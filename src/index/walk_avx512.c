/* walk_avx512.c - walks with AVX-512: distances, and a beam kept sorted without branches. */
#define WALK_ISA
#include "index/walk_links.h"
#include "vec/four_avx512.h"

/* new[i] = min(old[i], max(d, old[i - 1])), sixteen at a time: what is nearer stays, d goes in where the
 * order wants it, the rest moves up by one. Blocks wholly nearer than d are passed over. */
static ALWAYS_INLINE void beam_insert(struct beam *b, float d, uint32_t id)
{
    __m512 vd = _mm512_set1_ps(d), before = _mm512_set1_ps(-__builtin_inff());
    __m512i vid = _mm512_set1_epi32((int)id), before_id = _mm512_setzero_si512();
    uint32_t at = 0;

    while (b->d[at + 15] <= d) {
        at += 16;
        if (at == b->size)
            return;
    }
    for (; at < b->size; at += 16) {
        __m512 old = _mm512_load_ps(b->d + at);
        __m512i old_id = _mm512_load_si512(b->id + at);
        __m512 moved = _mm512_castsi512_ps(
            _mm512_alignr_epi32(_mm512_castps_si512(old), _mm512_castps_si512(before), 15));
        __m512i moved_id = _mm512_alignr_epi32(old_id, before_id, 15);
        __mmask16 stays = _mm512_cmp_ps_mask(old, vd, _CMP_LE_OQ);
        __mmask16 here = _mm512_cmp_ps_mask(moved, vd, _CMP_LE_OQ); /* the one before stays: d comes here */
        _mm512_store_ps(b->d + at, _mm512_min_ps(old, _mm512_max_ps(vd, moved)));
        moved_id = _mm512_mask_mov_epi32(moved_id, here, vid);
        _mm512_store_si512(b->id + at, _mm512_mask_mov_epi32(moved_id, stays, old_id));
        before = old;
        before_id = old_id;
    }
}

static ALWAYS_INLINE int beam_next(const struct beam *b)
{
    for (uint32_t i = 0; i < b->size; i += 16) {
        uint32_t walked = _mm512_movepi32_mask(_mm512_load_si512(b->id + i));
        if (walked != 0xffff)
            return (int)(i + (uint32_t)__builtin_ctz(~walked));
    }
    return -1;
}

#include "index/walk_body.h"

const struct walks walks_avx512 = WALKS;
