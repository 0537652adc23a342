// Types that the kernels share with src/layout.rs (field by field, in this order), and the small
// functions that more than one kernel needs. The same text is compiled by NVRTC for the device and
// as C++ for the host executor: no includes, no C++ library, no local names that the shim defines.
//
// Offsets into buffers that may pass 4 GiB are 64-bit; everything else is 32-bit.
#ifndef WSI_COMMON_CUH
#define WSI_COMMON_CUH

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef short i16;
typedef int i32;

// A run of entropy-coded blocks without a restart: one restart interval, or a whole scan. Its bytes
// are without stuffing, begin at a word; at least WSI_STREAM_PADDING words lie behind the last.
struct Segment {
    u32 word;         // its first word in the stream buffer
    u32 bits;         // how many bits it has
    u32 slice_bits;   // bits that each lane decodes
    u32 tile;         // whose blocks these are
    u32 first_block;  // place of its first block in the coefficient buffer
    u32 blocks;       // how many blocks it must have; 0: nothing to do
    u32 table_set;    // the same for all segments of a thread block
    u32 reserved;
};

// A decoded tile, or one that is being decoded.
struct Tile {
    u32 kind;             // WSI_PLANES or WSI_PACKED
    u32 width, height;    // in pixels
    u32 components;       // 1 or 3 planes; bytes of a pixel where packed
    u32 color;            // 1: YCbCr, to be converted
    u32 upsampling;       // WSI_UPSAMPLE_...
    u32 shift_x, shift_y; // log2 of the luma sampling factors; chroma has 1 x 1
    u32 mcus_wide, mcus_high;
    u32 units;            // blocks of an MCU
    u32 period;           // of the sequence of tables over the blocks of an MCU; divides `units`
    u32 unit_components;  // component of each block of an MCU, 2 bits each
    u32 unit_tables;      // table pair of each block of an MCU, 1 bit each
    u32 table_set;
    u32 first_block;      // place of its first block in the coefficient buffer
    u32 chroma_width, chroma_height; // in samples that belong to the picture
    u32 plane[3];         // byte offsets in the pixel buffer
    u32 stride[3];        // bytes from row to row
};

// Huffman codes and quantisers. Codes 0 and 1 are DC, 2 and 3 AC, of table pairs 0 and 1.
struct TableSet {
    u16 first[4][512];     // by the next 9 bits: length << 8 | symbol; 0: a longer code, or none
    u32 limit[4][8];       // [length - 9]: the first code behind those of up to this length, as 16 bits
    i32 offset[4][8];      // [length - 9]: index of a symbol less its code
    u8 symbol[4][256];     // in code order
    u16 quantiser[3][64];  // by component, in zigzag order
};

// Pixels of a tile, and where they go.
struct Rectangle {
    u32 tile;               // or WSI_NO_TILE: filled
    u32 x, y;               // first pixel in the tile
    u32 width, height;      // in pixels
    u32 fill;               // red, green, blue from the low byte up
    u32 destination_low, destination_high; // first element of the output, 64 bits
};

// A raw tile: rows of samples as TIFF stores them, and where its pixels go.
struct RawTile {
    u32 source;        // byte offset of its first row
    u32 width, height; // in pixels
    u32 channels;      // samples of a pixel
    u32 sample_bytes;  // 1, 2 or 4
    u32 predictor;     // 1: none, 2: horizontal differences (TIFF 6.0 section 14)
    u32 big_endian;    // 1: samples are stored with the high byte first
    u32 destination;   // byte offset of its first row in the output; rows lie without gaps
};

enum {
    WSI_PLANES = 0,
    WSI_PACKED = 1,

    WSI_UPSAMPLE_NONE = 0,
    WSI_UPSAMPLE_ACROSS = 1,
    WSI_UPSAMPLE_DOWN = 2,
    WSI_UPSAMPLE_BOTH = 3,
    WSI_UPSAMPLE_REPEAT = 4,

    WSI_DTYPE_U8 = 0,
    WSI_DTYPE_16 = 1,
    WSI_DTYPE_32 = 2,

    // Why a tile is decoded again on the CPU: bits of its status word.
    WSI_FLAG_TOO_FEW_BLOCKS = 1,
    WSI_FLAG_BAD_CODE = 2,
    WSI_FLAG_BAD_INDEX = 4,
    WSI_FLAG_DC_RANGE = 8,
    WSI_FLAG_PAST_END = 16,
    WSI_FLAG_UNUSED_BYTES = 32,
    WSI_FLAG_DOMAIN = 64,

    WSI_STREAM_PADDING = 80,
};
#define WSI_NO_TILE 0xFFFFFFFFu

#endif
