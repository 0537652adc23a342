//! Sequential pictures in one scan: the way of nearly every slide tile.
//!
//! A [`Strand`] is such a decode in progress. It goes chunk by chunk, some MCUs at a time, so that
//! coefficients are transformed while they are in the first cache, and puts out rows of pixels as
//! soon as a row of MCUs allows. Two strands can be run together: the lanes of
//! [`arch`](crate::arch) then decode both streams in one loop.

use std::sync::Arc;

use crate::arch::Kernels;
use crate::arch::lanes::{CHUNK_BLOCKS, Lane, LaneState};
use crate::color::Conversion;
use crate::crop::Crop;
use crate::error::{Error, Outcome};
use crate::huffman::Bits;
use crate::idct::{Block, Place, Target};
use crate::index::{RowIndex, RowStart};
use crate::markers::Source;
use crate::pace::{self, Reach};
use crate::plan::{Plan, Unit};
use crate::render::{Planes, Rendering};
use crate::rows::RowsMut;
use crate::scan::{ScanInput, Stuffing, decode_block};
use crate::window::View;

/// Blocks of a chunk. Measured from 24 to 192: fewer cost up to 5 %.
const BLOCKS_AT_ONCE: usize = 192;

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
    plan: Arc<Plan>,
    rendering: Rendering,
    source: Source<'s>,
    input: ScanInput,
    blocks: Vec<Block>,
    places: Vec<Place>,
    planes: Planes<u8>,
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

/// Which of two strands has ended, and how.
pub(crate) enum Ended {
    First(Result<(), Error>),
    Second(Result<(), Error>),
}

/// Where the rows of two strands go.
pub(crate) enum Outputs<'o, R: ?Sized> {
    Two(&'o mut R, &'o mut R),
    /// To the same picture: the strands have different rows of it.
    Same(&'o mut R),
}

impl<R: ?Sized> Outputs<'_, R> {
    pub(crate) fn first(&mut self) -> &mut R {
        match self {
            Self::Two(first, _) => first,
            Self::Same(out) => out,
        }
    }

    pub(crate) fn second(&mut self) -> &mut R {
        match self {
            Self::Two(_, second) => second,
            Self::Same(out) => out,
        }
    }
}

/// Rows of MCUs of a part of a picture below which two strands are not worth it: one row more has to
/// be decoded where they meet.
const ROWS_TO_SPLIT: usize = 6;

impl<'s> Strand<'s> {
    /// Starts to decode `source`, which stands behind the headers of the plan; takes the memory
    /// until [`Self::finish`].
    pub(crate) fn new(
        kernels: Kernels,
        plan: Arc<Plan>,
        view: View,
        source: Source<'s>,
        scratch: Scratch,
        mut index: Option<&'s mut RowIndex>,
    ) -> Self {
        let crop = Crop::new(&plan.layout, view, plan.rendered);
        let mut from = None;
        if let Some(index) = &mut index {
            index.keep_for(&source);
            from = index.nearest(crop.first_row);
        }
        let mut strand = Self::starting(kernels, plan, crop, source, scratch, from);
        strand.index = index;
        strand
    }

    /// Two strands for the upper and the lower half of what is wanted, if the index knows where the
    /// lower one starts and has nothing to learn; `memory` is asked for once each.
    pub(crate) fn halves(
        kernels: Kernels,
        plan: &Arc<Plan>,
        view: View,
        source: &Source<'s>,
        index: &mut RowIndex,
        mut memory: impl FnMut() -> Scratch,
    ) -> Option<(Self, Self)> {
        index.keep_for(source);
        let layout = &plan.layout;
        let crop = Crop::new(layout, view, plan.rendered);
        let rows = crop.last_row + 1 - crop.first_row;
        let known = index.starts.len() >= (crop.last_row + 1).min(layout.mcus_high - 1);
        let lanes = plan.schedule.is_some() && kernels.has_lanes();
        if !known || !lanes || rows < ROWS_TO_SPLIT || plan.conversion == Conversion::Planes {
            return None;
        }
        let middle = (crop.first_row + rows.div_ceil(2)) * layout.rows_per_mcu;
        if middle <= view.top || middle >= view.bottom {
            return None;
        }
        let half = |view, scratch| {
            let crop = Crop::new(layout, view, plan.rendered);
            let from = index.nearest(crop.first_row);
            Self::starting(
                kernels,
                Arc::clone(plan),
                crop,
                source.clone(),
                scratch,
                from,
            )
        };
        let upper = half(
            View {
                bottom: middle,
                ..view
            },
            memory(),
        );
        let mut lower = half(
            View {
                top: middle,
                ..view
            },
            memory(),
        );
        lower.rendering.first_line = middle - view.top;
        Some((upper, lower))
    }

