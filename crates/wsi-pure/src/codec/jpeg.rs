//! JPEG (tag 259 = 7): a picture in each chunk, its tables in the chunk or in tag 347.
//!
//! The decoder is `wsi-jpeg`. What TIFF adds: the photometric tag says what the components mean,
//! whatever JFIF or Adobe marks in the stream say; the picture must be as large as the chunk; and a
//! warning is an error of its chunk, as in OpenSlide 4.0.1 (`openslide-decode-jpeg.c`).

use wsi_core::{Error, PixelsMut, Rect, Result, Size};
use wsi_jpeg::{
    ColorModel, Decoder, Info, Options, Outcome, PixelFormat, RowsMut, StridedRows, Tables,
};

use super::position;
use crate::tiff::{SampleFormat, Storage, photometric};

/// What all chunks of a page have in common.
#[derive(Debug)]
pub(super) struct Jpeg {
    tables: Option<Tables>,
    color: Option<ColorModel>,
    format: PixelFormat,
    bits: u16,
    components: usize,
}

impl Jpeg {
    /// # Errors
    /// `Corrupt` if the shared tables are damaged; `Unsupported` for samples that JPEG cannot hold.
    pub(super) fn new(storage: &Storage) -> Result<Self> {
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
            refuse_warnings(tables.outcome(), "the shared JPEG tables")?;
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
        })
    }

    /// Decodes the part `crop` of a chunk into `out`.
    ///
    /// # Errors
    /// `Corrupt` if the stream is damaged in any way or holds another picture than the tags say;
    /// `Unsupported` for a process that `wsi-jpeg` lacks.
    pub(super) fn decode(
        &self,
        stored: &[u8],
        chunk: Size,
        crop: Rect,
        out: &mut PixelsMut<'_>,
        (decoder, buffer): (&mut Decoder, &mut Vec<u8>),
    ) -> Result<()> {
        self.check(stored, chunk)?;
        let options = Options::new(self.format)
            .with_tables(self.tables.as_ref())
            .with_color(self.color);
        let (left, top) = (position(crop.origin.x), position(crop.origin.y));
        let pixel = out.format().bytes_per_pixel();
        let row_bytes = chunk.width as usize * pixel;
        let planes = matches!(self.format, PixelFormat::Planes8 | PixelFormat::Planes16);
        if crop.size.width == chunk.width && !planes {
            buffer.resize(row_bytes, 0);
            let rows = crop.size.height as usize;
            let mut rows = Rows {
                out,
                top,
                rows,
                spare: buffer,
            };
            return run(decoder, stored, &options, &mut rows);
        }
        buffer.resize(row_bytes * chunk.height as usize, 0);
        if !planes {
            run(
                decoder,
                stored,
                &options,
                &mut StridedRows::new(buffer, row_bytes),
            )?;
            let rows = buffer.chunks_exact(row_bytes).skip(top);
            for (y, row) in (0..crop.size.height).zip(rows) {
                let wanted = left * pixel..(left + crop.size.width as usize) * pixel;
                out.row_mut(y).copy_from_slice(&row[wanted]);
            }
            return Ok(());
        }
        let sample = pixel / self.components;
        let plane_row = chunk.width as usize * sample;
        run(
            decoder,
            stored,
            &options,
            &mut StridedRows::new(buffer, plane_row),
        )?;
        let plane_bytes = plane_row * chunk.height as usize;
        for (component, plane) in buffer.chunks_exact(plane_bytes).enumerate() {
            let rows = plane.chunks_exact(plane_row).skip(top);
            for (y, row) in (0..crop.size.height).zip(rows) {
                let samples = row.chunks_exact(sample).skip(left);
                for (to, from) in out.row_mut(y).chunks_exact_mut(pixel).zip(samples) {
                    to[component * sample..(component + 1) * sample].copy_from_slice(from);
                }
            }
        }
        Ok(())
    }

    /// Compares the stream's header with the tags, before anything is decoded.
    fn check(&self, stored: &[u8], chunk: Size) -> Result<()> {
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
        Ok(())
    }
}

fn run(
    decoder: &mut Decoder,
    stored: &[u8],
    options: &Options<'_>,
    rows: &mut impl RowsMut,
) -> Result<()> {
    let outcome = decoder
        .decode(stored, options, rows)
        .map_err(|error| translate(error, "JPEG data"))?;
    refuse_warnings(&outcome, "JPEG data")
}

/// What libjpeg would only warn of is an error here.
fn refuse_warnings(outcome: &Outcome, what: &str) -> Result<()> {
    match outcome.warnings().first() {
        None => Ok(()),
        Some(warning) => Err(Error::corrupt(format!("{what}: {warning}"))),
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

/// Rows of a chunk as rows of `out`; those that nobody wants go to a spare one.
struct Rows<'r, 'p> {
    out: &'r mut PixelsMut<'p>,
    top: usize,
    rows: usize,
    spare: &'r mut [u8],
}

impl RowsMut for Rows<'_, '_> {
    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        match y
            .checked_sub(self.top)
            .filter(|&y| y < self.rows)
            .map(u32::try_from)
        {
            Some(Ok(y)) => self.out.row_mut(y),
            _ => self.spare,
        }
    }
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
        let memory = (&mut Decoder::new(), &mut Vec::new());
        Jpeg::new(storage)?.decode(stored, chunk, crop, &mut out, memory)?;
        Ok(data)
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
            assert!(Jpeg::new(&storage(1, Some(part))).is_err());
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
