//! From the samples of a page to 8-bit gray, RGB and RGBA: the integer formulas of libtiff's RGBA
//! reader, which OpenSlide shows (libtiff 4.7 `tif_getimage.c`, `tif_color.c`).
//!
//! What differs from there on purpose: alpha is straight, not multiplied in. Colour that the file
//! stores multiplied is divided by its alpha as openslide-python does; colour that is not, is kept,
//! where it lies under alpha 0 too.

use std::fmt;

use wsi_core::{Channels, Error, PixelFormat, Result, SampleType};

use crate::tiff::{Storage, photometric};

/// Converts rows of a page from its own format to 8-bit gray, RGB or RGBA.
///
/// | page | becomes |
/// |---|---|
/// | gray of up to 8 bits | `v * 255 / max`, integer division; `max - v` where white is 0 |
/// | gray of 16 bits | the high byte |
/// | RGB of 16 bits, and alpha | `(v + 128) / 257` |
/// | palette | the high byte of the entry, or the entry where none exceeds 255 |
/// | CMYK of 8 bits | `(255 - K) * (255 - C) / 255` and so on |
/// | YCbCr of 8 bits | [`YcbcrToRgb`] |
/// | associated alpha | colour `255 * c / a`, at most 255; 0 where alpha is 0 |
///
/// RGB is the colour of RGBA: nothing is laid over a background. Alpha is 255 where there is none.
/// Signed samples of 8 and 16 bits are taken for unsigned ones, as libtiff takes them.
#[derive(Debug)]
pub(crate) struct Conversion {
    colour: Colour,
    /// Bytes of a pixel of the page.
    pixel_bytes: usize,
    alpha: Option<Alpha>,
    target: Target,
}

