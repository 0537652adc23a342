//! Which devices there are, asked without any risk: no driver, no device and an old driver are
//! errors that say so.

use std::fmt;

use wsi_core::Result;

use crate::device::driver;

/// A CUDA device, and what is known of it.
///
/// ```
/// match wsi_cuda::Device::all() {
///     Ok(devices) => devices.iter().for_each(|device| println!("{device}")),
///     Err(error) => println!("{error}"),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its number, as [`CudaExecutor::new`](crate::CudaExecutor::new) takes it.
    pub ordinal: usize,
    /// Its name: `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its compute capability, major and minor.
    pub capability: (u32, u32),
    /// Its memory in bytes.
    pub memory: u64,
    /// The newest CUDA that its driver serves, major and minor.
    pub cuda: (u32, u32),
}

impl Device {
    /// All devices, in the driver's order; at least one.
    ///
    /// # Errors
    /// `BackendUnavailable`, with the reason, if there is no driver, it is too old, or there is no
    /// device; `Device` if the driver fails.
    pub fn all() -> Result<Vec<Self>> {
        (0..driver::count()?).map(Self::probe).collect()
    }

    /// One device, by its number.
    ///
    /// # Errors
    /// As [`all`](Self::all), and `BackendUnavailable` if there is no such device.
    pub fn probe(ordinal: usize) -> Result<Self> {
        let facts = driver::facts(ordinal)?;
        Ok(Self {
            ordinal,
            name: facts.name,
            capability: facts.capability,
            memory: facts.memory,
            cuda: facts.version,
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ordinal,
            name,
            capability: (major, minor),
            memory,
            cuda,
        } = self;
        let gibibytes = memory >> 30;
        write!(
            f,
            "{ordinal}: {name}, compute capability {major}.{minor}, {gibibytes} GiB, "
        )?;
        write!(f, "CUDA {}.{}", cuda.0, cuda.1)
    }
}
