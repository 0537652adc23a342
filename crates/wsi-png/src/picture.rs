//! What is written: pixels with a size and a colour.

use std::fmt;

/// Channels and bits of a pixel, as PNG has them (PNG specification 11.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Color {
    /// Gray of 8 bits.
    Gray8,
    /// Gray of 16 bits, the most significant byte first.
    Gray16,
    /// Red, green and blue of 8 bits.
    Rgb8,
    /// Red, green, blue and alpha of 8 bits, colours not multiplied with alpha.
    Rgba8,
}

impl Color {
    /// Bytes of a pixel.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Gray16 => 2,
            Self::Rgb8 => 3,
            Self::Rgba8 => 4,
        }
    }

    /// Bit depth and colour type of the header.
    pub(crate) const fn header(self) -> [u8; 2] {
        match self {
            Self::Gray8 => [8, 0],
            Self::Gray16 => [16, 0],
            Self::Rgb8 => [8, 2],
            Self::Rgba8 => [8, 6],
        }
    }
}

/// A picture in memory.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    width: u32,
    height: u32,
    color: Color,
    pixels: &'a [u8],
}

impl<'a> Picture<'a> {
    /// A picture of `(width, height)` pixels, row by row without gaps.
    ///
    /// # Errors
    /// If a side is 0 or above 2^31 - 1 (PNG specification 11.2.2), a row takes more than a GiB, or
    /// `pixels` has another length than such a picture.
    pub fn new(
        (width, height): (u32, u32),
        color: Color,
        pixels: &'a [u8],
    ) -> Result<Self, InvalidPicture> {
        const MOST: u32 = (1 << 31) - 1;
        let wanted = (width as usize)
            .checked_mul(height as usize)
            .and_then(|area| area.checked_mul(color.bytes_per_pixel()));
        if width == 0 || height == 0 || width > MOST || height > MOST {
            return Err(InvalidPicture(format!(
                "a PNG of {width} x {height} pixels"
            )));
        }
        // A band holds at least a row, and has to fit a chunk whatever it is compressed to.
        if (width as usize).saturating_mul(color.bytes_per_pixel()) > LONGEST_ROW {
            return Err(InvalidPicture(format!(
                "a PNG whose rows have {width} pixels of {} bytes",
                color.bytes_per_pixel()
            )));
        }
        if wanted != Some(pixels.len()) {
            return Err(InvalidPicture(format!(
                "{} bytes as {width} x {height} pixels of {} bytes",
                pixels.len(),
                color.bytes_per_pixel()
            )));
        }
        Ok(Self {
            width,
            height,
            color,
            pixels,
        })
    }

    pub(crate) const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) const fn color(&self) -> Color {
        self.color
    }

    pub(crate) const fn row_bytes(&self) -> usize {
        self.width as usize * self.color.bytes_per_pixel()
    }

    /// Row `y`.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let bytes = self.row_bytes();
        &self.pixels[y * bytes..(y + 1) * bytes]
    }
}

/// Bytes of the longest row: well below the 2^31 - 1 of a chunk (PNG specification 5.3).
const LONGEST_ROW: usize = 1 << 30;

/// A picture that PNG cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPicture(String);

impl fmt::Display for InvalidPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidPicture {}
