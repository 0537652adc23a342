//! Entropy-coded data: segments, restarts, and the blocks of sequential scans.
//!
//! T.81 annex F.2 for the coding; what happens on damaged data follows libjpeg-turbo
//! (`jdhuff.c`, `jdmarker.c`): a segment that ends early finishes its MCU with zero bits and leaves
//! all later MCUs zero, DC included, until the next restart.

use std::sync::Arc;

use crate::arch::Kernels;
use crate::error::{Error, Outcome, Warning};
use crate::huffman::{
    self, BitPosition, Bits, HuffmanTable, KIND_BITS, KIND_MASK, KIND_VALUE, KIND_ZERO, extend,
};
use crate::idct::Block;
use crate::index::RowStart;
use crate::layout::Layout;
use crate::markers::{Scan, Source};
use crate::pace::{self, BlockCodes, Paced, Reach, Stretch};
use crate::tables::{self, Class, TableSet};

/// Huffman tables of a scan, per component of the scan.
#[derive(Debug, Default)]
pub(crate) struct ScanTables {
    pub(crate) dc: [Option<Arc<HuffmanTable>>; 4],
    pub(crate) ac: [Option<Arc<HuffmanTable>>; 4],
}

/// Tables built lately, found again by content: tiles often repeat theirs.
#[derive(Debug, Default)]
pub(crate) struct TableCache {
    /// With the number of the picture that they were built for.
    recent: Vec<(Arc<HuffmanTable>, u64)>,
    picture: u64,
}

impl TableCache {
    /// Begins another picture: what earlier ones have brought counts as met.
    pub(crate) fn next_picture(&mut self) {
        self.picture += 1;
    }

    /// The prepared table of a slot.
    ///
    /// # Errors
    /// `Corrupt` if the slot is empty, its code illegal, or a DC table has a symbol above
    /// `largest`.
    pub(crate) fn table(
        &mut self,
        set: &TableSet,
        class: Class,
        slot: u8,
        largest: u8,
    ) -> Result<Arc<HuffmanTable>, Error> {
        Ok(self.find(set, class, slot, largest)?.0)
    }

    /// The same, and whether it may well come again: shared, standard, or met in another picture.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub(crate) fn find(
        &mut self,
        set: &TableSet,
        class: Class,
        slot: u8,
        largest: u8,
    ) -> Result<(Arc<HuffmanTable>, bool), Error> {
        let defined = set
            .huffman(class, slot)
            .ok_or_else(|| Error::corrupt(format!("{class:?} Huffman table {slot} is missing")))?;
        let (table, known) = if let Some(table) = &defined.prepared {
            (Arc::clone(table), true)
        } else if let Some((table, picture)) =
            self.recent.iter().find(|(t, _)| *t.spec() == defined.spec)
        {
            (Arc::clone(table), *picture != self.picture)
        } else if let Some(table) = tables::find_standard(&defined.spec) {
            (table, true)
        } else {
            let table = Arc::new(HuffmanTable::new(&defined.spec)?);
            if self.recent.len() >= RECENT_TABLES {
                self.recent.remove(0);
            }
            self.recent.push((Arc::clone(&table), self.picture));
            (table, false)
        };
        if class == Class::Dc && table.largest_symbol() > largest {
            return Err(Error::corrupt(format!(
                "DC Huffman table {slot} has too large symbols"
            )));
        }
        Ok((table, known))
    }
}

const RECENT_TABLES: usize = 16;

/// The entropy-coded data of one scan, segment by segment.
#[derive(Debug)]
pub(crate) struct ScanInput {
    kernels: Kernels,
    segment: Vec<u8>,
    /// Byte of the data where the segment starts, or was resumed.
    start: usize,
    /// The same, but always the true start, and the MCUs decoded since.
    origin: usize,
    done: usize,
    /// Undefined codes in a scan without restarts: libjpeg-turbo does not warn of all of them.
    undefined: usize,
    pub(crate) position: BitPosition,
    /// MCUs between restarts; 0 for none.
    interval: usize,
    /// MCUs to the next restart.
    left: usize,
    /// Number of the next restart marker.
    expected: u8,
    /// The segment has ended before its MCUs; what follows is zero.
    exhausted: bool,
    /// No marker ended the segment: the data did.
    truncated: bool,
}

