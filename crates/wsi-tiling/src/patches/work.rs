//! What the threads of a reader do: begin batches, read them unit by unit, and complete them.
//!
//! No thread stands above the others and hands them work. Whoever has read a unit sees to what it
//! left: the next batch is begun when units run out, and a batch is completed with its last unit. A
//! second batch is begun before the first is complete, so that no thread waits for the slowest.

use std::collections::VecDeque;
use std::iter::Enumerate;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use ndarray::Array4;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use wsi_core::{Error, ErrorKind, Result, Size};

use super::output::Normalizer;
use super::{Batch, BatchPixels, PatchReader, Patches};

/// Patches that a thread reads together: enough to share stored tiles, and to decode several at once.
const UNIT: usize = 8;

/// The same at the end of all: no fewer than are decoded at once.
const SMALL_UNIT: usize = 2;

/// What is read, and how far that has come.
pub(super) struct Work {
    patches: Patches,
    normalizer: Option<Normalizer>,
    threads: usize,
    /// Patches that are unread when the next batch is begun: enough for every thread, and no more. By
    /// then the memory of an earlier batch may be back.
    enough: usize,
    /// Batches that are begun and not yet taken, at most.
    most_begun: usize,
    state: Mutex<State>,
    /// The first batch is ready, or all jobs are done.
    changed: Condvar,
}

struct State {
    /// Batches that are not begun.
    plan: Enumerate<std::vec::IntoIter<Vec<usize>>>,
    /// What is begun and not yet taken, in order.
    begun: VecDeque<Begun>,
    /// The number of the first of them.
    first: usize,
    /// Units that no thread has taken, in order.
    units: VecDeque<Unit>,
    /// Patches of all batches that are begun and not read.
    unread: usize,
    /// What the pool was given and has not done.
    jobs: usize,
    /// Batches that came back.
    spares: Vec<BatchPixels>,
    /// Memory of patches that were normalised, to be used again.
    bytes: Vec<Vec<u8>>,
    /// Nobody wants any more.
    stopped: bool,
}

/// A batch on its way.
enum Begun {
    Reading(Reading),
    /// A thread has it, and makes it ready.
    Completing,
    Ready(Result<Batch>),
}

/// A batch that is being read.
struct Reading {
    indices: Vec<usize>,
    /// The memory of each patch, once it has been read.
    pieces: Vec<Option<BytesMut>>,
    /// Patches that are not there yet.
    missing: usize,
    /// What the first patch ran into that could not be read, and its position.
    error: Option<(usize, Error)>,
}

/// Patches of a batch that one thread reads together.
struct Unit {
    batch: usize,
    parts: Vec<Part>,
    error: Option<(usize, Error)>,
}

/// One patch of a unit.
struct Part {
    /// In the batch.
    position: usize,
    /// In the places of the reader.
    index: usize,
    memory: BytesMut,
}

impl Work {
    /// Begins to read the batches of a reader with all threads of `pool`.
    pub(super) fn start(
        reader: &PatchReader,
        normalizer: Option<Normalizer>,
        pool: &ThreadPool,
    ) -> Arc<Self> {
        let threads = pool.current_num_threads();
        let enough = 2 * threads * UNIT;
        let work = Arc::new(Self {
            patches: reader.patches.clone(),
            normalizer,
            threads,
            enough,
            // One that is nearly complete, and others behind it that have enough for every thread.
            most_begun: reader
                .prefetch
                .saturating_add(1)
                .saturating_add(enough.div_ceil(reader.batch_size.get())),
            state: Mutex::new(State {
                plan: reader.plan().into_iter().enumerate(),
                begun: VecDeque::new(),
                first: 0,
                units: VecDeque::new(),
                unread: 0,
                jobs: 0,
                spares: Vec::new(),
                bytes: Vec::new(),
                stopped: false,
            }),
            changed: Condvar::new(),
        });
        // Here, while the threads start.
        work.begin(|work| pool.spawn(move || work.read_unit()));
        work
    }

