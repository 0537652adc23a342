//! Where tiles lie: a region padded to a whole number of tiles, and cut.

use wsi_core::{Point, Rect, Size};

/// Where a region is padded so that tiles cover it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// Half before (left, top), rounded down, and the rest after: the published job's way.
    #[default]
    Symmetric,
    /// All of it after (right, bottom): the grid starts at the region's first pixel.
    After,
    /// None: only tiles that lie wholly inside of the region.
    None,
}

impl Padding {
    /// The name, as settings files have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::After => "after",
            Self::None => "none",
        }
    }
}

/// A region of one level, padded and cut into square tiles, row by row, left to right.
///
/// Along an axis of `n` pixels, with tiles of `t` pixels that start `s` apart, the padding is
/// `t - n` where one tile suffices and `(s - (n - t) % s) % s` where it does not; for `s = t` both
/// are the published `(t - n % t) % t`. An axis without pixels has no tiles.
///
/// ```
/// use wsi_core::{Point, Rect, Size};
/// use wsi_tiling::{Grid, Padding};
/// let grid = Grid::new(Size::new(10, 7), 4, 4, Padding::Symmetric);
/// assert_eq!((grid.columns(), grid.rows()), (3, 2));
/// assert_eq!(grid.before(), Point::new(1, 0));                       // 2 / 2 and 1 / 2
/// assert_eq!(grid.tile(0, 1), Rect::new((-1, 4), (4, 4)));           // in pixels of the region
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    region: Size,
    tile_size: u32,
    stride: u32,
    horizontal: Axis,
    vertical: Axis,
}

/// One axis of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    tiles: u32,
    before: u32,
    padding: u32,
}

impl Grid {
    /// Cuts a region of this size into tiles of `tile_size` that start `stride` apart.
    ///
    /// # Panics
    /// If the tile size or the stride is 0.
    #[must_use]
    pub fn new(region: Size, tile_size: u32, stride: u32, padding: Padding) -> Self {
        assert!(
            tile_size > 0 && stride > 0,
            "tiles of {tile_size}, {stride} apart"
        );
        Self {
            region,
            tile_size,
            stride,
            horizontal: Axis::new(region.width, tile_size, stride, padding),
            vertical: Axis::new(region.height, tile_size, stride, padding),
        }
    }

    /// The region that is cut, without padding.
    #[must_use]
    pub const fn region(&self) -> Size {
        self.region
    }

    /// Width and height of a tile.
    #[must_use]
    pub const fn tile_size(&self) -> u32 {
        self.tile_size
    }

    /// Pixels from one tile to the next.
    #[must_use]
    pub const fn stride(&self) -> u32 {
        self.stride
    }

    /// Tiles in a row.
    #[must_use]
    pub const fn columns(&self) -> u32 {
        if self.vertical.tiles == 0 {
            0
        } else {
            self.horizontal.tiles
        }
    }

    /// Rows of tiles.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        if self.horizontal.tiles == 0 {
            0
        } else {
            self.vertical.tiles
        }
    }

    /// Number of tiles.
    #[must_use]
    pub fn tiles(&self) -> u64 {
        u64::from(self.columns()) * u64::from(self.rows())
    }

    /// Columns of padding on the left, and rows of padding on top.
    #[must_use]
    pub fn before(&self) -> Point {
        Point::new(self.horizontal.before.into(), self.vertical.before.into())
    }

    /// Columns of padding on the right, and rows of padding at the bottom.
    #[must_use]
    pub fn after(&self) -> Point {
        let after = |axis: Axis| i64::from(axis.padding - axis.before);
        Point::new(after(self.horizontal), after(self.vertical))
    }

    /// The tile at this column and row, in pixels of the region; what lies outside of the region
    /// is padding.
    #[must_use]
    pub fn tile(&self, column: u32, row: u32) -> Rect {
        let start = |axis: Axis, index: u32| {
            i64::from(index) * i64::from(self.stride) - i64::from(axis.before)
        };
        Rect::new(
            (start(self.horizontal, column), start(self.vertical, row)),
            (self.tile_size, self.tile_size),
        )
    }
}

impl Axis {
    fn new(length: u32, tile: u32, stride: u32, padding: Padding) -> Self {
        let none = Self {
            tiles: 0,
            before: 0,
            padding: 0,
        };
        if length == 0 {
            return none;
        }
        // Both steps count how many strides lie beyond the first tile.
        let beyond = length.saturating_sub(tile);
        if padding == Padding::None {
            return match length < tile {
                true => none,
                false => Self {
                    tiles: beyond / stride + 1,
                    ..none
                },
            };
        }
        let missing = match length < tile {
            true => tile - length,
            false => (stride - beyond % stride) % stride,
        };
        Self {
            tiles: beyond.div_ceil(stride) + 1,
            before: if padding == Padding::Symmetric {
                missing / 2
            } else {
                0
            },
            padding: missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_the_published_formula() {
        for length in 1..200_u32 {
            for tile in 1..40_u32 {
                let axis = Axis::new(length, tile, tile, Padding::Symmetric);
                let padding = (tile - length % tile) % tile;
                assert_eq!((axis.padding, axis.before), (padding, padding / 2));
                assert_eq!(axis.tiles, (length + padding) / tile);
            }
        }
    }

    #[test]
    fn overlapping_tiles_cover_the_region_and_no_more() {
        for (length, tile, stride, tiles, padding) in [
            (10, 4, 2, 4, 0),
            (11, 4, 2, 5, 1),
            (3, 4, 2, 1, 1),
            (4, 4, 3, 1, 0),
            (5, 4, 3, 2, 2),
            (10, 4, 7, 2, 1),
        ] {
            let axis = Axis::new(length, tile, stride, Padding::Symmetric);
            assert_eq!(
                (axis.tiles, axis.padding),
                (tiles, padding),
                "{length} {tile} {stride}"
            );
            assert_eq!(length + axis.padding, (axis.tiles - 1) * stride + tile);
        }
    }

    #[test]
    fn without_padding_only_whole_tiles_remain() {
        let grid = Grid::new(Size::new(11, 3), 4, 4, Padding::None);
        assert_eq!(grid.tiles(), 0);
        let grid = Grid::new(Size::new(11, 4), 4, 4, Padding::None);
        assert_eq!(
            (grid.columns(), grid.rows(), grid.before()),
            (2, 1, Point::new(0, 0))
        );
    }

    #[test]
    fn a_region_without_pixels_has_no_tiles() {
        let grid = Grid::new(Size::new(0, 9), 4, 4, Padding::Symmetric);
        assert_eq!((grid.columns(), grid.rows(), grid.tiles()), (0, 0, 0));
    }
}
