// Streams to coefficients: Huffman decoding that synchronises itself.
//
// A segment is cut into slices of equal length, one a lane. A lane decodes whole blocks, from its
// entry up to the first block that starts behind its slice; where that one starts, and with which
// table, is its exit. Nobody knows the entries but the first, so each lane begins with a guess (the
// start of its slice); then each lane whose entry is not the exit of the lane before it takes that
// one and decodes again, until none has to. At that point the first entry is right and each exit
// follows from its entry as it would in one long decode, so all are right, whatever was guessed;
// and each round makes at least one more lane final, so that there is such a point.
//
// The state between blocks is the bit position and the phase: the place in the sequence of tables
// over the blocks of an MCU, modulo its shortest period. (Not the block's number in the MCU: where
// all components share their tables nothing in the stream tells it, and it would be handed on from
// lane to lane, one a round.) The number comes from a scan over the counts of blocks.
//
// Decoding is total: bits that are no code are one bit of a run of 16 zeros, and an index past 63
// ends its block. Only the last pass, which decodes from true entries, says what is wrong.
#include "common.cuh"

#define WSI_FULL_MASK 0xFFFFFFFFu
#define WSI_MAX_LANES 256
#define WSI_NO_MARK 0xFFFFFFFFu

// The codes of a table set, in shared memory.
struct Codes {
    u16 first[4][512];
    u32 limit[4][8];
    i32 offset[4][8];
    u8 symbol[4][256];
};

// Word `index` of a stream, its first byte at the top.
__device__ u32 stream_word(const u32* words, u32 index) { return __byte_perm(words[index], 0, 0x0123); }

// The next bits of a stream at the top, between 33 and 64 of them.
struct Reader {
    const u32* words;
    u64 buffer;
    u32 held;
    u32 next;
};

__device__ void reader_seek(Reader& reader, u32 position) {
    u32 word = position >> 5, skip = position & 31;
    reader.buffer = (((u64)stream_word(reader.words, word) << 32) | stream_word(reader.words, word + 1)) << skip;
    reader.held = 64 - skip;
    reader.next = word + 2;
}

__device__ u32 reader_position(const Reader& reader) { return reader.next * 32 - reader.held; }

__device__ u32 reader_peek(const Reader& reader) { return (u32)(reader.buffer >> 32); }

// Drops up to 31 bits.
__device__ void reader_drop(Reader& reader, u32 bits) {
    reader.buffer <<= bits;
    reader.held -= bits;
    if (reader.held <= 32) {
        reader.buffer |= (u64)stream_word(reader.words, reader.next++) << (32 - reader.held);
        reader.held += 32;
    }
}

// Length << 8 | symbol of the code that `window` begins with; 0 if it begins with none.
__device__ u32 find_code(const Codes& codes, u32 table, u32 window) {
    u32 entry = codes.first[table][window >> 23];
    if (entry) return entry;
    u32 bits = window >> 16;
    for (u32 length = 10; length <= 16; length++) {
        if (bits < codes.limit[table][length - 9]) {
            i32 index = codes.offset[table][length - 9] + (i32)(bits >> (16 - length));
            return (length << 8) | codes.symbol[table][index & 255];
        }
    }
    return 0;
}

// The value of the `size` (1..15) bits that follow the first `skip` of `window`: T.81 figure F.12.
__device__ i32 extend_bits(u32 window, u32 skip, u32 size) {
    i32 value = (i32)((window << skip) >> (32 - size));
    return value < (1 << (size - 1)) ? value - (1 << size) + 1 : value;
}

// What a lane found between its entry and a block start: blocks, and sums of DC differences. The
// sums are by component; by number of the block modulo 3 where numbers are relative, see `run`.
struct Found {
    u32 blocks;
    u32 dc[3];
};

__device__ void add_dc(Found& found, u32 index, u32 value) {
    found.dc[0] += index == 0 ? value : 0;
    found.dc[1] += index == 1 ? value : 0;
    found.dc[2] += index == 2 ? value : 0;
}

// The state between blocks, in one word.
__device__ u32 pack_state(u32 position, u32 phase) { return position << 3 | phase; }

