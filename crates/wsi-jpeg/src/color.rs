//! Colour conversion and the layout of pixels, one row at a time.
//!
//! The conversion is JFIF's with 16-bit fractions, as in libjpeg's tables. With `cb` and `cr` less
//! their centre,
//!
//! ```text
//! R = y + ((91881 cr + 32768) >> 16)
//! G = y + ((-22554 cb - 46802 cr + 32768) >> 16)      one sum, one shift
//! B = y + ((116130 cb + 32768) >> 16)
//! ```
//!
//! clamped. The 8-bit path takes whole multiples of 65536 out of the factors, which changes no
//! result and leaves products of 16-bit factors that compilers turn into vector code.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are clamped to the sample range before they are narrowed"
)]

use crate::arch::Kernels;
use crate::error::Error;
use crate::options::{ColorModel, PixelFormat};
use crate::sample::Sample;

/// Order of the samples of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Rgb,
    Bgr,
    Rgba,
    Bgra,
}

/// From components to pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// The first component alone.
    First,
    GrayToRgb(Order),
    YccToRgb(Order),
    RgbToRgb(Order),
    RgbToGray,
    /// Four components side by side.
    Interleave4,
    YcckToCmyk,
    /// Each component to its own plane.
    Planes,
}

impl Conversion {
    /// Chooses the conversion, or says why there is none.
    pub(crate) fn choose(model: ColorModel, format: PixelFormat) -> Result<Self, Error> {
        use PixelFormat as F;
        let order = match format {
            F::Planes8 | F::Planes16 => return Ok(Self::Planes),
            F::Rgb8 | F::Rgb16 => Some(Order::Rgb),
            F::Bgr8 => Some(Order::Bgr),
            F::Rgba8 => Some(Order::Rgba),
            F::Bgra8 => Some(Order::Bgra),
            F::Gray8 | F::Gray16 | F::Cmyk8 | F::Cmyk16 => None,
        };
        let ink = matches!(format, F::Cmyk8 | F::Cmyk16);
        match (model, order) {
            (ColorModel::Gray, Some(order)) => Ok(Self::GrayToRgb(order)),
            (ColorModel::YCbCr, Some(order)) => Ok(Self::YccToRgb(order)),
            (ColorModel::Rgb, Some(order)) => Ok(Self::RgbToRgb(order)),
            (ColorModel::Gray | ColorModel::YCbCr, None) if !ink => Ok(Self::First),
            (ColorModel::Rgb, None) if !ink => Ok(Self::RgbToGray),
            (ColorModel::Cmyk, None) if ink => Ok(Self::Interleave4),
            (ColorModel::Ycck, None) if ink => Ok(Self::YcckToCmyk),
            _ => Err(Error::argument(format!(
                "no conversion from {model:?} to {format:?}"
            ))),
        }
    }

    /// How many components of a picture with `count` take part.
    pub(crate) fn components(self, count: usize) -> usize {
        if self == Self::First { 1 } else { count }
    }
}

/// Writes one row of pixels; the rows of components have the width of the picture.
pub(crate) fn write_row<S: Sample>(
    kernels: Kernels,
    conversion: Conversion,
    bits: u8,
    rows: [&[S]; 4],
    out: &mut [u8],
) {
    let [a, b, c, d] = rows;
    match conversion {
        // Planes are written one by one through here.
        Conversion::First | Conversion::Planes => S::write(a, out),
        Conversion::GrayToRgb(order) => S::interleave_row(kernels, order, [a, a, a], out),
        Conversion::RgbToRgb(order) => S::interleave_row(kernels, order, [a, b, c], out),
        Conversion::YccToRgb(order) => S::ycc_row(kernels, order, [a, b, c], bits, out),
        Conversion::RgbToGray => {
            for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(out.chunks_exact_mut(S::BYTES)) {
                S::write(&[luminance(*a, *b, *c)], out);
            }
        }
        Conversion::Interleave4 => interleave4([a, b, c, d], out),
        Conversion::YcckToCmyk => {
            let pixel = 4 * S::BYTES;
            each_chunk([a, b, c], bits, |at, rgb| {
                let n = rgb[0].len();
                let invert = |sample: &S| S::from_u16(largest(bits).wrapping_sub(sample.to_u16()));
                let inverted = rgb.map(|row| {
                    let mut inverted = [S::default(); CHUNK];
                    for (to, sample) in inverted.iter_mut().zip(row) {
                        *to = invert(sample);
                    }
                    inverted
                });
                let [c, m, y] = &inverted;
                let out = &mut out[at * pixel..(at + n) * pixel];
                interleave4([&c[..n], &m[..n], &y[..n], &d[at..at + n]], out);
            });
        }
    }
}

/// Converts a row from `YCbCr` to pixels.
pub(crate) fn ycc_row<S: Sample>(order: Order, rows: [&[S]; 3], bits: u8, out: &mut [u8]) {
    let pixel = pixel::<S>(order);
    each_chunk(rows, bits, |at, rgb| {
        let out = &mut out[at * pixel..(at + rgb[0].len()) * pixel];
        interleave(order, rgb, out);
    });
}

