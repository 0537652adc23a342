//! How many lanes a segment gets, and in which launch.
//!
//! A lane's decode is a chain of dependent steps, so more lanes make a segment faster; but slices
//! that are shorter than a few thousand bits often end before their guess has come right, and are
//! decoded again. The rule: as many lanes as bring some 65,536 threads into flight, no fewer than 32
//! and no more than 256, and no slice shorter than 4,096 bits, or 2,048 for small batches.

use crate::layout::Segment;

/// How segments are cut. The default goes by the number of tiles and their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slicing {
    /// Lanes of a segment at most: a power of two up to 256; other numbers are rounded up.
    pub most_lanes: Option<u32>,
    /// Bits of a slice at least.
    pub least_bits: Option<u32>,
}

impl Slicing {
    /// Lanes of a segment at most: a power of two up to 256; other numbers are rounded up.
    #[must_use]
    pub fn with_most_lanes(mut self, lanes: Option<u32>) -> Self {
        self.most_lanes = lanes;
        self
    }

    /// Bits of a slice at least.
    #[must_use]
    pub fn with_least_bits(mut self, bits: Option<u32>) -> Self {
        self.least_bits = bits;
        self
    }
}

/// Segments that one launch decodes: those of a number of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Launch {
    /// Lanes of each segment.
    pub lanes: u32,
    /// The first of its segments.
    pub first: u32,
    /// How many there are: whole thread blocks.
    pub segments: u32,
}

/// Threads of a block whose segments have up to 32 lanes.
const THREADS: u32 = 128;
/// Lanes of a segment: as many as the largest thread block has threads.
const MOST_LANES: u32 = 256;
/// Threads that keep a large device busy.
const THREADS_IN_FLIGHT: usize = 1 << 16;
/// Tiles of a batch below which shorter slices pay.
const SMALL_BATCH: usize = 300;

impl Launch {
    /// Threads of a block.
    #[must_use]
    pub fn threads(&self) -> u32 {
        threads(self.lanes)
    }

    /// Thread blocks.
    #[must_use]
    pub fn thread_blocks(&self) -> u32 {
        self.segments / (self.threads() / self.lanes)
    }
}

/// Lanes for so many slices, in three sizes only: each is a launch of its own, and a lane without a
/// slice costs less than a launch.
const fn lanes_for(slices: u32) -> u32 {
    match slices {
        0..=4 => 4,
        5..=32 => 32,
        _ => MOST_LANES,
    }
}

/// Threads of a block for segments of so many lanes: above 32 one segment has a block for itself.
const fn threads(lanes: u32) -> u32 {
    if lanes <= 32 { THREADS } else { lanes }
}

/// Cuts segments into slices and puts them into launches: those of a number of lanes together, in
/// the order of their tables and lengths, with empty ones after the last of each table set.
pub(super) fn arrange(
    segments: Vec<Segment>,
    tiles: usize,
    slicing: &Slicing,
) -> (Vec<Segment>, Vec<Launch>) {
    let by_tiles = (THREADS_IN_FLIGHT / tiles.max(1)).clamp(32, MOST_LANES as usize);
    let by_tiles = u32::try_from(by_tiles).unwrap_or(MOST_LANES);
    let most = slicing.most_lanes.unwrap_or(by_tiles).clamp(1, MOST_LANES);
    let most = most.next_power_of_two();
    let small = if tiles < SMALL_BATCH { 2048 } else { 4096 };
    let least = slicing.least_bits.unwrap_or(small).max(1);

    let mut cut: Vec<(u32, Segment)> = segments
        .into_iter()
        .map(|segment| {
            // Never longer than the segment: places of slices are numbers of 32 bits.
            let least = least.min(segment.bits.max(1));
            let slices = segment.bits.div_ceil(least).max(1);
            let lanes = lanes_for(slices).min(most);
            let slice_bits = segment.bits.div_ceil(lanes).max(least);
            let segment = Segment {
                slice_bits,
                ..segment
            };
            (lanes, segment)
        })
        .collect();
    // Lanes of a warp wait for the longest slice among them.
    cut.sort_by_key(|(lanes, segment)| (*lanes, segment.table_set, u32::MAX - segment.bits));

    let mut arranged: Vec<Segment> = Vec::with_capacity(cut.len());
    let mut launches: Vec<Launch> = Vec::new();
    for run in cut.chunk_by(|(a, x), (b, y)| (a, x.table_set) == (b, y.table_set)) {
        let Some(&(lanes, last)) = run.last() else {
            continue;
        };
        let first = arranged.len();
        arranged.extend(run.iter().map(|(_, segment)| segment));
        let group = (threads(lanes) / lanes) as usize;
        let empty = Segment {
            bits: 0,
            blocks: 0,
            ..last
        };
        let padded = first + run.len().next_multiple_of(group);
        arranged.resize(padded, empty);
        let count = u32::try_from(padded - first).unwrap_or(0);
        match launches.last_mut() {
            Some(launch) if launch.lanes == lanes => launch.segments += count,
            _ => launches.push(Launch {
                lanes,
                first: u32::try_from(first).unwrap_or(0),
                segments: count,
            }),
        }
    }
    (arranged, launches)
}
