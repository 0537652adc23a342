//! A small picture of a whole slide, made in bands so that memory does not depend on the slide.

use super::Slide;
use crate::error::{Error, Result};
use crate::geometry::{Region, Size};
use crate::pixels::{Image, PixelFormat};

const CHANNELS: usize = 3;

pub(super) fn read(slide: &Slide, bounds: Size) -> Result<Image> {
    if bounds.is_empty() {
        return Err(
            Error::invalid(format!("a thumbnail of at most {bounds}")).at_path(slide.path())
        );
    }
    let pyramid = slide.pyramid();
    let full = pyramid.level(0)?.size;
    let target = fit(full, bounds);
    let downsample = f64::from(full.width) / f64::from(target.width);
    let level = pyramid.best_level_for_downsample(downsample);
    let source = pyramid.level(level)?.size;
    let mut data = Vec::with_capacity(target.width as usize * target.height as usize * CHANNELS);
    for row in 0..target.height {
        let (top, bottom) = span(row, target.height, source.height);
        let region = Region::at_level(level, (0, i64::from(top)), (source.width, bottom - top));
        let band = slide.read_region_as(&region, PixelFormat::RGB8)?;
        for column in 0..target.width {
            let (left, right) = span(column, target.width, source.width);
            data.extend(mean(&band, left, right));
        }
    }
    Image::from_bytes(target, PixelFormat::RGB8, data)
}

/// The largest size within `bounds` of the same aspect ratio, at most `full`, at least one pixel.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most `bounds`")]
fn fit(full: Size, bounds: Size) -> Size {
    let scale = (f64::from(bounds.width) / f64::from(full.width))
        .min(f64::from(bounds.height) / f64::from(full.height))
        .min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    Size::new(side(full.width), side(full.height))
}

/// The source pixels that target pixel `index` covers: at least one.
fn span(index: u32, target: u32, source: u32) -> (u32, u32) {
    let edge = |index: u32| {
        let edge = u64::from(index) * u64::from(source) / u64::from(target);
        u32::try_from(edge).unwrap_or(source)
    };
    let start = edge(index).min(source.saturating_sub(1));
    (
        start,
        edge(index + 1).clamp(start + 1, source.max(start + 1)),
    )
}

/// The rounded mean of columns `left..right` over all rows of `band`.
fn mean(band: &Image, left: u32, right: u32) -> [u8; CHANNELS] {
    let mut sums = [0_u64; CHANNELS];
    for y in 0..band.size().height {
        let pixels = &band.row(y)[left as usize * CHANNELS..right as usize * CHANNELS];
        for pixel in pixels.chunks_exact(CHANNELS) {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(sample);
            }
        }
    }
    let count = u64::from(right - left) * u64::from(band.size().height);
    sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX))
}
