//! Progressive scans, T.81 annex G, and the bookkeeping of how exactly coefficients are known.
//!
//! What damaged data turn into follows libjpeg-turbo (`jdphuff.c`).

#![allow(
    clippy::cast_possible_truncation,
    reason = "coefficients are cut to 16 bits as the reference stores them"
)]

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Outcome, Warning};
use crate::huffman::{BitPosition, HuffmanTable, extend};
use crate::idct::Block;
use crate::layout::{ComponentLayout, Layout};
use crate::markers::{Scan, Source};
use crate::pace::{Paced, Reach, Reader};
use crate::scan::{self, ScanInput};

/// How many low bits of each coefficient are still unknown; -1 for a coefficient not seen at all.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// By component and zigzag index.
    pub(crate) now: [[i8; 64]; 4],
    /// As it was before the component's latest scan; only the first ten matter.
    before: [[i8; 64]; 4],
    /// Scans entered.
    scans: usize,
    /// The last row of interleaved MCUs that had data, in the latest scan.
    pub(crate) last_good_row: usize,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            now: [[-1; 64]; 4],
            before: [[-1; 64]; 4],
            scans: 0,
            last_good_row: 0,
        }
    }
}

impl Progress {
    /// What is known of a component's coefficients in a row of interleaved MCUs: in rows that the
    /// latest scan has not got to, what was known before it counts.
    pub(crate) fn known(&self, component: usize, mcu_row: usize) -> &[i8; 64] {
        if mcu_row <= self.last_good_row {
            &self.now[component]
        } else if self.scans > 1 {
            &self.before[component]
        } else {
            &[-1; 64]
        }
    }

    /// Checks a scan's parameters, T.81 G.1.1.1, and enters what it will make known.
    ///
    /// # Errors
    /// `Corrupt` if the parameters are illegal. A scan that does not follow from those before it
    /// is a warning.
    pub(crate) fn enter(
        &mut self,
        scan: &Scan,
        number: usize,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let (start, end) = (
            usize::from(scan.spectral_start),
            usize::from(scan.spectral_end),
        );
        let (high, low) = (scan.approx_high, scan.approx_low);
        let legal_band = if start == 0 {
            end == 0
        } else {
            start <= end && end < 64 && scan.count == 1
        };
        if !legal_band || (high != 0 && high.wrapping_sub(1) != low) || low > 13 {
            return Err(Error::corrupt(format!(
                "progressive scan of coefficients {start}..={end}, bits {high} to {low}"
            )));
        }
        for &component in &scan.components[..scan.count] {
            let (now, before) = (&mut self.now[component], &mut self.before[component]);
            let mut warn = |coefficient: usize| {
                outcome.warn(Warning::InconsistentProgression {
                    component: component as u8,
                    coefficient: coefficient as u8,
                });
            };
            if start > 0 && now[0] < 0 {
                warn(0);
            }
            // libjpeg-turbo enters 0 in the first scan, but reads -1 if there is no second one.
            for coefficient in start.min(1)..=end.max(9) {
                before[coefficient] = if number > 1 { now[coefficient] } else { 0 };
            }
            self.scans = number;
            for (coefficient, known) in now.iter_mut().enumerate().take(end + 1).skip(start) {
                if i16::from(high) != i16::from((*known).max(0)) {
                    warn(coefficient);
                }
                *known = low.cast_signed();
            }
        }
        Ok(())
    }
}

/// One progressive scan.
#[derive(Debug)]
pub(crate) struct ProgressiveScan<'a> {
    pub(crate) scan: &'a Scan,
    pub(crate) layout: &'a Layout,
    /// First block of each component.
    pub(crate) bases: &'a [usize; 4],
    /// DC tables by component of the scan, or the AC table first; none in DC refinements.
    pub(crate) tables: [Option<Arc<HuffmanTable>>; 4],
}

