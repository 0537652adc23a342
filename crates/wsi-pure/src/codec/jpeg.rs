//! JPEG (tag 259 = 7): a picture in each chunk, its tables in the chunk or in tag 347.
//!
//! The decoder is `wsi-jpeg`. What TIFF adds: the photometric tag says what the components mean,
//! whatever JFIF or Adobe marks in the stream say; the picture must be as large as the chunk; and a
//! warning is an error of its chunk, as in OpenSlide 4.0.1 (`openslide-decode-jpeg.c`), unless the
//! one who opened the file wants to see damaged chunks.

use std::sync::OnceLock;

use wsi_core::{Damage, Error, PixelsMut, Rect, Result, Size};
use wsi_jpeg::{
    ColorModel, Decoder, Info, Options, Outcome, Picture, PixelFormat, RowsMut, Tables, Window,
};

pub(crate) use wsi_jpeg::RowIndex;

use super::position;
use crate::tiff::{SampleFormat, Storage, photometric};

/// What all chunks of a page have in common.
#[derive(Debug)]
pub(crate) struct Jpeg {
    tables: Option<Tables>,
    color: Option<ColorModel>,
    format: PixelFormat,
    bits: u16,
    components: usize,
    damage: Damage,
    /// Size and headers of a chunk that are known to be as the tags say.
    known: OnceLock<(Size, Box<[u8]>)>,
}

/// One of the chunks that are decoded together.
#[derive(Debug)]
pub(crate) struct Part<'p> {
    pub(crate) stored: &'p [u8],
    /// Its size, padding included.
    pub(crate) chunk: Size,
    /// What is wanted of it.
    pub(crate) crop: Rect,
    /// Where it goes.
    pub(crate) out: Target<'p>,
    /// Whether the chunk is looked at to its end for damage, wanted or not.
    pub(crate) to_its_end: bool,
    /// What is known of its rows.
    pub(crate) index: Option<&'p mut RowIndex>,
}

/// Where the rows of a part go, in the format of the page.
pub(crate) enum Target<'p> {
    /// As large as the part.
    Pixels(PixelsMut<'p>),
    /// To whoever takes row after row, from the first on.
    Rows(Box<dyn TakeRows + 'p>),
}

/// Takes rows of pixels while they are still in the processor's cache.
pub(crate) trait TakeRows {
    fn take(&mut self, y: u32, row: &[u8]);
}

impl Target<'_> {
    fn put(&mut self, y: u32, row: &[u8]) {
        match self {
            Self::Pixels(out) => {
                let out = out.row_mut(y);
                out.copy_from_slice(&row[..out.len()]);
            }
            Self::Rows(rows) => rows.take(y, row),
        }
    }
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pixels(_) => "Pixels",
            Self::Rows(_) => "Rows",
        })
    }
}

/// A decoder, and memory beside its own.
#[derive(Default)]
pub(crate) struct Scratch {
    decoder: Decoder,
    /// For each chunk of a batch.
    spares: Vec<Vec<u8>>,
}

impl Jpeg {
    /// # Errors
    /// `Corrupt` if the shared tables are damaged; `Unsupported` for samples that JPEG cannot hold.
    pub(super) fn new(storage: &Storage, damage: Damage) -> Result<Self> {
        let bits = storage.bits_per_sample;
        if !(2..=16).contains(&bits) || storage.sample_format == SampleFormat::Float {
            return Err(Error::unsupported(format!(
                "jpeg of samples of {bits} bits"
            )));
        }
        let tables = storage
            .jpeg_tables
            .as_deref()
            .filter(|tables| !tables.is_empty());
        let tables = tables
            .map(Tables::parse)
            .transpose()
            .map_err(|error| translate(error, "the shared JPEG tables"))?;
        if let Some(tables) = &tables {
            check_outcome(tables.outcome(), damage, "the shared JPEG tables")?;
        }
        let components = if storage.planar {
            1
        } else {
            storage.samples_per_pixel
        };
        let (color, narrow, wide) = match (storage.photometric, components) {
            (_, 1) => (
                Some(ColorModel::Gray),
                PixelFormat::Gray8,
                PixelFormat::Gray16,
            ),
            (photometric::YCBCR, 3) => (
                Some(ColorModel::YCbCr),
                PixelFormat::Rgb8,
                PixelFormat::Rgb16,
            ),
            (photometric::RGB, 3) => (Some(ColorModel::Rgb), PixelFormat::Rgb8, PixelFormat::Rgb16),
            (photometric::SEPARATED, 4) => (None, PixelFormat::Cmyk8, PixelFormat::Cmyk16),
            _ => (None, PixelFormat::Planes8, PixelFormat::Planes16),
        };
        Ok(Self {
            tables,
            color,
            format: if bits > 8 { wide } else { narrow },
            bits,
            components: components.into(),
            damage,
            known: OnceLock::new(),
        })
    }

