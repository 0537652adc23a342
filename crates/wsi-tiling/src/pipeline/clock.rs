//! Where the time goes: busy time a stage, summed over threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Busy time of the stages of a run.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    pub(crate) mask: Stage,
    pub(crate) read: Stage,
    pub(crate) assemble: Stage,
    pub(crate) save: Stage,
}

#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU64);

impl Stage {
    /// Runs `work` and adds its time.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
        result
    }

    /// The time so far, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)).as_secs_f64()
    }
}
