//! Memory in large pages, where the system gives them to those who ask.
//!
//! Memory that a run touches for the first time costs a page fault for every 4 KiB, which together
//! take longer than the decoding of what is put there. With pages of 2 MiB there are 512 times fewer.

/// A buffer of zeros that is about to be written, once or many times.
pub(crate) fn zeroed(bytes: usize) -> Vec<u8> {
    // Not touched yet: allocators take such sizes fresh from the system.
    let mut memory = vec![0; bytes];
    prefer_large(memory.as_mut_ptr(), bytes);
    memory
}

/// Makes room for `bytes` in an empty vector; less, or none, if the system refuses.
pub(crate) fn reserve(memory: &mut Vec<u8>, bytes: usize) {
    if memory.try_reserve_exact(bytes).is_ok() {
        let spare = memory.spare_capacity_mut();
        prefer_large(spare.as_mut_ptr().cast(), spare.len());
    }
}

/// Asks for large pages under some memory of ours.
#[cfg(target_os = "linux")]
fn prefer_large(start: *mut u8, bytes: usize) {
    const PAGE: usize = 4096;
    let skipped = start.align_offset(PAGE);
    let whole = bytes.saturating_sub(skipped) / PAGE * PAGE;
    if whole < LARGE {
        return;
    }
    // SAFETY: the range lies in one allocation that the caller holds. The advice changes neither its
    // content nor what may be done with it; that it may be refused does not matter.
    unsafe {
        libc::madvise(
            start.wrapping_add(skipped).cast(),
            whole,
            libc::MADV_HUGEPAGE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_large(_: *mut u8, _: usize) {}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE: usize = 2 << 20;