/// Stuffing counted so far in a segment.
#[derive(Debug, Default)]
pub(crate) struct Stuffing {
    /// Start of the segment in the data.
    start: usize,
    /// Every 0xFF is followed by one zero.
    plain: bool,
    /// Bytes looked at, and those among them that have a stuffed zero.
    bytes: usize,
    stuffed: usize,
}

fn count_ff(bytes: &[u8]) -> usize {
    bytes
        .chunks(128)
        .map(|chunk| {
            let ones = chunk
                .iter()
                .fold(0_u8, |ones, &byte| ones + u8::from(byte == 0xFF));
            usize::from(ones)
        })
        .sum()
}

/// What to decode next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// MCUs before the next restart or the end of what was asked for.
    pub(crate) count: usize,
    /// A restart lies before them: predictions start anew.
    pub(crate) restarted: bool,
    /// They have no data.
    pub(crate) exhausted: bool,
}

impl ScanInput {
    /// Starts behind a scan header.
    pub(crate) fn begin(
        kernels: Kernels,
        source: &mut Source<'_>,
        segment: Vec<u8>,
        interval: u16,
    ) -> Self {
        let interval = usize::from(interval);
        let mut input = Self {
            kernels,
            segment,
            start: 0,
            origin: 0,
            done: 0,
            undefined: 0,
            position: BitPosition::default(),
            interval,
            left: interval,
            expected: 0,
            exhausted: false,
            truncated: false,
        };
        input.load(source);
        input
    }

    /// Starts where an earlier decode of the same data has been, with `before` MCUs behind it.
    pub(crate) fn resume(
        kernels: Kernels,
        source: &mut Source<'_>,
        segment: Vec<u8>,
        interval: u16,
        at: &RowStart,
        before: usize,
    ) -> Self {
        let scan = source.position();
        source.leave_segment(at.byte as usize, None);
        let mut input = Self::begin(kernels, source, segment, interval);
        let mut bits = input.bits();
        bits.refill();
        bits.drop(u32::from(at.bit & 7));
        input.position = bits.pause();
        input.left = at.left.into();
        input.expected = at.expected & 7;
        (input.origin, input.done) = if input.interval == 0 {
            (scan, before)
        } else {
            let passed = source.data().get(scan..input.start).unwrap_or_default();
            (scan + behind_restart(passed), input.interval - input.left)
        };
        input
    }