#[derive(Debug)]
enum Colour {
    Identity,
    Gray8(Box<[u8; 256]>),
    Gray16 { inverted: bool },
    Palette8(Box<[[u8; 3]]>),
    Palette16(Box<[[u8; 3]]>),
    Rgb8,
    Rgb8Scaled(Box<[u8; 256]>),
    Rgb16,
    Cmyk8,
    Ycbcr8(Box<YcbcrToRgb>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Alpha {
    /// The first byte of the alpha sample in a pixel.
    byte: usize,
    wide: bool,
    /// The largest value.
    max: u16,
    /// What colour needs, as it is stored, to be straight or multiplied with alpha.
    colour: AlphaColour,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum AlphaColour {
    Keep,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Gray,
    Rgb,
    Rgba,
}

impl Conversion {
    /// The conversion of pages stored as `storage` says to `to`; none at all if that is their format.
    ///
    /// # Errors
    /// `Unsupported` if there is no such conversion.
    pub(crate) fn new(storage: &Storage, to: PixelFormat) -> Result<Self> {
        let from = storage.pixel_format();
        let pixel_bytes = from.bytes_per_pixel();
        let none = || Error::unsupported(format!("{to} from {}", describe(storage, from)));
        let target = match to {
            PixelFormat::GRAY8 => Target::Gray,
            PixelFormat::RGB8 => Target::Rgb,
            PixelFormat::RGBA8 => Target::Rgba,
            _ => Target::Gray,
        };
        if from == to {
            return Ok(Self {
                colour: Colour::Identity,
                pixel_bytes,
                alpha: None,
                target,
            });
        }
        if !matches!(
            to,
            PixelFormat::GRAY8 | PixelFormat::RGB8 | PixelFormat::RGBA8
        ) {
            return Err(none());
        }
        let colour = Colour::new(storage, from).ok_or_else(none)?;
        let is_gray = matches!(colour, Colour::Gray8(_) | Colour::Gray16 { .. });
        if target == Target::Gray && (!is_gray || storage.samples_per_pixel > 2) {
            return Err(none());
        }
        Ok(Self {
            alpha: alpha(storage, from, is_gray),
            colour,
            pixel_bytes,
            target,
        })
    }

    /// The conversion to RGBA whose colour is multiplied with alpha, as OpenSlide blends it.
    ///
    /// # Errors
    /// `Unsupported` if there is no such conversion.
    pub(crate) fn premultiplied(storage: &Storage) -> Result<Self> {
        let from = storage.pixel_format();
        let colour = Colour::new(storage, from).ok_or_else(|| {
            Error::unsupported(format!("colour from {}", describe(storage, from)))
        })?;
        let is_gray = matches!(colour, Colour::Gray8(_) | Colour::Gray16 { .. });
        let alpha = alpha(storage, from, is_gray).map(|alpha| Alpha {
            colour: match alpha.colour {
                AlphaColour::Divide => AlphaColour::Keep,
                // libtiff takes gray as stored whatever its alpha.
                AlphaColour::Keep if is_gray => AlphaColour::Keep,
                _ => AlphaColour::Multiply,
            },
            ..alpha
        });
        Ok(Self {
            alpha,
            colour,
            pixel_bytes: from.bytes_per_pixel(),
            target: Target::Rgba,
        })
    }

    /// Converts a row of pixels of the page: as many as `out` has room for.
    pub(crate) fn convert_row(&self, native: &[u8], out: &mut [u8]) {
        let gray = |gray: u8| [gray; 3];
        match &self.colour {
            Colour::Identity => {
                let length = native.len().min(out.len());
                out[..length].copy_from_slice(&native[..length]);
            }
            Colour::Rgb8 if self.pixel_bytes == 3 && self.target == Target::Rgba => {
                let pixels = out.as_chunks_mut::<4>().0.iter_mut();
                for (pixel, &[red, green, blue]) in pixels.zip(native.as_chunks::<3>().0) {
                    *pixel = [red, green, blue, 255];
                }
            }
            Colour::Gray8(scale) => {
                self.pixels(native, out, |v: [u8; 1]| gray(scale[usize::from(v[0])]));
            }
            Colour::Gray16 { inverted: false } => self.pixels(native, out, |v| gray(high(v))),
            Colour::Gray16 { inverted: true } => self.pixels(native, out, |v| gray(!high(v))),
            Colour::Palette8(map) => self.pixels(native, out, |[v]| entry(map, v.into())),
            Colour::Palette16(map) => {
                self.pixels(native, out, |v| entry(map, u16::from_ne_bytes(v)));
            }
            Colour::Rgb8 => self.pixels(native, out, |rgb: [u8; 3]| rgb),
            Colour::Rgb8Scaled(scale) => {
                self.pixels(native, out, |rgb: [u8; 3]| {
                    rgb.map(|v| scale[usize::from(v)])
                });
            }
            Colour::Rgb16 => self.pixels(native, out, |[r0, r1, g0, g1, b0, b1]: [u8; 6]| {
                [[r0, r1], [g0, g1], [b0, b1]].map(|v| narrow(u16::from_ne_bytes(v)))
            }),
            Colour::Cmyk8 => self.pixels(native, out, |[cyan, magenta, yellow, black]: [u8; 4]| {
                [cyan, magenta, yellow].map(|ink| ratio(u16::from(!black), u16::from(!ink), 255))
            }),
            Colour::Ycbcr8(to_rgb) => self.pixels(native, out, |ycc| to_rgb.convert(ycc)),
        }
    }

    /// Converts pixel by pixel, `colour` making RGB of the first `N` bytes of each.
    #[inline(always)]
    fn pixels<const N: usize>(
        &self,
        native: &[u8],
        out: &mut [u8],
        colour: impl Fn([u8; N]) -> [u8; 3],
    ) {
        let pixels = native.chunks_exact(self.pixel_bytes);
        let rgba = pixels.filter_map(|pixel| {
            let rgb = colour(*pixel.first_chunk::<N>()?);
            Some(match self.alpha {
                None => (rgb, 255),
                Some(alpha) => alpha.apply(rgb, pixel),
            })
        });
        match self.target {
            Target::Gray => out
                .iter_mut()
                .zip(rgba)
                .for_each(|(out, ([gray, ..], _))| *out = gray),
            Target::Rgb => {
                let out = out.as_chunks_mut::<3>().0.iter_mut();
                out.zip(rgba).for_each(|(out, (rgb, _))| *out = rgb);
            }
            Target::Rgba => {
                let out = out.as_chunks_mut::<4>().0.iter_mut();
                out.zip(rgba)
                    .for_each(|(out, ([r, g, b], alpha))| *out = [r, g, b, alpha]);
            }
        }
    }
}

impl Colour {
    fn new(storage: &Storage, from: PixelFormat) -> Option<Self> {
        let samples = storage.samples_per_pixel;
        let bits = storage.bits_per_sample;
        let wide = match (from.sample, bits) {
            (SampleType::U8, _) | (SampleType::I8, 8) => false,
            (SampleType::U16 | SampleType::I16, 16) => true,
            (SampleType::U16, _) if storage.photometric == photometric::PALETTE => true,
            _ => return None,
        };
        let max = u8::MAX >> (8 - bits.min(8));
        let scale = || {
            let scale = |v: u8| ratio(u16::from(v.min(max)), 255, u16::from(max));
            Box::new(std::array::from_fn(|v| {
                scale(u8::try_from(v).unwrap_or(u8::MAX))
            }))
        };
        if storage.is_read_as_rgb() {
            return Some(Self::Rgb8);
        }
        Some(match storage.photometric {
            photometric::MIN_IS_WHITE if wide => Self::Gray16 { inverted: true },
            photometric::MIN_IS_WHITE => {
                let mut scale: Box<[u8; 256]> = scale();
                scale.iter_mut().for_each(|v| *v = !*v);
                Self::Gray8(scale)
            }
            photometric::MIN_IS_BLACK if wide => Self::Gray16 { inverted: false },
            photometric::MIN_IS_BLACK | photometric::TRANSPARENCY_MASK if !wide => {
                Self::Gray8(scale())
            }
            photometric::PALETTE => {
                let map = palette(storage.color_map.as_deref()?);
                match wide {
                    true => Self::Palette16(map),
                    false => Self::Palette8(map),
                }
            }
            photometric::RGB if samples < 3 => return None,
            photometric::RGB if wide => Self::Rgb16,
            photometric::RGB if bits == 8 => Self::Rgb8,
            photometric::RGB => Self::Rgb8Scaled(scale()),
            photometric::SEPARATED if samples >= 4 && bits == 8 => Self::Cmyk8,
            photometric::YCBCR if samples >= 3 && bits == 8 => {
                Self::Ycbcr8(Box::new(YcbcrToRgb::new(storage)))
            }
            _ => return None,
        })
    }
}

/// The alpha sample of a page. A fourth sample without a meaning of its own is taken for associated
/// alpha, as libtiff takes it (`TIFFRGBAImageBegin`).
fn alpha(storage: &Storage, from: PixelFormat, is_gray: bool) -> Option<Alpha> {
    let colours = match (storage.photometric, is_gray) {
        (_, true) => 1,
        (photometric::RGB, _) => 3,
        _ => return None,
    };
    if storage.samples_per_pixel <= colours {
        return None;
    }
    let associated = match storage.extra_samples.first() {
        Some(2) => false,
        Some(1) => true,
        Some(0) if storage.samples_per_pixel > 3 => true,
        None if storage.samples_per_pixel == 4 && colours == 3 => true,
        _ => return None,
    };
    let bytes = from.sample.bytes();
    Some(Alpha {
        byte: usize::from(colours) * bytes,
        wide: bytes == 2,
        max: u16::MAX >> (16 - storage.bits_per_sample.min(16)),
        // libtiff takes gray as stored whatever its alpha.
        colour: match associated && !is_gray {
            true => AlphaColour::Divide,
            false => AlphaColour::Keep,
        },
    })
}

impl Alpha {
    #[inline(always)]
    fn apply(self, rgb: [u8; 3], pixel: &[u8]) -> ([u8; 3], u8) {
        let alpha = match (self.wide, pixel.get(self.byte..)) {
            (true, Some(&[first, second, ..])) => narrow(u16::from_ne_bytes([first, second])),
            (false, Some(&[value, ..])) => ratio(value.into(), 255, self.max),
            _ => 255,
        };
        let colour = match (self.colour, alpha) {
            (AlphaColour::Keep, _) | (_, 255) => rgb,
            (_, 0) => [0; 3],
            (AlphaColour::Divide, _) => rgb.map(|c| ratio(c.into(), 255, alpha.into())),
            (AlphaColour::Multiply, _) => rgb.map(|c| multiplied(c, alpha)),
        };
        (colour, alpha)
    }
}

/// `a * b / c` of numbers below 256 in integers, at most 255.
#[inline(always)]
fn ratio(a: u16, b: u16, c: u16) -> u8 {
    u8::try_from(u32::from(a) * u32::from(b) / u32::from(c.max(1))).unwrap_or(u8::MAX)
}

/// Colour times alpha, rounded: libtiff's `UaToAa`.
#[inline(always)]
fn multiplied(colour: u8, alpha: u8) -> u8 {
    u8::try_from((u16::from(colour) * u16::from(alpha) + 127) / 255).unwrap_or(u8::MAX)
}

/// 16 bits to 8, rounded: libtiff's `Bitdepth16To8`.
#[inline(always)]
fn narrow(value: u16) -> u8 {
    u8::try_from((u32::from(value) + 128) / 257).unwrap_or(u8::MAX)
}

/// The high byte of a 16-bit sample.
#[inline(always)]
fn high(bytes: [u8; 2]) -> u8 {
    let [high, _] = u16::from_ne_bytes(bytes).to_be_bytes();
    high
}

/// The colours of a palette. Maps without a value above 255 are those of writers that took the
/// entries for 8-bit ones (libtiff `checkcmap`).
fn palette(map: &[u16]) -> Box<[[u8; 3]]> {
    let count = map.len() / 3;
    let is_8_bit = map.iter().all(|&value| value < 256);
    let value = |index: usize| match map.get(index).copied().unwrap_or(0).to_be_bytes() {
        [_, low] if is_8_bit => low,
        [high, _] => high,
    };
    (0..count)
        .map(|i| [value(i), value(count + i), value(2 * count + i)])
        .collect()
}

fn entry(map: &[[u8; 3]], index: u16) -> [u8; 3] {
    map.get(usize::from(index)).copied().unwrap_or([0; 3])
}

fn describe(storage: &Storage, from: PixelFormat) -> String {
    let photometric = storage.photometric;
    match from.channels {
        Channels::Gray | Channels::Other(_) => format!("{from} (photometric {photometric})"),
        _ => from.to_string(),
    }
}

/// Luma and chroma to RGB in 16-bit fixed point, with the file's own luma coefficients and reference
/// black and white: libtiff's `TIFFYCbCrToRGBInit` and `TIFFYCbCrtoRGB`.
pub(crate) struct YcbcrToRgb {
    luma: [i32; 256],
    red: [i32; 256],
    blue: [i32; 256],
    /// Parts of green, still with their 16 bits of fraction.
    green_of_red: [i32; 256],
    green_of_blue: [i32; 256],
}

impl fmt::Debug for YcbcrToRgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YcbcrToRgb").finish_non_exhaustive()
    }
}

impl YcbcrToRgb {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self::of(storage.ycbcr_coefficients, storage.reference_black_white)
    }

