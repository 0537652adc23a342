//! Cells to pixels: what is decoded, how much of it, and what is kept.
//!
//! | of a chunk is wanted | what happens |
//! |---|---|
//! | what is in the cache | it is copied |
//! | all of it | it is decoded into the caller's rows, and not kept |
//! | part of it, JPEG | a window is decoded into the caller's rows, and where its rows start is kept; on later visits ([`WHOLE_AT_VISIT`]), or if the part is large ([`SMALL_PART`]), the chunk is decoded whole and kept |
//! | part of it, uncompressed | it is copied from the file |
//! | part of it, other codecs | the chunk is decoded whole and kept |
//!
//! Chunks of JPEG are decoded in batches, because two at once cost less than one after the other.

use std::cell::RefCell;
use std::sync::Arc;

use rayon::prelude::*;
use wsi_core::{Error, Fill, Image, PixelsMut, Rect, Result};

use super::PageReader;
use super::cells::{Cell, Place};
use crate::cache::{Claim, Flight, Landing, TileKey};
use crate::codec::{self, Jpeg, Part, RowIndex};
use crate::color::Conversion;
use crate::tiff::compression;

/// Reads of this many chunks or more run in rayon's current pool; handing out fewer costs more
/// than it gains, since callers who read small patches bring their own threads.
const PARALLEL_FROM: usize = 5;

/// JPEG chunks that a thread takes at once, at most.
const BATCH: usize = 8;

/// A part of this share of a chunk (numerator, denominator) or more is not worth a window.
const SMALL_PART: (u64, u64) = (3, 4);

/// The visit at which a chunk is decoded whole. Windows at the first visit make reads of tiles never
/// met three times as fast, and sweeps up to 1.4 times as slow: figures in DESIGN.md.
const WHOLE_AT_VISIT: u32 = 2;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Memory that a thread keeps from chunk to chunk.
#[derive(Default)]
struct Scratch {
    /// For each chunk of a batch.
    slots: Vec<Slot>,
    codec: codec::Scratch,
}

#[derive(Default)]
struct Slot {
    stored: Vec<u8>,
    native: Vec<u8>,
}

/// What all cells of a read share.
pub(super) struct Job<'a> {
    reader: &'a PageReader,
    conversion: Option<&'a Conversion>,
    fill: Fill,
}

/// A cell that something has to be decoded for.
struct Task<'c> {
    place: Place,
    /// Taken when the chunk is decoded straight into it.
    out: Option<PixelsMut<'c>>,
    goal: Goal<'c>,
}

/// What is decoded of a chunk.
enum Goal<'c> {
    /// What is wanted; the rest is looked at for damage.
    Direct,
    /// What is wanted, and no more.
    Window(RowIndex),
    /// All of it, for the cache.
    Keep {
        landing: Landing<'c>,
        index: RowIndex,
        image: Option<Image>,
    },
}

