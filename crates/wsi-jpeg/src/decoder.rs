//! The decoder: checks, then one of three ways from data to rows.
//!
//! A sequential picture in one scan streams: each row of MCUs is decoded, transformed and put out
//! while it is warm. Pictures of several scans collect their coefficients first. Lossless pictures
//! collect samples.

use crate::color::Conversion;
use crate::error::{Error, Outcome, Warning};
use crate::frame::{Info, Process};
use crate::idct::{Block, Multipliers};
use crate::index::RowIndex;
use crate::layout::Layout;
use crate::lossless::{LosslessRows, LosslessScan};
use crate::markers::{Reached, Scan, Stream};
use crate::options::Options;
use crate::progressive::{Progress, ProgressiveScan};
use crate::render::{Planes, Rendering};
use crate::rows::RowsMut;
use crate::sample::Sample;
use crate::scan::{McuPlan, ScanInput, ScanTables, Sequential, TableCache};
use crate::smooth::{self, Smoother};
use crate::tables::{Class, Quantisers, TableSet};
use crate::window::View;

/// Decodes pictures, one after another, reusing its memory.
///
/// Decoding sequential pictures of one size allocates nothing after the first, unless there are
/// warnings to report or Huffman tables that were not met lately. One decoder serves one thread.
///
/// # Example
/// ```
/// use wsi_jpeg::{Decoder, ErrorKind, Info, Options, PixelFormat, StridedRows};
///
/// fn decode(decoder: &mut Decoder, data: &[u8]) -> Result<Vec<u8>, wsi_jpeg::Error> {
///     let info = Info::read(data, None)?;
///     let stride = info.width() as usize * 3;
///     let mut pixels = vec![0; stride * info.height() as usize];
///     let mut rows = StridedRows::new(&mut pixels, stride);
///     let outcome = decoder.decode(data, &Options::new(PixelFormat::Rgb8), &mut rows)?;
///     assert!(outcome.is_clean());
///     Ok(pixels)
/// }
///
/// let error = decode(&mut Decoder::new(), b"not a JPEG").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Corrupt);
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    scratch: Scratch,
    narrow: Planes<u8>,
    wide: Planes<u16>,
}

/// One of two pictures to decode together, see [`Decoder::decode_pair`].
#[derive(Debug)]
pub struct Picture<'p, R: ?Sized> {
    data: &'p [u8],
    options: &'p Options<'p>,
    out: &'p mut R,
    index: Option<&'p mut RowIndex>,
}

impl<'p, R: RowsMut + ?Sized> Picture<'p, R> {
    /// A picture with what [`Decoder::decode`] takes.
    #[must_use]
    pub fn new(data: &'p [u8], options: &'p Options<'p>, out: &'p mut R) -> Self {
        Self {
            data,
            options,
            out,
            index: None,
        }
    }

    /// Uses and extends a row index, as [`Decoder::decode_indexed`] does.
    #[must_use]
    pub fn with_index(mut self, index: &'p mut RowIndex) -> Self {
        self.index = Some(index);
        self
    }
}

/// Memory that does not depend on the width of samples.
#[derive(Debug, Default)]
struct Scratch {
    /// The data segment at hand, without stuffing.
    segment: Vec<u8>,
    /// Coefficients: of one row of MCUs, or of the whole picture.
    blocks: Vec<Block>,
    /// Zigzag index of the last coefficient of each block in a row of MCUs.
    last: Vec<u8>,
    /// Smoothed blocks of one row.
    smoothed: Vec<Block>,
    lossless: LosslessRows,
    tables: TableCache,
}

/// One decode, once everything has been checked.
struct Job<'j> {
    layout: &'j Layout,
    rendering: Rendering,
    info: &'j Info,
    options: &'j Options<'j>,
}

