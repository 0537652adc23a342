//! Orientation (tag 274): which side of the stored picture is up.
//!
//! TIFF 6.0 page 36. A picture is stored as rows 0.. and columns 0..; the tag says what the first
//! row and the first column show. Pages of plain TIFF files are shown upright; slides of the
//! formats that OpenSlide knows are shown as stored.

use wsi_core::{Image, PixelsMut, Point, Rect, Size};

/// How a stored picture is turned to be shown: its rows and columns change places first, then its
/// columns and rows run backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    transposed: bool,
    mirrored_columns: bool,
    mirrored_rows: bool,
}

impl Orientation {
    /// The meaning of the tag's value; values that TIFF does not know leave the picture as it is.
    pub(crate) const fn from_tag(value: u64) -> Self {
        Self {
            transposed: matches!(value, 5..=8),
            mirrored_columns: matches!(value, 2 | 3 | 7 | 8),
            mirrored_rows: matches!(value, 3 | 4 | 6 | 7),
        }
    }

    /// Whether the picture is shown as stored.
    pub(crate) fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// The size of the shown picture.
    pub(crate) const fn shown_size(self, stored: Size) -> Size {
        match self.transposed {
            true => Size::new(stored.height, stored.width),
            false => stored,
        }
    }

    /// The rectangle of a stored picture of size `stored` that shows as `shown`.
    pub(crate) fn stored_rect(self, shown: Rect, stored: Size) -> Rect {
        let (mut origin, mut size) = (shown.origin, shown.size);
        if self.transposed {
            origin = Point::new(origin.y, origin.x);
            size = Size::new(size.height, size.width);
        }
        let mirror = |start: i64, length: u32, whole: u32| {
            i64::from(whole)
                .saturating_sub(start)
                .saturating_sub(length.into())
        };
        if self.mirrored_columns {
            origin.x = mirror(origin.x, size.width, stored.width);
        }
        if self.mirrored_rows {
            origin.y = mirror(origin.y, size.height, stored.height);
        }
        Rect { origin, size }
    }

    /// Turns a stored rectangle into `out`, which has its shown size and its format.
    pub(crate) fn turn(self, stored: &Image, out: &mut PixelsMut<'_>) {
        let bytes = out.format().bytes_per_pixel();
        let Size { width, height } = stored.size();
        let backwards = |index: u32, length: u32, mirrored: bool| match mirrored {
            true => length - 1 - index,
            false => index,
        };
        for y in 0..out.size().height {
            for (x, pixel) in (0..).zip(out.row_mut(y).chunks_exact_mut(bytes)) {
                let (column, row) = if self.transposed { (y, x) } else { (x, y) };
                let row = stored.row(backwards(row, height, self.mirrored_rows));
                let start = backwards(column, width, self.mirrored_columns) as usize * bytes;
                pixel.copy_from_slice(&row[start..start + bytes]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wsi_core::PixelFormat;

    use super::*;

    /// A picture of 3 x 2 pixels, turned whole.
    fn shown(tag: u64) -> (Size, Vec<u8>) {
        let orientation = Orientation::from_tag(tag);
        let data = vec![1, 2, 3, 4, 5, 6];
        let stored = Image::from_bytes(Size::new(3, 2), PixelFormat::GRAY8, data).unwrap();
        let size = orientation.shown_size(stored.size());
        let mut image = Image::zeroed(size, PixelFormat::GRAY8).unwrap();
        orientation.turn(&stored, &mut image.pixels_mut());
        (size, image.into_bytes())
    }

    #[test]
    fn rows_and_columns_show_what_tiff_says() {
        // The 0th row is the visual top, top, bottom, bottom, left, right, right, left side, the
        // 0th column the left, right, right, left, top, top, bottom, bottom side.
        for (tag, size, pixels) in [
            (1, (3, 2), [1, 2, 3, 4, 5, 6]),
            (2, (3, 2), [3, 2, 1, 6, 5, 4]),
            (3, (3, 2), [6, 5, 4, 3, 2, 1]),
            (4, (3, 2), [4, 5, 6, 1, 2, 3]),
            (5, (2, 3), [1, 4, 2, 5, 3, 6]),
            (6, (2, 3), [4, 1, 5, 2, 6, 3]),
            (7, (2, 3), [6, 3, 5, 2, 4, 1]),
            (8, (2, 3), [3, 6, 2, 5, 1, 4]),
        ] {
            assert_eq!(
                shown(tag),
                (Size::from(size), pixels.to_vec()),
                "orientation {tag}"
            );
        }
    }

    #[test]
    fn a_part_is_found_where_it_is_stored() {
        for tag in 1..=8 {
            let orientation = Orientation::from_tag(tag);
            let stored = Size::new(30, 20);
            let whole = Rect::new((0, 0), orientation.shown_size(stored));
            assert_eq!(
                orientation.stored_rect(whole, stored),
                Rect::new((0, 0), stored)
            );
        }
        let turned = Orientation::from_tag(6);
        let part = Rect::new((2, 5), (4, 7));
        // Shown column x is stored row 19 - x; shown row y is stored column y.
        assert_eq!(
            turned.stored_rect(part, Size::new(30, 20)),
            Rect::new((5, 14), (7, 4))
        );
    }
}
