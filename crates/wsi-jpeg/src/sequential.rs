//! Sequential pictures in one scan: the way of nearly every slide tile.
//!
//! A [`Strand`] is such a decode in progress. It goes chunk by chunk, some MCUs at a time, so that
//! coefficients are transformed while they are in the first cache, and puts out rows of pixels as
//! soon as a row of MCUs allows. Two strands can be run together: the lanes of
//! [`arch`](crate::arch) then decode both streams in one loop.

use crate::arch::Kernels;
use crate::arch::lanes::{CHUNK_BLOCKS, Lane, LaneState, Schedule};
use crate::crop::Crop;
use crate::error::{Error, Outcome, Warning};
use crate::huffman::Bits;
use crate::idct::{Block, Place, Target};
use crate::index::RowIndex;
use crate::markers::Source;
use crate::plan::{Plan, Unit};
use crate::render::{Planes, Rendering};
use crate::rows::RowsMut;
use crate::scan::{ScanInput, Stuffing, decode_block};
use crate::window::View;

/// Blocks of a chunk: their 6 KiB of coefficients, the look-ups and the samples fit the first
/// cache. Measured between 24 and 120.
const BLOCKS_AT_ONCE: usize = 48;

/// Memory of a strand, kept from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    segment: Vec<u8>,
    /// The blocks of a chunk; zero between chunks.
    blocks: Vec<Block>,
    /// Where the blocks of one row of MCUs go.
    places: Vec<Place>,
    planes: Planes<u8>,
}

/// A decode in progress.
#[derive(Debug)]
pub(crate) struct Strand<'s> {
    kernels: Kernels,
    plan: &'s Plan,
    schedule: Option<Schedule<'s>>,
    rendering: Rendering,
    source: Source<'s>,
    input: ScanInput<'s>,
    blocks: &'s mut Vec<Block>,
    places: &'s [Place],
    planes: &'s mut Planes<u8>,
    index: Option<&'s mut RowIndex>,
    stuffing: Stuffing,
    pub(crate) outcome: Outcome,
    predictors: [i32; 4],
    /// The next MCU.
    mcu_row: usize,
    mcu: usize,
    chunk: Chunk,
}

/// The chunk at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    /// How many MCUs it has; 0 for no chunk.
    mcus: usize,
    /// They have no data: they stay zero.
    exhausted: bool,
    lane: LaneState,
}

impl<'s> Strand<'s> {
    /// Starts to decode `source`, which stands behind the headers of the plan.
    ///
    /// # Errors
    /// `InvalidArgument` for a window that leaves the picture, `LimitExceeded` by `max_memory`.
    pub(crate) fn new(
        kernels: Kernels,
        plan: &'s Plan,
        view: View,
        mut source: Source<'s>,
        scratch: &'s mut Scratch,
        mut index: Option<&'s mut RowIndex>,
    ) -> Self {
        let layout = &plan.layout;
        let crop = Crop::new(layout, view, plan.rendered);
        let rendering = Rendering {
            kernels,
            conversion: plan.conversion,
            bits: 8,
            components: plan.rendered,
            crop,
            row_bytes: view.width() * plan.pixel,
        };
        scratch.planes.prepare(layout, &rendering, false);
        scratch.blocks.clear();
        scratch.blocks.resize(CHUNK_BLOCKS, Block::ZERO);
        places(plan, &crop, &mut scratch.places);

        let key = (source.data().len(), source.position());
        let mut start = None;
        if let Some(index) = &mut index {
            if index.key != key {
                **index = RowIndex::default();
                index.key = key;
            }
            let row = crop.first_row.min(index.starts.len());
            start = row
                .checked_sub(1)
                .and_then(|at| index.starts.get(at))
                .copied();
        }
        let mcu_row = if start.is_some() {
            crop.first_row
                .min(index.as_ref().map_or(0, |index| index.starts.len()))
        } else {
            0
        };
        let (segment, interval) = (&mut scratch.segment, plan.restart_interval);
        let input = match &start {
            Some(start) => ScanInput::resume(kernels, &mut source, segment, interval, start),
            None => ScanInput::begin(kernels, &mut source, segment, interval),
        };
        let lookups = plan.units().iter().flat_map(|unit| {
            let codes = plan.codes.get(unit.component);
            codes.and_then(|codes| codes.lookups.as_deref())
        });
        let schedule = (kernels.has_lanes() && plan.has_lookups())
            .then(|| Schedule::new(lookups))
            .flatten();
        Self {
            kernels,
            plan,
            schedule,
            rendering,
            source,
            input,
            blocks: &mut scratch.blocks,
            places: &scratch.places,
            planes: &mut scratch.planes,
            index,
            stuffing: Stuffing::default(),
            outcome: plan.outcome.clone(),
            predictors: start.map_or([0; 4], |start| start.predictors.map(i32::from)),
            mcu_row,
            mcu: 0,
            chunk: Chunk::default(),
        }
    }