/// What has become of a cell.
enum Begun<'c> {
    Done,
    Task(Task<'c>),
    /// Another thread is decoding the chunk.
    Waits(Cell<'c>, Arc<Flight>),
}

impl<'c> Begun<'c> {
    fn task(cell: Cell<'c>, goal: Goal<'c>) -> Self {
        Self::Task(Task {
            place: cell.place,
            out: Some(cell.out),
            goal,
        })
    }
}

impl<'a> Job<'a> {
    pub(super) const fn new(
        reader: &'a PageReader,
        conversion: Option<&'a Conversion>,
        fill: Fill,
    ) -> Self {
        Self {
            reader,
            conversion,
            fill,
        }
    }

    /// Reads cells of one page.
    ///
    /// # Errors
    /// That of one of the cells, with its place.
    pub(super) fn read(&self, cells: Vec<Cell<'_>>) -> Result<()> {
        let parallel = cells.len() >= PARALLEL_FROM;
        let threads = if parallel {
            rayon::current_num_threads()
        } else {
            1
        };
        let size = match self.reader.codec.jpeg() {
            // A few batches for every thread, so that they end at about the same time.
            Some(_) if threads > 1 => cells.len().div_ceil(threads * 3).clamp(2, BATCH),
            Some(_) => BATCH,
            None => 1,
        };
        let mut cells = cells.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<_> = cells.by_ref().take(size).collect();
            (!batch.is_empty()).then_some(batch)
        });
        if !parallel {
            return { batches }.try_for_each(|batch| self.read_batch(batch));
        }
        let batches: Vec<_> = batches.collect();
        batches
            .into_par_iter()
            .with_max_len(1)
            .try_for_each(|batch| self.read_batch(batch))
    }

    fn read_batch(&self, cells: Vec<Cell<'_>>) -> Result<()> {
        let mut tasks = Vec::with_capacity(cells.len());
        let mut waiting = Vec::new();
        for cell in cells {
            let place = cell.place;
            match self.begin(cell) {
                Ok(Begun::Done) => {}
                Ok(Begun::Task(task)) => tasks.push(task),
                Ok(Begun::Waits(cell, flight)) => waiting.push((cell, flight)),
                Err(error) => return Err(at(place, error)),
            }
        }
        if !tasks.is_empty() {
            self.decode(tasks)?;
        }
        // Only now, as nobody waits for this thread any more.
        for (cell, flight) in waiting {
            self.wait(cell, &flight)?;
        }
        Ok(())
    }

    /// Finds out what has to be done for a cell, and does it if nothing has to be decoded.
    fn begin<'c>(&'c self, mut cell: Cell<'c>) -> Result<Begun<'c>> {
        let reader = self.reader;
        let place = cell.place;
        let key = self.key(place);
        if let Some(image) = reader.cache.get(key) {
            self.copy(&image, place, &mut cell.out);
            return Ok(Begun::Done);
        }
        if reader.is_missing(place.column, place.row)? {
            cell.out.fill(self.fill);
            return Ok(Begun::Done);
        }
        let size = self.chunk(place).size;
        // Chunks that cost nothing to decode would only push others out of the cache.
        let is_free = reader.page.storage().compression == compression::NONE;
        if is_free || place.crop.size == size {
            return Ok(Begun::task(cell, Goal::Direct));
        }
        let mut index = RowIndex::default();
        if reader.codec.jpeg().is_some() {
            let bytes = size.area() * reader.format().bytes_per_pixel() as u64;
            let visit = reader.cache.visit(key, bytes);
            let is_small = place.crop.size.area() * SMALL_PART.1 < size.area() * SMALL_PART.0;
            if !reader.cache.has_room(bytes) || (is_small && visit.count < WHOLE_AT_VISIT) {
                return Ok(Begun::task(cell, Goal::Window(visit.index)));
            }
            index = visit.index;
        }
        Ok(match reader.cache.claim(key) {
            Claim::Kept(image) => {
                self.copy(&image, place, &mut cell.out);
                Begun::Done
            }
            Claim::Flying(flight) => Begun::Waits(cell, flight),
            Claim::Mine(landing) => Begun::task(
                cell,
                Goal::Keep {
                    landing,
                    index,
                    image: None,
                },
            ),
        })
    }

    /// Waits for another thread to decode a chunk; decodes it if that one failed.
    fn wait(&self, mut cell: Cell<'_>, flight: &Flight) -> Result<()> {
        match flight.wait() {
            Some(image) => {
                self.copy(&image, cell.place, &mut cell.out);
                Ok(())
            }
            None => self.read_batch(vec![cell]),
        }
    }

    /// Decodes what has to be decoded.
    fn decode(&self, mut tasks: Vec<Task<'_>>) -> Result<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { slots, codec } = scratch;
            if slots.len() < tasks.len() {
                slots.resize_with(tasks.len(), Slot::default);
            }
            match self.reader.codec.jpeg() {
                Some(jpeg) => self.decode_together(jpeg, &mut tasks, slots, codec)?,
                None => {
                    for (task, slot) in tasks.iter_mut().zip(&mut *slots) {
                        self.decode_alone(task, slot, codec)
                            .map_err(|error| at(task.place, error))?;
                    }
                }
            }
            for (task, slot) in tasks.into_iter().zip(slots) {
                self.finish(task, &slot.native);
            }
            Ok(())
        })
    }

    /// Decodes by a codec that takes one chunk at a time.
    fn decode_alone(
        &self,
        task: &mut Task<'_>,
        slot: &mut Slot,
        codec: &mut codec::Scratch,
    ) -> Result<()> {
        let place = self.decoded(task);
        let (mut out, _) = self.target(task, &mut slot.native)?;
        self.reader.decode(place, &mut out, &mut slot.stored, codec)
    }

    /// Decodes JPEG chunks.
    fn decode_together(
        &self,
        jpeg: &Jpeg,
        tasks: &mut [Task<'_>],
        slots: &mut [Slot],
        codec: &mut codec::Scratch,
    ) -> Result<()> {
        let places: Vec<_> = tasks.iter().map(|task| self.decoded(task)).collect();
        let mut parts = Vec::with_capacity(tasks.len());
        for ((task, slot), &place) in tasks.iter_mut().zip(slots).zip(&places) {
            let Place { column, row, crop } = place;
            let Slot { stored, native } = slot;
            let there = self.reader.read_stored(column, row, 0, stored);
            if !there.map_err(|error| at(place, error))? {
                stored.clear();
            }
            let to_its_end = !matches!(task.goal, Goal::Window(_));
            let (out, index) = self.target(task, native)?;
            parts.push(Part {
                stored,
                chunk: self.reader.page.stored_size(column, row),
                crop,
                out,
                to_its_end,
                index,
            });
        }
        let mut failed: Option<(usize, Error)> = None;
        jpeg.decode(parts, codec.jpeg(), |number, result| {
            if let Err(error) = result
                && failed.as_ref().is_none_or(|&(first, _)| number < first)
            {
                failed = Some((number, error));
            }
        });
        match failed {
            Some((number, error)) => Err(at(places[number], error)),
            None => Ok(()),
        }
    }

    /// Where a chunk is decoded to, and what is known of its rows.
    fn target<'t>(
        &self,
        task: &'t mut Task<'_>,
        native: &'t mut Vec<u8>,
    ) -> Result<(PixelsMut<'t>, Option<&'t mut RowIndex>)> {
        let (format, size) = (self.reader.format(), task.place.crop.size);
        let index = match &mut task.goal {
            Goal::Keep { index, image, .. } => {
                let image = image.insert(Image::zeroed(self.chunk(task.place).size, format)?);
                return Ok((image.pixels_mut(), Some(index)));
            }
            Goal::Window(index) => Some(index),
            Goal::Direct => None,
        };
        let out = match (self.conversion, task.out.take()) {
            (None, Some(out)) => out,
            (_, out) => {
                task.out = out;
                let row_bytes = size.width as usize * format.bytes_per_pixel();
                native.resize(row_bytes * size.height as usize, 0);
                PixelsMut::packed(native, size, format)?
            }
        };
        Ok((out, index))
    }

    /// Brings decoded pixels to where they are wanted, if they are not there.
    fn finish(&self, task: Task<'_>, native: &[u8]) {
        let key = self.key(task.place);
        match (task.goal, task.out) {
            (
                Goal::Keep {
                    landing,
                    index,
                    image: Some(image),
                },
                Some(mut out),
            ) => {
                let image = Arc::new(image);
                landing.land(Arc::clone(&image));
                self.reader.cache.give_index(key, index);
                self.copy(&image, task.place, &mut out);
            }
            (goal, out) => {
                if let Goal::Window(index) = goal {
                    self.reader.cache.give_index(key, index);
                }
                if let (Some(mut out), Some(conversion)) = (out, self.conversion) {
                    let bytes = task.place.crop.size.width as usize
                        * self.reader.format().bytes_per_pixel();
                    for (y, row) in (0..out.size().height).zip(native.chunks_exact(bytes)) {
                        conversion.convert_row(row, out.row_mut(y));
                    }
                }
            }
        }
    }

    /// Copies the wanted part of a decoded chunk.
    fn copy(&self, image: &Image, place: Place, out: &mut PixelsMut<'_>) {
        let pixel = image.format().bytes_per_pixel();
        let start = usize::try_from(place.crop.origin.x).unwrap_or(0) * pixel;
        let length = place.crop.size.width as usize * pixel;
        let top = u32::try_from(place.crop.origin.y).unwrap_or(0);
        for y in 0..place.crop.size.height {
            let row = &image.row(top + y)[start..start + length];
            match self.conversion {
                None => out.row_mut(y).copy_from_slice(row),
                Some(conversion) => conversion.convert_row(row, out.row_mut(y)),
            }
        }
    }

    fn key(&self, place: Place) -> TileKey {
        TileKey {
            page: self.reader.id,
            column: place.column,
            row: place.row,
        }
    }

    /// The pixels of the page that a chunk holds.
    fn chunk(&self, place: Place) -> Rect {
        self.reader.page.chunk_rect(place.column, place.row)
    }

    /// What is decoded for a task.
    fn decoded(&self, task: &Task<'_>) -> Place {
        match task.goal {
            Goal::Keep { .. } => Place {
                crop: Rect::new((0, 0), self.chunk(task.place).size),
                ..task.place
            },
            Goal::Direct | Goal::Window(_) => task.place,
        }
    }
}

fn at(place: Place, error: Error) -> Error {
    error.at_tile(place.column.into(), place.row.into())
}
