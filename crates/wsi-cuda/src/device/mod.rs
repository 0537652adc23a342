//! Devices: all of the unsafe code of this crate.

#![allow(unsafe_code, reason = "the driver's C interface, and kernels compiled as C++")]

mod cuda;
mod dlpack;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod emulated;
#[cfg(feature = "host")]
mod host;
#[cfg(feature = "nvjpeg")]
mod nvjpeg;

pub use cuda::CudaExecutor;
pub(crate) use cuda::driver;
pub use dlpack::DlpackTensor;
pub(crate) use dlpack::Element;
#[cfg(feature = "host")]
pub use host::HostExecutor;
#[cfg(feature = "nvjpeg")]
pub use nvjpeg::{NvJpeg, NvJpegBackend};