// A lane's slice and what is known of it. `mark` is a state that the last pass went through at about
// a quarter of the slice, with what had been found up to there.
struct Lane {
    u32 begin, end;
    u32 entry, exit;
    Found found;
    u32 mark;
    Found at_mark;
};

// What is the same for all blocks of a segment.
struct Sequence {
    u32 units, period, unit_components, unit_tables;
    u32 exact; // 1: the phase is the number of the block in its MCU
};

// Decodes one block without keeping it; returns its DC difference.
__device__ u32 pass_block(Reader& reader, const Codes& codes, u32 pair) {
    u32 window = reader_peek(reader);
    u32 code = find_code(codes, pair, window);
    u32 length = code ? code >> 8 : 1, size = code & 15;
    u32 difference = size ? (u32)extend_bits(window, length, size) : 0;
    reader_drop(reader, length + size);
    u32 index = 1;
    do {
        code = find_code(codes, 2 + pair, reader_peek(reader));
        if (!code) code = 1 << 8 | 0xF0;
        size = code & 15;
        u32 run = (code >> 4) & 15;
        reader_drop(reader, (code >> 8) + size);
        index += size != 0 || run == 15 ? run + 1 : 64;
    } while (index < 64);
    return difference;
}

// Decodes from the lane's entry to its exit. `unit` is the number in its MCU of the first block; 0
// where it is not known, then DC differences are told apart by their number from there on. Where
// `join` is set and the mark is met, the rest is known from the last pass.
__device__ void run(Lane& lane, const u32* words, const Codes& codes, const Sequence& sequence, u32 unit,
                    bool join) {
    Reader reader;
    reader.words = words;
    u32 position = lane.entry >> 3, phase = lane.entry & 7;
    Found found = {0, {0, 0, 0}};
    u32 goal = lane.begin + ((lane.end - lane.begin) >> 2);
    u32 mark = WSI_NO_MARK;
    Found at_mark = found;
    if (position < lane.end) reader_seek(reader, position);
    while (position < lane.end) {
        u32 state = pack_state(position, phase);
        if (join && state == lane.mark) {
            // The rest is that of the last pass. Where sums are by number, its numbers have moved.
            Found here = found;
            u32 turn = sequence.exact ? 0 : (found.blocks + 3 - lane.at_mark.blocks % 3) % 3;
            for (u32 index = 0; index < 3; index++) {
                u32 place = index + turn;
                add_dc(found, place >= 3 ? place - 3 : place, lane.found.dc[index] - lane.at_mark.dc[index]);
            }
            found.blocks += lane.found.blocks - lane.at_mark.blocks;
            lane.found = found;
            lane.at_mark = here;
            return;
        }
        if (mark == WSI_NO_MARK && position >= goal) {
            mark = state;
            at_mark = found;
        }
        u32 difference = pass_block(reader, codes, (sequence.unit_tables >> phase) & 1);
        add_dc(found, sequence.exact ? (sequence.unit_components >> (2 * unit)) & 3 : unit, difference);
        found.blocks++;
        unit = unit + 1 == (sequence.exact ? sequence.units : 3) ? 0 : unit + 1;
        phase = phase + 1 == sequence.period ? 0 : phase + 1;
        position = reader_position(reader);
    }
    lane.exit = pack_state(position, phase);
    lane.found = found;
    lane.mark = mark;
    lane.at_mark = at_mark;
}

// The sum of `value` over the lanes before this one, of the `lanes` of a segment; `total` takes the
// sum over all. `sums` is for a segment of several warps.
__device__ u32 sum_before(u32 value, u32 lanes, u32* sums, u32& total) {
    u32 width = lanes < 32 ? lanes : 32, place = threadIdx.x & (width - 1);
    u32 sum = value;
    for (u32 distance = 1; distance < width; distance <<= 1) {
        u32 other = __shfl_up_sync(WSI_FULL_MASK, sum, distance, width);
        if (place >= distance) sum += other;
    }
    total = __shfl_sync(WSI_FULL_MASK, sum, width - 1, width);
    u32 before = sum - value;
    if (lanes > 32) {
        __syncthreads(); // nobody reads the last sums any more
        if (place == 31) sums[threadIdx.x >> 5] = sum;
        __syncthreads();
        total = 0;
        for (u32 warp = 0; warp < lanes >> 5; warp++) {
            if (warp < threadIdx.x >> 5) before += sums[warp];
            total += sums[warp];
        }
    }
    return before;
}

