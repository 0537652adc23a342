// Samples to the output: chroma to full size, colour, normalisation, crop, and the layout of the
// tensor. A thread makes 4 pixels of one row of a rectangle.
//
// Upsampling is libjpeg's "fancy" triangle filter: weights 3/4 and 1/4, rounding that alternates
// between pixels, samples repeated behind the edges of the component (ceil(picture / 2), not of the
// padded plane). Across: even pixels (3 c + left + 1) >> 2, odd ones (3 c + right + 2) >> 2. Down: the
// same with the rows above and below. Both: sums s = 3 near + far down, then (3 s + s_left + 8) >> 4
// and (3 s + s_right + 7) >> 4. Components of 1 or 2 samples across are not filtered, if that would
// be across or both (jdsample.c); they are repeated.
//
// Colour is JFIF's with 16-bit fixed point and half a unit added once (jdcolor.c).
#include "common.cuh"

struct Four {
    i32 v[4];
};

// Up to 4 samples of a row from `x` on; those at and behind `limit` are not read.
__device__ Four load_four(const u8* row, u32 x, u32 limit) {
    Four four;
    const u8* from = row + x;
    if (((u64)from & 3) == 0 && x + 4 <= limit) {
        u32 word = *(const u32*)from;
        for (u32 i = 0; i < 4; i++) four.v[i] = (i32)((word >> (8 * i)) & 255);
    } else {
        for (u32 i = 0; i < 4; i++) four.v[i] = x + i < limit ? (i32)from[i] : 0;
    }
    return four;
}

// 4 pixels of the 5 between columns 0 and 3 of `s`: from the second on if `even`, else from the
// first. `three` rounds even pixels, `odd` odd ones.
__device__ Four triangle(const Four& s, bool even, i32 round_even, i32 round_odd, u32 shift) {
    i32 a = (3 * s.v[0] + s.v[1] + round_odd) >> shift;
    i32 b = (3 * s.v[1] + s.v[0] + round_even) >> shift;
    i32 c = (3 * s.v[1] + s.v[2] + round_odd) >> shift;
    i32 d = (3 * s.v[2] + s.v[1] + round_even) >> shift;
    i32 e = (3 * s.v[2] + s.v[3] + round_odd) >> shift;
    Four four;
    four.v[0] = even ? b : a;
    four.v[1] = even ? c : b;
    four.v[2] = even ? d : c;
    four.v[3] = even ? e : d;
    return four;
}

// 4 pixels of a chroma component from pixel (x, y) on.
__device__ Four load_chroma(const u8* plane, const Tile& tile, u32 stride, u32 x, u32 y) {
    u32 mode = tile.upsampling;
    if (mode == WSI_UPSAMPLE_NONE) return load_four(plane + (size_t)y * stride, x, tile.chroma_width);
    i32 right = (i32)tile.chroma_width - 1, bottom = (i32)tile.chroma_height - 1;
    i32 row = (i32)(y >> tile.shift_y);
    const u8* near = plane + (size_t)row * stride;
    Four four;
    if (mode == WSI_UPSAMPLE_REPEAT) {
        for (u32 i = 0; i < 4; i++) {
            i32 column = (i32)((x + i) >> tile.shift_x);
            four.v[i] = near[column < right ? column : right];
        }
        return four;
    }
    i32 other = y & 1 ? row + 1 : row - 1;
    other = other < 0 ? 0 : other > bottom ? bottom : other;
    const u8* far = plane + (size_t)other * stride;
    if (mode == WSI_UPSAMPLE_DOWN) {
        Four a = load_four(near, x, tile.chroma_width), b = load_four(far, x, tile.chroma_width);
        for (u32 i = 0; i < 4; i++) four.v[i] = (3 * a.v[i] + b.v[i] + (y & 1 ? 2 : 1)) >> 2;
        return four;
    }
    bool both = mode == WSI_UPSAMPLE_BOTH;
    i32 first = ((i32)x - 1) >> 1;
    for (i32 i = 0; i < 4; i++) {
        i32 column = first + i;
        column = column < 0 ? 0 : column > right ? right : column;
        four.v[i] = both ? 3 * near[column] + far[column] : near[column];
    }
    bool even = (x & 1) == 0;
    return both ? triangle(four, even, 8, 7, 4) : triangle(four, even, 1, 2, 2);
}

