//! Luma and subsampled chroma as bytes (TIFF 6.0 section 21), to RGB.
//!
//! A chunk is blocks, row by row: the luma of some columns by some rows of pixels, then one blue and
//! one red difference that all of them share. libtiff repeats the chroma (no interpolation), and so
//! do we.

use wsi_core::{Error, PixelsMut, Rect, Result, Size};

use super::bytes::Compression;
use super::{Scratch, ends_early, position, too_large};
use crate::color::YcbcrToRgb;
use crate::tiff::{SampleFormat, Storage};

/// Decodes the chunks of a page with subsampled chroma.
#[derive(Debug)]
pub(super) struct Subsampled {
    /// Columns and rows of a block.
    columns: usize,
    rows: usize,
    to_rgb: YcbcrToRgb,
}

impl Subsampled {
    /// # Errors
    /// `Unsupported` for samples that are not plain bytes.
    pub(super) fn new(storage: &Storage) -> Result<Self> {
        let bits = storage.bits_per_sample;
        if bits != 8 || storage.sample_format != SampleFormat::Unsigned {
            return Err(Error::unsupported(format!(
                "subsampled chroma of {bits} bits"
            )));
        }
        if !matches!(storage.predictor, 0 | 1) {
            return Err(Error::unsupported(format!(
                "predictor {} with subsampled chroma",
                storage.predictor
            )));
        }
        let (columns, rows) = storage.ycbcr_subsampling;
        Ok(Self {
            columns: columns.max(1).into(),
            rows: rows.max(1).into(),
            to_rgb: YcbcrToRgb::new(storage),
        })
    }

    pub(super) fn decode(
        &self,
        compression: Compression,
        stored: &[u8],
        chunk: Size,
        crop: Rect,
        out: &mut PixelsMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let luma = self.columns * self.rows;
        let row_bytes = (chunk.width as usize).div_ceil(self.columns) * (luma + 2);
        let total = row_bytes
            .checked_mul((chunk.height as usize).div_ceil(self.rows))
            .ok_or_else(|| too_large(chunk))?;
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
        let (left, top) = (position(crop.origin.x), position(crop.origin.y));
        for y in 0..crop.size.height {
            let line = top + y as usize;
            let blocks = &packed[line / self.rows * row_bytes..][..row_bytes];
            let first = line % self.rows * self.columns;
            let pixels = out.row_mut(y).as_chunks_mut::<3>().0;
            for (column, pixel) in (left..).zip(pixels) {
                let block = &blocks[column / self.columns * (luma + 2)..][..luma + 2];
                let y = block[first + column % self.columns];
                *pixel = self.to_rgb.convert([y, block[luma], block[luma + 1]]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wsi_core::PixelFormat;

    use super::*;

    #[test]
    fn chroma_is_repeated_over_its_block() {
        let codec = Subsampled {
            columns: 2,
            rows: 2,
            to_rgb: YcbcrToRgb::of(
                [0.299, 0.587, 0.114],
                [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
            ),
        };
        // 3 x 2 pixels: two blocks, the second half empty. 128 is no colour; Cr 228 is
        // 100 * 1.402 = 140 of red and 100 * 0.714 = 71 off green.
        let stored = [10, 20, 30, 40, 128, 128, 50, 0, 60, 0, 128, 228];
        let mut data = vec![0; 3 * 3];
        let size = Size::new(3, 1);
        let mut out = PixelsMut::packed(&mut data, size, PixelFormat::RGB8).unwrap();
        codec
            .decode(
                Compression::None,
                &stored,
                Size::new(3, 2),
                Rect::new((0, 1), size),
                &mut out,
                &mut Scratch::default(),
            )
            .unwrap();
        assert_eq!(data, [30, 30, 30, 40, 40, 40, 200, 0, 60]);
    }
}
