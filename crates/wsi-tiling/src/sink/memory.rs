//! Tiles in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{Array3, Array4};
use wsi_core::{Error, Result};

use super::png::not_begun;
use super::stack::Stack;
use super::{Tile, TileMemory, TileSink};
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
    images: Stack,
    labels: Stack,
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
        let (images, stack) = (stacks.images.joined, stacks.labels.joined);
        let chunks = |bytes: usize| stack.chunks_exact(bytes);
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
            LabelType::U8 => LabelStack::U8(Array3::from_shape_vec(shape, stack).map_err(misfit)?),
        };
        let shape = (self.records.len(), side, side, 3);
        Ok(Tiles {
            images: Array4::from_shape_vec(shape, images).map_err(misfit)?,
            masks,
            records: self.records,
        })
    }
}

impl TileSink for MemorySink {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        let side = plan.tile_size as usize;
        let tiles = usize::try_from(plan.grid.tiles()).unwrap_or(usize::MAX);
        let stacks = Stacks {
            images: Stack::new(side * side * 3, tiles),
            labels: Stack::new(side * side * plan.label_type.bytes(), tiles),
        };
        *self = Self {
            plan: Some((side, plan.label_type)),
            stacks: Mutex::new(stacks),
            ..Self::default()
        };
        Ok(())
    }

    fn lend(&self, tile: &TileRecord) -> Option<TileMemory> {
        let mut stacks = lock(&self.stacks);
        let image = stacks.images.take(tile.index);
        Some(TileMemory::new(image, stacks.labels.take(tile.index)))
    }

    fn keep(&self, tile: &TileRecord, memory: TileMemory) -> Result<()> {
        let mut stacks = lock(&self.stacks);
        stacks.images.put(tile.index, memory.image);
        stacks.labels.put(tile.index, memory.labels);
        Ok(())
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        self.plan.ok_or_else(not_begun)?;
        let mut memory = self.lend(tile.record).unwrap_or_default();
        if (memory.image.len(), memory.labels.len()) != (tile.image.len(), tile.labels.len()) {
            return Err(Error::invalid("a tile that is not as large as was planned"));
        }
        memory.image.copy_from_slice(tile.image);
        memory.labels.copy_from_slice(tile.labels);
        self.keep(tile.record, memory)
    }

    fn finish(&mut self, tiles: &[TileRecord], _: &[FailedTile]) -> Result<()> {
        let stacks = self
            .stacks
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        self.plan.ok_or_else(not_begun)?;
        let order: Vec<usize> = tiles.iter().map(|tile| tile.index).collect();
        stacks.images.join(&order);
        stacks.labels.join(&order);
        self.finished = true;
        self.records = tiles.to_vec();
        Ok(())
    }
}

fn lock(stacks: &Mutex<Stacks>) -> MutexGuard<'_, Stacks> {
    stacks.lock().unwrap_or_else(PoisonError::into_inner)
}
