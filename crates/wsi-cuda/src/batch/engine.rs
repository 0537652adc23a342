//! One call: batch after batch through the kernels, and what they leave through the CPU.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use wsi_core::{Error, ErrorKind, Image, Result};

use super::placement::{Placement, Placements};
use super::scratch::Scratch;
use super::source::TileSource;
use super::{CpuReason, CpuTile};
use crate::executor::{Argument, Executor, Kernel};
use crate::layout::{Descriptor as _, Rectangle, Segment, Tile, to_bytes};
use crate::output::DeviceTensor;
use crate::plan::{Headers, Plan, Planner, Slicing, Unstuffed};

/// What a call works on.
pub(super) struct Engine<'e> {
    pub(super) executor: &'e dyn Executor,
    pub(super) scratch: &'e mut Scratch,
    pub(super) slicing: Slicing,
    /// Bytes on the device that a batch may take.
    pub(super) budget: u64,
    pub(super) source: &'e dyn TileSource,
    pub(super) placements: &'e Placements,
    pub(super) tensor: &'e DeviceTensor,
    /// Colour of what has no tile: red, green, blue from the low byte up.
    pub(super) fill: u32,
    pub(super) failed: HashMap<usize, Arc<Error>>,
    pub(super) by_cpu: Vec<CpuTile>,
}

/// What a launch is about.
struct Batch {
    plan: Plan,
    /// The numbers of its tiles.
    planned: Vec<usize>,
    /// Tiles that are left to the CPU.
    left: Vec<CpuTile>,
    /// The number of the tile after them.
    after: usize,
}

/// Tiles that are read at a time, in parallel.
const READ_AT_ONCE: usize = 64;
/// Tiles of a batch: one axis of a grid.
const MOST_TILES: usize = 65_535;
/// Rectangles of a launch: the same axis.
const MOST_RECTANGLES: usize = 65_535;

