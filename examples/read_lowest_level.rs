//! Saves the lowest level of a slide as a PNG:
//! `read_lowest_level SLIDE OUT.png [--backend NAME] [--json]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use clap::Parser;
use serde_json::json;
use wsi::png::{Color, Encoder, Picture};
use wsi::{Image, OpenOptions, PixelFormat};

/// Reads the lowest level of a slide and saves it as an RGB PNG.
#[derive(Parser)]
struct Arguments {
    /// The slide.
    slide: PathBuf,
    /// The PNG to write.
    out: PathBuf,
    /// Ask this backend alone.
    #[arg(long)]
    backend: Option<String>,
    /// Print one JSON object with the seconds to open, read and save.
    #[arg(long)]
    json: bool,
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
    let mut options = OpenOptions::default();
    options.backend = arguments.backend;
    let slide = wsi::open_with(&arguments.slide, &options)?;
    let opened = start.elapsed().as_secs_f64();

    let level = slide.pyramid().lowest();
    let image = slide.read_level(level, PixelFormat::RGB8)?;
    let read = start.elapsed().as_secs_f64();

    save(&image, &arguments.out)
        .map_err(|error| anyhow!("cannot write {}: {error}", arguments.out.display()))?;
    let saved = start.elapsed().as_secs_f64();

    let size = image.size();
    if arguments.json {
        let seconds =
            json!({"open": opened, "read": read - opened, "save": saved - read, "total": saved});
        let (width, height) = (size.width, size.height);
        println!(
            "{}",
            json!({"level": level, "width": width, "height": height, "seconds": seconds})
        );
    } else {
        println!(
            "level {level}, {size} pixels, in {}",
            arguments.out.display()
        );
        println!(
            "opened in {opened:.4} s, read in {:.4} s, saved in {:.4} s",
            read - opened,
            saved - read
        );
    }
    Ok(())
}

fn save(image: &Image, path: &Path) -> Result<()> {
    let size = (image.size().width, image.size().height);
    let picture = Picture::new(size, Color::Rgb8, image.as_bytes())?;
    let mut file = Vec::new();
    Encoder::new().encode(&picture, &mut file);
    std::fs::write(path, file)?;
    Ok(())
}
