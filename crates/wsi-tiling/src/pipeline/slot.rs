//! A cell that one thread reads and others wait for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::cells::Cell;

/// A cell that is being read.
#[derive(Debug)]
pub(crate) struct Slot<'m> {
    state: Mutex<State<'m>>,
    settled: Condvar,
}

#[derive(Debug)]
enum State<'m> {
    Loading,
    Ready(Arc<Cell<'m>>),
    Failed,
}

impl<'m> Slot<'m> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::Loading),
            settled: Condvar::new(),
        }
    }

    /// Settles the cell; `None`: it could not be read.
    pub(crate) fn settle(&self, cell: Option<Cell<'m>>) {
        let settled = cell.map_or(State::Failed, |cell| State::Ready(Arc::new(cell)));
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = settled;
        self.settled.notify_all();
    }

    /// Blocks until the cell is settled; `None` if it could not be read.
    pub(crate) fn wait(&self) -> Option<Arc<Cell<'m>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*state {
                State::Loading => {
                    state = self
                        .settled
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                State::Ready(cell) => return Some(Arc::clone(cell)),
                State::Failed => return None,
            }
        }
    }
}

/// Settles a slot as failed if its reader does not come back (a panic in a source): nobody waits
/// for ever.
pub(crate) struct Settle<'a, 'm>(pub(crate) &'a Slot<'m>);

impl Drop for Settle<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Loading = &*state {
            *state = State::Failed;
            self.0.settled.notify_all();
        }
    }
}