/// Converts a row from `YCbCr`, chunk by chunk; `take` gets the first pixel of each and its planes.
fn each_chunk<S: Sample>([y, cb, cr]: [&[S]; 3], bits: u8, mut take: impl FnMut(usize, [&[S]; 3])) {
    let mut rgb = [[S::default(); CHUNK]; 3];
    for at in (0..y.len()).step_by(CHUNK) {
        let n = (y.len() - at).min(CHUNK);
        let part = at..at + n;
        let (y, cb, cr) = (&y[part.clone()], &cb[part.clone()], &cr[part]);
        S::convert_ycc(y, cb, cr, bits, &mut rgb);
        take(at, [&rgb[0][..n], &rgb[1][..n], &rgb[2][..n]]);
    }
}

/// Pixels converted at a time: small enough for the stack and the first cache.
const CHUNK: usize = 128;

/// Three planes of a few pixels.
pub(crate) type Chunk<S> = [[S; CHUNK]; 3];

/// The largest sample of so many bits.
fn largest(bits: u8) -> u16 {
    u16::MAX >> (16 - u32::from(bits))
}

/// Bytes per pixel.
pub(crate) fn pixel<S: Sample>(order: Order) -> usize {
    match order {
        Order::Rgb | Order::Bgr => 3 * S::BYTES,
        Order::Rgba | Order::Bgra => 4 * S::BYTES,
    }
}

/// The 8-bit conversion. Rows are of one length, at most that of a chunk.
pub(crate) fn ycc_8_bit(y: &[u8], cb: &[u8], cr: &[u8], rgb: &mut Chunk<u8>) {
    let [red, green, blue] = rgb;
    let target = red.iter_mut().zip(green).zip(blue);
    for (((y, cb), cr), ((red, green), blue)) in y.iter().zip(cb).zip(cr).zip(target) {
        let y = i16::from(*y);
        let (cb, cr) = (i16::from(*cb) - 128, i16::from(*cr) - 128);
        let product = |a: i16, factor: i16| i32::from(a) * i32::from(factor);
        let shift = |sum: i32| ((sum + 32768) >> 16) as i16;
        // The same of one product, of whose upper halves alone compilers make shorter code.
        let rounded = |a: i16, factor: i16| (((product(2 * a, factor) >> 16) as i16) + 1) >> 1;
        let limit = |value: i16| value.clamp(0, 255) as u8;
        *red = limit(y + cr + rounded(cr, 26345));
        *green = limit(y - cr + shift(product(cb, -22554) + product(cr, 18734)));
        *blue = limit(y + 2 * cb + rounded(cb, -14942));
    }
}

/// The conversion of wider samples.
pub(crate) fn ycc_wide(y: &[u16], cb: &[u16], cr: &[u16], bits: u8, rgb: &mut Chunk<u16>) {
    let [red, green, blue] = rgb;
    let target = red.iter_mut().zip(green).zip(blue);
    let (center, largest) = (1_i64 << (bits - 1), i64::from(largest(bits)));
    for (((y, cb), cr), ((red, green), blue)) in y.iter().zip(cb).zip(cr).zip(target) {
        let (y, cb, cr) = (
            i64::from(*y),
            i64::from(*cb) - center,
            i64::from(*cr) - center,
        );
        let limit = |sum: i64| (y + ((sum + 32768) >> 16)).clamp(0, largest) as u16;
        *red = limit(91881 * cr);
        *green = limit(-22554 * cb - 46802 * cr);
        *blue = limit(116_130 * cb);
    }
}

/// `0.299 R + 0.587 G + 0.114 B` with libjpeg's 16-bit fractions.
fn luminance<S: Sample>(r: S, g: S, b: S) -> S {
    let sum = 19595 * u64::from(r.to_u16())
        + 38470 * u64::from(g.to_u16())
        + 7471 * u64::from(b.to_u16());
    S::from_u16(((sum + 32768) >> 16) as u16)
}

/// Three rows to pixels.
pub(crate) fn interleave<S: Sample>(order: Order, [r, g, b]: [&[S]; 3], out: &mut [u8]) {
    match order {
        Order::Rgb => S::interleave3([r, g, b], out),
        Order::Bgr => S::interleave3([b, g, r], out),
        Order::Rgba => S::interleave_opaque([r, g, b], out),
        Order::Bgra => S::interleave_opaque([b, g, r], out),
    }
}

fn interleave4<S: Sample>([a, b, c, d]: [&[S]; 4], out: &mut [u8]) {
    let pixels = out.chunks_exact_mut(4 * S::BYTES);
    for ((((a, b), c), d), out) in a.iter().zip(b).zip(c).zip(d).zip(pixels) {
        S::write(&[*a, *b, *c, *d], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrow_conversion_equals_the_wide_formula_for_every_input() {
        let all: Vec<u8> = (0..=255).collect();
        for cb in 0..=255_u8 {
            for y in [0, 1, 77, 128, 200, 254, 255] {
                for cr in all.chunks(CHUNK) {
                    let (ys, cbs) = ([y; CHUNK], [cb; CHUNK]);
                    let mut rgb = [[0; CHUNK]; 3];
                    ycc_8_bit(&ys, &cbs, cr, &mut rgb);
                    let wide = |row: &[u8]| row.iter().map(|&v| u16::from(v)).collect::<Vec<_>>();
                    let mut expected = [[0; CHUNK]; 3];
                    ycc_wide(&wide(&ys), &wide(&cbs), &wide(cr), 8, &mut expected);
                    assert_eq!(rgb.map(|row| row.map(u16::from)), expected);
                }
            }
        }
    }
}
