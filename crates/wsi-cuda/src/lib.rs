//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.

#![deny(unsafe_code)]

mod device;
pub mod executor;
pub mod layout;
pub mod plan;
mod probe;

#[cfg(feature = "host")]
pub use device::HostExecutor;
pub use device::{CudaExecutor, DlpackTensor, Element};
pub use executor::{Argument, Buffer, Executor, Kernel};
pub use probe::Device;
