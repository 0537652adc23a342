//! Time that a thread has spent on a processor, whatever else the machine was doing.

use std::time::Duration;

use turbojpeg::libc;

/// The processor time of the calling thread so far.
///
/// # Panics
/// If the system has no such clock.
#[must_use]
pub fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec to write to, and outlives the call.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(code, 0, "the system counts the time of threads");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
