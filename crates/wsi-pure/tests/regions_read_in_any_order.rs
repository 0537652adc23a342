//! Any read equals that part of the level read whole, whatever was read before and however large
//! the cache is: windows of tiles, row indexes, cached tiles and whole tiles show the same pixels.
//!
//! That the level read whole is right, other tests ask OpenSlide and libjpeg-turbo.

use std::path::{Path, PathBuf};
use std::sync::Barrier;

use proptest::prelude::*;
use wsi_core::{Driver, Image, OpenOptions, PixelFormat, Region, Slide};
use wsi_pure::PureDriver;

/// Bytes: nothing, a tile or two, part of a level, everything.
const CACHES: [usize; 4] = [0, 300_000, 2 << 20, 1 << 30];

/// Tiles of 240 x 240, and where the test slides are there, of 256 x 256 and 512 x 512 with halved
/// chroma and shared tables.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("WSI_TEST_SLIDES")
        .map_or_else(|| root.join("../shared/slides"), PathBuf::from);
    let mut files = vec![root.join("fixtures/CMU-1-Small-Region.svs")];
    let more = ["wsi/synth-pyramid.tiff", "wsi/rio-cogeo__image_geos.tif"];
    files.extend(more.map(|name| shared.join(name)));
    files.retain(|path| path.is_file());
    files
}

fn open(path: &Path, cache: usize) -> Slide {
    let source = PureDriver::with_cache_bytes(cache).open(path, &OpenOptions::default());
    Slide::new(source.expect("a slide"), path)
}

/// Slides with their level 0.
fn levels() -> Vec<(PathBuf, Image)> {
    let whole = |path: PathBuf| {
        let level = open(&path, 0).read_level(0, PixelFormat::RGB8);
        (path, level.expect("a level"))
    };
    files().into_iter().map(whole).collect()
}

/// A place on the level and a size, as shares of what there is.
type Share = (f64, f64, f64, f64);

/// Mostly a corner of the level, so that tiles are met again; sizes from a pixel to some tiles.
fn shares() -> impl Strategy<Value = Vec<Share>> {
    let share = (0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64);
    prop::collection::vec(share, 1..24)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions on a level")]
fn region((x, y, width, height): Share, level: &Image) -> Region {
    let span = |start: f64, length: f64, end: u32| {
        let start = (start * start * f64::from(end - 1)) as u32;
        let most = (end - start).min(700);
        (start, 1 + (length * length * f64::from(most - 1)) as u32)
    };
    let (x, width) = span(x, width, level.size().width);
    let (y, height) = span(y, height, level.size().height);
    Region::at_level(0, (x.into(), y.into()), (width, height))
}

/// The part of `level` that `region` names.
fn crop(level: &Image, (x, y): (usize, u32), region: &Region) -> Vec<u8> {
    let row = |row: u32| {
        let row = level.row(y + row);
        &row[x * 3..(x + region.size.width as usize) * 3]
    };
    (0..region.size.height).flat_map(row).copied().collect()
}

fn expect_crop(slide: &Slide, level: &Image, region: &Region) {
    let wsi_core::Origin::Level(origin) = region.origin else {
        unreachable!("regions of a level");
    };
    let corner = (
        usize::try_from(origin.x).expect("inside"),
        u32::try_from(origin.y).expect("inside"),
    );
    let read = slide.read_region(region).expect("a region");
    assert!(
        read.as_bytes() == crop(level, corner, region),
        "{}: {region:?} differs",
        slide.path().display()
    );
}

#[test]
fn reads_in_any_order_are_crops_of_the_level() {
    let levels = levels();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(16));
    runner
        .run(&shares(), |shares| {
            for (path, level) in &levels {
                for cache in CACHES {
                    let slide = open(path, cache);
                    for &share in &shares {
                        expect_crop(&slide, level, &region(share, level));
                    }
                }
            }
            Ok(())
        })
        .expect("every read equals its crop");
}

#[test]
fn threads_that_want_the_same_tiles_all_get_them() {
    let mut numbers = 1_u64;
    let mut number = || {
        numbers = numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f64::from(u32::try_from(numbers >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    };
    let shares: Vec<Share> = (0..30)
        .map(|_| (number() * 0.5, number() * 0.5, number(), number()))
        .collect();
    for (path, level) in &levels() {
        for cache in CACHES {
            let slide = open(path, cache);
            let barrier = Barrier::new(8);
            std::thread::scope(|scope| {
                for first in 0..8 {
                    let (slide, barrier, shares) = (&slide, &barrier, &shares);
                    scope.spawn(move || {
                        barrier.wait();
                        // Half of them in step with each other, half at other places.
                        for step in 0..shares.len() {
                            let index = step + first / 4 * 7 * (first % 4);
                            let share = shares[index % shares.len()];
                            expect_crop(slide, level, &region(share, level));
                        }
                    });
                }
            });
        }
    }
}
