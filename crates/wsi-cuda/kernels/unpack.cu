// Raw tiles: rows of samples as TIFF stores them to pixels in native order, and labels to labels.
#include "common.cuh"

#define WSI_FULL_MASK 0xFFFFFFFFu

__device__ u32 load_sample(const u8* from, u32 bytes, u32 big_endian) {
    u32 value = 0;
    for (u32 i = 0; i < bytes; i++) value |= (u32)from[i] << (8 * (big_endian ? bytes - 1 - i : i));
    return value;
}

__device__ void store_sample(u8* to, u32 bytes, u32 value) {
    for (u32 i = 0; i < bytes; i++) to[i] = (u8)(value >> (8 * i));
}

// A warp takes one row. Horizontal differences (TIFF 6.0 section 14) are undone by a scan over each
// channel, modulo the range of a sample.
//
// Grid: (rows of the largest tile / warps of a thread block, tiles).
extern "C" __global__ void __launch_bounds__(128)
wsi_unpack(const RawTile* __restrict__ tiles, const u8* __restrict__ raw, u8* __restrict__ output,
           u32 first_tile) {
    const RawTile tile = tiles[first_tile + blockIdx.y];
    u32 row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
    if (row >= tile.height) return; // whole warps
    u32 bytes = tile.sample_bytes, pixel = tile.channels * bytes;
    size_t row_bytes = (size_t)tile.width * pixel;
    const u8* from = raw + tile.source + row * row_bytes;
    u8* to = output + tile.destination + row * row_bytes;
    for (u32 channel = 0; channel < tile.channels; channel++) {
        u32 carry = 0;
        for (u32 start = 0; start < tile.width; start += 32) {
            u32 x = start + lane;
            bool inside = x < tile.width;
            size_t place = (size_t)x * pixel + channel * bytes;
            u32 value = inside ? load_sample(from + place, bytes, tile.big_endian) : 0;
            if (tile.predictor == 2) {
                for (u32 distance = 1; distance < 32; distance <<= 1) {
                    u32 other = __shfl_up_sync(WSI_FULL_MASK, value, distance, 32);
                    if (lane >= distance) value += other;
                }
                value += carry;
                carry = __shfl_sync(WSI_FULL_MASK, value, 31, 32);
            }
            if (inside) store_sample(to + place, bytes, value);
        }
    }
}

// Label `l` becomes `table[l]`, or `other` where the table ends before it. Samples are of 1, 2 or 4
// bytes on both sides; results are cut to their size.
extern "C" __global__ void __launch_bounds__(256)
wsi_remap(const u8* __restrict__ labels, u32 label_bytes, const u32* __restrict__ table, u32 table_length,
          u32 other, u8* __restrict__ output, u32 output_bytes, u32 count) {
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= count) return;
    u32 label = load_sample(labels + (size_t)index * label_bytes, label_bytes, 0);
    u32 value = label < table_length ? table[label] : other;
    store_sample(output + (size_t)index * output_bytes, output_bytes, value);
}
