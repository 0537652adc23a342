//! Sizes, points and rectangles; levels and pyramids; regions in their two frames.
//!
//! Coordinates carry their frame in the type: an [`Origin`] is either in level-0 pixels or in
//! pixels of the level that is read. Sizes are always in pixels of the level that is read. The one
//! conversion between the frames is [`Region::placements`].

mod frame;
mod pyramid;

pub use frame::{Origin, Placement, Plane, Region};
pub use pyramid::{Level, Pyramid};

/// Width and height in pixels of whatever it is said of. Zero is legal and means nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// A size of `width` by `height` pixels.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels; cannot overflow.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Whether there is no pixel.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

impl From<(u32, u32)> for Size {
    fn from((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

/// A place in a frame that its context names; may be negative or beyond the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Point {
    /// Column, growing to the right.
    pub x: i64,
    /// Row, growing downwards.
    pub y: i64,
}

impl Point {
    /// The point (`x`, `y`).
    #[must_use]
    pub const fn new(x: i64, y: i64) -> Self {
        Self { x, y }
    }
}

impl From<(i64, i64)> for Point {
    fn from((x, y): (i64, i64)) -> Self {
        Self { x, y }
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}, {})", self.x, self.y)
    }
}

/// An axis-parallel rectangle of pixels: its first pixel and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Rect {
    /// Top left pixel.
    pub origin: Point,
    /// Width and height.
    pub size: Size,
}

impl Rect {
    /// The rectangle of `size` whose top left pixel is `origin`.
    #[must_use]
    pub fn new(origin: impl Into<Point>, size: impl Into<Size>) -> Self {
        Self {
            origin: origin.into(),
            size: size.into(),
        }
    }

    /// The column after the last one.
    #[must_use]
    pub const fn right(self) -> i64 {
        self.origin.x.saturating_add(self.size.width as i64)
    }

    /// The row after the last one.
    #[must_use]
    pub const fn bottom(self) -> i64 {
        self.origin.y.saturating_add(self.size.height as i64)
    }

    /// Whether there is no pixel in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.size.is_empty()
    }

    /// Whether every pixel of `other` is in `self`.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.origin.x <= other.origin.x
            && self.origin.y <= other.origin.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    /// The pixels in both, if any.
    ///
    /// ```
    /// # use wsi_core::Rect;
    /// let a = Rect::new((-4, 0), (10, 10));
    /// assert_eq!(a.intersection(Rect::new((0, 5), (3, 9))), Some(Rect::new((0, 5), (3, 5))));
    /// assert_eq!(a.intersection(Rect::new((6, 0), (3, 9))), None);
    /// ```
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let x = self.origin.x.max(other.origin.x);
        let y = self.origin.y.max(other.origin.y);
        let width = self.right().min(other.right()).saturating_sub(x);
        let height = self.bottom().min(other.bottom()).saturating_sub(y);
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) if width > 0 && height > 0 => {
                Some(Self::new((x, y), (width, height)))
            }
            _ => None,
        }
    }

    /// The smallest rectangle that contains both; one without pixels counts like any other. Sides
    /// longer than a `u32` saturate.
    ///
    /// ```
    /// # use wsi_core::Rect;
    /// let a = Rect::new((-4, 0), (10, 10));
    /// assert_eq!(a.around(Rect::new((8, 5), (2, 1))), Rect::new((-4, 0), (14, 10)));
    /// ```
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        let x = self.origin.x.min(other.origin.x);
        let y = self.origin.y.min(other.origin.y);
        let side = |from: i64, to: i64| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        let width = side(x, self.right().max(other.right()));
        let height = side(y, self.bottom().max(other.bottom()));
        Self::new((x, y), (width, height))
    }
}

/// Size of a level-0 pixel in micrometres.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Mpp {
    /// Micrometres from column to column.
    pub x: f64,
    /// Micrometres from row to row.
    pub y: f64,
}

impl Mpp {
    /// The mean of both axes, in micrometres.
    #[must_use]
    pub fn mean(self) -> f64 {
        f64::midpoint(self.x, self.y)
    }
}
