//! A region's two frames, and the one conversion between them.

use super::{Level, Point, Rect, Size};
use crate::pixels::Fill;

/// Where a region starts, in one of two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two frames")]
pub enum Origin {
    /// In level-0 pixels, as OpenSlide takes it. Between pixels of the level, colour is blended as
    /// OpenSlide blends it; labels and samples that are not 8-bit colour are never blended, but
    /// start at the level pixel found by truncation.
    Level0(Point),
    /// In pixels of the level that is read: a plain copy, never resampled.
    Level(Point),
}

/// Which picture of a slide that holds several of the same kind: focal planes, channels or times,
/// counted from 0 in the file's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Plane(pub u32);

/// What to read: a rectangle of one level of one plane.
///
/// ```
/// # use wsi_core::{Fill, Region};
/// // 224 x 224 pixels of level 1, from level-0 pixel (4096, 8192):
/// let region = Region::level0(1, (4096, 8192), (224, 224));
/// // the same size from pixel (-10, 0) of level 1 itself, black where there is no slide:
/// let edge = Region::at_level(1, (-10, 0), (224, 224)).with_fill(Fill::Color([0, 0, 0, 255]));
/// # assert_eq!(region.size, edge.size);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Region {
    /// The level; 0 is the largest.
    pub level: usize,
    /// The top left pixel, in one of two frames.
    pub origin: Origin,
    /// Width and height in pixels of the level.
    pub size: Size,
    /// The plane; 0 unless the slide has several.
    pub plane: Plane,
    /// What lies where the slide has no pixels.
    pub fill: Fill,
}

impl Region {
    /// A region that starts at a level-0 pixel. `size` is in pixels of `level`.
    #[must_use]
    pub fn level0(level: usize, origin: impl Into<Point>, size: impl Into<Size>) -> Self {
        Self::new(level, Origin::Level0(origin.into()), size.into())
    }

    /// A region that starts at a pixel of `level` itself. `size` is in pixels of `level`.
    #[must_use]
    pub fn at_level(level: usize, origin: impl Into<Point>, size: impl Into<Size>) -> Self {
        Self::new(level, Origin::Level(origin.into()), size.into())
    }

    const fn new(level: usize, origin: Origin, size: Size) -> Self {
        Self {
            level,
            origin,
            size,
            plane: Plane(0),
            fill: Fill::Default,
        }
    }

    /// Reads another plane.
    #[must_use]
    pub const fn with_plane(mut self, plane: Plane) -> Self {
        self.plane = plane;
        self
    }

    /// Fills what lies outside of the slide otherwise.
    #[must_use]
    pub const fn with_fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// Where the region lies on its level when nothing is blended: level-0 origins are divided by
    /// the downsample and truncated toward zero.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturates")]
    pub fn rect_on(&self, level: &Level) -> Rect {
        let origin = match self.origin {
            Origin::Level(point) => point,
            Origin::Level0(point) => Point::new(
                (point.x as f64 / level.downsample) as i64,
                (point.y as f64 / level.downsample) as i64,
            ),
        };
        Rect {
            origin,
            size: self.size,
        }
    }

    /// The parts of the region and where each lies on its level, fractions included.
    ///
    /// A region in level pixels, or whose level-0 origin and downsample divide evenly, is one part.
    /// Any other is cut as OpenSlide cuts it (`openslide_read_region`): into blocks of 4096 x 4096
    /// from the top left, each of which starts anew from a truncated level-0 pixel; a block that
    /// starts at a negative pixel loses `trunc(-x / downsample)` columns (rows) and then starts at
    /// exactly 0. What no part covers lies outside of the slide.
    #[must_use]
    pub fn placements(&self, level: &Level) -> Vec<Placement> {
        let whole = Rect::new((0, 0), self.size);
        let origin = match self.origin {
            Origin::Level(point) => return Placement::at(whole, point).into_iter().collect(),
            Origin::Level0(point) => point,
        };
        if let (Some(x), Some(y)) = (
            exact_quotient(origin.x, level.downsample),
            exact_quotient(origin.y, level.downsample),
        ) {
            return Placement::at(whole, Point::new(x, y)).into_iter().collect();
        }
        let columns = axis_blocks(origin.x, self.size.width, level.downsample);
        let rows = axis_blocks(origin.y, self.size.height, level.downsample);
        let part = |row: &AxisBlock, column: &AxisBlock| Placement {
            target: Rect::new((column.target, row.target), (column.length, row.length)),
            x: column.position,
            y: row.position,
        };
        rows.iter()
            .flat_map(|row| columns.iter().map(move |column| part(row, column)))
            .collect()
    }
}

