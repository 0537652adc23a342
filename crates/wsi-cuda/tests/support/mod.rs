//! Streams to decode, and what `wsi-jpeg` makes of them.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::panic, reason = "that is how a test fails")]

pub(crate) mod slide;
pub(crate) mod transcode;
pub(crate) mod writer;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use wsi_core::Size;
use wsi_cuda::plan::StreamFormat;
use wsi_jpeg::{Decoder, Error, Options, Outcome, PixelFormat, StridedRows};

/// A generator of numbers that look random (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).expect("small")).expect("small")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// A picture with smooth parts, edges, texture, and a flat corner.
pub(crate) fn pixels(width: u16, height: u16, channels: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let phase = random.below(100);
    let mut pixels = Vec::new();
    for y in 0..usize::from(height) {
        for x in 0..usize::from(width) {
            let flat = x * 3 < usize::from(width) && y * 3 < usize::from(height);
            for channel in 0..channels {
                let wave = ((x + phase) * (channel + 2) / 3) % 64 + (y * (4 - channel)) % 90;
                let edge = if (x / 11 + y / 7 + phase).is_multiple_of(5) {
                    70
                } else {
                    0
                };
                let noise = random.below(24);
                let value = if flat { 243 } else { wave + edge + noise };
                pixels.push(u8::try_from(value).expect("below 256"));
            }
        }
    }
    pixels
}

/// How a picture is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) size: (u16, u16),
    /// `None` for gray.
    pub(crate) sampling: Option<SamplingFactor>,
    pub(crate) quality: u8,
    /// MCUs; 0 for none.
    pub(crate) restart: u16,
}

impl Recipe {
    pub(crate) fn encode(&self, seed: u64) -> Vec<u8> {
        let (width, height) = self.size;
        let (channels, color) = match self.sampling {
            None => (1, ColorType::Luma),
            Some(_) => (3, ColorType::Rgb),
        };
        let mut data = Vec::new();
        let mut encoder = Encoder::new(&mut data, self.quality);
        if let Some(sampling) = self.sampling {
            encoder.set_sampling_factor(sampling);
        }
        if self.restart > 0 {
            encoder.set_restart_interval(self.restart);
        }
        encoder
            .encode(&pixels(width, height, channels, seed), width, height, color)
            .expect("an encoder");
        data
    }

    pub(crate) fn format(&self) -> StreamFormat {
        StreamFormat::new((u32::from(self.size.0), u32::from(self.size.1)))
    }
}

/// What `wsi-jpeg` makes of a stream: pixels and outcome, or an error.
pub(crate) fn by_wsi_jpeg(
    stream: &[u8],
    format: &StreamFormat,
    channels: usize,
) -> Result<(Vec<u8>, Outcome), Error> {
    let Size { width, height } = format.size;
    let pixel_format = if channels == 1 {
        PixelFormat::Gray8
    } else {
        PixelFormat::Rgb8
    };
    let options = Options::new(pixel_format)
        .with_tables(format.tables.as_ref())
        .with_color(format.color);
    let stride = width as usize * channels;
    let mut pixels = vec![0; stride * height as usize];
    let mut rows = StridedRows::new(&mut pixels, stride);
    let outcome = Decoder::new().decode(stream, &options, &mut rows)?;
    Ok((pixels, outcome))
}

/// Fails with the first pixel that differs, how many do, and by how much.
pub(crate) fn assert_same(what: &str, width: usize, channels: usize, ours: &[u8], theirs: &[u8]) {
    assert_eq!(ours.len(), theirs.len(), "{what}: sizes");
    let differs = |i: &usize| ours[*i] != theirs[*i];
    let Some(first) = (0..ours.len()).find(differs) else {
        return;
    };
    let count = (0..ours.len()).filter(differs).count();
    let largest = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
    let (x, y) = (first / channels % width, first / channels / width);
    panic!(
        "{what}: {count} of {} samples differ, first at ({x}, {y}) channel {}: {} instead of {}, by \
         {largest:?} at most",
        ours.len(),
        first % channels,
        ours[first],
        theirs[first]
    );
}

/// Whether tests that take long were asked for.
pub(crate) fn long_tests() -> bool {
    std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1")
}
