//! The kernels, on the host, give every stored tile and any patch of every slide as `read_region`
//! does. Without `WSI_LONG_TESTS=1` a sample of the tiles is compared.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use std::path::{Path, PathBuf};

use wsi::cuda::{BatchDecoder, CpuReason, Decoded, HostExecutor, Output};
use wsi::source::TileIndex;
use wsi::{
    Channels, Damage, ErrorKind, OpenOptions, PixelFormat, Plane, Point, Region, SampleType, Size,
    Slide,
};

mod support;

/// What was compared.
#[derive(Debug, Default)]
struct Count {
    slides: usize,
    /// Tiles that the kernels decoded.
    by_kernels: usize,
    /// Tiles of JPEG that they left to the CPU, of which so many were flagged.
    by_cpu: usize,
    flagged: usize,
    /// Tiles of other compressions.
    others: usize,
    patches: usize,
    /// Tiles that cannot be decoded, and are errors here and there.
    errors: usize,
}

/// The format in which a batch has the pixels of a slide, if it has them.
fn format_of(slide: &Slide) -> Option<PixelFormat> {
    let format = slide.info().pixel_format;
    match (format.channels, format.sample) {
        (Channels::Gray, SampleType::U8) => Some(PixelFormat::GRAY8),
        (Channels::Gray, _) => None,
        _ => Some(PixelFormat::RGB8),
    }
}

/// Compares a batch with reads of its regions, one by one.
fn compare(
    slide: &Slide,
    decoder: &BatchDecoder,
    decoded: &Decoded,
    regions: &[Region],
    count: &mut Count,
) -> Result<(), String> {
    let format = format_of(slide).expect("a picture");
    let pixels = decoder.download(&decoded.tensor).expect("pixels");
    let item = pixels.len() / regions.len().max(1);
    for (number, region) in regions.iter().enumerate() {
        let ours = &pixels[number * item..][..item];
        let expected = slide.read_region_as(region, format);
        match (&decoded.report.results[number], expected) {
            (Ok(()), Ok(expected)) if expected.as_bytes() == ours => {}
            (Ok(()), Ok(expected)) => {
                let differs = |i: &usize| expected.as_bytes()[*i] != ours[*i];
                let first = (0..item).find(differs);
                let many = (0..item).filter(differs).count();
                return Err(format!(
                    "{region:?}: {many} samples differ, first {first:?}"
                ));
            }
            (Err(ours), Err(theirs)) if ours.kind() == theirs.kind() => count.errors += 1,
            (ours, theirs) => {
                return Err(format!("{region:?}: {ours:?}, but {:?}", theirs.map(drop)));
            }
        }
    }
    Ok(())
}

fn compare_level(
    slide: &Slide,
    level: usize,
    count: &mut Count,
    most: usize,
) -> Result<(), String> {
    let Some(tiles) = slide.encoded_tiles() else {
        return Ok(());
    };
    let layout = tiles
        .layout(level, Plane(0))
        .map_err(|error| error.to_string())?;
    let size = layout.tile_size;
    // Strips as wide as a page are no tiles that anybody would train on.
    if size.area() > 1 << 22 || layout.compression != "jpeg" && count.others > 200 {
        return Ok(());
    }
    let all = layout.columns as usize * layout.rows as usize;
    let most = if layout.compression == "jpeg" {
        most
    } else {
        6
    };
    let chosen: Vec<_> = (0..all.min(most))
        .map(|number| {
            let number = number * all / all.min(most);
            TileIndex {
                level,
                plane: Plane(0),
                column: u32::try_from(number % layout.columns as usize).expect("a column"),
                row: u32::try_from(number / layout.columns as usize).expect("a row"),
            }
        })
        .collect();
    let executor = HostExecutor::new().with_seed(level as u64);
    let mut decoder = BatchDecoder::new(Box::new(executor));
    let at = |column: u32, side: u32| i64::from(column) * i64::from(side);
    let corner =
        |tile: &TileIndex| Point::new(at(tile.column, size.width), at(tile.row, size.height));
    let output = Output::new();
    for tiles in chosen.chunks(64) {
        let decoded = decoder
            .decode_tiles(slide, level, tiles, &output)
            .map_err(|error| error.to_string())?;
        for tile in &decoded.report.by_cpu {
            match tile.reason {
                CpuReason::Compression => count.others += 1,
                CpuReason::Flagged(_) => {
                    count.by_cpu += 1;
                    count.flagged += 1;
                }
                _ => count.by_cpu += 1,
            }
        }
        count.by_kernels += tiles.len() - decoded.report.by_cpu.len();
        let regions: Vec<_> = tiles
            .iter()
            .map(|tile| Region::at_level(level, corner(tile), size))
            .collect();
        compare(slide, &decoder, &decoded, &regions, count)?;
    }
    // Patches off the grid, over corners where tiles meet, and over the edges of the level.
    let patch = Size::new(
        size.width.min(300) * 2 / 3 + 1,
        size.height.min(300) / 2 + 3,
    );
    let origins: Vec<_> = chosen
        .iter()
        .step_by(chosen.len() / 10 + 1)
        .map(|tile| {
            let corner = corner(tile);
            let shift = i64::from(tile.column * 7 + tile.row * 11) % 29;
            Point::new(corner.x - 17 - shift, corner.y - 13 + shift)
        })
        .collect();
    let decoded = decoder
        .read_patches(slide, level, &origins, patch, &output)
        .map_err(|error| error.to_string())?;
    let regions: Vec<_> = origins
        .iter()
        .map(|&origin| Region::at_level(level, origin, patch))
        .collect();
    count.patches += regions.len();
    compare(slide, &decoder, &decoded, &regions, count)
}

