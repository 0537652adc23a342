//! The kernels on the host: the same sources compiled as C++, for tests.
//!
//! | file | what it is |
//! |---|---|
//! | `shim.h` | what the kernels use of CUDA C++, as plain C++ |
//! | `host.cpp` | the kernels as a table of functions |
//! | `test.cu` | kernels that test this executor |
//! | `library` | that table, and taking turns with it |
//! | `fibers` | the lanes of a block, their barriers, shuffles and votes |
//! | `memory` | memory between zones that show who writes outside |
//! | `launch` | a launch, with its checks |

mod fibers;
mod launch;
mod library;
mod memory;

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wsi_core::{Error, ErrorKind, Result};

use crate::executor::{Argument, Buffer, Executor, Kernel};
use launch::Value;
use memory::Memory;

/// Runs the kernels on the host, one lane at a time: exact, slow, and strict.
///
/// Lanes are fibers of the calling thread, which stop at barriers, shuffles and votes. With a seed
/// ([`with_seed`](Self::with_seed)), blocks and lanes run in an order drawn by lot. A kernel that
/// writes outside of its buffers, waits in vain, or asks a lane that takes no part is an error; fresh
/// and shared memory hold what no kernel expects. What it cannot show: the order of memory between
/// lanes that run at once, and time.
///
/// ```
/// use wsi_cuda::{Executor, HostExecutor};
///
/// let executor = HostExecutor::new().with_seed(7);
/// let buffer = executor.allocate(4)?;
/// executor.upload(&[1, 2, 3, 4], &buffer, 0)?;
/// executor.clear(&buffer, 1..3)?;
/// let mut bytes = [0; 4];
/// executor.download(&buffer, 0, &mut bytes)?;
/// assert_eq!(bytes, [1, 0, 0, 4]);
/// # Ok::<(), wsi_core::Error>(())
/// ```
#[derive(Debug)]
pub struct HostExecutor {
    /// The seed of the next launch. A `Cell`, so that one thread at a time has the executor.
    seed: Cell<Option<u64>>,
    budget: Arc<Budget>,
}

/// How much memory an executor may hand out, and has. Its address tells executors apart.
#[derive(Debug)]
struct Budget {
    bytes: u64,
    used: AtomicU64,
}

/// What a [`Buffer`] of this executor holds.
#[derive(Debug)]
pub(super) struct Own {
    memory: Memory,
    budget: Arc<Budget>,
}

impl HostExecutor {
    /// How much memory there seems to be: enough, and less than would hurt.
    const MEMORY: u64 = 4 << 30;

    /// An executor that runs blocks and lanes as they are numbered.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seed: Cell::new(None),
            budget: Arc::new(Budget {
                bytes: Self::MEMORY,
                used: AtomicU64::new(0),
            }),
        }
    }

    /// Runs blocks and lanes in an order drawn by lot, another one in each launch; the same for the
    /// same seed and the same calls.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        self.seed.set(Some(seed));
        self
    }

    /// Lets it have `bytes` of memory; by default 4 GiB.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        let used = AtomicU64::new(self.budget.used.load(Ordering::Relaxed));
        Self {
            budget: Arc::new(Budget { bytes, used }),
            ..self
        }
    }

    fn own<'a>(&self, buffer: &'a Buffer) -> Result<&'a Memory> {
        match buffer.memory::<Own>() {
            Some(own) if Arc::ptr_eq(&own.budget, &self.budget) => Ok(&own.memory),
            _ => Err(device("a buffer of another executor")),
        }
    }
}

impl Default for HostExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for HostExecutor {
    fn name(&self) -> String {
        "host".to_owned()
    }

