//! How fast is a batch on the GPU? `cargo bench --features cuda -- gpu`
//!
//! Batches of tiles of 512², 4:2:0, quality 70, whose output stays on the device: the kernels alone,
//! with the upload from pinned memory, and with all that a call does. Without a device it prints SKIP.
//! `--example gpu_bench` sweeps more, checks the bytes, and times others beside it.

#![allow(missing_docs, reason = "criterion's macros make the functions")]
#![allow(clippy::print_stderr, reason = "stdout is criterion's")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wsi::cuda::{BatchDecoder, CudaExecutor, Output};

#[path = "../examples/gpu_bench/streams.rs"]
mod streams;
mod support;

use streams::Recipe;

fn gpu(criterion: &mut Criterion) {
    let executor = match CudaExecutor::new(0) {
        Ok(executor) => executor,
        Err(error) => {
            eprintln!("SKIP gpu: {error}");
            return;
        }
    };
    let mut decoder = BatchDecoder::new(Box::new(executor)).with_batch_bytes(u64::MAX);
    let samples = support::samples();
    let slide = wsi::open(&samples[0].slide).expect("the bundled slide");
    let recipe = Recipe {
        size: (512, 512),
        sampling: Some(jpeg_encoder::SamplingFactor::F_2_2),
        quality: 70,
        restart: 0,
    };
    let different = recipe.streams(&slide, 128).expect("streams");
    let (format, output) = (recipe.format(), Output::new());
    let channels = recipe.channels();
    let mut group = criterion.benchmark_group(format!("gpu/{}", decoder.executor().name()));
    for batch in [64, 256, 1024] {
        let streams: Vec<&[u8]> = different
            .iter()
            .map(Vec::as_slice)
            .cycle()
            .take(batch)
            .collect();
        let tensor = decoder
            .allocate(batch, format.size, channels, &output)
            .expect("memory");
        let prepared = decoder.prepare_streams(&format, &streams).expect("a plan");
        decoder
            .upload_prepared(&prepared, &output)
            .expect("an upload");
        group.throughput(Throughput::Elements(format.size.area() * batch as u64));
        group.bench_function(format!("kernels, {batch} tiles"), |bencher| {
            bencher.iter(|| {
                decoder
                    .launch_prepared(&prepared, &output, &tensor)
                    .expect("a launch");
                decoder.executor().synchronize().expect("the device");
            });
        });
        group.bench_function(format!("upload and kernels, {batch} tiles"), |bencher| {
            bencher.iter(|| {
                decoder
                    .upload_prepared(&prepared, &output)
                    .expect("an upload");
                decoder
                    .launch_prepared(&prepared, &output, &tensor)
                    .expect("a launch");
                decoder.executor().synchronize().expect("the device");
            });
        });
        group.bench_function(format!("all, {batch} tiles"), |bencher| {
            bencher.iter(|| {
                decoder
                    .decode_streams_into(&format, &streams, &output, &tensor)
                    .expect("a batch")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, gpu);
criterion_main!(benches);
