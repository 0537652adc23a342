//! Memory in large pages, where the system gives them to those who ask.
//!
//! Memory that a run touches for the first time costs a page fault for every 4 KiB, which together
//! take longer than the decoding of what is put there. With pages of 2 MiB there are 512 times fewer.

use bytes::BytesMut;

/// A buffer of zeros that is about to be written, once or many times.
pub(crate) fn zeroed(bytes: usize) -> Vec<u8> {
    // Not touched yet: allocators take such sizes fresh from the system.
    let mut memory = vec![0; whole(bytes)];
    prefer_large(memory.as_mut_ptr(), memory.len());
    memory.truncate(bytes);
    memory
}

/// Room for `bytes` or a few more, none of them written yet.
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

/// Bytes of an ordinary page.
const PAGE: usize = 4096;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;
