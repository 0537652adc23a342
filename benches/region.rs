//! How fast is a region? `cargo bench --features openslide -- region`
//!
//! A patch of 224² in the middle of level 0: when nobody read there before, when its tiles are in
//! the cache, and between the pixels of a coarser level, where there is one of fractional downsample; on
//! one thread.

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wsi::{PixelFormat, Region};

mod support;

fn region(criterion: &mut Criterion) {
    for sample in support::samples() {
        let mut group = criterion.benchmark_group(format!("region/{}", sample.name));
        group.throughput(Throughput::Elements(224 * 224));
        for backend in support::backends() {
            let slide = backend.open(&sample.slide);
            let size = slide.pyramid().levels()[0].size;
            let middle = (
                i64::from(size.width / 2) + 3,
                i64::from(size.height / 2) + 7,
            );
            let patch = Region::level0(0, middle, (224, 224));
            let read = |slide: &wsi::Slide, region: &Region| {
                black_box(
                    slide
                        .read_region_as(region, PixelFormat::RGB8)
                        .expect("a patch"),
                )
            };
            group.bench_function(format!("patch of 224, new, {}", backend.name), |bencher| {
                bencher.iter_batched(
                    || backend.open(&sample.slide),
                    |slide| read(&slide, &patch),
                    BatchSize::PerIteration,
                );
            });
            for _ in 0..3 {
                read(&slide, &patch);
            }
            group.bench_function(
                format!("patch of 224, cached, {}", backend.name),
                |bencher| {
                    bencher.iter(|| read(&slide, &patch));
                },
            );
            let between = slide.pyramid().len() > 1;
            if between {
                // A level-0 pixel off: the neighbours are mixed.
                let patch =
                    Region::level0(1, (middle.0 / 8 * 8 + 1, middle.1 / 8 * 8 + 1), (224, 224));
                for _ in 0..3 {
                    read(&slide, &patch);
                }
                let name = format!("patch of 224 between pixels, cached, {}", backend.name);
                group.bench_function(name, |bencher| bencher.iter(|| read(&slide, &patch)));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, region);
criterion_main!(benches);
