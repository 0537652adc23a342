//! Patches at any places, in batches, read ahead of who uses them: what a training loop asks for.
//!
//! ```text
//! places, shuffled -> batches of them -> read together by the reader's threads -> a bounded queue -> caller
//! ```

mod batches;
mod order;
mod output;
mod work;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use wsi_core::{
    Channels, Error, Fill, Origin, PixelFormat, PixelsMut, Plane, Point, Region, RegionRead,
    Result, SampleType, Size, Slide,
};

pub use batches::{Batch, BatchPixels, Batches};
pub use output::PatchOutput;

/// Reads patches of one level of a slide, at places of the caller's.
///
/// Batches come in the order of the places, or in one that a seed decides; the patches of a batch
/// are read together, so that a stored tile that several of them touch is decoded once, by threads
/// of the reader's own, while the caller works on the batch before.
///
/// ```
/// # use wsi_core::conformance::NullSource;
/// # use wsi_core::{PixelFormat, Pyramid, Size, Slide};
/// use wsi_tiling::{BatchPixels, PatchReader};
/// # let pyramid = Pyramid::from_sizes([Size::new(3000, 2000)])?;
/// # let slide = Slide::new(Box::new(NullSource::new(pyramid, PixelFormat::RGB8)?), "computed");
/// let places = (0..100).map(|i| (i * 20, i * 10));
/// let reader = PatchReader::level0(&slide, 0, (224, 224), places)?
///     .with_batch_size(32)
///     .with_shuffle(7)
///     .with_drop_last(true);
/// let mut batches = reader.batches()?;
/// let mut seen = 0;
/// while let Some(batch) = batches.next() {
///     let batch = batch?;
///     if let BatchPixels::U8(pixels) = &batch.pixels {
///         assert_eq!(pixels.shape(), [32, 224, 224, 3]);
///     }
///     seen += batch.indices.len();
///     batches.reuse(batch);
/// }
/// assert_eq!(seen, 96);
/// # Ok::<(), wsi_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PatchReader {
    patches: Patches,
    batch_size: NonZeroUsize,
    threads: Option<NonZeroUsize>,
    prefetch: usize,
    shuffle: Option<u64>,
    drop_last: bool,
    output: PatchOutput,
}

/// What is read: places, and how each becomes pixels.
#[derive(Clone, Debug)]
struct Patches {
    slide: Slide,
    level: usize,
    size: Size,
    origins: Arc<[Origin]>,
    format: PixelFormat,
    plane: Plane,
    fill: Fill,
}

/// Patches of a batch unless the caller says otherwise. (Unwrapped by the compiler.)
const BATCH_SIZE: NonZeroUsize = NonZeroUsize::new(64).unwrap();

impl PatchReader {
    /// Patches of `size` pixels of `level` whose top left pixels are at these level-0 places: the
    /// pixels of [`Region::level0`], which are OpenSlide's, also between the pixels of the level.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level or a patch has no pixels.
    pub fn level0<P: Into<Point>>(
        slide: &Slide,
        level: usize,
        size: impl Into<Size>,
        places: impl IntoIterator<Item = P>,
    ) -> Result<Self> {
        let origins = places.into_iter().map(|place| Origin::Level0(place.into()));
        Self::new(slide, level, size.into(), origins.collect())
    }

    /// Patches whose places are in pixels of `level` itself, copied as they are: the pixels of
    /// [`Region::at_level`].
    ///
    /// # Errors
    /// As [`level0`](Self::level0).
    pub fn at_level<P: Into<Point>>(
        slide: &Slide,
        level: usize,
        size: impl Into<Size>,
        places: impl IntoIterator<Item = P>,
    ) -> Result<Self> {
        let origins = places.into_iter().map(|place| Origin::Level(place.into()));
        Self::new(slide, level, size.into(), origins.collect())
    }

