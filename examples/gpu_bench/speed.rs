//! The sweep, and a file from end to end. The figures are the middle of several runs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jpeg_encoder::SamplingFactor;
use wsi::cuda::{BatchDecoder, ElementType, Output, TensorLayout};
use wsi::source::TileIndex;
use wsi::{Plane, Slide};

use crate::Arguments;
use crate::exact::slicing;
use crate::streams::Recipe;

/// Launches that follow each other without a wait, so that their start is not what is timed.
const IN_A_ROW: u32 = 4;
/// Pictures that differ; larger batches repeat them.
const DIFFERENT: usize = 128;

/// Times all of ours.
pub(crate) fn run(decoder: BatchDecoder, arguments: &Arguments) -> Result<()> {
    let slide = wsi::open(&arguments.slide)?;
    let recipe = timed_recipe(arguments);
    let streams = recipe.streams(&slide, DIFFERENT)?;
    let bytes: usize = streams.iter().map(Vec::len).sum();
    let (size, quality) = (arguments.size, arguments.quality);
    println!(
        "\n{size} x {size}, 4:2:0, quality {quality}, {} bytes a picture",
        bytes / streams.len()
    );
    println!("batch  lanes    kernels  with upload   planned too   [GP/s]");
    let mut decoder = decoder.with_batch_bytes(u64::MAX);
    for &batch in &arguments.batches {
        let batch_of: Vec<&[u8]> = streams
            .iter()
            .map(Vec::as_slice)
            .cycle()
            .take(batch)
            .collect();
        for &lanes in &arguments.lanes {
            decoder = decoder.with_slicing(slicing(lanes));
            match one(&mut decoder, &recipe, &batch_of, arguments.repeat) {
                Ok([kernels, upload, all]) => {
                    println!("{batch:5}  {lanes:5}  {kernels:9.2}  {upload:11.2}  {all:12.2}");
                }
                // A device may be too small for the largest batch.
                Err(error) => println!("{batch:5}  {lanes:5}  {error:#}"),
            }
        }
    }
    let mut decoder = decoder.with_slicing(wsi::cuda::plan::Slicing::default());
    from_file(&mut decoder, &slide, arguments.repeat)
}

/// What is timed: what most scanners write.
pub(crate) fn timed_recipe(arguments: &Arguments) -> Recipe {
    Recipe {
        size: (arguments.size, arguments.size),
        sampling: Some(SamplingFactor::F_2_2),
        quality: arguments.quality,
        restart: 0,
    }
}

/// Gigapixels a second of a batch whose output stays on the device: the kernels alone; with the
/// upload of streams from pinned memory; with planning from the streams as they are stored.
fn one(
    decoder: &mut BatchDecoder,
    recipe: &Recipe,
    streams: &[&[u8]],
    repeat: usize,
) -> Result<[f64; 3]> {
    let (format, output) = (recipe.format(), Output::new());
    let tensor = decoder.allocate(streams.len(), format.size, 3, &output)?;
    let prepared = decoder.prepare_streams(&format, streams)?;
    decoder.upload_prepared(&prepared, &output)?;
    decoder.launch_prepared(&prepared, &output, &tensor)?;
    let flags = decoder.flags_of_prepared(&prepared)?;
    ensure!(
        flags.iter().all(|&flags| flags == 0),
        "pictures are flagged"
    );
    let pixels = format.size.area() * streams.len() as u64;

    let kernels = middle(repeat, || {
        for _ in 0..IN_A_ROW {
            decoder.launch_prepared(&prepared, &output, &tensor)?;
        }
        Ok(decoder.executor().synchronize()?)
    })?;
    let upload = middle(repeat, || {
        decoder.upload_prepared(&prepared, &output)?;
        decoder.launch_prepared(&prepared, &output, &tensor)?;
        Ok(decoder.executor().synchronize()?)
    })?;
    let all = middle(repeat, || {
        decoder.decode_streams_into(&format, streams, &output, &tensor)?;
        Ok(())
    })?;
    Ok([
        gigapixels(pixels * u64::from(IN_A_ROW), kernels),
        gigapixels(pixels, upload),
        gigapixels(pixels, all),
    ])
}

/// All stored tiles of a slide's first level, from its file.
fn from_file(decoder: &mut BatchDecoder, slide: &Slide, repeat: usize) -> Result<()> {
    let Some(stored) = slide.encoded_tiles() else {
        return Ok(());
    };
    let layout = stored.layout(0, Plane(0))?;
    let rows =
        (0..layout.rows).flat_map(|row| (0..layout.columns).map(move |column| (column, row)));
    let tiles: Vec<TileIndex> = rows
        .map(|(column, row)| TileIndex {
            level: 0,
            plane: Plane(0),
            column,
            row,
        })
        .take(4096)
        .collect();
    let pixels = layout.tile_size.area() * tiles.len() as u64;
    println!(
        "\n{}: {} tiles of {}, from the page cache",
        slide.path().display(),
        tiles.len(),
        layout.tile_size
    );
    let half = Output::new()
        .with_element(ElementType::F16)
        .with_layout(TensorLayout::Nchw);
    for (name, output) in [
        ("bytes, NHWC", Output::new()),
        ("half precision, NCHW", half),
    ] {
        let mut host = Vec::new();
        let mut decode = |download: bool| {
            middle(repeat, || {
                let decoded = decoder.decode_tiles(slide, 0, &tiles, &output)?;
                if download {
                    host = decoder.download(&decoded.tensor)?;
                }
                Ok(())
            })
        };
        let (device, downloaded) = (decode(false)?, decode(true)?);
        let (device, downloaded) = (gigapixels(pixels, device), gigapixels(pixels, downloaded));
        println!(
            "{name:24} {device:9.2} GP/s on the device, {downloaded:.2} GP/s in memory of the host"
        );
    }
    Ok(())
}

/// The middle time of several runs, after one that is not counted.
pub(crate) fn middle(repeat: usize, mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    run()?;
    let mut times = Vec::new();
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
pub(crate) fn gigapixels(pixels: u64, time: Duration) -> f64 {
    pixels as f64 / time.as_secs_f64() / 1e9
}
