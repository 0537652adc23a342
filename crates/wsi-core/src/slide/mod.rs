//! The slide that people use: a source with the conveniences written once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::driver::{Driver, OpenOptions, Probe};
use crate::error::{Error, ErrorKind, Result};
use crate::geometry::{Pyramid, Region, Size};
use crate::limits::Limits;
use crate::pixels::{Image, PixelFormat, PixelsMut, Runs};
use crate::source::{EncodedTiles, Properties, RegionRead, SlideInfo, SlideSource};

mod thumbnail;

/// Why no driver has opened a file yet.
#[derive(Default)]
struct Unread {
    /// What each driver says that does not claim it.
    answers: Vec<String>,
    /// What the first driver that claims it cannot read.
    error: Option<Error>,
}

impl Unread {
    fn says(&mut self, driver: &dyn Driver, answer: &dyn std::fmt::Display) {
        self.answers.push(format!("{}: {answer}", driver.name()));
    }

    /// The source, or nothing where another driver may do better; any other error is final.
    fn or_source(
        &mut self,
        opened: Result<Box<dyn SlideSource>>,
    ) -> Result<Option<Box<dyn SlideSource>>> {
        match opened {
            Ok(source) => Ok(Some(source)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.error.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(self.error.take().unwrap_or(error)),
        }
    }

    fn into_error(self, drivers: &[Arc<dyn Driver>], options: &OpenOptions) -> Error {
        match (self.error, &options.backend) {
            (Some(error), _) => error,
            (None, Some(backend)) if self.answers.is_empty() => {
                let names: Vec<_> = drivers.iter().map(|driver| driver.name()).collect();
                Error::invalid(format!(
                    "no backend `{backend}` here (there is: {})",
                    names.join(", ")
                ))
            }
            (None, _) => Error::new(
                ErrorKind::NotRecognised,
                format!("no backend reads this file ({})", self.answers.join("; ")),
            ),
        }
    }
}

/// An open whole-slide image. Cheap to clone; every method may be called from many threads.
///
/// A read that touches many tiles runs in rayon's current pool where the backend does so; whoever
/// wants one thread installs a pool of one.
#[derive(Clone)]
pub struct Slide {
    source: Arc<dyn SlideSource>,
    path: PathBuf,
    limits: Limits,
}

impl Slide {
    /// Wraps an open source. `path` names the slide in errors.
    #[must_use]
    pub fn new(source: Box<dyn SlideSource>, path: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            path: path.into(),
            limits: Limits::default(),
        }
    }

    /// Opens `path` with the first driver that claims it and can read it; if none does, with the
    /// first that can at least show its pages ([`Probe::Fallback`]).
    ///
    /// A driver that claims a file and then finds in it what it cannot read (`Unsupported`) leaves
    /// it to the next that claims it.
    ///
    /// # Errors
    /// `NotRecognised` if every driver says no, listing each with its reason; `InvalidArgument` if
    /// [`OpenOptions::backend`] names no driver; otherwise what the first driver ran into.
    pub fn open_with(
        drivers: &[Arc<dyn Driver>],
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        Self::open_first(drivers, path, options)
            .map(|source| Self {
                limits: options.limits.clone(),
                ..Self::new(source, path)
            })
            .map_err(|error| error.at_path(path))
    }

