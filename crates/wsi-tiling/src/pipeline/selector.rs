//! Which tiles are made, and what is read for them: rows of tiles from top to bottom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rayon::Scope;
use wsi_core::{Rect, Result};

use super::Run;
use super::cells::{Cell, CellIndex};
use super::images::{Piece, Wanted};
use super::in_flight::Counted;
use super::slot::{Settle, Slot};
use super::tiles::Work;
use crate::occupancy::{LabelScratch, TileLabels};
use crate::select::{TileRecord, occupancy};

/// A kept tile that is to be made.
struct Kept<'m> {
    record: TileRecord,
    /// The tile in level pixels.
    rect: Rect,
    labels: TileLabels<'m>,
}

/// Counts and selects the tiles of a row after another, and queues their reading.
pub(super) struct Selector<'s, 'm> {
    run: &'s Run<'m>,
    labels: BTreeMap<CellIndex, Arc<Slot<'m>>>,
    /// Cells that are not being read yet, and the pieces of the tiles so far that lie in them.
    images: BTreeMap<CellIndex, Vec<Piece<'s, 'm>>>,
    /// The last row of cells of each tile whose cells are not all being read yet.
    held: Vec<i64>,
    scratch: LabelScratch,
    rows: Vec<TileRecord>,
}

impl<'s, 'm: 's> Selector<'s, 'm> {
    pub(super) fn new(run: &'s Run<'m>) -> Self {
        Self {
            run,
            labels: BTreeMap::new(),
            images: BTreeMap::new(),
            held: Vec::new(),
            scratch: LabelScratch::default(),
            rows: Vec::new(),
        }
    }

    pub(super) fn select(&mut self, scope: &Scope<'s>, row: u32) {
        let grid = self.run.job.grid;
        self.ask_for_labels(scope, row);
        let mut kept = Vec::new();
        for column in 0..grid.columns() {
            kept.extend(self.consider(column, row));
            self.run.examined.fetch_add(1, Ordering::Relaxed);
        }
        for tile in kept {
            self.queue(scope, tile);
        }
        // What no later row of tiles touches is known to be all that is wanted of it.
        let cells = &self.run.image_cells;
        let until = match row + 1 < grid.rows() {
            true => cells.row_of(self.run.tile_rects(0, row + 1).0.origin.y),
            false => i64::MAX,
        };
        self.ask_for_images(scope, until);
        self.forget_before(row + 1);
    }

    /// Ends the selection, also before its time; gives the tiles that were kept.
    pub(super) fn end(self) -> Vec<TileRecord> {
        self.rows
    }

    /// Queues the label cells of a row, and of a row of cells ahead, that were not asked for before.
    fn ask_for_labels(&mut self, scope: &Scope<'s>, row: u32) {
        let run = self.run;
        let cells = run.mask.cells();
        let all = run.mapping.on_mask(run.visible);
        let (rect, _) = run.tile_rects(0, row);
        let band = Rect::new(
            (run.visible.origin.x, rect.origin.y),
            (run.visible.size.width, rect.size.height),
        );
        let Some(band) = band.intersection(run.visible) else {
            return;
        };
        let here = run.mapping.on_mask(band);
        // The pool works on the next cells while these are counted.
        let height = here.size.height.saturating_add(cells.cell_size().height);
        let ahead = Rect::new((all.origin.x, here.origin.y), (all.size.width, height));
        for index in cells.touching(ahead.intersection(all).unwrap_or(here)) {
            self.labels.entry(index).or_insert_with(|| {
                let slot = Arc::new(Slot::new());
                let settled = Arc::clone(&slot);
                scope.spawn(move |_| {
                    let guard = Settle(&settled);
                    let cell = match run.stopped.load(Ordering::Relaxed) {
                        true => None,
                        false => run.job.clock.mask.time(|| run.mask.read(index)).ok(),
                    };
                    guard.0.settle(cell);
                });
                slot
            });
        }
    }

    /// Counts a tile; gives it back if it is to be made.
    fn consider(&mut self, column: u32, row: u32) -> Option<Kept<'m>> {
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
    fn labels_of(&self, part: Rect) -> Result<TileLabels<'m>> {
        let run = self.run;
        let on_mask = run.mapping.on_mask(part);
        let cells: Option<Vec<Arc<Cell<'_>>>> = run
            .mask
            .cells()
            .touching(on_mask)
            .map(|index| self.labels.get(&index)?.wait())
            .collect();
        let cells = match cells {
            Some(cells) => cells,
            None => {
                let read = || run.mask.read_rect(on_mask);
                vec![Arc::new(run.job.clock.mask.time(read)?)]
            }
        };
        Ok(TileLabels {
            part,
            cells,
            mapping: run.mapping,
            labels: run.job.mask.label_type(),
        })
    }

    /// Queues the reading of the cells before row `until` of cells, in file order, and waits until
    /// few of the tiles that have all their cells now are left to be made.
    fn ask_for_images(&mut self, scope: &Scope<'s>, until: i64) {
        let run = self.run;
        let threads = run.job.pool.current_num_threads();
        let most = (READ_AT_ONCE / threads).clamp(FEWEST_TOGETHER, MOST_TOGETHER);
        let later = self.images.split_off(&(until, i64::MIN));
        let now = std::mem::replace(&mut self.images, later);
        let mut together = Vec::new();
        let mut pixels = 0;
        let mut now = now.into_iter().peekable();
        while let Some((index, pieces)) = now.next() {
            pixels += pieces
                .iter()
                .map(|piece| piece.rect.size.area())
                .sum::<u64>();
            let cell = run.image_cells.rect(index);
            together.push(Wanted { cell, pieces });
            if together.len() >= most || pixels >= ENOUGH_PIXELS || now.peek().is_none() {
                pixels = 0;
                let wanted = std::mem::take(&mut together);
                scope.spawn(move |scope| run.load_images(scope, wanted));
            }
        }
        let before = self.held.len();
        self.held.retain(|&row| row >= until);
        let limit = threads * LEFT;
        run.in_flight.add_and_wait(before - self.held.len(), limit);
    }

    /// Queues a tile to be made as soon as its pixels are there.
    fn queue(
        &mut self,
        scope: &Scope<'s>,
        Kept {
            record,
            rect,
            labels,
        }: Kept<'m>,
    ) {
        let run = self.run;
        let part = labels.part;
        let cells: Vec<_> = run.image_cells.touching(part).collect();
        let in_flight = Counted(&run.in_flight);
        let work = Arc::new(Work::new(record, rect, labels, cells.len(), in_flight));
        self.held
            .push(cells.last().map_or(i64::MIN, |&(row, _)| row));
        if cells.is_empty() {
            scope.spawn(move |_| run.make(&work));
            return;
        }
        for (number, index) in cells.into_iter().enumerate() {
            let cell = run.image_cells.rect(index);
            let piece = Piece {
                rect: cell.intersection(part).unwrap_or(cell),
                number,
                work: Arc::clone(&work),
            };
            self.images.entry(index).or_default().push(piece);
        }
    }

    /// Lets go of the cells that no tile of `row` or later touches.
    fn forget_before(&mut self, row: u32) {
        let run = self.run;
        let (rect, _) = run.tile_rects(0, row);
        let y = rect.origin.y.max(run.visible.origin.y);
        let on_mask = run
            .mapping
            .on_mask(Rect::new((run.visible.origin.x, y), (1, 1)));
        let first = run.mask.cells().row_of(on_mask.origin.y);
        self.labels = self.labels.split_off(&(first, i64::MIN));
    }
}

/// Tiles that are left to be made when the next are selected, a thread: enough to be busy meanwhile.
const LEFT: usize = 16;

/// Image cells that are read together, since JPEG decodes fastest two at a time, and the last of them is
/// often alone: as many as leave each thread its share of a row of cells, and a read on its own thread.
const FEWEST_TOGETHER: usize = 4;
const MOST_TOGETHER: usize = 8;

/// Image cells that all threads read at once, unless these are too few or too many for a thread.
const READ_AT_ONCE: usize = 16;

/// Pixels of tiles that are read together, beyond which no further cell comes to them: overlapping tiles
/// in large cells take many times the memory of the cells.
const ENOUGH_PIXELS: u64 = 1 << 21;
