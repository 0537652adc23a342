//! The way up: through pinned memory, so that a copy runs while the next one is prepared.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use cudarc::driver::sys::{self, CUevent};
use rayon::prelude::*;
use wsi_core::Result;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::context::{Context, Memory};
use super::driver::check;

/// How many pieces of pinned memory there are: one being filled, one being copied, one to spare.
const SLOTS: usize = 3;
/// Bytes of each.
const BYTES: usize = 16 << 20;
/// Bytes that a thread copies at a time.
const AT_ONCE: usize = 1 << 20;

/// Pieces of pinned memory, used in turn. Each is filled from its start; when it is full, the next is
/// waited for.
#[derive(Debug, Default)]
pub(super) struct Ring {
    slots: Vec<Slot>,
    /// The one that is being filled, and how many of its bytes are taken.
    current: usize,
    filled: usize,
}

#[derive(Debug)]
struct Slot {
    memory: NonNull<u8>,
    /// Recorded behind the last copy from it.
    copied: CUevent,
}

// SAFETY: it owns pinned memory and an event, which any thread may use in whose hands the context is
// current.
unsafe impl Send for Slot {}

impl Ring {
    /// Copies `data` to `offset` of `to`, in the order of the context's stream. The data may be
    /// changed when this returns. What lies in [`Pinned`] memory needs no copy on the way, but is
    /// waited for.
    ///
    /// # Errors
    /// `Device` if it does not fit or the driver refuses.
    pub(super) fn upload(
        &mut self,
        context: &Context,
        data: &[u8],
        to: &Memory,
        offset: usize,
    ) -> Result<()> {
        let mut address = to.address(offset, data.len())?;
        if data.is_empty() {
            return Ok(());
        }
        let _current = context.enter()?;
        if context.is_pinned(data) {
            let from = data.as_ptr().cast::<c_void>();
            // SAFETY: the bytes at both ends are there; the data is borrowed until the stream has
            // been waited for, below.
            let code =
                unsafe { sys::cuMemcpyHtoDAsync_v2(address, from, data.len(), context.stream()) };
            let waited = context.synchronize();
            return check("cuMemcpyHtoDAsync", code).and(waited);
        }
        let mut rest = data;
        while !rest.is_empty() {
            let room = self.room(context)?;
            let (piece, behind) = rest.split_at(rest.len().min(room));
            rest = behind;
            let Some(slot) = self.slots.get(self.current) else {
                break;
            };
            // SAFETY: `room` has said that so many bytes of the slot are free: no copy that was not
            // waited for reads them.
            let place = unsafe { slot.memory.add(self.filled) };
            // SAFETY: the same; they are nobody else's while they are written.
            let free = unsafe {
                std::slice::from_raw_parts_mut(
                    place.as_ptr().cast::<MaybeUninit<u8>>(),
                    piece.len(),
                )
            };
            copy(piece, free);
            let from = place.as_ptr().cast::<c_void>().cast_const();
            // SAFETY: the bytes at both ends are there, and stay: here until the slot's event, there
            // since memory is given back in the order of the stream.
            let code =
                unsafe { sys::cuMemcpyHtoDAsync_v2(address, from, piece.len(), context.stream()) };
            check("cuMemcpyHtoDAsync", code)?;
            address += piece.len() as u64;
            // The next piece begins on a line of its own.
            self.filled = (self.filled + piece.len()).next_multiple_of(64);
        }
        Ok(())
    }

    /// How many bytes of the current slot are free, at least one.
    fn room(&mut self, context: &Context) -> Result<usize> {
        if let Some(slot) = self.slots.get(self.current) {
            if self.filled < BYTES {
                return Ok(BYTES - self.filled);
            }
            // SAFETY: event and stream live.
            check("cuEventRecord", unsafe {
                sys::cuEventRecord(slot.copied, context.stream())
            })?;
            self.current = (self.current + 1) % SLOTS;
        }
        if self.current == self.slots.len() {
            self.slots.push(Slot::new()?);
        } else if let Some(slot) = self.slots.get(self.current) {
            // SAFETY: the event lives; it has been recorded when the slot was full.
            check("cuEventSynchronize", unsafe {
                sys::cuEventSynchronize(slot.copied)
            })?;
        }
        self.filled = 0;
        Ok(BYTES)
    }

