//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.
//!
//! ```no_run
//! use wsi_core::{Point, Slide};
//! use wsi_cuda::{BatchDecoder, CudaExecutor, ElementType, Output, TensorLayout};
//!
//! # fn patches(slide: &Slide) -> wsi_core::Result<()> {
//! let mut decoder = BatchDecoder::new(Box::new(CudaExecutor::new(0)?));
//! let output = Output::new()
//!     .with_layout(TensorLayout::Nchw)
//!     .with_element(ElementType::F16);
//! let origins = [Point::new(1000, 2000), Point::new(1100, 2050)];
//! let decoded = decoder.read_patches(slide, 0, &origins, (224, 224), &output)?;
//! assert_eq!(decoded.tensor.shape(), [2, 3, 224, 224]);
//! for (patch, result) in decoded.report.results.iter().enumerate() {
//!     if let Err(error) = result {
//!         println!("patch {patch}: {error}");
//!     }
//! }
//! let tensor = decoded.tensor.into_dlpack()?; // as `torch.from_dlpack` takes it
//! # drop(tensor);
//! # Ok(())
//! # }
//! ```
//!
//! # What is decoded where
//!
//! | stored tile | by |
//! |---|---|
//! | JPEG, sequential, 8 bits, one scan: gray, or colour with 4:4:4, 4:2:2, 4:4:0 or 4:2:0 | the kernels |
//! | JPEG of any other kind: progressive, several scans, more than two pairs of tables, … | the CPU |
//! | JPEG whose data the kernels flag: damage, and values for which decoders differ | the CPU |
//! | any other compression, tiles that the file leaves out | the CPU |
//!
//! It is one call in any case, and [`Report::by_cpu`] tells which tiles took the slower way, and why.
//! A tile that nobody can decode is an error of the pictures that need it, and of no others.
//!
//! # How
//!
//! ```text
//! stored tiles → plan: headers by wsi-jpeg, streams without stuffing      (CPU, any thread of rayon)
//!              → wsi_entropy: slices that synchronise themselves          (coefficients, zigzag)
//!              → wsi_idct: accurate integers, flags what is out of domain (planes, padded to MCUs)
//!              → wsi_finish: upsampling, colour, crop, layout             (the tensor)
//!              → one status word a tile; what is flagged comes from the CPU
//! ```
//!
//! Everything is integer arithmetic. Normalised numbers are looked up in a table that the host makes
//! ([`Output::table`]), so that they do not depend on the device either. The kernels are in
//! `kernels/`; PTX and machine code made of them are part of the crate, and no CUDA toolkit is needed
//! to build or run it. NVIDIA's driver is loaded at run time: without one, [`CudaExecutor::new`] is an
//! error and nothing else.
//!
//! # Layers
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | stored tiles to work for the kernels; pure Rust, no device |
//! | [`executor`] | the seam: memory, copies, launches |
//! | [`batch`] | calls: plan, launch, ask for status, let the CPU do the rest |
//! | [`output`] | tensors, element types, normalisation |
//! | [`layout`] | descriptors that the kernels read |
//!
//! With the feature `host` there is `HostExecutor`, which runs the same kernels compiled as C++, lane
//! by lane, in an order drawn by lot. What the tests show of exactness, they show there.

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
