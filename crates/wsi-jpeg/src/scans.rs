//! Pictures that cannot stream: several scans, progressive, more than 8 bits, lossless.
//!
//! Their coefficients, or samples where they are lossless, are collected first.

use crate::decoder::check_memory;
use crate::error::{Error, Outcome, Warning};
use crate::frame::{Info, Process};
use crate::idct::{Block, Multipliers};
use crate::layout::Layout;
use crate::lossless::{LosslessRows, LosslessScan};
use crate::markers::{Reached, Scan, Source, Stream};
use crate::options::Options;
use crate::plan;
use crate::progressive::{Progress, ProgressiveScan};
use crate::render::{Planes, Rendering};
use crate::rows::RowsMut;
use crate::sample::Sample;
use crate::scan::{McuPlan, ScanInput, ScanTables, Sequential, TableCache};
use crate::smooth::{self, Smoother};
use crate::tables::{Class, Quantisers, TableSet};

/// Memory that does not depend on the width of samples.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The data segment at hand, without stuffing.
    segment: Vec<u8>,
    /// Coefficients of the whole picture.
    blocks: Vec<Block>,
    /// Zigzag index of the last coefficient of each block.
    last: Vec<u8>,
    /// Smoothed blocks of one row.
    smoothed: Vec<Block>,
    lossless: LosslessRows,
}

/// One decode, once everything has been checked.
pub(crate) struct Job<'j> {
    pub(crate) layout: &'j Layout,
    pub(crate) rendering: Rendering,
    pub(crate) info: &'j Info,
    pub(crate) options: &'j Options<'j>,
}

