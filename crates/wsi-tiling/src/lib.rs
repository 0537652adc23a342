//! Cuts whole-slide images into training tiles, chosen by a mask.
//!
//! ```text
//! Mask -> RegionOfInterest -> Grid -> occupancy -> selection -> pipeline -> TileSink
//! ```
//!
//! A [`TilingJob`] takes a slide, a [`Mask`] (a slide of labels, a picture, an array, or tissue found
//! by Otsu's threshold) and [`Settings`], and hands the tiles that hold enough foreground to a
//! [`TileSink`]: a folder of PNGs, NumPy stacks, or `ndarray`s in memory. Its defaults are the job
//! that microsoft/hi-ml published for its benchmark of slide readers, with three differences, all
//! of them on purpose: the region is clipped to the slide, coordinates have x and y the right way
//! round, and mask tiles have one channel.
//!
//! ```no_run
//! # fn tile(slide: &wsi_core::Slide, labels: wsi_core::Slide) -> wsi_core::Result<()> {
//! use wsi_tiling::{Mask, PngFolder, TilingJob};
//!
//! let report = TilingJob::new(slide)
//!     .with_mask(Mask::from_slide(labels)?)
//!     .run(&mut PngFolder::new("tiles"))?;
//! for tile in &report.tiles {
//!     println!("{} is {:.0} % foreground", tile.name(), 100.0 * tile.occupancy);
//! }
//! # Ok(()) }
//! ```
//!
//! A [`PatchReader`] reads patches at any places in batches, ahead of a training loop.
//!
//! The mask is counted in its own pixels, a row of tiles at a time; of the slide, only the stored
//! tiles that a kept tile touches are read, each once. Memory depends on a row of tiles and on what
//! is in flight, not on the slide. This crate knows slides by `wsi-core`'s traits alone.

mod arch;
mod grid;
mod job;
mod mask;
mod occupancy;
mod overview;
mod patches;
mod pipeline;
mod report;
mod roi;
mod room;
mod select;
mod settings;
mod sink;

pub use grid::{Grid, Padding};
pub use job::{Plan, Progress, TilingJob};
pub use mask::{Foreground, LabelSample, LabelType, Mask};
pub use overview::{draw_overview, write_overview};
pub use patches::{Batch, BatchPixels, Batches, PatchOutput, PatchReader};
pub use report::{Report, Seconds};
pub use roi::RegionOfInterest;
pub use select::{FailedTile, TileRecord};
pub use settings::{LevelChoice, MAX_TILE_SIZE, RegionChoice, Settings};
pub use sink::{
    ImageLayout, LabelStack, MemorySink, NpyFolder, PngFolder, Tile, TileMemory, TileSink, Tiles,
};
