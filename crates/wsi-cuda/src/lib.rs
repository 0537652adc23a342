//! Whole-slide tiles decoded on the GPU in batches, byte-equal to `wsi-jpeg`.
//!
//! [`BatchDecoder`] takes stored JPEG tiles of a slide, or patches anywhere on it, by the thousand, and
//! leaves a tensor on the device: bytes or normalised numbers, channels last or first, in memory that
//! `DLPack` hands on to any framework. Only compressed bytes travel to the device.
//!
//! ```no_run
//! use wsi_core::{Driver, OpenOptions, Point, Slide};
//! use wsi_cuda::{BatchDecoder, ElementType, Output, TensorLayout};
//!
//! # fn open() -> wsi_core::Result<Slide> { unimplemented!() }
//! let slide = open()?;
//! let mut decoder = BatchDecoder::on_device(0)?;
//! let output = Output::new()
//!     .with_layout(TensorLayout::Nchw)
//!     .with_element(ElementType::F16);
//! let places = [Point::new(1000, 2000), Point::new(1100, 2050)];
//! let decoded = decoder.read_patches(&slide, 0, &places, (224, 224), &output)?;
//! assert_eq!(decoded.tensor.shape(), [2, 3, 224, 224]);
//! # Ok::<(), wsi_core::Error>(())
//! ```
//!
//! What the kernels cannot do (progressive or 12-bit JPEG, other compressions, damaged streams) the CPU
//! does in the same call; [`Report`] says which tiles and why. A tile that cannot be decoded at all
//! fails by itself. No driver, no device, an old driver and too little memory are errors, never panics;
//! nothing but the driver is needed at run time, and nothing of CUDA to build.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | stored tiles to streams, segments and tables, in pure Rust |
//! | [`layout`] | descriptors, the twins of `kernels/common.cuh` |
//! | [`executor`] | the seam to where kernels run: [`CudaExecutor`], or the host in tests (feature `host`) |
//! | [`batch`] | plan, launch, status, the CPU's part |
//! | [`output`] | tensors |

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