// Decodes the blocks that start in the lane's slice, the first of which is number `block` of the
// segment, and keeps them: coefficients in zigzag order, in groups of 16 up to the last one that is
// not zero, whose index goes to `extents`. Returns flags.
__device__ u32 keep_blocks(const Lane& lane, const u32* words, const Codes& codes, const Sequence& sequence,
                           const Segment& segment, u32 block, const u32* dc_before, i16* coefficients,
                           u8* extents) {
    Reader reader;
    reader.words = words;
    u32 position = lane.entry >> 3;
    if (position >= lane.end || block >= segment.blocks) return 0;
    reader_seek(reader, position);
    u32 unit = block % sequence.units, phase = unit % sequence.period;
    u32 dc0 = dc_before[0], dc1 = dc_before[1], dc2 = dc_before[2];
    uint4 zero;
    zero.x = zero.y = zero.z = zero.w = 0;
    while (position < lane.end && block < segment.blocks) {
        u32 place = segment.first_block + block;
        i16* out = coefficients + (size_t)place * 64;
        uint4* groups = (uint4*)out;
        u32 pair = (sequence.unit_tables >> phase) & 1;

        u32 window = reader_peek(reader);
        u32 code = find_code(codes, pair, window);
        u32 length = code >> 8, size = code & 255;
        if (!code || size > 11) return WSI_FLAG_BAD_CODE;
        u32 difference = size ? (u32)extend_bits(window, length, size) : 0;
        reader_drop(reader, length + size);
        u32 component = (sequence.unit_components >> (2 * unit)) & 3;
        u32 value = component == 0 ? dc0 += difference : component == 1 ? dc1 += difference : dc2 += difference;
        if (value + 32768 > 65535) return WSI_FLAG_DC_RANGE;
        groups[0] = zero;
        groups[1] = zero;
        out[0] = (i16)(i32)value;

        u32 index = 1, last = 0, cleared = 16;
        do {
            window = reader_peek(reader);
            code = find_code(codes, 2 + pair, window);
            if (!code) return WSI_FLAG_BAD_CODE;
            length = code >> 8;
            size = code & 15;
            u32 skip = (code >> 4) & 15;
            reader_drop(reader, length + size);
            if (size) {
                index += skip;
                if (index > 63) return WSI_FLAG_BAD_INDEX;
                while (cleared <= index) {
                    groups[cleared >> 3] = zero;
                    groups[(cleared >> 3) + 1] = zero;
                    cleared += 16;
                }
                out[index] = (i16)extend_bits(window, length, size);
                last = index++;
            } else if (skip == 15) {
                index += 16;
                if (index > 64) return WSI_FLAG_BAD_INDEX;
            } else {
                index = 64;
            }
        } while (index < 64);
        extents[place] = (u8)last;

        block++;
        unit = unit + 1 == sequence.units ? 0 : unit + 1;
        phase = phase + 1 == sequence.period ? 0 : phase + 1;
        position = reader_position(reader);
    }
    if (block < segment.blocks) return 0;
    if (position > segment.bits) return WSI_FLAG_PAST_END;
    return segment.bits - position >= 8 ? WSI_FLAG_UNUSED_BYTES : 0;
}

