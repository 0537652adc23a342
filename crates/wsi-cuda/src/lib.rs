//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.

#![deny(unsafe_code)]

mod device;
pub mod executor;
pub mod layout;
pub mod plan;

#[cfg(feature = "host")]
pub use device::HostExecutor;
pub use executor::{Argument, Buffer, Executor, Kernel};
