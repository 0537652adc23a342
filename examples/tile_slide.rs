//! Cuts a slide into training tiles:
//! `tile_slide [SLIDE] [--mask FILE] [--level N] [--save png|npy|none] [--out DIR] ...`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::ProgressBar;
use wsi::OpenOptions;
use wsi::tiling::{
    LevelChoice, Mask, MemorySink, NpyFolder, PngFolder, Settings, TileSink, TilingJob,
    write_overview,
};

/// Cuts a slide into tiles and keeps those that its mask fills. Without arguments, the bundled one.
#[derive(Parser)]
struct Arguments {
    /// The slide. Default: the one that comes with the sources, and its mask.
    slide: Option<PathBuf>,
    /// The mask: a slide or picture of labels. Default: tissue, found by Otsu's threshold.
    #[arg(long)]
    mask: Option<PathBuf>,
    /// The level to cut. Default: the middle one, levels / 2.
    #[arg(long)]
    level: Option<usize>,
    /// Width and height of a tile in pixels.
    #[arg(long, default_value_t = 224)]
    tile_size: u32,
    /// Margin around the foreground, in pixels of the mask's lowest level.
    #[arg(long, default_value_t = 64)]
    margin: u32,
    /// Keep tiles of which more than this share is foreground.
    #[arg(long, default_value_t = 0.05)]
    occupancy: f64,
    /// What to write: a file a tile, one stack of all, or nothing (tiles stay in memory).
    #[arg(long, value_enum, default_value_t = Save::Png)]
    save: Save,
    /// Folder for the slide's folder. Default: target/tiles of the sources.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Ask this backend alone.
    #[arg(long)]
    backend: Option<String>,
    /// Number of threads. Default: all.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Start anew instead of going on where an earlier run ended.
    #[arg(long)]
    overwrite: bool,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Save {
    Png,
    Npy,
    None,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let start = Instant::now();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundled = |name: &str| Some(sources.join("fixtures").join(name));
    let (slide, mask) = match (arguments.slide, arguments.mask) {
        (None, None) => (
            bundled("CMU-1-Small-Region.svs"),
            bundled("CMU-1-Small-Region_mask.tiff"),
        ),
        given => given,
    };
    let mut options = OpenOptions::default();
    options.backend = arguments.backend;
    let slide = wsi::open_with(slide.context("a mask needs its slide")?, &options)?;
    let mask = mask.map(|path| open_mask(&path, &options)).transpose()?;
    let open = start.elapsed().as_secs_f64();

    let out = arguments
        .out
        .unwrap_or_else(|| sources.join("target/tiles"));
    let overwrite = arguments.overwrite;
    let mut sink: Box<dyn TileSink> = match arguments.save {
        Save::Png => Box::new(PngFolder::new(&out).with_overwrite(overwrite)),
        Save::Npy => Box::new(NpyFolder::new(&out).with_overwrite(overwrite)),
        Save::None => Box::new(MemorySink::new()),
    };
    let level = arguments
        .level
        .map_or(LevelChoice::Middle, LevelChoice::Index);
    let settings = Settings::default()
        .with_level(level)
        .with_tile_size(arguments.tile_size)
        .with_margin(arguments.margin)
        .with_min_occupancy(arguments.occupancy);
    let bar = ProgressBar::new(0); // draws on a terminal and nowhere else
    let report = TilingJob::new(&slide)
        .with_mask(mask)
        .with_settings(settings)
        .with_threads(arguments.threads)
        .with_progress(|now| {
            bar.set_length(now.tiles_total);
            bar.set_position(now.tiles_examined);
        })
        .run(&mut *sink)?
        .with_open_seconds(open);
    bar.finish_and_clear();

    if arguments.json {
        println!("{}", report.to_json());
        return Ok(());
    }
    println!("{report}");
    if arguments.save != Save::None {
        let folder = out.join(&report.slide_id);
        let overview = folder.join("overview.png");
        write_overview(&slide, &report, 1024, &overview)?;
        println!("files     {}", folder.display());
        println!("overview  {}", overview.display());
    }
    Ok(())
}

/// A mask is a slide of labels or, by its name, a picture.
fn open_mask(path: &Path, options: &OpenOptions) -> wsi::Result<Mask> {
    if path.extension().is_some_and(|end| end == "png") {
        return Mask::from_image_file(path);
    }
    Mask::from_slide(wsi::open_with(path, options)?)
}
