//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.

#![deny(unsafe_code)]

pub mod executor;
pub mod layout;

pub use executor::{Argument, Buffer, Executor, Kernel};