fn compare_slide(path: &Path, count: &mut Count, most: usize) -> Result<(), String> {
    let options = OpenOptions::default().with_backend("pure");
    let Ok(slide) = wsi::open_with(path, &options) else {
        return Ok(());
    };
    let Some(format) = format_of(&slide) else {
        return Ok(());
    };
    // Colour that the backend does not convert is nobody's picture.
    let pixel = slide.read_region_as(&Region::at_level(0, (0, 0), (1, 1)), format);
    if pixel.is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
        return Ok(());
    }
    count.slides += 1;
    for level in 0..slide.pyramid().len() {
        compare_level(&slide, level, count, most)
            .map_err(|error| format!("{}, level {level}: {error}", path.display()))?;
    }
    Ok(())
}

fn long_tests() -> bool {
    std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1")
}

#[test]
fn the_bundled_slide() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs");
    let mut count = Count::default();
    let most = if long_tests() { usize::MAX } else { 30 };
    compare_slide(&path, &mut count, most).expect("equal pixels");
    println!("{count:?}");
    assert!(count.by_kernels >= 30);
    assert_eq!((count.by_cpu, count.others, count.errors), (0, 0, 0));
}

#[test]
fn every_test_slide() {
    let Some(folder) = support::slides() else {
        return;
    };
    let most = if long_tests() { usize::MAX } else { 12 };
    let mut paths: Vec<PathBuf> = ["wsi", "tiff"]
        .iter()
        .flat_map(|kind| folder.join(kind).read_dir().expect("a folder of slides"))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let mut count = Count::default();
    let results: Vec<_> = paths
        .iter()
        .filter_map(|path| compare_slide(path, &mut count, most).err())
        .collect();
    println!("{count:?}");
    assert!(results.is_empty(), "{}", results.join("\n"));
    assert!(count.by_kernels > 100 && count.others > 0, "{count:?}");
}

#[test]
fn a_part_of_the_large_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures");
    for name in ["slide_a.tiff", "slide_b.tiff"] {
        let path = folder.join(name);
        if !path.is_file() {
            println!("SKIP: `cargo xtask fixtures` makes {}", path.display());
            continue;
        }
        let mut count = Count::default();
        let most = if long_tests() { 400 } else { 24 };
        compare_slide(&path, &mut count, most).expect("equal pixels");
        println!("{name}: {count:?}");
        assert!(count.by_kernels > 0 && count.flagged == 0, "{count:?}");
    }
}

#[test]
fn damaged_tiles_are_errors_or_shown_as_the_slide_was_opened() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs");
    let mut bytes = std::fs::read(path).expect("the bundled slide");
    let open = |bytes: &[u8], damage| {
        let options = OpenOptions::default().with_damage(damage);
        let source = wsi::pure::PureDriver::new().open_source(Box::new(bytes.to_vec()), &options);
        Slide::new(source.expect("a slide"), "damaged.svs")
    };
    let tiles: Vec<_> = (0..4)
        .map(|column| TileIndex {
            level: 0,
            plane: Plane(0),
            column,
            row: 2,
        })
        .collect();
    let mut stored = Vec::new();
    let whole = open(&bytes, Damage::Refuse);
    let read = whole
        .encoded_tiles()
        .expect("stored tiles")
        .read_tile(tiles[2], &mut stored);
    assert!(read.expect("a tile"));
    let found = bytes
        .windows(stored.len())
        .position(|window| window == stored);
    let start = found.expect("the tile's bytes") + stored.len() / 2;
    bytes[start..start + 40].fill(0xFF);

    for damage in [Damage::Refuse, Damage::Show] {
        let slide = open(&bytes, damage);
        let mut decoder = BatchDecoder::new(Box::new(HostExecutor::new()));
        let decoded = decoder
            .decode_tiles(&slide, 0, &tiles, &Output::new())
            .expect("tiles");
        assert_eq!(decoded.report.by_cpu.len(), 1);
        let failed: Vec<_> = decoded.report.results.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, false, damage == Damage::Refuse, false]);
        let regions: Vec<_> = (0..4)
            .map(|column| Region::at_level(0, (column * 240, 480), (240, 240)))
            .collect();
        let mut count = Count::default();
        compare(&slide, &decoder, &decoded, &regions, &mut count).expect("equal pixels");
        if let Some((number, error)) = decoded.report.first_error() {
            assert_eq!(
                (number, error.level(), error.tile()),
                (2, Some(0), Some((2, 2)))
            );
            let message = error.to_string();
            assert!(
                message.starts_with("damaged.svs: level 0, tile (2, 2): corrupt: "),
                "{message}"
            );
        }
    }
}
