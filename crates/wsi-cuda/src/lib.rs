//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.
//!
//! Stored JPEG tiles go to the device as they are and come out as a tensor: bytes or normalised
//! numbers, for whole tiles or for patches anywhere on a level. What the kernels cannot decode, and
//! what they flag, the CPU decodes in the same call.
//!
//! ```no_run
//! use wsi_core::{Point, Slide};
//! use wsi_cuda::{BatchDecoder, CudaExecutor, ElementType, Output, TensorLayout};
//!
//! # fn patches(slide: &Slide) -> wsi_core::Result<()> {
//! let mut decoder = BatchDecoder::new(Box::new(CudaExecutor::new(0)?));
//! let output = Output::new().with_layout(TensorLayout::Nchw).with_element(ElementType::F16);
//! let origins = [Point::new(1000, 2000), Point::new(-50, 300)];
//! let decoded = decoder.read_patches(slide, 0, &origins, (224, 224), &output)?;
//! assert_eq!(decoded.tensor.shape(), [2, 3, 224, 224]);
//! let tensor = decoded.tensor.into_dlpack()?; // for PyTorch, CuPy and others
//! # drop(tensor);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing of CUDA is needed to build this crate, and nothing but NVIDIA's driver to run it. Where that
//! is missing, [`Device::all`] and [`CudaExecutor::new`] say so as
//! [`BackendUnavailable`](wsi_core::ErrorKind::BackendUnavailable).
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | stored tiles to streams, segments and tables; in pure Rust |
//! | [`batch`] | batches through the kernels, and what they leave through the CPU |
//! | [`output`] | what a batch becomes |
//! | [`executor`] | where kernels run: the seam between all of this and a device |
//! | [`layout`] | the structs that kernels read |
//! | `device` | the executors: CUDA, and the host (feature `host`); `DLPack`; all of the unsafe code |
//! | `probe` | which devices there are |
//!
//! The kernels are in `kernels/`, compiled ahead into `kernels/built`.

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