    /// Starts at a row of MCUs, or at the first.
    fn starting(
        kernels: Kernels,
        plan: Arc<Plan>,
        crop: Crop,
        mut source: Source<'s>,
        scratch: Scratch,
        from: Option<(usize, RowStart)>,
    ) -> Self {
        let layout = &plan.layout;
        let rendering = Rendering {
            first_line: 0,
            kernels,
            conversion: plan.conversion,
            bits: 8,
            components: plan.rendered,
            crop,
            row_bytes: crop.view.width() * plan.pixel,
        };
        let Scratch {
            segment,
            mut blocks,
            mut places,
            mut planes,
        } = scratch;
        planes.prepare(layout, &rendering, false);
        // A decode that failed may have left something.
        blocks.clear();
        blocks.resize(CHUNK_BLOCKS, Block::ZERO);
        fill_places(&plan, &crop, &mut places);

        let interval = plan.restart_interval;
        let input = match &from {
            Some((row, start)) => {
                let before = row * layout.mcus_wide;
                ScanInput::resume(kernels, &mut source, segment, interval, start, before)
            }
            None => ScanInput::begin(kernels, &mut source, segment, interval),
        };
        Self {
            kernels,
            outcome: plan.outcome.clone(),
            plan,
            rendering,
            source,
            input,
            blocks,
            places,
            planes,
            index: None,
            stuffing: Stuffing::default(),
            predictors: from.map_or([0; 4], |(_, start)| start.predictors.map(i32::from)),
            mcu_row: from.map_or(0, |(row, _)| row),
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

    /// Decodes two strands side by side until one of them has ended.
    pub(crate) fn run_both<R: RowsMut + ?Sized>(
        first: &mut Strand<'_>,
        second: &mut Strand<'_>,
        mut out: Outputs<'_, R>,
    ) -> Ended {
        let kernels = first.kernels;
        loop {
            if !first.begin_chunk() {
                return Ended::First(Ok(()));
            }
            if !second.begin_chunk() {
                return Ended::Second(Ok(()));
            }
            match (first.lane(), second.lane()) {
                (Some(mut a), Some(mut b)) => kernels.run_lanes(&mut a, &mut b),
                _ => {
                    first.decode_chunk();
                    second.decode_chunk();
                }
            }
            if first.chunk_is_done()
                && let Err(error) = first.end_chunk(out.first())
            {
                return Ended::First(Err(error));
            }
            if second.chunk_is_done()
                && let Err(error) = second.end_chunk(out.second())
            {
                return Ended::Second(Err(error));
            }
        }
    }

    /// Gives the memory back, says how it went, and where the source stands if the picture was
    /// decoded to its end.
    pub(crate) fn finish(mut self) -> (Scratch, Outcome, Option<Source<'s>>) {
        let complete = self.mcu_row == self.plan.layout.mcus_high;
        let plan = &self.plan;
        let reach = |input: &ScanInput, source: &Source<'_>| replay(plan, input, source);
        let (source, outcome) = (&mut self.source, &mut self.outcome);
        if complete {
            self.input.end(source, true, reach, outcome);
        } else {
            self.input.stop(source, reach, outcome);
        }
        let scratch = Scratch {
            segment: self.input.into_segment(),
            blocks: self.blocks,
            places: self.places,
            planes: self.planes,
        };
        (scratch, self.outcome, complete.then_some(self.source))
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
        let plan = &self.plan;
        let reach = |input: &ScanInput, source: &Source<'_>| replay(plan, input, source);
        let run = self
            .input
            .run(&mut self.source, wanted, reach, &mut self.outcome);
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

    fn has_lane(&self) -> bool {
        self.plan.schedule.is_some() && self.kernels.has_lanes()
    }

    /// The lane of the chunk at hand, if it can be decoded by one.
    fn lane(&mut self) -> Option<Lane<'_>> {
        let count = self.chunk_blocks();
        let schedule = self.plan.schedule.as_ref();
        let schedule = schedule.filter(|_| !self.chunk.exhausted && self.kernels.has_lanes())?;
        Some(Lane::new(
            schedule,
            self.input.segment(),
            &mut self.blocks[..count],
            &mut self.chunk.lane,
        ))
    }

    /// Whether the lane has come to the end of the chunk.
    fn chunk_is_done(&self) -> bool {
        self.chunk.exhausted || !self.has_lane() || self.chunk.lane.at >= self.chunk_blocks() * 64
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
            let by_lane = self.has_lane() && !chunk.lane.failed && !lane_bits.overrun();
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
        let lane_was_here = self.has_lane();
        let blocks = &mut self.blocks[..count];
        if lane_was_here {
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
        self.input.note_undefined(undefined, &mut self.outcome);
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
                Target::new(samples, stride, shape.unit, quant)
            });
        let places = &self.places[first..first + count];
        // Without an allocation: there are at most four.
        let mut all: [Target<'_>; 4] = std::array::from_fn(|_| {
            targets
                .next()
                .unwrap_or_else(|| Target::new(&mut [], 0, 1, &[0; 64]))
        });
        let used = self.rendering.components.min(all.len());
        self.kernels.transform(blocks, places, &mut all[..used]);
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
        let clean = self.outcome.warning_count() == self.plan.outcome.warning_count()
            && self.input.is_clean(&self.source);
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
    let add = |sum: &mut i32, block: &mut Block| {
        *sum = sum.wrapping_add(block[0].into());
        block[0] = *sum as i16;
    };
    // The usual samplings apart: there the sums stay in registers.
    let mut components = [0; 6];
    for (component, unit) in components.iter_mut().zip(units) {
        *component = unit.component;
    }
    let [mut y, mut cb, mut cr, _] = *predictors;
    match (units.len(), components) {
        (6, [0, 0, 0, 0, 1, 2]) => {
            for [y0, y1, y2, y3, b, r] in blocks.as_chunks_mut().0 {
                add(&mut y, y0);
                add(&mut y, y1);
                add(&mut y, y2);
                add(&mut y, y3);
                add(&mut cb, b);
                add(&mut cr, r);
            }
            predictors[..3].copy_from_slice(&[y, cb, cr]);
        }
        (3, [0, 1, 2, ..]) => {
            for [y0, b, r] in blocks.as_chunks_mut().0 {
                add(&mut y, y0);
                add(&mut cb, b);
                add(&mut cr, r);
            }
            predictors[..3].copy_from_slice(&[y, cb, cr]);
        }
        _ => {
            for mcu in blocks.chunks_exact_mut(units.len()) {
                for (block, unit) in mcu.iter_mut().zip(units) {
                    add(&mut predictors[unit.component & 3], block);
                }
            }
        }
    }
}

/// Where the blocks of a row of MCUs go.
fn fill_places(plan: &Plan, crop: &Crop, places: &mut Vec<Place>) {
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
                component: u8::try_from(unit.component).unwrap_or(u8::MAX),
                offset: match u32::try_from(offset) {
                    Ok(offset) if wanted[unit.component].contains(&column) => offset,
                    _ => Place::SKIP,
                },
            });
        }
    }
}

/// How far libjpeg-turbo has come in the segment at hand.
#[cold]
fn replay(plan: &Plan, input: &ScanInput, source: &Source<'_>) -> Reach {
    let codes = |unit: &Unit| {
        let codes = &plan.codes[unit.component];
        (&*codes.dc, &*codes.ac)
    };
    let codes: Vec<_> = plan.units().iter().map(codes).collect();
    pace::replay(input.stretch(source), &codes)
}
