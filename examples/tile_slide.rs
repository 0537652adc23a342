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
use serde_json::json;
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
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundled = |name: &str| Some(sources.join("fixtures").join(name));
    let (slide, mask) = match (arguments.slide.clone(), arguments.mask.clone()) {
        (None, None) => (bundled(BUNDLED[0]), bundled(BUNDLED[1])),
        given => given,
    };
    let mut options = OpenOptions::default();
    options.backend.clone_from(&arguments.backend);
    let slide = wsi::open_with(slide.context("a mask needs its slide")?, &options)?;
    let mask = mask.map(|path| open_mask(&path, &options)).transpose()?;
    let open = start.elapsed().as_secs_f64();

    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| sources.join("target/tiles"));
    let mut sink: Box<dyn TileSink> = match arguments.save {
        Save::Png => Box::new(PngFolder::new(&out).with_overwrite(arguments.overwrite)),
        Save::Npy => Box::new(NpyFolder::new(&out).with_overwrite(arguments.overwrite)),
        Save::None => Box::new(MemorySink::new()),
    };
    let bar = ProgressBar::new(0); // draws on a terminal and nowhere else
    let mut job = TilingJob::new(&slide)
        .with_settings(
            Settings::default()
                .with_level(
                    arguments
                        .level
                        .map_or(LevelChoice::Middle, LevelChoice::Index),
                )
                .with_tile_size(arguments.tile_size)
                .with_margin(arguments.margin)
                .with_min_occupancy(arguments.occupancy),
        )
        .with_progress(|now| {
            bar.update(|bar| {
                bar.set_len(now.tiles_total);
                bar.set_pos(now.tiles_examined);
            })
        });
    if let Some(mask) = mask {
        job = job.with_mask(mask);
    }
    if let Some(threads) = arguments.threads {
        job = job.with_threads(threads.get());
    }
    let report = job.run(&mut *sink)?;
    bar.finish_and_clear();

    let (kept, total, failed) = (report.tiles.len(), report.tiles_total, report.failed.len());
    let seconds = &report.seconds;
    if arguments.json {
        let all = start.elapsed().as_secs_f64();
        let (mask, read, save) = (seconds.mask, seconds.read, seconds.save);
        let seconds = json!({"open": open, "mask": mask, "read": read, "save": save, "total": all});
        let json = json!({"tiles_total": total, "tiles_kept": kept, "tiles_failed": failed,
            "level": report.region.level, "seconds": seconds});
        println!("{json}");
        return Ok(());
    }
    for (index, level) in slide.pyramid().levels().iter().enumerate() {
        let cut = if index == report.region.level {
            "  <- cut"
        } else {
            ""
        };
        println!(
            "level {index}    {}, downsample {}{cut}",
            level.size, level.downsample
        );
    }
    println!("mask       {}", report.mask);
    println!(
        "region     {} at level-0 pixel {}",
        report.region.level0.size, report.region.level0.origin
    );
    println!(
        "tiles      {kept} kept of {total}, {} from an earlier run, {failed} unreadable",
        report.tiles_resumed
    );
    println!(
        "seconds    open {open:.3}, mask {:.3}, read {:.3}, save {:.3}, total {:.3} ({} threads)",
        seconds.mask, seconds.read, seconds.save, seconds.total, report.threads
    );
    if arguments.save != Save::None {
        let folder = out.join(&report.slide_id);
        write_overview(&slide, &report, 1024, folder.join("overview.png"))?;
        println!(
            "files      {}\noverview   {}",
            folder.display(),
            folder.join("overview.png").display()
        );
    }
    Ok(())
}

/// A mask is a slide of labels or, by its name, a picture.
fn open_mask(path: &Path, options: &OpenOptions) -> wsi::Result<Mask> {
    match path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("png"))
    {
        true => Mask::from_image_file(path),
        false => Mask::from_slide(wsi::open_with(path, options)?),
    }
}

const BUNDLED: [&str; 2] = ["CMU-1-Small-Region.svs", "CMU-1-Small-Region_mask.tiff"];
