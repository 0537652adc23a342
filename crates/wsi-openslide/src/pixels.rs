//! OpenSlide's words (alpha in the upper byte, colour multiplied with it) to 8-bit RGB and RGBA.

use wsi_core::pixels::{over, straight};
use wsi_core::{Channels, Error, Fill, PixelFormat, PixelsMut, Result, SampleType};

/// Checks that words can be converted to `format`.
pub(crate) fn check(format: PixelFormat) -> Result<()> {
    match (format.channels, format.sample) {
        (Channels::Rgb | Channels::Rgba, SampleType::U8) => Ok(()),
        _ => Err(Error::unsupported(format!(
            "OpenSlide gives 8-bit colour, not {format}"
        ))),
    }
}

/// Writes words, row by row, into `out`.
///
/// RGBA: straight colour; what is wholly transparent takes the fill. RGB: laid over the fill.
pub(crate) fn convert(words: &[u32], out: &mut PixelsMut<'_>, fill: Fill) -> Result<()> {
    let format = out.format();
    check(format)?;
    let fill = fill.pixel(format);
    let width = out.size().width as usize;
    for (y, words) in (0..out.size().height).zip(words.chunks_exact(width.max(1))) {
        let row = out.row_mut(y);
        match fill[..] {
            [r, g, b] => to_rgb(words, row, [r, g, b]),
            [r, g, b, a] => to_rgba(words, row, [r, g, b, a]),
            _ => {}
        }
    }
    Ok(())
}

fn to_rgb(words: &[u32], row: &mut [u8], background: [u8; 3]) {
    let [r, g, b] = background;
    for (&word, out) in words.iter().zip(row.as_chunks_mut::<3>().0) {
        let [alpha, red, green, blue] = word.to_be_bytes();
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

fn to_rgba(words: &[u32], row: &mut [u8], fill: [u8; 4]) {
    for (&word, out) in words.iter().zip(row.as_chunks_mut::<4>().0) {
        let [alpha, red, green, blue] = word.to_be_bytes();
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

#[cfg(test)]
mod tests {
    use super::*;
    use wsi_core::{Image, Size};

    fn converted(words: &[u32], format: PixelFormat, fill: Fill) -> Vec<u8> {
        let size = Size::new(words.len().try_into().unwrap(), 1);
        let mut image = Image::zeroed(size, format).unwrap();
        convert(words, &mut image.pixels_mut(), fill).unwrap();
        image.into_bytes()
    }

    #[test]
    fn opaque_half_and_wholly_transparent() {
        let words = [0xFF01_0203, 0x8040_2010, 0];
        let rgba = converted(&words, PixelFormat::RGBA8, Fill::Default);
        assert_eq!(rgba, [1, 2, 3, 255, 127, 63, 31, 128, 0, 0, 0, 0]);
        let rgb = converted(&words, PixelFormat::RGB8, Fill::Default);
        assert_eq!(rgb, [1, 2, 3, 191, 159, 143, 255, 255, 255]);
        let fill = Fill::Color([7, 8, 9, 10]);
        assert_eq!(converted(&[0], PixelFormat::RGBA8, fill), [7, 8, 9, 10]);
        assert_eq!(converted(&[0], PixelFormat::RGB8, fill), [7, 8, 9]);
    }

    #[test]
    fn other_formats_are_refused() {
        assert!(check(PixelFormat::GRAY8).is_err());
        assert!(check(PixelFormat::RGB16).is_err());
    }
}
