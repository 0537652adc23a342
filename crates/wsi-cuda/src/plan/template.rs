//! What tiles with the same headers have in common.

use wsi_jpeg::{ColorModel, Component, Parts};

use super::{Refusal, StreamFormat, tables};
use crate::layout::{TableSet, Tile, Upsampling};

/// A tile but for its places in the buffers, made of its headers alone.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The stream up to its entropy-coded data.
    header: Box<[u8]>,
    /// Planes start at 0, and so do blocks.
    pub(super) tile: Tile,
    /// Bytes of all planes: a multiple of 64.
    pub(super) pixel_bytes: u32,
    /// MCUs between restarts; 0 for none.
    pub(super) interval: u32,
}

/// Blocks of a tile that the kernels take.
const MOST_BLOCKS: u64 = 1 << 23;

impl Template {
    /// Reads the headers of a tile.
    ///
    /// # Errors
    /// If the tile is not for the kernels.
    pub(super) fn read(stored: &[u8], format: &StreamFormat) -> Result<(Self, TableSet), Refusal> {
        let shared = format.tables.as_ref();
        let parts = Parts::read(stored, shared).map_err(Refusal::Headers)?;
        if !parts.outcome().is_clean() || shared.is_some_and(|t| !t.outcome().is_clean()) {
            return Err(Refusal::Warnings);
        }
        let info = parts.info();
        let (width, height) = (info.width(), info.height());
        if (width, height) != (format.size.width, format.size.height) {
            return Err(Refusal::Size { width, height });
        }
        let color = match (
            format.color.unwrap_or_else(|| info.color()),
            info.components(),
        ) {
            (ColorModel::Gray, [_]) | (ColorModel::Rgb, [_, _, _]) => 0,
            (ColorModel::YCbCr, [_, _, _]) => 1,
            _ => return Err(Refusal::Color),
        };
        let (shift_x, shift_y) = shifts(info.components())?;
        let (set, pairs) = tables::build(parts.components())?;
        let mut tile = Tile {
            kind: Tile::PLANES,
            width,
            height,
            components: if info.components().len() == 1 { 1 } else { 3 },
            color,
            shift_x,
            shift_y,
            mcus_wide: width.div_ceil(8 << shift_x),
            mcus_high: height.div_ceil(8 << shift_y),
            chroma_width: width.div_ceil(1 << shift_x),
            chroma_height: height.div_ceil(1 << shift_y),
            ..Tile::default()
        };
        tile.upsampling = upsampling(&tile) as u32;
        number_units(&mut tile, pairs);
        let blocks = u64::from(tile.mcus_wide) * u64::from(tile.mcus_high) * u64::from(tile.units);
        if blocks > MOST_BLOCKS {
            return Err(Refusal::TooLarge);
        }
        let pixel_bytes = place_planes(&mut tile);
        let header = stored.get(..parts.header_length());
        let template = Self {
            header: header.unwrap_or_default().into(),
            tile,
            pixel_bytes,
            interval: info.restart_interval().into(),
        };
        Ok((template, set))
    }

    /// Whether a tile has these headers.
    pub(super) fn fits(&self, stored: &[u8]) -> bool {
        stored.starts_with(&self.header)
    }

    pub(super) fn header_length(&self) -> usize {
        self.header.len()
    }

    pub(super) fn mcus(&self) -> u32 {
        self.tile.mcus_wide * self.tile.mcus_high
    }

    pub(super) fn blocks(&self) -> u32 {
        self.mcus() * self.tile.units
    }
}

/// log2 of the luma sampling factors, where chroma has 1 x 1.
fn shifts(components: &[Component]) -> Result<(u32, u32), Refusal> {
    let [luma, chroma @ ..] = components else {
        return Err(Refusal::Sampling);
    };
    // One component alone is not interleaved: its factors mean nothing (T.81 A.2.2).
    if chroma.is_empty() {
        return Ok((0, 0));
    }
    if chroma.iter().any(|c| (c.horizontal, c.vertical) != (1, 1)) {
        return Err(Refusal::Sampling);
    }
    match (luma.horizontal, luma.vertical) {
        (h @ (1 | 2), v @ (1 | 2)) => Ok((u32::from(h) - 1, u32::from(v) - 1)),
        _ => Err(Refusal::Sampling),
    }
}

/// As libjpeg-turbo chooses (`jinit_upsampler`): one or two samples across are not filtered across.
fn upsampling(tile: &Tile) -> Upsampling {
    match (tile.shift_x, tile.shift_y) {
        (0, 0) => Upsampling::None,
        (0, _) => Upsampling::Down,
        _ if tile.chroma_width <= 2 => Upsampling::Repeat,
        (_, 0) => Upsampling::Across,
        _ => Upsampling::Both,
    }
}

/// Says of each block of an MCU whose it is and which tables it takes, and how often that repeats.
fn number_units(tile: &mut Tile, pairs: [u32; 3]) {
    let luma = 1 << (tile.shift_x + tile.shift_y);
    tile.units = if tile.components == 1 { 1 } else { luma + 2 };
    for unit in 0..tile.units {
        let component = (unit + 1).saturating_sub(luma);
        tile.unit_components |= component << (2 * unit);
        tile.unit_tables |= pairs[component as usize] << unit;
    }
    let table = |unit: u32| tile.unit_tables >> unit & 1;
    let repeats = |period: &u32| {
        tile.units.is_multiple_of(*period)
            && (0..tile.units).all(|unit| table(unit) == table(unit % period))
    };
    tile.period = (1..tile.units).find(repeats).unwrap_or(tile.units);
}

/// Places the planes one after the other; returns their bytes.
fn place_planes(tile: &mut Tile) -> u32 {
    let (wide, high) = (tile.mcus_wide * 8, tile.mcus_high * 8);
    let luma = (wide << tile.shift_x, high << tile.shift_y);
    let sizes = [luma, (wide, high), (wide, high)];
    let mut offset = 0;
    for (component, (width, height)) in (0..tile.components).zip(sizes) {
        tile.plane[component as usize] = offset;
        tile.stride[component as usize] = width;
        offset += (width * height).next_multiple_of(64);
    }
    offset
}
