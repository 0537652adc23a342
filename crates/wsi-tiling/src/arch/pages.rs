//! Memory in large pages, where the system gives them to those who ask.
//!
//! Memory that a run touches for the first time costs a page fault for every 4 KiB, which together
//! take longer than the decoding of what is put there. With pages of 2 MiB there are 512 times fewer.
//!
//! What an allocator notes of a piece of memory lies in front of it, so that the first of its large
//! pages has been touched before anything can be asked for, and stays in small pages. [`Zeroed`] leaves
//! that page out; [`gather`] makes a large one of it.

use bytes::BytesMut;

/// Zeros that are about to be written, once or many times.
pub(crate) struct Zeroed {
    memory: Vec<u8>,
    /// Where the first large page begins.
    start: usize,
}

impl Zeroed {
    pub(crate) fn new(bytes: usize) -> Self {
        // Not touched yet: allocators take such sizes fresh from the system.
        let room = match bytes < LARGE {
            true => bytes,
            false => bytes.next_multiple_of(LARGE) + LARGE,
        };
        let mut memory = vec![0; room];
        let start = match bytes < LARGE {
            true => 0,
            false => memory.as_ptr().addr().wrapping_neg() % LARGE,
        };
        let large = &mut memory[start..];
        prefer_large(large.as_mut_ptr(), large.len());
        memory.truncate(start + bytes);
        Self { memory, start }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

/// A vector of zeros that is about to be written, once or many times.
pub(crate) fn zeroed(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0; whole(bytes)];
    prefer_large(memory.as_mut_ptr(), memory.len());
    if memory.len() > LARGE - PAGE {
        make_large(memory.as_mut_ptr());
    }
    memory.truncate(bytes);
    memory
}

/// Room for `bytes` or a few more, none of them written yet. Before they are, [`gather`] is worth it.
pub(crate) fn with_capacity(bytes: usize) -> BytesMut {
    let mut memory = BytesMut::with_capacity(whole(bytes));
    let spare = memory.spare_capacity_mut();
    prefer_large(spare.as_mut_ptr().cast(), spare.len());
    memory
}

/// As many bytes or a few more, so that with the allocator's own there is a whole number of large
/// pages: only such mappings start on a large page.
const fn whole(bytes: usize) -> usize {
    match bytes < LARGE {
        true => bytes,
        false => (bytes + PAGE).next_multiple_of(LARGE) - PAGE,
    }
}

/// Asks for large pages under some memory of ours.
#[cfg(target_os = "linux")]
fn prefer_large(start: *mut u8, bytes: usize) {
    if bytes < LARGE - PAGE {
        return;
    }
    // From the page in which it starts: what else lies there is the allocator's account of it.
    let before = start.addr() % PAGE;
    // SAFETY: the advice changes neither the content of any memory nor what may be done with it, and
    // so needs no more than numbers; that it may be refused does not matter.
    unsafe {
        libc::madvise(
            start.wrapping_sub(before).cast(),
            (bytes + before).next_multiple_of(PAGE),
            libc::MADV_HUGEPAGE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_large(_: *mut u8, _: usize) {}

/// Makes a large page of the first 2 MiB of memory from [`with_capacity`], of which `piece` is the
/// start, if there is so much of it. That takes as long as to write zeros to them. Linux before 6.1
/// cannot do it, and nothing happens.
pub(crate) fn gather(piece: &mut BytesMut) {
    let spare = piece.spare_capacity_mut();
    make_large(spare.as_mut_ptr().cast());
}

/// Makes a large page of small ones, if this is where one would start.
#[cfg(target_os = "linux")]
fn make_large(start: *mut u8) {
    let before = start.addr() % PAGE;
    if !(start.addr() - before).is_multiple_of(LARGE) {
        return;
    }
    // SAFETY: as above. Where less memory than that is mapped, or some of it is another's, the advice
    // is refused or changes what lies under it as little as it does here.
    unsafe {
        libc::madvise(
            start.wrapping_sub(before).cast(),
            LARGE,
            libc::MADV_COLLAPSE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn make_large(_: *mut u8) {}

/// Bytes of an ordinary page.
const PAGE: usize = 4096;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;
