//! Writes PNG at the speed of memory rather than of a compressor, in files about as small as those
//! of a compressor's ordinary setting.
//!
//! Pictures of tissue hold noise that string matching finds little in, and large even areas. So:
//! each row as its difference to the row above (PNG filter 2, *Up*), runs of one byte as matches at
//! distance 1, everything else as literals, and Huffman codes made for the data (RFC 1951 3.2.7).
//! Large pictures are cut into bands of rows that threads encode at the same time; where the cuts
//! lie depends on the picture alone, so the file is the same on any machine.
//!
//! ```
//! use wsi_png::{Color, Encoder, Picture};
//!
//! let pixels = vec![200; 64 * 64 * 3];
//! let picture = Picture::new((64, 64), Color::Rgb8, &pixels)?;
//! let mut file = Vec::new();
//! Encoder::new().encode(&picture, &mut file);
//! assert_eq!(file[1..4], *b"PNG");
//! # Ok::<(), wsi_png::InvalidPicture>(())
//! ```
//!
//! This crate depends on no other of the workspace. It reads nothing: the `png` crate does.

#![deny(unsafe_code)]

mod arch;
mod bits;
mod deflate;
mod encoder;
mod huffman;
mod picture;
mod runs;
mod tables;

pub use encoder::Encoder;
pub use picture::{Color, InvalidPicture, Picture};
