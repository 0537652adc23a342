//! Decoding on a GPU, held against the CPU and timed beside others:
//! `cargo run --release --features cuda,cuda-nvjpeg --example gpu_bench`.
//!
//! With a device it runs the exactness matrix, sweeps batch and lanes per tile, and prints gigapixels
//! a second: kernels only, with upload, and from a file; beside nvJPEG, what Python has (torchvision,
//! cuCIM) and `wsi-jpeg` on all cores. Without one it says so, and runs the matrix on the host where
//! it was built with `cuda-host`. It ends with 1 if a byte differs. For races and bytes out of place:
//! `compute-sanitizer --tool racecheck target/release/examples/gpu_bench --exact-only`, and `memcheck`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod exact;
mod peers;
mod speed;
mod streams;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use wsi::cuda::{BatchDecoder, CudaExecutor, Device};

/// Holds GPU decoding against the CPU and times it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The device's number.
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// The slide that streams are cut from, and that is read from its file.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/CMU-1-Small-Region.svs"))]
    slide: PathBuf,
    /// Width and height of the pictures that are timed.
    #[arg(long, default_value_t = 512)]
    size: u16,
    /// Their JPEG quality.
    #[arg(long, default_value_t = 70)]
    quality: u8,
    /// Pictures of a batch, several times.
    #[arg(long, value_delimiter = ',', default_value = "64,256,1024,4096")]
    batches: Vec<usize>,
    /// Lanes of a picture at most, several times.
    #[arg(long, value_delimiter = ',', default_value = "32,64,128,256")]
    lanes: Vec<u32>,
    /// Runs of each measurement; the middle one counts.
    #[arg(long, default_value_t = 7)]
    repeat: usize,
    /// Run the matrix only.
    #[arg(long)]
    exact_only: bool,
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

/// Whether all bytes were equal.
fn run(arguments: &Arguments) -> Result<bool> {
    let executor = Device::probe(arguments.device).and_then(|device| {
        println!("device {device}");
        CudaExecutor::new(arguments.device)
    });
    let executor = match executor {
        Ok(executor) => executor,
        Err(error) => {
            println!("no device: {error}");
            return on_host(arguments);
        }
    };
    let mut decoder = BatchDecoder::new(Box::new(executor));
    let equal = exact::run(&mut decoder, arguments, true)?;
    if !equal {
        println!("nothing is timed: wrong bytes have no speed");
    } else if !arguments.exact_only {
        speed::run(decoder, arguments)?;
        peers::run(arguments)?;
    }
    Ok(equal)
}

#[cfg(feature = "cuda-host")]
fn on_host(arguments: &Arguments) -> Result<bool> {
    println!("the same kernels on the host, lanes in an order drawn by lot");
    let executor = wsi::cuda::HostExecutor::new().with_seed(1);
    exact::run(&mut BatchDecoder::new(Box::new(executor)), arguments, false)
}

#[cfg(not(feature = "cuda-host"))]
fn on_host(_: &Arguments) -> Result<bool> {
    println!("built without `cuda-host`: there is nothing to run");
    Ok(true)
}