impl ProgressiveScan<'_> {
    /// Decodes the scan into the blocks of the whole picture.
    pub(crate) fn decode(
        &self,
        input: &mut ScanInput,
        source: &mut Source<'_>,
        blocks: &mut [Block],
        progress: &mut Progress,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let (wide, high, rows) = match self.only() {
            Some(shape) => (shape.units_wide, shape.units_high, shape.vertical),
            None => (self.layout.mcus_wide, self.layout.mcus_high, 1),
        };
        let mut state = BandState::default();
        for row in 0..high {
            let mut mcu = 0;
            while mcu < wide {
                let reach = |input: &ScanInput, _: &Source<'_>| self.reach(input);
                let run = input.run(source, wide - mcu, reach, outcome);
                if run.restarted {
                    state = BandState::default();
                }
                let (mut position, mut overrun) = (input.position, false);
                if !run.exhausted {
                    progress.last_good_row = row / rows;
                    let (state, columns) = (&mut state, mcu..mcu + run.count);
                    (position, overrun) = if self.is_first() {
                        self.decode_run(input.bits(), row, columns, state, blocks)?
                    } else {
                        self.decode_run(input.paced(), row, columns, state, blocks)?
                    };
                }
                scan::warn_undefined(std::mem::take(&mut state.undefined), outcome);
                input.finish_run(source, position, run.count, overrun, outcome);
                mcu += run.count;
            }
        }
        Ok(())
    }

    /// How far libjpeg-turbo has come in the segment at hand.
    ///
    /// What a refinement reads depends on what was known before, which it has changed since: it is
    /// read at libjpeg-turbo's pace.
    #[cold]
    pub(crate) fn reach(&self, input: &ScanInput) -> Reach {
        if !self.is_first() {
            return input.reach();
        }
        let mut bits = Paced::resume(input.segment(), BitPosition::default());
        let (mut state, mut block) = (BandState::default(), Block::ZERO);
        for _ in 0..input.done() {
            for (index, &component) in self.scan.components[..self.scan.count].iter().enumerate() {
                let shape = &self.layout.components()[component];
                let units = self.only().map_or(shape.horizontal * shape.vertical, |_| 1);
                for _ in 0..units {
                    // The only error, a sum out of range, was not there when it was decoded.
                    self.decode_block(index, &mut bits, &mut state, &mut block)
                        .ok();
                }
            }
        }
        Reach::of(input.segment(), bits.bits().pause())
    }

    /// Whether the scan is the first one of its coefficients.
    fn is_first(&self) -> bool {
        self.scan.approx_high == 0
    }

    /// The component of a scan that has one: its MCUs are single blocks.
    fn only(&self) -> Option<&ComponentLayout> {
        let [component, ..] = self.scan.components;
        (self.scan.count == 1).then(|| &self.layout.components()[component])
    }

    /// Decodes some MCUs of a row; returns where that ends, and whether the data ended before.
    fn decode_run(
        &self,
        mut reader: impl Reader,
        row: usize,
        columns: Range<usize>,
        state: &mut BandState,
        blocks: &mut [Block],
    ) -> Result<(BitPosition, bool), Error> {
        let only = self.only();
        for column in columns {
            if let Some(shape) = only {
                let start = self.bases[self.scan.components[0]] + row * shape.padded_wide;
                self.decode_block(0, &mut reader, state, &mut blocks[start + column])?;
            } else {
                self.decode_mcu(row, column, &mut reader, state, blocks)?;
            }
            if reader.bits().overrun() {
                return Ok((reader.bits().pause(), true));
            }
        }
        Ok((reader.bits().pause(), false))
    }

    /// One interleaved MCU; only DC scans have them.
    fn decode_mcu(
        &self,
        row: usize,
        column: usize,
        bits: &mut impl Reader,
        state: &mut BandState,
        blocks: &mut [Block],
    ) -> Result<(), Error> {
        for (index, &component) in self.scan.components[..self.scan.count].iter().enumerate() {
            let shape = &self.layout.components()[component];
            for y in 0..shape.vertical {
                let start = self.bases[component]
                    + (row * shape.vertical + y) * shape.padded_wide
                    + column * shape.horizontal;
                for block in &mut blocks[start..start + shape.horizontal] {
                    self.decode_block(index, bits, state, block)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn decode_block(
        &self,
        component: usize,
        bits: &mut impl Reader,
        state: &mut BandState,
        block: &mut Block,
    ) -> Result<(), Error> {
        let scan = self.scan;
        match (
            scan.spectral_start,
            scan.approx_high,
            &self.tables[component],
        ) {
            (0, 0, Some(table)) => {
                state.dc_first(component, table, scan.approx_low, bits, block)?;
            }
            (0, ..) => {
                if bits.flag() {
                    block[0] |= 1 << scan.approx_low;
                }
            }
            (_, 0, Some(table)) => state.ac_first(scan, table, bits, block),
            (_, _, Some(table)) => state.ac_refine(scan, table, bits, block),
            (_, _, None) => {}
        }
        Ok(())
    }
}

/// What carries over from block to block; reset by restarts.
#[derive(Debug, Default)]
struct BandState {
    predictors: [i32; 4],
    /// Blocks of the current end-of-band run still to come.
    end_of_band_run: u32,
    /// Undefined Huffman codes met.
    undefined: usize,
}

// Out of line, each with the reader in registers: together they would not have enough.
impl BandState {
    fn symbol(&mut self, table: &HuffmanTable, bits: &mut impl Reader) -> u8 {
        bits.code(table).unwrap_or_else(|| {
            self.undefined += 1;
            0
        })
    }

    /// First scan of DC coefficients, T.81 G.1.2.1.
    #[inline(never)]
    fn dc_first(
        &mut self,
        component: usize,
        table: &HuffmanTable,
        low: u8,
        bits: &mut impl Reader,
        block: &mut Block,
    ) -> Result<(), Error> {
        let size = u32::from(self.symbol(table, bits));
        let difference = if size == 0 {
            0
        } else {
            extend(bits.value(size), size)
        };
        let predictor = &mut self.predictors[component];
        *predictor = predictor
            .checked_add(difference)
            .ok_or_else(|| Error::corrupt("DC coefficient out of range"))?;
        block[0] = (*predictor << low) as i16;
        Ok(())
    }

    /// First scan of a band of AC coefficients, T.81 G.1.2.2.
    #[inline(never)]
    fn ac_first(
        &mut self,
        scan: &Scan,
        table: &HuffmanTable,
        bits: &mut impl Reader,
        block: &mut Block,
    ) {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return;
        }
        let end = usize::from(scan.spectral_end);
        let mut k = usize::from(scan.spectral_start);
        while k <= end {
            let symbol = self.symbol(table, bits);
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size != 0 {
                k += run as usize;
                let value = extend(bits.value(size), size);
                block[within(k)] = (value << scan.approx_low) as i16;
                k += 1;
            } else if run == 15 {
                k += 16;
            } else {
                self.end_of_band_run = band_run(run, bits) - 1;
                break;
            }
        }
    }

    /// Refinement of a band of AC coefficients, T.81 G.1.2.3.
    #[inline(never)]
    fn ac_refine(
        &mut self,
        scan: &Scan,
        table: &HuffmanTable,
        bits: &mut impl Reader,
        block: &mut Block,
    ) {
        let end = usize::from(scan.spectral_end);
        let plus = 1_i16 << scan.approx_low;
        let mut k = usize::from(scan.spectral_start);
        if self.end_of_band_run == 0 {
            while k <= end {
                let symbol = self.symbol(table, bits);
                let (mut run, size) = (i32::from(symbol >> 4), symbol & 15);
                let mut value = 0;
                if size != 0 {
                    if size != 1 {
                        self.undefined += 1;
                    }
                    value = if bits.flag() { plus } else { -plus };
                } else if run != 15 {
                    self.end_of_band_run = band_run(run.unsigned_abs(), bits);
                    break;
                }
                // Pass the coefficients that are known already, and `run` that are zero.
                while k <= end {
                    let coefficient = &mut block[within(k)];
                    if *coefficient != 0 {
                        refine(coefficient, plus, bits);
                    } else {
                        run -= 1;
                        if run < 0 {
                            break;
                        }
                    }
                    k += 1;
                }
                if value != 0 {
                    block[within(k)] = value;
                }
                k += 1;
            }
        }
        if self.end_of_band_run > 0 {
            for k in k..=end {
                let coefficient = &mut block[within(k)];
                if *coefficient != 0 {
                    refine(coefficient, plus, bits);
                }
            }
            self.end_of_band_run -= 1;
        }
    }
}

/// A run past the end of a block writes its last coefficient, which is what libjpeg does with
/// corrupt data.
fn within(k: usize) -> usize {
    k.min(63)
}

/// Length of an end-of-band run, this block included.
fn band_run(exponent: u32, bits: &mut impl Reader) -> u32 {
    let low = if exponent == 0 {
        0
    } else {
        bits.value(exponent)
    };
    (1 << exponent) + low
}

/// Reads the correction bit of a known coefficient.
#[inline(always)]
fn refine(coefficient: &mut i16, plus: i16, bits: &mut impl Reader) {
    if bits.flag() && *coefficient & plus == 0 {
        let step = if *coefficient >= 0 { plus } else { -plus };
        *coefficient = coefficient.wrapping_add(step);
    }
}
