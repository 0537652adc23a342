//! Prints what is known of a slide: `slide_info FILE [--backend NAME] [--json]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde_json::{Map, Value, json};
use wsi::{OpenOptions, Plane, Slide};

/// Prints format, levels, resolution, properties and associated images of a slide.
#[derive(Parser)]
struct Arguments {
    /// The slide.
    file: PathBuf,
    /// Ask this backend alone.
    #[arg(long)]
    backend: Option<String>,
    /// Print one JSON object.
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
    let mut options = OpenOptions::default();
    options.backend = arguments.backend;
    let slide = wsi::open_with(&arguments.file, &options)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&describe(&slide)?)?),
        false => print(&slide)?,
    }
    Ok(())
}

/// The compression of a level, where the backend knows it.
fn compression(slide: &Slide, level: usize) -> &'static str {
    let layout = slide
        .encoded_tiles()
        .and_then(|tiles| tiles.layout(level, Plane(0)).ok());
    layout.map_or("unknown", |layout| layout.compression)
}

fn print(slide: &Slide) -> Result<()> {
    let info = slide.info();
    println!("{}", slide.path().display());
    println!("  format           {}", info.format);
    println!("  pixels           {}", info.pixel_format);
    if info.planes > 1 {
        println!("  planes           {}", info.planes);
    }
    if let Some(mpp) = info.mpp {
        println!("  mpp              {} x {} micrometres", mpp.x, mpp.y);
    }
    if let Some(power) = info.objective_power {
        println!("  objective power  {power}");
    }
    for (index, level) in info.pyramid.levels().iter().enumerate() {
        let tiles = level
            .tile_size
            .map_or_else(|| "strips".to_owned(), |size| format!("tiles of {size}"));
        let (size, downsample) = (level.size, level.downsample);
        let compression = compression(slide, index);
        println!("  level {index:<10} {size}, downsample {downsample}, {tiles}, {compression}");
    }
    for image in &info.associated {
        println!("  {:<16} {} {}", image.name, image.size, image.format);
    }
    for caveat in &info.caveats {
        println!("  note             {caveat}");
    }
    println!("  properties");
    for (name, value) in slide.properties()?.iter() {
        println!("    {name} = {}", value.escape_debug());
    }
    Ok(())
}

fn describe(slide: &Slide) -> Result<Value> {
    let info = slide.info();
    let level = |(index, level): (usize, &wsi::Level)| {
        json!({
            "width": level.size.width,
            "height": level.size.height,
            "downsample": level.downsample,
            "tile_width": level.tile_size.map(|size| size.width),
            "tile_height": level.tile_size.map(|size| size.height),
            "compression": compression(slide, index),
        })
    };
    let associated = |image: &wsi::source::AssociatedImage| {
        json!({
            "name": image.name,
            "width": image.size.width,
            "height": image.size.height,
            "format": image.format.to_string(),
        })
    };
    let properties: Map<String, Value> = slide
        .properties()?
        .iter()
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect();
    Ok(json!({
        "path": slide.path().display().to_string(),
        "format": info.format,
        "pixel_format": info.pixel_format.to_string(),
        "planes": info.planes,
        "mpp": info.mpp.map(|mpp| [mpp.x, mpp.y]),
        "objective_power": info.objective_power,
        "levels": info.pyramid.levels().iter().enumerate().map(level).collect::<Vec<_>>(),
        "associated_images": info.associated.iter().map(associated).collect::<Vec<_>>(),
        "notes": info.caveats,
        "properties": properties,
    }))
}