    /// Where the next MCU starts, for [`Self::resume`]; `counted` spares looking at the same bytes
    /// twice.
    ///
    /// `None` where the stuffing of the data is not the plain one.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "predictions are 16 bits in the reference; a byte has 8 bits"
    )]
    pub(crate) fn row_start(
        &self,
        source: &Source<'_>,
        counted: &mut Stuffing,
        predictors: &[i32; 4],
    ) -> Option<RowStart> {
        if counted.start != self.start {
            *counted = Stuffing {
                start: self.start,
                ..Stuffing::default()
            };
            let content = &self.segment[..self.segment.len() - huffman::PADDING];
            let all = content.len() + count_ff(content);
            let end = source.position() - if self.truncated { 0 } else { 2 };
            counted.plain = self.start + all == end;
        }
        let used = self.bits().consumed();
        let byte = used / 8;
        if !counted.plain || byte < counted.bytes {
            return None;
        }
        counted.stuffed += count_ff(self.segment.get(counted.bytes..byte)?);
        counted.bytes = byte;
        Some(RowStart {
            byte: u32::try_from(self.start + byte + counted.stuffed).ok()?,
            predictors: predictors.map(|value| value as i16),
            left: u16::try_from(self.left).ok()?,
            bit: (used % 8) as u8,
            expected: self.expected,
        })
    }

    pub(crate) fn segment(&self) -> &[u8] {
        &self.segment
    }

    /// Gives the memory back.
    pub(crate) fn into_segment(self) -> Vec<u8> {
        self.segment
    }

    /// Loads the segment at hand: an empty one if a marker is still pending.
    fn load(&mut self, source: &mut Source<'_>) {
        self.position = BitPosition::default();
        self.start = source.position();
        (self.origin, self.done) = (self.start, 0);
        if source.pending != 0 {
            self.kernels.unstuff(&[], 0, &mut self.segment);
            return;
        }
        if source.in_appended_marker() {
            // A header ran past the end and stopped in the middle of an appended EOI.
            self.kernels.unstuff(&[0xD9], 0, &mut self.segment);
            self.truncated = true;
            source.leave_segment(source.position(), Some(0xD9));
            return;
        }
        let (end, marker) =
            self.kernels
                .unstuff(source.data(), source.position(), &mut self.segment);
        self.truncated = marker.is_none();
        // libjpeg's memory source appends an EOI.
        source.leave_segment(end, marker.or(Some(0xD9)));
    }

    /// Passes a restart if one is due, and says how many of `wanted` MCUs come next.
    ///
    /// `reach` is asked how far libjpeg-turbo has come if that could make a difference.
    pub(crate) fn run(
        &mut self,
        source: &mut Source<'_>,
        wanted: usize,
        reach: impl FnOnce(&Self, &Source<'_>) -> Reach,
        outcome: &mut Outcome,
    ) -> Run {
        if self.interval == 0 {
            return Run {
                count: wanted,
                restarted: false,
                exhausted: self.exhausted,
            };
        }
        let restarted = self.left == 0;
        if restarted {
            if self.in_doubt(source) {
                let reach = reach(self, source);
                source.discard(reach.held);
                pass(source, reach, outcome);
            }
            self.restart(source, outcome);
        }
        Run {
            count: wanted.min(self.left),
            restarted,
            exhausted: self.exhausted,
        }
    }

    /// Reads what should be a restart marker (libjpeg `read_restart_marker` and
    /// `jpeg_resync_to_restart`).
    fn restart(&mut self, source: &mut Source<'_>, outcome: &mut Outcome) {
        let mut found = source.pending;
        if found != 0xD0 + self.expected {
            outcome.warn(Warning::RestartMismatch {
                expected: self.expected,
                found,
            });
            loop {
                let ahead = found.wrapping_sub(0xD0 + self.expected) & 7;
                match found {
                    // No legal marker, or one of the last two restarts: look farther on.
                    0..0xC0 => {}
                    0xD0..=0xD7 if ahead >= 6 => {}
                    // One of the next two: this segment is lost.
                    0xD0..=0xD7 if ahead == 1 || ahead == 2 => break,
                    // The one that was due, or a stray one.
                    0xD0..=0xD7 => {
                        source.pending = 0;
                        break;
                    }
                    // Another marker: the rest of the scan is lost.
                    _ => break,
                }
                found = source.next_marker(outcome);
                source.pending = found;
            }
        } else {
            source.pending = 0;
        }
        self.expected = (self.expected + 1) & 7;
        self.left = self.interval;
        if source.pending == 0 {
            self.exhausted = false;
        }
        self.load(source);
    }

    pub(crate) fn bits(&self) -> Bits<'_> {
        Bits::resume(&self.segment, self.position)
    }

    /// Whether it matters how far libjpeg-turbo has read: there are bytes that it may have skipped.
    ///
    /// Behind a segment that has ended early it has met the marker, and an end of the data is
    /// warned of in any case.
    fn in_doubt(&self, source: &Source<'_>) -> bool {
        !self.exhausted && !self.truncated && (self.bits().unused() > 0 || source.has_discarded())
    }

    /// What has been decoded of the segment, for a replay.
    pub(crate) fn stretch<'d>(&self, source: &Source<'d>) -> Stretch<'d> {
        Stretch {
            data: source.data(),
            start: self.origin,
            mcus: self.done,
            restarts: self.interval != 0,
        }
    }

    /// MCUs of the segment that have been decoded, or given up.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// How far a [`Paced`] reader has come.
    pub(crate) fn reach(&self) -> Reach {
        Reach::of(&self.segment, self.position)
    }

    /// Warns of undefined codes of a sequential scan, or leaves it to the end of the scan.
    pub(crate) fn note_undefined(&mut self, codes: usize, outcome: &mut Outcome) {
        if self.interval == 0 {
            self.undefined += codes;
        } else {
            warn_undefined(codes, outcome);
        }
    }

    /// Whether there is nothing yet that libjpeg-turbo might warn of later.
    pub(crate) fn is_clean(&self, source: &Source<'_>) -> bool {
        self.undefined == 0 && !source.has_discarded()
    }

    /// A reader at libjpeg-turbo's pace, of which [`Self::reach`] tells afterwards.
    pub(crate) fn paced(&self) -> Paced<'_> {
        Paced::resume(&self.segment, self.position)
    }

    /// Notes what a run has used up; `overrun` if it read past the end of the segment.
    pub(crate) fn finish_run(
        &mut self,
        source: &mut Source<'_>,
        position: BitPosition,
        count: usize,
        overrun: bool,
        outcome: &mut Outcome,
    ) {
        self.position = position;
        if self.interval != 0 {
            self.left -= count;
        }
        self.done += count;
        if overrun && !self.exhausted {
            self.exhausted = true;
            if self.truncated {
                source.warn_end(outcome);
            }
            outcome.warn(Warning::PrematureEndOfSegment);
        }
    }

    /// Ends the scan: warns of data that nothing used, and of a missing end.
    ///
    /// `reach` is as in [`Self::run`].
    pub(crate) fn end(
        &self,
        source: &mut Source<'_>,
        last_scan: bool,
        reach: impl FnOnce(&Self, &Source<'_>) -> Reach,
        outcome: &mut Outcome,
    ) {
        let in_doubt = self.in_doubt(source);
        if in_doubt || self.undefined > 0 {
            let reach = reach(self, source);
            if self.undefined > 0 {
                warn_undefined(reach.undefined, outcome);
            }
            if in_doubt {
                pass(source, reach, outcome);
            }
        }
        if self.truncated && source.pending == 0xD9 && source.at_end() {
            if !last_scan {
                source.warn_end(outcome);
            } else if !self.exhausted {
                outcome.warn(Warning::MissingEndOfImage);
            }
        }
    }

    /// Ends before the end of the scan, and does not look at what follows.
    pub(crate) fn stop(
        &self,
        source: &Source<'_>,
        reach: impl FnOnce(&Self, &Source<'_>) -> Reach,
        outcome: &mut Outcome,
    ) {
        if self.undefined > 0 {
            warn_undefined(reach(self, source).undefined, outcome);
        }
    }
}

/// Passes from the last fetched byte to the marker (libjpeg `next_marker`).
fn pass(source: &mut Source<'_>, reach: Reach, outcome: &mut Outcome) {
    if !reach.met {
        source.discard(reach.ahead);
        source.warn_discarded(source.pending, outcome);
    }
}

pub(crate) fn warn_undefined(codes: usize, outcome: &mut Outcome) {
    for _ in 0..codes {
        outcome.warn(Warning::BadHuffmanCode);
    }
}

/// Where the last segment of entropy-coded data starts.
fn behind_restart(data: &[u8]) -> usize {
    let marker = data
        .windows(2)
        .rposition(|pair| matches!(pair, [0xFF, 0xD0..=0xD7]));
    marker.map_or(0, |at| at + 2)
}

/// Where the blocks of an MCU are, in an array of blocks that holds all components.
#[derive(Debug, Clone, Copy, Default)]
struct Unit {
    /// Component of the scan.
    component: usize,
    /// Index of the block in the first MCU.
    first: usize,
    /// Blocks from MCU to MCU.
    step: usize,
}

/// The blocks of one MCU of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct McuPlan {
    count: usize,
    units: [Unit; MAX_UNITS],
    /// MCUs across and down.
    pub(crate) wide: usize,
    pub(crate) high: usize,
    /// Whether the scan has one component: its MCU is one block, without padding (T.81 A.2.2).
    single: bool,
    /// Rows of MCUs of this scan that make up one row of interleaved MCUs.
    pub(crate) rows_per_mcu_row: usize,
}

