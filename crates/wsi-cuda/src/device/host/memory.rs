//! Memory of the host that behaves as that of a device: uninitialised, apart from all else, and
//! between zones that show who writes outside.

use std::alloc::{Layout, alloc, dealloc};
use std::ops::Range;
use std::ptr::NonNull;

/// Alignment of an allocation, as CUDA's.
const ALIGNMENT: usize = 256;
/// Bytes before and behind, filled with a pattern. None where the address sanitizer watches: it has
/// zones of its own, which show reading as well.
const ZONE: usize = if cfg!(wsi_host_sanitize) { 0 } else { 4096 };
/// What memory holds that nobody has written.
const UNWRITTEN: u8 = 0xA7;

/// An allocation of the host executor.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
    len: usize,
}

// SAFETY: it owns what it points to, and nothing of it is bound to a thread.
unsafe impl Send for Memory {}
// SAFETY: what it holds is touched through the executor that made it alone, which checks that, and
// which is not for several threads at once.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory of `len` bytes, `None` if there is not so much.
    pub(super) fn new(len: usize) -> Option<Self> {
        // At least a byte, since an allocation of none is not allowed.
        let size = len.max(1).checked_add(2 * ZONE)?;
        let layout = Layout::from_size_align(size, ALIGNMENT).ok()?;
        // SAFETY: the layout has at least one byte.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        let memory = Self { start, layout, len };
        // SAFETY: the whole allocation.
        unsafe { start.write_bytes(UNWRITTEN, size) };
        for zone in memory.zones() {
            for place in zone {
                // SAFETY: a place within the allocation.
                unsafe { start.add(place).write(pattern(place)) }
            }
        }
        Some(memory)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where byte `offset` lies, which may be the one behind the last; `None` further on.
    pub(super) fn address(&self, offset: usize) -> Option<*mut u8> {
        // SAFETY: within the allocation or at its end.
        (offset <= self.len).then(|| unsafe { self.start.add(ZONE + offset) }.as_ptr())
    }

    /// Copies `data` to `offset`; `false`, and nothing copied, if it does not fit.
    pub(super) fn write(&self, offset: usize, data: &[u8]) -> bool {
        let Some(to) = self.place(offset, data.len()) else {
            return false;
        };
        // SAFETY: `place` has seen that it fits. A slice of Rust's never lies in this memory, which
        // is handed out as pointers to kernels alone.
        unsafe { to.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        true
    }

    /// Copies from `offset` to `data`; `false`, and nothing copied, if there is not so much.
    pub(super) fn read(&self, offset: usize, data: &mut [u8]) -> bool {
        let Some(from) = self.place(offset, data.len()) else {
            return false;
        };
        // SAFETY: as for `write`. All of the memory has been initialised when it was made.
        unsafe { from.copy_to_nonoverlapping(data.as_mut_ptr(), data.len()) };
        true
    }

    /// Sets a range to 0; `false`, and nothing set, if it is not within.
    pub(super) fn clear(&self, range: Range<usize>) -> bool {
        let Some(length) = range.end.checked_sub(range.start) else {
            return false;
        };
        let Some(to) = self.place(range.start, length) else {
            return false;
        };
        // SAFETY: `place` has seen that it fits.
        unsafe { to.write_bytes(0, length) };
        true
    }

    /// The first byte outside that somebody has written: its distance from the start.
    pub(super) fn damage(&self) -> Option<isize> {
        let changed = self.zones().into_iter().flatten().find(|&place| {
            // SAFETY: a place within the allocation.
            unsafe { self.start.add(place).read() != pattern(place) }
        })?;
        changed.checked_signed_diff(ZONE)
    }

    fn place(&self, offset: usize, length: usize) -> Option<*mut u8> {
        let end = offset.checked_add(length)?;
        (end <= self.len).then(|| self.address(offset)).flatten()
    }

    /// The zones before and behind, as places of the allocation.
    fn zones(&self) -> [Range<usize>; 2] {
        let behind = ZONE + self.len;
        [0..ZONE, behind..behind + ZONE]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// What a zone holds at a place: no value that a kernel writes by chance over a stretch.
fn pattern(place: usize) -> u8 {
    let [low, ..] = (place.wrapping_mul(0x9D) ^ 0x5C).to_le_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_outside() {
        let memory = Memory::new(10).unwrap();
        assert!(memory.write(3, &[1, 2, 3]));
        assert!(memory.clear(4..5));
        let mut all = [9; 10];
        assert!(memory.read(0, &mut all));
        assert_eq!(all, [167, 167, 167, 1, 0, 3, 167, 167, 167, 167]);
        assert!(!memory.write(8, &[1, 2, 3]));
        assert!(!memory.write(usize::MAX, &[1]));
        assert!(!memory.read(10, &mut [0]));
        assert!(memory.read(10, &mut []));
        #[expect(clippy::reversed_empty_ranges, reason = "it must be refused")]
        let backwards = 5..4;
        assert!(!memory.clear(backwards));
        assert!(!memory.clear(0..11));
        assert!(memory.address(11).is_none());
        assert_eq!(memory.damage(), None);
    }

    #[test]
    #[cfg(not(wsi_host_sanitize))]
    fn more_memory_than_there_is_is_refused() {
        assert!(Memory::new(usize::MAX).is_none());
        assert!(Memory::new(isize::MAX as usize - 16_384).is_none());
    }
}
