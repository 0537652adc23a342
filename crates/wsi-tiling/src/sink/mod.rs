//! Where tiles go.
//!
//! | sink | what it makes |
//! |---|---|
//! | [`PngFolder`] | a PNG for each image tile and each mask tile, as hi-ml writes them |
//! | [`NpyFolder`] | one NumPy stack of images and one of masks |
//! | [`MemorySink`] | `ndarray` stacks |
//!
//! A new output is one more implementation of [`TileSink`].

mod encode;
mod folder;
mod memory;
mod npy;
mod png;
mod stack;

use bytes::BytesMut;
use wsi_core::Result;

use crate::job::Plan;
use crate::mask::LabelType;
use crate::select::{FailedTile, TileRecord};

pub(crate) use encode::PngEncoder;
pub(crate) use folder::{create_dir, write_whole};
pub use memory::{LabelStack, MemorySink, Tiles};
pub use npy::{ImageLayout, NpyFolder};
pub use png::PngFolder;

/// Takes the tiles of a run. Tiles come from several threads at once and in any order; their
/// [`index`](TileRecord::index) says where each belongs.
pub trait TileSink: Send + Sync {
    /// Prepares for a run; not called for a run that has nothing to do.
    ///
    /// # Errors
    /// `InvalidArgument` if what is there belongs to another run; `Io` if it cannot be prepared.
    fn begin(&mut self, plan: &Plan) -> Result<()>;

    /// Whether this tile is there already, from an earlier run of the same plan.
    fn has(&self, tile: &TileRecord) -> bool {
        let _ = tile;
        false
    }

    /// Memory of the sink's own for a tile's pixels and labels, as long as they are. A tile that it was
    /// lent for does not come by [`write`](Self::write) but by [`keep`](Self::keep), and no copy is
    /// made on the way. `None`, as by default: the tile comes by `write`.
    fn lend(&self, tile: &TileRecord) -> Option<TileMemory> {
        let _ = tile;
        None
    }

    /// Takes back what it [lent](Self::lend), filled. Memory of tiles that could not be read does not
    /// come back.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn keep(&self, tile: &TileRecord, memory: TileMemory) -> Result<()> {
        let _ = tile;
        drop(memory);
        Ok(())
    }

    /// Takes a tile.
    ///
    /// # Errors
    /// Whatever keeps it from being stored; the run then ends.
    fn write(&self, tile: &Tile<'_>) -> Result<()>;

    /// Ends a run: `tiles` are those that are here, in order, and `failed` those that could not be
    /// read.
    ///
    /// # Errors
    /// `Io` if the result cannot be completed.
    fn finish(&mut self, tiles: &[TileRecord], failed: &[FailedTile]) -> Result<()>;

    /// Ends a run that met an error: what is done stays, what is half done goes.
    fn abandon(&mut self) {}
}

/// Memory for the pixels and labels of a tile, laid out as in [`Tile`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TileMemory {
    /// As long as [`Tile::image`].
    pub image: BytesMut,
    /// As long as [`Tile::labels`].
    pub labels: BytesMut,
}

impl TileMemory {
    /// Memory for the two, whose content does not matter.
    #[must_use]
    pub const fn new(image: BytesMut, labels: BytesMut) -> Self {
        Self { image, labels }
    }
}

/// The pixels and labels of a kept tile.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Tile<'a> {
    /// Which tile.
    pub record: &'a TileRecord,
    /// Width and height in pixels.
    pub size: u32,
    /// 8-bit RGB, row by row, without gaps. Padding is white.
    pub image: &'a [u8],
    /// Labels of [`label_type`](Self::label_type) in the machine's byte order, row by row, without
    /// gaps. Padding is 0.
    pub labels: &'a [u8],
    /// The type of a label.
    pub label_type: LabelType,
}
