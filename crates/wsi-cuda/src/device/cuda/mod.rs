//! The kernels on a GPU, over `cudarc`, whose library is loaded at run time.
//!
//! | module | what it is |
//! |---|---|
//! | `driver` | finding and starting the driver, its errors, what it knows of devices |
//! | `context` | a device's context, a stream, memory in the order of the stream |
//! | `image` | the compiled kernels |
//! | `upload` | copying up through pinned memory |

pub(super) mod context;
pub(crate) mod driver;
mod image;
mod upload;

use std::cell::RefCell;
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::sys;
use wsi_core::Result;

use crate::executor::{Argument, Buffer, Executor, Kernel, Staging};
use context::{Context, Memory};
use driver::{check, device};
use image::Module;
use upload::{Pinned, Ring};

/// Runs the kernels on a CUDA device, in the order of one stream.
///
/// It works in the device's primary context, which is that of other libraries as well (`PyTorch`,
/// for one), and makes it current for the time of a call only. Memory comes from a pool of its own; an
/// executor's buffers work with that executor alone. After an error of the device that the driver
/// calls sticky (an illegal address), all further calls of the process on that device fail; other
/// errors leave the executor as good as before.
///
/// ```no_run
/// use wsi_cuda::{CudaExecutor, Executor};
///
/// match CudaExecutor::new(0) {
///     Ok(executor) => println!("{}", executor.name()),
///     Err(error) => println!("{error}"), // no driver, no device, one that is too old
/// }
/// ```
#[derive(Debug)]
pub struct CudaExecutor {
    context: Arc<Context>,
    module: Module,
    ring: RefCell<Ring>,
    name: String,
}

// SAFETY: module and ring hold handles of the driver and pinned memory, which any thread may use in
// whose hands the context is current; each call makes it so. One thread at a time: it is not `Sync`.
unsafe impl Send for CudaExecutor {}

impl CudaExecutor {
    /// An executor on a device, by its number, with a stream of its own.
    ///
    /// # Errors
    /// `BackendUnavailable` if there is no driver, no such device, or it is too old; `Device` if the
    /// driver fails.
    pub fn new(ordinal: usize) -> Result<Self> {
        // SAFETY: no stream of the caller's.
        unsafe { Self::make(ordinal, None) }
    }

    /// An executor on a device that puts all its work on a stream of the caller's, as `PyTorch`'s
    /// `torch.cuda.current_stream().cuda_stream`.
    ///
    /// # Safety
    /// `stream` must be a `CUstream` (or `cudaStream_t`) of the device's primary context; null is the
    /// default stream. It must outlive the executor and its buffers.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub unsafe fn on_stream(ordinal: usize, stream: *mut c_void) -> Result<Self> {
        // SAFETY: what the caller has promised.
        unsafe { Self::make(ordinal, Some(stream.cast())) }
    }

    /// # Safety
    /// As [`on_stream`](Self::on_stream).
    unsafe fn make(ordinal: usize, stream: Option<sys::CUstream>) -> Result<Self> {
        let facts = driver::facts(ordinal)?;
        // SAFETY: what the caller has promised.
        let context = unsafe { Context::new(ordinal, &facts, stream) }?;
        let module = Module::load(&context, facts.capability)?;
        let (major, minor) = facts.version;
        Ok(Self {
            context: Arc::new(context),
            module,
            ring: RefCell::default(),
            name: format!("{} (CUDA {major}.{minor})", facts.name),
        })
    }

    /// The stream that all its work is put on, a `CUstream`: what reads an output on another stream
    /// must wait for it.
    #[must_use]
    pub fn stream(&self) -> *mut c_void {
        self.context.stream().cast()
    }

    /// Lets another stream wait for all that this executor has been given so far: to be called before
    /// work on that stream reads an output.
    ///
    /// # Safety
    /// `stream` must be a `CUstream` (or `cudaStream_t`) that lives, of the same device.
    ///
    /// # Errors
    /// `Device` if the driver fails.
    pub unsafe fn order_before(&self, stream: *mut c_void) -> Result<()> {
        let _current = self.context.enter()?;
        let mut event = std::ptr::null_mut();
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: writes a handle.
        check("cuEventCreate", unsafe {
            sys::cuEventCreate(&raw mut event, flags)
        })?;
        // SAFETY: event and stream live.
        let recorded = unsafe { sys::cuEventRecord(event, self.context.stream()) };
        let waited = check("cuEventRecord", recorded).and_then(|()| {
            // SAFETY: the event lives, and the stream by the caller's promise.
            check("cuStreamWaitEvent", unsafe {
                sys::cuStreamWaitEvent(stream.cast(), event, 0)
            })
        });
        // SAFETY: made above; the driver keeps what the waiting needs (`cuEventDestroy`).
        let destroyed = check("cuEventDestroy", unsafe { sys::cuEventDestroy_v2(event) });
        waited.and(destroyed)
    }

    /// The address of a buffer of this executor, in the device's memory.
    ///
    /// # Errors
    /// `Device` if it is another executor's.
    pub fn address(&self, buffer: &Buffer) -> Result<u64> {
        self.own(buffer)?.address(0, 0)
    }

    /// Does something while the device's context is current.
    #[cfg(feature = "nvjpeg")]
    pub(super) fn within<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        let _current = self.context.enter()?;
        Ok(act())
    }

    /// The memory of a buffer of this executor.
    fn own<'a>(&self, buffer: &'a Buffer) -> Result<&'a Memory> {
        match buffer.memory::<Memory>() {
            Some(memory) if Arc::ptr_eq(memory.context(), &self.context) => Ok(memory),
            _ => Err(device("a buffer of another executor")),
        }
    }
}

