//! Opens a slide with each backend and shows where they differ:
//! `compare_backends SLIDE [--level N] [--png DIFFERENCE.png]`.
//!
//! Build it with `--features openslide` to have more than one.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use wsi::{Driver, Image, OpenOptions, PixelFormat, Region, Size, Slide, default_drivers};

/// Columns and rows that are compared at a time.
const BLOCK: u32 = 1024;

/// Width and height of the picture of differences, at most.
const PICTURE: u32 = 1024;

/// Compares geometry, properties, associated images and the pixels of one level.
#[derive(Parser)]
struct Arguments {
    /// The slide.
    slide: PathBuf,
    /// The level whose pixels are compared. Default: the lowest.
    #[arg(long)]
    level: Option<usize>,
    /// Where to draw the largest differences, white for a difference of 255.
    #[arg(long)]
    png: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all that read the slide agree.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut opened = Vec::new();
    for driver in default_drivers() {
        let name = driver.name();
        match open(&*driver, &arguments.slide) {
            Ok(slide) => {
                println!("{name}: {}", slide.info().format);
                opened.push((name, slide));
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    let Some(((first, reference), others)) = opened.split_first() else {
        anyhow::bail!("no backend reads {}", arguments.slide.display());
    };
    if others.is_empty() {
        println!("only `{first}` reads it here: nothing to compare");
    }
    let mut agree = true;
    for (name, slide) in others {
        println!("\n{first} and {name}:");
        agree &= compare_geometry(reference, slide);
        agree &= compare_properties(reference, slide)?;
        agree &= compare_associated(reference, slide);
        agree &= compare_level(reference, slide, arguments)?;
    }
    Ok(agree)
}

fn open(driver: &dyn Driver, path: &Path) -> wsi::Result<Slide> {
    let source = driver.open(path, &OpenOptions::default())?;
    Ok(Slide::new(source, path))
}

fn compare_geometry(one: &Slide, other: &Slide) -> bool {
    let describe = |slide: &Slide| {
        let levels = slide.pyramid().levels().iter();
        let levels = levels.map(|level| format!("{} at {}", level.size, level.downsample));
        levels.collect::<Vec<_>>().join(", ")
    };
    let (one, other) = (describe(one), describe(other));
    match one == other {
        true => println!("  levels      equal: {one}"),
        false => println!("  levels      {one}\n         and  {other}"),
    }
    one == other
}

fn compare_properties(one: &Slide, other: &Slide) -> Result<bool> {
    let (one, other) = (one.properties()?, other.properties()?);
    let names: BTreeSet<String> = one
        .iter()
        .chain(other.iter())
        .map(|(name, _)| name.into_owned())
        .collect();
    let mut equal = 0;
    for name in &names {
        match (one.get_bytes(name), other.get_bytes(name)) {
            (one, other) if one == other => equal += 1,
            (one, other) => println!("  property    {name}: {} and {}", shown(one), shown(other)),
        }
    }
    println!("  properties  {equal} of {} equal", names.len());
    Ok(equal == names.len())
}

fn shown(value: Option<&[u8]>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| format!("`{}`", value.escape_ascii()),
    )
}

fn compare_associated(one: &Slide, other: &Slide) -> bool {
    let names: BTreeSet<&str> = [one, other]
        .iter()
        .flat_map(|slide| &slide.info().associated)
        .map(|image| image.name.as_str())
        .collect();
    let mut agree = true;
    for name in names {
        let verdict = match (one.read_associated(name), other.read_associated(name)) {
            (Ok(one), Ok(other)) => match rgba(&one).zip(rgba(&other)) {
                Some((a, b)) if one.size() == other.size() && a == b => "equal".to_owned(),
                Some(_) => format!("differs ({} and {})", one.size(), other.size()),
                None => format!("not compared ({} and {})", one.format(), other.format()),
            },
            (Err(_), Err(_)) => "read by neither".to_owned(),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => error.to_string(),
        };
        agree &= verdict == "equal" || verdict == "read by neither";
        println!("  {name:<11} {verdict}");
    }
    agree
}

/// The pixels of a picture of 8-bit gray or colour as RGBA.
fn rgba(image: &Image) -> Option<Vec<u8>> {
    let bytes = image.as_bytes();
    Some(match image.format() {
        PixelFormat::GRAY8 => bytes.iter().flat_map(|&v| [v, v, v, 255]).collect(),
        PixelFormat::RGB8 => bytes
            .chunks_exact(3)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect(),
        PixelFormat::RGBA8 => bytes.to_vec(),
        _ => return None,
    })
}

/// The largest difference of each pixel, over the samples of RGBA, drawn smaller where the level is
/// large: each pixel of the picture is the largest of those that it stands for.
struct Picture {
    step: u32,
    size: Size,
    values: Vec<u8>,
}

impl Picture {
    fn new(level: Size) -> Self {
        let step = level.width.max(level.height).div_ceil(PICTURE).max(1);
        let size = Size::new(level.width.div_ceil(step), level.height.div_ceil(step));
        Self {
            step,
            size,
            values: vec![0; size.width as usize * size.height as usize],
        }
    }

    fn add(&mut self, x: u32, y: u32, difference: u8) {
        let at = (y / self.step) as usize * self.size.width as usize + (x / self.step) as usize;
        if let Some(value) = self.values.get_mut(at) {
            *value = difference.max(*value);
        }
    }

    fn save(&self, path: &Path) -> Result<()> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut encoder =
            png::Encoder::new(BufWriter::new(file), self.size.width, self.size.height);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.values)?;
        Ok(writer.finish()?)
    }
}

/// Compares all pixels of a level, in blocks that both read from the same level-0 pixel.
#[expect(clippy::cast_possible_truncation, reason = "level-0 coordinates")]
fn compare_level(one: &Slide, other: &Slide, arguments: &Arguments) -> Result<bool> {
    let index = arguments.level.unwrap_or_else(|| one.pyramid().lowest());
    let level = one.pyramid().level(index)?;
    let mut picture = Picture::new(level.size);
    let (mut different, mut largest, mut sum) = (0_u64, 0_u8, 0_u64);
    for y in (0..level.size.height).step_by(BLOCK as usize) {
        for x in (0..level.size.width).step_by(BLOCK as usize) {
            let size = (
                BLOCK.min(level.size.width - x),
                BLOCK.min(level.size.height - y),
            );
            let origin = [x, y].map(|v| (f64::from(v) * level.downsample).round() as i64);
            let region = Region::level0(index, (origin[0], origin[1]), size);
            let read = |slide: &Slide| slide.read_region_as(&region, PixelFormat::RGBA8);
            let (ours, theirs) = (read(one)?, read(other)?);
            let pixels = ours.as_bytes().as_chunks::<4>().0.iter();
            let pixels = pixels.zip(theirs.as_bytes().as_chunks::<4>().0);
            for (at, (a, b)) in (0_u32..).zip(pixels) {
                let apart = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
                let worst = apart.clone().max().unwrap_or(0);
                if worst > 0 {
                    different += 1;
                    largest = largest.max(worst);
                    sum += apart.map(u64::from).sum::<u64>();
                    picture.add(x + at % size.0, y + at / size.0, worst);
                }
            }
        }
    }
    let pixels = level.size.area();
    let mean = sum as f64 / (pixels * 4) as f64;
    println!(
        "  level {index:<5} {different} of {pixels} pixels differ, by at most {largest}, by {mean:.6} in the mean"
    );
    if let Some(path) = &arguments.png {
        picture.save(path)?;
        println!("              drawn in {}", path.display());
    }
    Ok(different == 0)
}
