/* four_neon.h - one query against four codes at a time: NEON, as every 64-bit ARM has it. */
#ifndef VEC_FOUR_NEON_H
#define VEC_FOUR_NEON_H

#include "base/base.h"

#if defined(__aarch64__)
#include <arm_neon.h>

static inline int8x16_t four_load_s8(const void *p)
{
    return vld1q_s8((const int8_t *)p);
}

static inline void four_dot8(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        int32x4_t s = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 16) { /* 255 * 127 needs 17 bits: products of halves, widened at once */
            uint8x16_t x = vld1q_u8(q + i);
            int8x16_t y = four_load_s8(v[j] + i);
            int16x8_t x0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
            int16x8_t x1 = vreinterpretq_s16_u16(vmovl_high_u8(x));
            int16x8_t y0 = vmovl_s8(vget_low_s8(y)), y1 = vmovl_high_s8(y);
            s = vmlal_s16(s, vget_low_s16(x0), vget_low_s16(y0));
            s = vmlal_high_s16(s, x0, y0);
            s = vmlal_s16(s, vget_low_s16(x1), vget_low_s16(y1));
            s = vmlal_high_s16(s, x1, y1);
        }
        out[j] = vaddvq_s32(s);
    }
}

static inline void four_l1(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const uint8x16_t bias = vdupq_n_u8(128);

    for (int j = 0; j < 4; j++) {
        uint32x4_t s = vdupq_n_u32(0);
        for (size_t i = 0; i < n; i += 16) {
            uint8x16_t d = vabdq_u8(vld1q_u8(q + i), veorq_u8(vld1q_u8(v[j] + i), bias));
            s = vpadalq_u16(s, vpaddlq_u8(d));
        }
        out[j] = (int32_t)vaddvq_u32(s);
    }
}

static inline int32x4_t four_nibbles(int32x4_t s, uint8x16_t x, const int8_t *q)
{
    int8x16_t y = vreinterpretq_s8_u8(x), z = four_load_s8(q);
    int16x8_t p = vmlal_high_s8(vmull_s8(vget_low_s8(y), vget_low_s8(z)), y, z); /* 2 * 15 * 127 */

    return vpadalq_s16(s, p);
}

static inline void four_dot4(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const uint8x16_t mask = vdupq_n_u8(15);

    for (int j = 0; j < 4; j++) {
        int32x4_t s = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 64) {
            for (size_t b = 0; b < 64; b += 16) {
                uint8x16_t x = vld1q_u8(v[j] + i + b);
                s = four_nibbles(s, vandq_u8(x, mask), q + 2 * i + b);
                s = four_nibbles(s, vshrq_n_u8(x, 4), q + 2 * i + 64 + b);
            }
        }
        out[j] = vaddvq_s32(s);
    }
}

/* Records of n bytes, eight elements each; the query has 8 n signed bytes. */
static inline void four_dot1(const int8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    const uint8x8_t bit = vcreate_u8(0x8040201008040201ull);

    for (int j = 0; j < 4; j++) {
        int32x4_t s = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 2) {
            uint8x16_t x = vcombine_u8(vtst_u8(vdup_n_u8(v[j][i]), bit), vtst_u8(vdup_n_u8(v[j][i + 1]), bit));
            s = vpadalq_s16(s, vpaddlq_s8(vandq_s8(vreinterpretq_s8_u8(x), four_load_s8(q + 8 * i))));
        }
        out[j] = vaddvq_s32(s);
    }
}

static inline void four_and(const uint8_t *q, const uint8_t *const v[4], size_t n, int32_t out[4])
{
    for (int j = 0; j < 4; j++) {
        uint32x4_t s = vdupq_n_u32(0);
        for (size_t i = 0; i < n; i += 16) {
            uint8x16_t both = vandq_u8(vld1q_u8(q + i), vld1q_u8(v[j] + i));
            s = vpadalq_u16(s, vpaddlq_u8(vcntq_u8(both)));
        }
        out[j] = (int32_t)vaddvq_u32(s);
    }
}
#endif

#endif
