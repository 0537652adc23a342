//! How fast is a region? `cargo bench -- region`
//!
//! Of the bundled slide: a patch that nobody read before (an open slide without a cache), one whose
//! tiles are in the cache, and the whole level; on one thread.

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wsi::pure::PureDriver;
use wsi::{Driver, OpenOptions, PixelFormat, Region, Slide};

fn open(driver: &PureDriver) -> Slide {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs");
    let source = driver
        .open(&path, &OpenOptions::default())
        .expect("the bundled slide");
    Slide::new(source, path)
}

fn region(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    let patch = Region::at_level(0, (1003, 1207), (224, 224));
    let mut group = criterion.benchmark_group("region/CMU-1-Small-Region");
    group.throughput(Throughput::Elements(224 * 224));
    let cold = PureDriver::with_cache_bytes(0);
    group.bench_function("patch 224, cold, 1 thread", |bencher| {
        bencher.iter_batched(
            || open(&cold),
            |slide| black_box(slide.read_region(&patch).expect("a patch")),
            BatchSize::SmallInput,
        );
    });
    let slide = open(&PureDriver::new());
    group.bench_function("patch 224, cached, 1 thread", |bencher| {
        bencher.iter(|| black_box(slide.read_region(&patch).expect("a patch")));
    });
    group.throughput(Throughput::Elements(
        slide.pyramid().levels()[0].size.area(),
    ));
    group.bench_function("level 0, 1 thread", |bencher| {
        bencher.iter(|| {
            pool.install(|| black_box(slide.read_level(0, PixelFormat::RGB8).expect("a level")))
        });
    });
    group.finish();
}

criterion_group!(benches, region);
criterion_main!(benches);
