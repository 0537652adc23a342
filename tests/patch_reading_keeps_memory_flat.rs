//! A reader that is kept busy takes no more memory after 100,000 patches than after 20,000.

#![allow(clippy::print_stdout, reason = "a test that does nothing says so")]

use std::num::NonZeroUsize;
use std::path::Path;

use peak_alloc::PeakAlloc;
use wsi::tiling::PatchReader;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

#[test]
fn a_hundred_thousand_patches_from_eight_threads_take_no_more_memory_than_the_first() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let large = root.join("target/fixtures/slide_a.tiff");
    let (path, patches) = match (std::env::var_os("WSI_LONG_TESTS"), large.is_file()) {
        (Some(_), true) => (large, 100_000_u64),
        _ => (root.join("fixtures/CMU-1-Small-Region.svs"), 10_000),
    };
    let slide = wsi::open(path).expect("a slide");
    let size = slide.pyramid().levels()[0].size;
    let place = |i: u64| {
        // Spread over the slide, near each other now and then, as a training loop takes them.
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let x = mixed % u64::from(size.width);
        let y = mixed / 7919 % u64::from(size.height);
        (
            i64::try_from(x).expect("small"),
            i64::try_from(y).expect("small"),
        )
    };
    let reader = PatchReader::level0(&slide, 0, (64, 64), (0..patches).map(place))
        .expect("a reader")
        .with_threads(NonZeroUsize::new(8));
    let mut batches = reader.batches().expect("threads");
    let warm = batches.len() / 5;
    let mut early = 0.0;
    for number in 0.. {
        let Some(batch) = batches.next() else { break };
        batches.reuse(batch.expect("a batch"));
        if number == warm {
            early = ALLOCATED.peak_usage_as_mb();
            ALLOCATED.reset_peak_usage();
        }
    }
    let late = ALLOCATED.peak_usage_as_mb();
    println!("{patches} patches: peak {early:.1} MB in the first fifth, {late:.1} MB afterwards");
    assert!(late < early * 1.1 + 1.0, "{early} MB, then {late} MB");
}
