//! The GPU's kernels, run on the host, give the pixels of `read_region`: for the JPEG tiles of every
//! test slide and of the large fixtures, and for patches that lie across them.
//!
//! By default some tiles of each level; with `WSI_LONG_TESTS=1` many more.
#![cfg(feature = "cuda-host")]
#![allow(clippy::print_stdout, reason = "the counts are what people read")]
#![allow(clippy::panic, reason = "it says which file")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use wsi::cuda::plan::Slicing;
use wsi::cuda::{BatchDecoder, CpuReason, HostExecutor, Output};
use wsi::source::TileIndex;
use wsi::{ErrorKind, OpenOptions, PixelFormat, Plane, Point, Region, Size, Slide};

/// Pixels of a level that are decoded as tiles: by default, and with long tests.
const PIXELS: (u64, u64) = (150_000, 40_000_000);

/// What became of tiles and patches.
#[derive(Debug, Default)]
struct Counts {
    levels: usize,
    tiles: usize,
    patches: usize,
    failing_in_both: usize,
    by_cpu: BTreeMap<String, usize>,
}

fn slides() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fixtures"), root.join("target/fixtures")];
    match support::slides() {
        Some(shared) => folders.extend([shared.join("wsi"), shared.join("tiff")]),
        None => println!("SKIP: no test slides"),
    }
    let mut files = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            println!("SKIP: no folder {}", folder.display());
            continue;
        };
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    files
}

#[test]
fn tiles_and_patches_of_every_jpeg_slide() {
    let mut counts = Counts::default();
    let long = std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1");
    let pixels = if long { PIXELS.1 } else { PIXELS.0 };
    let mut seed = 1;
    for path in slides() {
        let options = OpenOptions::default().with_backend("pure");
        let Ok(slide) = wsi::open_with(&path, &options) else {
            continue;
        };
        for level in 0..slide.pyramid().len() {
            seed += 1;
            check_level(&slide, level, pixels, seed, &mut counts);
        }
    }
    println!("{counts:#?}");
    assert!(counts.tiles > 100, "too few tiles were met");
    let kernels = counts.tiles - counts.by_cpu.values().sum::<usize>().min(counts.tiles);
    assert!(kernels * 2 > counts.tiles, "most tiles are for the kernels");
}

fn check_level(slide: &Slide, level: usize, pixels: u64, seed: u64, counts: &mut Counts) {
    let Some(stored) = slide.encoded_tiles() else {
        return;
    };
    let format = slide.info().pixel_format;
    let Ok(layout) = stored.layout(level, Plane(0)) else {
        return;
    };
    let known = [PixelFormat::GRAY8, PixelFormat::RGB8].contains(&format);
    let area = layout.tile_size.area();
    if layout.compression != "jpeg" || !known || area > 8 * pixels {
        return;
    }
    counts.levels += 1;
    let all = u64::from(layout.columns) * u64::from(layout.rows);
    let wanted = (pixels / area.max(1)).clamp(2, all.max(2));
    let tiles: Vec<TileIndex> = (0..wanted.min(all))
        .filter_map(|number| {
            // Spread over the level, and not all in one column.
            let place = number * all / wanted;
            Some(TileIndex {
                level,
                plane: Plane(0),
                column: u32::try_from(place % u64::from(layout.columns)).ok()?,
                row: u32::try_from(place / u64::from(layout.columns)).ok()?,
            })
        })
        .collect();
    // Lanes run in an order drawn by lot, and slices are as short as the seed says.
    let lanes = [32, 64, 128, 256][usize::try_from(seed % 4).unwrap_or(0)];
    let mut decoder = BatchDecoder::new(Box::new(HostExecutor::new().with_seed(seed)))
        .with_slicing(Slicing::default().with_most_lanes(Some(lanes)));

    let origins: Vec<Point> = tiles
        .iter()
        .map(|tile| {
            let at = |index: u32, side: u32| i64::from(index) * i64::from(side);
            let size = layout.tile_size;
            Point::new(at(tile.column, size.width), at(tile.row, size.height))
        })
        .collect();
    let output = Output::new();
    let decoded = decoder
        .decode_tiles(slide, level, &tiles, &output)
        .unwrap_or_else(|error| panic!("{}: {error}", slide.path().display()));
    counts.tiles += decoded.report.tiles;
    compare(slide, level, &origins, &decoder, &decoded, counts);

    // Across the corners of some of the tiles, and over the edges of the level.
    let side = layout.tile_size.width.min(layout.tile_size.height).min(224);
    let before = i64::from(side / 3) + 1;
    let patches: Vec<Point> = origins
        .iter()
        .take(4)
        .map(|origin| Point::new(origin.x - before, origin.y - before))
        .collect();
    let decoded = decoder
        .read_patches(slide, level, &patches, Size::new(side, side), &output)
        .unwrap_or_else(|error| panic!("{}: {error}", slide.path().display()));
    counts.patches += patches.len();
    compare(slide, level, &patches, &decoder, &decoded, counts);
}

/// Holds each picture against the region that the CPU reads.
fn compare(
    slide: &Slide,
    level: usize,
    origins: &[Point],
    decoder: &BatchDecoder,
    decoded: &wsi::cuda::Decoded,
    counts: &mut Counts,
) {
    for tile in &decoded.report.by_cpu {
        let reason = match &tile.reason {
            CpuReason::Refused(refusal) => format!("refused: {refusal}"),
            CpuReason::Flagged(flags) => format!("flagged: {flags:#x}"),
            other => format!("{other:?}"),
        };
        *counts.by_cpu.entry(reason).or_default() += 1;
    }
    let pixels = decoder.download(&decoded.tensor).expect("the tensor");
    let item = pixels.len() / origins.len().max(1);
    let results = decoded.report.results.iter();
    let pictures = origins.iter().zip(results).zip(pixels.chunks(item.max(1)));
    for ((&origin, result), ours) in pictures {
        let region = Region::at_level(level, origin, decoded.tensor.size());
        match (result, slide.read_region(&region)) {
            (Ok(()), Ok(expected)) => assert!(
                ours == expected.as_bytes(),
                "{}: level {level}, {origin}",
                slide.path().display()
            ),
            (Err(error), Err(_)) => {
                assert_ne!(error.kind(), ErrorKind::Device, "{error}");
                counts.failing_in_both += 1;
            }
            (ours, theirs) => panic!(
                "{}: level {level}, {origin}: {:?} and {:?}",
                slide.path().display(),
                ours,
                theirs.map(|_| ())
            ),
        }
    }
}
