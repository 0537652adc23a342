//! Random streams: what is painted, and how it is encoded.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use wsi_jpeg::{ColorModel, PixelFormat};

use crate::picture::Subject;
use crate::random::Random;
use crate::stream::{self, Transform};
use crate::turbo::{Encoding, TURBO_SAMPLINGS};

/// A stream in the few words that make it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// What it shows.
    pub subject: Subject,
    /// Seed of the picture.
    pub seed: u64,
    /// What the components mean.
    pub color: ColorModel,
    /// How it is encoded. Samplings that libjpeg-turbo lacks are encoded by `jpeg-encoder`.
    pub encoding: Encoding,
    /// By `jpeg-encoder` in any case.
    pub other_encoder: bool,
}

/// Sampling factors that one of the two encoders has.
pub const SAMPLINGS: [(u8, u8); 8] = [
    (1, 1),
    (2, 1),
    (2, 2),
    (1, 2),
    (4, 1),
    (1, 4),
    (4, 2),
    (2, 4),
];

/// Colour models of the recipes.
pub const COLORS: [ColorModel; 5] = [
    ColorModel::YCbCr,
    ColorModel::Gray,
    ColorModel::Rgb,
    ColorModel::Ycck,
    ColorModel::Cmyk,
];

impl Recipe {
    /// A recipe with sides of 1 to `side`, mostly small.
    #[must_use]
    pub fn random(random: &mut Random, side: usize) -> Self {
        let length = |random: &mut Random| {
            let largest = match random.below(20) {
                0..11 => 64,
                11..18 => 160,
                _ => side,
            };
            random.between(1, largest.min(side)) as u16
        };
        let (width, height) = (length(random), length(random));
        Self {
            width,
            height,
            subject: random.pick(&Subject::ALL),
            seed: random.bits(),
            // YCbCr as often as all others together.
            color: if random.once_in(2) {
                ColorModel::YCbCr
            } else {
                random.pick(&COLORS)
            },
            encoding: Encoding {
                quality: random.between(1, 100) as u8,
                sampling: random.pick(&SAMPLINGS),
                restart: if random.once_in(3) {
                    random.between(1, 40) as u16
                } else {
                    0
                },
                optimised: random.once_in(3),
                progressive: random.once_in(8),
            },
            other_encoder: random.once_in(4),
        }
    }

    /// How many components it has.
    #[must_use]
    pub fn components(&self) -> usize {
        match self.color {
            ColorModel::Gray => 1,
            ColorModel::Cmyk | ColorModel::Ycck => 4,
            _ => 3,
        }
    }

    /// The format in which its pixels are asked for first.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        match self.components() {
            1 => PixelFormat::Gray8,
            4 => PixelFormat::Cmyk8,
            _ => PixelFormat::Rgb8,
        }
    }

    /// The stream, with marks that say its colour.
    ///
    /// # Panics
    /// If the encoder does not take it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let channels = self.components();
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let pixels = self.subject.paint(width, height, channels, self.seed);
        let foreign = self.other_encoder || !TURBO_SAMPLINGS.contains(&self.encoding.sampling);
        let stream = if foreign && self.color != ColorModel::Gray {
            self.encode_elsewhere(&pixels)
        } else {
            self.encoding.encode(&pixels, width, height, channels)
        };
        match self.color {
            // The encoders convert to YCbCr or YCCK. Another mark, and these are the samples.
            ColorModel::Rgb | ColorModel::Cmyk => {
                stream::mark(&stream, Transform::None).expect("the encoder's headers are whole")
            }
            _ => stream,
        }
    }

    fn encode_elsewhere(&self, pixels: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        let mut encoder = Encoder::new(&mut stream, self.encoding.quality);
        let (across, down) = self.encoding.sampling;
        let sampling = SamplingFactor::from_factors(across, down).expect("a sampling of the list");
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(self.encoding.progressive);
        encoder.set_restart_interval(self.encoding.restart);
        encoder.set_optimized_huffman_tables(self.encoding.optimised);
        let color = match self.components() {
            4 => ColorType::CmykAsYcck,
            _ => ColorType::Rgb,
        };
        encoder
            .encode(pixels, self.width, self.height, color)
            .expect("a picture of a legal size");
        stream
    }
}
