//! Lossless scans (SOF3), T.81 annex H.
//!
//! Differences are decoded row by row, predictions added modulo 2^16, and samples shifted up by
//! the point transform. Damaged data follow libjpeg-turbo (`jdlhuff.c`, `jddiffct.c`).

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "samples are sums modulo 2^16, as H.1.2.1 has them"
)]

use std::sync::Arc;

use crate::error::{Error, Outcome};
use crate::huffman::{BitPosition, HuffmanTable, extend};
use crate::layout::Layout;
use crate::markers::{Scan, Source};
use crate::pace::{Paced, Reach, Reader};
use crate::render::Planes;
use crate::sample::Sample;
use crate::scan::{self, ScanInput};

/// Buffers of a lossless decode.
#[derive(Debug, Default)]
pub(crate) struct LosslessRows {
    /// Differences of one row of MCUs, component after component, row after row.
    differences: Vec<u16>,
    /// The previous row of each component before the point transform.
    previous: [Vec<u16>; 4],
}

/// One lossless scan.
#[derive(Debug)]
pub(crate) struct LosslessScan<'a> {
    pub(crate) scan: &'a Scan,
    pub(crate) layout: &'a Layout,
    pub(crate) tables: [Option<Arc<HuffmanTable>>; 4],
    pub(crate) bits: u8,
    pub(crate) restart_interval: u16,
}

/// A component in a row of MCUs.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    component: usize,
    /// Samples of one MCU across and down.
    wide: usize,
    high: usize,
    /// Where its differences start, and from row to row.
    first: usize,
    stride: usize,
}