impl Job<'_> {
    /// Decodes the picture whose headers `stream` has read.
    ///
    /// # Errors
    /// As [`Decoder::decode`](crate::Decoder::decode).
    pub(crate) fn run<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        tables: &mut TableCache,
        planes: &mut Planes<S>,
        out: &mut (impl RowsMut + ?Sized),
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let process = self.info.process();
        let whole = process == Process::Lossless;
        let units = if whole { 0 } else { self.layout.all_units() };
        let coefficients = units as u64 * size_of::<Block>() as u64;
        let bytes = Planes::<S>::bytes(self.layout, whole) + coefficients;
        check_memory(bytes, self.options)?;
        planes.prepare(self.layout, &self.rendering, whole);
        if whole {
            return self.lossless(stream, scratch, tables, planes, out, outcome);
        }
        if matches!(process, Process::Baseline | Process::Extended) {
            stream.tables.install_standard();
        }
        scratch.blocks.clear();
        scratch.blocks.resize(units, Block::ZERO);
        self.scans(stream, scratch, tables, planes, out, outcome)
    }

    /// A picture of several scans, sequential or progressive.
    fn scans<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        cache: &mut TableCache,
        planes: &mut Planes<S>,
        out: &mut (impl RowsMut + ?Sized),
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let bases = bases(layout, |c| c.padded_wide * c.padded_high);
        let mut quantisers = [None; 4];
        let mut progress = Progress::default();
        let progressive = self.info.process() == Process::Progressive;
        let only = !progressive && stream.scan.count == self.info.components().len();
        loop {
            let scan = stream.scan;
            let offset = stream.source.position();
            self.latch_quantisers(stream, &scan, &mut quantisers)?;
            if progressive {
                let progress = &mut progress;
                self.progressive_scan(stream, &scan, scratch, cache, &bases, progress, outcome)
            } else {
                self.sequential_scan(stream, &scan, scratch, cache, &bases, only, outcome)
            }
            .map_err(|error| error.at(offset))?;
            if only {
                finish_stream(stream, outcome);
                break;
            }
            if !self.next_scan(stream, outcome)? {
                break;
            }
        }

        let smooth =
            progressive && smooth::applies(&progress, &quantisers[..layout.components().len()]);
        let multipliers = quantisers.map(|q| multipliers(q.as_ref()));
        for mcu_row in 0..layout.mcus_high {
            let components = layout.components().iter().take(self.rendering.components);
            for (index, component) in components.enumerate() {
                let start = bases[index];
                let all =
                    &scratch.blocks[start..start + component.padded_wide * component.padded_high];
                let smoother = Smoother {
                    blocks: all,
                    shape: component,
                    quantisers: &quantisers[index].unwrap_or([1; 64]),
                    progress: &progress,
                    component: index,
                    mcus_high: layout.mcus_high,
                };
                for row in 0..component.vertical {
                    let block_row = mcu_row * component.vertical + row;
                    if block_row >= component.units_high {
                        break;
                    }
                    let start = block_row * component.padded_wide;
                    let mut blocks = &all[start..start + component.units_wide];
                    if smooth {
                        scratch.smoothed.clear();
                        scratch.smoothed.extend(
                            (0..component.units_wide).map(|x| smoother.block(block_row, x)),
                        );
                        blocks = &scratch.smoothed;
                    }
                    planes.planes[index].transform_row(
                        block_row * component.unit,
                        component.unit,
                        blocks,
                        &multipliers[index],
                    );
                }
            }
            planes.emit(layout, &self.rendering, mcu_row + 1, out)?;
        }
        Ok(())
    }

    /// Moves to the next scan; `false` at the end of the image.
    fn next_scan(&self, stream: &mut Stream<'_>, outcome: &mut Outcome) -> Result<bool, Error> {
        if stream.read_markers(outcome)? == Reached::End {
            return Ok(false);
        }
        if stream.scans > self.options.limits.max_scans {
            return Err(Error::limit(format!(
                "more than {} scans",
                self.options.limits.max_scans
            )));
        }
        Ok(true)
    }

    /// One sequential scan of several.
    fn sequential_scan(
        &self,
        stream: &mut Stream<'_>,
        scan: &Scan,
        scratch: &mut Scratch,
        cache: &mut TableCache,
        bases: &[usize; 4],
        only: bool,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let plan = McuPlan::new(scan, layout, bases)?;
        let tables = sequential_tables(cache, &stream.tables, scan, outcome)?;
        scratch.last.clear();
        scratch.last.resize(scratch.blocks.len(), 0);
        let interval = stream.restart_interval;
        let input = ScanInput::begin(
            self.rendering.kernels,
            &mut stream.source,
            std::mem::take(&mut scratch.segment),
            interval,
        );
        let mut sequential = Sequential::new(input, &plan, tables);
        for row in 0..plan.high {
            let mut offsets = [0; 4];
            for (offset, &component) in offsets.iter_mut().zip(&scan.components[..scan.count]) {
                let shape = &layout.components()[component];
                let rows = if scan.count == 1 {
                    row
                } else {
                    row * shape.vertical
                };
                *offset = rows * shape.padded_wide;
            }
            sequential.decode_row(
                &mut stream.source,
                &mut scratch.blocks,
                &mut scratch.last,
                &offsets,
                outcome,
            );
        }
        scratch.segment = sequential.end(&mut stream.source, only, outcome);
        Ok(())
    }

    fn progressive_scan(
        &self,
        stream: &mut Stream<'_>,
        scan: &Scan,
        scratch: &mut Scratch,
        cache: &mut TableCache,
        bases: &[usize; 4],
        progress: &mut Progress,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        // An interleaved scan must fit an MCU here too.
        McuPlan::new(scan, self.layout, bases)?;
        progress.enter(scan, stream.scans, outcome)?;
        let mut tables = [const { None }; 4];
        if scan.spectral_start > 0 {
            let slot = scan.ac_slots[0];
            tables[0] = Some(cache.table(&stream.tables, Class::Ac, slot, u8::MAX)?);
        } else if scan.approx_high == 0 {
            for (table, slot) in tables.iter_mut().zip(scan.dc_slots).take(scan.count) {
                *table = Some(cache.table(&stream.tables, Class::Dc, slot, 15)?);
            }
        }
        let interval = stream.restart_interval;
        let mut input = ScanInput::begin(
            self.rendering.kernels,
            &mut stream.source,
            std::mem::take(&mut scratch.segment),
            interval,
        );
        let decode = ProgressiveScan {
            scan,
            layout: self.layout,
            bases,
            tables,
        };
        decode.decode(
            &mut input,
            &mut stream.source,
            &mut scratch.blocks,
            progress,
            outcome,
        )?;
        let reach = |input: &ScanInput, _: &Source<'_>| decode.reach(input);
        input.end(&mut stream.source, false, reach, outcome);
        scratch.segment = input.into_segment();
        Ok(())
    }

    fn lossless<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        cache: &mut TableCache,
        planes: &mut Planes<S>,
        out: &mut (impl RowsMut + ?Sized),
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let several = stream.scan.count < self.info.components().len();
        loop {
            let scan = stream.scan;
            let mut tables = [const { None }; 4];
            for (table, slot) in tables.iter_mut().zip(scan.dc_slots).take(scan.count) {
                *table = Some(cache.table(&stream.tables, Class::Dc, slot, 16)?);
            }
            let interval = stream.restart_interval;
            let mut input = ScanInput::begin(
                self.rendering.kernels,
                &mut stream.source,
                std::mem::take(&mut scratch.segment),
                interval,
            );
            let decode = LosslessScan {
                scan: &scan,
                layout: self.layout,
                tables,
                bits: self.info.bits(),
                restart_interval: interval,
            };
            let rows = &mut scratch.lossless;
            decode.decode(
                &mut input,
                &mut stream.source,
                rows,
                planes,
                !several,
                outcome,
            )?;
            scratch.segment = input.into_segment();
            if !several {
                finish_stream(stream, outcome);
                break;
            }
            if !self.next_scan(stream, outcome)? {
                break;
            }
        }
        planes.emit(self.layout, &self.rendering, self.layout.mcus_high, out)
    }

    /// Keeps the quantisers in force when a component is first scanned (T.81 B.2.4.1 lets later
    /// segments redefine them).
    fn latch_quantisers(
        &self,
        stream: &Stream<'_>,
        scan: &Scan,
        latched: &mut [Option<Quantisers>; 4],
    ) -> Result<(), Error> {
        for &component in &scan.components[..scan.count] {
            let slot = self.info.components()[component].quantiser_slot;
            if latched[component].is_none() {
                latched[component] = Some(plan::quantisers(stream, slot)?);
            }
        }
        Ok(())
    }
}