/// T.81 B.2.3: an MCU has at most 10 data units.
const MAX_UNITS: usize = 10;

impl McuPlan {
    /// Plans a scan over blocks that start, per component of the frame, at `bases`.
    ///
    /// # Errors
    /// `Corrupt` if an MCU would have more than 10 data units.
    pub(crate) fn new(scan: &Scan, layout: &Layout, bases: &[usize; 4]) -> Result<Self, Error> {
        let mut plan = Self {
            count: 0,
            units: [Unit::default(); MAX_UNITS],
            wide: layout.mcus_wide,
            high: layout.mcus_high,
            single: scan.count == 1,
            rows_per_mcu_row: 1,
        };
        for (index, &component) in scan.components[..scan.count].iter().enumerate() {
            let shape = &layout.components()[component];
            let (horizontal, vertical) = if plan.single {
                (1, 1)
            } else {
                (shape.horizontal, shape.vertical)
            };
            if plan.single {
                plan.wide = shape.units_wide;
                plan.high = shape.units_high;
                plan.rows_per_mcu_row = shape.vertical;
            }
            for y in 0..vertical {
                for x in 0..horizontal {
                    let unit = plan
                        .units
                        .get_mut(plan.count)
                        .ok_or_else(|| Error::corrupt("more than 10 blocks in an MCU"))?;
                    *unit = Unit {
                        component: index,
                        first: bases[component] + y * shape.padded_wide + x,
                        step: horizontal,
                    };
                    plan.count += 1;
                }
            }
        }
        Ok(plan)
    }