    /// Decodes parts of several chunks, two at a time, and tells how each came out.
    ///
    /// `done` gets `Corrupt` for a stream that is damaged or holds another picture than the tags
    /// say, `Unsupported` for a process that `wsi-jpeg` lacks.
    pub(crate) fn decode(
        &self,
        parts: Vec<Part<'_>>,
        scratch: &mut Scratch,
        mut done: impl FnMut(usize, Result<()>),
    ) {
        let Scratch { decoder, spares } = scratch;
        if spares.len() < parts.len() {
            spares.resize_with(parts.len(), Vec::new);
        }
        let mut jobs = Vec::with_capacity(parts.len());
        for (number, (part, spare)) in parts.into_iter().zip(spares).enumerate() {
            match self.check(part.stored, part.chunk) {
                Ok(()) => jobs.push(self.job(number, part, spare)),
                Err(error) => done(number, Err(error)),
            }
        }
        // The longest first, so that the last is not decoded alone for long.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.rows_passed));
        let mut results: Vec<_> = jobs.iter().map(|_| Ok(Outcome::default())).collect();
        let pictures = jobs.iter_mut().map(|job| {
            let picture = Picture::new(job.stored, &job.options, &mut job.rows);
            match &mut job.index {
                Some(index) => picture.with_index(index),
                None => picture,
            }
        });
        decoder.decode_batch(pictures, |job, result| results[job] = result);
        for (mut job, result) in jobs.into_iter().zip(results) {
            let result = result
                .map_err(|error| translate(error, "JPEG data"))
                .and_then(|outcome| check_outcome(&outcome, self.damage, "JPEG data"));
            if result.is_ok() {
                job.rows.finish();
            }
            done(job.number, result);
        }
    }