/// A part of a region and where it lies on the level.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// The part, in pixels of the region.
    pub target: Rect,
    /// Column of the level, fractions included, that the part's first column shows.
    pub x: f64,
    /// Row of the level, fractions included, that the part's first row shows.
    pub y: f64,
}

impl Placement {
    #[expect(clippy::cast_precision_loss, reason = "pictures end long before 2^53 pixels")]
    fn at(target: Rect, point: Point) -> Option<Self> {
        (!target.is_empty()).then_some(Self {
            target,
            x: point.x as f64,
            y: point.y as f64,
        })
    }

    /// The level pixel at which the part starts, if it falls on one.
    ///
    /// Positions are rounded to 1/256 of a pixel, halves to even, as cairo's fixed point does under
    /// OpenSlide: less than 1/512 off counts as on the pixel.
    #[must_use]
    pub fn aligned(&self) -> Option<Point> {
        Some(Point::new(on_pixel(self.x)?, on_pixel(self.y)?))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole; saturates at 2^63")]
fn on_pixel(position: f64) -> Option<i64> {
    let steps = (position * 256.0).round_ties_even();
    (steps % 256.0 == 0.0).then_some((steps / 256.0) as i64)
}

/// `origin / downsample` where both are whole and divide evenly.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
fn exact_quotient(origin: i64, downsample: f64) -> Option<i64> {
    if downsample.fract() != 0.0 || !(1.0..1e15).contains(&downsample) {
        return None;
    }
    let divisor = downsample as i64;
    (origin % divisor == 0).then_some(origin / divisor)
}

/// A run of columns (or rows) of a region that one block draws.
struct AxisBlock {
    target: i64,
    length: u32,
    position: f64,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "OpenSlide's own casts: f64 to i64 by truncation"
)]
fn axis_blocks(origin: i64, length: u32, downsample: f64) -> Vec<AxisBlock> {
    const BLOCK: u32 = 4096;
    (0..length.div_ceil(BLOCK))
        .filter_map(|index| {
            let start = index * BLOCK;
            let block_length = BLOCK.min(length - start);
            let level0 = (origin as f64 + f64::from(start) * downsample) as i64;
            let skipped = if level0 < 0 {
                (-(level0 as f64) / downsample) as i64
            } else {
                0
            };
            let drawn = u32::try_from(i64::from(block_length).saturating_sub(skipped)).ok()?;
            (drawn > 0).then(|| AxisBlock {
                target: i64::from(start) + skipped,
                length: drawn,
                position: level0.max(0) as f64 / downsample,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(downsample: f64) -> Level {
        Level::new(Size::new(10_000, 10_000), downsample)
    }

    #[test]
    fn whole_downsamples_give_one_part() {
        let parts = Region::level0(1, (-40, 8), (9000, 5)).placements(&level(4.0));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].aligned(), Some(Point::new(-10, 2)));
    }

    #[test]
    fn a_negative_origin_loses_its_fraction() {
        // OpenSlide 4.0.1: (-7, -9) at downsample 3.998 starts one column right, two rows down.
        let parts = Region::level0(1, (-7, -9), (100, 100)).placements(&level(3.998));
        assert_eq!(parts[0].target, Rect::new((1, 2), (99, 98)));
        assert_eq!(parts[0].aligned(), Some(Point::new(0, 0)));
    }

    #[test]
    fn under_a_512th_counts_as_on_the_pixel() {
        // OpenSlide 4.0.1: (4, 4) at 3.998 is position 1.0005, an exact copy; (100, 100) blends.
        let aligned = Region::level0(1, (4, 4), (10, 10)).placements(&level(3.998));
        assert_eq!(aligned[0].aligned(), Some(Point::new(1, 1)));
        let between = Region::level0(1, (100, 100), (10, 10)).placements(&level(3.998));
        assert_eq!(between[0].aligned(), None);
    }

    #[test]
    fn blocks_of_4096_restart_from_a_truncated_pixel() {
        let parts = Region::level0(1, (0, 0), (5000, 10)).placements(&level(3.998));
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1].target, Rect::new((4096, 0), (904, 10)));
        assert_eq!(parts[1].x, 16375.0 / 3.998);
    }

    #[test]
    fn far_away_origins_have_no_parts_or_saturate() {
        let region = Region::level0(1, (-1_000_000_000_000, 0), (100, 100));
        assert!(region.placements(&level(3.998)).is_empty());
        let region = Region::level0(1, (i64::MIN, i64::MAX), (100, 100));
        assert!(region.placements(&level(4.0004)).is_empty());
        assert_eq!(region.rect_on(&level(1.5)).size, Size::new(100, 100));
    }
}
