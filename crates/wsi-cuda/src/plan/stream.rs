//! The entropy-coded data of a tile, without stuffing and cut at its restarts.

use std::sync::Arc;

use wsi_jpeg::unstuff_segment;

use super::{Refusal, Template};
use crate::layout::Segment;

/// Headers that a planner has read: with them, any thread can take a tile apart.
#[derive(Clone, Debug)]
pub struct Headers(pub(super) Arc<Template>);

impl Headers {
    /// Takes the data of a tile with these headers apart. It is the larger part of planning.
    ///
    /// # Errors
    /// If the tile is not for the kernels.
    pub fn unstuff(&self, stored: &[u8]) -> Result<Unstuffed, Refusal> {
        Unstuffed::read(stored, &self.0)
    }
}

/// A tile whose data are ready to be appended to a plan.
#[derive(Clone, Debug)]
pub struct Unstuffed {
    pub(super) template: Arc<Template>,
    /// Its segments, each from a multiple of 16 bytes on.
    pub(super) stream: Vec<u8>,
    /// What they are, as if there were no other tile.
    pub(super) segments: Vec<Segment>,
}

/// Bytes of a segment; longer ones would keep one thread block busy while all others wait.
const LONGEST_SEGMENT: usize = 4 << 20;
const END_OF_IMAGE: u8 = 0xD9;
const FIRST_RESTART: u8 = 0xD0;

impl Unstuffed {
    /// Takes the data of a tile apart.
    ///
    /// # Errors
    /// `Marker` where another marker stands than the one that is due, `LongSegment` for a segment of
    /// more than 4 MiB.
    fn read(stored: &[u8], template: &Arc<Template>) -> Result<Self, Refusal> {
        let mut tile = Self {
            template: Arc::clone(template),
            stream: Vec::new(),
            segments: Vec::new(),
        };
        let mut scratch = Vec::with_capacity(stored.len());
        let mut at = template.header_length();
        let mut left = template.mcus();
        let (mut restarts, mut block) = (0_u8, 0);
        while left > 0 {
            let mcus = match template.interval {
                0 => left,
                interval => left.min(interval),
            };
            left -= mcus;
            scratch.clear();
            let (end, marker) = unstuff_segment(stored, at, &mut scratch);
            at = end;
            let due = match left {
                0 => END_OF_IMAGE,
                _ => FIRST_RESTART + restarts,
            };
            if marker != Some(due) {
                return Err(Refusal::Marker(marker));
            }
            restarts = (restarts + 1) & 7;
            if scratch.len() > LONGEST_SEGMENT {
                return Err(Refusal::LongSegment);
            }
            let number = |value: usize| u32::try_from(value).map_err(|_| Refusal::TooLarge);
            let blocks = mcus * template.tile.units;
            tile.segments.push(Segment {
                word: number(tile.stream.len() / 4)?,
                bits: number(scratch.len() * 8)?,
                first_block: block,
                blocks,
                table_set: template.tile.table_set,
                ..Segment::default()
            });
            block += blocks;
            let length = (tile.stream.len() + scratch.len() + 16).next_multiple_of(16);
            if tile.stream.is_empty() {
                std::mem::swap(&mut tile.stream, &mut scratch);
            } else {
                tile.stream.extend_from_slice(&scratch);
            }
            tile.stream.resize(length, 0);
        }
        Ok(tile)
    }
}
