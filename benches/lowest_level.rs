//! How long does the lowest level take, from an open slide with an empty cache?
//! `cargo bench --features openslide -- lowest_level`

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wsi::PixelFormat;

mod support;

fn lowest_level(criterion: &mut Criterion) {
    let one = support::one_thread();
    for sample in support::samples() {
        let mut group = criterion.benchmark_group(format!("lowest_level/{}", sample.name));
        group.sample_size(20);
        for backend in support::backends() {
            let slide = backend.open(&sample.slide);
            let level = slide.pyramid().lowest();
            let pixels = slide.pyramid().levels()[level].size.area();
            group.throughput(Throughput::Elements(pixels));
            let read =
                |slide: &wsi::Slide| slide.read_level(level, PixelFormat::RGB8).expect("a level");
            let open = || backend.open(&sample.slide);
            group.bench_function(format!("{}, 1 thread", backend.name), |bencher| {
                bencher.iter_batched(
                    open,
                    |slide| one.install(|| black_box(read(&slide))),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(format!("{}, all threads", backend.name), |bencher| {
                bencher.iter_batched(
                    open,
                    |slide| black_box(read(&slide)),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, lowest_level);
criterion_main!(benches);
