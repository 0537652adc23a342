//! How far the selection may run ahead of the tiles that are being made.

use std::sync::{Condvar, Mutex, PoisonError};

use super::lock;

/// How many tiles are being made of those that have all their cells, or soon will.
#[derive(Default)]
pub(super) struct InFlight {
    state: Mutex<State>,
    few: Condvar,
}

#[derive(Default)]
struct State {
    /// Below 0 while tiles are made before they are counted.
    count: i64,
    /// The count that somebody waits for. To be woken for each tile would cost both sides more than
    /// many a tile does.
    awaited: Option<i64>,
}

/// One of them: dropping it takes it off the count.
pub(super) struct Counted<'a>(pub(super) &'a InFlight);

impl InFlight {
    /// Counts `more` tiles, and waits until there are no more than `limit`.
    pub(super) fn add_and_wait(&self, more: usize, limit: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let limit = number(limit);
        let mut state = lock(&self.state);
        state.count = state.count.saturating_add(number(more));
        while state.count > limit {
            state.awaited = Some(limit);
            state = self.few.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = None;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.count -= 1;
        if state.awaited.is_some_and(|limit| state.count <= limit) {
            self.0.few.notify_one();
        }
    }
}