    /// Gives the memory back. The context must be current, and the stream have ended.
    pub(super) fn release(&mut self) {
        for slot in self.slots.drain(..) {
            // SAFETY: made by `Slot::new`, given back once, and no copy reads it any more.
            unsafe {
                let _ = sys::cuMemFreeHost(slot.memory.as_ptr().cast());
                let _ = sys::cuEventDestroy_v2(slot.copied);
            }
        }
        (self.current, self.filled) = (0, 0);
    }
}

/// Copies bytes, large pieces in rayon's current pool: one thread is slower than the bus.
fn copy(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    if from.len() < 2 * AT_ONCE {
        to.write_copy_of_slice(from);
        return;
    }
    let pairs = to.par_chunks_mut(AT_ONCE).zip(from.par_chunks(AT_ONCE));
    pairs.for_each(|(to, from)| {
        to.write_copy_of_slice(from);
    });
}

impl Slot {
    /// A slot. The context must be current.
    fn new() -> Result<Self> {
        let mut copied = std::ptr::null_mut();
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: writes a handle.
        check("cuEventCreate", unsafe {
            sys::cuEventCreate(&raw mut copied, flags)
        })?;
        let mut memory = std::ptr::null_mut();
        // SAFETY: writes an address.
        let code = unsafe { sys::cuMemHostAlloc(&raw mut memory, BYTES, 0) };
        let outcome = check("cuMemHostAlloc", code);
        match (outcome, NonNull::new(memory.cast::<u8>())) {
            (Ok(()), Some(memory)) => Ok(Self { memory, copied }),
            (outcome, _) => {
                // SAFETY: made above, and nobody else's.
                let _ = unsafe { sys::cuEventDestroy_v2(copied) };
                outcome.and_then(|()| Err(super::driver::device("cuMemHostAlloc gave no memory")))
            }
        }
    }
}

/// Pinned memory of the host.
#[derive(Debug)]
pub(super) struct Pinned {
    memory: NonNull<u8>,
    len: usize,
    context: Arc<Context>,
}

// SAFETY: it owns memory of the host, which is like any other but for where it is.
unsafe impl Send for Pinned {}

impl Pinned {
    /// So many bytes, all 0.
    ///
    /// # Errors
    /// `Device` if there is not enough.
    pub(super) fn new(context: &Arc<Context>, len: usize) -> Result<Self> {
        let _current = context.enter()?;
        let mut memory = std::ptr::null_mut();
        // SAFETY: writes an address.
        let code = unsafe { sys::cuMemHostAlloc(&raw mut memory, len.max(1), 0) };
        check("cuMemHostAlloc", code)?;
        let memory = NonNull::new(memory.cast::<u8>());
        let memory =
            memory.ok_or_else(|| super::driver::device("cuMemHostAlloc gave no memory"))?;
        // SAFETY: all of it.
        unsafe { memory.write_bytes(0, len) };
        context.add_pinned(memory.addr().get(), len);
        Ok(Self {
            memory,
            len,
            context: Arc::clone(context),
        })
    }
}

impl Deref for Pinned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes, written when they were made.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }
}

impl DerefMut for Pinned {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; no copy reads it, since each is waited for while the slice is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.context.remove_pinned(self.memory.addr().get());
        if let Ok(_current) = self.context.enter() {
            // SAFETY: made by `new`, given back once.
            let _ = unsafe { sys::cuMemFreeHost(self.memory.as_ptr().cast()) };
        }
    }
}
