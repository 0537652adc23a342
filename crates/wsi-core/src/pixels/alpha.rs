//! Colour that is multiplied with its alpha, as OpenSlide returns it, to straight colour.

use super::{Channels, Fill, PixelFormat, SampleType};
use crate::error::{Error, Result};

/// Writes rows of pixels whose colour is multiplied with alpha as 8-bit RGB or RGBA.
///
/// RGBA: straight colour ([`straight`]); what is wholly transparent takes the fill. RGB: laid over
/// the fill ([`over`]).
///
/// ```
/// # use wsi_core::pixels::FromPremultiplied;
/// # use wsi_core::{Fill, PixelFormat};
/// let writer = FromPremultiplied::new(PixelFormat::RGB8, Fill::Color([200, 0, 0, 255]))?;
/// let mut row = [0; 6];
/// writer.write([[1, 2, 3, 255], [0, 0, 0, 0]].into_iter(), &mut row);
/// assert_eq!(row, [1, 2, 3, 200, 0, 0]);
/// # Ok::<(), wsi_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FromPremultiplied(Target);

#[derive(Clone, Copy, Debug)]
enum Target {
    Rgb([u8; 3]),
    Rgba([u8; 4]),
}

impl FromPremultiplied {
    /// Writes pixels of `format`, with `fill` where, or behind where, there is no colour.
    ///
    /// # Errors
    /// `Unsupported` if `format` is not RGB or RGBA of 8 bits.
    pub fn new(format: PixelFormat, fill: Fill) -> Result<Self> {
        let pixel = fill.pixel(format);
        let target = match (format.channels, format.sample, pixel.as_slice()) {
            (Channels::Rgb, SampleType::U8, &[r, g, b]) => Target::Rgb([r, g, b]),
            (Channels::Rgba, SampleType::U8, &[r, g, b, a]) => Target::Rgba([r, g, b, a]),
            _ => return Err(Error::unsupported(format!("{format} from 8-bit colour"))),
        };
        Ok(Self(target))
    }

    /// Writes a row of pixels, each red, green, blue and alpha: as many as `out` has room for.
    pub fn write(self, pixels: impl Iterator<Item = [u8; 4]>, out: &mut [u8]) {
        match self.0 {
            Target::Rgb([r, g, b]) => {
                for ([red, green, blue, alpha], out) in pixels.zip(out.as_chunks_mut::<3>().0) {
                    *out = match alpha {
                        255 => [red, green, blue],
                        _ => [
                            over(red, alpha, r),
                            over(green, alpha, g),
                            over(blue, alpha, b),
                        ],
                    };
                }
            }
            Target::Rgba(fill) => {
                for ([red, green, blue, alpha], out) in pixels.zip(out.as_chunks_mut::<4>().0) {
                    *out = match alpha {
                        255 => [red, green, blue, 255],
                        0 => fill,
                        _ => [
                            straight(red, alpha),
                            straight(green, alpha),
                            straight(blue, alpha),
                            alpha,
                        ],
                    };
                }
            }
        }
    }
}

/// A sample without the alpha that it was multiplied with: `255 * sample / alpha` rounded down, at
/// most 255, and 0 where alpha is 0 (openslide-python, `_convert.c`).
///
/// ```
/// # use wsi_core::pixels::straight;
/// assert_eq!(straight(50, 100), 127);
/// assert_eq!(straight(50, 255), 50);
/// assert_eq!(straight(0, 0), 0);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most 255")]
pub const fn straight(sample: u8, alpha: u8) -> u8 {
    match (sample as u32 * 255).checked_div(alpha as u32) {
        Some(value) if value > 255 => 255,
        Some(value) => value as u8,
        None => 0,
    }
}

/// A sample that was multiplied with its alpha, laid over a background:
/// `sample + background * (255 - alpha) / 255`, the product rounded to the nearest, at most 255.
///
/// ```
/// # use wsi_core::pixels::over;
/// assert_eq!(over(50, 255, 200), 50);
/// assert_eq!(over(50, 128, 255), 177);
/// assert_eq!(over(0, 0, 200), 200);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most 255")]
pub const fn over(sample: u8, alpha: u8, background: u8) -> u8 {
    let behind = (background as u32 * (255 - alpha as u32) + 127) / 255;
    sample.saturating_add(behind as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pixels: &[[u8; 4]], format: PixelFormat, fill: Fill) -> Vec<u8> {
        let mut row = vec![0; pixels.len() * format.bytes_per_pixel()];
        let writer = FromPremultiplied::new(format, fill).unwrap();
        writer.write(pixels.iter().copied(), &mut row);
        row
    }

    #[test]
    fn opaque_half_and_wholly_transparent() {
        let pixels = [[1, 2, 3, 255], [64, 32, 16, 128], [0; 4]];
        let rgba = written(&pixels, PixelFormat::RGBA8, Fill::Default);
        assert_eq!(rgba, [1, 2, 3, 255, 127, 63, 31, 128, 0, 0, 0, 0]);
        let rgb = written(&pixels, PixelFormat::RGB8, Fill::Default);
        assert_eq!(rgb, [1, 2, 3, 191, 159, 143, 255, 255, 255]);
        let fill = Fill::Color([7, 8, 9, 10]);
        assert_eq!(written(&[[0; 4]], PixelFormat::RGBA8, fill), [7, 8, 9, 10]);
        assert_eq!(written(&[[0; 4]], PixelFormat::RGB8, fill), [7, 8, 9]);
    }

    #[test]
    fn other_formats_are_refused() {
        assert!(FromPremultiplied::new(PixelFormat::GRAY8, Fill::Default).is_err());
        assert!(FromPremultiplied::new(PixelFormat::RGB16, Fill::Default).is_err());
    }
}