    fn new(slide: &Slide, level: usize, size: Size, origins: Arc<[Origin]>) -> Result<Self> {
        let known = slide.pyramid().level(level);
        known.map_err(|error| error.at_path(slide.path()))?;
        if size.is_empty() {
            return Err(Error::invalid(format!("patches of {size} pixels")).at_path(slide.path()));
        }
        let format = match slide.info().pixel_format {
            PixelFormat::GRAY8 => PixelFormat::GRAY8,
            _ => PixelFormat::RGB8,
        };
        Ok(Self {
            patches: Patches {
                slide: slide.clone(),
                level,
                size,
                origins,
                format,
                plane: Plane::default(),
                fill: Fill::Default,
            },
            batch_size: BATCH_SIZE,
            threads: None,
            prefetch: 2,
            shuffle: None,
            drop_last: false,
            output: PatchOutput::U8,
        })
    }

    /// Makes batches of so many patches. Default: 64; 0 is 1.
    #[must_use]
    pub const fn with_batch_size(mut self, patches: usize) -> Self {
        self.batch_size = match NonZeroUsize::new(patches) {
            Some(patches) => patches,
            None => NonZeroUsize::MIN,
        };
        self
    }

    /// Reads with this many threads. Default: as many as the machine has for us.
    #[must_use]
    pub fn with_threads(mut self, threads: impl Into<Option<NonZeroUsize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Keeps so many batches ready beside the one that is being read. Default: 2.
    #[must_use]
    pub const fn with_prefetch(mut self, batches: usize) -> Self {
        self.prefetch = batches;
        self
    }

    /// Takes the places in an order that the seed decides, the same on every machine.
    #[must_use]
    pub fn with_shuffle(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.shuffle = seed.into();
        self
    }

    /// Leaves out the last batch if it is not full. Default: it comes, and is smaller.
    #[must_use]
    pub const fn with_drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }

    /// Makes batches of this kind. Default: [`PatchOutput::U8`].
    #[must_use]
    pub fn with_output(mut self, output: PatchOutput) -> Self {
        self.output = output;
        self
    }

    /// Reads pixels of this format: gray, RGB or RGBA of 8 bits. Default: gray of a slide that is
    /// gray, RGB of any other.
    ///
    /// # Errors
    /// `Unsupported` for another format.
    pub fn with_format(mut self, format: PixelFormat) -> Result<Self> {
        let known = matches!(
            format.channels,
            Channels::Gray | Channels::Rgb | Channels::Rgba
        );
        if format.sample != SampleType::U8 || !known {
            return Err(Error::unsupported(format!("patches of {format}")));
        }
        self.patches.format = format;
        Ok(self)
    }

    /// Fills what lies outside of the slide otherwise. Default: white, or what the format has.
    #[must_use]
    pub const fn with_fill(mut self, fill: Fill) -> Self {
        self.patches.fill = fill;
        self
    }

    /// Reads another plane. Default: 0.
    #[must_use]
    pub const fn with_plane(mut self, plane: Plane) -> Self {
        self.patches.plane = plane;
        self
    }

