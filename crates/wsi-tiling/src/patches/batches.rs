//! The queue between the threads that read and the one that uses what they read.
//!
//! A thread of its own cuts batches into units of patches that lie near each other, hands them to
//! the pool, and puts batches together again. A second batch is begun before the first is complete,
//! so that no thread waits for the slowest.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use ndarray::Array4;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use wsi_core::{Error, ErrorKind, Result, Size};

use super::output::Normalizer;
use super::{PatchReader, Patches};

/// Patches that were read together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// Which patches, by their numbers in the places that the reader was made with.
    pub indices: Vec<usize>,
    /// Their pixels.
    pub pixels: BatchPixels,
}

/// The pixels of a batch of N patches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchPixels {
    /// `[N, H, W, C]`.
    U8(Array4<u8>),
    /// `[N, C, H, W]`.
    F32(Array4<f32>),
}

/// Batches in order, as an iterator that waits for the next.
///
/// A batch with a patch that cannot be read is an error that names it; the batches behind it come
/// all the same.
#[derive(Debug)]
pub struct Batches {
    /// `None` once this is being dropped, which the reading thread takes as a sign to end.
    ready: Option<Receiver<Result<Batch>>>,
    spare: Sender<BatchPixels>,
    left: usize,
    reading: Option<JoinHandle<()>>,
}

impl Batches {
    pub(super) fn start(reader: &PatchReader) -> Result<Self> {
        let plan = reader.plan();
        let normalizer = Normalizer::new(&reader.output, reader.patches.format)?;
        let (spare, spares) = channel();
        let (send, ready) = sync_channel(reader.prefetch);
        let left = plan.len();
        let work = Work {
            patches: Arc::new(reader.patches.clone()),
            batch_size: reader.batch_size,
            pool: reader.pool()?,
            normalizer,
            spares,
            bytes: Vec::new(),
            stopped: Arc::default(),
        };
        let reading = std::thread::Builder::new()
            .name("patches".to_owned())
            .spawn(move || work.run(plan, &send))
            .map_err(|error| Error::invalid("cannot start a thread").with_source(error))?;
        Ok(Self {
            ready: Some(ready),
            spare,
            left,
            reading: Some(reading),
        })
    }

    /// Gives a batch back, so that a later one takes its memory instead of new memory.
    pub fn reuse(&self, batch: Batch) {
        // If all has been read, nobody is left to take it.
        drop(self.spare.send(batch.pixels));
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.ready.as_ref()?.recv().ok()?;
        self.left = self.left.saturating_sub(1);
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        drop(self.ready.take());
        if let Some(reading) = self.reading.take() {
            // A panic in there was a panic of a source; there is nothing left to tell.
            drop(reading.join());
        }
    }
}

/// Patches that a thread reads together: enough to share stored tiles, and to decode several at once.
const UNIT: usize = 8;

/// The same at the end of all: no fewer than are decoded at once.
const SMALL_UNIT: usize = 2;

/// What the thread has that hands out units and puts batches together.
struct Work {
    patches: Arc<Patches>,
    batch_size: NonZeroUsize,
    pool: ThreadPool,
    normalizer: Option<Normalizer>,
    spares: Receiver<BatchPixels>,
    /// Memory of patches that were normalised, to be used again.
    bytes: Vec<Vec<u8>>,
    stopped: Arc<AtomicBool>,
}