    /// The next batch, when it is ready.
    pub(super) fn take(self: &Arc<Self>, pool: &ThreadPool) -> Option<Result<Batch>> {
        let mut state = self.lock();
        loop {
            match state.begun.pop_front() {
                Some(Begun::Ready(batch)) => {
                    state.first += 1;
                    if self.may_begin(&state) {
                        // It did not, as too many were ready. The pool's threads are for this.
                        state.jobs += 1;
                        let work = Arc::clone(self);
                        pool.spawn(move || {
                            work.begin(spawn);
                            work.end_job();
                        });
                    }
                    return Some(batch);
                }
                Some(batch) => state.begun.push_front(batch),
                None if state.plan.len() == 0 => return None,
                None => {}
            }
            state = self.wait(state);
        }
    }

    /// Batches that have not been taken.
    pub(super) fn left(&self) -> usize {
        self.lock().left()
    }

    /// Takes the memory of a batch back.
    pub(super) fn give_back(&self, pixels: BatchPixels) {
        let mut state = self.lock();
        // Bytes are wanted where a batch is begun, numbers where one is completed.
        if state.left() > 0 {
            state.spares.push(pixels);
        }
    }

    /// Reads nothing more, and waits until nobody reads.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        while state.jobs > 0 {
            state = self.wait(state);
        }
    }

    /// Begins batches while units may run out, and gives the pool a job for each unit.
    fn begin(self: &Arc<Self>, spawn: impl Fn(Arc<Self>)) {
        loop {
            let mut state = self.lock();
            if !self.may_begin(&state) {
                return;
            }
            let Some((number, indices)) = state.plan.next() else {
                return;
            };
            state.unread += indices.len();
            state.begun.push_back(Begun::Reading(Reading {
                pieces: indices.iter().map(|_| None).collect(),
                missing: indices.len(),
                indices: indices.clone(),
                error: None,
            }));
            // Behind the last, a thread that is done first has nothing else to do.
            let small = match state.plan.len() {
                0 => self.threads * UNIT,
                _ => 0,
            };
            let spare = match &self.normalizer {
                Some(_) => state.bytes.pop(),
                None => match state.spares.pop() {
                    Some(BatchPixels::U8(array)) => Some(array.into_raw_vec_and_offset().0),
                    _ => None,
                },
            };
            drop(state);

            let units = self.cut(number, &indices, spare, small);
            let count = units.len();
            let mut state = self.lock();
            state.units.extend(units);
            state.jobs += count;
            drop(state);
            for _ in 0..count {
                spawn(Arc::clone(self));
            }
        }
    }

    fn may_begin(&self, state: &State) -> bool {
        state.unread < self.enough
            && state.begun.len() < self.most_begun
            && state.plan.len() > 0
            && !state.stopped
    }

    /// Sets memory aside for a batch and cuts it into units, small ones for the last `small` patches.
    fn cut(
        &self,
        batch: usize,
        indices: &[usize],
        spare: Option<Vec<u8>>,
        small: usize,
    ) -> Vec<Unit> {
        let bytes = self.patches.bytes();
        let whole = indices.len() * bytes;
        let mut memory = spare.unwrap_or_else(|| wsi_pages::zeroed(whole));
        memory.resize(whole, 0);
        // Nobody shares it, so it is not copied.
        let mut memory = BytesMut::from(Bytes::from(memory));
        let part = |(position, &index)| Part {
            position,
            index,
            memory: memory.split_to(bytes),
        };
        let mut parts: Vec<Part> = indices.iter().enumerate().map(part).collect();
        parts.sort_by_cached_key(|part| self.patches.stored_tile(part.index));
        let mut units = Vec::new();
        let mut parts = parts.into_iter();
        while parts.len() > 0 {
            let size = if parts.len() > small {
                UNIT
            } else {
                SMALL_UNIT
            };
            units.push(Unit {
                batch,
                parts: parts.by_ref().take(size).collect(),
                error: None,
            });
        }
        units
    }

    /// The job of a thread of the pool: reads the first unit that is left.
    fn read_unit(self: &Arc<Self>) {
        let mut state = self.lock();
        let unit = state.units.pop_front().filter(|_| !state.stopped);
        drop(state);
        if let Some(mut unit) = unit {
            let read = catch_unwind(AssertUnwindSafe(|| unit.read(&self.patches)));
            unit.error = read.unwrap_or_else(|_| {
                let position = unit.parts.first().map_or(0, |part| part.position);
                Some((position, Error::new(ErrorKind::Io, "a panic while reading")))
            });
            let number = unit.batch;
            let complete = self.lock().put(unit);
            self.begin(spawn);
            if let Some(batch) = complete {
                let batch = self.complete(batch);
                self.lock().make_ready(number, batch);
                self.changed.notify_one();
            }
        }
        self.end_job();
    }

    fn end_job(&self) {
        let mut state = self.lock();
        state.jobs -= 1;
        if state.jobs == 0 && state.stopped {
            self.changed.notify_one();
        }
    }

    /// Puts the pieces of a batch together, and makes of them what is wanted.
    fn complete(&self, batch: Reading) -> Result<Batch> {
        let Reading {
            indices,
            pieces,
            error,
            ..
        } = batch;
        if let Some((_, error)) = error {
            return Err(error);
        }
        let mut pieces = pieces.into_iter().flatten();
        let mut memory = pieces.next().unwrap_or_default();
        for piece in pieces {
            // They lie side by side in one allocation, so that nothing is copied.
            memory.unsplit(piece);
        }
        let bytes = Vec::from(memory);
        let Size { width, height } = self.patches.size;
        let (width, height) = (width as usize, height as usize);
        let channels = self.patches.format.bytes_per_pixel();
        let misfit = |error| Error::invalid("patches of another size").with_source(error);
        let pixels = match &self.normalizer {
            None => {
                let shape = (indices.len(), height, width, channels);
                BatchPixels::U8(Array4::from_shape_vec(shape, bytes).map_err(misfit)?)
            }
            Some(normalizer) => {
                let mut numbers = match self.lock().spares.pop() {
                    Some(BatchPixels::F32(array)) => array.into_raw_vec_and_offset().0,
                    _ => Vec::new(),
                };
                numbers.resize(bytes.len(), 0.0);
                let patch = self.patches.bytes();
                bytes
                    .par_chunks_exact(patch)
                    .zip(numbers.par_chunks_exact_mut(patch))
                    .for_each(|(bytes, numbers)| normalizer.convert(bytes, numbers));
                self.lock().bytes.push(bytes);
                let shape = (indices.len(), channels, height, width);
                BatchPixels::F32(Array4::from_shape_vec(shape, numbers).map_err(misfit)?)
            }
        };
        Ok(Batch { indices, pixels })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the pool of the thread a job.
fn spawn(work: Arc<Work>) {
    rayon::spawn(move || work.read_unit());
}

impl State {
    /// Batches that have not been taken.
    fn left(&self) -> usize {
        self.begun.len() + self.plan.len()
    }

    /// Puts a unit back to its batch; gives the batch if that was the last.
    fn put(&mut self, unit: Unit) -> Option<Reading> {
        self.unread -= unit.parts.len();
        let batch = self.begun.get_mut(unit.batch - self.first)?;
        let Begun::Reading(reading) = batch else {
            return None;
        };
        reading.missing -= unit.parts.len();
        for part in unit.parts {
            reading.pieces[part.position] = Some(part.memory);
        }
        let before = reading.error.as_ref().map_or(usize::MAX, |&(at, _)| at);
        if let Some(error) = unit.error.filter(|&(at, _)| at < before) {
            reading.error = Some(error);
        }
        if reading.missing > 0 {
            return None;
        }
        match std::mem::replace(batch, Begun::Completing) {
            Begun::Reading(reading) => Some(reading),
            _ => None,
        }
    }

    fn make_ready(&mut self, number: usize, batch: Result<Batch>) {
        if let Some(begun) = self.begun.get_mut(number - self.first) {
            *begun = Begun::Ready(batch);
        }
    }
}

impl Unit {
    /// Reads the patches; gives the first error, with the patch's position in the batch.
    fn read(&mut self, patches: &Patches) -> Option<(usize, Error)> {
        let indices: Vec<usize> = self.parts.iter().map(|part| part.index).collect();
        let memory = self.parts.iter_mut().map(|part| &mut part.memory[..]);
        let results = patches.read(&indices, memory);
        let failed = self.parts.iter().zip(results);
        failed
            .filter_map(|(part, result)| Some((part.position, result.err()?)))
            .min_by_key(|&(position, _)| position)
    }
}
