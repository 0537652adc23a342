//! How long does the published job take: 224² tiles of the middle level, chosen by the mask, kept in
//! memory? `cargo bench --features openslide -- tiling`
//!
//! Opening is part of it, as it is part of the job.

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{Criterion, criterion_group, criterion_main};
use wsi::tiling::{Mask, MemorySink, TilingJob};

mod support;

fn tiling(criterion: &mut Criterion) {
    for sample in support::samples() {
        let mut group = criterion.benchmark_group(format!("tiling/{}", sample.name));
        group.sample_size(10);
        for backend in support::backends() {
            for (threads, name) in [(NonZeroUsize::new(1), "1 thread"), (None, "all threads")] {
                group.bench_function(format!("{}, {name}", backend.name), |bencher| {
                    bencher.iter(|| {
                        let slide = backend.open(&sample.slide);
                        let mask = Mask::from_slide(backend.open(&sample.mask)).expect("a mask");
                        let mut sink = MemorySink::new();
                        let job = TilingJob::new(&slide).with_mask(mask).with_threads(threads);
                        black_box(job.run(&mut sink).expect("tiles").tiles.len())
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, tiling);
criterion_main!(benches);
