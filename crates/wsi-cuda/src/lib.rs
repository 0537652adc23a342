//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.

#![deny(unsafe_code)]

pub mod batch;
mod device;
pub mod executor;
pub mod layout;
pub mod output;
pub mod plan;
mod probe;

pub use batch::{
    BatchDecoder, CpuReason, CpuTile, Decoded, LabelMap, LabelTensor, Prepared, RawFormat, Report,
};
#[cfg(feature = "host")]
pub use device::HostExecutor;
pub use device::{CudaExecutor, DlpackTensor};
#[cfg(feature = "nvjpeg")]
pub use device::{NvJpeg, NvJpegBackend};
pub use executor::{Argument, Buffer, Executor, Kernel, Staging};
pub use output::{DeviceTensor, ElementType, Normalisation, Output, TensorLayout};
pub use probe::Device;
