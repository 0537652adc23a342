//! Bytes of a stored tile or strip to samples.
//!
//! A [`ChunkCodec`] is made once for a page and knows all that its chunks have in common. Formats
//! that hold bytes ([`bytes`]) give packed rows, which [`samples`] turns into samples; formats that
//! hold pictures ([`webp`], [`ycbcr`]) give rows of pixels themselves. Where a chunk lies, which
//! part of it is wanted, and what happens when it is missing, is the business of others.
//!
//! Most codecs decode a chunk whole, one at a time. JPEG alone decodes several together and parts
//! for less than the whole: [`ChunkCodec::jpeg`].

mod bytes;
mod ccitt;
mod deflate;
mod jpeg;
mod lzw;
mod packbits;
mod predictor;
mod samples;
mod unpack;
mod webp;
mod ycbcr;

use wsi_core::{
    Channels, Damage, Error, PixelFormat, PixelsMut, Rect, Result, Runs, SampleType, Size,
};

use crate::tiff::{Storage, compression};
use bytes::Compression;
pub(crate) use jpeg::{Jpeg, Part, RowIndex, TakeRows, Target};
use samples::Samples;
use ycbcr::Subsampled;

/// Decodes the chunks of one page.
#[derive(Debug)]
pub(crate) struct ChunkCodec {
    method: Method,
    reversed_bits: bool,
    format: PixelFormat,
    planar: bool,
}

#[derive(Debug)]
enum Method {
    Rows(Compression, Samples),
    Subsampled(Compression, Box<Subsampled>),
    Webp,
    Jpeg(Box<Jpeg>),
}

impl Method {
    /// Whether chunks are streams of bytes with an order of their own, which tag 266 leaves alone.
    const fn is_a_picture(&self) -> bool {
        matches!(self, Self::Webp | Self::Jpeg(_))
    }
}

/// Buffers and tables that decoding needs, kept between chunks so that nothing is allocated for
/// each. One for every thread.
#[derive(Default)]
pub(crate) struct Scratch {
    states: bytes::States,
    /// Compressed bytes with their bits the other way round.
    reversed: Vec<u8>,
    /// A decompressed chunk.
    packed: Vec<u8>,
    /// A row of samples.
    row: Vec<u8>,
    /// What the floating point predictor works in.
    temporary: Vec<u8>,
    /// One sample of every pixel.
    plane: Vec<u8>,
    jpeg: jpeg::Scratch,
}