// `lanes` (a power of two, 1..256) lanes a segment: several segments a warp up to 32, and as many as
// a thread block has above. `segments` is padded to whole thread blocks.
extern "C" __global__ void __launch_bounds__(WSI_MAX_LANES)
wsi_entropy(const u32* __restrict__ words, const Segment* __restrict__ segments, const Tile* __restrict__ tiles,
            const TableSet* __restrict__ table_sets, i16* __restrict__ coefficients, u8* __restrict__ extents,
            u32* __restrict__ status, u32 lanes) {
    __shared__ Codes codes;
    __shared__ u32 exits[WSI_MAX_LANES];
    __shared__ u32 sums[WSI_MAX_LANES / 32];

    u32 thread = threadIdx.x;
    const Segment segment = segments[(blockIdx.x * blockDim.x + thread) / lanes];
    const Tile& tile = tiles[segment.tile];
    const TableSet& set = table_sets[segment.table_set];
    for (u32 index = thread; index < 4 * 512; index += blockDim.x) codes.first[index >> 9][index & 511] = set.first[index >> 9][index & 511];
    for (u32 index = thread; index < 4 * 256; index += blockDim.x) codes.symbol[index >> 8][index & 255] = set.symbol[index >> 8][index & 255];
    for (u32 index = thread; index < 4 * 8; index += blockDim.x) {
        codes.limit[index >> 3][index & 7] = set.limit[index >> 3][index & 7];
        codes.offset[index >> 3][index & 7] = set.offset[index >> 3][index & 7];
    }
    __syncthreads();

    Sequence sequence;
    sequence.units = tile.units;
    sequence.period = tile.period;
    sequence.unit_components = tile.unit_components;
    sequence.unit_tables = tile.unit_tables;
    sequence.exact = tile.units == tile.period;

    u32 number = thread & (lanes - 1);
    const u32* stream = words + segment.word;
    Lane lane;
    lane.begin = number * segment.slice_bits;
    lane.end = lane.begin + segment.slice_bits;
    if (lane.end > segment.bits) lane.end = segment.bits;
    bool active = segment.blocks != 0 && lane.begin < lane.end;
    if (!active) lane.begin = lane.end = 0;
    lane.entry = lane.exit = pack_state(lane.begin, 0);
    lane.mark = WSI_NO_MARK;
    lane.found.blocks = lane.found.dc[0] = lane.found.dc[1] = lane.found.dc[2] = 0;
    lane.at_mark = lane.found;
    if (active) run(lane, stream, codes, sequence, 0, false);

    // Until each entry is the exit before it. One loop of votes serves all segments of a warp.
    if (lanes <= 32) {
        for (;;) {
            u32 entry = __shfl_up_sync(WSI_FULL_MASK, lane.exit, 1, lanes);
            bool stale = active && number != 0 && entry != lane.entry;
            if (!__any_sync(WSI_FULL_MASK, stale)) break;
            if (stale) {
                lane.entry = entry;
                run(lane, stream, codes, sequence, sequence.exact ? entry & 7 : 0, true);
            }
            __syncwarp();
        }
    } else {
        exits[thread] = lane.exit;
        __syncthreads();
        for (;;) {
            u32 entry = number != 0 ? exits[thread - 1] : 0;
            bool stale = active && number != 0 && entry != lane.entry;
            if (!__syncthreads_or(stale)) break;
            if (stale) {
                lane.entry = entry;
                run(lane, stream, codes, sequence, sequence.exact ? entry & 7 : 0, true);
                exits[thread] = lane.exit;
            }
            __syncthreads();
        }
    }

    u32 total;
    u32 block = sum_before(lane.found.blocks, lanes, sums, total);
    if (!sequence.exact) {
        u32 unit = block % sequence.units;
        if (sequence.units == 3) {
            // From numbers that start at the entry to components.
            u32 a = lane.found.dc[0], b = lane.found.dc[1], c = lane.found.dc[2];
            lane.found.dc[0] = unit == 0 ? a : unit == 1 ? c : b;
            lane.found.dc[1] = unit == 0 ? b : unit == 1 ? a : c;
            lane.found.dc[2] = unit == 0 ? c : unit == 1 ? b : a;
        } else if (active) {
            // No permutation does it: once more, now that the numbers are known.
            Sequence known = sequence;
            known.exact = 1;
            run(lane, stream, codes, known, unit, false);
        }
    }
    u32 dc_before[3], ignored;
    for (u32 index = 0; index < 3; index++)
        dc_before[index] = sum_before(lane.found.dc[index], lanes, sums, ignored);

    u32 flags = 0;
    if (active)
        flags = keep_blocks(lane, stream, codes, sequence, segment, block, dc_before, coefficients, extents);
    if (number == 0 && total < segment.blocks) flags |= WSI_FLAG_TOO_FEW_BLOCKS;
    if (flags) atomicOr(&status[segment.tile], flags);
}