__device__ i32 clamp_sample(i32 value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

// 4 pixels in up to 3 channels.
struct Pixels {
    Four channel[3];
};

__device__ void load_pixels(Pixels& pixels, const Tile& tile, const u8* __restrict__ samples, u32 x, u32 y) {
    if (tile.kind == WSI_PACKED) {
        u32 bytes = tile.components;
        const u8* from = samples + tile.plane[0] + (size_t)y * tile.stride[0] + (size_t)x * bytes;
        for (u32 i = 0; i < 4; i++) {
            bool inside = x + i < tile.width;
            for (u32 c = 0; c < 3; c++)
                pixels.channel[c].v[i] = inside ? from[i * bytes + (bytes >= 3 ? c : 0)] : 0;
        }
        return;
    }
    Four luma = load_four(samples + tile.plane[0] + (size_t)y * tile.stride[0], x, tile.width);
    pixels.channel[0] = luma;
    if (tile.components < 3) {
        pixels.channel[1] = luma;
        pixels.channel[2] = luma;
        return;
    }
    Four blue = load_chroma(samples + tile.plane[1], tile, tile.stride[1], x, y);
    Four red = load_chroma(samples + tile.plane[2], tile, tile.stride[2], x, y);
    if (!tile.color) {
        pixels.channel[1] = blue;
        pixels.channel[2] = red;
        return;
    }
    for (u32 i = 0; i < 4; i++) {
        i32 l = luma.v[i], b = blue.v[i] - 128, r = red.v[i] - 128;
        pixels.channel[0].v[i] = clamp_sample(l + ((91881 * r + 32768) >> 16));
        pixels.channel[1].v[i] = clamp_sample(l + ((-22554 * b - 46802 * r + 32768) >> 16));
        pixels.channel[2].v[i] = clamp_sample(l + ((116130 * b + 32768) >> 16));
    }
}

// Grid: (cells of 128 x 8 pixels of the largest rectangle, rectangles), 256 threads.
//
// An element is a sample of type `dtype`: 8 bits as they are, or of 16 or 32 bits from `table`, which
// has 256 for each channel. Element (x, y, channel) of a rectangle is its first one plus
// x * pixel_stride + y * row_stride + channel * plane_stride.
extern "C" __global__ void __launch_bounds__(256)
wsi_finish(const Rectangle* __restrict__ rectangles, const Tile* __restrict__ tiles,
           const u8* __restrict__ samples, const u8* __restrict__ table, u8* __restrict__ output,
           u32 first_rectangle, u32 channels, u32 dtype, u32 pixel_stride, u32 row_stride,
           u32 plane_stride) {
    const Rectangle rectangle = rectangles[first_rectangle + blockIdx.y];
    u32 cells_wide = (rectangle.width + 127) >> 7;
    if (cells_wide == 0) return;
    u32 cell_row = blockIdx.x / cells_wide, cell_column = blockIdx.x - cell_row * cells_wide;
    u32 column = cell_column * 128 + (threadIdx.x & 31) * 4, row = cell_row * 8 + (threadIdx.x >> 5);
    if (column >= rectangle.width || row >= rectangle.height) return;
    u32 count = rectangle.width - column < 4 ? rectangle.width - column : 4;

    Pixels pixels;
    if (rectangle.tile == WSI_NO_TILE) {
        for (u32 c = 0; c < 3; c++)
            for (u32 i = 0; i < 4; i++) pixels.channel[c].v[i] = (i32)((rectangle.fill >> (8 * c)) & 255);
    } else {
        load_pixels(pixels, tiles[rectangle.tile], samples, rectangle.x + column, rectangle.y + row);
    }

    u64 element = ((u64)rectangle.destination_high << 32 | rectangle.destination_low) +
                  (u64)row * row_stride + (u64)column * pixel_stride;
    if (dtype == WSI_DTYPE_U8) {
        u8* to = output + element;
        if (count == 4 && channels == 3 && pixel_stride == 3 && plane_stride == 1 && ((u64)to & 3) == 0) {
            u32* words = (u32*)to;
            Four r = pixels.channel[0], g = pixels.channel[1], b = pixels.channel[2];
            words[0] = (u32)(r.v[0] | g.v[0] << 8 | b.v[0] << 16) | (u32)r.v[1] << 24;
            words[1] = (u32)(g.v[1] | b.v[1] << 8 | r.v[2] << 16) | (u32)g.v[2] << 24;
            words[2] = (u32)(b.v[2] | r.v[3] << 8 | g.v[3] << 16) | (u32)b.v[3] << 24;
            return;
        }
        for (u32 c = 0; c < channels; c++, to += plane_stride) {
            Four four = pixels.channel[c];
            if (count == 4 && pixel_stride == 1 && ((u64)to & 3) == 0)
                *(u32*)to = (u32)(four.v[0] | four.v[1] << 8 | four.v[2] << 16) | (u32)four.v[3] << 24;
            else
                for (u32 i = 0; i < count; i++) to[(size_t)i * pixel_stride] = (u8)four.v[i];
        }
    } else if (dtype == WSI_DTYPE_16) {
        const u16* values = (const u16*)table;
        u16* to = (u16*)output + element;
        for (u32 c = 0; c < channels; c++, to += plane_stride, values += 256) {
            Four four = pixels.channel[c];
            if (count == 4 && pixel_stride == 1 && ((u64)to & 7) == 0) {
                uint2 packed;
                packed.x = (u32)values[four.v[0]] | (u32)values[four.v[1]] << 16;
                packed.y = (u32)values[four.v[2]] | (u32)values[four.v[3]] << 16;
                *(uint2*)to = packed;
            } else {
                for (u32 i = 0; i < count; i++) to[(size_t)i * pixel_stride] = values[four.v[i]];
            }
        }
    } else {
        const u32* values = (const u32*)table;
        u32* to = (u32*)output + element;
        for (u32 c = 0; c < channels; c++, to += plane_stride, values += 256) {
            Four four = pixels.channel[c];
            if (count == 4 && pixel_stride == 1 && ((u64)to & 15) == 0) {
                uint4 packed;
                packed.x = values[four.v[0]];
                packed.y = values[four.v[1]];
                packed.z = values[four.v[2]];
                packed.w = values[four.v[3]];
                *(uint4*)to = packed;
            } else {
                for (u32 i = 0; i < count; i++) to[(size_t)i * pixel_stride] = values[four.v[i]];
            }
        }
    }
}