impl Scratch {
    /// What [`Jpeg::decode`] needs.
    pub(crate) const fn jpeg(&mut self) -> &mut jpeg::Scratch {
        &mut self.jpeg
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl ChunkCodec {
    /// Prepares to decode the chunks of a page.
    ///
    /// # Errors
    /// `Unsupported`, naming what is missing; `Corrupt` if the tags contradict each other.
    pub(crate) fn new(storage: &Storage, damage: Damage) -> Result<Self> {
        let bytes = Compression::new(storage);
        let method = match storage.compression {
            compression::WEBP => {
                webp::check(storage)?;
                Method::Webp
            }
            compression::JPEG => Method::Jpeg(Box::new(Jpeg::new(storage, damage)?)),
            _ if storage.is_read_as_rgb() => {
                Method::Subsampled(bytes?, Box::new(Subsampled::new(storage)?))
            }
            _ => Method::Rows(bytes?, Samples::new(storage)?),
        };
        Ok(Self {
            method,
            reversed_bits: storage.reversed_bits,
            format: storage.pixel_format(),
            planar: storage.planar,
        })
    }

    /// The decoder of chunks that hold all samples of their pixels as a JPEG picture.
    pub(crate) fn jpeg(&self) -> Option<&Jpeg> {
        match &self.method {
            Method::Jpeg(jpeg) if !self.planar => Some(jpeg),
            _ => None,
        }
    }

    /// Decodes the part `crop` of a chunk of `chunk` pixels (a tile with its padding, or a strip
    /// with the rows that it has) into `out`, which is as large as `crop`, in the page's own format.
    ///
    /// # Errors
    /// `Corrupt` if the chunk is damaged or ends early; `Unsupported` for what only its data shows;
    /// `InvalidArgument` if the page is planar or `crop` and `out` do not fit.
    pub(crate) fn decode(
        &self,
        stored: &[u8],
        chunk: Size,
        crop: Rect,
        out: &mut PixelsMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if self.planar || out.format() != self.format {
            return Err(Error::invalid(format!(
                "pixels of {} from a page of {}",
                out.format(),
                self.format
            )));
        }
        self.decode_pixels(stored, chunk, crop, out, scratch)
    }

    /// Whether [`first_samples`](Self::first_samples) may give any.
    pub(crate) fn gives_first_samples(&self) -> bool {
        let is_plain = self.format.sample == SampleType::U8 && !self.planar && !self.reversed_bits;
        match &self.method {
            Method::Rows(compression, samples) => {
                is_plain && samples.are_as_stored() && compression.gives_runs()
            }
            _ => false,
        }
    }

    /// The first sample of every pixel of a chunk, if these are bytes that can be had at less cost than
    /// all pixels.
    pub(crate) fn first_samples(
        &self,
        stored: &[u8],
        chunk: Size,
        scratch: &mut Scratch,
    ) -> Option<Runs> {
        match &self.method {
            Method::Rows(compression, _) if self.gives_first_samples() => {
                let step = self.format.bytes_per_pixel();
                compression.runs_of_every(stored, step, chunk, &mut scratch.states)
            }
            _ => None,
        }
    }

    /// Decodes the part `crop` of a chunk that holds sample `sample` of every pixel, into that
    /// sample of `out`.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode); `InvalidArgument` if the page is not planar.
    pub(crate) fn decode_plane(
        &self,
        stored: &[u8],
        sample: u16,
        (chunk, crop): (Size, Rect),
        out: &mut PixelsMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if !self.planar || out.format() != self.format || sample >= self.format.channels.count() {
            return Err(Error::invalid(format!(
                "sample {sample} of {} from a page of {}",
                out.format(),
                self.format
            )));
        }
        let format = PixelFormat::new(Channels::Gray, self.format.sample);
        let bytes = format.bytes_per_pixel();
        let mut plane = std::mem::take(&mut scratch.plane);
        let length = usize::try_from(crop.size.area())
            .ok()
            .and_then(|area| area.checked_mul(bytes))
            .ok_or_else(|| too_large(chunk))?;
        plane.resize(length, 0);
        let mut pixels = PixelsMut::packed(&mut plane, crop.size, format)?;
        let result = self.decode_pixels(stored, chunk, crop, &mut pixels, scratch);
        if result.is_ok() && out.size() == crop.size && length > 0 {
            let pixel = self.format.bytes_per_pixel();
            let first = usize::from(sample) * bytes;
            let rows = plane.chunks_exact(crop.size.width as usize * bytes);
            for (y, row) in (0..crop.size.height).zip(rows) {
                let targets = out.row_mut(y).chunks_exact_mut(pixel);
                for (target, sample) in targets.zip(row.chunks_exact(bytes)) {
                    target[first..first + bytes].copy_from_slice(sample);
                }
            }
        }
        scratch.plane = plane;
        result
    }

    fn decode_pixels(
        &self,
        stored: &[u8],
        chunk: Size,
        crop: Rect,
        out: &mut PixelsMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if crop.is_empty() {
            return Ok(());
        }
        if out.size() != crop.size || !Rect::new((0, 0), chunk).contains(crop) {
            return Err(Error::invalid(format!(
                "{} pixels for {crop:?} of a tile of {chunk} pixels",
                out.size()
            )));
        }
        let mut reversed = std::mem::take(&mut scratch.reversed);
        let stored = match self.reversed_bits && !self.method.is_a_picture() {
            true => {
                reversed.clear();
                reversed.extend(stored.iter().map(|byte| byte.reverse_bits()));
                &reversed
            }
            false => stored,
        };
        let result = match &self.method {
            Method::Rows(compression, samples) => {
                decode_rows(*compression, samples, stored, chunk, crop, out, scratch)
            }
            Method::Subsampled(compression, colour) => {
                colour.decode(*compression, stored, chunk, crop, out, scratch)
            }
            Method::Webp => webp::decode(stored, chunk, crop, out, &mut scratch.packed),
            Method::Jpeg(jpeg) => {
                let part = Part {
                    stored,
                    chunk,
                    crop,
                    out: Target::Pixels(out.part_mut(Rect::new((0, 0), crop.size))),
                    to_its_end: true,
                    index: None,
                };
                let mut result = Ok(());
                jpeg.decode(vec![part], &mut scratch.jpeg, |_, ended| result = ended);
                result
            }
        };
        scratch.reversed = reversed;
        result
    }
}

/// Decodes a chunk of packed rows.
fn decode_rows(
    compression: Compression,
    samples: &Samples,
    stored: &[u8],
    chunk: Size,
    crop: Rect,
    out: &mut PixelsMut<'_>,
    scratch: &mut Scratch,
) -> Result<()> {
    let row_bytes = samples
        .packed_bytes(chunk.width)
        .ok_or_else(|| too_large(chunk))?;
    let total = row_bytes
        .checked_mul(chunk.height as usize)
        .ok_or_else(|| too_large(chunk))?;

    // Everything is wanted, side by side and as wide as it is packed: decode it where it belongs.
    if crop.size == chunk
        && samples.finish_in_place()
        && let Some(pixels) = out.packed_mut()
        && pixels.len() == total
    {
        compression.decompress(stored, pixels, chunk, &mut scratch.states)?;
        if !samples.are_as_stored() {
            pixels
                .chunks_exact_mut(row_bytes)
                .for_each(|row| samples.finish(row));
        }
        return Ok(());
    }

    let packed = match compression {
        Compression::None => stored
            .get(..total)
            .ok_or_else(|| ends_early("uncompressed", stored.len(), total))?,
        _ => {
            wsi_pages::make_room(&mut scratch.packed, total);
            compression.decompress(stored, &mut scratch.packed, chunk, &mut scratch.states)?;
            &scratch.packed
        }
    };
    let pixel = samples.pixel_bytes();
    let (left, top) = (position(crop.origin.x), position(crop.origin.y));
    let wanted = left * pixel..(left + crop.size.width as usize) * pixel;
    let rows = packed.chunks_exact(row_bytes).skip(top);
    for (y, row) in (0..crop.size.height).zip(rows) {
        let target = out.row_mut(y);
        if samples.are_as_stored() {
            target.copy_from_slice(&row[wanted.clone()]);
        } else if crop.size.width == chunk.width {
            samples.expand(row, target, &mut scratch.temporary);
        } else {
            scratch.row.resize(chunk.width as usize * pixel, 0);
            samples.expand(row, &mut scratch.row, &mut scratch.temporary);
            target.copy_from_slice(&scratch.row[wanted.clone()]);
        }
    }
    Ok(())
}

/// A coordinate that lies in a chunk.
fn position(coordinate: i64) -> usize {
    usize::try_from(coordinate).unwrap_or(0)
}

fn too_large(chunk: Size) -> Error {
    Error::limit(format!("a tile or strip of {chunk} pixels"))
}

/// The error of data that ends before all of a chunk is there.
#[cold]
fn ends_early(what: &str, got: usize, wanted: usize) -> Error {
    Error::corrupt(format!(
        "{what} data ends after {} of {} bytes",
        grouped(got),
        grouped(wanted)
    ))
}

/// A number with a comma before each three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use proptest::prelude::*;
    use wsi_core::Image;

    use super::*;
    use crate::tiff::{ByteOrder, SampleFormat, photometric};

    fn storage(bits: u16, samples: u16, planar: bool, predictor: u16) -> Storage {
        Storage {
            byte_order: ByteOrder::Big,
            compression: compression::NONE,
            photometric: photometric::RGB,
            bits_per_sample: bits,
            sample_format: SampleFormat::Unsigned,
            samples_per_pixel: samples,
            planar,
            predictor,
            reversed_bits: false,
            extra_samples: Vec::new(),
            color_map: None,
            jpeg_tables: None,
            t4_options: 0,
            ycbcr_subsampling: (1, 1),
            ycbcr_coefficients: [0.299, 0.587, 0.114],
            reference_black_white: [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
        }
    }

    fn noise(length: u64) -> Vec<u8> {
        let next = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        };
        std::iter::repeat_n((), length as usize)
            .scan(1, |state, ()| next(state))
            .collect()
    }

    /// A part of a chunk, decoded into the middle of a larger picture.
    fn decoded(storage: &Storage, stored: &[u8], chunk: Size, crop: Rect) -> Image {
        let codec = ChunkCodec::new(storage, Damage::Refuse).unwrap();
        let mut scratch = Scratch::default();
        let outer = Size::new(crop.size.width + 3, crop.size.height + 2);
        let mut image = Image::zeroed(outer, storage.pixel_format()).unwrap();
        let mut pixels = image.pixels_mut();
        let mut out = pixels.part_mut(Rect::new((1, 2), crop.size));
        if storage.planar {
            for sample in 0..storage.samples_per_pixel {
                let place = (chunk, crop);
                codec
                    .decode_plane(stored, sample, place, &mut out, &mut scratch)
                    .unwrap();
            }
        } else {
            codec
                .decode(stored, chunk, crop, &mut out, &mut scratch)
                .unwrap();
        }
        let pixel = storage.pixel_format().bytes_per_pixel();
        let rows = (0..crop.size.height).flat_map(|y| {
            let row = image.row(y + 2);
            row[pixel..pixel * (1 + crop.size.width as usize)].to_vec()
        });
        Image::from_bytes(crop.size, storage.pixel_format(), rows.collect()).unwrap()
    }

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut page = storage(8, 3, false, 1);
        page.compression = compression::LERC;
        let error = ChunkCodec::new(&page, Damage::Refuse).unwrap_err();
        assert_eq!(error.message(), "compression 34887 (LERC)");
        assert_eq!(error.kind(), wsi_core::ErrorKind::Unsupported);
        let error = ChunkCodec::new(&storage(8, 3, false, 9), Damage::Refuse).unwrap_err();
        assert_eq!(error.message(), "predictor 9");
    }

