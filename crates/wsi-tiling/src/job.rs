//! A tiling job: from a slide and a mask to tiles in a sink.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use wsi_core::{Error, Level, Mpp, Result, Size, Slide};

use crate::grid::Grid;
use crate::mask::{LabelType, Mask, describe_file};
use crate::pipeline::{Clock, Outcome, Pipeline, Stage, foreground_box};
use crate::report::{Report, Seconds};
use crate::roi::RegionOfInterest;
use crate::settings::{RegionChoice, Settings};
use crate::sink::TileSink;

/// Cuts one slide into tiles.
///
/// By default it is the published job (microsoft/hi-ml, `slide_image_loading`) at the middle level,
/// with a mask found by Otsu's threshold:
///
/// ```no_run
/// # fn tile(slide: &wsi_core::Slide, labels: wsi_core::Slide) -> wsi_core::Result<()> {
/// use wsi_tiling::{LevelChoice, Mask, PngFolder, Settings, TilingJob};
///
/// let report = TilingJob::new(slide)
///     .with_mask(Mask::from_slide(labels)?)
///     .with_settings(Settings::default().with_level(LevelChoice::Index(1)))
///     .run(&mut PngFolder::new("tiles"))?;
/// println!("{} of {} tiles", report.tiles.len(), report.tiles_total);
/// # Ok(()) }
/// ```
pub struct TilingJob<'a> {
    slide: &'a Slide,
    mask: Option<Mask>,
    settings: Settings,
    threads: Option<NonZeroUsize>,
    slide_id: Option<String>,
    progress: Option<Box<ProgressFn<'a>>>,
}

/// What is called with how far a run is.
pub(crate) type ProgressFn<'a> = dyn Fn(Progress) + Send + Sync + 'a;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Tiles of the grid.
    pub tiles_total: u64,
    /// Tiles whose mask was looked at.
    pub tiles_examined: u64,
    /// Tiles that were kept so far.
    pub tiles_kept: u64,
    /// Kept tiles that are in the sink, or failed.
    pub tiles_done: u64,
}

/// What a run is about to make, as sinks learn it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The slide's name in lists and folders.
    pub slide_id: String,
    /// Width and height of a tile in pixels.
    pub tile_size: u32,
    /// The type of a label.
    pub label_type: LabelType,
    /// The region that is cut.
    pub region: RegionOfInterest,
    /// How it is cut.
    pub grid: Grid,
    /// Everything that decides which tiles come out, by name.
    pub settings: Vec<(&'static str, String)>,
}

impl<'a> TilingJob<'a> {
    /// A job with the default settings.
    #[must_use]
    pub fn new(slide: &'a Slide) -> Self {
        Self {
            slide,
            mask: None,
            settings: Settings::default(),
            threads: None,
            slide_id: None,
            progress: None,
        }
    }

    /// Takes this mask. Default: none, which is to say [`Mask::otsu`].
    #[must_use]
    pub fn with_mask(mut self, mask: impl Into<Option<Mask>>) -> Self {
        self.mask = mask.into();
        self
    }

