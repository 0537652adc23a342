//! What is said to the system. This is the one place of the crate with `unsafe`.

#![allow(unsafe_code, reason = "advice on memory")]

/// Bytes of an ordinary page.
pub(crate) const PAGE: usize = 4096;

/// Bytes of a large page.
pub(crate) const LARGE: usize = 2 << 20;

/// Asks for large pages under some memory of ours.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_large(start: *mut u8, bytes: usize) {
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
pub(crate) fn prefer_large(_: *mut u8, _: usize) {}

/// Makes a large page of small ones, if this is where one would start.
#[cfg(target_os = "linux")]
pub(crate) fn make_large(start: *mut u8) {
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
pub(crate) fn make_large(_: *mut u8) {}