    fn job<'p>(&'p self, number: usize, part: Part<'p>, spare: &'p mut Vec<u8>) -> Job<'p> {
        let Part { chunk, crop, .. } = part;
        let (left, top) = (position(crop.origin.x), position(crop.origin.y));
        let planes = matches!(self.format, PixelFormat::Planes8 | PixelFormat::Planes16);
        let whole = Rect::new((0, 0), chunk);
        // What is decoded. Only whole rows are decoded to their end.
        let decoded = match part.to_its_end {
            true if crop.size.width == chunk.width && !planes => {
                let below = chunk.height.saturating_sub(clamp(crop.origin.y));
                Rect::new((0, crop.origin.y), (chunk.width, below))
            }
            true => whole,
            false => crop,
        };
        let window = (decoded != whole).then(|| {
            let Size { width, height } = decoded.size;
            Window::new(
                clamp(decoded.origin.x),
                clamp(decoded.origin.y),
                width,
                height,
            )
        });
        let pixel = self.pixel_bytes();
        let row_bytes = crop.size.width as usize * pixel;
        let rows = if planes || decoded.size.width != crop.size.width {
            let sample = if planes {
                pixel / self.components
            } else {
                pixel
            };
            let stride = decoded.size.width as usize * sample;
            let height = decoded.size.height as usize;
            let count = if planes { self.components } else { 1 };
            // Behind them, a row that is put together.
            spare.resize(stride * height * count + row_bytes, 0);
            let (buffer, row) = spare.split_at_mut(stride * height * count);
            Rows::Apart(Apart {
                out: part.out,
                rows: crop.size.height,
                buffer,
                row,
                stride,
                height,
                sample,
                pixel,
                left: left - position(decoded.origin.x),
                top: top - position(decoded.origin.y),
            })
        } else {
            spare.resize(row_bytes, 0);
            let (rows, row) = (crop.size.height, &mut spare[..]);
            match part.out {
                Target::Pixels(out) => Rows::InPlace {
                    out,
                    rows,
                    spare: row,
                },
                Target::Rows(out) => Rows::OneByOne {
                    out,
                    rows,
                    row,
                    now: 0,
                },
            }
        };
        Job {
            number,
            rows_passed: decoded.bottom(),
            stored: part.stored,
            options: Options::new(self.format)
                .with_tables(self.tables.as_ref())
                .with_color(self.color)
                .with_window(window),
            rows,
            index: part.index,
        }
    }

    /// Bytes of a pixel of the page.
    fn pixel_bytes(&self) -> usize {
        self.components * if self.bits > 8 { 2 } else { 1 }
    }

    /// Compares the stream's header with the tags, before anything is decoded.
    fn check(&self, stored: &[u8], chunk: Size) -> Result<()> {
        if let Some((size, headers)) = self.known.get()
            && *size == chunk
            && stored.starts_with(headers)
        {
            return Ok(());
        }
        let info = Info::read(stored, self.tables.as_ref())
            .map_err(|error| translate(error, "JPEG data"))?;
        if (info.width(), info.height()) != (chunk.width, chunk.height) {
            return Err(Error::corrupt(format!(
                "a JPEG picture of {} x {} in a tile or strip of {chunk} pixels",
                info.width(),
                info.height()
            )));
        }
        if info.components().len() != self.components {
            return Err(Error::corrupt(format!(
                "a JPEG picture of {} components where the tags say {}",
                info.components().len(),
                self.components
            )));
        }
        if (info.bits() > 8) != (self.bits > 8) {
            return Err(Error::corrupt(format!(
                "a JPEG picture of {} bits where the tags say {}",
                info.bits(),
                self.bits
            )));
        }
        if let Some(headers) = headers(stored) {
            self.known.get_or_init(|| (chunk, headers.into()));
        }
        Ok(())
    }
}

/// One picture for the decoder.
struct Job<'p> {
    /// Of its part.
    number: usize,
    /// Rows that are decoded, wanted or not, unless it is known where later ones start.
    rows_passed: i64,
    stored: &'p [u8],
    options: Options<'p>,
    rows: Rows<'p>,
    index: Option<&'p mut RowIndex>,
}

/// Where the rows of a chunk go.
enum Rows<'p> {
    /// Where they are wanted; those behind the last that is wanted go to a spare one.
    InPlace {
        out: PixelsMut<'p>,
        rows: u32,
        spare: &'p mut [u8],
    },
    /// Each to one row of memory, and on when the next is asked for.
    OneByOne {
        out: Box<dyn TakeRows + 'p>,
        rows: u32,
        row: &'p mut [u8],
        /// The row that is there.
        now: usize,
    },
    /// To a buffer, because more columns are decoded than wanted, or planes.
    Apart(Apart<'p>),
}

struct Apart<'p> {
    out: Target<'p>,
    /// How many are wanted.
    rows: u32,
    buffer: &'p mut [u8],
    /// One row of pixels.
    row: &'p mut [u8],
    stride: usize,
    /// Rows of a plane.
    height: usize,
    /// Bytes of a sample of a plane, or of a pixel where there are no planes.
    sample: usize,
    pixel: usize,
    left: usize,
    top: usize,
}

impl RowsMut for Rows<'_> {
    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        match self {
            Self::InPlace { out, rows, spare } => match u32::try_from(y) {
                Ok(row) if row < *rows => out.row_mut(row),
                _ => spare,
            },
            Self::OneByOne {
                out,
                rows,
                row,
                now,
            } => {
                if y != *now {
                    hand_on(&mut **out, *now, *rows, row);
                    *now = y;
                }
                row
            }
            Self::Apart(Apart { buffer, stride, .. }) => {
                buffer.chunks_exact_mut(*stride).nth(y).unwrap_or_default()
            }
        }
    }
}

