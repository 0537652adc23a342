//! The way of the tiles: read, decode, assemble, encode, sink.
//!
//! ```text
//! caller's thread   labels of row r+1 asked for | row r counted and selected | its tiles queued
//! pool's threads    label cells, image cells (stored tiles, each once, in file order)
//!                   a tile whose last cell has come is assembled and handed to the sink
//! ```
//!
//! Nothing waits for a whole row: a tile is worked on as soon as its own cells are there. How many
//! tiles are on their way is bounded, so memory holds the cells that a row of kept tiles touches
//! (a cell goes when the last tile that needs it has gone) and what is in flight.

mod cells;
mod clock;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{Scope, ThreadPool};
use wsi_core::{Error, Fill, PixelFormat, PixelsMut, Point, Rect, Region, Result, Size, Slide};

use crate::grid::Grid;
use crate::job::{Progress, ProgressFn};
use crate::mask::Mask;
use crate::occupancy::{LabelScratch, Mapping, TileLabels};
use crate::roi::RegionOfInterest;
use crate::select::{FailedTile, TileRecord, occupancy};
use crate::sink::{Tile, TileSink};

pub(crate) use cells::{Cell, CellPixels};
use cells::{CellGrid, CellIndex, Settle, Shelf, Slot};
pub(crate) use clock::Clock;

/// Bytes of a pixel of an image tile: 8-bit RGB.
const PIXEL: usize = 3;

/// What a run works on.
pub(crate) struct Pipeline<'a> {
    pub(crate) slide: &'a Slide,
    pub(crate) mask: &'a Mask,
    pub(crate) roi: &'a RegionOfInterest,
    pub(crate) grid: &'a Grid,
    pub(crate) min_occupancy: f64,
    pub(crate) sink: &'a dyn TileSink,
    pub(crate) pool: &'a ThreadPool,
    pub(crate) clock: &'a Clock,
    pub(crate) progress: Option<&'a ProgressFn<'a>>,
}

/// What a run did.
pub(crate) struct Outcome {
    /// Tiles that are in the sink, in order.
    pub(crate) tiles: Vec<TileRecord>,
    /// Tiles that could not be read, in order.
    pub(crate) failed: Vec<FailedTile>,
    /// How many of `tiles` the sink had before.
    pub(crate) resumed: u64,
}

impl Pipeline<'_> {
    /// Runs to the end, or to the first error of the sink.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let run = Run::new(self)?;
        let rows = self.pool.in_place_scope(|scope| {
            let mut selector = Selector::new(&run);
            for row in 0..self.grid.rows() {
                if run.stopped.load(Ordering::Relaxed) {
                    break;
                }
                selector.select(scope, row);
                run.report_progress();
            }
            selector.rows
        });
        if let Some(error) = run
            .fatal
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(error);
        }
        let mut failed = run
            .failed
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let tiles = rows
            .into_iter()
            .filter(|tile| !failed.contains_key(&tile.index))
            .collect();
        let failed = std::mem::take(&mut failed).into_values().collect();
        let resumed = run.resumed.into_inner();
        Ok(Outcome {
            tiles,
            failed,
            resumed,
        })
    }
}

/// The bounding box of the foreground of a mask level, in its pixels.
pub(crate) fn foreground_box(mask: &Mask, level: usize, clock: &Clock) -> Result<Option<Rect>> {
    let on = mask.slide().pyramid().level(level)?;
    let grid = CellGrid::new(on, Rect::new((0, 0), on.size));
    let cells: Vec<CellIndex> = grid.all().collect();
    let shelves = LabelShelves::default();
    cells
        .into_par_iter()
        .map(|index| {
            clock.mask.time(|| {
                let cell = read_labels(mask, level, grid.rect(index), &shelves)?;
                Ok(foreground_in(&cell, mask))
            })
        })
        .try_reduce(|| None, |a, b| Ok(union(a, b)))
}

/// The bounding box of a cell's foreground, in level pixels.
fn foreground_in(cell: &Cell, mask: &Mask) -> Option<Rect> {
    let labels = mask.label_type();
    let foreground = mask.foreground();
    if let CellPixels::Uniform(value) = &cell.pixels {
        let found = foreground.count(&value[..labels.bytes()], labels) > 0;
        return found.then_some(cell.rect);
    }
    let rows = cell.rows_in(cell.rect, labels.bytes());
    let mut found = None;
    for (y, row) in (cell.rect.origin.y..).zip(rows) {
        if let Some((first, last)) = foreground.span(row, labels) {
            let x = cell.rect.origin.x + i64::try_from(first).unwrap_or(0);
            let width = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
            found = union(found, Some(Rect::new((x, y), (width, 1))));
        }
    }
    found
}

