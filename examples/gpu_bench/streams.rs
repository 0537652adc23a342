//! Streams to decode: parts of a slide, encoded anew.

use anyhow::{Result, ensure};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use wsi::cuda::plan::StreamFormat;
use wsi::{PixelFormat, Point, Region, Slide};

/// How pictures are encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) size: (u16, u16),
    /// `None` for gray.
    pub(crate) sampling: Option<SamplingFactor>,
    pub(crate) quality: u8,
    /// MCUs of a restart interval; 0 for none.
    pub(crate) restart: u16,
}

impl Recipe {
    /// Samples of a pixel of what is decoded.
    pub(crate) fn channels(&self) -> u32 {
        if self.sampling.is_some() { 3 } else { 1 }
    }

    pub(crate) fn format(&self) -> StreamFormat {
        StreamFormat::new((u32::from(self.size.0), u32::from(self.size.1)))
    }

    /// `count` streams: pictures from places all over the slide's first level.
    pub(crate) fn streams(&self, slide: &Slide, count: usize) -> Result<Vec<Vec<u8>>> {
        let (width, height) = (i64::from(self.size.0), i64::from(self.size.1));
        let level = slide.pyramid().level(0)?.size;
        let (across, down) = (
            i64::from(level.width) - width,
            i64::from(level.height) - height,
        );
        ensure!(
            across >= 0 && down >= 0,
            "the slide is smaller than {width} x {height}"
        );
        let mut streams = Vec::with_capacity(count);
        for number in 0..i64::try_from(count)? {
            // Steps that share no factor with most sizes reach all parts before they repeat.
            let place = Point::new(number * 1_009 % (across + 1), number * 757 % (down + 1));
            let region = Region::at_level(0, place, self.format().size);
            streams.push(self.encode(slide, &region)?);
        }
        Ok(streams)
    }

    fn encode(&self, slide: &Slide, region: &Region) -> Result<Vec<u8>> {
        let (format, color) = match self.sampling {
            None => (PixelFormat::GRAY8, ColorType::Luma),
            Some(_) => (PixelFormat::RGB8, ColorType::Rgb),
        };
        let pixels = slide.read_region_as(region, PixelFormat::RGB8)?;
        let bytes = match format {
            // The green samples of a picture are a gray one.
            PixelFormat::GRAY8 => pixels
                .as_bytes()
                .iter()
                .skip(1)
                .step_by(3)
                .copied()
                .collect(),
            _ => pixels.as_bytes().to_vec(),
        };
        let mut stream = Vec::new();
        let mut encoder = Encoder::new(&mut stream, self.quality);
        if let Some(sampling) = self.sampling {
            encoder.set_sampling_factor(sampling);
        }
        if self.restart > 0 {
            encoder.set_restart_interval(self.restart);
        }
        encoder.encode(&bytes, self.size.0, self.size.1, color)?;
        Ok(stream)
    }
}
