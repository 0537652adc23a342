//! Where decoded rows go.

/// Gives out the rows of a picture to be written.
///
/// A tile is often part of a larger picture, so its rows do not make one slice.
pub trait RowsMut {
    /// The bytes of row `y`, at least a row of pixels long; what lies beyond is left alone.
    ///
    /// Every row is asked for at least once, top down; a row is complete when another is asked for, or
    /// the decode has ended. A row that is not there may be answered
    /// by an empty slice: the decode then fails with
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
    fn row_mut(&mut self, y: usize) -> &mut [u8];
}

/// Rows at a fixed distance in one slice.
///
/// # Example
/// ```
/// use wsi_jpeg::{RowsMut, StridedRows};
///
/// let mut pixels = [0_u8; 8 * 4];
/// let mut rows = StridedRows::new(&mut pixels, 8);
/// assert_eq!(rows.row_mut(3).len(), 8);
/// assert!(rows.row_mut(4).is_empty());
/// ```
#[derive(Debug)]
pub struct StridedRows<'p> {
    pixels: &'p mut [u8],
    stride: usize,
}

impl<'p> StridedRows<'p> {
    /// Rows that start every `stride` bytes; the last may be shorter than the stride.
    #[must_use]
    pub fn new(pixels: &'p mut [u8], stride: usize) -> Self {
        Self { pixels, stride }
    }
}

impl RowsMut for StridedRows<'_> {
    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        let start = y.saturating_mul(self.stride);
        let end = start.saturating_add(self.stride).min(self.pixels.len());
        self.pixels.get_mut(start..end).unwrap_or_default()
    }
}

impl<R: RowsMut + ?Sized> RowsMut for &mut R {
    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        (**self).row_mut(y)
    }
}