fn union(a: Option<Rect>, b: Option<Rect>) -> Option<Rect> {
    let (Some(a), Some(b)) = (a, b) else {
        return a.or(b);
    };
    let (x, y) = (a.origin.x.min(b.origin.x), a.origin.y.min(b.origin.y));
    let side = |from: i64, to: i64| u32::try_from(to - from).unwrap_or(u32::MAX);
    let size = (
        side(x, a.right().max(b.right())),
        side(y, a.bottom().max(b.bottom())),
    );
    Some(Rect::new((x, y), size))
}

/// State that the threads of a run share.
struct Run<'a> {
    job: &'a Pipeline<'a>,
    /// The part of the region that lies on the level, in level pixels.
    visible: Rect,
    mapping: Mapping,
    mask_level: usize,
    mask_cells: CellGrid,
    image_cells: CellGrid,
    image_shelf: Arc<Shelf>,
    label_shelves: LabelShelves,
    scratch: Mutex<Vec<Scratch>>,
    permits: Permits,
    stopped: AtomicBool,
    fatal: Mutex<Option<Error>>,
    failed: Mutex<BTreeMap<usize, FailedTile>>,
    examined: AtomicU64,
    kept: AtomicU64,
    done: AtomicU64,
    resumed: AtomicU64,
}

/// A kept tile that is to be made.
struct Kept {
    record: TileRecord,
    /// The tile in level pixels.
    rect: Rect,
    labels: TileLabels,
}

/// A tile on its way.
struct Work<'a> {
    record: TileRecord,
    /// The tile in level pixels.
    rect: Rect,
    labels: TileLabels,
    images: Vec<Arc<ImageSlot<'a>>>,
    /// Cells that have not come yet, and one for the selector until it has asked for them all.
    missing: AtomicUsize,
    _permit: Permit<'a>,
}

type ImageSlot<'a> = Slot<Work<'a>>;
type LabelSlot = Slot<()>;

/// Memory of one tile: its pixels, its labels.
#[derive(Default)]
struct Scratch {
    image: Vec<u8>,
    labels: Vec<u8>,
    resampling: LabelScratch,
}

impl<'a> Run<'a> {
    fn new(job: &'a Pipeline<'a>) -> Result<Self> {
        let level = job.slide.pyramid().level(job.roi.level)?;
        let mask_level = job.mask.level_for(job.slide.pyramid(), level);
        let on_mask = job.mask.slide().pyramid().level(mask_level)?;
        let visible = job
            .roi
            .on_level
            .intersection(Rect::new((0, 0), level.size))
            .unwrap_or_default();
        let mapping = Mapping::new(level.size, on_mask.size);
        let in_flight = job.pool.current_num_threads() * 4;
        Ok(Self {
            job,
            visible,
            mapping,
            mask_level,
            mask_cells: CellGrid::new(on_mask, mapping.on_mask(visible)),
            image_cells: CellGrid::new(level, visible),
            image_shelf: Arc::default(),
            label_shelves: LabelShelves::default(),
            scratch: Mutex::default(),
            permits: Permits::new(in_flight),
            stopped: AtomicBool::new(false),
            fatal: Mutex::new(None),
            failed: Mutex::default(),
            examined: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            done: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        })
    }

    /// A tile of the grid in level pixels, and what of it lies on the region and the level.
    fn tile_rects(&self, column: u32, row: u32) -> (Rect, Rect) {
        let in_region = self.job.grid.tile(column, row);
        let origin = self.job.roi.on_level.origin;
        let rect = Rect {
            origin: Point::new(origin.x + in_region.origin.x, origin.y + in_region.origin.y),
            size: in_region.size,
        };
        (rect, rect.intersection(self.visible).unwrap_or_default())
    }

