//! Others on the same streams: `wsi-jpeg` on all cores, nvJPEG, and what Python has.

use std::io::Write;
use std::process::Command;

use anyhow::Result;
use rayon::prelude::*;

use crate::Arguments;
use crate::exact::by_cpu_decoder;
use crate::speed::{gigapixels, middle, timed_recipe};

/// Pictures of the batch that all of them decode.
const BATCH: usize = 1024;
const DIFFERENT: usize = 128;

/// Times all of them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let slide = wsi::open(&arguments.slide)?;
    let recipe = timed_recipe(arguments);
    let streams = recipe.streams(&slide, DIFFERENT)?;
    let batch: Vec<&[u8]> = streams
        .iter()
        .map(Vec::as_slice)
        .cycle()
        .take(BATCH)
        .collect();
    let pixels = recipe.format().size.area() * BATCH as u64;
    println!("\nothers, {BATCH} of the same pictures in memory of the host");

    let threads = rayon::current_num_threads();
    let time = middle(arguments.repeat, || {
        batch
            .par_iter()
            .try_for_each(|stream| by_cpu_decoder(stream, recipe.size, 3).map(drop))
    })?;
    println!(
        "{:9.2} GP/s  wsi-jpeg, {threads} threads, output on the host",
        gigapixels(pixels, time)
    );

    #[cfg(feature = "cuda-nvjpeg")]
    nvjpeg(arguments, &recipe, &batch)?;
    python(arguments, &streams)
}

#[cfg(feature = "cuda-nvjpeg")]
fn nvjpeg(arguments: &Arguments, recipe: &crate::streams::Recipe, batch: &[&[u8]]) -> Result<()> {
    use wsi::cuda::{CudaExecutor, Executor, NvJpeg, NvJpegBackend};

    let size = recipe.format().size;
    let pixels = size.area() * batch.len() as u64;
    for (backend, interpolate) in NvJpegBackend::ALL
        .into_iter()
        .flat_map(|b| [(b, true), (b, false)])
    {
        let what = if interpolate {
            "interpolated chroma"
        } else {
            "repeated chroma"
        };
        let executor = CudaExecutor::new(arguments.device)?;
        let mut nvjpeg = match NvJpeg::new(executor, backend, interpolate) {
            Ok(nvjpeg) => nvjpeg,
            Err(error) => {
                println!("       --       nvJPEG {backend:?}, {what}: {error}");
                if error.message().contains("cannot be loaded") {
                    break;
                }
                continue;
            }
        };
        let output = nvjpeg.executor().allocate(usize::try_from(pixels * 3)?)?;
        let threads = rayon::current_num_threads();
        match middle(arguments.repeat, || {
            Ok(nvjpeg.decode(batch, size, &output, threads)?)
        }) {
            Ok(time) => {
                let mut first = vec![0; usize::try_from(size.area() * 3)?];
                nvjpeg.executor().download(&output, 0, &mut first)?;
                let ours = by_cpu_decoder(batch[0], recipe.size, 3)?;
                let differences = first.iter().zip(&ours).map(|(a, b)| a.abs_diff(*b));
                let largest = differences.max().unwrap_or(0);
                println!(
                    "{:9.2} GP/s  nvJPEG {} {backend:?}, {what}, output on the device; off by up to {largest}",
                    gigapixels(pixels, time),
                    nvjpeg.version()
                );
            }
            Err(error) => println!("       --       nvJPEG {backend:?}, {what}: {error:#}"),
        }
    }
    Ok(())
}

/// Hands the streams to a Python program, which prints a line for each library that it can import.
fn python(arguments: &Arguments, streams: &[Vec<u8>]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (number, stream) in streams.iter().enumerate() {
        std::fs::File::create(folder.path().join(format!("{number:04}.jpg")))?.write_all(stream)?;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gpu_bench/peers.py");
    let status = Command::new("python3")
        .arg(script)
        .arg(folder.path())
        .arg(&arguments.slide)
        .args([
            BATCH.to_string(),
            arguments.repeat.to_string(),
            arguments.device.to_string(),
        ])
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => println!("       --       Python ended with {status}"),
        Err(error) => println!("       --       no python3: {error}"),
    }
    Ok(())
}