impl Engine<'_> {
    /// Decodes `count` tiles to their places. `values` are the elements of each sample.
    ///
    /// # Errors
    /// `Device` if the device fails. What a tile runs into is noted and no error.
    pub(super) fn run(&mut self, count: usize, values: &[u8]) -> Result<()> {
        self.scratch.values.fill(self.executor, values)?;
        let outside = self.rectangles(self.placements.outside(), None);
        self.finish(outside, &[], None)?;
        let mut next = 0;
        let mut running = Vec::new();
        loop {
            // The device works on one batch while the next one is planned.
            let planned = (next < count).then(|| self.plan_from(next, count));
            let mut left = self.flagged(&std::mem::take(&mut running))?;
            let Some(batch) = planned else {
                return self.run_on_cpu(left);
            };
            match self.start(&batch.plan, &batch.planned) {
                Ok(()) => {
                    next = batch.after;
                    running = batch.planned;
                    left.extend(batch.left);
                }
                // Too large after all: in smaller batches, down to one tile.
                Err(error) if error.kind() == ErrorKind::Device && batch.planned.len() > 1 => {
                    self.budget = (batch.plan.device_bytes() / 2).min(self.budget / 2);
                    self.scratch.release();
                }
                Err(error) => return Err(error),
            }
            // And while the CPU decodes what is its own.
            self.run_on_cpu(left)?;
        }
    }

    /// Plans tiles from `next` on up to the budget.
    fn plan_from(&mut self, mut next: usize, count: usize) -> Batch {
        let (mut planned, mut left) = (Vec::new(), Vec::new());
        let Some(format) = self.source.format() else {
            let end = count.min(next + 4 * READ_AT_ONCE);
            let reason = CpuReason::Compression;
            left.extend((next..end).map(|tile| CpuTile::new(tile, reason.clone())));
            return Batch {
                plan: Plan::default(),
                planned,
                left,
                after: end,
            };
        };
        let mut planner = Planner::new(format).with_slicing(self.slicing);
        'batch: while next < count {
            let end = count.min(next + READ_AT_ONCE);
            let stored = self.take_apart(&mut planner, next..end);
            for stored in stored {
                let tile = next;
                match stored {
                    // The source shows such a tile another way, or says what is wrong with it.
                    Err(_) => left.push(CpuTile::new(tile, CpuReason::Unread)),
                    Ok(Err(reason)) => left.push(CpuTile::new(tile, reason)),
                    Ok(Ok(unstuffed)) => match planner.append(&unstuffed) {
                        Ok(_) => planned.push(tile),
                        // Full: this one begins the next batch.
                        Err(_) if !planner.is_empty() => break 'batch,
                        Err(refusal) => left.push(CpuTile::new(tile, CpuReason::Refused(refusal))),
                    },
                }
                next += 1;
                let full = planner.device_bytes() >= self.budget || planner.len() == MOST_TILES;
                if full || left.len() >= 4 * READ_AT_ONCE {
                    break 'batch;
                }
            }
        }
        Batch {
            plan: planner.finish(),
            planned,
            left,
            after: next,
        }
    }

    /// Reads tiles and takes their data apart, by all threads of rayon's current pool; says of each
    /// why it is for the CPU, if it is.
    fn take_apart(
        &self,
        planner: &mut Planner<'_>,
        tiles: Range<usize>,
    ) -> Vec<Result<Result<Unstuffed, CpuReason>>> {
        let source = self.source;
        let read = |tile| {
            let mut bytes = Vec::new();
            source.read(tile, &mut bytes).map(|there| (there, bytes))
        };
        let stored: Vec<_> = tiles.into_par_iter().map(read).collect();
        // Headers are the planner's, and few.
        let headers: Vec<_> = stored
            .iter()
            .map(|stored| match stored {
                Ok((true, bytes)) => planner.headers(bytes).map_err(CpuReason::Refused),
                _ => Err(CpuReason::Missing),
            })
            .collect();
        let take_apart = |(stored, headers): (Result<(bool, Vec<u8>)>, _)| {
            let (_, bytes) = stored?;
            let headers: Result<Headers, CpuReason> = headers;
            Ok(headers.and_then(|h| h.unstuff(&bytes).map_err(CpuReason::Refused)))
        };
        let stored = stored.into_par_iter().zip(headers);
        stored.map(take_apart).collect()
    }

    fn fail(&mut self, tile: usize, error: Error) {
        let error = self.source.place(tile, error);
        self.failed.insert(tile, Arc::new(error));
    }

    /// Launches all kernels over a plan whose parts have been uploaded.
    pub(super) fn launch(&mut self, plan: &Plan, planned: &[usize]) -> Result<()> {
        let status = self.scratch.status.buffer()?;
        self.executor.clear(status, 0..4 * plan.tiles.len())?;
        decode(self.executor, self.scratch, plan)?;
        let placed = planned.iter().enumerate().flat_map(|(place, &tile)| {
            let parts = self.placements.of_tile(tile);
            self.rectangles(parts, Some(place))
        });
        let rectangles: Vec<_> = placed.collect();
        self.finish(rectangles, &[], None)
    }

    /// Uploads a plan and launches the kernels over it; `planned` are the numbers of its tiles.
    fn start(&mut self, plan: &Plan, planned: &[usize]) -> Result<()> {
        if planned.is_empty() {
            return Ok(());
        }
        upload(self.executor, self.scratch, plan, &plan.stream)?;
        self.launch(plan, planned)
    }

    /// Waits for the plan that was launched last; returns the tiles that the kernels flagged.
    fn flagged(&self, planned: &[usize]) -> Result<Vec<CpuTile>> {
        if planned.is_empty() {
            return Ok(Vec::new());
        }
        let mut status = vec![0; 4 * planned.len()];
        let buffer = self.scratch.status.buffer()?;
        self.executor.download(buffer, 0, &mut status)?;
        let words = status.as_chunks::<4>().0.iter();
        let words = words.map(|word| u32::from_ne_bytes(*word));
        let flagged = planned.iter().zip(words).filter(|&(_, flags)| flags != 0);
        Ok(flagged
            .map(|(&tile, flags)| CpuTile::new(tile, CpuReason::Flagged(flags)))
            .collect())
    }

    /// Decodes tiles on the CPU, in rayon's current pool, and brings them to their places; those
    /// that cannot be decoded are filled, and noted.
    fn run_on_cpu(&mut self, tiles: Vec<CpuTile>) -> Result<()> {
        let mut rest = tiles.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(READ_AT_ONCE));
            rest = later;
            let source = self.source;
            let decoded: Vec<Result<Image>> = now
                .par_iter()
                .map(|tile| source.decode(tile.tile))
                .collect();
            let mut pixels: Vec<u8> = Vec::new();
            let mut packed: Vec<Tile> = Vec::new();
            let mut rectangles: Vec<Rectangle> = Vec::new();
            for (tile, image) in now.iter().zip(decoded) {
                let parts = self.placements.of_tile(tile.tile);
                let image = match image {
                    Ok(image) => image,
                    Err(error) => {
                        self.fail(tile.tile, error);
                        rectangles.extend(self.rectangles(parts, None));
                        continue;
                    }
                };
                if pixels.len() + image.as_bytes().len() > self.budget_of_pixels()
                    && !packed.is_empty()
                {
                    let rectangles = std::mem::take(&mut rectangles);
                    self.finish(rectangles, &packed, Some(&pixels))?;
                    packed.clear();
                    pixels.clear();
                }
                rectangles.extend(self.rectangles(parts, Some(packed.len())));
                packed.push(packed_tile(&image, pixels.len())?);
                pixels.extend_from_slice(image.as_bytes());
            }
            self.finish(rectangles, &packed, Some(&pixels))?;
        }
        self.by_cpu.extend(tiles);
        Ok(())
    }

    fn budget_of_pixels(&self) -> usize {
        usize::try_from(self.budget.min(1 << 30)).unwrap_or(1 << 30)
    }

    /// The descriptors of some parts, whose tile is number `place` of the descriptors of tiles.
    fn rectangles(&self, parts: &[Placement], place: Option<usize>) -> Vec<Rectangle> {
        let [pixel, row, _] = self.tensor.strides();
        let tile = place.and_then(|place| u32::try_from(place).ok());
        let rectangle = |part: &Placement| {
            let element = part.item as u64 * self.tensor.item_elements()
                + u64::from(part.target.0) * u64::from(pixel)
                + u64::from(part.target.1) * u64::from(row);
            let [low, high] = halves(element);
            Rectangle {
                tile: tile.unwrap_or(Rectangle::NO_TILE),
                x: part.source.0,
                y: part.source.1,
                width: part.size.width,
                height: part.size.height,
                fill: self.fill,
                destination_low: low,
                destination_high: high,
            }
        };
        parts.iter().map(rectangle).collect()
    }

    /// Launches the last kernel over rectangles of the tiles that are there, or of `packed` ones
    /// with their `pixels`.
    fn finish(
        &mut self,
        mut rectangles: Vec<Rectangle>,
        packed: &[Tile],
        pixels: Option<&[u8]>,
    ) -> Result<()> {
        rectangles.retain(|rectangle| rectangle.width > 0 && rectangle.height > 0);
        if rectangles.is_empty() {
            return Ok(());
        }
        let executor = self.executor;
        let scratch = &mut *self.scratch;
        if let Some(pixels) = pixels {
            scratch.tiles.fill(executor, &to_bytes(packed))?;
            scratch.pixels.fill(executor, pixels)?;
        }
        // A launch is as wide as its largest rectangle: those of a size together.
        rectangles.sort_by_key(|rectangle| std::cmp::Reverse(cells(rectangle)));
        scratch.rectangles.fill(executor, &to_bytes(&rectangles))?;
        let unused = scratch.rectangles.buffer()?;
        // Before the first plan there are no tiles; rectangles without one do not look.
        let tiles = scratch.tiles.buffer().unwrap_or(unused);
        let samples = scratch.pixels.buffer().unwrap_or(unused);
        let mut first = 0;
        while let Some(rest) = rectangles.get(first..).filter(|rest| !rest.is_empty()) {
            let most = rest.first().map_or(0, cells);
            let alike = rest.partition_point(|rectangle| cells(rectangle) > most / 2);
            let count = alike.clamp(1, MOST_RECTANGLES);
            let [pixel, row, plane] = self.tensor.strides();
            let arguments = [
                Argument::Buffer(scratch.rectangles.buffer()?, 0),
                Argument::Buffer(tiles, 0),
                Argument::Buffer(samples, 0),
                Argument::Buffer(scratch.values.buffer()?, 0),
                Argument::Buffer(self.tensor.buffer(), 0),
                Argument::U32(number(first)?),
                Argument::U32(self.tensor.channels()),
                Argument::U32(self.tensor.element().code()),
                Argument::U32(pixel),
                Argument::U32(row),
                Argument::U32(plane),
            ];
            executor.launch(Kernel::Finish, (most, number(count)?), 256, &arguments)?;
            first += count;
        }
        Ok(())
    }
}