    fn units(&self) -> &[Unit] {
        &self.units[..self.count]
    }
}

/// State of a sequential scan.
#[derive(Debug)]
pub(crate) struct Sequential {
    pub(crate) input: ScanInput,
    pub(crate) plan: McuPlan,
    tables: ScanTables,
    predictors: [i32; 4],
}

impl Sequential {
    pub(crate) fn new(input: ScanInput, plan: &McuPlan, tables: ScanTables) -> Self {
        Self {
            input,
            plan: *plan,
            tables,
            predictors: [0; 4],
        }
    }

    /// Decodes one row of MCUs into `blocks`, which are zero before.
    ///
    /// `offsets` are added to the place of each component's blocks (by component of the scan).
    /// `last`, as long as `blocks`, takes the zigzag index of each block's last coefficient.
    pub(crate) fn decode_row(
        &mut self,
        source: &mut Source<'_>,
        blocks: &mut [Block],
        last: &mut [u8],
        offsets: &[usize; 4],
        outcome: &mut Outcome,
    ) {
        let mut mcu = 0;
        while mcu < self.plan.wide {
            let (plan, tables) = (&self.plan, &self.tables);
            let reach = |input: &ScanInput, source: &Source<'_>| {
                pace::replay(input.stretch(source), &block_codes(plan, tables))
            };
            let run = self.input.run(source, self.plan.wide - mcu, reach, outcome);
            if run.restarted {
                self.predictors = [0; 4];
            }
            let mut bits = self.input.bits();
            let mut predictors = self.predictors;
            let mut overrun = false;
            let mut undefined = 0;
            if !run.exhausted {
                for at in mcu..mcu + run.count {
                    for unit in self.plan.units() {
                        let component = unit.component;
                        let index = unit.first + offsets[component] + at * unit.step;
                        let (Some(dc), Some(ac)) =
                            (&self.tables.dc[component], &self.tables.ac[component])
                        else {
                            continue;
                        };
                        last[index] = decode_block(
                            &mut bits,
                            dc,
                            ac,
                            &mut predictors[component],
                            &mut blocks[index],
                            &mut undefined,
                        );
                    }
                    if bits.overrun() {
                        overrun = true;
                        break;
                    }
                }
            }
            self.predictors = predictors;
            let position = bits.pause();
            self.input.note_undefined(undefined, outcome);
            self.input
                .finish_run(source, position, run.count, overrun, outcome);
            mcu += run.count;
        }
    }

    /// Ends the scan, see [`ScanInput::end`], and gives the memory back.
    pub(crate) fn end(
        self,
        source: &mut Source<'_>,
        last_scan: bool,
        outcome: &mut Outcome,
    ) -> Vec<u8> {
        let reach = |input: &ScanInput, source: &Source<'_>| {
            let codes = block_codes(&self.plan, &self.tables);
            pace::replay(input.stretch(source), &codes)
        };
        self.input.end(source, last_scan, reach, outcome);
        self.input.into_segment()
    }
}

