//! The way of the tiles: read, decode into the tile, complete, encode, sink.
//!
//! ```text
//! caller's thread   labels ahead asked for | row r counted and selected | its tiles queued
//! pool's threads    label cells | image cells (stored tiles, each once, in file order), into all tiles
//!                   a tile whose last piece has come gets its labels and is handed to the sink
//! ```
//!
//! An image cell is read when it is known what all tiles want of it, which may be a part. A tile has
//! memory from its first piece on, and is completed as soon as its last is there. How many such tiles
//! there are is bounded, so memory holds a few rows of kept tiles, the labels under them, and what is in
//! flight.

mod cells;
mod clock;
mod images;
mod in_flight;
mod labels;
mod repeats;
mod runs;
mod selector;
mod shelf;
mod slot;
mod tiles;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPool;
use wsi_core::{Error, Level, Point, Rect, Result, Size, Slide};
use wsi_pages::Zeroed;

use crate::grid::Grid;
use crate::job::{Progress, ProgressFn};
use crate::mask::Mask;
use crate::occupancy::Mapping;
use crate::roi::RegionOfInterest;
use crate::select::{FailedTile, TileRecord};
use crate::sink::TileSink;

use cells::CellGrid;
pub(crate) use cells::{Cell, CellPixels};
pub(crate) use clock::{Clock, Stage};
use images::decodes_parts;
use in_flight::InFlight;
use labels::LabelReader;
pub(crate) use labels::foreground_box;
use selector::Selector;
use shelf::Shelf;
use tiles::Spare;

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
        let mut memory = label_memory(self)?;
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
    spare: Mutex<Spare>,
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

/// Memory for the labels of cells: as many as a run holds at once as a rule. What it does not need is
/// not touched.
fn label_memory(job: &Pipeline<'_>) -> Result<Zeroed> {
    let (level, visible) = job.level()?;
    let (_, on_mask) = job.mask_level()?;
    let cells = CellGrid::new(on_mask, Rect::new((0, 0), on_mask.size));
    let under = Mapping::new(level.size, on_mask.size).on_mask(visible);
    let rows = u64::from(job.grid.tile_size()).div_ceil(cells.cell_size().height.into()) + 2;
    let columns = u64::from(under.size.width).div_ceil(cells.cell_size().width.into()) + 1;
    let cell_bytes = LabelReader::cell_bytes(job.mask, cells);
    let bytes = usize::try_from(rows * columns)
        .unwrap_or(usize::MAX)
        .saturating_mul(cell_bytes);
    Ok(Zeroed::new(bytes.min(MOST_LABEL_MEMORY)))
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
    fn new(job: &'m Pipeline<'m>, label_memory: &'m mut Zeroed) -> Result<Self> {
        let (level, visible) = job.level()?;
        let (mask_level, on_mask) = job.mask_level()?;
        let image_cells = CellGrid::new(level, visible);
        let mapping = Mapping::new(level.size, on_mask.size);
        Ok(Self {
            job,
            visible,
            mapping,
            mask: LabelReader::new(job.mask, mask_level, label_memory.as_mut_slice())?,
            image_cells,
            image_shelf: Arc::default(),
            spare: Mutex::new(Spare::new(job)),
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

/// Number of pixels, as a length in memory.
pub(crate) const fn pixels_of(size: Size) -> usize {
    size.width as usize * size.height as usize
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are set aside for labels, at most; if a run holds more cells of them, each has memory of
/// its own.
const MOST_LABEL_MEMORY: usize = 1 << 26;
