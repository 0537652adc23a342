//! JPEG decoding for whole-slide images: libjpeg-turbo's pixels, faster, and only those that are
//! wanted.
//!
//! | process | samples | how |
//! | --- | --- | --- |
//! | baseline, extended sequential (SOF0, SOF1), Huffman | 8 and 12 bits | streaming, a few rows of memory |
//! | the same in several scans | 8 and 12 bits | coefficients in memory |
//! | progressive (SOF2), Huffman | 8 and 12 bits | coefficients in memory |
//! | lossless (SOF3), Huffman | 2 to 16 bits | samples in memory |
//! | arithmetic coding, hierarchical, JPEG-LS | | [`ErrorKind::Unsupported`] |
//!
//! Any sampling whose factors divide the largest ones, restart intervals with libjpeg's
//! resynchronisation, gray, RGB, `YCbCr`, CMYK and YCCK, and reduced decoding by 2, 4 and 8 are
//! covered. Output is byte-equal to libjpeg-turbo 3 with its defaults (accurate integer DCT, fancy
//! upsampling), which is what `OpenSlide`, libtiff and cuCIM show. Damaged data that libjpeg-turbo
//! patches up with a warning give the same pixels here, with the [`Warning`] named.
//!
//! Decoding takes three objects: [`Tables`], parsed once per level of a slide; [`Options`]; and a
//! [`Decoder`], one per thread, which keeps its memory from tile to tile. [`Info::read`] looks at
//! the headers alone. Pixels go to a [`RowsMut`].
//!
//! | what for | how |
//! | --- | --- |
//! | many tiles | [`Decoder::decode_batch`], two at a time on one core |
//! | a part of a tile | [`Options::with_window`]: only its blocks are transformed |
//! | parts of the same tile again and again | [`Decoder::decode_indexed`] with a [`RowIndex`] |
//! | an overview | [`Options::with_scale`] |
//! | a decoder of one's own, on a GPU | [`Parts`], [`unstuff_segment`] |
//!
//! The inner loops are vector code where the machine has AVX2 or AVX-512 ([`Kernels`]); integer
//! arithmetic and scalar twins make all of them equal. `unsafe` is kept to them, see UNSAFE.md.
//!
//! # Example
//! ```
//! use wsi_jpeg::{Decoder, Options, PixelFormat, StridedRows};
//!
//! // An 8 x 8 gray picture without any coefficient: 128 everywhere.
//! let mut data = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
//! data.extend([1; 64]);
//! data.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
//! data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
//! // Standard tables: 00 is a DC difference of 0, 1010 the end of the block.
//! data.extend([0b0010_1011, 0xFF, 0xD9]);
//!
//! let mut pixels = [0; 64];
//! let mut rows = StridedRows::new(&mut pixels, 8);
//! let outcome = Decoder::new().decode(&data, &Options::new(PixelFormat::Gray8), &mut rows)?;
//! assert!(outcome.is_clean());
//! assert_eq!(pixels, [128; 64]);
//! # Ok::<(), wsi_jpeg::Error>(())
//! ```

#![deny(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod arch;
mod codes;
mod color;
mod crop;
mod decoder;
mod error;
mod frame;
mod huffman;
mod idct;
mod index;
mod layout;
mod lossless;
mod markers;
mod options;
mod pace;
mod parts;
mod plan;
mod progressive;
mod render;
mod rows;
mod sample;
mod scale;
mod scan;
mod scans;
mod sequential;
mod smooth;
mod tables;
mod upsample;
mod window;

pub use arch::Kernels;
pub use decoder::{Decoder, Picture};
pub use error::{Error, ErrorKind, Outcome, Warning};
pub use frame::{Component, Info, Process};
pub use index::RowIndex;
pub use options::{ColorModel, Limits, Options, PixelFormat};
pub use parts::{ComponentParts, HuffmanCode, Parts, unstuff_segment};
pub use rows::{RowsMut, StridedRows};
pub use scale::Scale;
pub use tables::Tables;
pub use window::Window;