    fn load_image<'s>(&'s self, scope: &Scope<'s>, index: CellIndex, slot: &ImageSlot<'s>) {
        let guard = Settle(slot);
        let rect = self.image_cells.rect(index);
        let cell = match self.stopped.load(Ordering::Relaxed) {
            true => None,
            false => self.job.clock.read.time(|| self.read_image(rect)).ok(),
        };
        for work in guard.0.settle(cell) {
            self.arrived(scope, work);
        }
    }

    /// One of the cells that `work` waits for has come; after the last, the tile is made.
    fn arrived<'s>(&'s self, scope: &Scope<'s>, work: Arc<Work<'s>>) {
        if work.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            scope.spawn(move |_| self.make(&work));
        }
    }

    fn read_image(&self, rect: Rect) -> Result<Cell> {
        let bytes = pixels_of(rect.size) * PIXEL;
        let mut buffer = self.image_shelf.take(bytes);
        let region = Region::at_level(self.job.roi.level, rect.origin, rect.size);
        let out = PixelsMut::packed(buffer.as_mut_slice(), rect.size, PixelFormat::RGB8)?;
        self.job.slide.read_region_into(&region, out)?;
        Ok(Cell {
            rect,
            pixels: CellPixels::Rows(buffer),
        })
    }

    /// Assembles a tile and hands it to the sink.
    fn make(&self, work: &Work<'_>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let job = self.job;
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let assembled = job.clock.read.time(|| self.assemble(work, &mut scratch));
        match assembled {
            Ok(()) => {
                let tile = Tile {
                    record: &work.record,
                    size: job.grid.tile_size(),
                    image: &scratch.image,
                    labels: &scratch.labels,
                    label_type: job.mask.label_type(),
                };
                if let Err(error) = job.clock.save.time(|| job.sink.write(&tile)) {
                    self.stop(error);
                }
            }
            Err(error) => self.fail(&work.record, error),
        }
        lock(&self.scratch).push(scratch);
        self.done.fetch_add(1, Ordering::Relaxed);
        self.report_progress();
    }

    fn assemble(&self, work: &Work<'_>, scratch: &mut Scratch) -> Result<()> {
        let area = pixels_of(work.rect.size);
        let part = work.labels.part;
        let padded = part != work.rect;
        prepare(
            &mut scratch.image,
            area * PIXEL,
            padded.then_some(IMAGE_PAD),
        );
        let cells: Option<Vec<Arc<Cell>>> = work.images.iter().map(|slot| slot.wait()).collect();
        match cells {
            Some(cells) => {
                for cell in cells {
                    cell.copy_to(&mut scratch.image, work.rect, PIXEL);
                }
            }
            // A cell failed. It may reach further than the tile, so that the tile's own pixels
            // can be read nevertheless; if not, this gives the tile's own error.
            None if part.is_empty() => {}
            None => self
                .read_image(part)?
                .copy_to(&mut scratch.image, work.rect, PIXEL),
        }
        let bytes = area * self.job.mask.label_type().bytes();
        prepare(&mut scratch.labels, bytes, padded.then_some(0));
        work.labels
            .cut(&mut scratch.labels, work.rect, &mut scratch.resampling);
        Ok(())
    }

    fn fail(&self, record: &TileRecord, error: Error) {
        let failed = FailedTile {
            column: record.column,
            row: record.row,
            origin: record.origin,
            error,
        };
        lock(&self.failed).insert(record.index, failed);
    }

    fn stop(&self, error: Error) {
        lock(&self.fatal).get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn report_progress(&self) {
        if let Some(progress) = self.job.progress {
            progress(Progress {
                tiles_total: self.job.grid.tiles(),
                tiles_examined: self.examined.load(Ordering::Relaxed),
                tiles_kept: self.kept.load(Ordering::Relaxed),
                tiles_done: self.done.load(Ordering::Relaxed),
            });
        }
    }
}

/// Counts and selects the tiles of a row after another, and queues their reading.
struct Selector<'s> {
    run: &'s Run<'s>,
    labels: BTreeMap<CellIndex, Arc<LabelSlot>>,
    images: BTreeMap<CellIndex, Arc<ImageSlot<'s>>>,
    scratch: LabelScratch,
    rows: Vec<TileRecord>,
}

impl<'s> Selector<'s> {
    fn new(run: &'s Run<'s>) -> Self {
        Self {
            run,
            labels: BTreeMap::new(),
            images: BTreeMap::new(),
            scratch: LabelScratch::default(),
            rows: Vec::new(),
        }
    }

    fn select(&mut self, scope: &Scope<'s>, row: u32) {
        let grid = self.run.job.grid;
        if row == 0 {
            self.ask_for_labels(scope, row);
        }
        // One row ahead, so that the pool has work while this row is counted.
        if row + 1 < grid.rows() {
            self.ask_for_labels(scope, row + 1);
        }
        let mut kept = Vec::new();
        for column in 0..grid.columns() {
            kept.extend(self.consider(column, row));
            self.run.examined.fetch_add(1, Ordering::Relaxed);
        }
        self.ask_for_images(scope, &kept);
        for tile in kept {
            self.queue(scope, tile);
        }
        self.forget_before(row + 1);
    }

