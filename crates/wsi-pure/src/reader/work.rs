//! Cells to pixels: what is decoded, how much of it, and what is kept. Cells of several rectangles in
//! one chunk are decoded at once, if they lie near each other.
//!
//! | of a chunk is wanted | what happens |
//! |---|---|
//! | what is not stored but drawn from a finer level | it is copied ([`super::borrow`]) |
//! | what is in the cache | it is copied |
//! | all of it | it is decoded into the caller's rows, and not kept |
//! | part of it, JPEG | a window is decoded into the caller's rows, and where its rows start is kept; on later visits ([`WHOLE_AT_VISIT`]) the chunk is decoded whole and kept, or a window again if that fails |
//! | part of it, uncompressed | it is copied from the file |
//! | part of it, other codecs | the chunk is decoded whole and kept |
//!
//! Chunks of JPEG are decoded in batches, because two at once cost less than one after the other.

use std::cell::RefCell;
use std::sync::Arc;

use rayon::prelude::*;
use wsi_core::pixels::FromPremultiplied;
use wsi_core::{Error, Fill, Image, PixelsMut, Rect, Result};

use super::PageReader;
use super::cells::{Cell, Place};
use crate::cache::{Claim, Flight, Landing, TileKey};
use crate::codec::{self, Jpeg, Part, RowIndex, TakeRows, Target};
use crate::color::Conversion;
use crate::tiff::compression;

/// Reads of this many chunks or more run in rayon's current pool; handing out fewer costs more
/// than it gains, since callers who read small patches bring their own threads.
const PARALLEL_FROM: usize = 5;

/// The same where several rectangles are read together: whoever has many of them has cut them up for
/// threads already, and chunks decode faster in larger batches.
const PARALLEL_FROM_SEVERAL: usize = 64;

/// JPEG chunks that a thread takes at once, at most: two are decoded at a time, and more in one batch
/// leave a thread less often with a single one.
const BATCH: usize = 8;

/// The visit at which a chunk is decoded whole: what that costs, in fresh memory for the chunk too,
/// pays off for chunks that are met many times, and few of those met twice are. Figures in DESIGN.md.
const WHOLE_AT_VISIT: u32 = 3;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Memory that a thread keeps from chunk to chunk.
#[derive(Default)]
struct Scratch {
    /// Each chunk of a batch, as stored.
    stored: Vec<Vec<u8>>,
    /// What of a chunk is decoded and not yet where it is wanted.
    native: Vec<u8>,
    codec: codec::Scratch,
}

/// Lends this thread's memory for a stored chunk, and for its codec.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>, &mut codec::Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { stored, codec, .. } = scratch;
        if stored.is_empty() {
            stored.push(Vec::new());
        }
        work(&mut stored[0], codec)
    })
}

/// What all cells of a read share.
pub(super) struct Job<'a> {
    pub(super) reader: &'a PageReader,
    pub(super) conversion: Option<&'a Conversion>,
    pub(super) fill: Fill,
    /// Whether the caller wants colour multiplied with alpha, as `conversion` makes it.
    pub(super) premultiplied: bool,
}

/// A chunk that something has to be decoded of.
struct Task<'c> {
    /// All that its cells want.
    place: Place,
    /// Who wants it; none when the chunk is decoded straight into the only one.
    cells: Vec<Cell<'c>>,
    goal: Goal<'c>,
}

/// Cells of one chunk that are near each other.
struct Wanted<'c> {
    /// The rectangle around all of them.
    place: Place,
    cells: Vec<Cell<'c>>,
}

/// Cells that take what they want of each row of a part of their chunk.
struct CellRows<'t, 'c> {
    job: &'t Job<'t>,
    /// Bytes of a pixel of the chunk.
    pixel: usize,
    /// The part, in pixels of the chunk.
    crop: Rect,
    cells: Vec<Cell<'c>>,
}

