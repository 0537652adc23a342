//! The decoder: checks, then one of two ways from data to rows.
//!
//! 8-bit sequential pictures in one scan go through [`sequential`](crate::sequential), by a plan
//! that is kept for the next tile. All others go through [`scans`](crate::scans).

use std::sync::Arc;

use crate::arch::Kernels;
use crate::arch::lanes::CHUNK_BLOCKS;
use crate::color::Conversion;
use crate::crop::Crop;
use crate::error::{Error, Outcome};
use crate::frame::{Info, Process};
use crate::idct::Block;
use crate::index::RowIndex;
use crate::layout::Layout;
use crate::markers::{Source, Stream};
use crate::options::Options;
use crate::plan::Plan;
use crate::render::{Planes, Rendering};
use crate::rows::RowsMut;
use crate::scan::TableCache;
use crate::scans::{self, Job};
use crate::sequential::{self, Ended, Outputs, Strand};
use crate::tables::TableSet;
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
#[derive(Debug)]
pub struct Decoder {
    kernels: Kernels,
    /// Plans met lately, the last one first.
    plans: Vec<Arc<Plan>>,
    /// The latest plan whose codes may never come again. The next one takes the memory of its
    /// look-ups.
    passing: Option<Arc<Plan>>,
    tables: TableCache,
    /// Memory of strands that are not running: there have been up to two.
    strands: Vec<sequential::Scratch>,
    scans: scans::Scratch,
    narrow: Planes<u8>,
    wide: Planes<u16>,
}

/// Plans that a decoder keeps: the levels of a slide or two.
const PLANS: usize = 16;

/// One of several pictures to decode together, see [`Decoder::decode_batch`].
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

impl<'p, R: RowsMut> Picture<'p, R> {
    /// The same with any kind of rows.
    fn erased(self) -> Picture<'p, dyn RowsMut + 'p> {
        Picture {
            data: self.data,
            options: self.options,
            out: self.out,
            index: self.index,
        }
    }
}

/// A picture of a batch that is being decoded.
struct Running<'p, R: ?Sized> {
    number: usize,
    picture: Picture<'p, R>,
    strand: Strand<'p>,
}

/// A picture whose headers have been read.
enum Ready<'d> {
    Sequential {
        plan: Arc<Plan>,
        /// Behind the headers.
        source: Source<'d>,
        view: View,
    },
    Other {
        stream: Box<Stream<'d>>,
        info: Box<Info>,
        conversion: Conversion,
        outcome: Outcome,
    },
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_kernels(Kernels::detect())
    }
}

impl Decoder {
    /// A decoder without any memory yet, with the fastest kernels that the machine has.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder with kernels of one's choice. Pixels do not depend on them.
    #[must_use]
    pub fn with_kernels(kernels: Kernels) -> Self {
        Self {
            kernels,
            plans: Vec::new(),
            passing: None,
            tables: TableCache::default(),
            strands: Vec::new(),
            scans: scans::Scratch::default(),
            narrow: Planes::default(),
            wide: Planes::default(),
        }
    }