/// The codes of the blocks of an MCU.
fn block_codes<'t>(plan: &McuPlan, tables: &'t ScanTables) -> Vec<BlockCodes<'t>> {
    let codes = plan.units().iter().map(|unit| {
        let (dc, ac) = (&tables.dc[unit.component], &tables.ac[unit.component]);
        Some((dc.as_deref()?, ac.as_deref()?))
    });
    codes.flatten().collect()
}

/// Decodes one block, T.81 F.2.2; returns the zigzag index of its last coefficient.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "coefficients are cut to 16 bits as the reference stores them"
)]
pub(crate) fn decode_block(
    bits: &mut Bits<'_>,
    dc: &HuffmanTable,
    ac: &HuffmanTable,
    predictor: &mut i32,
    block: &mut Block,
    undefined: &mut usize,
) -> u8 {
    bits.refill();
    let difference = decode_difference(bits, dc, undefined);
    *predictor = predictor.wrapping_add(difference);
    block[0] = *predictor as i16;

    let mut last = 0;
    let mut k = 1;
    while k < 64 {
        bits.refill();
        let entry = ac.entry(bits);
        let (mut run, mut value) = (entry >> 8 & 0xFF, (entry >> 16) as i16);
        // One bit of the kind at a time: a branch on both would be an indirect jump.
        if entry & KIND_MASK == KIND_VALUE {
            bits.drop(entry & 63);
        } else if entry & KIND_BITS == 0 {
            bits.drop(entry & 63);
            if run == 0 {
                break;
            }
            k += 16;
            continue;
        } else {
            let size = if entry & KIND_ZERO == 0 {
                bits.drop(entry & 63);
                entry >> 16
            } else {
                let symbol = ac.long_symbol(bits).unwrap_or_else(|| {
                    *undefined += 1;
                    0
                });
                run = u32::from(symbol >> 4);
                if symbol & 15 == 0 {
                    if run == 15 {
                        k += 16;
                        continue;
                    }
                    break;
                }
                u32::from(symbol & 15)
            };
            value = extend(bits.take(size), size) as i16;
        }
        k += run as usize;
        // A run past the end lands on the last coefficient, as in libjpeg.
        block[k.min(63)] = value;
        last = k.min(63) as u8;
        k += 1;
    }
    last
}

/// Reads a DC difference or a lossless one of up to 15 bits; wants 32 bits in the reader.
#[inline(always)]
fn decode_difference(bits: &mut Bits<'_>, table: &HuffmanTable, undefined: &mut usize) -> i32 {
    let entry = table.entry(bits);
    let size = match entry & KIND_MASK {
        KIND_VALUE => {
            bits.drop(entry & 63);
            #[allow(clippy::cast_possible_wrap, reason = "the upper half is a signed value")]
            return entry as i32 >> 16;
        }
        KIND_ZERO => {
            bits.drop(entry & 63);
            return 0;
        }
        KIND_BITS => {
            bits.drop(entry & 63);
            entry >> 16
        }
        _ => u32::from(table.long_symbol(bits).unwrap_or_else(|| {
            *undefined += 1;
            0
        })),
    };
    if size == 0 {
        0
    } else {
        extend(bits.take(size), size)
    }
}