    #[test]
    fn calls_that_do_not_fit_are_refused() {
        let page = storage(8, 3, false, 1);
        let codec = ChunkCodec::new(&page, Damage::Refuse).unwrap();
        let mut image = Image::zeroed(Size::new(2, 2), page.pixel_format()).unwrap();
        let chunk = Size::new(2, 3);
        let mut decode = |crop: Rect| {
            let mut out = image.pixels_mut();
            codec.decode(&[0; 18], chunk, crop, &mut out, &mut Scratch::default())
        };
        assert!(decode(Rect::new((0, 1), (2, 2))).is_ok());
        assert!(decode(Rect::new((0, 2), (2, 2))).is_err());
        assert!(decode(Rect::new((0, 0), (2, 3))).is_err());
        assert!(decode(Rect::new((-1, 0), (2, 2))).is_err());
    }

    proptest! {
        #[test]
        fn any_part_is_that_part_of_the_whole(
            bits in 1..=64_u16,
            samples in 1..5_u16,
            predictor in 1..3_u16,
            (width, height) in (1..20_u32, 1..9_u32),
            (x, y) in (0.0..1.0_f64, 0.0..1.0_f64),
            (right, bottom) in (0.0..1.0_f64, 0.0..1.0_f64),
        ) {
            let page = storage(bits, samples, false, predictor);
            let chunk = Size::new(width, height);
            let stored = noise(page.row_bytes(width) * u64::from(height));
            let whole = decoded(&page, &stored, chunk, Rect::new((0, 0), chunk));
            let span = |length: u32, start: f64, end: f64| {
                let start = (f64::from(length) * start) as i64;
                let rest = i64::from(length) - start;
                (start, 1 + (end * (rest - 1) as f64) as u32)
            };
            let ((x, wide), (y, high)) = (span(width, x, right), span(height, y, bottom));
            let part = decoded(&page, &stored, chunk, Rect::new((x, y), (wide, high)));
            let pixel = page.pixel_format().bytes_per_pixel();
            for row in 0..high {
                let start = x as usize * pixel;
                let expected = &whole.row(row + y as u32)[start..start + wide as usize * pixel];
                prop_assert_eq!(part.row(row), expected);
            }
        }

        #[test]
        fn planes_go_to_their_samples(bits in 1..=32_u16, width in 1..20_u32) {
            let page = storage(bits, 3, true, 1);
            let single = storage(bits, 1, false, 1);
            let chunk = Size::new(width, 4);
            let whole = Rect::new((0, 0), chunk);
            let stored = noise(page.row_bytes(width) * 4);
            let plane = decoded(&single, &stored, chunk, whole);
            let bytes = plane.format().bytes_per_pixel();
            let expected = plane.as_bytes().chunks(bytes).flat_map(|sample| sample.repeat(3));
            let image = decoded(&page, &stored, chunk, whole);
            prop_assert_eq!(image.as_bytes(), expected.collect::<Vec<_>>());
        }
    }
}