impl Executor for CudaExecutor {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn memory(&self) -> Result<u64> {
        self.context.free_bytes()
    }

    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        let memory = Memory::new(&self.context, bytes)?;
        Ok(Buffer::new(bytes, Box::new(memory)))
    }

    fn staging(&self, bytes: usize) -> Result<Staging> {
        Ok(Staging::new(Box::new(Pinned::new(&self.context, bytes)?)))
    }

    fn upload(&self, data: &[u8], to: &Buffer, offset: usize) -> Result<()> {
        let memory = self.own(to)?;
        self.ring
            .borrow_mut()
            .upload(&self.context, data, memory, offset)
    }

    fn clear(&self, buffer: &Buffer, range: Range<usize>) -> Result<()> {
        let len = range.end.checked_sub(range.start);
        let len = len.ok_or_else(|| device(format!("bytes {} to {}", range.start, range.end)))?;
        let address = self.own(buffer)?.address(range.start, len)?;
        if len == 0 {
            return Ok(());
        }
        let _current = self.context.enter()?;
        // SAFETY: the bytes lie within memory that lives, and is given back in the order of the stream.
        let code = unsafe { sys::cuMemsetD8Async(address, 0, len, self.context.stream()) };
        check("cuMemsetD8Async", code)
    }

    fn launch(
        &self,
        kernel: Kernel,
        grid: (u32, u32),
        block: u32,
        arguments: &[Argument<'_>],
    ) -> Result<()> {
        let function = self.module.function(kernel);
        let function =
            function.ok_or_else(|| device(format!("{} is not loaded", kernel.name())))?;
        if arguments.len() != function.pointers.len() {
            let (name, count) = (kernel.name(), function.pointers.len());
            return Err(device(format!(
                "{name} takes {count} arguments, not {}",
                arguments.len()
            )));
        }
        // An address or an integer, whose bytes begin where the kernel looks.
        let values = arguments
            .iter()
            .zip(&function.pointers)
            .map(|(argument, &pointer)| {
                let mut value = [0; 8];
                match *argument {
                    Argument::Buffer(buffer, offset) if pointer => {
                        value = self.own(buffer)?.address(offset, 0)?.to_ne_bytes();
                    }
                    Argument::U32(number) if !pointer => {
                        value[..4].copy_from_slice(&number.to_ne_bytes());
                    }
                    Argument::I32(number) if !pointer => {
                        value[..4].copy_from_slice(&number.to_ne_bytes());
                    }
                    _ => {
                        let kind = if pointer { "a pointer" } else { "a number" };
                        return Err(device(format!(
                            "{}: {argument:?} for {kind}",
                            kernel.name()
                        )));
                    }
                }
                Ok(u64::from_ne_bytes(value))
            });
        let mut values = values.collect::<Result<Vec<u64>>>()?;
        let mut pointers: Vec<*mut c_void> = values
            .iter_mut()
            .map(|value| std::ptr::from_mut(value).cast())
            .collect();
        let _current = self.context.enter()?;
        // SAFETY: the function is loaded; it has as many parameters as there are pointers, each to
        // the 8 bytes of a value of its kind, which are read before the call returns; buffers live
        // until they are given back, in the order of the stream. That the kernel stays within them is
        // shown by the same calls on the host executor.
        let code = unsafe {
            sys::cuLaunchKernel(
                function.handle,
                grid.0,
                grid.1,
                1,
                block,
                1,
                1,
                0,
                self.context.stream(),
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        check(&format!("cuLaunchKernel of {}", kernel.name()), code)
    }

    fn download(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()> {
        let address = self.own(from)?.address(offset, to.len())?;
        if to.is_empty() {
            return self.synchronize();
        }
        let current = self.context.enter()?;
        let place = to.as_mut_ptr().cast::<c_void>();
        // SAFETY: the bytes at both ends are there, and the stream is waited for below.
        let code =
            unsafe { sys::cuMemcpyDtoHAsync_v2(place, address, to.len(), self.context.stream()) };
        drop(current);
        let waited = self.synchronize();
        check("cuMemcpyDtoHAsync", code).and(waited)
    }

    fn synchronize(&self) -> Result<()> {
        self.context.synchronize()
    }
}

impl Drop for CudaExecutor {
    fn drop(&mut self) {
        // A failure is that of the last batch, which whoever wanted it has seen.
        drop(self.context.synchronize());
        if let Ok(_current) = self.context.enter() {
            self.ring.borrow_mut().release();
            self.module.unload();
        }
    }
}