/// Hands on a row if it is one of those that are wanted.
fn hand_on(out: &mut dyn TakeRows, y: usize, rows: u32, row: &[u8]) {
    if let Ok(y) = u32::try_from(y)
        && y < rows
    {
        out.take(y, row);
    }
}

impl Rows<'_> {
    /// Brings to where they are wanted the rows that are not there.
    fn finish(&mut self) {
        match self {
            Self::InPlace { .. } => {}
            Self::OneByOne {
                out,
                rows,
                row,
                now,
            } => hand_on(&mut **out, *now, *rows, row),
            Self::Apart(apart) => apart.finish(),
        }
    }
}

impl Apart<'_> {
    fn finish(&mut self) {
        let (sample, pixel) = (self.sample, self.pixel);
        let length = self.row.len();
        for (y, line) in (0..self.rows).zip(self.top..) {
            let start = line * self.stride + self.left * sample;
            if sample == pixel {
                self.out.put(y, &self.buffer[start..start + length]);
                continue;
            }
            let planes = self.buffer.chunks_exact(self.stride * self.height);
            for (component, plane) in planes.enumerate() {
                let samples = plane[start..].chunks_exact(sample);
                for (to, from) in self.row.chunks_exact_mut(pixel).zip(samples) {
                    to[component * sample..(component + 1) * sample].copy_from_slice(from);
                }
            }
            self.out.put(y, self.row);
        }
    }
}

/// The stream up to the data of its first scan, if it is made of whole segments: all that
/// [`Info::read`] looks at.
fn headers(stored: &[u8]) -> Option<&[u8]> {
    const START_OF_SCAN: u8 = 0xDA;
    let mut end = 2;
    loop {
        let &[0xFF, marker, high, low] = stored.get(end..)?.first_chunk()? else {
            return None;
        };
        // Others are no markers, or stand alone.
        if !matches!(marker, 0x02..=0xCF | 0xDA..=0xFE) {
            return None;
        }
        end += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == START_OF_SCAN {
            return stored.get(..end);
        }
    }
}

/// What libjpeg would only warn of is an error here, unless damage is to be shown.
fn check_outcome(outcome: &Outcome, damage: Damage, what: &str) -> Result<()> {
    match outcome.warnings().first() {
        Some(warning) if damage == Damage::Refuse => {
            Err(Error::corrupt(format!("{what}: {warning}")))
        }
        _ => Ok(()),
    }
}

fn translate(error: wsi_jpeg::Error, what: &str) -> Error {
    let kind = match error.kind() {
        wsi_jpeg::ErrorKind::Unsupported => wsi_core::ErrorKind::Unsupported,
        wsi_jpeg::ErrorKind::LimitExceeded => wsi_core::ErrorKind::LimitExceeded,
        _ => wsi_core::ErrorKind::Corrupt,
    };
    Error::new(kind, what).with_source(error)
}

