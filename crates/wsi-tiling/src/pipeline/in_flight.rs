//! How far the selection may run ahead of the tiles that are being made.

use std::sync::{Condvar, Mutex, PoisonError};

use super::lock;

/// How many tiles are being made of those that have all their cells, or soon will.
#[derive(Default)]
pub(super) struct InFlight {
    /// Below 0 while tiles are made before they are counted.
    count: Mutex<i64>,
    fewer: Condvar,
}

/// One of them: dropping it takes it off the count.
pub(super) struct Counted<'a>(pub(super) &'a InFlight);

impl InFlight {
    /// Counts `more` tiles, and waits until there are no more than `limit`.
    pub(super) fn add_and_wait(&self, more: usize, limit: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut count = lock(&self.count);
        *count = count.saturating_add(number(more));
        while *count > number(limit) {
            count = self
                .fewer
                .wait(count)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *lock(&self.0.count) -= 1;
        self.0.fewer.notify_one();
    }
}