    /// Takes these settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Works with this many threads. Default: as many as the machine has for us.
    #[must_use]
    pub fn with_threads(mut self, threads: impl Into<Option<NonZeroUsize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Names the slide in lists and folders. Default: its file's name without the extension.
    #[must_use]
    pub fn with_slide_id(mut self, id: impl Into<String>) -> Self {
        self.slide_id = Some(id.into());
        self
    }

    /// Calls this from time to time, from any thread.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Runs the job.
    ///
    /// Tiles that cannot be read are recorded and the run goes on. The threads that a run starts
    /// end with it; the calling thread looks at the mask meanwhile.
    ///
    /// # Errors
    /// `InvalidArgument` for settings that mean nothing, a level that does not exist, a mask of
    /// another aspect ratio, a mask without foreground (nothing is written then), or a sink that
    /// belongs to another run. Otherwise what opening the mask or writing to the sink ran into:
    /// what is written by then stays, and a later run goes on from there.
    pub fn run(&self, sink: &mut dyn TileSink) -> Result<Report> {
        let start = Instant::now();
        let clock = Clock::default();
        let prepared = self.prepare(&clock)?;
        clock.save.time(|| sink.begin(&prepared.plan))?;
        let outcome = self
            .pipeline(&prepared, sink, &clock)
            .run()
            .and_then(|outcome| {
                clock
                    .save
                    .time(|| sink.finish(&outcome.tiles, &outcome.failed))?;
                Ok(outcome)
            })
            .inspect_err(|_| sink.abandon())?;
        Ok(prepared.report(self.slide, outcome, &clock, start))
    }

    fn prepare(&self, clock: &Clock) -> Result<Prepared<'_>> {
        self.settings.check()?;
        let slide = self.slide;
        let at_slide = |error: Error| error.at_path(slide.path());
        let index = self
            .settings
            .level
            .resolve(slide.info())
            .map_err(at_slide)?;
        let level = slide.pyramid().level(index).map_err(at_slide)?;
        let slide_size = slide.pyramid().level(0)?.size;
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads.map_or(0, NonZeroUsize::get))
            .thread_name(|index| format!("tiling {index}"))
            .build()
            .map_err(|error| Error::invalid("cannot start threads").with_source(error))?;
        let mask = match &self.mask {
            Some(mask) => Cow::Borrowed(mask),
            None => Cow::Owned(clock.mask.time(|| pool.install(|| Mask::otsu(slide)))?),
        };
        mask.check_fits(slide_size)?;
        let region = pool.install(|| self.region(&mask, slide_size, index, level, clock))?;
        let grid = Grid::new(
            region.on_level.size,
            self.settings.tile_size,
            self.settings.stride(),
            self.settings.padding,
        );
        if grid.tiles() > MAX_TILES {
            return Err(Error::limit(format!(
                "a grid of {} tiles (at most {MAX_TILES})",
                grid.tiles()
            ))
            .at_level(index)
            .at_path(slide.path()));
        }
        let plan = Plan {
            slide_id: self.slide_id()?,
            tile_size: self.settings.tile_size,
            label_type: mask.label_type(),
            region,
            grid,
            settings: self.describe(&mask, index, level),
        };
        Ok(Prepared { plan, mask, pool })
    }

    fn region(
        &self,
        mask: &Mask,
        slide_size: Size,
        index: usize,
        level: &Level,
        clock: &Clock,
    ) -> Result<RegionOfInterest> {
        let lowest = mask.slide().pyramid().lowest();
        let keeps_everything = self.settings.min_occupancy < 0.0;
        if self.settings.region == RegionChoice::WholeLevel && keeps_everything {
            return Ok(RegionOfInterest::whole(slide_size, index, level));
        }
        let foreground = foreground_box(mask, lowest, clock)?.ok_or_else(|| mask.empty_error())?;
        let on = mask.slide().pyramid().level(lowest)?;
        Ok(match self.settings.region {
            RegionChoice::WholeLevel => RegionOfInterest::whole(slide_size, index, level),
            RegionChoice::Foreground { margin } => RegionOfInterest::around(
                foreground,
                margin,
                mask.downsample_on(slide_size, on),
                slide_size,
                index,
                level,
            ),
        })
    }

    fn pipeline<'r>(
        &'r self,
        prepared: &'r Prepared<'_>,
        sink: &'r dyn TileSink,
        clock: &'r Clock,
    ) -> Pipeline<'r> {
        Pipeline {
            slide: self.slide,
            mask: &prepared.mask,
            roi: &prepared.plan.region,
            grid: &prepared.plan.grid,
            min_occupancy: self.settings.min_occupancy,
            sink,
            pool: &prepared.pool,
            clock,
            progress: self
                .progress
                .as_deref()
                .map(|progress| progress as &ProgressFn<'_>),
        }
    }

    /// The slide's name: one component of a path, whatever it was asked to be.
    fn slide_id(&self) -> Result<String> {
        let name = match &self.slide_id {
            Some(id) => id.clone(),
            None => {
                let path = self.slide.path();
                path.file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            }
        };
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(
                Error::invalid(format!("`{name}` as the name of a slide's folder"))
                    .at_path(self.slide.path()),
            );
        }
        Ok(name)
    }

    fn describe(&self, mask: &Mask, index: usize, level: &Level) -> Vec<(&'static str, String)> {
        let settings = &self.settings;
        vec![
            ("slide", describe_file(self.slide.path())),
            ("mask", mask.description().to_owned()),
            ("foreground", mask.foreground().to_string()),
            ("level", format!("{index}, {}", level.size)),
            ("tile_size", settings.tile_size.to_string()),
            ("stride", settings.stride().to_string()),
            (
                "region",
                match settings.region {
                    RegionChoice::WholeLevel => "the whole level".to_owned(),
                    RegionChoice::Foreground { margin } => {
                        format!("foreground and a margin of {margin}")
                    }
                },
            ),
            ("padding", settings.padding.as_str().to_owned()),
            ("min_occupancy", settings.min_occupancy.to_string()),
        ]
    }
}

/// What a run starts from.
struct Prepared<'a> {
    plan: Plan,
    mask: Cow<'a, Mask>,
    pool: ThreadPool,
}

impl Prepared<'_> {
    fn report(self, slide: &Slide, outcome: Outcome, clock: &Clock, start: Instant) -> Report {
        let downsample = self.plan.region.downsample;
        let mpp = slide.info().mpp.map(|mpp| Mpp {
            x: mpp.x * downsample,
            y: mpp.y * downsample,
        });
        let total = start.elapsed().as_secs_f64();
        let threads = self.pool.current_num_threads();
        #[expect(clippy::cast_precision_loss, reason = "a number of threads")]
        let share = |stage: &Stage| stage.seconds() / threads as f64;
        let stages = [&clock.mask, &clock.read, &clock.assemble, &clock.save];
        let [mask, read, assemble, save] = stages.map(share);
        Report {
            slide_id: self.plan.slide_id,
            levels: slide.pyramid().levels().to_vec(),
            mpp,
            region: self.plan.region,
            grid: self.plan.grid,
            mask: self.mask.description().to_owned(),
            tiles_total: self.plan.grid.tiles(),
            tiles: outcome.tiles,
            failed: outcome.failed,
            tiles_resumed: outcome.resumed,
            threads,
            seconds: Seconds {
                open: 0.0,
                mask,
                read,
                assemble,
                save,
                // The caller's own thread counts the mask meanwhile, so there may be none.
                wait: (total - mask - read - assemble - save).max(0.0),
                total,
            },
        }
    }
}

impl std::fmt::Debug for TilingJob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TilingJob")
            .field("slide", &self.slide)
            .field("mask", &self.mask)
            .field("settings", &self.settings)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// Tiles of the largest grid that a job accepts: what is known of each kept tile stays in memory.
const MAX_TILES: u64 = 1 << 26;