    fn memory(&self) -> Result<u64> {
        Ok(self
            .budget
            .bytes
            .saturating_sub(self.budget.used.load(Ordering::Relaxed)))
    }

    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        let size = bytes as u64;
        let free = self.memory()?;
        let memory = if size <= free {
            Memory::new(bytes)
        } else {
            None
        };
        let memory = memory
            .ok_or_else(|| device(format!("no memory for {bytes} bytes: {free} are free")))?;
        self.budget.used.fetch_add(size, Ordering::Relaxed);
        let own = Own {
            memory,
            budget: Arc::clone(&self.budget),
        };
        Ok(Buffer::new(bytes, Box::new(own)))
    }

    fn upload(&self, data: &[u8], to: &Buffer, offset: usize) -> Result<()> {
        to.check(offset, data.len())?;
        if self.own(to)?.write(offset, data) {
            Ok(())
        } else {
            Err(device("an upload does not fit"))
        }
    }

    fn clear(&self, buffer: &Buffer, range: Range<usize>) -> Result<()> {
        let (start, end) = (range.start, range.end);
        if self.own(buffer)?.clear(range) {
            Ok(())
        } else {
            Err(device(format!(
                "bytes {start} to {end} of a buffer of {}",
                buffer.len()
            )))
        }
    }

    fn launch(
        &self,
        kernel: Kernel,
        grid: (u32, u32),
        block: u32,
        arguments: &[Argument<'_>],
    ) -> Result<()> {
        let values = arguments.iter().map(|argument| {
            Ok(match *argument {
                Argument::Buffer(buffer, offset) => Value::Memory(self.own(buffer)?, offset),
                Argument::U32(number) => Value::Number(number),
                Argument::I32(number) => Value::Number(number.cast_unsigned()),
            })
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        let seed = self.seed.get();
        self.seed.set(seed.map(|seed| seed.wrapping_add(1)));
        launch::launch(kernel.name(), grid, block, &values, seed).map_err(device)
    }

    fn download(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()> {
        from.check(offset, to.len())?;
        if self.own(from)?.read(offset, to) {
            Ok(())
        } else {
            Err(device("a download does not fit"))
        }
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
}

impl Own {
    /// Where its memory lies.
    pub(super) fn address(&self) -> Option<*mut u8> {
        self.memory.address(0)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.budget
            .used
            .fetch_sub(self.memory.len() as u64, Ordering::Relaxed);
    }
}

/// Of each parameter of a kernel, whether it is a pointer: to be held against the device's.
#[cfg(test)]
pub(super) fn pointers_of(kernel: Kernel) -> Option<Vec<bool>> {
    let kernels = library::Kernels::take();
    Some(kernels.find(kernel.name())?.pointers().collect())
}

/// Runs a kernel as a driver would; for a driver of our own.
///
/// # Safety
/// As [`launch::launch_raw`].
#[cfg(test)]
pub(super) unsafe fn launch_raw(
    name: &str,
    grid: (u32, u32),
    block: u32,
    parameters: *const *const u64,
    seed: Option<u64>,
) -> Result<(), String> {
    // SAFETY: what the caller has promised.
    unsafe { launch::launch_raw(name, grid, block, parameters, seed) }
}

fn device(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_and_bounded() {
        let executor = HostExecutor::new().with_memory(100);
        let first = executor.allocate(60).unwrap();
        assert_eq!(executor.memory().unwrap(), 40);
        let error = executor.allocate(41).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert_eq!(error.message(), "no memory for 41 bytes: 40 are free");
        drop(first);
        assert_eq!(executor.memory().unwrap(), 100);
        executor.allocate(100).unwrap();
    }

    #[test]
    fn a_buffer_of_another_executor_is_refused() {
        let (one, other) = (HostExecutor::new(), HostExecutor::new());
        let buffer = one.allocate(8).unwrap();
        let errors = [
            other.upload(&[0], &buffer, 0),
            other.download(&buffer, 0, &mut [0]),
            other.clear(&buffer, 0..1),
            other.launch(Kernel::Idct, (1, 1), 1, &[Argument::Buffer(&buffer, 0)]),
        ];
        for error in errors {
            assert_eq!(error.unwrap_err().message(), "a buffer of another executor");
        }
    }

    #[test]
    fn places_outside_of_a_buffer_are_errors() {
        let executor = HostExecutor::new();
        let buffer = executor.allocate(8).unwrap();
        let errors = [
            executor.upload(&[0; 4], &buffer, 5),
            executor.download(&buffer, usize::MAX, &mut [0]),
            executor.clear(&buffer, 4..9),
        ];
        for error in errors {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Device);
        }
    }
}
