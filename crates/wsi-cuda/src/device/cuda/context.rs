//! A device's primary context, a stream of it, and memory in the order of that stream.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{
    self, CUcontext, CUdevice, CUdeviceptr, CUmemPool_attribute, CUmemoryPool, CUstream,
};
use wsi_core::Result;

use super::driver::{self, Facts, check, device};

/// A context with a stream. It is shared by the executor and all of its memory, and so outlives both.
#[derive(Debug)]
pub(in crate::device) struct Context {
    device: CUdevice,
    context: CUcontext,
    stream: CUstream,
    /// Whether the stream is ours, and not the caller's.
    owns_stream: bool,
    /// Where memory comes from; `None` where the device has no pools.
    pool: Option<CUmemoryPool>,
    /// Pinned memory that was handed out: addresses and lengths.
    pinned: Mutex<Vec<(usize, usize)>>,
}

// SAFETY: handles of the driver, which may be used by any thread in whose hands the context is
// current; `enter` makes it so (CUDA C++ Programming Guide, driver API, context).
unsafe impl Send for Context {}
// SAFETY: as for `Send`: the driver's functions are safe to be called by many threads.
unsafe impl Sync for Context {}

/// As long as it lives, the context is current in this thread; then again what was before.
pub(super) struct Current(PhantomData<*const ()>);

impl Context {
    /// The primary context of a device, with a stream of its own or that of the caller.
    ///
    /// # Safety
    /// The caller's stream must be one of the device's primary context, and outlive this.
    ///
    /// # Errors
    /// `Device` if the driver refuses any of it.
    pub(super) unsafe fn new(
        ordinal: usize,
        facts: &Facts,
        stream: Option<CUstream>,
    ) -> Result<Self> {
        let device = driver::handle(ordinal)?;
        let mut context = std::ptr::null_mut();
        // SAFETY: writes a handle.
        let code = unsafe { sys::cuDevicePrimaryCtxRetain(&raw mut context, device) };
        check("cuDevicePrimaryCtxRetain", code)?;
        // From here on, dropping it gives back what there is.
        let mut this = Self {
            device,
            context,
            stream: stream.unwrap_or(std::ptr::null_mut()),
            owns_stream: false,
            pool: None,
            pinned: Mutex::default(),
        };
        this.complete(stream.is_none(), facts.pools)?;
        Ok(this)
    }

    fn complete(&mut self, own_stream: bool, pools: bool) -> Result<()> {
        let (mut stream, mut pool) = (self.stream, std::ptr::null_mut());
        let current = self.enter()?;
        if own_stream {
            let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
            // SAFETY: writes a handle.
            check("cuStreamCreate", unsafe {
                sys::cuStreamCreate(&raw mut stream, flags)
            })?;
        }
        let made = if pools {
            make_pool(self.device, &mut pool)
        } else {
            Ok(())
        };
        drop(current);
        self.stream = stream;
        self.owns_stream = own_stream;
        self.pool = (!pool.is_null()).then_some(pool);
        made
    }

    /// Makes the context current.
    ///
    /// # Errors
    /// `Device` if the driver refuses.
    pub(super) fn enter(&self) -> Result<Current> {
        // SAFETY: retained until `drop`.
        check("cuCtxPushCurrent", unsafe {
            sys::cuCtxPushCurrent_v2(self.context)
        })?;
        Ok(Current(PhantomData))
    }

    pub(super) fn stream(&self) -> CUstream {
        self.stream
    }

    pub(super) fn add_pinned(&self, address: usize, len: usize) {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.push((address, len));
    }

    pub(super) fn remove_pinned(&self, address: usize) {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.retain(|&(start, _)| start != address);
    }

    /// Whether all of some bytes lie in pinned memory that was handed out.
    pub(super) fn is_pinned(&self, data: &[u8]) -> bool {
        let address = data.as_ptr().addr();
        let pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.iter().any(|&(start, len)| {
            address >= start && address - start <= len && data.len() <= len - (address - start)
        })
    }

    /// Waits until the stream has done all that it was given.
    ///
    /// # Errors
    /// `Device` with what any of it ran into.
    pub(super) fn synchronize(&self) -> Result<()> {
        let _current = self.enter()?;
        // SAFETY: the stream lives.
        check("cuStreamSynchronize", unsafe {
            sys::cuStreamSynchronize(self.stream)
        })
    }

