//! How fast are patches anywhere, as training reads them?
//! `cargo bench --features openslide -- random_patches`
//!
//! 64 patches of 224² at random places of level 0, on the tissue's grid of no tile, from a slide
//! just opened; on one thread, and on two that share the slide.

#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wsi::{PixelFormat, Region, Slide};

mod support;

const PATCHES: usize = 64;
const SIDE: u32 = 224;

/// The same places in every run (a linear congruential generator, Knuth's multiplier).
fn places(slide: &Slide) -> Vec<Region> {
    let size = slide.pyramid().levels()[0].size;
    let mut state = 1_u64;
    let mut below = |bound: u32| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % u64::from(bound)).unwrap_or(0)
    };
    (0..PATCHES)
        .map(|_| {
            let origin = (below(size.width - SIDE), below(size.height - SIDE));
            Region::level0(0, origin, (SIDE, SIDE))
        })
        .collect()
}

fn read(slide: &Slide, regions: &[Region]) {
    for region in regions {
        black_box(
            slide
                .read_region_as(region, PixelFormat::RGB8)
                .expect("a patch"),
        );
    }
}

fn random_patches(criterion: &mut Criterion) {
    for sample in support::samples() {
        let mut group = criterion.benchmark_group(format!("random_patches/{}", sample.name));
        group.sample_size(20);
        group.throughput(Throughput::Elements(PATCHES as u64));
        for backend in support::backends() {
            let regions = places(&backend.open(&sample.slide));
            let open = || backend.open(&sample.slide);
            group.bench_function(format!("{}, 1 thread", backend.name), |bencher| {
                bencher.iter_batched(
                    open,
                    |slide| read(&slide, &regions),
                    BatchSize::PerIteration,
                );
            });
            let (one, other) = regions.split_at(PATCHES / 2);
            group.bench_function(format!("{}, 2 threads", backend.name), |bencher| {
                bencher.iter_batched(
                    open,
                    |slide| {
                        std::thread::scope(|scope| {
                            scope.spawn(|| read(&slide, one));
                            read(&slide, other);
                        });
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, random_patches);
criterion_main!(benches);