/// Reads on to the end of the image behind the only scan, as `jpeg_finish_decompress` does.
///
/// The picture is complete by then, so errors become warnings.
fn finish_stream(stream: &mut Stream<'_>, outcome: &mut Outcome) {
    match stream.read_markers(outcome) {
        Ok(Reached::End) => {}
        Ok(Reached::Scan) | Err(_) => outcome.warn(Warning::CorruptTrailer),
    }
}

/// The same for a source that has been read apart from its stream.
pub(crate) fn finish<'d>(source: Source<'d>, stream: &mut Stream<'d>, outcome: &mut Outcome) {
    stream.source = source;
    finish_stream(stream, outcome);
}

/// The tables of a sequential scan.
fn sequential_tables(
    cache: &mut TableCache,
    set: &TableSet,
    scan: &Scan,
    outcome: &mut Outcome,
) -> Result<ScanTables, Error> {
    if (
        scan.spectral_start,
        scan.spectral_end,
        scan.approx_high,
        scan.approx_low,
    ) != (0, 63, 0, 0)
    {
        outcome.warn(Warning::NotSequential);
    }
    let mut tables = ScanTables::default();
    for index in 0..scan.count {
        tables.dc[index] = Some(cache.table(set, Class::Dc, scan.dc_slots[index], 15)?);
        tables.ac[index] = Some(cache.table(set, Class::Ac, scan.ac_slots[index], u8::MAX)?);
    }
    Ok(tables)
}

/// First block of each component, by the number of blocks that each has.
fn bases(layout: &Layout, blocks: impl Fn(&crate::layout::ComponentLayout) -> usize) -> [usize; 4] {
    let mut bases = [0; 4];
    let mut next = 0;
    for (base, component) in bases.iter_mut().zip(layout.components()) {
        *base = next;
        next += blocks(component);
    }
    bases
}

/// The multipliers of a component; one never scanned has none.
fn multipliers(quantisers: Option<&Quantisers>) -> Multipliers {
    quantisers.map_or([0; 64], plan::as_multipliers)
}