    fn open_first(
        drivers: &[Arc<dyn Driver>],
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Box<dyn SlideSource>> {
        let wanted = |driver: &&Arc<dyn Driver>| {
            options
                .backend
                .as_deref()
                .is_none_or(|backend| backend == driver.name())
        };
        let mut unread = Unread::default();
        let mut fallbacks = Vec::new();
        for driver in drivers.iter().filter(wanted) {
            match driver.probe(path) {
                Ok(Probe::Yes { .. }) => {
                    if let Some(source) = unread.or_source(driver.open(path, options))? {
                        return Ok(source);
                    }
                }
                Ok(Probe::Fallback { .. }) => fallbacks.push(driver),
                Ok(Probe::No { reason }) => unread.says(&**driver, &reason),
                Err(error) if error.kind() == ErrorKind::Io || options.backend.is_some() => {
                    return Err(error);
                }
                Err(error) => unread.says(&**driver, &error),
            }
        }
        for driver in fallbacks {
            if let Some(source) = unread.or_source(driver.open(path, options))? {
                return Ok(source);
            }
        }
        Err(unread.into_error(drivers, options))
    }

    /// The file that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the slide without decoding anything.
    #[must_use]
    pub fn info(&self) -> &SlideInfo {
        self.source.info()
    }

    /// The levels.
    #[must_use]
    pub fn pyramid(&self) -> &Pyramid {
        &self.info().pyramid
    }

    /// Properties by name, with OpenSlide's names and number format where OpenSlide has them.
    ///
    /// # Errors
    /// `Io` or `Corrupt` if what they are made of cannot be read.
    pub fn properties(&self) -> Result<&Properties> {
        self.source
            .properties()
            .map_err(|error| error.at_path(&self.path))
    }

    /// Reads a region into a new picture, in the slide's own pixel format.
    ///
    /// # Errors
    /// As [`read_region_into`](Self::read_region_into); `LimitExceeded` if the picture is larger
    /// than [`Limits::max_image_bytes`].
    pub fn read_region(&self, region: &Region) -> Result<Image> {
        self.read_region_as(region, self.info().pixel_format)
    }

    /// Reads a region into a new picture of `format`.
    ///
    /// # Errors
    /// As [`read_region`](Self::read_region); `Unsupported` for a format that the backend cannot
    /// convert to.
    pub fn read_region_as(&self, region: &Region, format: PixelFormat) -> Result<Image> {
        let mut image = self.new_image(region.size, format)?;
        self.read_region_into(region, image.pixels_mut())?;
        Ok(image)
    }

    /// Reads a region into the caller's memory, in the format of `out`.
    ///
    /// Pixels outside of the slide take the region's [`Fill`](crate::Fill).
    ///
    /// # Errors
    /// `InvalidArgument` if the level or plane does not exist or `out` is not of the region's size.
    /// If a tile cannot be read or decoded: its error, with the tile; the slide stays usable and
    /// what `out` holds is unspecified.
    pub fn read_region_into(&self, region: &Region, out: PixelsMut<'_>) -> Result<()> {
        self.check(region, &out)
            .and_then(|()| match region.size.is_empty() {
                true => Ok(()),
                false => self.source.read_region(region, out),
            })
            .map_err(|error| error.at_level(region.level).at_path(&self.path))
    }

    /// Reads several regions, each into the memory that comes with it, and says of each how it
    /// went, in their order. Backends read them together where that costs less: stored tiles that
    /// several regions touch are then decoded once. Meant to be called by many threads, each with
    /// regions near each other: a call for a few regions stays on its thread.
    ///
    /// One region that cannot be read does not keep the others from being read; its error is that
    /// of [`read_region_into`](Self::read_region_into).
    ///
    /// ```
    /// # use wsi_core::conformance::NullSource;
    /// # use wsi_core::{Image, PixelFormat, Pyramid, Region, RegionRead, Size, Slide};
    /// # let pyramid = Pyramid::from_sizes([Size::new(300, 200)])?;
    /// # let source = NullSource::new(pyramid, PixelFormat::RGB8)?;
    /// # let slide = Slide::new(Box::new(source), "computed");
    /// let places = [(0, 0), (50, 20)];
    /// let mut patches = Vec::new();
    /// for _ in places {
    ///     patches.push(Image::zeroed(Size::new(64, 64), PixelFormat::RGB8)?);
    /// }
    /// let reads = places.iter().zip(&mut patches).map(|(&place, patch)| RegionRead {
    ///     region: Region::at_level(0, place, (64, 64)),
    ///     out: patch.pixels_mut(),
    /// });
    /// for result in slide.read_regions(reads.collect()) {
    ///     result?;
    /// }
    /// # Ok::<(), wsi_core::Error>(())
    /// ```
    pub fn read_regions(&self, reads: Vec<RegionRead<'_>>) -> Vec<Result<()>> {
        let levels: Vec<usize> = reads.iter().map(|read| read.region.level).collect();
        let mut results = Vec::with_capacity(reads.len());
        let mut valid = Vec::with_capacity(reads.len());
        for read in reads {
            let checked = self.check(&read.region, &read.out);
            let wanted = checked.is_ok() && !read.region.size.is_empty();
            results.push(checked);
            if wanted {
                valid.push((results.len() - 1, read));
            }
        }
        let (numbers, valid): (Vec<usize>, Vec<_>) = valid.into_iter().unzip();
        for (number, result) in numbers.into_iter().zip(self.source.read_regions(valid)) {
            results[number] = result;
        }
        let at = |(result, level): (Result<()>, usize)| {
            result.map_err(|error| error.at_level(level).at_path(&self.path))
        };
        results.into_iter().zip(levels).map(at).collect()
    }

    /// Reads the first channel alone of what [`read_region`](Self::read_region) reads, as the labels of
    /// a mask that is stored in gray or colour of 8 bits, if the backend can do that at less cost than
    /// to read all pixels. If it says `None`, reading them is the way.
    ///
    /// # Errors
    /// `InvalidArgument` if the level or plane does not exist.
    pub fn read_first_channel(&self, region: &Region) -> Result<Option<Runs>> {
        self.check_place(region)
            .map(|()| self.source.read_first_channel(region))
            .map_err(|error| error.at_level(region.level).at_path(&self.path))
    }

    fn check_place(&self, region: &Region) -> Result<()> {
        let info = self.info();
        info.pyramid.level(region.level)?;
        if region.plane.0 >= info.planes {
            return Err(Error::invalid(format!(
                "plane {} of a slide with {}",
                region.plane.0, info.planes
            )));
        }
        Ok(())
    }

    fn check(&self, region: &Region, out: &PixelsMut<'_>) -> Result<()> {
        self.check_place(region)?;
        if out.size() != region.size {
            return Err(Error::invalid(format!(
                "a region of {} into a picture of {}",
                region.size,
                out.size()
            )));
        }
        Ok(())
    }

    /// Reads a whole level in `format`.
    ///
    /// # Errors
    /// As [`read_region_as`](Self::read_region_as).
    pub fn read_level(&self, level: usize, format: PixelFormat) -> Result<Image> {
        let size = self
            .pyramid()
            .level(level)
            .map_err(|error| error.at_path(&self.path))?
            .size;
        self.read_region_as(&Region::at_level(level, (0, 0), size), format)
    }

    /// The whole slide as RGB, no wider and no higher than `bounds`, aspect ratio kept, never
    /// enlarged. Each pixel is the mean of the pixels that it covers on the best level for it.
    ///
    /// # Errors
    /// As [`read_region_as`](Self::read_region_as); `InvalidArgument` if `bounds` has no pixel.
    pub fn thumbnail(&self, bounds: impl Into<Size>) -> Result<Image> {
        thumbnail::read(self, bounds.into())
    }

    /// Reads an associated image (label, macro, thumbnail) whole.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of this name, naming those that there are; otherwise
    /// what reading or decoding it ran into.
    pub fn read_associated(&self, name: &str) -> Result<Image> {
        let associated = &self.info().associated;
        if !associated.iter().any(|image| image.name == name) {
            let names: Vec<_> = associated.iter().map(|image| image.name.as_str()).collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(Error::invalid(format!(
                "no associated image `{name}` (there is: {names})"
            ))
            .at_path(&self.path));
        }
        self.source
            .read_associated(name)
            .map_err(|error| error.at_path(&self.path))
    }

    /// The ICC profile of level 0, as stored; never applied.
    ///
    /// # Errors
    /// `Io` or `Corrupt` if it cannot be read.
    pub fn icc_profile(&self) -> Result<Option<Vec<u8>>> {
        self.source
            .icc_profile()
            .map_err(|error| error.at_path(&self.path))
    }

    /// The compressed tiles as stored, where the backend can hand them out.
    #[must_use]
    pub fn encoded_tiles(&self) -> Option<&dyn EncodedTiles> {
        self.source.encoded_tiles()
    }

    fn new_image(&self, size: Size, format: PixelFormat) -> Result<Image> {
        let bytes = size.area().saturating_mul(format.bytes_per_pixel() as u64);
        if bytes > self.limits.max_image_bytes {
            return Err(Error::limit(format!(
                "a picture of {size} pixels of {format} takes {bytes} bytes, more than the {} \
                 allowed",
                self.limits.max_image_bytes
            ))
            .at_path(&self.path));
        }
        Image::zeroed(size, format).map_err(|error| error.at_path(&self.path))
    }
}

impl std::fmt::Debug for Slide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slide")
            .field("path", &self.path)
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}
