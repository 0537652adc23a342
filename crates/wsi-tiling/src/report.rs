//! What a run did.

use std::fmt;

use wsi_core::{Level, Mpp};

use crate::grid::Grid;
use crate::roi::RegionOfInterest;
use crate::select::{FailedTile, TileRecord};

/// What a run did. It prints as a small table.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The slide's name in lists and folders.
    pub slide_id: String,
    /// The levels of the slide.
    pub levels: Vec<Level>,
    /// Size of a pixel of the level that was cut, where known.
    pub mpp: Option<Mpp>,
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

impl Report {
    /// Counts the time that it took to open the slide and its mask, which a job gets open.
    #[must_use]
    pub fn with_open_seconds(mut self, seconds: f64) -> Self {
        self.seconds.total += seconds - self.seconds.open;
        self.seconds.open = seconds;
        self
    }

    /// The numbers of the run as one JSON object: `level`, `tiles_total`, `tiles_kept`,
    /// `tiles_resumed`, `tiles_failed`, `threads` and `seconds`, an object of the stages.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Seconds {
            open,
            mask,
            read,
            assemble,
            save,
            wait,
            total,
        } = self.seconds;
        serde_json::json!({
            "level": self.region.level,
            "tiles_total": self.tiles_total,
            "tiles_kept": self.tiles.len(),
            "tiles_resumed": self.tiles_resumed,
            "tiles_failed": self.failed.len(),
            "threads": self.threads,
            "seconds": {
                "open": open, "mask": mask, "read": read, "assemble": assemble, "save": save,
                "wait": wait, "total": total,
            },
        })
        .to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, level) in self.levels.iter().enumerate() {
            write!(
                f,
                "level {index}   {}, downsample {}",
                level.size, level.downsample
            )?;
            match self.mpp {
                _ if index != self.region.level => writeln!(f)?,
                None => writeln!(f, ", cut into tiles of {}", self.grid.tile_size())?,
                Some(mpp) => writeln!(
                    f,
                    ", cut into tiles of {} at {:.4} micrometres per pixel",
                    self.grid.tile_size(),
                    mpp.mean()
                )?,
            }
        }
        let (box0, on_level) = (self.region.level0, self.region.on_level);
        writeln!(f, "mask      {}", self.mask)?;
        writeln!(
            f,
            "region    {} from {}, which is {} from {} of level 0",
            on_level.size, on_level.origin, box0.size, box0.origin
        )?;
        writeln!(
            f,
            "tiles     {} kept of {}; {} were there before, {} cannot be read",
            self.tiles.len(),
            self.tiles_total,
            self.tiles_resumed,
            self.failed.len()
        )?;
        let Seconds {
            open,
            mask,
            read,
            assemble,
            save,
            wait,
            total,
        } = self.seconds;
        write!(
            f,
            "seconds   open {open:.3}, mask {mask:.3}, read {read:.3}, assemble {assemble:.3}, save \
             {save:.3}, wait {wait:.3}, total {total:.3}, threads {}",
            self.threads
        )
    }
}

/// Where the time went, in seconds.
///
/// Stages run at the same time on several threads: a stage's time is how long it kept threads busy,
/// divided by their number, so that the stages and `wait` add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Seconds {
    /// Opening the slide and its mask, where the caller said so: see
    /// [`Report::with_open_seconds`].
    pub open: f64,
    /// Reading and counting the mask.
    pub mask: f64,
    /// Reading and decoding image tiles, into the memory of the tiles.
    pub read: f64,
    /// Putting the labels of tiles together.
    pub assemble: f64,
    /// Encoding and storing tiles.
    pub save: f64,
    /// The rest: threads that waited, at the beginning and end of the run and between rows of tiles.
    pub wait: f64,
    /// From the job's beginning to its end, and the time to open.
    pub total: f64,
}
