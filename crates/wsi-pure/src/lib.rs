//! Whole-slide images in pure Rust.

#![forbid(unsafe_code)]

pub mod io;
pub mod tiff;
