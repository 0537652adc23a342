//! How a page stores its samples: the tags that a codec needs, validated.

use std::sync::Arc;

use wsi_core::{Channels, PixelFormat, SampleType};

/// Byte order of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "TIFF knows two")]
pub enum ByteOrder {
    /// `II`: least significant byte first.
    Little,
    /// `MM`: most significant byte first.
    Big,
}

/// What the bits of a sample mean (tag 339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleFormat {
    Unsigned,
    Signed,
    Float,
}

/// How a page stores its samples. All bits per sample are equal, 1..=64; there is at least one
/// sample per pixel; subsampling is 1, 2 or 4 each way: the directory's reader has checked it.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub(crate) byte_order: ByteOrder,
    /// Tag 259, as in [`compression`](super::compression).
    pub(crate) compression: u16,
    /// Tag 262, as in [`photometric`](super::photometric).
    pub(crate) photometric: u16,
    /// Tag 258.
    pub(crate) bits_per_sample: u16,
    /// Tag 339.
    pub(crate) sample_format: SampleFormat,
    /// Tag 277.
    pub(crate) samples_per_pixel: u16,
    /// Tag 284 = 2: each chunk holds one sample of every pixel.
    pub(crate) planar: bool,
    /// Tag 317: 1 none, 2 horizontal differences, 3 floating point.
    pub(crate) predictor: u16,
    /// Tag 266 = 2: bits run from the least significant one.
    pub(crate) reversed_bits: bool,
    /// Tag 338: meaning of the samples beyond the colour (0 unspecified, 1 associated alpha,
    /// 2 unassociated alpha).
    pub(crate) extra_samples: Vec<u16>,
    /// Tag 320: red, then green, then blue, 2^bits entries each.
    pub(crate) color_map: Option<Arc<[u16]>>,
    /// Tag 347: a tables-only JPEG stream, as stored.
    pub(crate) jpeg_tables: Option<Arc<[u8]>>,
    /// Tag 292: bit 0 two-dimensional coding, bit 2 byte-aligned ends of lines.
    pub(crate) t4_options: u32,
    /// Tag 530: columns and rows of pixels that share a chroma sample.
    pub(crate) ycbcr_subsampling: (u16, u16),
    /// Tag 529: luma of red, green and blue.
    pub(crate) ycbcr_coefficients: [f32; 3],
    /// Tag 532: black and white of luma and of both chromas.
    pub(crate) reference_black_white: [f32; 6],
}

impl Storage {
    /// The format in which pixels are read: the samples as stored, in the narrowest type that
    /// holds them. JPEG's own colour transform, and that of subsampled YCbCr, is undone.
    pub(crate) fn pixel_format(&self) -> PixelFormat {
        PixelFormat::new(self.channels(), self.sample_type())
    }

    /// Whether the samples are luma and chroma at different resolutions, or inside of JPEG: then
    /// there is no such thing as their stored pixels, and they are read as RGB.
    pub(crate) fn is_read_as_rgb(&self) -> bool {
        self.photometric == super::photometric::YCBCR
            && self.samples_per_pixel == 3
            && !self.planar
            && (self.compression == super::compression::JPEG || self.ycbcr_subsampling != (1, 1))
    }

    fn channels(&self) -> Channels {
        use super::photometric;
        match (self.photometric, self.samples_per_pixel) {
            (_, 1) => Channels::Gray,
            (photometric::MIN_IS_WHITE | photometric::MIN_IS_BLACK | photometric::PALETTE, 2) => {
                Channels::GrayAlpha
            }
            // Stored samples of fewer than 8 bits are not those that anybody means by 8-bit colour.
            (photometric::RGB, count) if self.bits_per_sample < 8 => Channels::Other(count),
            (photometric::RGB, 3) => Channels::Rgb,
            (photometric::RGB, 4) => Channels::Rgba,
            (photometric::SEPARATED, 4) => Channels::Cmyk,
            (photometric::YCBCR, 3) if self.is_read_as_rgb() => Channels::Rgb,
            (photometric::YCBCR, 3) => Channels::YCbCr,
            (photometric::CIELAB, 3) => Channels::Lab,
            (_, count) => Channels::Other(count),
        }
    }

    fn sample_type(&self) -> SampleType {
        match (self.sample_format, self.bits_per_sample) {
            (SampleFormat::Unsigned, 0..=8) => SampleType::U8,
            (SampleFormat::Unsigned, 9..=16) => SampleType::U16,
            (SampleFormat::Unsigned, 17..=32) => SampleType::U32,
            (SampleFormat::Unsigned, _) => SampleType::U64,
            (SampleFormat::Signed, 0..=8) => SampleType::I8,
            (SampleFormat::Signed, 9..=16) => SampleType::I16,
            (SampleFormat::Signed, 17..=32) => SampleType::I32,
            (SampleFormat::Signed, _) => SampleType::I64,
            (SampleFormat::Float, 0..=16) => SampleType::F16,
            (SampleFormat::Float, 17..=32) => SampleType::F32,
            (SampleFormat::Float, _) => SampleType::F64,
        }
    }
}

impl Storage {
    /// Bytes of a stored row of `width` pixels: rows start at whole bytes. For planar storage, of
    /// one sample of each.
    pub(crate) fn row_bytes(&self, width: u32) -> u64 {
        let samples = if self.planar {
            1
        } else {
            u64::from(self.samples_per_pixel)
        };
        let bits = u64::from(width) * samples * u64::from(self.bits_per_sample);
        bits.div_ceil(8)
    }
}