    /// How many patches there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patches.origins.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patches.origins.is_empty()
    }

    /// Bytes of one patch in memory: width times height times channels.
    #[must_use]
    pub fn patch_bytes(&self) -> usize {
        self.patches.bytes()
    }

    /// Reads patches `range`, unshuffled, into the caller's memory, one after another: `[N, H, W, C]`.
    /// Returns when all are read.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no such patches or `out` is not of their size; otherwise that
    /// of the first patch that cannot be read, with its place.
    pub fn read_into(&self, range: Range<usize>, out: &mut [u8]) -> Result<()> {
        let bytes = self.patch_bytes();
        if range.end > self.len() || Some(out.len()) != bytes.checked_mul(range.len()) {
            return Err(Error::invalid(format!(
                "patches {range:?} of {}, of {bytes} bytes each, into {} bytes",
                self.len(),
                out.len()
            )));
        }
        let pool = self.pool()?;
        let indices: Vec<usize> = range.collect();
        let results = pool.install(|| self.patches.read(&indices, out.chunks_exact_mut(bytes)));
        results.into_iter().collect()
    }

    /// Starts to read, and gives the batches as they come.
    ///
    /// The threads end when all is read or the result is dropped.
    ///
    /// # Errors
    /// `InvalidArgument` if threads cannot be started, or for an output that does not fit the format.
    pub fn batches(&self) -> Result<Batches> {
        Batches::start(self)
    }

    /// The slide.
    #[must_use]
    pub const fn slide(&self) -> &Slide {
        &self.patches.slide
    }

    /// The format of the patches.
    #[must_use]
    pub const fn format(&self) -> PixelFormat {
        self.patches.format
    }

    /// How many batches are kept ready.
    #[must_use]
    pub const fn prefetch(&self) -> usize {
        self.prefetch
    }

    /// What patch `index` reads.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such patch.
    pub fn region(&self, index: usize) -> Result<Region> {
        self.patches.region(index)
    }

    /// The threads that a reader of these patches has, started.
    ///
    /// # Errors
    /// `InvalidArgument` if they cannot be started.
    pub fn pool(&self) -> Result<ThreadPool> {
        ThreadPoolBuilder::new()
            .num_threads(self.threads.map_or(0, NonZeroUsize::get))
            .thread_name(|index| format!("patches {index}"))
            .build()
            .map_err(|error| Error::invalid("cannot start threads").with_source(error))
    }

    /// The numbers of the patches of each batch, as they come: for who reads them another way.
    #[must_use]
    pub fn plan(&self) -> Vec<Vec<usize>> {
        let order = match self.shuffle {
            Some(seed) => order::shuffled(self.len(), seed),
            None => (0..self.len()).collect(),
        };
        let size = self.batch_size.get();
        let full = |batch: &&[usize]| !self.drop_last || batch.len() == size;
        let batches = order.chunks(size).filter(full);
        batches.map(<[usize]>::to_vec).collect()
    }
}

impl Patches {
    fn bytes(&self) -> usize {
        let Size { width, height } = self.size;
        width as usize * height as usize * self.format.bytes_per_pixel()
    }

    fn region(&self, index: usize) -> Result<Region> {
        let origin = self
            .origins
            .get(index)
            .ok_or_else(|| Error::invalid(format!("patch {index} of {}", self.origins.len())))?;
        let region = match *origin {
            Origin::Level0(place) => Region::level0(self.level, place, self.size),
            Origin::Level(place) => Region::at_level(self.level, place, self.size),
        };
        Ok(region.with_fill(self.fill).with_plane(self.plane))
    }

    /// Row and column of the stored tile in which a patch starts: patches near each other have the
    /// same one.
    fn stored_tile(&self, index: usize) -> (i64, i64) {
        let (Ok(level), Ok(region)) = (self.slide.pyramid().level(self.level), self.region(index))
        else {
            return (0, 0);
        };
        let tile = level.tile_size.unwrap_or(self.size);
        let Point { x, y } = region.rect_on(level).origin;
        (
            y.div_euclid(tile.height.max(1).into()),
            x.div_euclid(tile.width.max(1).into()),
        )
    }

    /// Reads patches together, each into memory of its size, and says of each how it went.
    fn read<'o>(
        &self,
        indices: &[usize],
        memory: impl Iterator<Item = &'o mut [u8]>,
    ) -> Vec<Result<()>> {
        let read = |(&index, memory)| {
            Ok(RegionRead {
                region: self.region(index)?,
                out: PixelsMut::packed(memory, self.size, self.format)?,
            })
        };
        let reads: Result<Vec<_>> = indices.iter().zip(memory).map(read).collect();
        let results = match reads {
            Ok(reads) => self.slide.read_regions(reads),
            Err(error) => vec![Err(error)],
        };
        let named = |(&index, result): (&usize, Result<()>)| {
            result.map_err(|error| {
                let place = match self.origins.get(index) {
                    Some(Origin::Level0(place) | Origin::Level(place)) => *place,
                    None => Point::default(),
                };
                let patch = format!("patch {index} at ({}, {})", place.x, place.y);
                Error::new(error.kind(), patch).with_source(error)
            })
        };
        indices.iter().zip(results).map(named).collect()
    }
}