impl Decoder {
    /// A decoder without any memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one picture into `out`.
    ///
    /// The output has [`Info::scaled_size`] pixels, or those of the window that the options name. `out` is asked for each of its rows, top down;
    /// after an error some may have been written.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where libjpeg-turbo gives up too,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for processes, depths and sampling factors
    /// that this crate lacks, [`LimitExceeded`](crate::ErrorKind::LimitExceeded) by
    /// [`Limits`](crate::Limits), and
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for rows that are too short or a
    /// pixel format that does not fit.
    pub fn decode(
        &mut self,
        data: &[u8],
        options: &Options<'_>,
        out: &mut impl RowsMut,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let set = options
            .tables
            .map_or_else(TableSet::default, |tables| tables.set().clone());
        let mut stream = Stream::open(data, set)?;
        let info = Info::from_stream(&mut stream, &mut outcome)?;
        let conversion = check_call(&info, options)?;
        let count = info.components().len();
        let rendered = conversion.components(count);
        let layout = Layout::new(&info.frame, options.scale, rendered)?;
        let view = View::new(options.window, layout.width, layout.height)?;
        let job = Job {
            layout: &layout,
            rendering: Rendering {
                conversion,
                bits: info.bits(),
                components: rendered,
                view,
                row_bytes: view.width() * options.format.bytes_per_pixel(),
            },
            info: &info,
            options,
        };
        let scratch = &mut self.scratch;
        if info.bits() > 8 {
            job.run(&mut stream, scratch, &mut self.wide, out, &mut outcome)?;
        } else {
            job.run(&mut stream, scratch, &mut self.narrow, out, &mut outcome)?;
        }
        Ok(outcome)
    }
}

impl Decoder {
    /// Decodes like [`decode`](Self::decode), from the nearest row that `index` knows, and notes
    /// the rows that it passes.
    ///
    /// Progressive and lossless pictures and those of several scans have no index: for them it
    /// stays empty.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_indexed(
        &mut self,
        data: &[u8],
        options: &Options<'_>,
        out: &mut impl RowsMut,
        _index: &mut RowIndex,
    ) -> Result<Outcome, Error> {
        self.decode(data, options, out)
    }

    /// Decodes two pictures at once, which one core does faster than one after the other: while
    /// one waits for a table look-up, the other goes on.
    ///
    /// Each comes out as it would from [`decode`](Self::decode), errors included. They may differ
    /// in everything.
    pub fn decode_pair<A: RowsMut + ?Sized, B: RowsMut + ?Sized>(
        &mut self,
        first: Picture<'_, A>,
        second: Picture<'_, B>,
    ) -> (Result<Outcome, Error>, Result<Outcome, Error>) {
        let (mut a, mut b) = (first.out, second.out);
        let _ = (first.index, second.index);
        (
            self.decode(first.data, first.options, &mut a),
            self.decode(second.data, second.options, &mut b),
        )
    }
}

/// Checks limits, format and colour; returns the conversion.
fn check_call(info: &Info, options: &Options<'_>) -> Result<Conversion, Error> {
    let pixels = u64::from(info.width()) * u64::from(info.height());
    if pixels > options.limits.max_pixels {
        return Err(Error::limit(format!(
            "{} x {} pixels, at most {} allowed",
            info.width(),
            info.height(),
            options.limits.max_pixels
        )));
    }
    let format = options.format;
    if format.is_wide() != (info.bits() > 8) {
        return Err(Error::argument(format!(
            "{format:?} does not hold samples of {} bits",
            info.bits()
        )));
    }
    let model = options.color.unwrap_or_else(|| info.color());
    let count = info.components().len();
    if !format.is_planar() && model.components() != Some(count) {
        return Err(Error::argument(format!(
            "{model:?} does not have {count} components"
        )));
    }
    Conversion::choose(model, format)
}