    /// Decodes one picture into `out`.
    ///
    /// The output has [`Info::scaled_size`] pixels, or those of the window that the options name.
    /// `out` is asked for each of its rows, top down; after an error some may have been written.
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
        out: &mut (impl RowsMut + ?Sized),
    ) -> Result<Outcome, Error> {
        let ready = self.prepare(data, options)?;
        self.decode_ready(ready, data, options, out, None)
    }

    /// Decodes like [`decode`](Self::decode), from the nearest row that `index` knows, and notes
    /// the rows that it passes. Where the index has nothing to learn, two halves may be decoded side
    /// by side; `out` is then not asked for its rows top down.
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
        out: &mut (impl RowsMut + ?Sized),
        index: &mut RowIndex,
    ) -> Result<Outcome, Error> {
        let ready = self.prepare(data, options)?;
        self.decode_ready(ready, data, options, out, Some(index))
    }

    /// Decodes two pictures at once, which one core does faster than one after the other: while
    /// one waits for a table look-up, the other goes on.
    ///
    /// Each comes out as it would from [`decode`](Self::decode), errors included. They may differ
    /// in everything, but the gain ends with the shorter one: for more than two pictures there is
    /// [`decode_batch`](Self::decode_batch).
    pub fn decode_pair<A: RowsMut, B: RowsMut>(
        &mut self,
        first: Picture<'_, A>,
        second: Picture<'_, B>,
    ) -> (Result<Outcome, Error>, Result<Outcome, Error>) {
        let (mut a, mut b) = (Ok(Outcome::default()), Ok(Outcome::default()));
        let pictures = [first.erased(), second.erased()];
        self.decode_batch(pictures, |index, result| {
            *(if index == 0 { &mut a } else { &mut b }) = result;
        });
        (a, b)
    }

    /// Decodes any number of pictures, two at a time, and tells how each of them came out.
    ///
    /// `done` gets the number of the picture in `pictures` and its result, in the order in which
    /// they end. Each comes out as it would from [`decode`](Self::decode).
    pub fn decode_batch<'p, R: RowsMut + ?Sized + 'p>(
        &mut self,
        pictures: impl IntoIterator<Item = Picture<'p, R>>,
        mut done: impl FnMut(usize, Result<Outcome, Error>),
    ) {
        let mut pictures = pictures.into_iter().enumerate();
        let mut waiting: Option<Running<'p, R>> = None;
        while let Some(mut first) = waiting
            .take()
            .or_else(|| self.next_strand(&mut pictures, &mut done))
        {
            let Some(mut second) = self.next_strand(&mut pictures, &mut done) else {
                let ran = first.strand.run(first.picture.out);
                self.end_strand(first, ran, &mut done);
                return;
            };
            let ended = Strand::run_both(
                &mut first.strand,
                &mut second.strand,
                Outputs::Two(&mut *first.picture.out, &mut *second.picture.out),
            );
            let (ended, ran, other) = match ended {
                Ended::First(ran) => (first, ran, second),
                Ended::Second(ran) => (second, ran, first),
            };
            self.end_strand(ended, ran, &mut done);
            waiting = Some(other);
        }
    }

    /// Starts the next picture of a batch; those that cannot run as a strand are done at once.
    fn next_strand<'p, R: RowsMut + ?Sized>(
        &mut self,
        pictures: &mut impl Iterator<Item = (usize, Picture<'p, R>)>,
        done: &mut impl FnMut(usize, Result<Outcome, Error>),
    ) -> Option<Running<'p, R>> {
        for (number, mut picture) in pictures {
            match self.prepare(picture.data, picture.options) {
                Ok(Ready::Sequential { plan, source, view }) => {
                    let (memory, index) = (self.memory(), picture.index.take());
                    let strand = Strand::new(self.kernels, plan, view, source, memory, index);
                    return Some(Running {
                        number,
                        picture,
                        strand,
                    });
                }
                Ok(ready) => {
                    let (data, options) = (picture.data, picture.options);
                    done(
                        number,
                        self.decode_ready(ready, data, options, picture.out, None),
                    );
                }
                Err(error) => done(number, Err(error)),
            }
        }
        None
    }

    fn end_strand<R: RowsMut + ?Sized>(
        &mut self,
        running: Running<'_, R>,
        ran: Result<(), Error>,
        done: &mut impl FnMut(usize, Result<Outcome, Error>),
    ) {
        let picture = running.picture;
        let result = self.finish(running.strand, picture.data, picture.options);
        done(running.number, ran.and(result));
    }

    /// Memory for a strand, used before if there is any.
    fn memory(&mut self) -> sequential::Scratch {
        self.strands.pop().unwrap_or_default()
    }

    /// Ends a strand: looks at what follows the picture, if it was decoded to its end.
    fn finish(
        &mut self,
        strand: Strand<'_>,
        data: &[u8],
        options: &Options<'_>,
    ) -> Result<Outcome, Error> {
        let (memory, mut outcome, source) = strand.finish();
        self.strands.push(memory);
        // Nearly always the end of the image follows. What else there is takes a parser that has
        // seen the headers.
        if let Some(source) = source.filter(|source| source.pending != 0xD9) {
            let mut stream = open(data, options)?;
            let _: Info = Info::from_stream(&mut stream, &mut Outcome::default())?;
            scans::finish(source, &mut stream, &mut outcome);
        }
        Ok(outcome)
    }

    /// Finds the plan of a picture or reads its headers.
    fn prepare<'d>(&mut self, data: &'d [u8], options: &Options<'_>) -> Result<Ready<'d>, Error> {
        if let Some(plan) = self.find_plan(data, options) {
            let view = View::new(options.window, plan.layout.width, plan.layout.height)?;
            let source = Source::at(data, plan.header_length());
            return Ok(Ready::Sequential { plan, source, view });
        }
        let mut outcome = Outcome::default();
        let mut stream = open(data, options)?;
        let info = Info::from_stream(&mut stream, &mut outcome)?;
        let conversion = check_call(&info, options)?;
        let sequential = matches!(info.process(), Process::Baseline | Process::Extended);
        if !sequential || info.bits() > 8 || stream.scan.count < info.components().len() {
            return Ok(Ready::Other {
                stream: Box::new(stream),
                info: Box::new(info),
                conversion,
                outcome,
            });
        }
        self.tables.next_picture();
        let (tables, how) = (&mut self.tables, (self.kernels, conversion));
        let plan = Plan::new(&mut stream, &info, options, how, outcome, tables)?;
        let view = View::new(options.window, plan.layout.width, plan.layout.height)?;
        let working = Planes::<u8>::bytes(&plan.layout, false);
        check_memory(
            working + (CHUNK_BLOCKS * size_of::<Block>()) as u64,
            options,
        )?;
        let plan = Arc::new(plan);
        if plan.header_length() > 0 {
            if plan.lasting {
                self.keep(Arc::clone(&plan));
            } else {
                self.passing = Some(Arc::clone(&plan));
            }
        }
        let source = stream.source;
        Ok(Ready::Sequential { plan, source, view })
    }

    /// The plan of such data and options, if it is known and has look-ups: where a picture comes a
    /// second time, they are worth their while.
    fn find_plan(&mut self, data: &[u8], options: &Options<'_>) -> Option<Arc<Plan>> {
        if let Some(index) = self.plans.iter().position(|plan| plan.fits(data, options)) {
            self.plans[..=index].rotate_right(1);
            return Some(Arc::clone(&self.plans[0]));
        }
        let plan = self.passing.take()?;
        if plan.schedule.is_none() || !plan.fits(data, options) {
            return None;
        }
        self.keep(Arc::clone(&plan));
        Some(plan)
    }

    fn keep(&mut self, plan: Arc<Plan>) {
        self.plans.truncate(PLANS - 1);
        self.plans.insert(0, plan);
    }

    /// Decodes two parts of one picture side by side.
    fn decode_halves(
        &mut self,
        (mut upper, mut lower): (Strand<'_>, Strand<'_>),
        data: &[u8],
        options: &Options<'_>,
        out: &mut (impl RowsMut + ?Sized),
    ) -> Result<Outcome, Error> {
        let ran = match Strand::run_both(&mut upper, &mut lower, Outputs::Same(out)) {
            Ended::First(ran) => ran.and_then(|()| lower.run(out)),
            Ended::Second(ran) => ran.and_then(|()| upper.run(out)),
        };
        // All rows that the index knows are clean: only the lower half can have met damage.
        let first = self.finish(upper, data, options);
        let result = self.finish(lower, data, options);
        ran.and(first).and(result)
    }

    fn decode_ready(
        &mut self,
        ready: Ready<'_>,
        data: &[u8],
        options: &Options<'_>,
        out: &mut (impl RowsMut + ?Sized),
        index: Option<&mut RowIndex>,
    ) -> Result<Outcome, Error> {
        match ready {
            Ready::Sequential { plan, source, view } => {
                let mut index = index;
                let kernels = self.kernels;
                let halves = index.as_deref_mut().and_then(|index| {
                    let memory = || self.memory();
                    Strand::halves(kernels, &plan, view, &source, index, memory)
                });
                if let Some(halves) = halves {
                    return self.decode_halves(halves, data, options, out);
                }
                let memory = self.memory();
                let mut strand = Strand::new(self.kernels, plan, view, source, memory, index);
                let ran = strand.run(out);
                let result = self.finish(strand, data, options);
                ran.and(result)
            }
            Ready::Other {
                mut stream,
                info,
                conversion,
                mut outcome,
            } => {
                let rendered = conversion.components(info.components().len());
                let layout = Layout::new(&info.frame, options.scale, rendered)?;
                let view = View::new(options.window, layout.width, layout.height)?;
                let job = Job {
                    layout: &layout,
                    rendering: Rendering {
                        kernels: self.kernels,
                        conversion,
                        bits: info.bits(),
                        components: rendered,
                        crop: Crop::new(&layout, view, rendered),
                        row_bytes: view.width() * options.format.bytes_per_pixel(),
                        first_line: 0,
                    },
                    info: &info,
                    options,
                };
                let (scratch, tables) = (&mut self.scans, &mut self.tables);
                if info.bits() > 8 {
                    let planes = &mut self.wide;
                    job.run(&mut stream, scratch, tables, planes, out, &mut outcome)?;
                } else {
                    let planes = &mut self.narrow;
                    job.run(&mut stream, scratch, tables, planes, out, &mut outcome)?;
                }
                Ok(outcome)
            }
        }
    }
}

fn open<'d>(data: &'d [u8], options: &Options<'_>) -> Result<Stream<'d>, Error> {
    let tables = options.tables;
    let set = tables.map_or_else(TableSet::default, |tables| tables.set().clone());
    Stream::open(data, set)
}

/// Checks the working memory of a picture.
///
/// # Errors
/// `LimitExceeded` if it takes more than the options allow.
pub(crate) fn check_memory(bytes: u64, options: &Options<'_>) -> Result<(), Error> {
    let limit = options.limits.max_memory;
    if bytes > limit {
        return Err(Error::limit(format!(
            "{bytes} bytes of working memory, at most {limit} allowed"
        )));
    }
    Ok(())
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
