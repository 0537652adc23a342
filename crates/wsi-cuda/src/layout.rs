//! Descriptors in the layout of the kernels: twins of the structs of `kernels/common.cuh`.
//!
//! All fields are `u32`, or arrays of plain integers without gaps. [`Descriptor::write`] gives the
//! bytes that go to the device, field by field in native order, so that no layout is assumed that
//! is not written here.

use wsi_core::Result;

use crate::executor::{Buffer, Executor};

/// A struct that kernels read.
pub trait Descriptor {
    /// Bytes of the struct in C++.
    const BYTES: usize;

    /// Appends the struct's bytes, exactly [`BYTES`](Self::BYTES).
    fn write(&self, bytes: &mut Vec<u8>);
}

/// The bytes of several structs, side by side.
pub fn to_bytes<'a, D: Descriptor + 'a>(items: impl IntoIterator<Item = &'a D>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        item.write(&mut bytes);
    }
    bytes
}

/// Allocates a buffer for some bytes and uploads them. Never empty, so that it has an address.
///
/// # Errors
/// `Device` if there is not enough memory or the copy fails.
pub fn upload_new(executor: &dyn Executor, bytes: &[u8]) -> Result<Buffer> {
    let buffer = executor.allocate(bytes.len().max(16))?;
    executor.upload(bytes, &buffer, 0)?;
    Ok(buffer)
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        #[expect(clippy::exhaustive_structs, reason = "the twin of a C++ struct")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $name {
            /// Names and byte offsets of the fields.
            pub const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*];
        }

        impl Descriptor for $name {
            const BYTES: usize = size_of::<Self>();

            fn write(&self, bytes: &mut Vec<u8>) {
                $(self.$field.put(bytes);)*
            }
        }
    };
}

/// A field of a descriptor.
trait Field {
    fn put(&self, bytes: &mut Vec<u8>);
}

impl Field for u32 {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

impl Field for [u32; 3] {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.iter().flat_map(|word| word.to_ne_bytes()));
    }
}

words! {
    /// A run of entropy-coded blocks without a restart: one restart interval, or a whole scan.
    Segment {
        /// Its first word in the stream buffer.
        word: u32,
        /// How many bits it has.
        bits: u32,
        /// Bits that each lane decodes.
        slice_bits: u32,
        /// Whose blocks these are.
        tile: u32,
        /// Place of its first block in the coefficient buffer.
        first_block: u32,
        /// How many blocks it must have; 0: nothing to do.
        blocks: u32,
        /// Its tables: the same for all segments of a thread block.
        table_set: u32,
        /// Zero.
        reserved: u32,
    }
}

words! {
    /// A decoded tile, or one that is being decoded.
    Tile {
        /// [`PLANES`](Self::PLANES) or [`PACKED`](Self::PACKED).
        kind: u32,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Planes (1 or 3), or bytes of a pixel where packed.
        components: u32,
        /// 1: YCbCr, to be converted.
        color: u32,
        /// How chroma comes to the size of the picture, see [`Upsampling`].
        upsampling: u32,
        /// log2 of the horizontal luma sampling factor; chroma has 1.
        shift_x: u32,
        /// log2 of the vertical luma sampling factor; chroma has 1.
        shift_y: u32,
        /// MCUs in a row.
        mcus_wide: u32,
        /// MCUs in a column.
        mcus_high: u32,
        /// Blocks of an MCU.
        units: u32,
        /// Period of the sequence of tables over the blocks of an MCU; divides `units`.
        period: u32,
        /// Component of each block of an MCU, 2 bits each.
        unit_components: u32,
        /// Table pair of each block of an MCU, 1 bit each.
        unit_tables: u32,
        /// Its tables.
        table_set: u32,
        /// Place of its first block in the coefficient buffer.
        first_block: u32,
        /// Width of a chroma plane, in samples that belong to the picture.
        chroma_width: u32,
        /// Height of a chroma plane, in samples that belong to the picture.
        chroma_height: u32,
        /// Byte offsets of the planes in the pixel buffer.
        plane: [u32; 3],
        /// Bytes from row to row of each plane.
        stride: [u32; 3],
    }
}

impl Tile {
    /// The tile is planes of samples, to be upsampled and converted.
    pub const PLANES: u32 = 0;
    /// The tile is pixels side by side.
    pub const PACKED: u32 = 1;
}

/// How chroma comes to the size of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Upsampling {
    /// It has that size.
    None = 0,
    /// Triangle filter across.
    Across = 1,
    /// Triangle filter down.
    Down = 2,
    /// Triangle filters both ways.
    Both = 3,
    /// Repeated samples.
    Repeat = 4,
}