/// A batch on its way.
struct Pending {
    indices: Vec<usize>,
    /// The memory of each patch, once it has been read.
    pieces: Vec<Option<BytesMut>>,
    /// Units that are not there yet.
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
    fn run(mut self, plan: Vec<Vec<usize>>, ready: &SyncSender<Result<Batch>>) {
        let (done, units) = channel();
        let mut plan = plan.into_iter().enumerate().peekable();
        let mut pending: VecDeque<Pending> = VecDeque::new();
        // One that is nearly complete, and units enough behind it for every thread. The next is begun
        // when these run out, and not before: by then the memory of an earlier one may be back.
        let threads = self.pool.current_num_threads();
        let enough = 2 * threads;
        let at_once = 1 + (enough * UNIT).div_ceil(self.batch_size.get());
        // The number of the first of them, and the units that the pool has.
        let (mut first, mut under_way) = (0, 0);
        loop {
            while pending.len() < at_once
                && (under_way < enough || pending.is_empty())
                && let Some((number, indices)) = plan.next()
            {
                // Behind the last, a thread that is done first has nothing else to do.
                let small = match plan.peek() {
                    Some(_) => 0,
                    None => threads * UNIT,
                };
                let (batch, units) = self.start(number, indices, small);
                pending.push_back(batch);
                under_way += units.len();
                for unit in units {
                    self.spawn(unit, done.clone());
                }
            }
            match pending.pop_front() {
                None => return,
                Some(batch) if batch.missing == 0 => {
                    first += 1;
                    if ready.send(self.finish(batch)).is_err() {
                        break;
                    }
                }
                Some(batch) => {
                    pending.push_front(batch);
                    let Ok(unit) = units.recv() else { return };
                    under_way -= 1;
                    if let Some(batch) = pending.get_mut(unit.batch - first) {
                        batch.take(unit);
                    }
                }
            }
        }
        // Nobody waits any more. What has been begun is waited for, so that no thread stays behind.
        self.stopped.store(true, Ordering::Relaxed);
        for _ in 0..under_way {
            if units.recv().is_err() {
                return;
            }
        }
    }

    /// Sets memory aside for a batch and cuts it into units, small ones for the last `small` patches.
    fn start(&mut self, batch: usize, indices: Vec<usize>, small: usize) -> (Pending, Vec<Unit>) {
        let bytes = self.patches.bytes();
        let mut memory = self.memory(indices.len() * bytes);
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
        let pending = Pending {
            pieces: indices.iter().map(|_| None).collect(),
            missing: units.len(),
            indices,
            error: None,
        };
        (pending, units)
    }

    /// Memory for a batch: that of one that was given back, or new.
    fn memory(&mut self, bytes: usize) -> BytesMut {
        let spare = match &self.normalizer {
            Some(_) => self.bytes.pop(),
            None => match self.spares.try_recv() {
                Ok(BatchPixels::U8(array)) => Some(array.into_raw_vec_and_offset().0),
                _ => None,
            },
        };
        let mut memory = spare.unwrap_or_else(|| wsi_pages::zeroed(bytes));
        memory.resize(bytes, 0);
        // Nobody shares it, so it is not copied.
        BytesMut::from(Bytes::from(memory))
    }

    fn spawn(&self, mut unit: Unit, done: Sender<Unit>) {
        let patches = Arc::clone(&self.patches);
        let stopped = Arc::clone(&self.stopped);
        self.pool.spawn(move || {
            if !stopped.load(Ordering::Relaxed) {
                let read = catch_unwind(AssertUnwindSafe(|| unit.read(&patches)));
                unit.error = read.unwrap_or_else(|_| {
                    let position = unit.parts.first().map_or(0, |part| part.position);
                    Some((position, Error::new(ErrorKind::Io, "a panic while reading")))
                });
            }
            // If nobody listens, nobody wants it.
            drop(done.send(unit));
        });
    }

    fn finish(&mut self, batch: Pending) -> Result<Batch> {
        let Pending {
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
                let mut numbers = match self.spares.try_recv() {
                    Ok(BatchPixels::F32(array)) => array.into_raw_vec_and_offset().0,
                    _ => Vec::new(),
                };
                numbers.resize(bytes.len(), 0.0);
                let patch = self.patches.bytes();
                self.pool.install(|| {
                    bytes
                        .par_chunks_exact(patch)
                        .zip(numbers.par_chunks_exact_mut(patch))
                        .for_each(|(bytes, numbers)| normalizer.convert(bytes, numbers));
                });
                self.bytes.push(bytes);
                let shape = (indices.len(), channels, height, width);
                BatchPixels::F32(Array4::from_shape_vec(shape, numbers).map_err(misfit)?)
            }
        };
        Ok(Batch { indices, pixels })
    }
}

impl Pending {
    fn take(&mut self, unit: Unit) {
        self.missing -= 1;
        for part in unit.parts {
            self.pieces[part.position] = Some(part.memory);
        }
        let before = self.error.as_ref().map_or(usize::MAX, |&(at, _)| at);
        if let Some(error) = unit.error.filter(|&(at, _)| at < before) {
            self.error = Some(error);
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
