//! Cells of a mask level: read once, reduced to one label a pixel: one label if all are alike, runs of
//! labels if these take less memory.

use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use wsi_core::{Fill, PixelsMut, Rect, Region, Result};

use super::cells::{Cell, CellGrid, CellIndex, CellPixels};
use super::repeats::Repeats;
use super::shelf::{Buffer, Shelf};
use super::{Clock, pixels_of, runs};
use crate::arch;
use crate::mask::{LabelType, Mask};

/// Reads cells of one level of a mask.
pub(super) struct LabelReader<'a> {
    mask: &'a Mask,
    level: usize,
    /// Whole stored tiles: to decode a tile of labels costs the same, wanted in part or not.
    cells: CellGrid,
    repeats: Option<Repeats<'a>>,
    /// Pixels of all channels, before their first was taken out.
    pixels: Arc<Shelf<'a>>,
    labels: Arc<Shelf<'a>>,
}

impl<'a> LabelReader<'a> {
    /// Labels go to `memory` first, of which a cell takes [`cell_bytes`](Self::cell_bytes).
    pub(super) fn new(mask: &'a Mask, level: usize, memory: &'a mut [u8]) -> Result<Self> {
        let on = mask.slide().pyramid().level(level)?;
        let cells = CellGrid::new(on, Rect::new((0, 0), on.size));
        Ok(Self {
            mask,
            level,
            cells,
            repeats: Repeats::new(mask.slide(), level, cells.cell_size()),
            pixels: Arc::default(),
            labels: Arc::new(Shelf::of_pieces(memory, Self::cell_bytes(mask, cells))),
        })
    }

    /// Bytes of the labels of a cell.
    pub(super) fn cell_bytes(mask: &Mask, cells: CellGrid) -> usize {
        pixels_of(cells.cell_size()) * mask.label_type().bytes()
    }

    pub(super) const fn cells(&self) -> &CellGrid {
        &self.cells
    }

    /// Reads a cell.
    pub(super) fn read(&self, index: CellIndex) -> Result<Cell<'a>> {
        let rect = self.cells.rect(index);
        let Some(repeats) = &self.repeats else {
            return self.read_rect(rect);
        };
        let stored = repeats.stored(index);
        if let Some(value) = repeats.find(&stored) {
            return Ok(Cell {
                rect,
                pixels: CellPixels::Uniform(value),
            });
        }
        let cell = self.read_rect(rect)?;
        if let CellPixels::Uniform(value) = cell.pixels
            && rect.size == self.cells.cell_size()
        {
            repeats.learn(stored, value);
        }
        Ok(cell)
    }

    /// Reads the labels of a rectangle: the first channel of its pixels.
    pub(super) fn read_rect(&self, rect: Rect) -> Result<Cell<'a>> {
        let mask = self.mask;
        let format = mask.pixel_format();
        let width = mask.label_type().bytes();
        let area = pixels_of(rect.size);
        let region = Region::at_level(self.level, rect.origin, rect.size);
        let region = region.with_fill(Fill::Color([0; 4]));
        let pixel = format.bytes_per_pixel();
        if mask.label_type() == LabelType::U8
            && let Some(runs) = mask.slide().read_first_channel(&region)?
        {
            let pixels = match runs.uniform() {
                Some(label) => CellPixels::Uniform([label, 0, 0, 0]),
                None => CellPixels::Runs(runs),
            };
            return Ok(Cell { rect, pixels });
        }
        let shelf = if pixel == width {
            &self.labels
        } else {
            &self.pixels
        };
        let mut pixels = shelf.take(area * pixel);
        let out = PixelsMut::packed(pixels.as_mut_slice(), rect.size, format)?;
        mask.slide().read_region_into(&region, out)?;
        let pixels = if let Some(value) = uniform(pixels.as_slice(), width, pixel) {
            CellPixels::Uniform(value)
        } else if pixel == width {
            packed(pixels, rect, width)
        } else {
            let mut labels = self.labels.take(area * width);
            first_channel(pixels.as_slice(), pixel, labels.as_mut_slice(), width);
            packed(labels, rect, width)
        };
        Ok(Cell { rect, pixels })
    }
}

/// The bounding box of the foreground of a mask level, in its pixels.
pub(crate) fn foreground_box(mask: &Mask, level: usize, clock: &Clock) -> Result<Option<Rect>> {
    let reader = LabelReader::new(mask, level, &mut [])?;
    let cells: Vec<CellIndex> = reader.cells().all().collect();
    cells
        .into_par_iter()
        .map(|index| {
            clock.mask.time(|| {
                let cell = reader.read(index)?;
                Ok(foreground_in(&cell, mask))
            })
        })
        .try_reduce(|| None, |a, b| Ok(union(a, b)))
}

/// The bounding box of a cell's foreground, in level pixels.
fn foreground_in(cell: &Cell<'_>, mask: &Mask) -> Option<Rect> {
    let labels = mask.label_type();
    let foreground = mask.foreground();
    if let CellPixels::Uniform(value) = &cell.pixels {
        let found = foreground.count(&value[..labels.bytes()], labels) > 0;
        return found.then_some(cell.rect);
    }
    let mut found = None;
    let mut add = |y: i64, first: i64, end: i64| {
        let width = u32::try_from(end - first).unwrap_or(u32::MAX);
        let row = Rect::new((cell.rect.origin.x + first, y), (width, 1));
        found = union(found, Some(row));
    };
    let rows = cell.rows_in(cell.rect, labels.bytes());
    for (y, row) in (cell.rect.origin.y..).zip(rows) {
        if let Some((first, last)) = foreground.span(row, labels) {
            let column = |column: usize| i64::try_from(column).unwrap_or(0);
            add(y, column(first), column(last) + 1);
        }
    }
    cell.each_run_in(cell.rect, |row, run| {
        if foreground.contains(run.sample.into()) {
            let y = cell.rect.origin.y + i64::try_from(row).unwrap_or(0);
            add(y, run.start.into(), run.end.into());
        }
    });
    found
}

/// Labels of which not all are alike: as runs, unless these are many.
fn packed<'m>(labels: Buffer<'m>, rect: Rect, width: usize) -> CellPixels<'m> {
    let runs = match width {
        1 => runs::find(labels.as_slice(), rect.size.width),
        _ => None,
    };
    runs.map_or(CellPixels::Rows(labels), CellPixels::Runs)
}

fn union(a: Option<Rect>, b: Option<Rect>) -> Option<Rect> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.around(b)),
        _ => a.or(b),
    }
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
        return arch::first_of_three(pixels, labels);
    }
    for (label, pixel) in labels
        .chunks_exact_mut(width)
        .zip(pixels.chunks_exact(pixel))
    {
        label.copy_from_slice(&pixel[..width]);
    }
}