    /// Decodes to the end of what is wanted.
    ///
    /// # Errors
    /// `InvalidArgument` for output rows that are too short.
    pub(crate) fn run(&mut self, out: &mut (impl RowsMut + ?Sized)) -> Result<(), Error> {
        while self.begin_chunk() {
            self.decode_chunk();
            self.end_chunk(out)?;
        }
        Ok(())
    }

    /// Decodes two strands side by side, as long as both last.
    pub(crate) fn run_both(
        (first, first_out): (&mut Strand<'_>, &mut (impl RowsMut + ?Sized)),
        (second, second_out): (&mut Strand<'_>, &mut (impl RowsMut + ?Sized)),
    ) -> (Result<(), Error>, Result<(), Error>) {
        let kernels = first.kernels;
        let mut results = (Ok(()), Ok(()));
        while first.begin_chunk() && second.begin_chunk() {
            if let (Some(mut a), Some(mut b)) = (first.lane(), second.lane()) {
                kernels.run_lanes(&mut a, &mut b);
            } else {
                first.decode_chunk();
                second.decode_chunk();
            }
            if first.chunk_is_done() {
                results.0 = first.end_chunk(first_out);
            }
            if second.chunk_is_done() {
                results.1 = second.end_chunk(second_out);
            }
            if results.0.is_err() || results.1.is_err() {
                break;
            }
        }
        if results.0.is_ok() {
            results.0 = first.run(first_out);
        }
        if results.1.is_ok() {
            results.1 = second.run(second_out);
        }
        results
    }

    /// Whether everything that is wanted has been decoded to the end of the picture; then the
    /// source and what follows in it.
    pub(crate) fn finish(mut self) -> (Outcome, Option<Source<'s>>) {
        let complete = self.mcu_row == self.plan.layout.mcus_high;
        if complete {
            self.input.end(&mut self.source, true, &mut self.outcome);
        }
        (self.outcome, complete.then_some(self.source))
    }

    /// Makes sure that there is a chunk; `false` at the end.
    fn begin_chunk(&mut self) -> bool {
        if self.chunk.mcus > 0 {
            return true;
        }
        let crop = &self.rendering.crop;
        if self.mcu_row > crop.last_row {
            return false;
        }
        let end = self.row_end();
        let at_once = (BLOCKS_AT_ONCE / self.plan.units().len()).max(1);
        let wanted = at_once.min(end - self.mcu);
        let run = self.input.run(&mut self.source, wanted, &mut self.outcome);
        if run.restarted {
            self.predictors = [0; 4];
        }
        self.chunk = Chunk {
            mcus: run.count,
            exhausted: run.exhausted,
            lane: LaneState {
                bits: self.input.position,
                ..LaneState::default()
            },
        };
        true
    }

    /// MCUs of the row at hand that are decoded: to the last that is needed in the last row.
    fn row_end(&self) -> usize {
        let crop = &self.rendering.crop;
        if self.mcu_row == crop.last_row {
            crop.mcus
        } else {
            self.plan.layout.mcus_wide
        }
    }

    fn chunk_blocks(&self) -> usize {
        self.chunk.mcus * self.plan.units().len()
    }

    /// The lane of the chunk at hand, if it can be decoded by one.
    fn lane(&mut self) -> Option<Lane<'_>> {
        let count = self.chunk_blocks();
        let schedule = self.schedule.as_ref().filter(|_| !self.chunk.exhausted)?;
        Some(Lane::new(
            schedule,
            self.input.segment(),
            &mut self.blocks[..count],
            &mut self.chunk.lane,
        ))
    }

    /// Whether the lane has come to the end of the chunk.
    fn chunk_is_done(&self) -> bool {
        self.chunk.exhausted
            || self.schedule.is_none()
            || self.chunk.lane.at >= self.chunk_blocks() * 64
    }

    /// Runs the lane of the chunk at hand alone, if there is one.
    fn decode_chunk(&mut self) {
        let kernels = self.kernels;
        if let Some(mut lane) = self.lane() {
            kernels.run_lane(&mut lane);
        }
    }

    /// Takes over what the lane has decoded, or decodes the chunk without it, and transforms it.
    fn end_chunk(&mut self, out: &mut (impl RowsMut + ?Sized)) -> Result<(), Error> {
        let chunk = std::mem::take(&mut self.chunk);
        let units = self.plan.units();
        let count = chunk.mcus * units.len();
        let mut overrun = false;
        if !chunk.exhausted {
            let lane_bits = Bits::resume(self.input.segment(), chunk.lane.bits);
            let by_lane = self.schedule.is_some() && !chunk.lane.failed && !lane_bits.overrun();
            if by_lane {
                self.input.position = chunk.lane.bits;
                predict(&mut self.blocks[..count], units, &mut self.predictors);
            } else {
                overrun = self.decode_scalar(count);
            }
        }
        let position = self.input.position;
        self.input.finish_run(
            &mut self.source,
            position,
            chunk.mcus,
            overrun,
            &mut self.outcome,
        );
        self.transform(count);
        self.mcu += chunk.mcus;
        if self.mcu == self.row_end() {
            self.end_row(out)?;
        }
        Ok(())
    }

    /// Decodes a chunk with libjpeg's rules for damage; returns whether the data ended in it.
    fn decode_scalar(&mut self, count: usize) -> bool {
        let units = self.plan.units();
        let blocks = &mut self.blocks[..count];
        if self.schedule.is_some() {
            blocks.fill(Block::ZERO);
        }
        let mut bits = Bits::resume(self.input.segment(), self.input.position);
        let mut undefined = 0;
        let mut overrun = false;
        for mcu in blocks.chunks_exact_mut(units.len()) {
            for (block, unit) in mcu.iter_mut().zip(units) {
                let codes = &self.plan.codes[unit.component];
                let predictor = &mut self.predictors[unit.component];
                decode_block(
                    &mut bits,
                    &codes.dc,
                    &codes.ac,
                    predictor,
                    block,
                    &mut undefined,
                );
            }
            if bits.overrun() {
                overrun = true;
                break;
            }
        }
        self.input.position = bits.pause();
        for _ in 0..undefined {
            self.outcome.warn(Warning::BadHuffmanCode);
        }
        overrun
    }

    /// Transforms the first `count` blocks into the planes and zeroes them.
    fn transform(&mut self, count: usize) {
        let blocks = &mut self.blocks[..count];
        if self.mcu_row < self.rendering.crop.first_row {
            blocks.fill(Block::ZERO);
            return;
        }
        let first = self.mcu * self.plan.units().len();
        let components = self.plan.layout.components();
        let mcu_row = self.mcu_row;
        let mut targets = self
            .planes
            .planes
            .iter_mut()
            .zip(components)
            .zip(&self.plan.multipliers)
            .take(self.rendering.components)
            .map(|((plane, shape), quant)| {
                let rows = shape.rows_per_mcu();
                let (samples, stride) = plane.mcu_row_mut(mcu_row * rows, rows);
                Target {
                    samples,
                    stride,
                    size: shape.unit,
                    quant,
                }
            });
        let places = &self.places[first..first + count];
        // Without an allocation: there are at most four.
        let mut all: [Target<'_>; 4] = std::array::from_fn(|_| {
            targets.next().unwrap_or_else(|| Target {
                samples: &mut [],
                stride: 0,
                size: 1,
                quant: &[0; 64],
            })
        });
        self.kernels.transform(blocks, places, &mut all);
    }

