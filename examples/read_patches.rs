//! Reads patches at given places:
//! `read_patches SLIDE --locations FILE.json [--level N] [--size N] [--threads N] [--dump FILE.npy]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use wsi::tiling::{BatchPixels, PatchReader};
use wsi::{OpenOptions, PixelFormat};

/// Reads square RGB patches at given places, in batches, and says how long it took.
#[derive(Parser)]
struct Arguments {
    /// The slide.
    slide: PathBuf,
    /// The places: a JSON file of [[x, y], ...] in level-0 pixels.
    #[arg(long)]
    locations: PathBuf,
    /// The level that is read.
    #[arg(long, default_value_t = 0)]
    level: usize,
    /// Width and height of a patch in pixels of that level.
    #[arg(long, default_value_t = 224)]
    size: u32,
    /// Patches of a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Number of threads. Default: all.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Take the places in a random order that this seed decides.
    #[arg(long)]
    shuffle: Option<u64>,
    /// Ask this backend alone; `cuda` decodes what `pure` reads on a GPU (feature `cuda`).
    #[arg(long)]
    backend: Option<String>,
    /// Save all patches as one NumPy array (N, size, size, 3), in the order of the places.
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Print one JSON object with the seconds to open and read.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let places = read_places(&arguments.locations)
        .with_context(|| format!("cannot read {}", arguments.locations.display()))?;
    let start = Instant::now();
    let mut options = OpenOptions::default();
    let on_gpu = arguments.backend.as_deref() == Some("cuda");
    options.backend = match on_gpu {
        true => Some("pure".to_owned()),
        false => arguments.backend,
    };
    let slide = wsi::open_with(&arguments.slide, &options)?;
    let opened = start.elapsed().as_secs_f64();

    let size = arguments.size;
    let reader = PatchReader::level0(&slide, arguments.level, (size, size), places)?
        .with_format(PixelFormat::RGB8)?
        .with_batch_size(arguments.batch)
        .with_threads(arguments.threads)
        .with_shuffle(arguments.shuffle);
    let bytes = reader.patch_bytes();
    let mut all = vec![0; arguments.dump.as_ref().map_or(0, |_| reader.len() * bytes)];
    let mut keep = |indices: &[usize], pixels: &[u8]| {
        for (&index, patch) in indices.iter().zip(pixels.chunks_exact(bytes)) {
            all[index * bytes..][..bytes].copy_from_slice(patch);
        }
    };
    match on_gpu {
        true => read_on_gpu(&reader, arguments.dump.is_some(), &mut keep)?,
        false => read(&reader, arguments.dump.is_some(), &mut keep)?,
    }
    let read = start.elapsed().as_secs_f64();

    if let Some(path) = &arguments.dump {
        let shape = [reader.len(), size as usize, size as usize, 3];
        dump(path, shape, &all).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.json {
        let seconds = json!({"open": opened, "read": read - opened, "total": read});
        let patches = reader.len();
        println!(
            "{}",
            json!({"patches": patches, "size": size, "seconds": seconds})
        );
    } else {
        println!("{} patches of {size} x {size} pixels", reader.len());
        println!("opened in {opened:.4} s, read in {:.4} s", read - opened);
    }
    Ok(())
}

/// Reads all patches; those of each batch go to `keep`, if they are wanted.
fn read(reader: &PatchReader, wanted: bool, keep: &mut dyn FnMut(&[usize], &[u8])) -> Result<()> {
    let mut batches = reader.batches()?;
    while let Some(batch) = batches.next() {
        let batch = batch?;
        if let (true, BatchPixels::U8(pixels)) = (wanted, &batch.pixels) {
            keep(
                &batch.indices,
                pixels.as_slice().context("a batch in pieces")?,
            );
        }
        batches.reuse(batch);
    }
    Ok(())
}

/// The same on the first GPU: patches stay there unless they are wanted.
#[cfg(feature = "cuda")]
fn read_on_gpu(
    reader: &PatchReader,
    wanted: bool,
    keep: &mut dyn FnMut(&[usize], &[u8]),
) -> Result<()> {
    use wsi::cuda::{BatchDecoder, Output};

    let decoder = BatchDecoder::on_device(0)?;
    let mut batches = wsi::DeviceBatches::start(reader, decoder, Output::new())?;
    while let Some(batch) = batches.next() {
        let batch = batch?;
        if wanted {
            keep(&batch.indices, &batches.download(&batch)?);
        }
        batches.reuse(batch);
    }
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn read_on_gpu(_: &PatchReader, _: bool, _: &mut dyn FnMut(&[usize], &[u8])) -> Result<()> {
    anyhow::bail!(
        "built without GPUs: `cargo run --release --features cuda --example read_patches`"
    )
}

fn read_places(path: &Path) -> Result<Vec<(i64, i64)>> {
    let places: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let places = places.as_array().context("not a list of [x, y]")?;
    let place = |place: &serde_json::Value| match place.as_array().map(Vec::as_slice) {
        Some([x, y]) => Some((x.as_i64()?, y.as_i64()?)),
        _ => None,
    };
    let places = places.iter().enumerate().map(|(number, value)| {
        place(value)
            .with_context(|| format!("place {number} is {value}, not [x, y] in whole pixels"))
    });
    places.collect()
}

/// Writes a NumPy file (format 1.0 of numpy.lib.format) of bytes.
fn dump(path: &Path, shape: [usize; 4], bytes: &[u8]) -> Result<()> {
    let [n, height, width, channels] = shape;
    let header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({n}, {height}, {width}, {channels}), }}"
    );
    // With the ten bytes before it and the line feed, a multiple of 64.
    let length = (header.len() + 11).next_multiple_of(64) - 10;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(length)?.to_le_bytes())?;
    writeln!(file, "{header:<0$}", length - 1)?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(())
}