impl LosslessScan<'_> {
    /// Checks the parameters, T.81 table H.1 and B.2.3.
    fn check(&self, mcus_wide: usize) -> Result<(), Error> {
        let scan = self.scan;
        if !(1..=7).contains(&scan.spectral_start)
            || scan.spectral_end != 0
            || scan.approx_high != 0
            || scan.approx_low >= self.bits
        {
            return Err(Error::corrupt(format!(
                "lossless scan with predictor {}, point transform {}",
                scan.spectral_start, scan.approx_low
            )));
        }
        if !usize::from(self.restart_interval).is_multiple_of(mcus_wide) {
            return Err(Error::corrupt(
                "restart interval is no whole number of rows",
            ));
        }
        Ok(())
    }

    /// Decodes the scan into whole planes, and ends it.
    pub(crate) fn decode<S: Sample>(
        &self,
        input: &mut ScanInput,
        source: &mut Source<'_>,
        rows: &mut LosslessRows,
        planes: &mut Planes<S>,
        last_scan: bool,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let mut parts = [Part::default(); 4];
        let single = self.scan.count == 1;
        let (mut wide, mut high) = (self.layout.mcus_wide, self.layout.mcus_high);
        let mut total = 0;
        let mut units = 0;
        for (part, &component) in parts
            .iter_mut()
            .zip(&self.scan.components)
            .take(self.scan.count)
        {
            let shape = &self.layout.components()[component];
            let (part_wide, part_high) = if single {
                (1, 1)
            } else {
                (shape.horizontal, shape.vertical)
            };
            if single {
                (wide, high) = (shape.units_wide, shape.units_high);
            }
            *part = Part {
                component,
                wide: part_wide,
                high: part_high,
                first: total,
                stride: shape.padded_wide,
            };
            total += shape.padded_wide * part_high;
            units += part_wide * part_high;
            rows.previous[component].clear();
            rows.previous[component].resize(shape.padded_wide, 0);
        }
        if units > 10 {
            return Err(Error::corrupt("more than 10 samples in an MCU"));
        }
        self.check(wide)?;
        rows.differences.clear();
        rows.differences.resize(total, 0);
        let parts = &parts[..self.scan.count];

        let mut fresh = true;
        for row in 0..high {
            fresh |= self.row_of_differences(parts, wide, input, source, rows, outcome);
            for part in parts {
                for y in 0..part.high {
                    let plane_row = row * part.high + y;
                    let shape = &self.layout.components()[part.component];
                    if plane_row < shape.units_high {
                        let start = part.first + y * part.stride;
                        let differences = &rows.differences[start..start + shape.units_wide];
                        let previous = &mut rows.previous[part.component][..shape.units_wide];
                        self.undifference(differences, previous, fresh && y == 0);
                        let out = planes.planes[part.component].row_mut(plane_row);
                        for (sample, value) in out.iter_mut().zip(&*previous) {
                            *sample = S::from_u16(value << self.scan.approx_low);
                        }
                    }
                }
            }
            fresh = false;
        }
        let reach = |input: &ScanInput, _: &Source<'_>| self.reach(parts, input);
        input.end(source, last_scan, reach, outcome);
        Ok(())
    }

    /// How far libjpeg-turbo has come in the segment at hand.
    #[cold]
    fn reach(&self, parts: &[Part], input: &ScanInput) -> Reach {
        let mut bits = Paced::resume(input.segment(), BitPosition::default());
        for _ in 0..input.done() {
            for (part, table) in parts.iter().zip(&self.tables) {
                let Some(table) = table else { continue };
                for _ in 0..part.wide * part.high {
                    let size = bits.code(table).unwrap_or(0);
                    if (1..16).contains(&size) {
                        bits.value(size.into());
                    }
                }
            }
        }
        Reach::of(input.segment(), bits.bits().pause())
    }

    /// Decodes the differences of one row of MCUs; returns whether prediction starts anew.
    ///
    /// A row that runs out of data goes on with zero bits to its end; whole rows without data are
    /// mid-gray.
    fn row_of_differences(
        &self,
        parts: &[Part],
        wide: usize,
        input: &mut ScanInput,
        source: &mut Source<'_>,
        rows: &mut LosslessRows,
        outcome: &mut Outcome,
    ) -> bool {
        let reach = |input: &ScanInput, _: &Source<'_>| self.reach(parts, input);
        let run = input.run(source, wide, reach, outcome);
        if run.exhausted {
            rows.differences.fill(0);
            let position = input.position;
            input.finish_run(source, position, run.count, false, outcome);
            return true;
        }
        let mut bits = input.bits();
        let mut undefined = 0;
        for mcu in 0..run.count {
            for (part, table) in parts.iter().zip(&self.tables) {
                let Some(table) = table else { continue };
                for y in 0..part.high {
                    let start = part.first + y * part.stride + mcu * part.wide;
                    for difference in &mut rows.differences[start..start + part.wide] {
                        let size = bits.code(table).unwrap_or_else(|| {
                            undefined += 1;
                            0
                        });
                        // T.81 H.1.2.2: size 16 has no bits and stands for 32768.
                        *difference = match size {
                            0 => 0,
                            16.. => 1 << 15,
                            size => {
                                let size = u32::from(size);
                                extend(bits.take(size), size) as u16
                            }
                        };
                    }
                }
            }
        }
        scan::warn_undefined(undefined, outcome);
        let (position, overrun) = (bits.pause(), bits.overrun());
        input.finish_run(source, position, run.count, overrun, outcome);
        run.restarted
    }

    /// Adds predictions, T.81 H.1.2.1 and table H.1, in place of the previous row.
    fn undifference(&self, differences: &[u16], row: &mut [u16], fresh: bool) {
        let [first, rest @ ..] = differences else {
            return;
        };
        let mut left;
        let mut above_left = row[0];
        if fresh {
            let start = 1_u16 << (self.bits - self.scan.approx_low - 1);
            left = first.wrapping_add(start);
            row[0] = left;
            for (sample, difference) in row[1..].iter_mut().zip(rest) {
                left = left.wrapping_add(*difference);
                *sample = left;
            }
            return;
        }
        left = first.wrapping_add(row[0]);
        row[0] = left;
        let predictor = self.scan.spectral_start;
        for (sample, difference) in row[1..].iter_mut().zip(rest) {
            let above = *sample;
            let (a, b, c) = (i32::from(left), i32::from(above), i32::from(above_left));
            let prediction = match predictor {
                1 => a,
                2 => b,
                3 => c,
                4 => a + b - c,
                5 => a + ((b - c) >> 1),
                6 => b + ((a - c) >> 1),
                _ => (a + b) >> 1,
            };
            left = difference.wrapping_add(prediction as u16);
            *sample = left;
            above_left = above;
        }
    }
}
