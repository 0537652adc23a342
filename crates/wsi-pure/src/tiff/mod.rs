//! The TIFF container: headers, directories, where chunks lie. No pixels.

mod storage;
mod tags;

pub use storage::ByteOrder;
pub(crate) use storage::{SampleFormat, Storage};
pub use tags::{compression, photometric, tag};