    /// From tags 529 and 532.
    pub(crate) fn of(coefficients: [f32; 3], reference: [f32; 6]) -> Self {
        let [luma_red, luma_green, luma_blue] = coefficients;
        let red = 2.0 - 2.0 * luma_red;
        let blue = 2.0 - 2.0 * luma_blue;
        let red_factor = fixed(red);
        let blue_factor = fixed(blue);
        let green_of_red = -fixed(luma_red * red / luma_green);
        let green_of_blue = -fixed(luma_blue * blue / luma_green);
        let [y_black, y_white, cb_black, cb_white, cr_black, cr_white] = reference;
        let table = |black: f32, white: f32, range: f32, first: i16| -> [i32; 256] {
            std::array::from_fn(|index| {
                let code = i16::try_from(index).unwrap_or(255) + first;
                in_range(code, black, white, range)
            })
        };
        let cb = table(cb_black - 128.0, cb_white - 128.0, 127.0, -128);
        let cr = table(cr_black - 128.0, cr_white - 128.0, 127.0, -128);
        Self {
            luma: table(y_black, y_white, 255.0, 0),
            red: cr.map(|cr| (red_factor * cr + HALF) >> 16),
            blue: cb.map(|cb| (blue_factor * cb + HALF) >> 16),
            green_of_red: cr.map(|cr| green_of_red * cr),
            green_of_blue: cb.map(|cb| green_of_blue * cb + HALF),
        }
    }

