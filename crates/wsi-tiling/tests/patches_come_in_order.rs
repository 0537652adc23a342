//! Batches of patches hold what regions hold, in the order of the places or of a seed, whatever the
//! number of threads, the size of a batch and what is given back.

mod support;

use std::num::NonZeroUsize;

use proptest::prelude::*;
use support::Computed;
use wsi_core::{ErrorKind, PixelFormat, Rect, Region, Slide};
use wsi_tiling::{Batch, BatchPixels, PatchOutput, PatchReader};

const SIZE: (u32, u32) = (20, 12);

fn slide() -> Slide {
    Computed::picture(&[(300, 200), (75, 50)], 32).open("a.svs")
}

fn places(count: i64) -> Vec<(i64, i64)> {
    (0..count)
        .map(|i| (i * 37 % 330 - 15, i * 23 % 220 - 10))
        .collect()
}

fn bytes(batch: &Batch) -> &[u8] {
    let bytes = match &batch.pixels {
        BatchPixels::U8(pixels) => pixels.as_slice(),
        _ => None,
    };
    bytes.expect("bytes, in one piece")
}

fn region(slide: &Slide, level: usize, place: (i64, i64)) -> Vec<u8> {
    let region = Region::level0(level, place, SIZE);
    let image = slide.read_region_as(&region, PixelFormat::RGB8);
    image.expect("a region").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn batches_hold_what_regions_hold(
        count in 0..90_i64,
        size in 1..40_usize,
        threads in 1..5_usize,
        prefetch in 0..4_usize,
        shuffle in prop::option::of(any::<u64>()),
        drop_last in any::<bool>(),
        level in 0..2_usize,
        gives_back in any::<bool>(),
    ) {
        let slide = slide();
        let places = places(count);
        let reader = PatchReader::level0(&slide, level, SIZE, places.clone())
            .expect("a reader")
            .with_batch_size(size)
            .with_threads(NonZeroUsize::new(threads))
            .with_prefetch(prefetch)
            .with_shuffle(shuffle)
            .with_drop_last(drop_last);
        let mut batches = reader.batches().expect("threads");
        let full = places.len() / size;
        let all = if drop_last { full } else { places.len().div_ceil(size) };
        prop_assert_eq!(batches.len(), all);
        let mut seen = Vec::new();
        while let Some(batch) = batches.next() {
            let batch = batch.expect("a batch");
            let patches = bytes(&batch).chunks_exact(reader.patch_bytes());
            prop_assert_eq!(patches.len(), batch.indices.len());
            for (&index, patch) in batch.indices.iter().zip(patches) {
                prop_assert!(patch == region(&slide, level, places[index]), "patch {}", index);
            }
            seen.extend_from_slice(&batch.indices);
            if gives_back {
                batches.reuse(batch);
            }
        }
        prop_assert_eq!(seen.len(), if drop_last { full * size } else { places.len() });
        if shuffle.is_none() {
            prop_assert!(seen.iter().copied().eq(0..seen.len()));
        }
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), if drop_last { full * size } else { places.len() });
    }
}

#[test]
fn a_seed_decides_the_order_and_threads_do_not() {
    let slide = slide();
    let order = |seed: u64, threads: usize| -> Vec<usize> {
        let reader = PatchReader::at_level(&slide, 1, SIZE, places(50)).expect("a reader");
        let batches = reader
            .with_batch_size(7)
            .with_shuffle(seed)
            .with_threads(NonZeroUsize::new(threads))
            .batches();
        let batches = batches.expect("threads");
        batches
            .flat_map(|batch| batch.expect("a batch").indices)
            .collect()
    };
    assert_eq!(order(3, 1), order(3, 4));
    assert_ne!(order(3, 1), order(4, 1));
}

#[test]
fn a_patch_that_cannot_be_read_fails_its_batch_alone() {
    let slide = Computed::picture(&[(300, 200)], 32)
        .with_broken(0, Rect::new((100, 0), (5, 5)))
        .open("a.svs");
    let places: Vec<(i64, i64)> = (0..10).map(|i| (i * 25, 0)).collect();
    let reader = PatchReader::at_level(&slide, 0, SIZE, places).expect("a reader");
    let batches = reader.with_batch_size(2).batches().expect("threads");
    let results: Vec<_> = batches.collect();
    let good: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false, true, true]);
    let error = results[2].as_ref().expect_err("the broken one");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("patch 4 at (100, 0)"), "{error}");
}