words! {
    /// Pixels of a tile, and where they go.
    Rectangle {
        /// The tile, or [`NO_TILE`](Self::NO_TILE).
        tile: u32,
        /// First column of the tile.
        x: u32,
        /// First row of the tile.
        y: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Colour of what has no tile: red, green, blue from the low byte up.
        fill: u32,
        /// First element of the output, low half.
        destination_low: u32,
        /// First element of the output, high half.
        destination_high: u32,
    }
}

impl Rectangle {
    /// No tile: the rectangle is filled.
    pub const NO_TILE: u32 = u32::MAX;
}

words! {
    /// A raw tile: rows of samples as TIFF stores them, and where its pixels go.
    RawTile {
        /// Byte offset of its first row.
        source: u32,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Samples of a pixel.
        channels: u32,
        /// Bytes of a sample: 1, 2 or 4.
        sample_bytes: u32,
        /// 1: none, 2: horizontal differences (TIFF 6.0 section 14).
        predictor: u32,
        /// 1: samples are stored with the high byte first.
        big_endian: u32,
        /// Byte offset of its first row in the output; rows lie without gaps.
        destination: u32,
    }
}

/// Huffman codes and quantisers of a tile. Codes 0 and 1 are DC, 2 and 3 AC, of table pairs 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
#[expect(clippy::exhaustive_structs, reason = "the twin of a C++ struct")]
pub struct TableSet {
    /// By the next 9 bits: length << 8 | symbol; 0: a longer code, or none.
    pub first: [[u16; 512]; 4],
    /// `[length - 9]`: the first code behind those of up to this length, as 16 bits.
    pub limit: [[u32; 8]; 4],
    /// `[length - 9]`: index of a symbol less its code.
    pub offset: [[i32; 8]; 4],
    /// In code order.
    pub symbol: [[u8; 256]; 4],
    /// By component, in zigzag order.
    pub quantiser: [[u16; 64]; 3],
}

impl TableSet {
    /// Names and byte offsets of the fields.
    pub const FIELDS: &'static [(&'static str, usize)] = &[
        ("first", std::mem::offset_of!(Self, first)),
        ("limit", std::mem::offset_of!(Self, limit)),
        ("offset", std::mem::offset_of!(Self, offset)),
        ("symbol", std::mem::offset_of!(Self, symbol)),
        ("quantiser", std::mem::offset_of!(Self, quantiser)),
    ];
}

impl Default for TableSet {
    fn default() -> Self {
        Self {
            first: [[0; 512]; 4],
            limit: [[0; 8]; 4],
            offset: [[0; 8]; 4],
            symbol: [[0; 256]; 4],
            quantiser: [[0; 64]; 3],
        }
    }
}

impl Descriptor for TableSet {
    const BYTES: usize = size_of::<Self>();

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.first.iter().flatten().flat_map(|v| v.to_ne_bytes()));
        bytes.extend(self.limit.iter().flatten().flat_map(|v| v.to_ne_bytes()));
        bytes.extend(self.offset.iter().flatten().flat_map(|v| v.to_ne_bytes()));
        bytes.extend(self.symbol.iter().flatten());
        bytes.extend(
            self.quantiser
                .iter()
                .flatten()
                .flat_map(|v| v.to_ne_bytes()),
        );
    }
}

/// Words behind the last one of a stream that a kernel may look at: a block takes at most 64 codes
/// of up to 16 bits with values of up to 15.
pub const STREAM_PADDING_WORDS: usize = 80;

/// Why a tile is decoded again on the CPU: bits of its status word.
pub mod flag {
    /// The stream has fewer blocks than the picture.
    pub const TOO_FEW_BLOCKS: u32 = 1;
    /// Bits that are no code, or a DC difference of more than 11 bits.
    pub const BAD_CODE: u32 = 2;
    /// A coefficient behind the last one of its block.
    pub const BAD_INDEX: u32 = 4;
    /// A DC value of more than 16 bits.
    pub const DC_RANGE: u32 = 8;
    /// The last block ends behind the stream.
    pub const PAST_END: u32 = 16;
    /// Whole bytes are left behind the last block.
    pub const UNUSED_BYTES: u32 = 32;
    /// Values for which the implementations of the inverse DCT differ.
    pub const DOMAIN: u32 = 64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_have_no_gaps() {
        let length = |descriptor: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            descriptor(&mut bytes);
            bytes.len()
        };
        assert_eq!(length(&|b| Segment::default().write(b)), Segment::BYTES);
        assert_eq!(length(&|b| Tile::default().write(b)), Tile::BYTES);
        assert_eq!(length(&|b| Rectangle::default().write(b)), Rectangle::BYTES);
        assert_eq!(length(&|b| RawTile::default().write(b)), RawTile::BYTES);
        assert_eq!(length(&|b| TableSet::default().write(b)), TableSet::BYTES);
    }
}