impl TakeRows for CellRows<'_, '_> {
    fn take(&mut self, y: u32, row: &[u8]) {
        let pixel = self.pixel;
        let y = self.crop.origin.y + i64::from(y);
        for cell in &mut self.cells {
            let Rect { origin, size } = cell.place.crop;
            let line = u32::try_from(y - origin.y).unwrap_or(u32::MAX);
            if line < size.height {
                let start = usize::try_from(origin.x - self.crop.origin.x).unwrap_or(0) * pixel;
                let row = &row[start..start + size.width as usize * pixel];
                self.job.put(row, cell.out.row_mut(line));
            }
        }
    }
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

/// What has become of the cells of a chunk.
enum Begun<'c> {
    Done,
    Task(Task<'c>),
    /// Another thread is decoding the chunk.
    Waits(Vec<Cell<'c>>, Arc<Flight>),
}

impl Job<'_> {
    /// Reads cells of one page; those of one chunk stand side by side. `several` says that they are
    /// of more than one rectangle.
    ///
    /// # Errors
    /// That of one of the cells, with its place.
    pub(super) fn read(&self, cells: Vec<Cell<'_>>, several: bool) -> Result<()> {
        let wanted = self.group(cells);
        let from = if several {
            PARALLEL_FROM_SEVERAL
        } else {
            PARALLEL_FROM
        };
        let parallel = wanted.len() >= from;
        let threads = if parallel {
            rayon::current_num_threads()
        } else {
            1
        };
        let size = match self.reader.codec.jpeg() {
            // A few batches for every thread, so that they end at about the same time.
            Some(_) if threads > 1 => wanted.len().div_ceil(threads * 3).clamp(2, BATCH),
            Some(_) => BATCH,
            None => 1,
        };
        let mut wanted = wanted.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<_> = wanted.by_ref().take(size).collect();
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

    /// Puts cells together that one decoding serves.
    fn group<'c>(&self, cells: Vec<Cell<'c>>) -> Vec<Wanted<'c>> {
        let mut groups: Vec<Wanted<'c>> = Vec::with_capacity(cells.len());
        for cell in cells {
            match groups.last_mut() {
                Some(last) if self.go_together(last, &cell) => {
                    last.place.crop = last.place.crop.around(cell.place.crop);
                    last.cells.push(cell);
                }
                _ => groups.push(Wanted {
                    place: cell.place,
                    cells: vec![cell],
                }),
            }
        }
        groups
    }

    fn read_batch(&self, wanted: Vec<Wanted<'_>>) -> Result<()> {
        let mut tasks = Vec::with_capacity(wanted.len());
        let mut waiting = Vec::new();
        for Wanted { place, cells } in wanted {
            match self.begin(place, cells) {
                Ok(Begun::Done) => {}
                Ok(Begun::Task(task)) => tasks.push(task),
                Ok(Begun::Waits(cells, flight)) => waiting.push((place, cells, flight)),
                Err(error) => return Err(at(place, error)),
            }
        }
        if !tasks.is_empty() {
            self.decode(tasks)?;
        }
        // Only now, as nobody waits for this thread any more.
        for (place, cells, flight) in waiting {
            self.wait(place, cells, &flight)?;
        }
        Ok(())
    }

    /// Whether a cell is of the same chunk, and near enough to be decoded at once with the others.
    fn go_together(&self, with: &Wanted<'_>, next: &Cell<'_>) -> bool {
        if with.place.chunk() != next.place.chunk() || self.is_free() {
            return false;
        }
        // To pass the entropy decoder twice takes longer than to decode what lies between.
        if self.reader.codec.jpeg().is_some() {
            return true;
        }
        let areas = with.cells.iter().map(|cell| cell.place.crop.size.area());
        let wanted = areas.sum::<u64>() + next.place.crop.size.area();
        with.place.crop.around(next.place.crop).size.area() <= wanted.saturating_mul(2)
    }

    /// Whether chunks cost nothing to decode.
    fn is_free(&self) -> bool {
        self.reader.page.storage().compression == compression::NONE
    }

    /// Finds out what has to be done for the cells of a chunk, and does it if nothing has to be
    /// decoded.
    fn begin<'c>(&'c self, place: Place, mut cells: Vec<Cell<'c>>) -> Result<Begun<'c>> {
        let reader = self.reader;
        if let Some(tile) = reader.borrowed(place.column, place.row)? {
            self.copy_borrowed(&tile, cells)?;
            return Ok(Begun::Done);
        }
        let key = self.key(place);
        if let Some(image) = reader.cache.get(key) {
            self.copy_all(&image, cells);
            return Ok(Begun::Done);
        }
        if reader.is_missing(place.column, place.row)? {
            for cell in &mut cells {
                cell.out.fill(self.fill);
            }
            return Ok(Begun::Done);
        }
        let task = |cells, goal| Ok(Begun::Task(Task { place, cells, goal }));
        let size = self.chunk(place).size;
        // Chunks that cost nothing to decode would only push others out of the cache.
        if self.is_free() || place.crop.size == size {
            return task(cells, Goal::Direct);
        }
        let mut index = RowIndex::default();
        if reader.codec.jpeg().is_some() {
            let bytes = size.area() * reader.format().bytes_per_pixel() as u64;
            let visit = reader.cache.visit(key, place.crop, bytes);
            if !reader.cache.has_room(bytes) || visit.count < WHOLE_AT_VISIT {
                return task(cells, Goal::Window(visit.index));
            }
            index = visit.index;
        }
        match reader.cache.claim(key) {
            Claim::Kept(image) => {
                self.copy_all(&image, cells);
                Ok(Begun::Done)
            }
            Claim::Flying(flight) => Ok(Begun::Waits(cells, flight)),
            Claim::Mine(landing) => task(
                cells,
                Goal::Keep {
                    landing,
                    index,
                    image: None,
                },
            ),
        }
    }

