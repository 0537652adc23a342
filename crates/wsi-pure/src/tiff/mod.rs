//! The TIFF container: headers, directories, where chunks lie. No pixels.

mod container;
mod directory;
mod file;
mod page;
mod storage;
mod tags;

pub use directory::Directory;
pub use file::TiffFile;
pub(crate) use page::{Chunk, Page};
pub use storage::ByteOrder;
pub(crate) use storage::{SampleFormat, Storage};
pub use tags::{compression, photometric, tag};
