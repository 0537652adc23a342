//! The way of the tiles: read, decode, assemble, encode, sink.
//!
//! ```text
//! caller's thread   labels ahead asked for | row r counted and selected | its tiles queued
//! pool's threads    label cells, image cells (stored tiles, each once, in file order)
//!                   a tile whose last cell has come is assembled and handed to the sink
//! ```
//!
//! A cell is read when it is known what all tiles want of it, which may be a part. A tile is worked on
//! as soon as its own cells are there. How many such tiles there are is bounded, so memory holds the
//! cells that a few rows of kept tiles touch (a cell goes when the last tile that needs it has gone)
//! and what is in flight.

mod cells;
mod clock;
mod in_flight;
mod labels;
mod repeats;
mod runs;
mod selector;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{Scope, ThreadPool};
use wsi_core::{
    Error, Level, PixelFormat, PixelsMut, Plane, Point, Rect, Region, RegionRead, Result, Size,
    Slide,
};
use wsi_pages::Zeroed;

use crate::grid::Grid;
use crate::job::{Progress, ProgressFn};
use crate::mask::Mask;
use crate::occupancy::{LabelScratch, Mapping, TileLabels};
use crate::roi::RegionOfInterest;
use crate::select::{FailedTile, TileRecord};
use crate::sink::{Tile, TileSink};