    /// Waits for another thread to decode a chunk; decodes it if that one failed.
    fn wait(&self, place: Place, cells: Vec<Cell<'_>>, flight: &Flight) -> Result<()> {
        match flight.wait() {
            Some(image) => {
                self.copy_all(&image, cells);
                Ok(())
            }
            None => match self.begin(place, cells).map_err(|error| at(place, error))? {
                Begun::Done => Ok(()),
                Begun::Task(task) => self.decode(vec![task]),
                Begun::Waits(cells, flight) => self.wait(place, cells, &flight),
            },
        }
    }

    /// Decodes what has to be decoded.
    fn decode(&self, mut tasks: Vec<Task<'_>>) -> Result<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch {
                stored,
                native,
                codec,
            } = scratch;
            if stored.len() < tasks.len() {
                stored.resize_with(tasks.len(), Vec::new);
            }
            if let Some(jpeg) = self.reader.codec.jpeg() {
                self.decode_together(jpeg, &mut tasks, stored, codec)?;
                for task in tasks {
                    self.finish(task, &[]);
                }
                return Ok(());
            }
            for mut task in tasks {
                self.decode_alone(&mut task, &mut stored[0], native, codec)
                    .map_err(|error| at(task.place, error))?;
                self.finish(task, native);
            }
            Ok(())
        })
    }

    /// Decodes by a codec that takes one chunk at a time.
    fn decode_alone(
        &self,
        task: &mut Task<'_>,
        stored: &mut Vec<u8>,
        native: &mut Vec<u8>,
        codec: &mut codec::Scratch,
    ) -> Result<()> {
        let place = self.decoded(task);
        let (format, size) = (self.reader.format(), place.crop.size);
        let mut out = match &mut task.goal {
            Goal::Keep { image, .. } => image.insert(Image::zeroed(size, format)?).pixels_mut(),
            _ => match self.only(&mut task.cells) {
                Some(cell) => cell.out,
                None => {
                    let row_bytes = size.width as usize * format.bytes_per_pixel();
                    wsi_pages::make_room(native, row_bytes * size.height as usize);
                    PixelsMut::packed(native, size, format)?
                }
            },
        };
        self.reader.decode(place, &mut out, stored, codec)
    }

    /// Decodes JPEG chunks.
    fn decode_together(
        &self,
        jpeg: &Jpeg,
        tasks: &mut [Task<'_>],
        stored: &mut [Vec<u8>],
        codec: &mut codec::Scratch,
    ) -> Result<()> {
        let places: Vec<_> = tasks.iter().map(|task| self.decoded(task)).collect();
        let mut parts = Vec::with_capacity(tasks.len());
        for ((task, stored), &place) in tasks.iter_mut().zip(&mut *stored).zip(&places) {
            let Place { column, row, crop } = place;
            let there = self.reader.read_stored(column, row, 0, stored);
            if !there.map_err(|error| at(place, error))? {
                stored.clear();
            }
            let to_its_end = !matches!(task.goal, Goal::Window(_));
            let (out, index) = self.target(task)?;
            parts.push(Part {
                stored,
                chunk: self.reader.page.stored_size(column, row),
                crop,
                out,
                to_its_end,
                index,
            });
        }
        let mut failed: Vec<(usize, Error)> = Vec::new();
        jpeg.decode(parts, codec.jpeg(), |number, result| {
            failed.extend(result.err().map(|error| (number, error)));
        });
        failed.sort_by_key(|&(number, _)| number);
        for (number, error) in failed {
            let task = &mut tasks[number];
            if !matches!(task.goal, Goal::Keep { .. }) {
                return Err(at(places[number], error));
            }
            // What was wanted on the first visit and came out well does so again.
            task.goal = Goal::Window(RowIndex::default());
            let one = number..number + 1;
            self.decode_together(jpeg, &mut tasks[one.clone()], &mut stored[one], codec)?;
        }
        Ok(())
    }

    /// The cell of a task, if what is decoded is all that it wants, as it wants it.
    fn only<'c>(&self, cells: &mut Vec<Cell<'c>>) -> Option<Cell<'c>> {
        match (self.conversion, cells.len()) {
            (None, 1) => cells.pop(),
            _ => None,
        }
    }

    /// Where a JPEG chunk is decoded to, and what is known of its rows.
    fn target<'t>(
        &'t self,
        task: &'t mut Task<'_>,
    ) -> Result<(Target<'t>, Option<&'t mut RowIndex>)> {
        let crop = task.place.crop;
        let index = match &mut task.goal {
            Goal::Keep { index, image, .. } => {
                let size = self.chunk(task.place).size;
                let image = image.insert(Image::zeroed(size, self.reader.format())?);
                return Ok((Target::Pixels(image.pixels_mut()), Some(index)));
            }
            Goal::Window(index) => Some(index),
            Goal::Direct => None,
        };
        let out = match self.only(&mut task.cells) {
            Some(cell) => Target::Pixels(cell.out),
            None => Target::Rows(Box::new(CellRows {
                job: self,
                pixel: self.reader.format().bytes_per_pixel(),
                crop,
                cells: std::mem::take(&mut task.cells),
            })),
        };
        Ok((out, index))
    }

    /// Brings decoded pixels to where they are wanted, if they are not there.
    fn finish(&self, task: Task<'_>, native: &[u8]) {
        let key = self.key(task.place);
        match task.goal {
            Goal::Keep {
                landing,
                index,
                image: Some(image),
            } => {
                let image = Arc::new(image);
                landing.land(Arc::clone(&image));
                self.reader.cache.give_index(key, index);
                self.copy_all(&image, task.cells);
                return;
            }
            Goal::Window(index) => self.reader.cache.give_index(key, index),
            Goal::Keep { .. } | Goal::Direct => {}
        }
        let pixel = self.reader.format().bytes_per_pixel();
        for cell in task.cells {
            self.copy(native, task.place.crop, pixel, cell);
        }
    }

    /// Copies the wanted parts of a decoded chunk.
    fn copy_all(&self, image: &Image, cells: Vec<Cell<'_>>) {
        let whole = Rect::new((0, 0), image.size());
        for cell in cells {
            self.copy(
                image.as_bytes(),
                whole,
                image.format().bytes_per_pixel(),
                cell,
            );
        }
    }

    /// Copies the wanted parts of a tile that was drawn: RGBA, multiplied with alpha.
    fn copy_borrowed(&self, tile: &Image, cells: Vec<Cell<'_>>) -> Result<()> {
        for mut cell in cells {
            let Rect { origin, size } = cell.place.crop;
            let start = usize::try_from(origin.x).unwrap_or(0);
            let rows = tile.as_bytes().as_chunks::<4>().0;
            let rows = rows.chunks_exact(tile.size().width as usize);
            let rows = rows.skip(usize::try_from(origin.y).unwrap_or(0));
            let writer = match self.premultiplied {
                true => None,
                false => Some(FromPremultiplied::new(cell.out.format(), self.fill)?),
            };
            for (y, row) in (0..size.height).zip(rows) {
                let row = &row[start..start + size.width as usize];
                let out = cell.out.row_mut(y);
                match writer {
                    None => out.copy_from_slice(row.as_flattened()),
                    Some(writer) => writer.write(row.iter().copied(), out),
                }
            }
        }
        Ok(())
    }

    /// Copies what a cell wants from the pixels of `decoded`, a part of its chunk.
    fn copy(&self, pixels: &[u8], decoded: Rect, pixel: usize, mut cell: Cell<'_>) {
        let wanted = cell.place.crop;
        let offset = |from: i64, to: i64| usize::try_from(to - from).unwrap_or(0);
        let start = offset(decoded.origin.x, wanted.origin.x) * pixel;
        let length = wanted.size.width as usize * pixel;
        let stride = decoded.size.width as usize * pixel;
        let rows = pixels
            .chunks_exact(stride)
            .skip(offset(decoded.origin.y, wanted.origin.y));
        for (y, row) in (0..wanted.size.height).zip(rows) {
            self.put(&row[start..start + length], cell.out.row_mut(y));
        }
    }

    /// Writes a row of the page's pixels as the caller wants them.
    fn put(&self, row: &[u8], out: &mut [u8]) {
        match self.conversion {
            None => out.copy_from_slice(row),
            Some(conversion) => conversion.convert_row(row, out),
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