impl Job<'_> {
    fn run<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        planes: &mut Planes<S>,
        out: &mut impl RowsMut,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let process = self.info.process();
        let whole = process == Process::Lossless;
        let several =
            process == Process::Progressive || stream.scan.count < self.info.components().len();
        let units = if several {
            self.layout.all_units()
        } else {
            self.layout.units_per_mcu_row()
        };
        let coefficients = if whole {
            0
        } else {
            units as u64 * size_of::<Block>() as u64
        };
        let bytes = Planes::<S>::bytes(self.layout, whole) + coefficients;
        if bytes > self.options.limits.max_memory {
            return Err(Error::limit(format!(
                "{bytes} bytes of working memory, at most {} allowed",
                self.options.limits.max_memory
            )));
        }
        planes.prepare(self.layout, &self.rendering, whole);
        if whole {
            return self.lossless(stream, scratch, planes, several, out, outcome);
        }
        if matches!(process, Process::Baseline | Process::Extended) {
            stream.tables.install_standard();
        }
        // Blocks are zero before a decode and, in the streaming case, after each row.
        scratch.blocks.clear();
        scratch.blocks.resize(units, Block::ZERO);
        if several {
            self.scans(stream, scratch, planes, out, outcome)
        } else {
            self.stream(stream, scratch, planes, out, outcome)
        }
    }

    /// A sequential picture in one scan.
    fn stream<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        planes: &mut Planes<S>,
        out: &mut impl RowsMut,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let scan = stream.scan;
        let mut quantisers = [None; 4];
        self.latch_quantisers(stream, &scan, &mut quantisers)?;
        let multipliers = quantisers.map(|q| multipliers(q.as_ref()));
        let bases = bases(layout, |c| c.padded_wide * c.vertical);
        let plan = McuPlan::new(&scan, layout, &bases)?;
        let tables = sequential_tables(&mut scratch.tables, &stream.tables, &scan, outcome)?;
        scratch.last.clear();
        scratch.last.resize(scratch.blocks.len(), 0);
        let interval = stream.restart_interval;
        let input = ScanInput::begin(&mut stream.source, &mut scratch.segment, interval);
        let mut sequential = Sequential::new(input, &plan, tables);

        for mcu_row in 0..layout.mcus_high {
            // A scan of one component has its rows of blocks one by one.
            let rows = sequential.plan.rows_per_mcu_row;
            let first = mcu_row * rows;
            for row in first..(first + rows).min(sequential.plan.high) {
                let offset = (row - first) * layout.components()[scan.components[0]].padded_wide;
                sequential.decode_row(
                    &mut stream.source,
                    &mut scratch.blocks,
                    &mut scratch.last,
                    &[offset; 4],
                    outcome,
                );
            }
            let components = layout.components().iter().take(self.rendering.components);
            for (index, component) in components.enumerate() {
                for row in 0..component.vertical {
                    let block_row = mcu_row * component.vertical + row;
                    if block_row >= component.units_high {
                        break;
                    }
                    let start = bases[index] + row * component.padded_wide;
                    let range = start..start + component.units_wide;
                    planes.planes[index].transform_row(
                        block_row * component.unit,
                        component.unit,
                        &scratch.blocks[range.clone()],
                        &scratch.last[range],
                        &multipliers[index],
                    );
                }
            }
            for (block, last) in scratch.blocks.iter_mut().zip(&mut scratch.last) {
                if *last == 0 {
                    block[0] = 0;
                } else {
                    *block = Block::ZERO;
                    *last = 0;
                }
            }
            planes.emit(layout, &self.rendering, mcu_row + 1, out)?;
        }
        sequential.input.end(&mut stream.source, true, outcome);
        finish(stream, outcome);
        Ok(())
    }

    /// A picture of several scans, sequential or progressive.
    fn scans<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        planes: &mut Planes<S>,
        out: &mut impl RowsMut,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let bases = bases(layout, |c| c.padded_wide * c.padded_high);
        let mut quantisers = [None; 4];
        let mut progress = Progress::default();
        let progressive = self.info.process() == Process::Progressive;
        loop {
            let scan = stream.scan;
            let offset = stream.source.position();
            self.latch_quantisers(stream, &scan, &mut quantisers)?;
            if progressive {
                self.progressive_scan(stream, &scan, scratch, &bases, &mut progress, outcome)
            } else {
                self.sequential_scan(stream, &scan, scratch, &bases, outcome)
            }
            .map_err(|error| error.at(offset))?;
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
                    scratch.last.clear();
                    scratch.last.extend(blocks.iter().map(last_index));
                    planes.planes[index].transform_row(
                        block_row * component.unit,
                        component.unit,
                        blocks,
                        &scratch.last,
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
        bases: &[usize; 4],
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let layout = self.layout;
        let plan = McuPlan::new(scan, layout, bases)?;
        let tables = sequential_tables(&mut scratch.tables, &stream.tables, scan, outcome)?;
        scratch.last.clear();
        scratch.last.resize(scratch.blocks.len(), 0);
        let interval = stream.restart_interval;
        let input = ScanInput::begin(&mut stream.source, &mut scratch.segment, interval);
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
        sequential.input.end(&mut stream.source, false, outcome);
        Ok(())
    }

    fn progressive_scan(
        &self,
        stream: &mut Stream<'_>,
        scan: &Scan,
        scratch: &mut Scratch,
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
            tables[0] = Some(
                scratch
                    .tables
                    .table(&stream.tables, Class::Ac, slot, u8::MAX)?,
            );
        } else if scan.approx_high == 0 {
            for (table, slot) in tables.iter_mut().zip(scan.dc_slots).take(scan.count) {
                *table = Some(scratch.tables.table(&stream.tables, Class::Dc, slot, 15)?);
            }
        }
        let interval = stream.restart_interval;
        let mut input = ScanInput::begin(&mut stream.source, &mut scratch.segment, interval);
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
        input.end(&mut stream.source, false, outcome);
        Ok(())
    }

    fn lossless<S: Sample>(
        &self,
        stream: &mut Stream<'_>,
        scratch: &mut Scratch,
        planes: &mut Planes<S>,
        several: bool,
        out: &mut impl RowsMut,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        loop {
            let scan = stream.scan;
            let mut tables = [const { None }; 4];
            for (table, slot) in tables.iter_mut().zip(scan.dc_slots).take(scan.count) {
                *table = Some(scratch.tables.table(&stream.tables, Class::Dc, slot, 16)?);
            }
            let interval = stream.restart_interval;
            let mut input = ScanInput::begin(&mut stream.source, &mut scratch.segment, interval);
            let decode = LosslessScan {
                scan: &scan,
                layout: self.layout,
                tables,
                bits: self.info.bits(),
                restart_interval: interval,
            };
            let rows = &mut scratch.lossless;
            decode.decode(&mut input, &mut stream.source, rows, planes, outcome)?;
            input.end(&mut stream.source, !several, outcome);
            if !several {
                finish(stream, outcome);
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
                let table = stream
                    .tables
                    .quantisers
                    .get(usize::from(slot))
                    .copied()
                    .flatten();
                latched[component] = Some(table.ok_or_else(|| {
                    Error::corrupt(format!("quantisation table {slot} is missing"))
                        .at(stream.source.position())
                })?);
            }
        }
        Ok(())
    }
}

/// Reads on to the end of the image behind the only scan, as `jpeg_finish_decompress` does.
///
/// The picture is complete by then, so errors become warnings.
fn finish(stream: &mut Stream<'_>, outcome: &mut Outcome) {
    match stream.read_markers(outcome) {
        Ok(Reached::End) => {}
        Ok(Reached::Scan) | Err(_) => outcome.warn(Warning::CorruptTrailer),
    }
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

/// Quantisers as the reference multiplies: cut to 16 bits. A component never scanned has none.
fn multipliers(quantisers: Option<&Quantisers>) -> Multipliers {
    quantisers.map_or([0; 64], |quantisers| quantisers.map(u16::cast_signed))
}

/// An upper bound of the last nonzero zigzag index.
fn last_index(block: &Block) -> u8 {
    if block[1..].iter().all(|&value| value == 0) {
        0
    } else {
        63
    }
}