    /// Queues the label cells of a row that were not asked for before.
    fn ask_for_labels(&mut self, scope: &Scope<'s>, row: u32) {
        let run = self.run;
        let (rect, _) = run.tile_rects(0, row);
        let band = Rect::new(
            (run.visible.origin.x, rect.origin.y),
            (run.visible.size.width, rect.size.height),
        );
        let Some(band) = band.intersection(run.visible) else {
            return;
        };
        for index in run.mask_cells.touching(run.mapping.on_mask(band)) {
            self.labels.entry(index).or_insert_with(|| {
                let slot = Arc::new(Slot::new());
                let settled = Arc::clone(&slot);
                scope.spawn(move |_| {
                    let guard = Settle(&*settled);
                    let cell = match run.stopped.load(Ordering::Relaxed) {
                        true => None,
                        false => run.read_label_cell(run.mask_cells.rect(index)).ok(),
                    };
                    guard.0.settle(cell);
                });
                slot
            });
        }
    }

    /// Counts a tile; gives it back if it is to be made.
    fn consider(&mut self, column: u32, row: u32) -> Option<Kept> {
        let run = self.run;
        let job = run.job;
        let (rect, part) = run.tile_rects(column, row);
        let origin = job.roi.level0_position(job.grid.tile(column, row).origin);
        let mut record = TileRecord {
            index: self.rows.len(),
            column,
            row,
            origin,
            occupancy: 0.0,
        };
        let labels = match self.labels_of(part) {
            Ok(labels) => labels,
            Err(error) => {
                run.fail(&record, error);
                self.rows.push(record);
                return None;
            }
        };
        let scratch = &mut self.scratch;
        let foreground = job
            .clock
            .mask
            .time(|| labels.foreground(job.mask.foreground(), scratch));
        record.occupancy = occupancy(foreground, job.grid.tile_size());
        if record.occupancy <= job.min_occupancy {
            return None;
        }
        self.rows.push(record);
        run.kept.fetch_add(1, Ordering::Relaxed);
        if job.sink.has(&record) {
            run.resumed.fetch_add(1, Ordering::Relaxed);
            run.done.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Kept {
            record,
            rect,
            labels,
        })
    }

    /// The label cells of a tile; if one could not be read, the labels of the tile alone.
    fn labels_of(&self, part: Rect) -> Result<TileLabels> {
        let run = self.run;
        let on_mask = run.mapping.on_mask(part);
        let cells: Option<Vec<Arc<Cell>>> = run
            .mask_cells
            .touching(on_mask)
            .map(|index| self.labels.get(&index)?.wait())
            .collect();
        let cells = match cells {
            Some(cells) => cells,
            None => vec![Arc::new(run.read_label_cell(on_mask)?)],
        };
        Ok(TileLabels {
            part,
            cells,
            mapping: run.mapping,
            labels: run.job.mask.label_type(),
        })
    }

    /// Queues the image cells of a row's tiles that were not asked for before, in file order.
    fn ask_for_images(&mut self, scope: &Scope<'s>, kept: &[Kept]) {
        let run = self.run;
        let touched = |tile: &Kept| run.image_cells.touching(tile.labels.part);
        let cells: BTreeSet<CellIndex> = kept.iter().flat_map(touched).collect();
        for index in cells {
            self.images.entry(index).or_insert_with(|| {
                let slot = Arc::new(Slot::new());
                let settled = Arc::clone(&slot);
                scope.spawn(move |scope| run.load_image(scope, index, &settled));
                slot
            });
        }
    }

    /// Queues a tile, once there is room for it, to be made as soon as its cells are there.
    fn queue(
        &self,
        scope: &Scope<'s>,
        Kept {
            record,
            rect,
            labels,
        }: Kept,
    ) {
        let run = self.run;
        let permit = run.permits.acquire();
        let images: Vec<Arc<ImageSlot<'_>>> = run
            .image_cells
            .touching(labels.part)
            .filter_map(|index| self.images.get(&index).cloned())
            .collect();
        let work = Arc::new(Work {
            record,
            rect,
            labels,
            missing: AtomicUsize::new(1 + images.len()),
            images,
            _permit: permit,
        });
        let there = work
            .images
            .iter()
            .filter(|slot| !slot.wait_for(&work))
            .count();
        work.missing.fetch_sub(there, Ordering::AcqRel);
        run.arrived(scope, work);
    }

