//! WebP (tag 259 = 50001): a whole picture in each chunk.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};
use wsi_core::{Error, PixelsMut, Rect, Result, Size};

use super::position;
use crate::tiff::{SampleFormat, Storage};

/// # Errors
/// `Corrupt` if the tags describe samples that WebP cannot hold; `Unsupported` if each chunk holds
/// one sample of every pixel.
pub(super) fn check(storage: &Storage) -> Result<()> {
    if storage.planar {
        return Err(Error::unsupported("webp of separate planes"));
    }
    let samples = storage.samples_per_pixel;
    let bits = storage.bits_per_sample;
    if bits != 8 || !matches!(samples, 3 | 4) || storage.sample_format != SampleFormat::Unsigned {
        return Err(Error::corrupt(format!(
            "webp of {samples} samples of {bits} bits"
        )));
    }
    Ok(())
}

/// Decodes a chunk. Alpha that the stream leaves out is opaque.
///
/// # Errors
/// `Corrupt` if the stream is damaged or holds a picture of another size or with other samples.
pub(super) fn decode(
    stored: &[u8],
    chunk: Size,
    crop: Rect,
    out: &mut PixelsMut<'_>,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    let damaged = |error: DecodingError| Error::corrupt("webp data is damaged").with_source(error);
    let mut decoder = WebPDecoder::new(Cursor::new(stored)).map_err(damaged)?;
    let size = Size::from(decoder.dimensions());
    if size != chunk {
        return Err(Error::corrupt(format!(
            "a webp picture of {size} in a tile of {chunk} pixels"
        )));
    }
    let samples = out.format().bytes_per_pixel();
    let stored_samples = if decoder.has_alpha() { 4 } else { 3 };
    if decoder.is_animated() || stored_samples > samples {
        return Err(Error::corrupt(format!(
            "a webp picture of {stored_samples} samples where the tags say {samples}"
        )));
    }
    let bytes = decoder
        .output_buffer_size()
        .ok_or_else(|| super::too_large(chunk))?;
    if stored_samples == samples
        && crop.size == chunk
        && let Some(pixels) = out.packed_mut()
    {
        return decoder.read_image(pixels).map_err(damaged);
    }
    buffer.resize(bytes, 0);
    decoder.read_image(buffer).map_err(damaged)?;
    let rows = buffer.chunks_exact(size.width as usize * stored_samples);
    let left = position(crop.origin.x) * stored_samples;
    let wanted = left..left + crop.size.width as usize * stored_samples;
    for (y, row) in (0..crop.size.height).zip(rows.skip(position(crop.origin.y))) {
        let row = &row[wanted.clone()];
        let target = out.row_mut(y);
        if stored_samples == samples {
            target.copy_from_slice(row);
            continue;
        }
        for (to, from) in target
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(row.as_chunks::<3>().0)
        {
            let [red, green, blue] = *from;
            *to = [red, green, blue, 255];
        }
    }
    Ok(())
}
