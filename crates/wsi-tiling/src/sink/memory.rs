//! Tiles in memory.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array3, Array4};
use wsi_core::{Error, Result};

use super::png::not_begun;
use super::{Tile, TileSink};
use crate::arch::pages;
use crate::job::Plan;
use crate::mask::LabelType;
use crate::select::{FailedTile, TileRecord};

/// Keeps tiles in memory.
///
/// ```no_run
/// # fn tile(slide: &wsi_core::Slide) -> wsi_core::Result<()> {
/// use wsi_tiling::{MemorySink, TilingJob};
/// let mut sink = MemorySink::new();
/// TilingJob::new(slide).run(&mut sink)?;
/// let tiles = sink.into_tiles()?;
/// assert_eq!(tiles.images.shape()[0], tiles.records.len());
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct MemorySink {
    /// Tile size and label type of the run.
    plan: Option<(usize, LabelType)>,
    finished: bool,
    stacks: Mutex<Stacks>,
    records: Vec<TileRecord>,
}

#[derive(Debug, Default)]
struct Stacks {
    images: Vec<u8>,
    labels: Vec<u8>,
}

/// The tiles of a run, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tiles {
    /// N x height x width x 3.
    pub images: Array4<u8>,
    /// N x height x width.
    pub masks: LabelStack,
    /// What is known of each of the N tiles.
    pub records: Vec<TileRecord>,
}

/// Label tiles in the type of the mask: N x height x width.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelStack {
    /// Labels of 8 bits.
    U8(Array3<u8>),
    /// Labels of 16 bits.
    U16(Array3<u16>),
    /// Labels of 32 bits.
    U32(Array3<u32>),
}

impl LabelStack {
    /// The labels, if they are of 8 bits.
    #[must_use]
    pub const fn as_u8(&self) -> Option<&Array3<u8>> {
        match self {
            Self::U8(labels) => Some(labels),
            Self::U16(_) | Self::U32(_) => None,
        }
    }
}

impl MemorySink {
    /// A sink without tiles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tiles of the last run.
    ///
    /// # Errors
    /// `InvalidArgument` if there was none, or it failed.
    pub fn into_tiles(self) -> Result<Tiles> {
        let (side, labels) = self
            .plan
            .filter(|_| self.finished)
            .ok_or_else(|| Error::invalid("the tiles of a sink that saw no run to its end"))?;
        let stacks = self
            .stacks
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let shape = (self.records.len(), side, side);
        let misfit = |error| Error::invalid("tiles of another size").with_source(error);
        let chunks = |bytes: usize| stacks.labels.chunks_exact(bytes);
        let masks = match labels {
            LabelType::U16 => {
                let labels = chunks(2)
                    .map(|label| u16::from_ne_bytes([label[0], label[1]]))
                    .collect();
                LabelStack::U16(Array3::from_shape_vec(shape, labels).map_err(misfit)?)
            }
            LabelType::U32 => {
                let label =
                    |label: &[u8]| u32::from_ne_bytes([label[0], label[1], label[2], label[3]]);
                let labels = chunks(4).map(label).collect();
                LabelStack::U32(Array3::from_shape_vec(shape, labels).map_err(misfit)?)
            }
            LabelType::U8 => {
                LabelStack::U8(Array3::from_shape_vec(shape, stacks.labels).map_err(misfit)?)
            }
        };
        let shape = (self.records.len(), side, side, 3);
        Ok(Tiles {
            images: Array4::from_shape_vec(shape, stacks.images).map_err(misfit)?,
            masks,
            records: self.records,
        })
    }
}

impl TileSink for MemorySink {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        let side = plan.tile_size as usize;
        let mut stacks = Stacks::default();
        let room = |bytes: usize| {
            let tiles = usize::try_from(plan.grid.tiles()).unwrap_or(usize::MAX);
            tiles.saturating_mul(side * side * bytes).min(MOST_ROOM)
        };
        // Of what is reserved, what no tile is put in is never touched.
        pages::reserve(&mut stacks.images, room(3));
        pages::reserve(&mut stacks.labels, room(plan.label_type.bytes()));
        *self = Self {
            plan: Some((side, plan.label_type)),
            stacks: Mutex::new(stacks),
            ..Self::default()
        };
        Ok(())
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        place(&mut stacks.images, tile.record.index, tile.image);
        place(&mut stacks.labels, tile.record.index, tile.labels);
        Ok(())
    }

    fn finish(&mut self, tiles: &[TileRecord], _: &[FailedTile]) -> Result<()> {
        let stacks = self
            .stacks
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let (side, labels) = self.plan.ok_or_else(not_begun)?;
        close_gaps(&mut stacks.images, tiles, side * side * 3);
        close_gaps(&mut stacks.labels, tiles, side * side * labels.bytes());
        stacks.images.shrink_to_fit();
        stacks.labels.shrink_to_fit();
        self.finished = true;
        self.records = tiles.to_vec();
        Ok(())
    }
}

/// Room that is reserved at the start, at most; more is found when it is needed.
const MOST_ROOM: usize = 1 << 30;

/// Puts `bytes` at their place in a stack of such.
fn place(stack: &mut Vec<u8>, index: usize, bytes: &[u8]) {
    let start = index * bytes.len();
    if stack.len() > start {
        stack[start..start + bytes.len()].copy_from_slice(bytes);
        return;
    }
    // Tiles before it may still be on their way.
    stack.resize(start, 0);
    stack.extend_from_slice(bytes);
}

/// Moves tiles up to where tiles are missing.
fn close_gaps(stack: &mut Vec<u8>, tiles: &[TileRecord], bytes: usize) {
    for (position, tile) in tiles.iter().enumerate() {
        if tile.index != position {
            stack.copy_within(
                tile.index * bytes..(tile.index + 1) * bytes,
                position * bytes,
            );
        }
    }
    stack.truncate(tiles.len() * bytes);
}