    /// Puts out what the row allows and notes where the next one starts.
    fn end_row(&mut self, out: &mut (impl RowsMut + ?Sized)) -> Result<(), Error> {
        let whole = self.mcu == self.plan.layout.mcus_wide;
        let (mcu_row, layout) = (self.mcu_row, &self.plan.layout);
        if mcu_row >= self.rendering.crop.first_row {
            self.planes
                .emit(layout, &self.rendering, mcu_row + 1, out)?;
        }
        self.mcu = 0;
        self.mcu_row = if whole { mcu_row + 1 } else { usize::MAX };
        let clean = self.outcome.warning_count() == self.plan.outcome.warning_count();
        if let Some(index) = &mut self.index
            && clean
            && whole
            && index.starts.len() == mcu_row
            && mcu_row + 1 < layout.mcus_high
        {
            let start = self
                .input
                .row_start(&self.source, &mut self.stuffing, &self.predictors);
            index.starts.extend(start);
        }
        Ok(())
    }
}

/// Turns DC differences into values.
#[allow(clippy::cast_possible_truncation, reason = "cut to 16 bits as the reference stores them")]
fn predict(blocks: &mut [Block], units: &[Unit], predictors: &mut [i32; 4]) {
    for mcu in blocks.chunks_exact_mut(units.len()) {
        for (block, unit) in mcu.iter_mut().zip(units) {
            let predictor = &mut predictors[unit.component & 3];
            *predictor = predictor.wrapping_add(block[0].into());
            block[0] = *predictor as i16;
        }
    }
}

/// Where the blocks of a row of MCUs go.
fn places(plan: &Plan, crop: &Crop, places: &mut Vec<Place>) {
    places.clear();
    let components = plan.layout.components();
    let wanted: [_; 4] = std::array::from_fn(|index| match components.get(index) {
        Some(shape) if index < plan.rendered => crop.spans[index].blocks(shape),
        _ => 0..0,
    });
    for mcu in 0..plan.layout.mcus_wide {
        for unit in plan.units() {
            let shape = &components[unit.component];
            let column = mcu * shape.horizontal + unit.x;
            let offset = unit.y * shape.unit * shape.stride() + column * shape.unit;
            places.push(Place {
                component: unit.component as u8,
                offset: match u32::try_from(offset) {
                    Ok(offset) if wanted[unit.component].contains(&column) => offset,
                    _ => Place::SKIP,
                },
            });
        }
    }
}
