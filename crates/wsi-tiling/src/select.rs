//! Which tiles are kept, and what is known of each.

use wsi_core::{Error, Point};

/// A kept tile.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TileRecord {
    /// Place among the kept tiles, row by row, left to right. Tiles that turn out to be unreadable
    /// leave gaps.
    pub index: usize,
    /// Column of the grid.
    pub column: u32,
    /// Row of the grid.
    pub row: u32,
    /// Top left pixel in level-0 pixels; negative where the tile starts in the padding.
    pub origin: Point,
    /// Share of the tile's pixels, padding included, that are foreground.
    pub occupancy: f64,
}

impl TileRecord {
    /// The tile's name: x and y of its origin with at least five places, the sign being one of
    /// them, as hi-ml names its tiles.
    ///
    /// ```
    /// use wsi_core::Point;
    /// # use wsi_tiling::TileRecord;
    /// assert_eq!(TileRecord::name_at(Point::new(-48, 123_456)), "-0048x_123456y");
    /// ```
    #[must_use]
    pub fn name_at(origin: Point) -> String {
        format!("{:05}x_{:05}y", origin.x, origin.y)
    }

    /// [`name_at`](Self::name_at) of this tile's origin.
    #[must_use]
    pub fn name(&self) -> String {
        Self::name_at(self.origin)
    }
}

/// A tile whose pixels or labels could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedTile {
    /// Column of the grid.
    pub column: u32,
    /// Row of the grid.
    pub row: u32,
    /// Top left pixel in level-0 pixels.
    pub origin: Point,
    /// Why.
    pub error: Error,
}

/// Whether a tile with this many foreground pixels is kept: strictly more than the threshold.
#[expect(clippy::cast_precision_loss, reason = "tiles have fewer than 2^53 pixels")]
pub(crate) fn occupancy(foreground: u64, tile_size: u32) -> f64 {
    let area = u64::from(tile_size) * u64::from(tile_size);
    foreground as f64 / area as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_counts_as_a_place() {
        let name = |x, y| TileRecord::name_at(Point::new(x, y));
        assert_eq!(name(0, 7), "00000x_00007y");
        assert_eq!(name(-48, -12_345), "-0048x_-12345y");
        assert_eq!(name(123_456, 99_999), "123456x_99999y");
    }
}
