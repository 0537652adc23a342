//! What a run did.

use wsi_core::Size;

use crate::grid::Grid;
use crate::roi::RegionOfInterest;
use crate::select::{FailedTile, TileRecord};

/// What a run did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The slide's name in lists and folders.
    pub slide_id: String,
    /// Width and height of the level that was cut.
    pub level_size: Size,
    /// The region that was cut, and its level.
    pub region: RegionOfInterest,
    /// How it was cut.
    pub grid: Grid,
    /// Where the labels came from, in words.
    pub mask: String,
    /// Tiles of the grid.
    pub tiles_total: u64,
    /// The kept tiles that are in the sink, row by row, left to right.
    pub tiles: Vec<TileRecord>,
    /// The tiles that could not be read.
    pub failed: Vec<FailedTile>,
    /// How many of [`tiles`](Self::tiles) were there from an earlier run.
    pub tiles_resumed: u64,
    /// Threads of the pool.
    pub threads: usize,
    /// Where the time went.
    pub seconds: Seconds,
}

/// Where the time went, in seconds.
///
/// Stages run at the same time on several threads: a stage's time is how long it kept threads busy,
/// divided by their number, so that the stages of a run without idle threads add up to its total.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Seconds {
    /// Reading and counting the mask.
    pub mask: f64,
    /// Reading, decoding and assembling image tiles.
    pub read: f64,
    /// Encoding and storing tiles.
    pub save: f64,
    /// From the job's beginning to its end.
    pub total: f64,
}