/// A coordinate that lies in a chunk.
fn clamp(coordinate: i64) -> u32 {
    u32::try_from(coordinate).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small test data")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tiff::{ByteOrder, compression};

    /// Quantisers of 1.
    fn tables() -> Vec<u8> {
        [&[0xFF, 0xDB, 0, 67, 0][..], &[1; 64]].concat()
    }

    /// A gray picture of one 8 x 8 block without coefficients: 128 everywhere. The Huffman codes are
    /// those of T.81 annex K: 00 for a DC difference of 0, 1010 for the end of the block.
    fn picture(tables: &[u8]) -> Vec<u8> {
        let frame = [0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0];
        let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0b0010_1011];
        [&[0xFF, 0xD8][..], tables, &frame, &scan, &[0xFF, 0xD9]].concat()
    }

    fn storage(samples: u16, jpeg_tables: Option<&[u8]>) -> Storage {
        Storage {
            byte_order: ByteOrder::Little,
            compression: compression::JPEG,
            photometric: photometric::MIN_IS_BLACK,
            bits_per_sample: 8,
            sample_format: SampleFormat::Unsigned,
            samples_per_pixel: samples,
            planar: false,
            predictor: 1,
            reversed_bits: false,
            extra_samples: Vec::new(),
            color_map: None,
            jpeg_tables: jpeg_tables.map(Arc::from),
            t4_options: 0,
            ycbcr_subsampling: (1, 1),
            ycbcr_coefficients: [0.299, 0.587, 0.114],
            reference_black_white: [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
        }
    }

    fn decoded(storage: &Storage, stored: &[u8], chunk: Size, crop: Rect) -> Result<Vec<u8>> {
        let format = storage.pixel_format();
        let mut data = vec![7; format.bytes_per_pixel() * crop.size.area() as usize];
        let mut out = PixelsMut::packed(&mut data, crop.size, format)?;
        let part = Part {
            stored,
            chunk,
            crop,
            out: Target::Pixels(out.part_mut(Rect::new((0, 0), crop.size))),
            to_its_end: true,
            index: None,
        };
        let mut result = Ok(());
        let jpeg = Jpeg::new(storage, Damage::Refuse)?;
        jpeg.decode(vec![part], &mut Scratch::default(), |_, ended| {
            result = ended;
        });
        result.map(|()| data)
    }

    const SIZE: Size = Size::new(8, 8);

    #[test]
    fn tables_may_be_shared_or_in_the_picture() {
        let whole = Rect::new((0, 0), SIZE);
        let own = picture(&tables());
        assert_eq!(
            decoded(&storage(1, None), &own, SIZE, whole).unwrap(),
            [128; 64]
        );
        let shared = [&[0xFF, 0xD8][..], &tables(), &[0xFF, 0xD9]].concat();
        let without = picture(&[]);
        let pixels = decoded(&storage(1, Some(&shared)), &without, SIZE, whole);
        assert_eq!(pixels.unwrap(), [128; 64]);
        assert!(decoded(&storage(1, None), &without, SIZE, whole).is_err());
        // Shared tables without their end, or without their start.
        for part in [&shared[..shared.len() - 2], &shared[2..]] {
            assert!(Jpeg::new(&storage(1, Some(part)), Damage::Refuse).is_err());
        }
    }

    #[test]
    fn any_part_can_be_had() {
        let own = picture(&tables());
        for (origin, size) in [((0, 3), (8, 2)), ((2, 0), (3, 8)), ((7, 7), (1, 1))] {
            let crop = Rect::new(origin, size);
            let pixels = decoded(&storage(1, None), &own, SIZE, crop).unwrap();
            assert_eq!(pixels, vec![128; crop.size.area() as usize]);
        }
    }

    #[test]
    fn what_openslide_refuses_is_refused() {
        let whole = Rect::new((0, 0), SIZE);
        let own = picture(&tables());
        let gray = storage(1, None);
        let refused = |stored: &[u8]| {
            let error = decoded(&gray, stored, SIZE, whole).unwrap_err();
            assert_eq!(error.kind(), wsi_core::ErrorKind::Corrupt, "{error}");
        };
        refused(&own[..own.len() - 2]);
        refused(&own[..own.len() - 3]);
        refused(&[&[0][..], &own].concat());
        refused(&[&own[..2], &[0, 0], &own[2..]].concat());
        refused(&[]);
        // Bytes behind the end are nobody's business.
        assert!(decoded(&gray, &[&own[..], &[1, 2, 3]].concat(), SIZE, whole).is_ok());
        // A picture of another size, or with other components, than the tags say.
        let larger = Size::new(8, 16);
        let error = decoded(&gray, &own, larger, whole).unwrap_err();
        let expected = "a JPEG picture of 8 x 8 in a tile or strip of 8 x 16 pixels";
        assert_eq!(error.message(), expected);
        assert!(decoded(&storage(3, None), &own, SIZE, whole).is_err());
    }
}
