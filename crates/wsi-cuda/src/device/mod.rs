//! Devices: all of the unsafe code of this crate.

#![allow(unsafe_code, reason = "the driver's C interface, and kernels compiled as C++")]

#[cfg(feature = "host")]
mod host;

#[cfg(feature = "host")]
pub use host::HostExecutor;
