// Coefficients to samples: dequantisation, inverse DCT, level shift. One thread a block of 8 x 8.
//
// The arithmetic is libjpeg's "islow" (Loeffler, Ligtenberg and Moschytz; 13-bit constants, 2 extra
// bits between the passes), columns first. Implementations differ where values leave 16 bits: some
// wrap, some saturate, some have room. A tile is flagged where one might:
//
// - products outside -8192..8191: sums of two of them then fit in 16 bits, as does a DC value
//   times 4, which stands for the first pass where only the first row is not zero;
// - results of the first pass outside -16384..16383: they are not saturated, and sums of two fit;
// - samples outside -512..511 before the level shift: some cut them with a mask of 10 bits.
//
// Inside, no implementation wraps or saturates before the end but in sums modulo 2^32, which are all
// the same; so all give the same samples.
#include "common.cuh"

// An 8-point transform, not yet descaled. Unsigned, since sums may wrap.
struct Octet {
    u32 v[8];
};

__device__ void transform(Octet& o) {
    const u32* x = o.v;
    u32 z1 = (x[2] + x[6]) * 4433u;
    u32 t2 = z1 - x[6] * 15137u;
    u32 t3 = z1 + x[2] * 6270u;
    u32 t0 = (x[0] + x[4]) << 13;
    u32 t1 = (x[0] - x[4]) << 13;
    u32 e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;

    u32 y1 = (x[7] + x[1]) * 7373u;
    u32 y2 = (x[5] + x[3]) * 20995u;
    u32 y3 = x[7] + x[3];
    u32 y4 = x[5] + x[1];
    u32 y5 = (y3 + y4) * 9633u;
    y3 = y5 - y3 * 16069u;
    y4 = y5 - y4 * 3196u;
    u32 o0 = x[1] * 12299u - y1 + y4;
    u32 o1 = x[3] * 25172u - y2 + y3;
    u32 o2 = x[5] * 16819u - y2 + y4;
    u32 o3 = x[7] * 2446u - y1 + y3;

    o.v[0] = e0 + o0;
    o.v[7] = e0 - o0;
    o.v[1] = e1 + o1;
    o.v[6] = e1 - o1;
    o.v[2] = e2 + o2;
    o.v[5] = e2 - o2;
    o.v[3] = e3 + o3;
    o.v[4] = e3 - o3;
}

__device__ u32 level(i32 sample) {
    sample += 128;
    return (u32)(sample < 0 ? 0 : sample > 255 ? 255 : sample);
}

// Natural index of each zigzag index, T.81 figure A.6, as calls of `PUT(zigzag, natural)` for the
// 16 of each group.
#define ZIGZAG_0 PUT(0, 0) PUT(1, 1) PUT(2, 8) PUT(3, 16) PUT(4, 9) PUT(5, 2) PUT(6, 3) PUT(7, 10) \
    PUT(8, 17) PUT(9, 24) PUT(10, 32) PUT(11, 25) PUT(12, 18) PUT(13, 11) PUT(14, 4) PUT(15, 5)
#define ZIGZAG_1 PUT(0, 12) PUT(1, 19) PUT(2, 26) PUT(3, 33) PUT(4, 40) PUT(5, 48) PUT(6, 41) PUT(7, 34) \
    PUT(8, 27) PUT(9, 20) PUT(10, 13) PUT(11, 6) PUT(12, 7) PUT(13, 14) PUT(14, 21) PUT(15, 28)
#define ZIGZAG_2 PUT(0, 35) PUT(1, 42) PUT(2, 49) PUT(3, 56) PUT(4, 57) PUT(5, 50) PUT(6, 43) PUT(7, 36) \
    PUT(8, 29) PUT(9, 22) PUT(10, 15) PUT(11, 23) PUT(12, 30) PUT(13, 37) PUT(14, 44) PUT(15, 51)
#define ZIGZAG_3 PUT(0, 58) PUT(1, 59) PUT(2, 52) PUT(3, 45) PUT(4, 38) PUT(5, 31) PUT(6, 39) PUT(7, 46) \
    PUT(8, 53) PUT(9, 60) PUT(10, 61) PUT(11, 54) PUT(12, 47) PUT(13, 55) PUT(14, 62) PUT(15, 63)

// Product number `index` of a group of 16 whose coefficients are in `half`, two a word.
#define PUT(index, natural)                                                                             \
    {                                                                                                   \
        i32 value = (i32)((half[(index) / 2] >> (16 * ((index) & 1))) << 16) >> 16;                      \
        value *= (i32)quantiser[index];                                                                 \
        outside |= (u32)(value + 8192) & ~16383u;                                                       \
        block[natural] = (u32)value;                                                                    \
    }