    #[inline(always)]
    pub(crate) fn convert(&self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (y, cb, cr) = (usize::from(y), usize::from(cb), usize::from(cr));
        let luma = self.luma[y];
        [
            luma + self.red[cr],
            luma + ((self.green_of_blue[cb] + self.green_of_red[cr]) >> 16),
            luma + self.blue[cb],
        ]
        .map(clamped)
    }
}

const HALF: i32 = 1 << 15;

/// A factor in 0..=2 with 16 bits of fraction, rounded as libtiff rounds it. Not a number is 0.
#[expect(clippy::cast_possible_truncation, reason = "at most 2^17")]
fn fixed(factor: f32) -> i32 {
    let factor = if factor > 2.0 { 2.0 } else { factor.max(0.0) };
    (f64::from(factor * 65536.0) + 0.5) as i32
}

/// A code between reference black and white as a level in 0..=`range`: libtiff's `Code2V`, and the
/// bounds that keep the products in 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn in_range(code: i16, black: f32, white: f32, range: f32) -> i32 {
    let span = white - black;
    let span = if span == 0.0 { 1.0 } else { span };
    let from_black = i64::from(code) - i64::from(black as i32);
    // Black is a 32-bit number, so the difference has at most 33 bits.
    #[expect(clippy::cast_precision_loss, reason = "as libtiff")]
    let level = from_black as f32 * range / span;
    (level as i32).clamp(-128 * 32, 128 * 32)
}