    /// Bytes that may be allocated: those free, and those that the pool keeps.
    ///
    /// # Errors
    /// `Device` if the driver does not say.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let _current = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes two integers.
        check("cuMemGetInfo", unsafe {
            sys::cuMemGetInfo_v2(&raw mut free, &raw mut total)
        })?;
        let mut kept = 0;
        if let Some(pool) = self.pool {
            let ask = |attribute| -> Result<u64> {
                let mut value = 0_u64;
                let place = (&raw mut value).cast::<c_void>();
                // SAFETY: these attributes are 64-bit integers.
                let code = unsafe { sys::cuMemPoolGetAttribute(pool, attribute, place) };
                check("cuMemPoolGetAttribute", code).map(|()| value)
            };
            let reserved = ask(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
            kept = reserved
                .saturating_sub(ask(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?);
        }
        Ok((free as u64).saturating_add(kept))
    }
}

/// Lets kernels and copies that were given to any stream of the current context end, before what they
/// use goes. A failure shows in the call that follows.
fn settle() {
    // SAFETY: it only waits.
    let _ = unsafe { sys::cuCtxSynchronize() };
}

/// A pool that keeps what is given back, so that the next batch need not wait for the driver.
fn make_pool(device: CUdevice, pool: &mut CUmemoryPool) -> Result<()> {
    let properties = sys::CUmemPoolProps {
        allocType: sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED,
        handleTypes: sys::CUmemAllocationHandleType::CU_MEM_HANDLE_TYPE_NONE,
        location: sys::CUmemLocation {
            type_: sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE,
            id: device,
        },
        win32SecurityAttributes: std::ptr::null_mut(),
        reserved: [0; 64],
    };
    // SAFETY: writes a handle; the properties live through the call.
    check("cuMemPoolCreate", unsafe {
        sys::cuMemPoolCreate(pool, &raw const properties)
    })?;
    let mut keep = u64::MAX;
    let place = (&raw mut keep).cast::<c_void>();
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the attribute is a 64-bit integer.
    check("cuMemPoolSetAttribute", unsafe {
        sys::cuMemPoolSetAttribute(*pool, attribute, place)
    })
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Ok(current) = self.enter() {
            settle();
            if let Some(pool) = self.pool.take() {
                // SAFETY: made by `make_pool`; its memory holds this context, and so has gone.
                let _ = unsafe { sys::cuMemPoolDestroy(pool) };
            }
            if self.owns_stream {
                // SAFETY: made by `complete`, and nobody else's.
                let _ = unsafe { sys::cuStreamDestroy_v2(self.stream) };
            }
            drop(current);
        }
        // SAFETY: retained by `new`, once.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let mut context = std::ptr::null_mut();
        // SAFETY: takes back what `enter` has pushed; this value is not sent to other threads, since
        // nobody keeps it beyond a call.
        let _ = unsafe { sys::cuCtxPopCurrent_v2(&raw mut context) };
    }
}

/// Memory of a device.
#[derive(Debug)]
pub(in crate::device) struct Memory {
    address: CUdeviceptr,
    len: usize,
    context: Arc<Context>,
}

impl Memory {
    /// Memory of `len` bytes, with at least one, so that it has an address.
    ///
    /// # Errors
    /// `Device` if there is not enough.
    pub(super) fn new(context: &Arc<Context>, len: usize) -> Result<Self> {
        let _current = context.enter()?;
        let (mut address, size) = (0, len.max(1));
        let code = match context.pool {
            // SAFETY: writes an address; pool and stream live.
            Some(pool) => unsafe {
                sys::cuMemAllocFromPoolAsync(&raw mut address, size, pool, context.stream)
            },
            // SAFETY: writes an address.
            None => unsafe { sys::cuMemAlloc_v2(&raw mut address, size) },
        };
        check(&format!("no memory for {len} bytes: cuMemAlloc"), code)?;
        Ok(Self {
            address,
            len,
            context: Arc::clone(context),
        })
    }

    /// The number of its device.
    pub(in crate::device) fn ordinal(&self) -> i32 {
        self.context.device
    }

    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The address of byte `offset`, from where `len` bytes lie within.
    ///
    /// # Errors
    /// `Device` if they do not.
    pub(in crate::device) fn address(&self, offset: usize, len: usize) -> Result<CUdeviceptr> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.address + offset as u64),
            _ => Err(device(format!(
                "bytes {offset} + {len} of a buffer of {}",
                self.len
            ))),
        }
    }

    /// Waits for all streams of the device: for whoever gives memory back that other streams may use.
    pub(in crate::device) fn settle(&self) {
        if let Ok(_current) = self.context.enter() {
            settle();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Ok(_current) = self.context.enter() else {
            return;
        };
        // SAFETY: allocated by `new`, and given back once; what the stream was given before, ends
        // before. Without a pool, the function waits by itself.
        let _ = unsafe {
            match self.context.pool {
                Some(_) => sys::cuMemFreeAsync(self.address, self.context.stream),
                None => sys::cuMemFree_v2(self.address),
            }
        };
    }
}
