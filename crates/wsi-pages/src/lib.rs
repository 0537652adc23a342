//! Memory in large pages, where the system gives them to those who ask.
//!
//! Memory that is touched for the first time costs a page fault for every 4 KiB, which together
//! take longer than the decoding of what is put there. With pages of 2 MiB there are 512 times fewer.
//! Linux gives them on demand; elsewhere, and below 2 MiB, what this crate gives is ordinary memory.
//!
//! What an allocator notes of a piece of memory lies in front of it, so that the first of its large
//! pages has been touched before anything can be asked for, and stays in small pages. [`Zeroed`] leaves
//! that page out; [`zeroed`] and [`gather`] make a large one of it.

mod advice;

use bytes::BytesMut;

use advice::{LARGE, PAGE};

/// A vector of zeros that is about to be written.
///
/// Its capacity may be larger, by memory that is never touched.
///
/// ```
/// let pixels = wsi_pages::zeroed(5_000_000);
/// assert_eq!(pixels, vec![0; 5_000_000]);
/// ```
#[must_use]
pub fn zeroed(bytes: usize) -> Vec<u8> {
    // Not touched yet: allocators take such sizes fresh from the system.
    let mut memory = vec![0; whole(bytes)];
    memory.truncate(bytes);
    // What does not fill a large page would take a whole one.
    let large = bytes / LARGE * LARGE;
    if large > 0 {
        advice::prefer_large(memory.as_mut_ptr(), large);
        advice::make_large(memory.as_mut_ptr());
    }
    memory
}

/// Makes a vector `bytes` long whose content does not matter any more, and is unspecified.
pub fn make_room(memory: &mut Vec<u8>, bytes: usize) {
    if memory.capacity() < bytes {
        *memory = zeroed(bytes);
    } else {
        memory.resize(bytes, 0);
    }
}

/// Zeros that are about to be written, in large pages from the first to the last.
#[derive(Debug)]
pub struct Zeroed {
    memory: Vec<u8>,
    /// Where the first large page begins.
    start: usize,
}

impl Zeroed {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        if bytes < LARGE {
            let memory = vec![0; bytes];
            return Self { memory, start: 0 };
        }
        let mut memory = vec![0; bytes.next_multiple_of(LARGE).saturating_add(LARGE)];
        let start = memory.as_ptr().addr().wrapping_neg() % LARGE;
        let large = &mut memory[start..];
        advice::prefer_large(large.as_mut_ptr(), large.len());
        memory.truncate(start + bytes);
        Self { memory, start }
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

/// Zeros that are about to be cut into pieces and written. Before the first are, [`gather`] is worth it.
#[must_use]
pub fn zeroed_bytes(bytes: usize) -> BytesMut {
    // Not touched yet, as above.
    let mut memory = BytesMut::zeroed(whole(bytes));
    advice::prefer_large(memory.as_mut_ptr(), memory.len());
    memory.truncate(bytes);
    memory
}

/// Makes a large page of the first 2 MiB of memory from [`zeroed_bytes`], of which `piece` is the
/// start, if there is so much of it. That takes as long as to write zeros to them. Linux before 6.1
/// cannot do it, and nothing happens.
pub fn gather(piece: &mut BytesMut) {
    advice::make_large(piece.as_mut_ptr());
}

/// As many bytes or a few more, so that with the allocator's own there is a whole number of large
/// pages: only such mappings start on a large page.
const fn whole(bytes: usize) -> usize {
    match bytes.checked_add(PAGE + LARGE) {
        Some(_) if bytes >= LARGE => (bytes + PAGE).next_multiple_of(LARGE) - PAGE,
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_and_as_long_as_was_asked_for() {
        let sizes = [
            0,
            1,
            4095,
            LARGE - PAGE,
            LARGE - 1,
            LARGE,
            LARGE + 1,
            3 * LARGE + 12_345,
        ];
        for bytes in sizes {
            let mut plain = zeroed(bytes);
            assert_eq!(plain.len(), bytes);
            assert!(plain.iter().all(|&byte| byte == 0));
            plain.fill(7);
            make_room(&mut plain, bytes + bytes / 2);
            assert_eq!(plain.len(), bytes + bytes / 2);
            make_room(&mut plain, bytes / 3);
            assert_eq!(plain.len(), bytes / 3);
            let mut whole = Zeroed::new(bytes);
            assert_eq!(whole.as_mut_slice().len(), bytes);
            assert!(whole.as_mut_slice().iter().all(|&byte| byte == 0));
            whole.as_mut_slice().fill(7);
            assert_eq!(zeroed_bytes(bytes), vec![0; bytes]);
        }
    }

    #[test]
    fn what_is_gathered_keeps_what_it_holds() {
        let mut memory = zeroed_bytes(5 * LARGE);
        let mut behind = memory.split_off(100);
        memory.fill(1);
        behind.truncate(2 * LARGE);
        behind.fill(2);
        gather(&mut memory);
        assert!(memory.iter().all(|&byte| byte == 1));
        assert!(behind.iter().all(|&byte| byte == 2));
        // Of nothing, and of memory that is not from here.
        gather(&mut BytesMut::new());
        gather(&mut BytesMut::with_capacity(10));
    }
}
