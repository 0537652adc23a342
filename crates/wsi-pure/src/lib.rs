//! Whole-slide images in pure Rust: the backend `pure` of `wsi`.
//!
//! Bytes go one way: [`io`] (positional reads) to [`tiff`] (the container) to codecs (bytes to
//! samples) to vendors (which page is which level), behind [`PureDriver`]. Any number of threads
//! may read an open slide.
//!
//! | format | what is read |
//! |---|---|
//! | `aperio` | Aperio SVS: levels, label, macro, thumbnail; JPEG 2000 not yet |
//! | `generic-tiff` | tiled TIFF pyramids |
//! | `tiff` | any other TIFF or BigTIFF, as its pages: strips or tiles, 1 to 64 bits, integers and floats |
//!
//! Compressions: none, PackBits, LZW, Deflate, JPEG, ZSTD, WebP, LZMA, CCITT; predictors 1 to 3.

#![forbid(unsafe_code)]

mod cache;
mod codec;
mod color;
mod driver;
pub mod io;
mod number;
mod orientation;
mod paint;
mod properties;
mod reader;
mod source;
pub mod tiff;
mod vendor;

pub use driver::PureDriver;
pub use reader::PageReader;
