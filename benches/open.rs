//! How long does opening a slide take? `cargo bench --features openslide -- open`

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wsi::OpenOptions;

mod support;

fn open(criterion: &mut Criterion) {
    for sample in support::samples() {
        let mut group = criterion.benchmark_group(format!("open/{}", sample.name));
        for backend in support::backends() {
            let driver = backend.driver();
            group.bench_function(backend.name, |bencher| {
                bencher.iter(|| {
                    let source = driver.open(&sample.slide, &OpenOptions::default());
                    black_box(source.expect("a slide").info().pyramid.len())
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, open);
criterion_main!(benches);