/// Uploads the parts of a plan, with its streams from `stream`, and makes room for what the kernels
/// make of them.
pub(super) fn upload(
    executor: &dyn Executor,
    scratch: &mut Scratch,
    plan: &Plan,
    stream: &[u8],
) -> Result<()> {
    let blocks = plan.blocks as usize;
    scratch.stream.fill(executor, stream)?;
    scratch.segments.fill(executor, &to_bytes(&plan.segments))?;
    scratch.tiles.fill(executor, &to_bytes(&plan.tiles))?;
    let sets = to_bytes(&plan.table_sets);
    scratch.table_sets.fill(executor, &sets)?;
    scratch.coefficients.reserve(executor, blocks * 128)?;
    scratch.extents.reserve(executor, blocks)?;
    scratch
        .pixels
        .reserve(executor, plan.pixel_bytes as usize)?;
    scratch.status.reserve(executor, 4 * plan.tiles.len())
}

/// Launches the kernels from streams to samples.
fn decode(executor: &dyn Executor, scratch: &Scratch, plan: &Plan) -> Result<()> {
    for launch in &plan.launches {
        let arguments = [
            Argument::Buffer(scratch.stream.buffer()?, 0),
            Argument::Buffer(
                scratch.segments.buffer()?,
                launch.first as usize * Segment::BYTES,
            ),
            Argument::Buffer(scratch.tiles.buffer()?, 0),
            Argument::Buffer(scratch.table_sets.buffer()?, 0),
            Argument::Buffer(scratch.coefficients.buffer()?, 0),
            Argument::Buffer(scratch.extents.buffer()?, 0),
            Argument::Buffer(scratch.status.buffer()?, 0),
            Argument::U32(launch.lanes),
        ];
        let grid = (launch.thread_blocks(), 1);
        executor.launch(Kernel::Entropy, grid, launch.threads(), &arguments)?;
    }
    let arguments = [
        Argument::Buffer(scratch.tiles.buffer()?, 0),
        Argument::Buffer(scratch.table_sets.buffer()?, 0),
        Argument::Buffer(scratch.coefficients.buffer()?, 0),
        Argument::Buffer(scratch.extents.buffer()?, 0),
        Argument::Buffer(scratch.pixels.buffer()?, 0),
        Argument::Buffer(scratch.status.buffer()?, 0),
        Argument::U32(0),
    ];
    let grid = (plan.largest_tile.div_ceil(128), number(plan.tiles.len())?);
    executor.launch(Kernel::Idct, grid, 128, &arguments)
}

/// Cells of 128 x 8 pixels of a rectangle.
fn cells(rectangle: &Rectangle) -> u32 {
    rectangle.width.div_ceil(128) * rectangle.height.div_ceil(8)
}

/// The descriptor of a tile that the CPU has decoded.
fn packed_tile(image: &Image, offset: usize) -> Result<Tile> {
    let size = image.size();
    let bytes = number(image.format().bytes_per_pixel())?;
    Ok(Tile {
        kind: Tile::PACKED,
        width: size.width,
        height: size.height,
        components: bytes,
        plane: [number(offset)?, 0, 0],
        stride: [size.width * bytes, 0, 0],
        ..Tile::default()
    })
}

/// The low and the high half.
fn halves(value: u64) -> [u32; 2] {
    let bytes = value.to_le_bytes();
    let (words, _) = bytes.as_chunks::<4>();
    let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
    [word(0), word(1)]
}

fn number(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::new(
            ErrorKind::Device,
            format!("{value} is too large for a kernel"),
        )
    })
}
