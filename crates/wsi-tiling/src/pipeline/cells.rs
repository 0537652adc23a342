//! Stored tiles as the unit of reading: how a level is cut into them, and what was read of one.

use wsi_core::{Level, Point, Rect, Run, Runs, Size};

use super::shelf::Buffer;

/// How a level is read: in cells that are its stored tiles, clipped to the part that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellGrid {
    cell: Size,
    clip: Rect,
}

/// Row and column of a cell; they sort in file order.
pub(crate) type CellIndex = (i64, i64);

impl CellGrid {
    /// The cells of `level` within `clip`, which lies on the level.
    ///
    /// Where the level has no tiles, or absurdly large ones, cells are bands of whole rows.
    pub(crate) fn new(level: &Level, clip: Rect) -> Self {
        let cell = match level.tile_size {
            Some(size) if !size.is_empty() && size.area() <= MAX_CELL_AREA => size,
            _ => {
                let width = level.size.width.max(1);
                let rows = (BAND_AREA / u64::from(width)).clamp(16, 256);
                Size::new(width, u32::try_from(rows).unwrap_or(16))
            }
        };
        Self { cell, clip }
    }

    /// Width and height of a cell that nothing clips.
    pub(crate) const fn cell_size(&self) -> Size {
        self.cell
    }

    /// The cells that a rectangle touches, row by row; what lies outside of the clip has none.
    pub(crate) fn touching(&self, rect: Rect) -> impl Iterator<Item = CellIndex> + use<> {
        let (width, height) = (i64::from(self.cell.width), i64::from(self.cell.height));
        let touched = rect.intersection(self.clip);
        let (rows, columns) = touched.map_or((0..0, 0..0), |touched| {
            (
                touched.origin.y / height..(touched.bottom() - 1) / height + 1,
                touched.origin.x / width..(touched.right() - 1) / width + 1,
            )
        });
        rows.flat_map(move |row| columns.clone().map(move |column| (row, column)))
    }

    /// Where the edges of cells cut a rectangle within the clip, its own edges included: columns, rows.
    pub(crate) fn cuts(&self, rect: Rect) -> (Vec<i64>, Vec<i64>) {
        let along = |from: i64, to: i64, cell: u32| {
            let cell = i64::from(cell);
            let first = (from.div_euclid(cell) + 1) * cell;
            let inner = (first..to).step_by(usize::try_from(cell).unwrap_or(usize::MAX));
            std::iter::once(from).chain(inner).chain([to]).collect()
        };
        (
            along(rect.origin.x, rect.right(), self.cell.width),
            along(rect.origin.y, rect.bottom(), self.cell.height),
        )
    }

    /// Where a cell lies on the level.
    pub(crate) fn rect(&self, (row, column): CellIndex) -> Rect {
        let origin = (
            column * i64::from(self.cell.width),
            row * i64::from(self.cell.height),
        );
        Rect::new(origin, self.cell)
            .intersection(self.clip)
            .unwrap_or_default()
    }

    /// Every cell.
    pub(crate) fn all(&self) -> impl Iterator<Item = CellIndex> + use<> {
        self.touching(self.clip)
    }

    /// The first row of cells that a level row needs: cells of rows before are done with.
    pub(crate) fn row_of(&self, y: i64) -> i64 {
        y.div_euclid(i64::from(self.cell.height))
    }
}

/// Pixels of a cell, or of a rectangle read in its place.
#[derive(Debug)]
pub(crate) struct Cell<'m> {
    pub(crate) rect: Rect,
    pub(crate) pixels: CellPixels<'m>,
}

#[derive(Debug)]
pub(crate) enum CellPixels<'m> {
    /// Every pixel has these bytes (the first of the four, as many as a pixel has).
    Uniform([u8; 4]),
    /// Rows without gaps.
    Rows(Buffer<'m>),
    /// The same, of pixels that are a label of one byte each.
    Runs(Runs),
}

