//! Which tiles are made, and what is read for them: rows of tiles from top to bottom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::Scope;
use wsi_core::{Rect, Result};

use super::cells::{Cell, CellIndex, Settle, Slot};
use super::in_flight::Counted;
use super::{ImageSlot, Run, Work};
use crate::occupancy::{LabelScratch, TileLabels};
use crate::select::{TileRecord, occupancy};

type LabelSlot<'m> = Slot<'m, ()>;

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
    labels: BTreeMap<CellIndex, Arc<LabelSlot<'m>>>,
    images: BTreeMap<CellIndex, Arc<ImageSlot<'s, 'm>>>,
    /// Cells that are not being read yet, and the part of each that the tiles so far want.
    wanted: BTreeMap<CellIndex, Rect>,
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
            wanted: BTreeMap::new(),
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
            self.want(tile.labels.part);
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
        for index in self.wanted.keys() {
            if let Some(slot) = self.images.get(index) {
                // Nobody reads it any more, so that nobody may wait for it.
                drop(slot.settle(None));
            }
        }
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
                    let guard = Settle(&*settled);
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

    /// Notes which parts of image cells a tile wants.
    fn want(&mut self, part: Rect) {
        for index in self.run.image_cells.touching(part) {
            self.images
                .entry(index)
                .or_insert_with(|| Arc::new(Slot::new()));
            let cell = self.run.image_cells.rect(index);
            let here = cell.intersection(part).unwrap_or(cell);
            let wanted = self.wanted.entry(index).or_insert(here);
            *wanted = wanted.around(here);
        }
    }

    /// Queues the reading of the cells before row `until` of cells, in file order, and waits until
    /// few of the tiles that have all their cells now are left to be made.
    fn ask_for_images(&mut self, scope: &Scope<'s>, until: i64) {
        let run = self.run;
        let later = self.wanted.split_off(&(until, i64::MIN));
        let now = std::mem::replace(&mut self.wanted, later);
        let slots = now.into_iter().filter_map(|(index, part)| {
            let cell = run.image_cells.rect(index);
            let is_small = part.size.area() * SMALL_PART.1 < cell.size.area() * SMALL_PART.0;
            let rect = if run.in_parts && is_small { part } else { cell };
            Some((rect, Arc::clone(self.images.get(&index)?)))
        });
        let slots: Vec<_> = slots.collect();
        for together in slots.chunks(TOGETHER) {
            let together = together.to_vec();
            scope.spawn(move |scope| run.load_images(scope, &together));
        }
        let before = self.held.len();
        self.held.retain(|&row| row >= until);
        let limit = run.job.pool.current_num_threads() * LEFT;
        run.in_flight.add_and_wait(before - self.held.len(), limit);
    }

    /// Queues a tile to be made as soon as its cells are there.
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
        let images: Vec<Arc<ImageSlot<'_, '_>>> = run
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
            _in_flight: Counted(&run.in_flight),
        });
        let last = run.image_cells.touching(work.labels.part).last();
        self.held.push(last.map_or(i64::MIN, |(row, _)| row));
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
        let first = run.mask.cells().row_of(on_mask.origin.y);
        self.labels = self.labels.split_off(&(first, i64::MIN));
    }
}

/// Tiles that are left to be made when the next are selected, a thread: enough to be busy meanwhile.
const LEFT: usize = 16;

/// A part of this share of a cell (numerator, denominator) or more is not worth a read of its own kind.
const SMALL_PART: (u64, u64) = (7, 8);

/// Image cells that are read together, since JPEG decodes fastest two at a time: few enough that
/// threads share a row of them, and that a read does not spread over the pool's threads.
const TOGETHER: usize = 4;
