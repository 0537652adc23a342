//! How much of a tile is foreground, and what its labels are: from the mask's own pixels.

use std::sync::Arc;

use wsi_core::{Rect, Size};

use crate::mask::{Foreground, LabelType};
use crate::pipeline::{Cell, CellPixels, pixels_of};

/// How pixels of a slide level fall on pixels of a mask level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    level: Size,
    mask: Size,
}

impl Mapping {
    pub(crate) const fn new(level: Size, mask: Size) -> Self {
        Self { level, mask }
    }

    fn is_identity(self) -> bool {
        self.level == self.mask
    }

    fn column(self, x: i64) -> i64 {
        nearest(x, self.level.width, self.mask.width)
    }

    fn row(self, y: i64) -> i64 {
        nearest(y, self.level.height, self.mask.height)
    }

    /// The mask pixels under a rectangle that lies on the level.
    pub(crate) fn on_mask(self, rect: Rect) -> Rect {
        if self.is_identity() || rect.is_empty() {
            return rect;
        }
        let (x, y) = (self.column(rect.origin.x), self.row(rect.origin.y));
        let side = |first: i64, last: i64| u32::try_from(last - first + 1).unwrap_or(0);
        let size = (
            side(x, self.column(rect.right() - 1)),
            side(y, self.row(rect.bottom() - 1)),
        );
        Rect::new((x, y), size)
    }
}

/// The pixel of `to` pixels under the centre of pixel `index` of `from`: `(2 i + 1) * to / (2 from)`,
/// rounded down.
fn nearest(index: i64, from: u32, to: u32) -> i64 {
    let product = (2 * i128::from(index) + 1) * i128::from(to);
    i64::try_from(product.div_euclid(2 * i128::from(from))).unwrap_or(i64::MAX)
}

/// The labels around a tile: cells that together cover what of it lies on the mask.
#[derive(Clone, Debug)]
pub(crate) struct TileLabels<'m> {
    /// The part of the tile that lies on the region and the level, in level pixels.
    pub(crate) part: Rect,
    pub(crate) cells: Vec<Arc<Cell<'m>>>,
    pub(crate) mapping: Mapping,
    pub(crate) labels: LabelType,
}

impl TileLabels<'_> {
    /// Number of foreground pixels of the tile.
    pub(crate) fn foreground(&self, foreground: &Foreground, scratch: &mut LabelScratch) -> u64 {
        let pixel = self.labels.bytes();
        let uniform = |cell: &Cell<'_>| match &cell.pixels {
            CellPixels::Uniform(value) => Some(foreground.count(&value[..pixel], self.labels) > 0),
            CellPixels::Rows(_) | CellPixels::Runs(_) => None,
        };
        if self.cells.iter().all(|cell| uniform(cell) == Some(false)) {
            return 0;
        }
        if self.mapping.is_identity() {
            let in_cell = |cell: &Arc<Cell<'_>>| match uniform(cell) {
                Some(true) => cell
                    .rect
                    .intersection(self.part)
                    .map_or(0, |part| part.size.area()),
                Some(false) => 0,
                None => {
                    let rows = cell.rows_in(self.part, pixel);
                    let in_rows: u64 = rows.map(|row| foreground.count(row, self.labels)).sum();
                    let mut in_runs = 0;
                    cell.each_run_in(self.part, |_, run| {
                        let is_foreground = foreground.contains(run.sample.into());
                        in_runs += u64::from(is_foreground) * u64::from(run.end - run.start);
                    });
                    in_rows + in_runs
                }
            };
            return self.cells.iter().map(in_cell).sum();
        }
        if self.cells.iter().all(|cell| uniform(cell) == Some(true)) {
            return self.part.size.area();
        }
        let mut labels = std::mem::take(&mut scratch.tile);
        labels.clear();
        labels.resize(pixels_of(self.part.size) * pixel, 0);
        self.cut(&mut labels, self.part, scratch);
        let count = foreground.count(&labels, self.labels);
        scratch.tile = labels;
        count
    }

    /// Writes the labels of `part` to their place in `out`, which shows `tile`.
    pub(crate) fn cut(&self, out: &mut [u8], tile: Rect, scratch: &mut LabelScratch) {
        let pixel = self.labels.bytes();
        if self.mapping.is_identity() {
            for cell in &self.cells {
                cell.copy_part(self.part, out, tile, pixel);
            }
            return;
        }
        let under = self.mapping.on_mask(self.part);
        scratch.mask.clear();
        scratch.mask.resize(pixels_of(under.size) * pixel, 0);
        for cell in &self.cells {
            cell.copy_to(&mut scratch.mask, under, pixel);
        }
        self.spread(&scratch.mask, under, out, tile);
    }

    /// Gives each pixel of the part the label under its centre.
    fn spread(&self, labels: &[u8], under: Rect, out: &mut [u8], tile: Rect) {
        let pixel = self.labels.bytes();
        let position = |value: i64| usize::try_from(value).unwrap_or(0);
        let columns: Vec<usize> = (self.part.origin.x..self.part.right())
            .map(|x| position(self.mapping.column(x) - under.origin.x) * pixel)
            .collect();
        let stride = under.size.width as usize * pixel;
        let out_stride = tile.size.width as usize * pixel;
        let left = position(self.part.origin.x - tile.origin.x) * pixel;
        for y in self.part.origin.y..self.part.bottom() {
            let row = &labels[position(self.mapping.row(y) - under.origin.y) * stride..][..stride];
            let start = position(y - tile.origin.y) * out_stride + left;
            let out = &mut out[start..start + columns.len() * pixel];
            for (out, &from) in out.chunks_exact_mut(pixel).zip(&columns) {
                out.copy_from_slice(&row[from..from + pixel]);
            }
        }
    }
}

/// Memory for labels on their way through another resolution.
#[derive(Debug, Default)]
pub(crate) struct LabelScratch {
    mask: Vec<u8>,
    tile: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_take_the_label_under_their_centre() {
        let taken = |from, to| {
            (0..i64::from(from))
                .map(|i| nearest(i, from, to))
                .collect::<Vec<_>>()
        };
        assert_eq!(taken(6, 3), [0, 0, 1, 1, 2, 2]);
        assert_eq!(taken(3, 6), [1, 3, 5]);
        assert_eq!(taken(5, 3), [0, 0, 1, 2, 2]);
        assert_eq!(taken(4, 4), [0, 1, 2, 3]);
        assert_eq!(nearest(i64::from(u32::MAX) - 1, u32::MAX, 7), 6);
    }

    #[test]
    fn rectangles_on_the_mask_hold_every_label_that_is_taken() {
        let mapping = Mapping::new(Size::new(10, 10), Size::new(4, 7));
        let rect = mapping.on_mask(Rect::new((3, 2), (5, 4)));
        assert_eq!(rect, Rect::new((1, 1), (3, 3)));
    }
}
