//! Stored tiles that were seen before: most of a mask is background, and its tiles are the same
//! bytes again and again. What they decode to is known without decoding them.

use std::sync::{Mutex, PoisonError};

use wsi_core::source::TileIndex;
use wsi_core::{EncodedTiles, Plane, Size, Slide};

use super::cells::CellIndex;

/// What the stored tiles of one label hold.
pub(super) struct Repeats<'a> {
    tiles: &'a dyn EncodedTiles,
    level: usize,
    /// Compressed tiles, whole and not cut by an edge, and the label of all of their pixels.
    known: Mutex<Vec<(Vec<u8>, [u8; 4])>>,
}

impl<'a> Repeats<'a> {
    /// `None` where stored tiles cannot be had, or are not the cells that are read.
    pub(super) fn new(slide: &'a Slide, level: usize, cell: Size) -> Option<Self> {
        let tiles = slide.encoded_tiles()?;
        let layout = tiles.layout(level, Plane::default()).ok()?;
        (layout.tile_size == cell && layout.compression != "none").then_some(Self {
            tiles,
            level,
            known: Mutex::default(),
        })
    }

    /// The bytes of a stored tile; none if it is left out, or cannot be read.
    pub(super) fn stored(&self, (row, column): CellIndex) -> Vec<u8> {
        let mut bytes = Vec::new();
        let index = TileIndex {
            level: self.level,
            plane: Plane::default(),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            row: u32::try_from(row).unwrap_or(u32::MAX),
        };
        match self.tiles.read_tile(index, &mut bytes) {
            Ok(true) => bytes,
            // Reading the cell says what is wrong, and where.
            Ok(false) | Err(_) => Vec::new(),
        }
    }

    /// The label of every pixel of a tile of these bytes, if that is known.
    pub(super) fn find(&self, stored: &[u8]) -> Option<[u8; 4]> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(bytes, _)| bytes == stored);
        found.map(|&(_, value)| value)
    }

    /// Keeps in mind what a tile of these bytes holds.
    pub(super) fn learn(&self, stored: Vec<u8>, value: [u8; 4]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST && (1..=LONGEST).contains(&stored.len()) {
            known.push((stored, value));
        }
    }
}

/// Tiles that are kept in mind: labels are few.
const MOST: usize = 32;

/// Bytes of such a tile. One label compresses well; where it does not, little is gained.
const LONGEST: usize = 64 << 10;