use cells::{Buffer, CellGrid, Settle, Shelf, Slot};
pub(crate) use cells::{Cell, CellPixels};
pub(crate) use clock::{Clock, Stage};
use in_flight::{Counted, InFlight};
use labels::LabelReader;
pub(crate) use labels::foreground_box;
use selector::Selector;

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
        let mut memory = CellMemory::new(self)?;
        let run = Run::new(self, &mut memory)?;
        let rows = self.pool.in_place_scope(|scope| {
            let mut selector = Selector::new(&run);
            for row in 0..self.grid.rows() {
                if run.stopped.load(Ordering::Relaxed) {
                    break;
                }
                selector.select(scope, row);
                run.report_progress();
            }
            selector.end()
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

/// State that the threads of a run share.
struct Run<'m> {
    job: &'m Pipeline<'m>,
    /// The part of the region that lies on the level, in level pixels.
    visible: Rect,
    mapping: Mapping,
    mask: LabelReader<'m>,
    image_cells: CellGrid,
    image_shelf: Arc<Shelf<'m>>,
    scratch: Mutex<Vec<Scratch>>,
    /// Whether parts of cells are read where the rest is not needed.
    in_parts: bool,
    in_flight: InFlight,
    stopped: AtomicBool,
    fatal: Mutex<Option<Error>>,
    failed: Mutex<BTreeMap<usize, FailedTile>>,
    examined: AtomicU64,
    kept: AtomicU64,
    done: AtomicU64,
    resumed: AtomicU64,
}

/// A tile on its way.
struct Work<'s, 'm> {
    record: TileRecord,
    /// The tile in level pixels.
    rect: Rect,
    labels: TileLabels<'m>,
    images: Vec<Arc<ImageSlot<'s, 'm>>>,
    /// Cells that have not come yet, and one for the selector until it has asked for them all.
    missing: AtomicUsize,
    _in_flight: Counted<'s>,
}

type ImageSlot<'s, 'm> = Slot<'m, Work<'s, 'm>>;

/// Memory of one tile: its pixels, its labels.
#[derive(Default)]
struct Scratch {
    image: Vec<u8>,
    labels: Vec<u8>,
    resampling: LabelScratch,
}

/// Where the pixels and labels of cells lie: as many as a run holds at once as a rule. What it
/// does not need is not touched.
struct CellMemory {
    images: Zeroed,
    labels: Zeroed,
}

impl CellMemory {
    fn new(job: &Pipeline<'_>) -> Result<Self> {
        let (level, visible) = job.level()?;
        let (_, on_mask) = job.mask_level()?;
        let room = |grid: CellGrid, width: u32, bytes: usize| {
            let rows = u64::from(job.grid.tile_size()).div_ceil(grid.cell_size().height.into()) + 2;
            let columns = u64::from(width).div_ceil(grid.cell_size().width.into()) + 1;
            let cells = usize::try_from(rows * columns).unwrap_or(usize::MAX);
            Zeroed::new(cells.saturating_mul(bytes).min(MOST_CELL_MEMORY))
        };
        let images = CellGrid::new(level, visible);
        let labels = CellGrid::new(on_mask, Rect::new((0, 0), on_mask.size));
        let label_bytes = LabelReader::cell_bytes(job.mask, labels);
        let width = Mapping::new(level.size, on_mask.size)
            .on_mask(visible)
            .size
            .width;
        Ok(Self {
            images: room(images, visible.size.width, image_bytes(images)),
            labels: room(labels, width, label_bytes),
        })
    }
}

impl<'a> Pipeline<'a> {
    /// The level that is cut, and the part of the region that lies on it, in level pixels.
    fn level(&self) -> Result<(&'a Level, Rect)> {
        let level = self.slide.pyramid().level(self.roi.level)?;
        let whole = Rect::new((0, 0), level.size);
        let visible = self.roi.on_level.intersection(whole).unwrap_or_default();
        Ok((level, visible))
    }

    /// The level of the mask that is counted.
    fn mask_level(&self) -> Result<(usize, &'a Level)> {
        let (level, _) = self.level()?;
        let index = self.mask.level_for(self.slide.pyramid(), level);
        Ok((index, self.mask.slide().pyramid().level(index)?))
    }
}

impl<'m> Run<'m> {
    fn new(job: &'m Pipeline<'m>, memory: &'m mut CellMemory) -> Result<Self> {
        let (level, visible) = job.level()?;
        let (mask_level, on_mask) = job.mask_level()?;
        let image_cells = CellGrid::new(level, visible);
        let shelf = Shelf::of_pieces(memory.images.as_mut_slice(), image_bytes(image_cells));
        let mapping = Mapping::new(level.size, on_mask.size);
        Ok(Self {
            job,
            visible,
            mapping,
            mask: LabelReader::new(job.mask, mask_level, memory.labels.as_mut_slice())?,
            image_cells,
            image_shelf: Arc::new(shelf),
            scratch: Mutex::default(),
            in_parts: decodes_parts(job.slide, job.roi.level),
            in_flight: InFlight::default(),
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

    /// Reads cells together, what is wanted of each, and tells those who wait for them.
    fn load_images<'s>(&'s self, scope: &Scope<'s>, slots: &[(Rect, Arc<ImageSlot<'s, 'm>>)])
    where
        'm: 's,
    {
        let guards: Vec<_> = slots.iter().map(|(_, slot)| Settle(&**slot)).collect();
        let rects: Vec<Rect> = slots.iter().map(|&(rect, _)| rect).collect();
        let cells = match self.stopped.load(Ordering::Relaxed) {
            true => rects.iter().map(|_| None).collect(),
            false => self.job.clock.read.time(|| self.read_images(&rects)),
        };
        for (guard, cell) in guards.iter().zip(cells) {
            for work in guard.0.settle(cell) {
                self.arrived(scope, work);
            }
        }
    }

    /// One of the cells that `work` waits for has come; after the last, the tile is made.
    fn arrived<'s>(&'s self, scope: &Scope<'s>, work: Arc<Work<'s, 'm>>)
    where
        'm: 's,
    {
        if work.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            scope.spawn(move |_| self.make(&work));
        }
    }

    fn read_image(&self, rect: Rect) -> Result<Cell<'m>> {
        let mut buffer = self.image_shelf.take(pixels_of(rect.size) * PIXEL);
        let RegionRead { region, out } = self.image_read(rect, buffer.as_mut_slice())?;
        self.job.slide.read_region_into(&region, out)?;
        Ok(image_cell(rect, buffer))
    }

    /// Reads rectangles together; `None` for those that cannot be read.
    fn read_images(&self, rects: &[Rect]) -> Vec<Option<Cell<'m>>> {
        let take = |rect: &Rect| self.image_shelf.take(pixels_of(rect.size) * PIXEL);
        let mut buffers: Vec<Buffer<'_>> = rects.iter().map(take).collect();
        let reads = rects.iter().zip(&mut buffers);
        let reads: Result<Vec<_>> = reads
            .map(|(&rect, buffer)| self.image_read(rect, buffer.as_mut_slice()))
            .collect();
        let Ok(reads) = reads else {
            return rects.iter().map(|_| None).collect();
        };
        let results = self.job.slide.read_regions(reads);
        let cells = rects.iter().zip(buffers).zip(results);
        cells
            .map(|((&rect, buffer), result)| result.ok().map(|()| image_cell(rect, buffer)))
            .collect()
    }

    fn image_read<'b>(&self, rect: Rect, buffer: &'b mut [u8]) -> Result<RegionRead<'b>> {
        Ok(RegionRead {
            region: Region::at_level(self.job.roi.level, rect.origin, rect.size),
            out: PixelsMut::packed(buffer, rect.size, PixelFormat::RGB8)?,
        })
    }

    /// Assembles a tile and hands it to the sink.
    fn make(&self, work: &Work<'_, '_>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let job = self.job;
        let mut scratch = lock(&self.scratch).pop().unwrap_or_default();
        let assemble = || self.assemble(work, &mut scratch);
        let assembled = job.clock.assemble.time(assemble);
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

    fn assemble(&self, work: &Work<'_, '_>, scratch: &mut Scratch) -> Result<()> {
        let area = pixels_of(work.rect.size);
        let part = work.labels.part;
        let padded = part != work.rect;
        prepare(
            &mut scratch.image,
            area * PIXEL,
            padded.then_some(IMAGE_PAD),
        );
        let cells: Option<Vec<Arc<Cell<'_>>>> =
            work.images.iter().map(|slot| slot.wait()).collect();
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

/// Whether a part of a stored tile costs less to read than the whole: with JPEG alone.
fn decodes_parts(slide: &Slide, level: usize) -> bool {
    let layout = slide
        .encoded_tiles()
        .map(|tiles| tiles.layout(level, Plane::default()));
    layout.is_some_and(|layout| layout.is_ok_and(|layout| layout.compression == "jpeg"))
}

fn image_cell(rect: Rect, buffer: Buffer<'_>) -> Cell<'_> {
    Cell {
        rect,
        pixels: CellPixels::Rows(buffer),
    }
}

/// Bytes of the pixels of a cell.
const fn image_bytes(cells: CellGrid) -> usize {
    pixels_of(cells.cell_size()) * PIXEL
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are set aside for cells, at most; if a run holds more of them, each has memory of its
/// own.
const MOST_CELL_MEMORY: usize = 1 << 26;

/// What image tiles show beyond the region.
const IMAGE_PAD: u8 = 255;
