//! From the foreground's bounding box to the region of a level that is cut into tiles.

use wsi_core::{Level, Point, Rect, Size};

/// The part of the slide that is cut into tiles, in both frames.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RegionOfInterest {
    /// The box in level-0 pixels, clipped to the slide.
    pub level0: Rect,
    /// Index of the level that is cut.
    pub level: usize,
    /// Level-0 pixels per pixel of that level.
    pub downsample: f64,
    /// The region in pixels of that level. Its last column or row may lie beyond the level where
    /// the downsample does not divide the slide evenly; such pixels are white, and not foreground.
    pub on_level: Rect,
}

impl RegionOfInterest {
    /// The published job's region (microsoft/hi-ml, `slide_image_loading`): the foreground's box
    /// and a margin, times the mask's downsample, clipped to the slide.
    ///
    /// `foreground` is in pixels of the mask's lowest level, `mask_downsample` level-0 pixels of
    /// the slide per such pixel. The box grows by `margin` on each side; x, y, width and height are
    /// then multiplied and each is truncated toward zero. Clipping to the slide is ours: the
    /// original reads beyond the edges. The size on the level is that of the box times
    /// `1 / downsample`, truncated; the origin on the level is truncated to a whole pixel.
    ///
    /// ```
    /// use wsi_core::{Level, Rect, Size};
    /// use wsi_tiling::RegionOfInterest;
    /// let level = Level::new(Size::new(250, 200), 4.0);
    /// let foreground = Rect::new((3, 30), (10, 5));          // at downsample 16
    /// let region =
    ///     RegionOfInterest::around(foreground, 4, 16.0, Size::new(1000, 800), 1, &level);
    /// assert_eq!(region.level0, Rect::new((0, 416), (272, 208)));
    /// assert_eq!(region.on_level, Rect::new((0, 104), (68, 52)));
    /// ```
    #[must_use]
    pub fn around(
        foreground: Rect,
        margin: u32,
        mask_downsample: f64,
        slide: Size,
        level: usize,
        on: &Level,
    ) -> Self {
        let margin = i64::from(margin);
        let (left, width) = scaled(
            foreground.origin.x,
            foreground.size.width,
            margin,
            mask_downsample,
        );
        let (top, height) = scaled(
            foreground.origin.y,
            foreground.size.height,
            margin,
            mask_downsample,
        );
        let (x, width) = clipped(left, width, slide.width);
        let (y, height) = clipped(top, height, slide.height);
        let level0 = Rect::new((x, y), (width, height));
        let origin = Point::new(divided(x, on.downsample), divided(y, on.downsample));
        let size = Size::new(shrunk(width, on.downsample), shrunk(height, on.downsample));
        Self {
            level0,
            level,
            downsample: on.downsample,
            on_level: Rect { origin, size },
        }
    }

    /// The whole level.
    #[must_use]
    pub fn whole(slide: Size, level: usize, on: &Level) -> Self {
        Self {
            level0: Rect::new((0, 0), slide),
            level,
            downsample: on.downsample,
            on_level: Rect::new((0, 0), on.size),
        }
    }

    /// The level-0 position of a pixel of the region: `trunc(downsample * pixel + origin)`, computed
    /// in `f64`. Padding makes it negative at times.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturates")]
    pub fn level0_position(&self, in_region: Point) -> Point {
        let position =
            |pixel: i64, origin: i64| (self.downsample * pixel as f64 + origin as f64) as i64;
        Point::new(
            position(in_region.x, self.level0.origin.x),
            position(in_region.y, self.level0.origin.y),
        )
    }
}

/// Start and length of the box along one axis, with its margin, in level-0 pixels.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturates")]
fn scaled(start: i64, length: u32, margin: i64, downsample: f64) -> (i64, i64) {
    let start = start - margin;
    let length = i64::from(length) + 2 * margin;
    (
        (start as f64 * downsample) as i64,
        (length as f64 * downsample) as i64,
    )
}

/// What of `start..start + length` lies in `0..bound`: its start and length.
fn clipped(start: i64, length: i64, bound: u32) -> (i64, u32) {
    let first = start.clamp(0, bound.into());
    let end = start.saturating_add(length).clamp(first, bound.into());
    (first, u32::try_from(end - first).unwrap_or(0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "within the slide"
)]
fn divided(position: i64, downsample: f64) -> i64 {
    (position as f64 / downsample) as i64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn shrunk(length: u32, downsample: f64) -> u32 {
    (f64::from(length) * (1.0 / downsample)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level() -> Level {
        Level::new(Size::new(250, 200), 4.0)
    }

    #[test]
    fn box_is_clipped_on_every_side() {
        let region = RegionOfInterest::around(
            Rect::new((0, 0), (70, 60)),
            64,
            16.0,
            Size::new(1000, 800),
            1,
            &level(),
        );
        assert_eq!(region.level0, Rect::new((0, 0), (1000, 800)));
        assert_eq!(region.on_level, Rect::new((0, 0), (250, 200)));
    }

    #[test]
    fn each_of_the_four_is_truncated_on_its_own() {
        // 3 * 4.3 = 12.9, 5 * 4.3 = 21.5
        let region = RegionOfInterest::around(
            Rect::new((3, 3), (5, 5)),
            0,
            4.3,
            Size::new(1000, 800),
            0,
            &Level::new(Size::new(1000, 800), 1.0),
        );
        assert_eq!(region.level0, Rect::new((12, 12), (21, 21)));
    }

    #[test]
    fn positions_left_of_the_slide_are_truncated_toward_zero() {
        let mut region = RegionOfInterest::whole(Size::new(1000, 800), 1, &level());
        region.downsample = 4.3;
        assert_eq!(
            region.level0_position(Point::new(-1, 3)),
            Point::new(-4, 12)
        );
        region.level0.origin = Point::new(10, 20);
        assert_eq!(
            region.level0_position(Point::new(-3, 0)),
            Point::new(-2, 20)
        );
    }
}