#define GROUP(number, zigzag)                                                                           \
    if ((number) == 0 || last >= 16 * (number)) {                                                                        \
        uint4 low = packed[2 * (number)], high = packed[2 * (number) + 1];                              \
        u32 half[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};                     \
        const u16* quantiser = quantisers + 16 * (number);                                              \
        zigzag                                                                                          \
    }

// Grid: (blocks of 8 x 8 of the largest tile / threads, tiles).
extern "C" __global__ void __launch_bounds__(128)
wsi_idct(const Tile* __restrict__ tiles, const TableSet* __restrict__ table_sets,
         const i16* __restrict__ coefficients, const u8* __restrict__ extents, u8* __restrict__ pixels,
         u32* __restrict__ status, u32 first_tile) {
    u32 number = first_tile + blockIdx.y;
    const Tile& tile = tiles[number];
    if (tile.kind != WSI_PLANES) return;

    // Threads go along the rows of blocks of a plane, so that neighbours store side by side.
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    u32 mcus = tile.mcus_wide * tile.mcus_high, luma = mcus << (tile.shift_x + tile.shift_y);
    u32 component, mcu, unit, x, y;
    if (index < luma) {
        u32 wide = tile.mcus_wide << tile.shift_x;
        component = 0;
        y = index / wide;
        x = index - y * wide;
        mcu = (y >> tile.shift_y) * tile.mcus_wide + (x >> tile.shift_x);
        unit = ((y & ((1u << tile.shift_y) - 1)) << tile.shift_x) + (x & ((1u << tile.shift_x) - 1));
    } else {
        mcu = index - luma;
        component = 1;
        if (mcu >= mcus) {
            mcu -= mcus;
            component = 2;
        }
        if (tile.components < 3 || mcu >= mcus) return;
        y = mcu / tile.mcus_wide;
        x = mcu - y * tile.mcus_wide;
        unit = tile.units - 3 + component;
    }
    u32 place = tile.first_block + mcu * tile.units + unit;
    const uint4* packed = (const uint4*)(coefficients + (size_t)place * 64);
    const u16* quantisers = table_sets[tile.table_set].quantiser[component];
    u8* out = pixels + tile.plane[component] + (size_t)(y * 8) * tile.stride[component] + x * 8;
    u32 stride = tile.stride[component], last = extents[place], outside = 0;

    if (last == 0) {
        i32 value = *(const i16*)packed * (i32)quantisers[0];
        i32 sample = (4 * value + 16) >> 5;
        outside = ((u32)(value + 8192) & ~16383u) | ((u32)(sample + 512) & ~1023u);
        u32 four = level(sample) * 0x01010101u;
        uint2 row;
        row.x = row.y = four;
        for (u32 line = 0; line < 8; line++) *(uint2*)(out + (size_t)line * stride) = row;
    } else {
        u32 block[64];
#pragma unroll
        for (u32 i = 0; i < 64; i++) block[i] = 0;
        GROUP(0, ZIGZAG_0)
        GROUP(1, ZIGZAG_1)
        GROUP(2, ZIGZAG_2)
        GROUP(3, ZIGZAG_3)
#pragma unroll
        for (u32 column = 0; column < 8; column++) {
            Octet octet;
#pragma unroll
            for (u32 i = 0; i < 8; i++) octet.v[i] = block[8 * i + column];
            transform(octet);
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                i32 value = (i32)(octet.v[i] + (1u << 10)) >> 11;
                outside |= (u32)(value + 16384) & ~32767u;
                block[8 * i + column] = (u32)value;
            }
        }
#pragma unroll
        for (u32 line = 0; line < 8; line++) {
            Octet octet;
#pragma unroll
            for (u32 i = 0; i < 8; i++) octet.v[i] = block[8 * line + i];
            transform(octet);
            u32 bytes[8];
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                i32 sample = (i32)(octet.v[i] + (1u << 17)) >> 18;
                outside |= (u32)(sample + 512) & ~1023u;
                bytes[i] = level(sample);
            }
            uint2 row;
            row.x = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24;
            row.y = bytes[4] | bytes[5] << 8 | bytes[6] << 16 | bytes[7] << 24;
            *(uint2*)(out + (size_t)line * stride) = row;
        }
    }
    if (outside) atomicOr(&status[number], (u32)WSI_FLAG_DOMAIN);
}