#[test]
fn a_source_that_panics_fails_a_batch_and_no_other() {
    let panics = |_: usize, x: u32, y: u32, out: &mut [u8]| {
        assert!((x, y) != (110, 5), "on purpose");
        out.fill(1);
    };
    let slide = Computed::new(&[(300, 200)], 32, PixelFormat::RGB8, panics).open("a.svs");
    let places: Vec<(i64, i64)> = (0..10).map(|i| (i * 25, 0)).collect();
    for threads in 1..4 {
        let reader = PatchReader::at_level(&slide, 0, SIZE, places.clone()).expect("a reader");
        let batches = reader
            .with_batch_size(2)
            .with_threads(NonZeroUsize::new(threads))
            .batches()
            .expect("threads");
        let good: Vec<bool> = batches.map(|batch| batch.is_ok()).collect();
        assert_eq!(good, [true, true, false, true, true]);
    }
}

#[test]
fn who_takes_nothing_is_read_for_only_so_far() {
    let source = Computed::picture(&[(300, 200)], 32);
    let reads = source.reads();
    let slide = source.open("a.svs");
    let reader = PatchReader::level0(&slide, 0, SIZE, places(2000)).expect("a reader");
    let mut batches = reader
        .with_batch_size(8)
        .with_threads(NonZeroUsize::new(2))
        .with_prefetch(3)
        .batches()
        .expect("threads");
    batches.next().expect("a batch").expect("patches");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let read = reads.lock().expect("no panic").len();
    // That one, three that are ready, one more, and two units of eight for each thread.
    assert!(read <= 8 * (1 + 3 + 1 + 4), "{read} patches");
    let rest = batches.filter(Result::is_ok).count();
    assert_eq!(rest, 2000 / 8 - 1);
}

#[test]
fn whoever_stops_early_leaves_no_thread_behind() {
    let slide = slide();
    for taken in 0..3 {
        let reader = PatchReader::level0(&slide, 0, SIZE, places(2000)).expect("a reader");
        let mut batches = reader.with_batch_size(8).batches().expect("threads");
        for _ in 0..taken {
            batches.next().expect("a batch").expect("patches");
        }
        drop(batches);
    }
}

#[test]
fn patches_go_to_the_callers_memory() {
    let slide = slide();
    let places = places(30);
    let reader = PatchReader::level0(&slide, 0, SIZE, places.clone()).expect("a reader");
    let mut out = vec![0; 5 * reader.patch_bytes()];
    reader.read_into(10..15, &mut out).expect("patches");
    for (patch, &place) in out.chunks_exact(reader.patch_bytes()).zip(&places[10..15]) {
        assert!(patch == region(&slide, 0, place));
    }
    for (range, length) in [(10..15, 7), (28..33, out.len())] {
        let error = reader.read_into(range, &mut vec![0; length]);
        assert_eq!(
            error.expect_err("refused").kind(),
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn normalised_batches_are_the_same_patches() {
    let slide = slide();
    let reader = PatchReader::level0(&slide, 0, SIZE, places(20)).expect("a reader");
    let output = PatchOutput::Normalized {
        mean: vec![0.0; 3],
        std: vec![1.0 / 255.0; 3],
    };
    let plain = reader.clone().with_batch_size(6);
    let plain = plain.batches().expect("threads");
    let mut normalised = reader
        .with_batch_size(6)
        .with_output(output)
        .batches()
        .expect("threads");
    for plain in plain {
        let plain = plain.expect("a batch");
        let numbers = normalised.next().expect("as many").expect("a batch");
        assert_eq!(plain.indices, numbers.indices);
        match (&plain.pixels, &numbers.pixels) {
            (BatchPixels::U8(bytes), BatchPixels::F32(numbers)) => {
                assert_eq!(numbers.shape(), [bytes.shape()[0], 3, 12, 20]);
                for ((n, y, x, c), &byte) in bytes.indexed_iter() {
                    assert!((numbers[[n, c, y, x]] - f32::from(byte)).abs() < 1e-3);
                }
            }
            _ => panic!("bytes, and numbers"),
        }
        normalised.reuse(numbers);
    }
    assert!(normalised.next().is_none());
}

#[test]
fn readers_that_mean_nothing_are_refused() {
    let slide = slide();
    let kind = |reader: wsi_core::Result<PatchReader>| reader.expect_err("refused").kind();
    let invalid = ErrorKind::InvalidArgument;
    assert_eq!(
        kind(PatchReader::level0(&slide, 2, SIZE, places(3))),
        invalid
    );
    assert_eq!(
        kind(PatchReader::level0(&slide, 0, (0, 9), places(3))),
        invalid
    );
    let reader = PatchReader::level0(&slide, 0, SIZE, places(3)).expect("a reader");
    let wide = reader.clone().with_format(PixelFormat::GRAY16);
    assert_eq!(kind(wide), ErrorKind::Unsupported);
    let gray = reader.with_format(PixelFormat::GRAY8).expect("gray");
    let error = gray.with_output(PatchOutput::imagenet()).batches();
    assert_eq!(error.expect_err("three means").kind(), invalid);
}