impl Cell<'_> {
    /// Copies what lies in `out_rect` to `out`, whose rows have no gaps. The rest of `out` stays.
    pub(crate) fn copy_to(&self, out: &mut [u8], out_rect: Rect, pixel: usize) {
        self.copy_part(out_rect, out, out_rect, pixel);
    }

    /// Copies what lies in `wanted`, a part of `out_rect`, to its place in `out`.
    pub(crate) fn copy_part(&self, wanted: Rect, out: &mut [u8], out_rect: Rect, pixel: usize) {
        let Some(part) = self.rect.intersection(wanted) else {
            return;
        };
        let out_stride = out_rect.size.width as usize * pixel;
        let length = part.size.width as usize * pixel;
        let mut to = offset(part.origin, out_rect, pixel);
        match &self.pixels {
            CellPixels::Uniform(value) => {
                for _ in 0..part.size.height {
                    for out in out[to..to + length].chunks_exact_mut(pixel) {
                        out.copy_from_slice(&value[..pixel]);
                    }
                    to += out_stride;
                }
            }
            CellPixels::Rows(rows) => {
                let stride = self.rect.size.width as usize * pixel;
                let mut from = offset(part.origin, self.rect, pixel);
                for _ in 0..part.size.height {
                    out[to..to + length].copy_from_slice(&rows.as_slice()[from..from + length]);
                    to += out_stride;
                    from += stride;
                }
            }
            CellPixels::Runs(_) => {
                let (left, top) = self.distance_to(part);
                self.each_run_in(part, |row, Run { start, end, sample }| {
                    let to = to + (row - top) * out_stride;
                    out[to + (start - left) as usize..to + (end - left) as usize].fill(sample);
                });
            }
        }
    }

    /// Hands over the runs of what lies in `rect`, with rows and columns of the cell; of a cell that is
    /// not stored so, none.
    pub(crate) fn each_run_in(&self, rect: Rect, each: impl FnMut(usize, Run)) {
        if let CellPixels::Runs(runs) = &self.pixels
            && let Some(part) = self.rect.intersection(rect)
        {
            let (left, top) = self.distance_to(part);
            let (rows, columns) = (part.size.height as usize, part.size.width);
            runs.for_each_within(top..top + rows, left..left + columns, each);
        }
    }

    /// How far a part of the cell lies from its left and its upper edge.
    fn distance_to(&self, part: Rect) -> (u32, usize) {
        (
            u32::try_from(part.origin.x - self.rect.origin.x).unwrap_or(0),
            usize::try_from(part.origin.y - self.rect.origin.y).unwrap_or(0),
        )
    }

    /// The bytes of each row of what lies in `rect`; of a cell that is not stored so, none.
    pub(crate) fn rows_in(&self, rect: Rect, pixel: usize) -> impl Iterator<Item = &[u8]> {
        let part = self.rect.intersection(rect).unwrap_or_default();
        let (rows, count) = match &self.pixels {
            CellPixels::Uniform(_) | CellPixels::Runs(_) => (&[][..], 0),
            CellPixels::Rows(rows) => (rows.as_slice(), part.size.height as usize),
        };
        let stride = self.rect.size.width as usize * pixel;
        let length = part.size.width as usize * pixel;
        let first = if part.is_empty() {
            0
        } else {
            offset(part.origin, self.rect, pixel)
        };
        (0..count).map(move |row| &rows[first + row * stride..][..length])
    }
}

/// Byte at which a pixel of `rect` starts; the point lies in it.
fn offset(point: Point, rect: Rect, pixel: usize) -> usize {
    let distance = |from: i64, to: i64| usize::try_from(to - from).unwrap_or(0);
    let row = distance(rect.origin.y, point.y);
    let column = distance(rect.origin.x, point.x);
    (row * rect.size.width as usize + column) * pixel
}

/// Stored tiles of more pixels are read in bands instead.
const MAX_CELL_AREA: u64 = 1 << 22;

/// Pixels of a band where there are no tiles to go by.
const BAND_AREA: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> CellGrid {
        let level = Level::new(Size::new(100, 60), 1.0).with_tile_size(Size::new(16, 16));
        CellGrid::new(&level, Rect::new((10, 5), (80, 50)))
    }

    #[test]
    fn cells_within_the_clip_cover_it_once() {
        let grid = grid();
        let area: u64 = grid.all().map(|index| grid.rect(index).size.area()).sum();
        assert_eq!(area, 80 * 50);
        assert_eq!(grid.all().next(), Some((0, 0)));
        assert_eq!(grid.rect((0, 0)), Rect::new((10, 5), (6, 11)));
        assert_eq!(grid.all().last(), Some((3, 5)));
    }

    #[test]
    fn a_rectangle_outside_touches_nothing() {
        assert_eq!(grid().touching(Rect::new((-20, -20), (25, 25))).count(), 0);
        assert_eq!(grid().touching(Rect::new((15, 15), (2, 2))).count(), 4);
    }

    #[test]
    fn cuts_are_the_edges_of_the_cells_that_are_touched() {
        let grid = grid();
        for rect in [
            Rect::new((10, 5), (80, 50)),
            Rect::new((16, 31), (16, 2)),
            Rect::new((17, 33), (3, 4)),
        ] {
            let (columns, rows) = grid.cuts(rect);
            let parts = rows.windows(2).flat_map(|y| {
                let columns = columns.windows(2);
                columns.map(move |x| Rect::new((x[0], y[0]), side(x).zip(side(y)).unwrap()))
            });
            let expected = grid.touching(rect);
            let expected = expected.map(|index| grid.rect(index).intersection(rect).unwrap());
            assert!(parts.eq(expected), "{rect:?}");
        }
    }

    fn side(ends: &[i64]) -> Option<u32> {
        u32::try_from(ends[1] - ends[0]).ok()
    }

    #[test]
    fn levels_without_tiles_are_read_in_bands() {
        let level = Level::new(Size::new(4096, 60), 1.0);
        let grid = CellGrid::new(&level, Rect::new((0, 0), (4096, 60)));
        assert_eq!(grid.all().count(), 1);
        let level = Level::new(Size::new(65_536, 60), 1.0);
        let grid = CellGrid::new(&level, Rect::new((0, 0), (65_536, 60)));
        assert_eq!(grid.all().count(), 4);
    }
}