    /// Lets go of the cells that no tile of `row` or later touches.
    fn forget_before(&mut self, row: u32) {
        let run = self.run;
        let (rect, _) = run.tile_rects(0, row);
        let y = rect.origin.y.max(run.visible.origin.y);
        let first = run.image_cells.row_of(y);
        self.images = self.images.split_off(&(first, i64::MIN));
        let on_mask = run
            .mapping
            .on_mask(Rect::new((run.visible.origin.x, y), (1, 1)));
        let first = run.mask_cells.row_of(on_mask.origin.y);
        self.labels = self.labels.split_off(&(first, i64::MIN));
    }
}

impl Run<'_> {
    fn read_label_cell(&self, rect: Rect) -> Result<Cell> {
        let job = self.job;
        job.clock
            .mask
            .time(|| read_labels(job.mask, self.mask_level, rect, &self.label_shelves))
    }
}

/// Where label cells get their memory from.
#[derive(Default)]
struct LabelShelves {
    /// Pixels of all channels, before their first was taken out.
    pixels: Arc<Shelf>,
    labels: Arc<Shelf>,
}

/// Reads the labels of a rectangle of a mask level: the first channel of its pixels.
fn read_labels(mask: &Mask, level: usize, rect: Rect, shelves: &LabelShelves) -> Result<Cell> {
    let format = mask.pixel_format();
    let width = mask.label_type().bytes();
    let area = pixels_of(rect.size);
    let region = Region::at_level(level, rect.origin, rect.size).with_fill(Fill::Color([0; 4]));
    let pixel = format.bytes_per_pixel();
    let shelf = if pixel == width {
        &shelves.labels
    } else {
        &shelves.pixels
    };
    let mut pixels = shelf.take(area * pixel);
    let out = PixelsMut::packed(pixels.as_mut_slice(), rect.size, format)?;
    mask.slide().read_region_into(&region, out)?;
    if let Some(value) = uniform(pixels.as_slice(), width, pixel) {
        return Ok(Cell {
            rect,
            pixels: CellPixels::Uniform(value),
        });
    }
    if pixel == width {
        return Ok(Cell {
            rect,
            pixels: CellPixels::Rows(pixels),
        });
    }
    let mut labels = shelves.labels.take(area * width);
    first_channel(pixels.as_slice(), pixel, labels.as_mut_slice(), width);
    Ok(Cell {
        rect,
        pixels: CellPixels::Rows(labels),
    })
}

/// The label of every pixel, if all pixels are the same.
fn uniform(pixels: &[u8], width: usize, pixel: usize) -> Option<[u8; 4]> {
    let first = pixels.get(..width)?;
    let rest = pixels.get(pixel..)?;
    if pixels[..rest.len()] != *rest {
        return None;
    }
    let mut value = [0; 4];
    value[..width].copy_from_slice(first);
    Some(value)
}

fn first_channel(pixels: &[u8], pixel: usize, labels: &mut [u8], width: usize) {
    if (pixel, width) == (3, 1) {
        for (label, pixel) in labels.iter_mut().zip(pixels.chunks_exact(3)) {
            *label = pixel[0];
        }
        return;
    }
    for (label, pixel) in labels
        .chunks_exact_mut(width)
        .zip(pixels.chunks_exact(pixel))
    {
        label.copy_from_slice(&pixel[..width]);
    }
}

/// Number of pixels, as a length in memory.
pub(crate) const fn pixels_of(size: Size) -> usize {
    size.width as usize * size.height as usize
}

/// Makes a buffer `bytes` long, all `fill` if there is one.
fn prepare(buffer: &mut Vec<u8>, bytes: usize, fill: Option<u8>) {
    buffer.resize(bytes, 0);
    if let Some(fill) = fill {
        buffer.fill(fill);
    }
}

/// How many tiles may be on their way at once.
struct Permits {
    free: Mutex<usize>,
    returned: Condvar,
}

/// The right to be on the way; dropping it gives it back.
struct Permit<'a>(&'a Permits);

impl Permits {
    fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count),
            returned: Condvar::new(),
        }
    }

    fn acquire(&self) -> Permit<'_> {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self
                .returned
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.returned.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What image tiles show beyond the region.
const IMAGE_PAD: u8 = 255;
