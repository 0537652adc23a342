//! The seam between what is to be done and where it runs: memory, copies and launches.
//!
//! A CUDA device is one executor; the other runs the same kernels on the host, for tests. Both get
//! the same calls from [`BatchDecoder`](crate::BatchDecoder), so that what is shown on one holds on
//! the other up to speed and races.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

use wsi_core::{Error, ErrorKind, Result};

/// Which kernel: one `extern "C" __global__` function each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Streams to coefficients (`entropy.cu`).
    Entropy,
    /// Coefficients to samples (`idct.cu`).
    Idct,
    /// Samples to the output (`finish.cu`).
    Finish,
    /// Raw rows of samples, with or without a predictor, to pixels (`unpack.cu`).
    Unpack,
    /// Labels to other labels (`unpack.cu`).
    Remap,
}

impl Kernel {
    /// All kernels.
    pub const ALL: [Self; 5] = [
        Self::Entropy,
        Self::Idct,
        Self::Finish,
        Self::Unpack,
        Self::Remap,
    ];

    /// Name of the kernel's function.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entropy => "wsi_entropy",
            Self::Idct => "wsi_idct",
            Self::Finish => "wsi_finish",
            Self::Unpack => "wsi_unpack",
            Self::Remap => "wsi_remap",
        }
    }
}

/// Memory of an executor; freed when dropped.
///
/// What it is, only its executor knows: it is handed out as [`Any`].
pub struct Buffer {
    bytes: usize,
    memory: Box<dyn Any + Send + Sync>,
}

impl Buffer {
    /// A buffer of `bytes` bytes, which are in `memory`.
    #[must_use]
    pub fn new(bytes: usize, memory: Box<dyn Any + Send + Sync>) -> Self {
        Self { bytes, memory }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The memory, if it is of an executor that keeps it in a `T`.
    #[must_use]
    pub fn memory<T: Any>(&self) -> Option<&T> {
        self.memory.downcast_ref()
    }

    /// Checks that `bytes` bytes from `offset` on lie in the buffer.
    ///
    /// # Errors
    /// `Device` if they do not.
    pub fn check(&self, offset: usize, bytes: usize) -> Result<()> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Device,
                format!("bytes {offset} + {bytes} of a buffer of {}", self.bytes),
            )),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Memory of the host from which an executor uploads fastest.
pub struct Staging(Box<dyn HostBytes>);

/// What a [`Staging`] is made of.
pub trait HostBytes: DerefMut<Target = [u8]> + Send {}

impl<T: DerefMut<Target = [u8]> + Send> HostBytes for T {}

impl Staging {
    /// Memory that an executor has made.
    #[must_use]
    pub fn new(memory: Box<dyn HostBytes>) -> Self {
        Self(memory)
    }
}

impl Deref for Staging {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Staging {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging")
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}

/// An argument of a launch, in the order of the kernel's parameters.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "each executor must know all of them")]
pub enum Argument<'a> {
    /// A pointer to a byte of a buffer.
    Buffer(&'a Buffer, usize),
    /// An unsigned integer.
    U32(u32),
    /// A signed integer.
    I32(i32),
}

/// Where kernels run. Calls take effect in their order.
pub trait Executor: Send {
    /// The device, in words: `NVIDIA H100 80GB HBM3 (CUDA 12.4)`, `host`.
    fn name(&self) -> String;

    /// Bytes that are free, to cut batches by.
    ///
    /// # Errors
    /// `Device` if the device does not say.
    fn memory(&self) -> Result<u64>;

    /// Memory of `bytes` bytes, of any content.
    ///
    /// # Errors
    /// `Device` if there is not enough.
    fn allocate(&self, bytes: usize) -> Result<Buffer>;

    /// Memory of the host, zeroed, from which uploads are fastest. Default: memory like any other.
    ///
    /// # Errors
    /// `Device` if there is not enough.
    fn staging(&self, bytes: usize) -> Result<Staging> {
        Ok(Staging::new(Box::new(vec![0; bytes])))
    }

    /// Copies `data` to `to` from byte `offset` on. The data may be reused when it returns.
    ///
    /// # Errors
    /// `Device` if they do not fit or the copy fails.
    fn upload(&self, data: &[u8], to: &Buffer, offset: usize) -> Result<()>;

    /// Sets bytes to zero.
    ///
    /// # Errors
    /// `Device` if they are not in the buffer or the device fails.
    fn clear(&self, buffer: &Buffer, range: Range<usize>) -> Result<()>;

    /// Runs a kernel on `grid` blocks of `block` threads.
    ///
    /// # Errors
    /// `Device` if the launch fails; what earlier launches ran into may show here, too.
    fn launch(
        &self,
        kernel: Kernel,
        grid: (u32, u32),
        block: u32,
        arguments: &[Argument<'_>],
    ) -> Result<()>;

    /// Copies bytes of `from` from `offset` on to `to`, and waits for them.
    ///
    /// # Errors
    /// `Device` if they are not in the buffer or the copy fails.
    fn download(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()>;

    /// Waits for all that was asked for.
    ///
    /// # Errors
    /// `Device` with what any of it ran into.
    fn synchronize(&self) -> Result<()>;
}
