//! Raw tiles: rows of samples as TIFF stores them once LZW or Deflate is undone, or as they are.

use wsi_core::{Error, Result, Size};

use super::BatchDecoder;
use crate::executor::{Argument, Buffer, Kernel};
use crate::layout::{Descriptor as _, RawTile, to_bytes};

/// How raw tiles lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct RawFormat {
    /// Width and height of a tile.
    pub size: Size,
    /// Samples of a pixel, side by side.
    pub channels: u16,
    /// Bytes of a sample: 1, 2 or 4.
    pub sample_bytes: u8,
    /// Whether rows are horizontal differences: TIFF's predictor 2, TIFF 6.0 section 14.
    pub differences: bool,
    /// Whether samples have their high byte first.
    pub big_endian: bool,
}

impl RawFormat {
    /// Bytes of a tile.
    fn bytes(&self) -> Option<usize> {
        let area = usize::try_from(self.size.area()).ok()?;
        area.checked_mul(usize::from(self.channels) * usize::from(self.sample_bytes))
    }
}

/// Bytes of raw tiles that are unpacked at a time: offsets are of 32 bits.
const MOST_BYTES: usize = 1 << 31;
/// Tiles of a launch: one axis of a grid.
const MOST_TILES: usize = 65_535;

impl BatchDecoder {
    /// Uploads raw tiles that lie one after the other in `raw`, and undoes their differences and
    /// byte order on the device: samples side by side in native order, rows and tiles without gaps.
    ///
    /// # Errors
    /// `InvalidArgument` if `raw` is no whole number of tiles, or samples have another size;
    /// `Device` if the device fails.
    pub fn unpack(&mut self, format: RawFormat, raw: &[u8]) -> Result<Buffer> {
        let tile = format.bytes().filter(|&bytes| bytes <= MOST_BYTES);
        let valid = matches!(format.sample_bytes, 1 | 2 | 4) && format.channels > 0;
        let Some(tile) = tile.filter(|_| valid) else {
            return Err(Error::invalid(format!("raw tiles of {format:?}")));
        };
        let whole = if tile == 0 {
            raw.is_empty()
        } else {
            raw.len().is_multiple_of(tile)
        };
        if !whole {
            return Err(Error::invalid(format!(
                "{} bytes of raw tiles of {tile} bytes",
                raw.len()
            )));
        }
        let executor = &*self.executor;
        let output = executor.allocate(raw.len().max(16))?;
        if tile == 0 {
            return Ok(output);
        }
        let at_once = (MOST_BYTES / tile).clamp(1, MOST_TILES);
        for (number, raw) in raw.chunks(at_once * tile).enumerate() {
            let count = raw.len() / tile;
            let place = |index: usize| u32::try_from(index * tile).unwrap_or(u32::MAX);
            let tiles: Vec<_> = (0..count)
                .map(|index| RawTile {
                    source: place(index),
                    width: format.size.width,
                    height: format.size.height,
                    channels: format.channels.into(),
                    sample_bytes: format.sample_bytes.into(),
                    predictor: if format.differences { 2 } else { 1 },
                    big_endian: format.big_endian.into(),
                    destination: place(index),
                })
                .collect();
            debug_assert_eq!(to_bytes(&tiles).len(), count * RawTile::BYTES, "no gaps");
            self.scratch.tiles.fill(executor, &to_bytes(&tiles))?;
            self.scratch.pixels.fill(executor, raw)?;
            let arguments = [
                Argument::Buffer(self.scratch.tiles.buffer()?, 0),
                Argument::Buffer(self.scratch.pixels.buffer()?, 0),
                Argument::Buffer(&output, number * at_once * tile),
                Argument::U32(0),
            ];
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let grid = (format.size.height.div_ceil(4), count);
            executor.launch(Kernel::Unpack, grid, 128, &arguments)?;
        }
        executor.synchronize()?;
        Ok(output)
    }
}