#[inline(always)]
#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
fn clamped(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::tiff::{ByteOrder, SampleFormat};

    fn storage(photometric: u16, bits: u16, samples: u16, extra: &[u16]) -> Storage {
        Storage {
            byte_order: ByteOrder::Little,
            compression: 1,
            photometric,
            bits_per_sample: bits,
            sample_format: SampleFormat::Unsigned,
            samples_per_pixel: samples,
            planar: false,
            predictor: 1,
            reversed_bits: false,
            extra_samples: extra.to_vec(),
            color_map: None,
            jpeg_tables: None,
            t4_options: 0,
            ycbcr_subsampling: (1, 1),
            ycbcr_coefficients: [0.299, 0.587, 0.114],
            reference_black_white: [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
        }
    }

    fn converted(storage: &Storage, to: PixelFormat, native: &[u8]) -> Vec<u8> {
        let pixels = native.len() / storage.pixel_format().bytes_per_pixel();
        let mut out = vec![0; pixels * to.bytes_per_pixel()];
        Conversion::new(storage, to)
            .unwrap()
            .convert_row(native, &mut out);
        out
    }

    #[test]
    fn gray_of_few_bits_is_scaled_and_white_may_be_zero() {
        let two_bits = storage(photometric::MIN_IS_BLACK, 2, 1, &[]);
        let expected = [0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255];
        assert_eq!(
            converted(&two_bits, PixelFormat::RGB8, &[0, 1, 2, 3]),
            expected
        );
        let bilevel = storage(photometric::MIN_IS_WHITE, 1, 1, &[]);
        let expected = [255, 255, 255, 255, 0, 0, 0, 255];
        assert_eq!(converted(&bilevel, PixelFormat::RGBA8, &[0, 1]), expected);
    }

    #[test]
    fn sixteen_bits_become_the_high_byte_or_are_rounded() {
        let words =
            |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_ne_bytes()).collect() };
        let gray = storage(photometric::MIN_IS_BLACK, 16, 1, &[]);
        assert_eq!(
            converted(&gray, PixelFormat::GRAY8, &words(&[0x12FF, 0xFFFF])),
            [0x12, 0xFF]
        );
        let rgb = storage(photometric::RGB, 16, 3, &[]);
        // 128.498 and 128.502 of 257ths.
        let native = words(&[0, 33024, 33025]);
        assert_eq!(converted(&rgb, PixelFormat::RGB8, &native), [0, 128, 129]);
    }

    #[test]
    fn palettes_of_8_and_16_bits_are_told_apart() {
        let mut page = storage(photometric::PALETTE, 1, 1, &[]);
        page.color_map = Some(Arc::from([0, 0x1234, 0, 0xFFFF, 7, 0x80FF]));
        assert_eq!(
            converted(&page, PixelFormat::RGB8, &[1, 0]),
            [0x12, 255, 0x80, 0, 0, 0]
        );
        page.color_map = Some(Arc::from([0, 12, 0, 255, 7, 8]));
        assert_eq!(
            converted(&page, PixelFormat::RGB8, &[1, 0]),
            [12, 255, 8, 0, 0, 7]
        );
    }

    #[test]
    fn inks_are_taken_off_white() {
        let page = storage(photometric::SEPARATED, 8, 4, &[]);
        // Half black: 127 * (255 - 55) / 255 = 99.6.
        assert_eq!(
            converted(&page, PixelFormat::RGB8, &[55, 0, 255, 128]),
            [99, 127, 0]
        );
    }

    #[test]
    fn alpha_is_straight() {
        let native = [100, 50, 200, 100];
        let kept = storage(photometric::RGB, 8, 4, &[2]);
        assert_eq!(converted(&kept, PixelFormat::RGBA8, &native), native);
        assert_eq!(converted(&kept, PixelFormat::RGB8, &native), native[..3]);
        let associated = storage(photometric::RGB, 8, 4, &[1]);
        assert_eq!(
            converted(&associated, PixelFormat::RGB8, &native),
            [255, 127, 255]
        );
        let gray = storage(photometric::MIN_IS_BLACK, 8, 2, &[2]);
        assert_eq!(converted(&gray, PixelFormat::RGBA8, &[9, 3]), [9, 9, 9, 3]);
        let five = storage(photometric::RGB, 8, 5, &[2, 0]);
        assert_eq!(
            converted(&five, PixelFormat::RGBA8, &[1, 2, 3, 4, 5]),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn alpha_can_be_multiplied_in() {
        let native = [100, 50, 200, 100];
        for (extra, expected) in [(2, [39, 20, 78, 100]), (1, native)] {
            let page = storage(photometric::RGB, 8, 4, &[extra]);
            let mut out = [0; 4];
            let conversion = Conversion::premultiplied(&page).unwrap();
            conversion.convert_row(&native, &mut out);
            assert_eq!(out, expected);
        }
        let mut out = [0; 4];
        let gray = storage(photometric::MIN_IS_BLACK, 8, 2, &[2]);
        let conversion = Conversion::premultiplied(&gray).unwrap();
        conversion.convert_row(&[9, 3], &mut out);
        assert_eq!(out, [9, 9, 9, 3]);
    }

    #[test]
    fn what_has_no_conversion_is_refused_by_name() {
        let page = storage(photometric::CIELAB, 8, 3, &[]);
        let error = Conversion::new(&page, PixelFormat::RGB8).unwrap_err();
        assert_eq!(error.message(), "Rgb uint8 from Lab uint8");
        let rgb = storage(photometric::RGB, 8, 3, &[]);
        assert!(Conversion::new(&rgb, PixelFormat::GRAY8).is_err());
        assert!(Conversion::new(&rgb, PixelFormat::RGB16).is_err());
    }

    #[test]
    fn coefficients_from_a_hostile_file_do_not_overflow() {
        for value in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 0.0, -3.0] {
            let to_rgb = YcbcrToRgb::of([value; 3], [value, -value, 3.0, value, value, 4.0]);
            to_rgb.convert([255, 0, 255]);
        }
    }

    proptest! {
        /// ITU-R BT.601 in floating point, as JFIF has it; fixed point is at most one off.
        #[test]
        fn colour_is_that_of_the_formula(ycc in any::<[u8; 3]>()) {
            let page = storage(photometric::YCBCR, 8, 3, &[]);
            let out = converted(&page, PixelFormat::RGB8, &ycc);
            let [y, cb, cr] = ycc.map(f64::from);
            let expected = [
                y + 1.402 * (cr - 128.0),
                y - 0.344_136 * (cb - 128.0) - 0.714_136 * (cr - 128.0),
                y + 1.772 * (cb - 128.0),
            ];
            for (value, expected) in out.iter().zip(expected) {
                prop_assert!((f64::from(*value) - expected.clamp(0.0, 255.0)).abs() <= 1.0);
            }
        }

        #[test]
        fn rgb_is_the_colour_of_rgba(native in any::<[u8; 40]>(), associated in any::<bool>()) {
            let page = storage(photometric::RGB, 16, 5, &[2 - u16::from(associated), 0]);
            let rgb = converted(&page, PixelFormat::RGB8, &native);
            let rgba = converted(&page, PixelFormat::RGBA8, &native);
            let colours: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|v| [v[0], v[1], v[2]]).collect();
            prop_assert_eq!(rgb, colours);
        }
    }
}
